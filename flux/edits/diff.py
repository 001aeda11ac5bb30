"""What differs between two texts, by lines: as edits, as a unified diff, as counts.

Near linear on long files: lines that occur once in both texts are anchors, and only small gaps between anchors are
compared closely. A large gap without an anchor is one change. Knows no files.
"""

from __future__ import annotations

import io
import itertools
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from flux.core.text import split_lines
from flux.edits.text_edit import TextEdit, cut_to_change, joined_edits

_CONTEXT_LINES = 3
_LONG = 20_000  # code points, replaced and new; a rewrite of more lines is no change of words
_WORDS = re.compile(r"\w+|\r\n|\W")
_BY_CHANCE = 5
"""Fewer equal characters than these between two changes say nothing."""
_SMALL_GAP = 10_000  # pairs of lines; SequenceMatcher is cubic at worst


@dataclass(frozen=True, slots=True)
class _Run:
    """Lines `before_start` up to `before_end` became lines `after_start` up to `after_end`."""

    before_start: int
    before_end: int
    after_start: int
    after_end: int


def text_edits_between(before: str, after: str) -> tuple[TextEdit, ...]:
    """Edits of whole lines that turn `before` into `after`, in order and not touching."""
    old, new = split_lines(before), split_lines(after)
    return _edits_of(_changed_runs(old, new), old, new)


def closest_edits(text: str, edit: TextEdit) -> tuple[TextEdit, ...]:
    """What an edit of the text really changes, word by word in the lines that differ, in order and not touching."""
    old, new = text[edit.start : edit.end], edit.new_text
    lines = _moved(text_edits_between(old, new), edit.start)
    return tuple(cut_to_change(text, part) for each in lines for part in _in_words(text, each))


def _in_words(text: str, edit: TextEdit) -> Sequence[TextEdit]:
    if edit.end - edit.start + len(edit.new_text) > _LONG:
        return [edit]
    old, new = _WORDS.findall(text[edit.start : edit.end]), _WORDS.findall(edit.new_text)
    # Ends are not compared first: where one of two lines that end alike goes, the equal end would be the other's.
    regions = _gaps_between_anchors(old, new, _Run(0, len(old), 0, len(new)))
    parts = _moved(_edits_of(_changed_runs(old, new, regions), old, new), edit.start)
    return joined_edits(text, parts, lambda between: len(between) >= _BY_CHANCE)


def _moved(edits: Iterable[TextEdit], by: int) -> Iterator[TextEdit]:
    return (TextEdit(edit.start + by, edit.end + by, edit.new_text) for edit in edits)


def _edits_of(runs: Sequence[_Run], old: Sequence[str], new: Sequence[str]) -> tuple[TextEdit, ...]:
    starts = [0, *itertools.accumulate(map(len, old))]
    return tuple(
        TextEdit(starts[run.before_start], starts[run.before_end], "".join(new[run.after_start : run.after_end]))
        for run in runs
    )


def unified_diff(before: str | None, after: str | None, path: str, lines_above: int = 0) -> str:
    """A diff with three lines of context, as `git apply` and `patch` read it; empty where nothing differs.

    None stands for a file that is not there. Lines keep their own ends, as in git's diffs; a lone carriage return is
    no line end here. `lines_above`: so many lines of the file stand above both texts.
    """
    old, new = _newline_lines(before or ""), _newline_lines(after or "")
    runs = _changed_runs(old, new)
    if not runs:
        return ""
    parts = [
        f"--- {'/dev/null' if before is None else f'a/{path}'}\n",
        f"+++ {'/dev/null' if after is None else f'b/{path}'}\n",
    ]
    for hunk in _hunks(runs):
        parts += _hunk_lines(old, new, hunk, lines_above)
    return "".join(parts)


def changed_line_counts(before: str, after: str) -> tuple[int, int]:
    """How many lines were added and how many removed; a changed line counts as both."""
    runs = _changed_runs(_newline_lines(before), _newline_lines(after))
    added = sum(run.after_end - run.after_start for run in runs)
    removed = sum(run.before_end - run.before_start for run in runs)
    return added, removed


def _newline_lines(text: str) -> list[str]:
    return list(io.StringIO(text, newline="\n"))


def _hunks(runs: Sequence[_Run]) -> Iterator[list[_Run]]:
    hunk: list[_Run] = []
    for run in runs:
        if hunk and run.before_start - hunk[-1].before_end > 2 * _CONTEXT_LINES:
            yield hunk
            hunk = []
        hunk.append(run)
    yield hunk


def _hunk_lines(old: Sequence[str], new: Sequence[str], hunk: Sequence[_Run], above: int) -> Iterator[str]:
    first, last = hunk[0], hunk[-1]
    lead = min(_CONTEXT_LINES, first.before_start)
    trail = min(_CONTEXT_LINES, len(old) - last.before_end)
    old_range = _range(above + first.before_start - lead, above + last.before_end + trail)
    new_range = _range(above + first.after_start - lead, above + last.after_end + trail)
    yield f"@@ -{old_range} +{new_range} @@\n"
    at = first.before_start - lead
    for run in hunk:
        yield from (_diff_line(" ", line) for line in old[at : run.before_start])
        yield from (_diff_line("-", line) for line in old[run.before_start : run.before_end])
        yield from (_diff_line("+", line) for line in new[run.after_start : run.after_end])
        at = run.before_end
    yield from (_diff_line(" ", line) for line in old[at : at + trail])


def _range(start: int, end: int) -> str:
    match end - start:
        case 0:
            return f"{start},0"
        case 1:
            return f"{start + 1}"
        case count:
            return f"{start + 1},{count}"


def _diff_line(mark: str, line: str) -> str:
    return f"{mark}{line}" if line.endswith("\n") else f"{mark}{line}\n\\ No newline at end of file\n"


def _changed_runs(old: Sequence[str], new: Sequence[str], within: Sequence[_Run] = ()) -> list[_Run]:
    """The runs of changed lines in order, with at least one kept line between two of them.

    `within`: regions in order outside of which nothing differs.
    """
    runs: list[_Run] = []
    regions = list(reversed(within)) or [_Run(0, len(old), 0, len(new))]
    while regions:
        region = _without_equal_ends(old, new, regions.pop())
        removed, added = region.before_end - region.before_start, region.after_end - region.after_start
        if not removed and not added:
            continue
        if removed and added and (gaps := _gaps_between_anchors(old, new, region)):
            regions.extend(reversed(gaps))
        elif removed and added and removed * added <= _SMALL_GAP:
            runs.extend(_closely_compared(old, new, region))
        else:
            runs.append(region)
    return _joined(runs)


def _without_equal_ends(old: Sequence[str], new: Sequence[str], region: _Run) -> _Run:
    a1, a2, b1, b2 = region.before_start, region.before_end, region.after_start, region.after_end
    while a1 < a2 and b1 < b2 and old[a1] == new[b1]:
        a1, b1 = a1 + 1, b1 + 1
    while a1 < a2 and b1 < b2 and old[a2 - 1] == new[b2 - 1]:
        a2, b2 = a2 - 1, b2 - 1
    return _Run(a1, a2, b1, b2)


def _gaps_between_anchors(old: Sequence[str], new: Sequence[str], region: _Run) -> list[_Run]:
    """What lies between the lines that occur once on both sides and in the same order; empty without such a line."""
    place_in_old = _places_of_single_lines(old, region.before_start, region.before_end)
    place_in_new = _places_of_single_lines(new, region.after_start, region.after_end)
    pairs = [(place, place_in_new[line]) for line, place in place_in_old.items() if line in place_in_new]
    anchors = _longest_rising(pairs)
    if not anchors:
        return []
    gaps: list[_Run] = []
    a, b = region.before_start, region.after_start
    for anchor_a, anchor_b in [*anchors, (region.before_end, region.after_end)]:
        gaps.append(_Run(a, anchor_a, b, anchor_b))
        a, b = anchor_a + 1, anchor_b + 1
    return gaps


def _places_of_single_lines(lines: Sequence[str], start: int, end: int) -> dict[str, int]:
    counts = Counter(lines[start:end])
    return {lines[i]: i for i in range(start, end) if counts[lines[i]] == 1}


def _longest_rising(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest subsequence whose second members rise; the first members do already."""
    tails: list[int] = []  # tails[n]: smallest end of a rising sequence of n + 1
    holders: list[int] = []  # index of the pair behind tails[n]
    previous: list[int] = []
    for i, (_, value) in enumerate(pairs):
        length = bisect_left(tails, value)
        previous.append(holders[length - 1] if length else -1)
        tails[length : length + 1] = [value]
        holders[length : length + 1] = [i]
    rising: list[tuple[int, int]] = []
    i = holders[-1] if holders else -1
    while i >= 0:
        rising.append(pairs[i])
        i = previous[i]
    return rising[::-1]


def _closely_compared(old: Sequence[str], new: Sequence[str], region: _Run) -> Iterator[_Run]:
    a, b = region.before_start, region.after_start
    matcher = SequenceMatcher(None, old[a : region.before_end], new[b : region.after_end], autojunk=False)
    for tag, a1, a2, b1, b2 in matcher.get_opcodes():
        if tag != "equal":
            yield _Run(a + a1, a + a2, b + b1, b + b2)


def _joined(runs: Sequence[_Run]) -> list[_Run]:
    joined: list[_Run] = []
    for run in runs:
        if joined and joined[-1].before_end == run.before_start and joined[-1].after_end == run.after_start:
            joined[-1] = _Run(joined[-1].before_start, run.before_end, joined[-1].after_start, run.after_end)
        else:
            joined.append(run)
    return joined
