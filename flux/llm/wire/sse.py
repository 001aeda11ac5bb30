"""Server-sent events out of bytes that come in any pieces. Knows nothing of what the events mean.

Lenient where servers are: a last event without its blank line counts, as llama.cpp and others end so. Strict where
something would be missing unseen: a block that has lines, but none that the standard knows, is a damaged one.
"""

from __future__ import annotations

from collections.abc import Iterator

from flux.core.errors import StreamBroken

MAX_EVENT_BYTES = 64 << 20
"""No event is longer: the longest is a whole answer, repeated in one event at its end."""

ServerEvent = tuple[str, str, bool]
"""The event's name, empty where it has none; its data; whether all of it was UTF-8."""


class EventSplitter:
    """Feed it bytes; it gives events. Field rules: HTML Living Standard, 9.2.6, "Interpreting an event stream"."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._is_after_cr = False
        self._name = ""
        self._data: list[str] = []
        self._is_sound = True
        self._has_unknown = False

    def feed(self, data: bytes) -> Iterator[ServerEvent]:
        """The events that these bytes complete. Raises StreamBroken where one grows without end or is damaged."""
        if self._is_after_cr:
            data = data.removeprefix(b"\n")  # the other half of a CR LF
        self._is_after_cr = data.endswith(b"\r")
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        self._rest += data
        if len(self._rest) > MAX_EVENT_BYTES:
            raise StreamBroken(f"one event of the answer is longer than {MAX_EVENT_BYTES >> 20} MB.")
        if b"\n" not in data:
            return
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            if line:
                self._read_line(line)
            elif (event := self._end_block()) is not None:
                yield event

    def end(self) -> Iterator[ServerEvent]:
        """The event that was not followed by a blank line, if there is one."""
        rest, self._rest = self._rest, bytearray()
        if rest:
            self._read_line(rest)
        if (event := self._end_block()) is not None:
            yield event

    def _read_line(self, line: bytearray) -> None:
        if line.startswith(b":"):
            return  # a comment
        if line.startswith(b"{"):  # Ollama reports an error in mid-answer so, as a bare line of JSON
            line[:0] = b"data:"
        try:
            decoded = line.decode("utf-8")
        except UnicodeDecodeError:
            decoded = line.decode("utf-8", "replace")
            self._is_sound = False
        field, _, value = decoded.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._name = value
        elif field == "error":  # llama.cpp's older way to report one
            self._name = field
            self._data.append(value)
        elif field not in {"id", "retry"}:
            self._has_unknown = True

    def _end_block(self) -> ServerEvent | None:
        """The event that a blank line ends, None where there was none. Raises StreamBroken where it is damaged."""
        name, data, is_sound, has_unknown = self._name, self._data, self._is_sound, self._has_unknown
        self._name, self._data, self._is_sound, self._has_unknown = "", [], True, False
        if data:
            return name, data[0] if len(data) == 1 else "\n".join(data), is_sound
        if has_unknown:
            raise StreamBroken("a part of the answer is damaged.")
        return None
