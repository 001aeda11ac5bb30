"""What an edit was made on, where an editor reports it together with what was typed: found from the text alone.

`flux.lsp.trail` asks only where the reported changes do not show it. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lsprotocol import types

from flux.core.errors import StaleSnapshot
from flux.core.text import Counting, LineBuffer, split_lines
from flux.edits.diff import text_edits_between
from flux.edits.plan import rebase
from flux.lsp.convert import cut_to_change, offsets_of

_MOVED_BY = [*range(-8, 0), *range(1, 9)]
"""By how many lines typing may have moved edits."""


def made_on(edits: Sequence[types.TextEdit], text: str, counting: Counting) -> str:
    """The text with the edits made at their positions, wherever these are in it."""
    buffer = LineBuffer(text, counting)
    for edit in _in_order(edits)[::-1]:
        start, end = edit.range.start, edit.range.end
        buffer.replace((start.line, start.character), (end.line, end.character), edit.new_text)
    return buffer.text


def unified(text: str) -> str:
    """The text with line feeds only: editors make the line ends of what they insert those of the file."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def explained(edits: Sequence[types.TextEdit], before: str, now: str, counting: Counting) -> tuple[str, str] | None:
    """On which text the edits were made, and the text that came of it, if `before` became `now` by them and by typing.

    Some of the typing may be in the second and some only in `now`. None where it is unsure.
    """
    made = made_on(edits, before, counting)
    replaced = [before[slice(*offsets_of(before, edit.range, counting))] for edit in edits]
    under = text_under(edits, before, now, counting)
    if under is None:
        # Typing above may have moved them after they were made in their place.
        top = min((edit.range.start.line for edit in edits), default=0)
        moved = (_lower(edits, by) for by in _MOVED_BY if top + by >= 0)
        found = {text for lower in moved if (text := _text_above(lower, before, now, replaced, counting))}
        under = found.pop() if len(found) == 1 else None
    if under is not None:
        return under, now
    return (before, made) if is_typed_beside(made, before, replaced, now) else None


def _text_above(
    edits: Sequence[types.TextEdit], before: str, now: str, replaced: Sequence[str], counting: Counting
) -> str | None:
    """The text on which the edits were made, if that is where they replaced what they were for."""
    text = text_under(edits, before, now, counting)
    if text is None or [text[slice(*offsets_of(text, edit.range, counting))] for edit in edits] != list(replaced):
        return None
    return text


def is_made_besides(made: str, before: str, now: str) -> bool:
    """Whether `now` is the text that was `made` from `before`, and something typed besides."""
    before, made = unified(before), unified(made)
    try:
        rebase(text_edits_between(made, before), made, unified(now))
    except StaleSnapshot:
        return False
    return True


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


def is_typed_beside(made: str, before: str, replaced: Sequence[str], now: str) -> bool:
    """Whether `now` is the text `made` from `before` by edits, and something that was only typed beside or into it.

    Not where a line that the edits `replaced` stands there still, or the end of one that was typed into before.
    """
    counts, allowed = Counter(split_lines(now)), Counter(split_lines(made))
    if made == before or any(counts[line] > allowed[line] for line in split_lines(before) if line.strip()):
        return False
    ends = [text.rstrip("\r\n") for text in replaced]
    for difference in text_edits_between(made, now):
        typed = cut_to_change(made, difference)
        if typed.start < typed.end or any(text.endswith(typed.new_text.rstrip("\r\n")) for text in ends if text):
            return False
    return True


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
    for edit in _in_order(edits):
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


def _lower(edits: Sequence[types.TextEdit], by: int) -> Sequence[types.TextEdit]:
    """The edits so many lines below."""

    def place(at: types.Position) -> types.Position:
        return types.Position(at.line + by, at.character)

    return [types.TextEdit(types.Range(place(e.range.start), place(e.range.end)), e.new_text) for e in edits]


def _in_order(edits: Sequence[types.TextEdit]) -> list[types.TextEdit]:
    return sorted(edits, key=lambda edit: (edit.range.start.line, edit.range.start.character))


def _line_count(text: str, counting: Counting) -> int:
    """How many lines an insertion of the text adds."""
    return len(split_lines(text, counting.line_ends)) - 1
