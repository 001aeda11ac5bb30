"""A real VS Code (code-server and a browser) whose language server is a test."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.code_server import NODE, serving
from tests.support.editors import ROOT
from tests.support.fake_editors.rules import VsCode
from tests.support.real_editors.desk import RELAY, RealDesk
from tests.support.real_editors.listener import listening

START_S = 90.0
BOUND_S = 15.0


class Window:
    """tests/editors/vscode/driver.js from afar."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def do(self, method: str, *values: object, bound_s: float = BOUND_S) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": method, "with": values}).encode() + b"\n")
        return await self.answer(bound_s)

    async def answer(self, bound_s: float) -> Any:
        assert self._process.stdout is not None
        async with asyncio.timeout(bound_s):
            line = await self._process.stdout.readline()
        assert line, "the browser has ended"
        message = json.loads(line)
        assert "error" not in message, message["error"]
        return message["value"]


class VsCodeDesk(RealDesk):
    rules = VsCode
    window: Window
    workspace: Path

    async def show(self, name: str) -> None:
        await self._go(name)
        await self.listener.until(lambda: self.mirror(name) is not None)

    async def press(self, name: str, line: int, column: int, keys: str) -> None:
        wanted = self.length(name) + len(keys)
        await self._go(name)
        await self.window.do("goTo", f"{line + 1}:{column + 1}")
        await self.window.do("type", keys)
        await self.listener.until(lambda: self.length(name) == wanted)

    async def undo(self, name: str) -> None:
        await self._go(name)
        count = len(self.listener.told)
        await self.window.do("press", "Control+z")
        await self.listener.until(lambda: len(self.listener.told) > count)

    async def text(self, name: str) -> str:
        """What is seen, once it is told too; line ends are not seen, so they are those that were told."""
        await self._go(name)
        seen, found = "", None
        try:
            async with asyncio.timeout(BOUND_S):
                while found is None or plain(seen) != plain(found[1]):
                    seen, found = await self.window.do("lines", self._path(name)), self.mirror(name)
        except TimeoutError:
            raise AssertionError(f"VS Code shows {seen!r}, and told {found}") from None
        return found[1]

    async def _go(self, name: str) -> None:
        await self.window.do("go", self._path(name))

    def _path(self, name: str) -> str:
        return (self.folder / name).relative_to(self.workspace).as_posix()


def plain(text: str) -> str:
    """Without what cannot be seen, or is shown by another character."""
    return re.sub("[\r\x0c\x85\u2028␌\ufffd]", "", text)


@asynccontextmanager
async def vscode_desk(folder: Path, scratch: Path) -> AsyncIterator[VsCodeDesk]:
    async with listening() as (listener, port):
        settings = {
            "flux.command": [RELAY["python"], RELAY["relay"], str(port), "serve"],
            "editor.unusualLineTerminators": "off",  # else it asks
        }
        with serving(scratch, os.environ, settings) as variables:
            process = await asyncio.create_subprocess_exec(
                NODE,
                ROOT / "tests/editors/vscode/remote.js",
                env={**variables, "FLUX_TEST_FOLDER": str(folder), "FLUX_TEST_BOUND_MS": "10000"},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            desk = VsCodeDesk(folder, listener)
            desk.window = Window(process)
            desk.workspace = folder
            try:
                await desk.window.answer(START_S)
                await listener.until(lambda: listener.is_initialized, START_S)
                yield desk
            finally:
                assert process.stdin is not None
                process.stdin.close()
                async with asyncio.timeout(BOUND_S):
                    await process.wait()
