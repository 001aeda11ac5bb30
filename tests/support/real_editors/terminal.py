"""A terminal of its own for an editor, in which a test presses keys and reads the screen: tmux."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from tests.support.editors import need

TMUX = Path(shutil.which("tmux") or "/usr/bin/tmux")
BOUND_S = 30.0
NUMBERS = itertools.count()


class Terminal:
    def __init__(self, socket: str) -> None:
        self._socket = socket

    def press(self, *keys: str) -> None:
        """Keys by their names in tmux: Escape, Enter, C-x."""
        self.tmux("send-keys", "-t", "0", *keys)

    def type(self, text: str) -> None:
        # A semicolon at the end would be the end of tmux's own command.
        self.tmux("send-keys", "-t", "0", "-l", "--", text.replace(";", "\\;") if text.endswith(";") else text)

    def paste(self, text: str) -> None:
        self.tmux("set-buffer", "--", text)
        self.tmux("paste-buffer", "-p", "-d", "-t", "0")

    def screen(self) -> str:
        return self.tmux("capture-pane", "-p", "-t", "0")

    async def until(self, what: str, holds: Callable[[], bool], bound_s: float = BOUND_S) -> None:
        """Wait for something outside of this process. Raises AssertionError with the screen."""
        async with self.bounded(what, bound_s):
            while not holds():  # noqa: ASYNC110 -- what is outside tells nobody
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def bounded(self, what: str, bound_s: float = BOUND_S) -> AsyncIterator[None]:
        """Raises AssertionError with the screen where it takes longer."""
        try:
            async with asyncio.timeout(bound_s):
                yield
        except TimeoutError:
            raise AssertionError(f"not seen: {what}\n{self.screen()}") from None

    async def shows(self, text: str, bound_s: float = BOUND_S) -> None:
        await self.until(text, lambda: text in self.screen(), bound_s)

    def tmux(self, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        command = [TMUX, "-u", "-L", self._socket, "-f", "/dev/null", *arguments]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=BOUND_S)
        return done.stdout


@contextmanager
def terminal(command: Sequence[str | Path], folder: Path, environ: Mapping[str, str]) -> Iterator[Terminal]:
    """The command in a terminal, in the folder; both are gone afterwards."""
    need(TMUX, "install tmux")
    made = Terminal(f"flux-{os.getpid()}-{next(NUMBERS)}")
    variables = {**{name: value for name, value in environ.items() if name != "TMUX"}, "LANG": "C.UTF-8"}
    size = ["-x", "400", "-y", "40"]
    made.tmux("new-session", "-d", *size, "-c", str(folder), *map(str, command), env=variables)
    try:
        yield made
    finally:
        made.tmux("kill-server")
