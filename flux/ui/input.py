"""Lines from the user: with editing and history on a terminal, plain where input is piped."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TextIO


class Input(Protocol):
    """Where lines come from. Both methods raise EOFError at the end, and KeyboardInterrupt on Ctrl-C while they wait
    for a key themselves; either may be cancelled, and loses no line by it.
    """

    async def line(self, prompt: str) -> str:
        """What the user says next, without its end."""
        ...

    async def answer(self, question: str) -> str:
        """The answer to a question that only now appears on the screen."""
        ...

    async def edit(self, text: str) -> str | None:
        """The text as the user leaves it in their editor; None where there is none to open."""
        ...


class PlainInput:
    """Lines of standard input as they come; for pipes, and for terminals that cannot move the cursor."""

    def __init__(self, screen: TextIO) -> None:
        self._screen = screen
        self._bytes = bytearray()
        self._is_at_end = False
        self._reading: asyncio.Future[bytes] | None = None

    async def line(self, prompt: str) -> str:
        if sys.stdin.isatty():
            self._screen.write(prompt)
            self._screen.flush()
        while (end := self._bytes.find(b"\n")) < 0 and not self._is_at_end:
            # One who was cancelled while waiting leaves the read to the next one.
            self._reading = self._reading or _read_in_a_thread()
            data = await asyncio.shield(self._reading)
            self._reading = None
            self._bytes += data
            self._is_at_end = not data
        if not self._bytes:
            raise EOFError
        line = bytes(self._bytes if end < 0 else self._bytes[:end])
        del self._bytes[: len(line) + 1]
        return line.decode("utf-8", "replace").rstrip("\r")

    async def answer(self, question: str) -> str:
        return await self.line(question)

    async def edit(self, text: str) -> str | None:
        return None


class EditedInput:
    """A line editor with history, kept in the file if there is one. Alt-Enter begins a new line."""

    def __init__(self, history: Path | None) -> None:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.history import FileHistory, InMemoryHistory
        from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

        kept = InMemoryHistory()
        if history is not None:
            with suppress(OSError):
                history.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                history.touch(mode=0o600)
                kept = FileHistory(str(history))
        keys = KeyBindings()

        @keys.add("escape", "enter")
        def new_line(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text("\n")

        self._lines: PromptSession[str] = PromptSession(
            history=kept, key_bindings=keys, enable_open_in_editor=True, prompt_continuation="  "
        )
        self._answers: PromptSession[str] = PromptSession()

    async def line(self, prompt: str) -> str:
        # Ctrl-C comes as a key here; the signal stays with who runs the chat.
        return await self._lines.prompt_async(prompt, handle_sigint=False)

    async def answer(self, question: str) -> str:
        from prompt_toolkit.formatted_text import FormattedText
        from prompt_toolkit.input.typeahead import clear_typeahead

        # What was typed before the question was there cannot be meant as its answer.
        clear_typeahead(self._answers.input)
        _forget_typed_keys()
        return await self._answers.prompt_async(FormattedText([("bold", question)]), handle_sigint=False)

    async def edit(self, text: str) -> str | None:
        from prompt_toolkit import PromptSession

        hint = "Alt-Enter takes this text, Ctrl-C leaves it as it was."
        lines: PromptSession[str] = PromptSession(multiline=True, bottom_toolbar=hint)

        def open_editor() -> None:
            # $VISUAL or $EDITOR; what it leaves is taken at once, and where it fails the lines can be edited here.
            lines.default_buffer.open_in_editor(validate_and_handle=True)

        return await lines.prompt_async("", default=text, pre_run=open_editor, handle_sigint=False)


def open_input(history: Path | None) -> Input:
    """The best input that standard input and output allow."""
    if sys.stdin.isatty() and sys.stdout.isatty():
        return EditedInput(history)
    return PlainInput(sys.stdout)


def _read_in_a_thread() -> asyncio.Future[bytes]:
    loop = asyncio.get_running_loop()
    arrived: asyncio.Future[bytes] = loop.create_future()

    def deliver(data: bytes) -> None:
        if not arrived.done():
            arrived.set_result(data)

    def read() -> None:
        try:
            # Not `sys.stdin.readline`: a thread that waits in there holds a lock which the interpreter needs to end.
            data = os.read(sys.stdin.fileno(), 65536)
        except (OSError, ValueError):
            data = b""
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(deliver, data)

    # Not the loop's own pool of threads: leaving the loop would wait there for a line that never comes.
    threading.Thread(target=read, daemon=True).start()
    return arrived


def _forget_typed_keys() -> None:
    if sys.platform == "win32":
        import msvcrt

        while msvcrt.kbhit():
            msvcrt.getwch()
    else:
        import termios

        with suppress(termios.error):
            termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
