"""What the user has selected."""

from __future__ import annotations

from flux.context.item import ContextItem
from flux.core.snapshot import FileSnapshot
from flux.core.text import LineIndex, Range


def selected_text(snapshot: FileSnapshot, selection: Range) -> ContextItem | None:
    """The selection as whole lines, numbered from 1 in its origin; None where it is empty and on a blank line."""
    index = LineIndex(snapshot.text)
    last = selection.end.line
    if selection.end.column == 0 and last > selection.start.line:
        last -= 1  # selecting whole lines ends at the beginning of the next one
    first = min(selection.start.line, index.line_count - 1)
    last = min(last, index.line_count - 1)
    text = "".join(index.line(line) for line in range(first, last + 1))
    if not text.strip():
        return None
    lines = f"line {first + 1}" if first == last else f"lines {first + 1}-{last + 1}"
    return ContextItem("selection", f"{snapshot.path} {lines}", text)
