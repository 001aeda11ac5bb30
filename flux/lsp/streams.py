"""Messages on a byte stream, and the two threads that keep a blocking standard input and output off the event loop.

pygls' own loop waits for the editor in both directions: an editor that does not read for a while would stop a turn, and
one that dies could leave the process behind. Knows nothing of JSON.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

_CHUNK_BYTES = 1 << 16


class Frames:
    """Bytes in as they come, bodies of messages out (LSP 3.17, "Base Protocol"). Header names in any case."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._body_bytes: int | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The bodies that are complete now. A header block without a length is skipped."""
        self._buffer += data
        while True:
            if self._body_bytes is None and not self._read_header():
                return
            if self._body_bytes is None:
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
            return False
        for line in bytes(self._buffer[:end]).split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-length" and value.strip().isdigit():
                self._body_bytes = int(value)
        del self._buffer[: end + 4]
        return True


def frame(body: bytes) -> bytes:
    """The body with its header."""
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


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
