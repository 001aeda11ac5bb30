"""Blocks that are not in the file as quoted, and still certain: with elided lines, or a misquoted line that is kept.

Every line that the edit changes or removes must agree with the file, and no other place may come close: a misquoted
comment and a changed constant are equally similar, but only one of them may be written over.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher

from flux.edits.line_table import FOLDED, LineTable
from flux.edits.merging import LineEdit, changed_runs, merge

_ELISION = re.compile(
    r"^\s*(?:#|//|--|/\*|<!--|;|%|\{/\*)?\s*(?:\.\.\.|…)\s*(?:.*?(?:\.\.\.|…))?\s*(?:\*/\}?|-->)?\s*$"
)
_TOO_COMMON = 40  # a line that stands in more places votes for none
_LEAST_SIMILAR = 0.75
_FEWEST_LINES = 3
_TELLING_LENGTH = 4
_CANDIDATES = 6


def merge_elided(
    table: LineTable,
    old: Sequence[str],
    new: Sequence[str],
    find: Callable[[Sequence[str]], int | None],
) -> list[LineEdit] | None:
    """The edits where both blocks leave out the same number of parts (`# ... existing code ...`).

    Every part between the marks is found by itself by `find`, in order. None where one is not.
    """
    old_parts, new_parts = _parts(old), _parts(new)
    if len(old_parts) == 1 or len(old_parts) != len(new_parts):
        return None
    edits: list[LineEdit] = []
    at = 0
    for old_part, new_part in zip(old_parts, new_parts, strict=True):
        if not any(line.strip() for line in old_part):
            if any(line.strip() for line in new_part):
                return None
            continue
        start = find(old_part)
        if start is None or start < at:
            return None
        merged = merge(table.lines, start, old_part, new_part)
        if merged is None:
            return None
        edits += merged
        at = start + len(old_part)
    return edits or None


def _parts(lines: Sequence[str]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for line in lines:
        if _ELISION.match(line):
            parts.append([])
        else:
            parts[-1].append(line)
    return parts


def merge_misquoted(table: LineTable, old: Sequence[str], new: Sequence[str]) -> list[LineEdit] | None:
    """The edits where a few lines that the edit keeps are misquoted; None where that is not certain."""
    wanted = [FOLDED.key(line) for line in old]
    count = sum(1 for key in wanted if key)
    if count < _FEWEST_LINES:
        return None
    votes = _votes(table, wanted)
    fixed = _lines_that_must_agree(old, new)
    near = [start for start, _ in votes.most_common(_CANDIDATES)]
    certain = [start for start in near if _is_certain(table, wanted, start, count, fixed)]
    if len(certain) != 1:
        return None
    (start,) = certain
    margin = max(1, count // 4)
    if any(abs(other - start) >= len(old) and votes[other] >= votes[start] - margin for other in votes):
        return None
    if _stands_around(table, new, start, len(old)):
        return None
    return merge(table.lines, start, old, new)


def _votes(table: LineTable, wanted: Sequence[str]) -> Counter[int]:
    """Every line votes for the starts at which it would stand in its place."""
    votes: Counter[int] = Counter()
    for offset, key in enumerate(wanted):
        places = table.places(FOLDED, key) if key else ()
        if len(places) <= _TOO_COMMON:
            votes.update(place - offset for place in places)
    last = len(table.lines) - len(wanted)
    return Counter({start: count for start, count in votes.items() if 0 <= start <= last})


def _lines_that_must_agree(old: Sequence[str], new: Sequence[str]) -> set[int]:
    """Those that are changed or removed; around an insertion its two neighbours, the only proof of the place."""
    fixed: set[int] = set()
    for run in changed_runs(old, new):
        fixed.update(range(run.a1, run.a2) if run.a1 < run.a2 else (run.a1 - 1, run.a1))
    return fixed


def _is_certain(table: LineTable, wanted: Sequence[str], start: int, count: int, fixed: set[int]) -> bool:
    found = table.keys(FOLDED)[start : start + len(wanted)]
    differing = [i for i, (a, b) in enumerate(zip(wanted, found, strict=True)) if a != b]
    agreeing = sum(1 for i, key in enumerate(wanted) if len(key) >= _TELLING_LENGTH and i not in differing)
    return (
        len(differing) <= max(1, count // 5)
        and agreeing >= 2
        and fixed.isdisjoint(differing)
        and all(_is_similar(wanted[i], found[i]) for i in differing)
    )


def _is_similar(a: str, b: str) -> bool:
    return bool(a and b) and SequenceMatcher(None, a, b, autojunk=False).ratio() >= _LEAST_SIMILAR


def _stands_around(table: LineTable, new: Sequence[str], start: int, length: int) -> bool:
    """Whether the new lines are there already, so that the edit seems to be applied."""
    wanted = [FOLDED.key(line) for line in new]
    if sum(1 for key in wanted if key) < 2:
        return False
    lines = table.keys(FOLDED)[max(0, start - len(new)) : start + length + 2 * len(new)]
    return any(list(lines[i : i + len(wanted)]) == wanted for i in range(len(lines) - len(wanted) + 1))
