"""The places in a text that are most like one that was not found, written for a model that will correct itself.

A heuristic for messages only: no edit is ever placed by it.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Sequence
from difflib import SequenceMatcher

_MAX_PLACES = 3
_MAX_SHOWN_LINES = 34  # with the sentences around them a message stays within 40 lines
_MAX_LINE_LENGTH = 240
_TOO_COMMON_LINE = 40  # in more places than this it tells nothing
_TOO_COMMON_WORD = 1000
_WORD = re.compile(r"\w{2,}")
_MAX_WORDS = 12
_MAX_COMPARED_LINES = 400  # at some 20 µs each


def nearest_places(lines: Sequence[str], wanted: Sequence[str]) -> tuple[int, ...]:
    """The zero-based first lines of up to three places like `wanted`, the most similar first; none where nothing is.

    All lines are without their ends. Costs a few passes over the text.
    """
    votes = _votes_of_equal_lines(lines, wanted) or _votes_of_words(lines, wanted) or _votes_of_letters(lines, wanted)
    best = max(votes.values(), default=0)
    places: list[int] = []
    for start, count in sorted(votes.items(), key=lambda item: (-item[1], item[0])):
        if len(places) == _MAX_PLACES or 2 * count < best:
            break
        place = min(max(start, 0), len(lines) - 1)
        if all(abs(place - other) >= len(wanted) for other in places):
            places.append(place)
    return tuple(places)


def show_places(lines: Sequence[str], wanted: Sequence[str], places: Sequence[int]) -> str:
    """The file's lines at the places with 1-based numbers; `>` marks a line that is not as wanted."""
    room = _MAX_SHOWN_LINES // len(places) - 1
    return "\n...\n".join(_show_place(lines, wanted, place, room) for place in places)


def differs_in_blanks_only(lines: Sequence[str], wanted: Sequence[str], place: int) -> bool:
    """Whether the lines at the place are the wanted ones but for white space."""
    found = ["".join(line.split()) for line in lines[place : place + len(wanted)]]
    sought = ["".join(line.split()) for line in wanted]
    return len(found) == len(sought) and all(map(_is_as_wanted, found, sought, _is_edge(len(sought))))


def _show_place(lines: Sequence[str], wanted: Sequence[str], place: int, room: int) -> str:
    found = lines[place : place + len(wanted)]
    is_same = list(map(_is_as_wanted, found, wanted, _is_edge(len(wanted))))
    first_different = is_same.index(False) if False in is_same else 0
    skipped = max(0, min(first_different - 3, len(found) - room))
    shown = [
        f"{' ' if same else '>'} {place + i + 1:>5} | {clipped(line)}"
        for i, (line, same) in enumerate(zip(found, is_same, strict=True))
        if skipped <= i < skipped + room
    ]
    return "\n".join(shown)


def _is_edge(count: int) -> list[bool]:
    return [i in (0, count - 1) for i in range(count)]


def _is_as_wanted(line: str, wanted: str, is_edge: bool) -> bool:
    """The first and the last wanted line may be part of a line."""
    return wanted in line if is_edge else wanted == line


def clipped(line: str) -> str:
    """The line, or its beginning with its length where it is long."""
    return line if len(line) <= _MAX_LINE_LENGTH else f"{line[:_MAX_LINE_LENGTH]}… ({len(line)} characters)"


def _votes_of_equal_lines(lines: Sequence[str], wanted: Sequence[str]) -> Counter[int]:
    """Every wanted line votes for the starts at which it would stand in its place, indentation aside."""
    sought = {stripped for line in wanted if (stripped := line.strip())}
    places: defaultdict[str, list[int]] = defaultdict(list)
    for i, line in enumerate(lines):
        if (stripped := line.strip()) in sought:
            places[stripped].append(i)
    votes: Counter[int] = Counter()
    for offset, line in enumerate(wanted):
        found = places.get(line.strip(), [])
        if len(found) <= _TOO_COMMON_LINE:
            votes.update(place - offset for place in found)
    return votes


def _votes_of_words(lines: Sequence[str], wanted: Sequence[str]) -> Counter[int]:
    """Every telling word votes with its length; places with less than a third of the letters are left out."""
    offset_of: dict[str, int] = {}
    for offset, line in enumerate(wanted):
        for word in _WORD.findall(line.lower()):
            offset_of.setdefault(word, offset)
    words = sorted(offset_of, key=lambda word: (-len(word), word))[:_MAX_WORDS]
    lowered = [line.lower() for line in lines]
    text = "\n".join(lowered)
    starts = [0, *itertools.accumulate(len(line) + 1 for line in lowered)]
    votes: Counter[int] = Counter()
    for word in words:
        if text.count(word) <= _TOO_COMMON_WORD:
            found = {bisect_right(starts, match.start()) - 1 for match in re.finditer(re.escape(word), text)}
            votes.update({line - offset_of[word]: len(word) for line in found})
    letters = sum(map(len, words))
    return Counter({start: count for start, count in votes.items() if 3 * count >= letters})


def _votes_of_letters(lines: Sequence[str], wanted: Sequence[str]) -> Counter[int]:
    """A line votes with its longest part of the longest wanted line, if that is half of it. For short files only."""
    offset, longest = max(enumerate(wanted), key=lambda numbered: len(numbered[1].strip()))
    sought = longest.strip()[:_MAX_LINE_LENGTH]
    matcher = SequenceMatcher(None, "", sought, autojunk=False)
    votes: Counter[int] = Counter()
    for i, line in enumerate(lines[:_MAX_COMPARED_LINES]):
        matcher.set_seq1(line[:_MAX_LINE_LENGTH])
        size = matcher.find_longest_match().size
        if sought and 2 * size >= len(sought):
            votes[i - offset] = size
    return votes
