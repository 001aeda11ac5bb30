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
from flux.edits.merging import LineEdit, lines_that_must_agree, merge

_ELISION = re.compile(
    r"^\s*(?:#|//|--|/\*|<!--|;|%|\{/\*)?\s*(?:\.\.\.|…)\s*(?:.*?(?:\.\.\.|…))?\s*(?:\*/\}?|-->)?\s*$"
)
_THING = (
    r"(?:code|file|functions?|methods?|class(?:es)?|implementation|body|imports?|lines?|logic|module|document|content"
    r"|page|script|test(?:s|\s+cases?)?|properties|fields|entries|items|cases|rules|styles|definitions?)"
)
_LEFT_OUT = re.compile(
    rf"^\s*(?:#|//|--|/\*|<!--|;|%|\{{/\*|\*)?\s*(?P<dots>\.\.\.|…)?\s*[(\[]?\s*(?:"
    rf"(?:the\s+)?(?:rest|remainder)\s+of\s+(?:the|this|your)?\s*(?:\w+\s+)?{_THING}\b.*"
    rf"|(?:the\s+)?(?:other|existing|remaining|previous|original|unchanged|same|more)\s+(?:\w+\s+)?{_THING}\b.*"
    r"|unchanged|same\s+as\s+(?:before|above)|omitted.*|no\s+changes?.*|snip(?:ped)?|truncated"
    r")[)\]]?\s*(?P<more>\.\.\.|…)?\s*(?:\*/\}?|-->)?\s*$",
    re.IGNORECASE,
)
"""A comment that stands for lines; without dots it must begin a comment and say that they stay."""
_STAYS = re.compile(r"\b(?:rest|remainder)\b.*\bof\b|\b(?:unchanged|same|omitted|here|as before)\b", re.IGNORECASE)
_COMMENT = re.compile(r"^\s*(?:#|//|--|/\*|<!--|;|%|\{/\*)")
_TOO_COMMON = 40  # a line that stands in more places votes for none
_LEAST_SIMILAR = 0.75
_FEWEST_LINES = 3
_TELLING_LENGTH = 4
_CANDIDATES = 6
_LINES_BETWEEN = 4
_LONGEST_MARK = 120
_DOTS = ("...", "…")


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
    pairs = list(zip(old_parts, new_parts, strict=True))
    starts = [None if old_part == new_part else find(old_part) for old_part, new_part in pairs]
    edits: list[LineEdit] = []
    at = 0
    for i, (old_part, new_part) in enumerate(pairs):
        if not _is_telling(old_part):
            if _is_telling(new_part):
                return None
            continue
        start = starts[i]
        if old_part == new_part:
            following = next((later for later in starts[i + 1 :] if later is not None), len(table.lines))
            start = _first_between(table, old_part, at, following)
        if start is None or start < at:
            return None
        at = start + len(old_part)
        if old_part != new_part:
            merged = merge(table.lines, start, old_part, new_part)
            if merged is None:
                return None
            edits += merged
    return edits or None


def _is_telling(lines: Sequence[str]) -> bool:
    return any(line.strip() for line in lines)


def _first_between(table: LineTable, block: Sequence[str], first: int, end: int) -> int | None:
    """A part that stays need not stand in one place only: nothing is written there."""
    starts = table.starts(FOLDED, block)
    return next((start for start in starts if first <= start <= end - len(block)), None)


def mark_left_out(table: LineTable, old: Sequence[str], new: Sequence[str]) -> str | None:
    """The line of `new` that stands for lines left out, where `old` has no such mark and the file no such line.

    Dots alone are a body in some languages: they are a mark only where lines are removed and no block is opened.
    """
    if not any(map(_is_mark, new)):
        return None
    known = Counter(map(str.strip, old))
    marks: list[int] = []
    for i, line in enumerate(new):
        if _is_mark(line):
            known[line.strip()] -= 1
            if known[line.strip()] < 0 and not table.has_line(line.strip()):
                marks.append(i)
    marks = [i for i in marks if new[i].strip() not in _DOTS or _replaces_lines(old, new, i)]
    in_old = sum(1 for line in old if _is_mark(line) and not table.has_line(line.strip()))
    in_both = sum(1 for line in new if _is_mark(line)) - len(marks)
    return new[marks[0]] if marks and len(marks) > max(0, in_old - in_both) else None


def _is_elision(line: str) -> bool:
    return len(line) <= _LONGEST_MARK and ("..." in line or "…" in line) and bool(_ELISION.match(line))


def _is_mark(line: str) -> bool:
    if _is_elision(line):
        return True
    if len(line) > _LONGEST_MARK or not ("..." in line or "…" in line or _COMMENT.match(line)):
        return False
    found = _LEFT_OUT.match(line)
    if found is None:
        return False
    return bool(found["dots"] or found["more"] or (_COMMENT.match(line) and _STAYS.search(line)))


def _replaces_lines(old: Sequence[str], new: Sequence[str], number: int) -> bool:
    above = next((line.rstrip() for line in reversed(new[:number]) if line.strip()), "")
    return sum(1 for line in old if line.strip()) >= sum(1 for line in new if line.strip()) and not above.endswith(
        (":", '"""', "'''", "{", "(", "[", ",")
    )


def _parts(lines: Sequence[str]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for line in lines:
        if _is_elision(line):
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
    fixed = lines_that_must_agree(old, new)
    near = [start for start, _ in votes.most_common(_CANDIDATES)]
    certain = [start for start in near if _is_certain(table, wanted, start, count, fixed)]
    if len(certain) != 1:
        return None
    (start,) = certain
    if _votes_elsewhere(table, wanted, start) >= votes[start] - max(1, count // 4):
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


def _votes_elsewhere(table: LineTable, wanted: Sequence[str], start: int) -> int:
    """How many of the lines stand together in another place at most, be it with some lines more between them."""
    found = sorted(
        (place, offset)
        for offset, key in enumerate(wanted)
        if key and len(table.places(FOLDED, key)) <= _TOO_COMMON
        for place in table.places(FOLDED, key)
        if not start <= place < start + len(wanted)
    )
    together: Counter[int] = Counter()
    most = first = 0
    for place, offset in found:
        together[offset] += 1
        while place - found[first][0] >= len(wanted) + _LINES_BETWEEN:
            together[found[first][1]] -= 1
            if not together[found[first][1]]:
                del together[found[first][1]]
            first += 1
        most = max(most, len(together))
    return most


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
    a, b = a.lower(), b.lower()
    return bool(a and b) and SequenceMatcher(None, a, b, autojunk=False).ratio() >= _LEAST_SIMILAR


def _stands_around(table: LineTable, new: Sequence[str], start: int, length: int) -> bool:
    """Whether the new lines are there already, so that the edit seems to be applied."""
    wanted = [FOLDED.key(line) for line in new]
    if sum(1 for key in wanted if key) < 2:
        return False
    lines = table.keys(FOLDED)[max(0, start - len(new)) : start + length + 2 * len(new)]
    return any(list(lines[i : i + len(wanted)]) == wanted for i in range(len(lines) - len(wanted) + 1))
