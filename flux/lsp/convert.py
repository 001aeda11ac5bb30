"""Positions, edits and problems as LSP has them and as Flux has them, one into the other. URIs are in `uris`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from lsprotocol import types

from flux.core.diagnostics import Diagnostic, Severity
from flux.core.text import (
    Counting,
    LineIndex,
    Position,
    Range,
    column_to_units,
    line_content,
    units_to_column,
)
from flux.edits.diff import closest_edits
from flux.edits.text_edit import TextEdit, joined_edits, sorted_edits

_LINE_END = re.compile("[\r\n]")
_WORD = re.compile(r"\s*+(?:\w++|\S)?\s*+")


class EditorText:
    """A text with its places as an editor counts them. Costs a pass over the text, unless its `lines` are at hand."""

    def __init__(self, text: str, counting: Counting, lines: Sequence[str] | None = None) -> None:
        self._text = text
        self._counting = counting
        self._theirs = LineIndex(text, counting.line_ends, lines)
        self._ours = self._theirs if counting.line_ends == "any" else LineIndex(text)

    def range(self, given: types.Range) -> Range:
        """The range that an editor names, the right way round; past the end is the end."""
        start, end = self._position(given.start), self._position(given.end)
        return Range(start, end) if start <= end else Range(end, start)

    def has_word_at_most(self, given: types.Range) -> bool:
        """Whether the range has a word, a character or less, and blanks."""
        place = self.range(given)
        return _WORD.fullmatch(self._text, self._ours.offset(place.start), self._ours.offset(place.end)) is not None

    def diagnostic(self, given: types.Diagnostic) -> Diagnostic:
        """A problem as the editor shows it. LSP leaves the meaning of no severity to the reader: an error."""
        return Diagnostic(
            self.range(given.range),
            given.message,
            Severity(given.severity.value if given.severity else Severity.ERROR),
            given.source or "",
            "" if given.code is None else str(given.code),
        )

    def edits(self, edits: Iterable[TextEdit]) -> list[types.TextEdit]:
        """Edits of the text for an editor, in order: what each really changes, with no line end kept inside of one.

        Raises OverlappingEdits.
        """
        parts = joined_edits(
            self._text,
            (part for edit in sorted_edits(edits) for part in closest_edits(self._text, edit)),
            lambda between: _LINE_END.search(between) is not None,
        )
        return [
            types.TextEdit(types.Range(self.place(part.start), self.place(part.end)), part.new_text) for part in parts
        ]

    def lines(self, start: int, end: int) -> tuple[int, int]:
        """The editor's first and last line of the text between two offsets; the end of a line belongs to that line."""
        first, last = self._theirs.position(start).line, self._theirs.position(end)
        return first, max(last.line - (last.column == 0), first)

    def end_of_line(self, line: int) -> types.Position:
        """Where the content of one of the editor's lines ends."""
        index, ends = self._theirs, self._counting.line_ends
        return self.place(index.line_start(line) + len(line_content(index.line(line), ends)))

    def _position(self, given: types.Position) -> Position:
        index = self._theirs
        if given.line >= index.line_count:
            return self._ours.position(len(self._text))
        line = index.line(given.line)
        column = units_to_column(line, given.character, self._counting.encoding, self._counting.line_ends)
        if self._ours is index:
            return Position(given.line, column)
        return self._ours.position(index.line_start(given.line) + column)

    def place(self, offset: int) -> types.Position:
        """Where an offset of the text is."""
        position = self._theirs.position(offset)
        line = self._theirs.line(position.line)
        return types.Position(position.line, column_to_units(line, position.column, self._counting.encoding))


def offsets_of(text: str, place: types.Range, counting: Counting) -> tuple[int, int]:
    """Where a range that an editor names begins and ends in the text; past the end is the end."""
    return all_offsets_of(text, (place,), counting)[0]


def all_offsets_of(text: str, places: Iterable[types.Range], counting: Counting) -> list[tuple[int, int]]:
    """The same for several ranges, with one pass over the text."""
    index = LineIndex(text, counting.line_ends)

    def offset(at: types.Position) -> int:
        if at.line >= index.line_count:
            return len(text)
        line = index.line(at.line)
        return index.line_start(at.line) + units_to_column(line, at.character, counting.encoding, counting.line_ends)

    pairs = (sorted((offset(place.start), offset(place.end))) for place in places)
    return [(start, end) for start, end in pairs]
