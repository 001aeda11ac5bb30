"""Positions, edits and problems as LSP has them and as Flux has them, one into the other. URIs are in `uris`."""

from __future__ import annotations

from collections.abc import Iterable

from lsprotocol import types

from flux.core.diagnostics import Diagnostic, Severity
from flux.core.text import LineIndex, Position, PositionEncoding, Range, column_to_units, units_to_column
from flux.edits.text_edit import TextEdit


def position_from_lsp(index: LineIndex, position: types.Position, encoding: PositionEncoding) -> Position:
    """The place that an editor names; past the end it is the end."""
    if position.line >= index.line_count:
        return index.position(index.offset(Position(index.line_count, 0)))
    line = max(position.line, 0)
    return Position(line, units_to_column(index.line(line), position.character, encoding))


def range_from_lsp(index: LineIndex, given: types.Range, encoding: PositionEncoding) -> Range:
    """The range that an editor names, the right way round."""
    ends = sorted((position_from_lsp(index, given.start, encoding), position_from_lsp(index, given.end, encoding)))
    return Range(*ends)


def text_edits_to_lsp(text: str, edits: Iterable[TextEdit], encoding: PositionEncoding) -> list[types.TextEdit]:
    """The edits of `text` for an editor: each cut down to what really changes, and none inside a `\\r\\n`."""
    index = LineIndex(text)
    changed = (_around_line_ends(text, _cut_to_change(text, edit)) for edit in edits)
    return [
        types.TextEdit(
            types.Range(_position_to_lsp(index, edit.start, encoding), _position_to_lsp(index, edit.end, encoding)),
            edit.new_text,
        )
        for edit in changed
    ]


def diagnostic_from_lsp(index: LineIndex, given: types.Diagnostic, encoding: PositionEncoding) -> Diagnostic:
    """A problem as the editor shows it. LSP leaves the meaning of no severity to the reader: an error."""
    return Diagnostic(
        range_from_lsp(index, given.range, encoding),
        given.message,
        Severity(given.severity.value if given.severity else Severity.ERROR),
        given.source or "",
        "" if given.code is None else str(given.code),
    )


def _position_to_lsp(index: LineIndex, offset: int, encoding: PositionEncoding) -> types.Position:
    position = index.position(offset)
    return types.Position(position.line, column_to_units(index.line(position.line), position.column, encoding))


def _cut_to_change(text: str, edit: TextEdit) -> TextEdit:
    """Without what is equal at both ends, so that cursors and marks beside it stay where they are."""
    removed, added = text[edit.start : edit.end], edit.new_text
    head = _shared_length(removed, added)
    tail = _shared_length(removed[head:][::-1], added[head:][::-1])
    return TextEdit(edit.start + head, edit.end - tail, added[head : len(added) - tail])


def _shared_length(a: str, b: str) -> int:
    """How many characters both begin with."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _around_line_ends(text: str, edit: TextEdit) -> TextEdit:
    """An editor has no place between `\\r` and `\\n`: the edit takes in the half that it left."""
    start, end, new_text = edit.start, edit.end, edit.new_text
    if start > 0 and text[start - 1 : start + 1] == "\r\n":
        start, new_text = start - 1, "\r" + new_text
    if end > 0 and text[end - 1 : end + 1] == "\r\n":
        end, new_text = end + 1, new_text + "\n"
    return TextEdit(start, end, new_text)
