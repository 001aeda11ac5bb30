"""One JSON object on each line, out of bytes that come in any pieces. Knows nothing of what the objects mean."""

from __future__ import annotations

from collections.abc import Iterator

from flux.core.errors import RequestRejected, StreamBroken
from flux.llm.wire.faults import complaint_of, make_error, read_complaint
from flux.llm.wire.json_values import Object, parse_object

MAX_LINE_BYTES = 64 << 20


class LineSplitter:
    """Feed it bytes; it gives lines. Empty ones are left out."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines that these bytes complete. Raises StreamBroken where one grows without end."""
        self._rest += data
        if len(self._rest) > MAX_LINE_BYTES:
            raise StreamBroken(f"one line of the answer is longer than {MAX_LINE_BYTES >> 20} MB.")
        if b"\n" not in data:
            return
        *lines, self._rest = self._rest.split(b"\n")
        yield from (bytes(line) for line in lines if line.strip())

    def end(self) -> Iterator[bytes]:
        """The line that no line end followed, if there is one."""
        rest, self._rest = bytes(self._rest), bytearray()
        if rest.strip():
            yield rest


def parse_line(line: bytes) -> Object:
    """The object of a line.

    Raises the ProviderError that the server reports in it, RequestRejected for a web page, StreamBroken for what is no
    JSON and for what is not UTF-8: half a character in the middle of a call would be run.
    """
    if line.lstrip()[:1] == b"<":
        raise RequestRejected(
            f"a web page came instead of an answer: {read_complaint(line).words}",
            hint="Check the base URL: it must be an API's, not a web page's.",
        )
    try:
        found = parse_object(line.decode("utf-8").removeprefix("\ufeff"))
    except ValueError as e:
        raise StreamBroken(f"a line of the answer is not JSON: {e}.") from None
    if found.get("error"):
        raise make_error(complaint_of(found))
    return found
