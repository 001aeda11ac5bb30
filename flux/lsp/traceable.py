"""Edits for an editor that makes them on a text that it has not told of: so cut that typing under them leaves a trace.

Each line is an edit of its own, over as many characters as the line had. What was typed into it pushes as many of its
old ones behind the edit, where they stay and show it. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lsprotocol import types

from flux.core.text import Counting, split_lines
from flux.edits.text_edit import TextEdit
from flux.lsp.convert import EditorText, cut_to_change

END_OF_LINE = 2**31 - 1
"""A character that no line has is the line's end, however long the line is by then (LSP 3.17, `Position`)."""
MOST_LINES = 100
"""An edit that replaces more of them is sent as it is."""


def traceable(text: str, edits: Iterable[TextEdit], counting: Counting) -> list[types.TextEdit]:
    """The edits of the text for an editor whose lines end with line feeds, line by line."""
    places = EditorText(text, counting)
    sent: list[types.TextEdit] = []
    for edit in edits:
        for part in _by_line(text, cut_to_change(text, edit)):
            start, end = places.place(part.start), places.place(part.end)
            if text[part.start : part.end] == "\n":
                start = types.Position(start.line, END_OF_LINE)
            sent.append(types.TextEdit(types.Range(start, end), part.new_text))
    return sent


def _by_line(text: str, edit: TextEdit) -> Iterator[TextEdit]:
    """The edit as one for each line that another replaces, and for each that goes one for its text and for its end."""
    old, new = split_lines(text[edit.start : edit.end], "lf"), split_lines(edit.new_text, "lf")
    if not 1 < len(old) <= MOST_LINES:
        yield edit
        return
    last = min(len(old), len(new)) - 1
    at = edit.start
    for number, line in enumerate(old):
        end = at + len(line)
        if number < last:
            yield from _if_any(text, TextEdit(at, end, new[number]))
        elif number == last:
            content = line.removesuffix("\n") if number < len(old) - 1 else line
            yield from _if_any(text, TextEdit(at, at + len(content), "".join(new[last:])))
            yield from _if_any(text, TextEdit(at + len(content), end, ""))
        else:
            content = line.removesuffix("\n")
            yield from _if_any(text, TextEdit(at, at + len(content), ""))
            yield from _if_any(text, TextEdit(at + len(content), end, ""))
        at = end


def _if_any(text: str, edit: TextEdit) -> Iterator[TextEdit]:
    cut = cut_to_change(text, edit)
    if cut.start < cut.end or cut.new_text:
        yield cut
