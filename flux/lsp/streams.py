"""Messages on a byte stream, and the two threads that keep a blocking standard input and output off the event loop.

pygls' own loop waits for the editor in both directions: an editor that does not read for a while would stop a turn, and
one that dies could leave the process behind. Knows nothing of JSON.
"""

from __future__ import annotations

import asyncio
import os
import queue
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

LARGEST_BODY = 1 << 26
"""Bytes of a message. VS Code tells servers of no file above 50 million; escapes make a text longer."""
LARGEST_HEADER = 1 << 12
_CHUNK_BYTES = 1 << 16
_LENGTH = re.compile(rb"content-length:[ \t]*(\d{1,18})[ \t]*(?:\r\n|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TooLarge:
    """In the place of a message of so many bytes, which nothing was kept of."""

    size: int


class Frames:
    """Bytes in as they come, bodies of messages out (LSP 3.17, "Base Protocol"). Header names in any case.

    After a wrong length the next header is looked for, also right behind the rest of a body.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._body_bytes: int | None = None
        self._to_skip = 0

    def feed(self, data: bytes) -> Iterator[bytes | TooLarge]:
        """The bodies that are complete now. A header block without a length is skipped."""
        self._buffer += data
        while True:
            if self._to_skip:
                skipped = min(self._to_skip, len(self._buffer))
                del self._buffer[:skipped]
                self._to_skip -= skipped
            if self._body_bytes is None and not self._read_header():
                return
            if self._body_bytes is None:
                continue
            if self._body_bytes > LARGEST_BODY:
                self._to_skip, self._body_bytes = self._body_bytes, None
                yield TooLarge(self._to_skip)
                continue
            if len(self._buffer) < self._body_bytes:
                return
            body = bytes(self._buffer[: self._body_bytes])
            del self._buffer[: self._body_bytes]
            self._body_bytes = None
            yield body

    def _read_header(self) -> bool:
        """Take a header block off the buffer; whether there was a whole one."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            del self._buffer[:-LARGEST_HEADER]
            return False
        lengths = _LENGTH.findall(bytes(self._buffer[:end]))
        self._body_bytes = int(lengths[-1]) if lengths else None
        del self._buffer[: end + 4]
        return True


def read_in_thread(descriptor: int, on_data: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
    """Call back in the running loop with what arrives, and once when nothing more can come."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        # An error means that the other end is gone, and a RuntimeError that the loop ended: either is the end.
        with suppress(OSError, RuntimeError):
            while data := os.read(descriptor, _CHUNK_BYTES):
                loop.call_soon_threadsafe(on_data, data)
        with suppress(RuntimeError):  # the loop may have ended first
            loop.call_soon_threadsafe(on_end)

    threading.Thread(target=read, name="flux-input", daemon=True).start()


class ThreadWriter:
    """Writes to a descriptor without ever making its caller wait. Implements pygls' writer.

    `on_broken` is called in the running loop where nobody reads any more.
    """

    def __init__(self, descriptor: int, on_broken: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._on_broken = on_broken
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write_all, name="flux-output", daemon=True)
        self._thread.start()

    def write(self, data: bytes) -> None:
        self._queue.put(data)

    def close(self) -> None:
        """Let what was said go out, for a second at most."""
        self._queue.put(None)
        self._thread.join(1.0)

    def _write_all(self) -> None:
        while (data := self._queue.get()) is not None:
            view = memoryview(data)
            try:
                while view:
                    view = view[os.write(self._descriptor, view) :]
            except OSError:
                with suppress(RuntimeError):  # the loop may have ended first
                    self._loop.call_soon_threadsafe(self._on_broken)
                return
