"""The file the user is in, as the buffer has it, or what fits of it around the selection."""

from __future__ import annotations

from flux.context.definitions import end_of
from flux.context.item import ContextItem, Focus
from flux.core.snapshot import FileSnapshot
from flux.core.text import LineIndex
from flux.workspace.index.plain import plain_outline

MAX_CHARACTERS = 60_000


def current_file(snapshot: FileSnapshot, focus: Focus, limit: int) -> ContextItem:
    """The whole file where it has at most `limit` characters, else whole lines around the selection or the top.

    What the selection lies in (the innermost definition, by the look of lines) is whole where it fits.
    """
    origin = str(snapshot.path)
    if len(snapshot.text) <= limit:
        return ContextItem("file", origin, snapshot.text)
    index = LineIndex(snapshot.text)
    first = last = focus.selection.start.line if focus.selection else 0
    if focus.selection:
        last = min(focus.selection.end.line, index.line_count - 1)
        first, last = _enclosing(snapshot, index, first, last, limit)
    room = limit - (index.line_start(last) - index.line_start(first))
    while room > 0 and (first > 0 or last + 1 < index.line_count):
        if first > 0:
            first -= 1
            room -= len(index.line(first))
        if last + 1 < index.line_count:
            last += 1
            room -= len(index.line(last))
    start = index.line_start(first)
    text = snapshot.text[start : start + limit]
    return ContextItem("file", f"{origin} (from line {first + 1} of {index.line_count}, cut)", text)


def _enclosing(snapshot: FileSnapshot, index: LineIndex, first: int, last: int, limit: int) -> tuple[int, int]:
    """The lines, from 0, of the innermost definition around these lines that fits; else these lines."""
    outline = plain_outline(str(snapshot.path), snapshot.text.encode("utf-8", "replace"))
    for at in range(len(outline) - 1, -1, -1):
        begin, end = outline[at].line - 1, end_of(outline, at, index.line_count) - 1
        if begin <= first and end >= last:
            size = index.line_start(min(end + 1, index.line_count - 1)) - index.line_start(begin)
            return (begin, end) if size <= limit else (first, last)
    return first, last
