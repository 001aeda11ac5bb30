"""The lines of a text, and where a block of lines stands in it: strictly first, then with less and less looked at.

A place is found through an index of the block's rarest line, so that a question costs no pass over the text. The text
has line feeds only. Knows nothing of edits.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

_BLANKS = re.compile(r"[ \t]+")

_TYPOGRAPHY = {
    **dict.fromkeys(map(ord, "\u2018\u2019\u201a\u201b\u2032"), "'"),
    **dict.fromkeys(map(ord, "\u201c\u201d\u201e\u201f\u2033"), '"'),
    **dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"), "-"),
    **dict.fromkeys(map(ord, "\u00a0\u2002\u2003\u2007\u2009\u202f\u3000"), " "),
    0x2026: "...",
}


def plain(text: str) -> str:
    """The text with typographic quotes, dashes, spaces and dots as they are on a keyboard."""
    return text if text.isascii() else text.translate(_TYPOGRAPHY)


def folded(line: str) -> str:
    """The line as a reader sees it: one form of Unicode, plain typography, single blanks, no blanks at its ends."""
    if not line.isascii():
        line = plain(unicodedata.normalize("NFC", line))
    line = line.strip()
    return _BLANKS.sub(" ", line) if "  " in line or "\t" in line else line


@dataclass(frozen=True, slots=True)
class Level:
    """How much of a line is looked at: lines with equal keys count as the same."""

    name: str
    key: Callable[[str], str]
    is_part: bool = True
    """A key is a part of its line by the letter."""


LEVELS = (
    Level("blanks at line ends", str.rstrip),
    Level("indentation", str.strip),
    Level("typography", folded, is_part=False),
)
FOLDED = LEVELS[-1]


class LineTable:
    """The lines of a text, without their ends, with an index for each level that is made when first asked for."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines: Sequence[str] = text.split("\n")
        self._indices: dict[str, tuple[Sequence[str], Mapping[str, Sequence[int]]]] = {}

    def keys(self, level: Level) -> Sequence[str]:
        """The key of every line."""
        return self._index(level)[0]

    def places(self, level: Level, key: str) -> Sequence[int]:
        """The lines that have the key, in order."""
        return self._index(level)[1].get(key, ())

    def has_line(self, stripped: str) -> bool:
        """Whether some line is this but for blanks around it. A pass over the text only where it has those letters."""
        return stripped in self.text and any(line.strip() == stripped for line in self.lines)

    def starts(self, level: Level, block: Sequence[str]) -> list[int]:
        """The lines at which the whole block stands. A block of blank lines stands nowhere."""
        wanted = [level.key(line) for line in block]
        telling = [offset for offset, key in enumerate(wanted) if key]
        # One pass over the letters is far cheaper than an index, and most blocks stand nowhere at most levels.
        if not telling or (level.is_part and max(wanted, key=len) not in self.text):
            return []
        keys = self.keys(level)
        rarest = min(telling, key=lambda offset: len(self.places(level, wanted[offset])))
        starts = (place - rarest for place in self.places(level, wanted[rarest]))
        return [start for start in starts if start >= 0 and keys[start : start + len(wanted)] == wanted]

    def _index(self, level: Level) -> tuple[Sequence[str], Mapping[str, Sequence[int]]]:
        if level.name not in self._indices:
            keys = [level.key(line) for line in self.lines]
            places: defaultdict[str, list[int]] = defaultdict(list)
            for line, key in enumerate(keys):
                places[key].append(line)
            self._indices[level.name] = keys, places
        return self._indices[level.name]


@lru_cache(maxsize=4)
def line_table(text: str) -> LineTable:
    """The table of a text; kept for the last few texts, since edits come several to one version of a document."""
    return LineTable(text)


def indent_of(line: str) -> str:
    """The blanks that a line begins with."""
    return line[: len(line) - len(line.lstrip(" \t"))]
