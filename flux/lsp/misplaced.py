"""What an edit was made on, where an editor reports it together with what was typed: found from the text alone.

`flux.lsp.trail` asks only where the reported changes do not show it. Pure.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lsprotocol import types

from flux.core.text import Counting, split_lines, with_line_feeds
from flux.edits.diff import text_edits_between
from flux.edits.plan import Change, changes_apart
from flux.edits.text_edit import TextEdit
from flux.lsp.convert import all_offsets_of


def made_on(edits: Sequence[types.TextEdit], text: str, counting: Counting) -> str:
    """The text with the edits made at their positions, wherever these are in it."""
    # Editors look for all places first. A character past a line's end is its end there, not one of the line below.
    for edit in _placed(edits, text, counting)[::-1]:
        text = text[: edit.start] + edit.new_text + text[edit.end :]
    return text


def explained(edits: Sequence[types.TextEdit], before: str, now: str, counting: Counting) -> tuple[str, str] | None:
    """The text on which the edits were made and what came of it, if `before` became `now` by them and by typing.

    None where any of that typing was, or may have been, at the place of an edit or beside it: the editor told of both
    as one, so that what the edit replaced there cannot be known.
    """
    made = made_on(edits, before, counting)
    if made != before and is_typed_apart(
        _written(_placed(edits, before, counting)), made, now, lines_between=1, may_be_inside=True
    ):
        return before, made
    under = text_under(edits, before, now, counting)
    if under is not None and all(
        is_typed_apart(all_offsets_of(old, (edit.range for edit in edits), counting), old, new)
        for old, new in ((before, under), (under, before))
    ):
        return under, now
    return None


def is_typed_apart(
    places: Sequence[tuple[int, int]], old: str, new: str, *, lines_between: int = 0, may_be_inside: bool = False
) -> bool:
    """Whether all that differs between the texts is certainly apart from these places of the old one.

    Apart is not in the lines of a place, nor in so many that adjoin, wherever equal text leaves it open; or strictly
    inside of one, if that may be.
    """
    starts = [0, *itertools.accumulate(map(len, split_lines(old)[:-1]))]

    def is_apart(change: Change, place: tuple[int, int]) -> bool:
        start, end = place
        if may_be_inside and start < change.start and change.end < end:
            return True
        first = bisect_right(starts, start) - 1 - lines_between
        after = bisect_right(starts, end) + lines_between
        return (first >= 0 and change.end <= starts[first]) or (after < len(starts) and change.start >= starts[after])

    changes = [*changes_apart(old, new), *_unpaired_lines(old, new)]
    return all(is_apart(change, place) for change in changes for place in places)


def _unpaired_lines(old: str, new: str) -> Iterator[Change]:
    """Lines that became more or fewer ones: nobody can say which of them came or went, where all end alike."""
    for edit in text_edits_between(old, new):
        replaced, growth = old[edit.start : edit.end], len(edit.new_text) - (edit.end - edit.start)
        if replaced and edit.new_text and len(split_lines(replaced)) != len(split_lines(edit.new_text)):
            yield Change(edit.start, edit.end, growth)


def is_made_besides(made: str, before: str, now: str) -> bool:
    """Whether `now` is what was `made` from `before`, and something typed that is certainly apart from that."""
    before, made, now = with_line_feeds(before), with_line_feeds(made), with_line_feeds(now)
    places = _written(text_edits_between(before, made))
    return bool(places) and is_typed_apart(places, made, now, lines_between=1)


def text_under(edits: Sequence[types.TextEdit], before: str, now: str, counting: Counting) -> str | None:
    """The text on which the edits were made for `now` to come out: what they replaced is as `before` has it there.

    None where the user changed those lines too, or next to them what cannot be told from them.
    """
    lines = split_lines(now, counting.line_ends)
    blocks = _blocks(edits, counting)
    if not blocks or blocks[0].first < 0 or blocks[-1].end > len(lines):
        return None
    marks = [f"\0{number}\n" for number in range(len(blocks))]
    parts: list[str] = []
    at = 0
    for block, mark in zip(blocks, marks, strict=True):
        parts += [*lines[at : block.first], mark]
        at = block.end
    text = marked = "".join([*parts, *lines[at:]])
    for difference in text_edits_between(before, marked):
        here = [(block, mark) for block, mark in zip(blocks, marks, strict=True) if mark in difference.new_text]
        if len(here) == 1:
            old = split_lines(before[difference.start : difference.end], counting.line_ends)
            text = _with_replaced(text, old[:-1] if old[-1] == "" else old, difference.new_text, *here[0])
    if any(mark in text for mark in marks):
        return None
    return text if text != now and made_on(edits, text, counting) == now else None


def _with_replaced(text: str, old: Sequence[str], new: str, block: _Block, mark: str) -> str:
    """The text with those of the old lines in place of the mark that the edits must have replaced, if that is sure."""
    above, below = (len(split_lines(part)) - 1 for part in new.split(mark))
    if block.first == block.end and (above or below):
        return text  # a line that is gone beside one that came may be one that was changed
    if len(old) == above + below + block.replaced or (above and not below):
        old = old[max(len(old) - below - block.replaced, 0) : len(old) - below]
    elif below and not above:
        old = old[: block.replaced]
    return text.replace(mark, "".join(old)) if len(old) == block.replaced else text


@dataclass(frozen=True, slots=True)
class _Block:
    """Lines of the outcome that edits touch, `first` up to `end`, for so many of the text that they were made on."""

    first: int
    end: int
    replaced: int


def _blocks(edits: Sequence[types.TextEdit], counting: Counting) -> list[_Block]:
    """What the edits touch, in order; no lines where some are only gone."""
    blocks: list[_Block] = []
    grown = 0
    for edit in in_order(edits):
        start, end = edit.range.start, edit.range.end
        first, growth = start.line + grown, _line_count(edit.new_text, counting) - (end.line - start.line)
        is_whole = start.character == end.character == 0 and (not edit.new_text or edit.new_text.endswith("\n"))
        last = first + _line_count(edit.new_text, counting) + (not is_whole)
        grown += growth
        replaced = last - first - growth
        if blocks and blocks[-1].end >= first:
            above = blocks.pop()
            replaced += above.replaced - (above.end - first)
            first = above.first
        blocks.append(_Block(first, last, replaced))
    return blocks


def _written(edits: Sequence[TextEdit]) -> list[tuple[int, int]]:
    """Where what the edits, in order, write stands once they are made."""
    places: list[tuple[int, int]] = []
    growth = 0
    for edit in edits:
        places.append((edit.start + growth, edit.start + growth + len(edit.new_text)))
        growth += len(edit.new_text) - (edit.end - edit.start)
    return places


def _placed(edits: Sequence[types.TextEdit], text: str, counting: Counting) -> list[TextEdit]:
    """The edits where they are in the text, in order."""
    ordered = in_order(edits)
    places = all_offsets_of(text, (edit.range for edit in ordered), counting)
    return [TextEdit(*place, edit.new_text) for place, edit in zip(places, ordered, strict=True)]


def in_order(edits: Sequence[types.TextEdit]) -> list[types.TextEdit]:
    """The edits by where they begin."""
    return sorted(edits, key=lambda edit: (edit.range.start.line, edit.range.start.character))


def _line_count(text: str, counting: Counting) -> int:
    """How many lines an insertion of the text adds."""
    return len(split_lines(text, counting.line_ends)) - 1
