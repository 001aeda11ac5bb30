"""Lines from the user: with editing and history on a terminal, plain where input is piped."""

from __future__ import annotations

import asyncio
import sys
import threading
from contextlib import suppress
from pathlib import Path


class PlainInput:
    """Lines of standard input as they come; for pipes, tests and terminals that cannot move the cursor."""

    async def line(self, prompt: str) -> str:
        """The next line without its end. Raises EOFError at the end of input."""
        if sys.stdin.isatty():
            print(prompt, end="", flush=True)
        line = await read_line()
        if not line:
            raise EOFError
        return line.rstrip("\r\n")


class EditedInput:
    """A line editor with history, kept in the user's state folder. Alt-Enter begins a new line."""

    def __init__(self, history: Path) -> None:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.history import FileHistory, InMemoryHistory

        try:
            history.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            history.touch(mode=0o600)
            kept = FileHistory(str(history))
        except OSError:
            kept = InMemoryHistory()
        self._session: PromptSession[str] = PromptSession(history=kept)

    async def line(self, prompt: str) -> str:
        """What the user typed. Raises EOFError on Ctrl-D, KeyboardInterrupt on Ctrl-C."""
        return await self._session.prompt_async(prompt)


def open_input(history: Path) -> PlainInput | EditedInput:
    """The best input that standard input and output allow."""
    if sys.stdin.isatty() and sys.stdout.isatty():
        return EditedInput(history)
    return PlainInput()


async def read_line() -> str:
    """A line of standard input, empty at its end. A cancelled question leaves its thread behind, which ends with us."""
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[str] = loop.create_future()

    def deliver(line: str) -> None:
        if not answered.done():
            answered.set_result(line)

    def read() -> None:
        line = sys.stdin.readline()
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(deliver, line)

    # Not the loop's own pool of threads: leaving the loop would wait there for a line that never comes.
    threading.Thread(target=read, daemon=True).start()
    return await answered
