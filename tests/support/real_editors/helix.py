"""A real Helix in a terminal: what its user does, and what its buffers have.

Helix is taken from FLUX_TEST_HELIX, else from .tools/helix, where tests/editors/install_helix.sh puts it.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from tests.support.editors import ROOT, need
from tests.support.fake_editors.rules import Helix
from tests.support.real_editors.desk import RELAY, RealDesk
from tests.support.real_editors.listener import listening
from tests.support.real_editors.terminal import Terminal, terminal

HELIX = Path(os.environ.get("FLUX_TEST_HELIX") or ROOT / ".tools/helix/hx")


class HelixKeys:
    """Each method begins and ends in normal mode."""

    def __init__(self, window: Terminal, scratch: Path) -> None:
        self.window = window
        self._scratch = scratch
        self._numbers = itertools.count()

    async def run(self, command: str, argument: str) -> None:
        """A typable command, without its colon. The argument is pasted: typed, each key would list files."""
        self.window.type(f":{command} ")
        await self.window.shows(f":{command}")
        self.window.paste(argument)
        await self.window.shows(argument[-20:])
        self.window.press("Enter")
        await self.window.until("the command is run", lambda: f":{command}" not in self.window.screen())

    async def go(self, path: Path, line: int = 0, column: int = 0) -> None:
        """Open the file, or go to its buffer; the place is zero-based, in characters."""
        await self.run("open", str(path))
        self.window.type(f"{line + 1}gggh" + (f"{column}l" if column else ""))

    async def insert(self, key: str, text: str) -> None:
        """Type after a key that begins it."""
        self.window.type(key)
        await self.window.shows("INS")
        self.window.type(text)
        self.window.press("Escape")
        await self.window.shows("NOR")

    async def text(self, path: Path) -> str:
        """What the buffer has; it stays unsaved."""
        await self.go(path)
        return await self.text_in_front()

    async def text_in_front(self) -> str:
        out = self._scratch / f"helix-{next(self._numbers)}"
        self.window.type("%")
        await self.run("pipe-to", f"cat > {out}.part && mv {out}.part {out}")
        self.window.type(";")
        await self.window.until("the text of the buffer", out.exists)
        return out.read_bytes().decode()


@contextmanager
def helix(folder: Path, scratch: Path, languages: str, environ: Mapping[str, str]) -> Iterator[HelixKeys]:
    """Helix in the folder, with this languages.toml; `scratch` is for its own files."""
    need(HELIX, "run tests/editors/install_helix.sh, or set FLUX_TEST_HELIX")
    config = scratch / "helix-config"
    (config / "helix").mkdir(parents=True)
    (config / "helix/languages.toml").write_text(languages, encoding="utf-8")
    variables = {**environ, "XDG_CONFIG_HOME": str(config), "XDG_CACHE_HOME": str(scratch / "helix-cache")}
    with terminal([HELIX], folder, variables) as window:
        yield HelixKeys(window, scratch)


class HelixDesk(RealDesk):
    rules = Helix
    keys: HelixKeys

    async def show(self, name: str) -> None:
        await self.keys.go(self.folder / name)
        await self.listener.until(lambda: self.mirror(name) is not None)

    async def press(self, name: str, line: int, column: int, keys: str) -> None:
        wanted = self.length(name) + len(keys)
        await self.keys.go(self.folder / name, line, column)
        await self.keys.insert("i", keys)
        await self.listener.until(lambda: self.length(name) == wanted)

    async def undo(self, name: str) -> None:
        await self.keys.go(self.folder / name)
        await self.after_change(lambda: self.keys.window.type("u"))

    async def text(self, name: str) -> str:
        return await self.keys.text(self.folder / name)


LANGUAGES = """
[language-server.probe]
command = "{python}"
args = ["{relay}", "{port}"]
[[language]]
name = "probe"
scope = "text.probe"
file-types = ["txt"]
language-servers = ["probe"]
"""


@asynccontextmanager
async def helix_desk(folder: Path, scratch: Path) -> AsyncIterator[HelixDesk]:
    async with listening() as (listener, port):
        with helix(folder, scratch, LANGUAGES.format(port=port, **RELAY), os.environ) as keys:
            desk = HelixDesk(folder, listener)
            desk.keys = keys
            await keys.window.shows("NOR")
            yield desk
