"""Lines and positions. UTF-8, UTF-16 and UTF-32 units exist here and in the front ends, nowhere else.

Inside Flux an offset is a code-point index into a text, and a column a code-point index into a line. A line ends with
`\\n`, `\\r\\n` or `\\r` and with nothing else (LSP 3.17, "Text Documents"); form feed, NEL and U+2028 are ordinary
characters. Knows nothing of files, documents or editors.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Literal

PositionEncoding = Literal["utf-8", "utf-16", "utf-32"]
LineEnds = Literal["any", "lf"]
"""What ends a line: `any` of the three, or only a line feed, as one editor counts that is otherwise exact."""


@dataclass(frozen=True, slots=True)
class Counting:
    """How an editor counts places: the units of a column, and the line ends."""

    encoding: PositionEncoding = "utf-16"
    line_ends: LineEnds = "any"


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place between two characters: zero-based line, zero-based column in code points."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """From `start` up to and not including `end`."""

    start: Position
    end: Position


def split_lines(text: str, ends: LineEnds = "any") -> list[str]:
    """The lines with their ends. The last has none and may be empty, so there is always one more than line ends."""
    lines = list(io.StringIO(text, newline="" if ends == "any" else "\n"))
    if not lines or lines[-1].endswith(("\n", "\r") if ends == "any" else "\n"):
        lines.append("")
    return lines


def with_line_feeds(text: str) -> str:
    """The text with every line end a line feed, to compare it with one of another style."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def line_content(line: str, ends: LineEnds = "any") -> str:
    """The line without its end."""
    if ends == "any" and line.endswith("\r\n"):
        return line[:-2]
    return line[:-1] if line.endswith(("\n", "\r") if ends == "any" else "\n") else line


def line_around(line: str, at: int, limit: int) -> str:
    """The line; of one that is longer than `limit` characters as many of them, with those around the offset `at`."""
    start = max(0, min(at - limit // 3, len(line) - limit))
    cut = line[start : start + limit]
    return f"{'[…] ' if start else ''}{cut}{' […]' if start + limit < len(line) else ''}"


def main_line_end(text: str) -> str:
    """The most frequent line end; on a tie the first of `\\n`, `\\r\\n`, `\\r`. A text without one gives `\\n`."""
    crlf = text.count("\r\n")
    counts = {"\n": text.count("\n") - crlf, "\r\n": crlf, "\r": text.count("\r") - crlf}
    return max(counts, key=lambda end: counts[end])


class LineIndex:
    """Where the lines of a text begin. Costs one pass over the text, then a bisection per question.

    `lines` are those of `split_lines`, where they are at hand: who asks for nothing but lines then pays for no pass.
    """

    def __init__(self, text: str, ends: LineEnds = "any", lines: Sequence[str] | None = None) -> None:
        self._text = text
        self._ends: LineEnds = ends
        self._lines = split_lines(text, ends) if lines is None else lines

    @cached_property
    def _starts(self) -> Sequence[int]:
        return [0, *accumulate(map(len, self._lines[:-1]))]

    @property
    def line_count(self) -> int:
        return len(self._lines)

    def line_start(self, line: int) -> int:
        """The offset where the zero-based line begins."""
        return self._starts[line]

    def line(self, line: int) -> str:
        """The line with its end."""
        return self._lines[line]

    def position(self, offset: int) -> Position:
        """The position of an offset between 0 and the text's length."""
        line = bisect_right(self._starts, offset) - 1
        return Position(line, offset - self._starts[line])

    def offset(self, position: Position) -> int:
        """The offset of a position; past the end of a line or of the text it is the end of that."""
        if position.line >= self.line_count:
            return len(self._text)
        return self._starts[position.line] + min(
            position.column, len(line_content(self.line(position.line), self._ends))
        )


def column_to_units(line: str, column: int, encoding: PositionEncoding) -> int:
    """How many units of the encoding stand before the code-point column."""
    head = line[:column]
    if encoding == "utf-32" or head.isascii():
        return len(head)
    if encoding == "utf-16":
        return len(head) + sum(1 for character in head if character > "\uffff")
    return len(head.encode("utf-8", "surrogatepass"))


def units_to_column(line: str, units: int, encoding: PositionEncoding, ends: LineEnds = "any") -> int:
    """The code-point column before which `units` units of the encoding stand.

    Past the end of the line it is the end of its content (LSP 3.17, "Position"); inside a character it is that
    character's beginning.
    """
    head = line_content(line, ends)[: max(units, 0)]  # a character is at least one unit: the rest does not matter
    if encoding == "utf-32" or head.isascii():
        return len(head)
    left = units
    for column, character in enumerate(head):
        left -= _width(character, encoding)
        if left < 0:
            return column
    return len(head)


def _width(character: str, encoding: PositionEncoding) -> int:
    if encoding == "utf-16":
        return 2 if character > "\uffff" else 1
    if character < "\x80":
        return 1
    if character < "\u0800":
        return 2
    return 4 if character > "\uffff" else 3


class LineBuffer:
    """A text that is edited in place, at a cost that does not grow with its size (but for moving a list of pointers).

    Places are given as editors send them: a line and units of an encoding.
    """

    def __init__(self, text: str, counting: Counting) -> None:
        self._counting = counting
        self._lines = split_lines(text, counting.line_ends)
        self._text: str | None = text

    @property
    def lines(self) -> Sequence[str]:
        """The lines with their ends. Not to be changed, nor kept over an edit."""
        return self._lines

    @property
    def text(self) -> str:
        """The whole text; joined when asked for after an edit."""
        if self._text is None:
            self._text = "".join(self._lines)
        return self._text

    def replace(self, start: tuple[int, int], end: tuple[int, int], text: str) -> None:
        """Put `text` where the range (line, units) to (line, units) stands. Past-end positions mean the end."""
        first, head = self._resolve(start)
        last, tail = self._resolve(end)
        if (last, tail) < (first, head):
            first, head, last, tail = last, tail, first, head
        middle = self._lines[first][:head] + text + self._lines[last][tail:]
        # A lone \r before the change or a \n behind it may become half of a \r\n, or stop being one.
        if first > 0 and middle.startswith("\n") and self._lines[first - 1].endswith("\r"):
            first -= 1
            middle = self._lines[first] + middle
        if last + 1 < len(self._lines) and middle.endswith("\r"):
            last += 1
            middle += self._lines[last]
        changed = split_lines(middle, self._counting.line_ends)
        if last + 1 < len(self._lines) and changed[-1] == "":
            changed.pop()  # the line that follows begins where `middle` ends
        self._lines[first : last + 1] = changed
        self._text = None

    def _resolve(self, place: tuple[int, int]) -> tuple[int, int]:
        line, units = place
        if line < 0:
            return 0, 0
        if line >= len(self._lines):
            return len(self._lines) - 1, len(self._lines[-1])
        return line, units_to_column(self._lines[line], units, self._counting.encoding, self._counting.line_ends)
