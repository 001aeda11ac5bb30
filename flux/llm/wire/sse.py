"""Server-sent events out of bytes that come in any pieces. Knows nothing of what the events mean.

Lenient where servers are: a last event without its blank line counts, as llama.cpp and others end so.
"""

from __future__ import annotations

from collections.abc import Iterator

from flux.core.errors import StreamBroken

MAX_EVENT_BYTES = 64 << 20
"""No event is longer: the longest is a whole answer, repeated in one event at its end."""

ServerEvent = tuple[str, str]
"""The event's name, empty where it has none, and its data."""


class EventSplitter:
    """Feed it bytes; it gives events. Field rules: HTML Living Standard, 9.2.6, "Interpreting an event stream"."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._is_after_cr = False
        self._name = ""
        self._data: list[str] = []

    def feed(self, data: bytes) -> Iterator[ServerEvent]:
        """The events that these bytes complete. Raises StreamBroken where one grows without end."""
        if self._is_after_cr:
            data = data.removeprefix(b"\n")  # the other half of a CR LF
        self._is_after_cr = data.endswith(b"\r")
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        self._rest += data
        if len(self._rest) > MAX_EVENT_BYTES:
            raise StreamBroken("one event of the answer is longer than any answer may be.")
        if b"\n" not in data:
            return
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            yield from self._read_line(line)

    def end(self) -> Iterator[ServerEvent]:
        """The event that was not followed by a blank line, if there is one."""
        rest, self._rest = self._rest, bytearray()
        yield from self._read_line(rest)
        yield from self._read_line(bytearray())

    def _read_line(self, line: bytearray) -> Iterator[ServerEvent]:
        if not line:
            if self._data:
                event = (self._name, self._data[0] if len(self._data) == 1 else "\n".join(self._data))
                self._data = []
                self._name = ""
                yield event
            self._name = ""
            return
        # A token of a small model may be half a character: one odd character is better than a lost answer.
        field, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._name = value
