"""A real Emacs in a terminal: keys by the terminal, and all else by emacsclient.

Emacs is taken from FLUX_TEST_EMACS, else from .tools/emacs, where tests/editors/install_emacs.sh puts it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.editors import ROOT, need
from tests.support.fake_editors.rules import Eglot
from tests.support.real_editors.desk import RELAY, RealDesk
from tests.support.real_editors.listener import listening
from tests.support.real_editors.terminal import BOUND_S, Terminal, terminal

EMACS = Path(os.environ.get("FLUX_TEST_EMACS") or ROOT / ".tools/emacs/emacs")

INIT = """
(setq server-socket-dir {sockets} server-name "socket" make-backup-files nil auto-save-default nil
      create-lockfiles nil inhibit-startup-screen t use-short-answers t)
(require 'server)
(server-start)
"""

TEXT = """
(when-let* ((buffer {buffer}))
  (with-current-buffer buffer
    (let ((text (save-restriction (widen) (buffer-string))))
      (base64-encode-string (encode-coding-string text buffer-file-coding-system) t))))
"""


class EmacsKeys:
    def __init__(self, window: Terminal, socket: Path) -> None:
        self.window = window
        self._socket = socket

    async def eval(self, code: str, **values: object) -> str:
        """What Emacs prints of the value. `{name}` in the code is the value as Lisp."""
        for name, value in values.items():
            code = code.replace(f"{{{name}}}", json.dumps(value, ensure_ascii=False))
        command = [EMACS.with_name("emacsclient"), "-s", self._socket, "--eval", code]
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        try:
            async with asyncio.timeout(BOUND_S):
                out, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            raise AssertionError(f"no answer to {code}\n{self.window.screen()}") from None
        assert process.returncode == 0, out.decode()
        return out.decode().strip()

    def command(self, name: str) -> None:
        """M-x."""
        self.window.press("M-x")
        self.window.type(name)
        self.window.press("Enter")

    async def go(self, path: Path, line: int = 0, column: int = 0) -> None:
        code = "(progn (find-file {path}) (goto-char (point-min)) (forward-line {line}) (forward-char {column}) nil)"
        await self.eval(code, path=str(path), line=line, column=column)

    async def text(self, path: Path) -> str:
        """What saving the buffer would write; the file's text where there is no buffer."""
        found = await self.eval(TEXT.replace("{buffer}", "(find-buffer-visiting {path})"), path=str(path))
        return (path.read_bytes() if found == "nil" else base64.b64decode(found.strip('"'))).decode()

    async def text_in_front(self) -> str:
        found = await self.eval(TEXT.replace("{buffer}", "(window-buffer)"))
        return base64.b64decode(found.strip('"')).decode()


@asynccontextmanager
async def emacs(folder: Path, scratch: Path, init: str, environ: Mapping[str, str]) -> AsyncIterator[EmacsKeys]:
    """Emacs in the folder, with this init file; `scratch` is for its own files."""
    need(EMACS, "run tests/editors/install_emacs.sh, or set FLUX_TEST_EMACS")
    file = scratch / "init.el"
    with tempfile.TemporaryDirectory(prefix="flux-emacs-") as sockets:  # a socket's path must be short
        file.write_text(INIT.replace("{sockets}", json.dumps(sockets)) + init, encoding="utf-8")
        socket = Path(sockets) / "socket"
        with terminal([EMACS, "-nw", "-Q", "-l", file], folder, environ) as window:
            await window.until("Emacs is up", socket.exists)
            yield EmacsKeys(window, socket)


class EmacsDesk(RealDesk):
    rules = Eglot
    keys: EmacsKeys

    async def show(self, name: str) -> None:
        await self.keys.go(self.folder / name)
        if not self.listener.is_initialized:
            self.keys.command("eglot")
        await self.listener.until(lambda: self.mirror(name) is not None)

    async def press(self, name: str, line: int, column: int, keys: str) -> None:
        path = self.folder / name
        wanted = len(await self.keys.text(path)) + len(keys)
        await self.keys.go(path, line, column)
        self.keys.window.type(keys)
        self.keys.window.press("C-a")  # a command of another kind ends the step of undo
        async with asyncio.timeout(BOUND_S):
            while len(await self.keys.text(path)) != wanted:
                pass

    async def decline(self, edit: Mapping[str, Any]) -> Any:
        await self.keys.eval("(setq eglot-confirm-server-edits t)")
        answer = asyncio.create_task(self.apply(edit))
        await self.keys.window.shows("Proceed?")
        self.keys.window.press("n")
        await answer
        await self.keys.eval("(setq eglot-confirm-server-edits nil)")
        return answer.result()

    async def undo(self, name: str) -> None:
        await self.keys.go(self.folder / name)
        await self.after_change(lambda: self.keys.window.press("C-_"))

    async def text(self, name: str) -> str:
        return await self.keys.text(self.folder / name)

    def as_saved(self, name: str, told: str) -> str:
        text = (self.folder / name).read_bytes().decode()
        is_dos = "\n" in text and text.count("\r\n") == text.count("\n")
        return told.replace("\n", "\r\n") if is_dos else told


PROBE = """
(require 'eglot)
(setq eglot-server-programs '((text-mode . ({python} {relay} {port}))) eglot-confirm-server-edits nil
      project-find-functions (list (lambda (_) '(transient . {folder}))))
"""


@asynccontextmanager
async def emacs_desk(folder: Path, scratch: Path) -> AsyncIterator[EmacsDesk]:
    async with listening() as (listener, port):
        init = PROBE
        for name, value in {**RELAY, "port": str(port), "folder": f"{folder}/"}.items():
            init = init.replace(f"{{{name}}}", json.dumps(value))
        async with emacs(folder, scratch, init, os.environ) as keys:
            desk = EmacsDesk(folder, listener)
            desk.keys = keys
            yield desk
