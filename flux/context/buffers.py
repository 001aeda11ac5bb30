"""The file the user is in, as the buffer has it, or what fits of it around the selection."""

from __future__ import annotations

from flux.context.item import ContextItem, Focus
from flux.core.snapshot import FileSnapshot
from flux.core.text import LineIndex

MAX_CHARACTERS = 60_000


def current_file(snapshot: FileSnapshot, focus: Focus, limit: int) -> ContextItem:
    """The whole file where it has at most `limit` characters, else whole lines around the selection or the top."""
    origin = str(snapshot.path)
    if len(snapshot.text) <= limit:
        return ContextItem("file", origin, snapshot.text)
    index = LineIndex(snapshot.text)
    first = last = focus.selection.start.line if focus.selection else 0
    if focus.selection:
        last = min(focus.selection.end.line, index.line_count - 1)
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
