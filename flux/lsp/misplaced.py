"""Edits that an editor made on another text than they were for: what that text was, so that they can be taken back.

Editors without versions do so, and Emacs, whose versions count changes only once it has told of them. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from lsprotocol import types

from flux.core.text import Counting, LineBuffer, split_lines


def made_on(edits: Sequence[types.TextEdit], text: str, counting: Counting) -> str:
    """The text with the edits made at their positions, wherever these are in it."""
    buffer = LineBuffer(text, counting)
    for edit in _in_order(edits)[::-1]:
        start, end = edit.range.start, edit.range.end
        buffer.replace((start.line, start.character), (end.line, end.character), edit.new_text)
    return buffer.text


def text_under(edits: Sequence[types.TextEdit], sent_for: str, now: str, counting: Counting) -> str | None:
    """The text on which the edits, which were for `sent_for`, must have been made for `now` to come out.

    Found where the user only typed, or only removed, and that above the first edit; else None.
    """
    if not edits:
        return None
    first = _in_order(edits)[0].range.start
    lines_now = split_lines(now, counting.line_ends)
    grown = sum(_line_count(edit.new_text, counting) - edit.range.end.line + edit.range.start.line for edit in edits)
    lines_before = split_lines(sent_for, counting.line_ends)
    # What stands below the place of the first edit is as it was, so its line there is counted from the end.
    line = len(lines_before) - (len(lines_now) - grown - first.line)
    if not (0 <= line < len(lines_before) and first.line < len(lines_now)):
        return None
    head = _head(lines_now, first, counting)
    start = sum(map(len, lines_before[:line]))
    found: dict[str, int] = {}
    for at in range(start, start + len(lines_before[line]) + 1):
        text = head + sent_for[at:]
        if text != sent_for and text not in found and made_on(edits, text, counting) == now:
            found[text] = _common_tail_length(sent_for[:at], head)
    nearest = [text for text, common in found.items() if common == max(found.values())]
    is_typed = len(nearest) == 1 and (_is_within(sent_for, nearest[0]) or _is_within(nearest[0], sent_for))
    return nearest[0] if is_typed else None


def is_typed_into(made: str, sent_for: str, replaced: Sequence[str], now: str) -> bool:
    """Whether `now` is the text `made` by edits for `sent_for`, and something that was typed into it at once.

    Not where it may be the end of a text that the edits `replaced`, which was typed into before they were made.
    """
    head = _common_tail_length(made[::-1], now[::-1])
    added = now[head : len(now) - _common_tail_length(made[head:], now[head:])]
    is_left_over = any(added and text.rstrip("\r\n").endswith(added.rstrip("\r\n")) for text in replaced)
    return _is_within(made, now) and not _is_within(sent_for, now) and not is_left_over


def _is_within(short: str, long: str) -> bool:
    """Whether the one becomes the other by insertions only."""
    rest = iter(long)
    return all(character in rest for character in short)


def _in_order(edits: Sequence[types.TextEdit]) -> list[types.TextEdit]:
    return sorted(edits, key=lambda edit: (edit.range.start.line, edit.range.start.character))


def _line_count(text: str, counting: Counting) -> int:
    """How many lines an insertion of the text adds."""
    return len(split_lines(text, counting.line_ends)) - 1


def _head(lines: Sequence[str], place: types.Position, counting: Counting) -> str:
    """The text before the place."""
    buffer = LineBuffer("".join(lines[: place.line + 1]), counting)
    buffer.replace((place.line, place.character), (len(lines), 0), "")
    return buffer.text


def _common_tail_length(a: str, b: str) -> int:
    pairs = zip(reversed(a), reversed(b), strict=False)
    return next((at for at, (x, y) in enumerate(pairs) if x != y), min(len(a), len(b)))
