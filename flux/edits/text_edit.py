"""One replacement in a text, and lists of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from flux.core.errors import OverlappingEdits


@dataclass(frozen=True, slots=True, order=True)
class TextEdit:
    """Put `new_text` where the code points `start` up to `end` of a text stand."""

    start: int
    end: int
    new_text: str


def cut_to_change(text: str, edit: TextEdit) -> TextEdit:
    """Without what is equal at both ends, so that cursors and marks beside it stay where they are.

    Neither end is between `\\r` and `\\n`, before or after: an editor has no place there.
    """
    removed, added = text[edit.start : edit.end], edit.new_text
    head = _common_head_length(removed, added)
    tail = _common_head_length(removed[head:][::-1], added[head:][::-1])
    return _around_line_ends(text, edit.start + head, edit.end - tail, added[head : len(added) - tail])


def joined_edits(text: str, edits: Iterable[TextEdit], is_apart: Callable[[str], bool]) -> list[TextEdit]:
    """The edits of the text, given in order, and those as one between which the text does not keep them apart."""
    joined: list[TextEdit] = []
    for edit in edits:
        between = text[joined[-1].end : edit.start] if joined else ""
        if joined and not is_apart(between):
            first = joined.pop()
            joined.append(TextEdit(first.start, edit.end, first.new_text + between + edit.new_text))
        else:
            joined.append(edit)
    return joined


def _around_line_ends(text: str, start: int, end: int, new_text: str) -> TextEdit:
    """The edit takes in the half of a line end that it left."""
    if text[start - 1 : start] == "\r" and "\n" in (text[start : start + 1], (new_text + text[end : end + 1])[:1]):
        start, new_text = start - 1, "\r" + new_text
    if text[end : end + 1] == "\n" and "\r" in (text[end - 1 : end], (text[start - 1 : start] + new_text)[-1:]):
        end, new_text = end + 1, new_text + "\n"
    return TextEdit(start, end, new_text)


def _common_head_length(a: str, b: str) -> int:
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def sorted_edits(edits: Iterable[TextEdit]) -> tuple[TextEdit, ...]:
    """The edits by place. Raises OverlappingEdits where two share text or insert at one place."""
    ordered = tuple(sorted(edits, key=lambda edit: (edit.start, edit.end)))
    for before, after in itertools.pairwise(ordered):
        if after.start < before.end or (after.start == before.start and after.end == before.end):
            raise OverlappingEdits("Two edits touch the same text. Send them as one edit.")
    return ordered


def apply_edits(text: str, edits: Sequence[TextEdit]) -> str:
    """The text with all edits made; their offsets all refer to the text as given."""
    parts: list[str] = []
    at = 0
    for edit in sorted_edits(edits):
        parts += (text[at : edit.start], edit.new_text)
        at = edit.end
    parts.append(text[at:])
    return "".join(parts)
