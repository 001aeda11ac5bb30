"""Which definitions matter most: those whose names are used in many files, and near what the user is at.

All in whole numbers, and ties by path and line, so that the same files give the same order in every process. Knows no
disk and no parser.
"""

from __future__ import annotations

import heapq
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isqrt

from flux.workspace.index.definitions import Definition, number_of
from flux.workspace.index.tree import MAX_FILES

NEAR = 50
"""A use in a file that the user has open or names counts as so many in others."""

ASKED_NAME = 1_000
"""And so does a name in the user's words"""
ASKED_WORD = 20
"""unless it is a plain word too, such as `file`."""

CANDIDATES = 1_000
"""So many names are looked at closely."""

_KINDS = {"class": 12, "function": 8, "module": 6, "constant": 4, "heading": 2}


@dataclass(frozen=True, slots=True)
class Ranked:
    """One definition: its file, and the definitions that it lies in, outermost first, itself the last."""

    score: int
    path: str
    chain: tuple[Definition, ...]


class Ranking:
    """The definitions and uses of a set of files."""

    def __init__(self) -> None:
        self._definitions: dict[str, Sequence[Definition]] = {}
        self._defined: dict[int, str] = {}
        self._used: dict[str, array[int]] = {}
        self._users: Counter[int] = Counter()
        self._is_new = True
        """Nothing was asked yet: uses are counted at once when something is."""
        self._definers: dict[str, dict[str, list[int]]] = {}
        self._scores: dict[str, int] = {}
        self._stale: set[str] = set()
        self._touched: set[int] = set()

    def put(self, path: str, definitions: Sequence[Definition], used: array[int]) -> None:
        """Take the file, in place of what was known of it. `used` are the numbers of the names in it."""
        self.remove(path)
        self._definitions[path] = definitions
        for index, definition in enumerate(definitions):
            name = definition.name
            places = self._definers.get(name)
            if places is None:
                places = self._definers[name] = {}
                self._defined[number_of(name)] = name
            places.setdefault(path, []).append(index)
        self._used[path] = used
        if not self._is_new:
            self._stale.update(definition.name for definition in definitions)
            self._users.update(used)
            self._touched.update(used)

    def remove(self, path: str) -> None:
        """Forget the file."""
        used = self._used.pop(path, None)
        if used is not None and not self._is_new:
            self._users.subtract(used)
            self._touched.update(used)
        for definition in self._definitions.pop(path, ()):
            definers = self._definers.get(definition.name)
            if definers is not None:
                definers.pop(path, None)
                if not definers:
                    del self._definers[definition.name]
            self._stale.add(definition.name)

    def outline(self, path: str) -> Sequence[Definition]:
        return self._definitions.get(path, ())

    def definitions(self, name: str) -> list[tuple[str, Definition]]:
        """All of that name, by path and line."""
        places = sorted(self._definers.get(name, {}).items())
        return [(path, self._definitions[path][index]) for path, indices in places for index in indices]

    def names(self) -> Iterable[str]:
        """All names that are defined."""
        return self._definers.keys()

    def users(self, name: str) -> list[str]:
        """The files with the name in them, by path."""
        number = number_of(name)
        return sorted(path for path, used in self._used.items() if number in used)

    def best(self, count: int, near: Collection[str], words: Collection[str], shown: Collection[str]) -> list[Ranked]:
        """The `count` that matter most, best first.

        `near` are the files that the user is at, `words` what the message says, `shown` files that the model sees
        anyway, of which nothing is told.
        """
        self._refresh()
        closer: Counter[str] = Counter()
        for path in near:
            closer.update(self._names(self._used.get(path, ())))
        scores = {name: self._score(name, closer[name], words) for name in {*closer, *words} if name in self._definers}
        every = self._scores | scores
        chosen = heapq.nsmallest(max(CANDIDATES, 3 * count), every.items(), key=lambda item: (-item[1], item[0]))
        found = [
            (-score * _KINDS.get(self._definitions[path][index].kind, 1) * (1 if _is_test(path) else 4), path, index)
            for name, score in chosen
            for path, indices in self._definers[name].items()
            if path not in shown
            for index in indices
        ]
        return [Ranked(-score, path, self._chain(path, index)) for score, path, index in heapq.nsmallest(count, found)]

    def _names(self, numbers: Iterable[int]) -> Iterator[str]:
        """Those that are defined of the names with these numbers."""
        for number in numbers:
            name = self._defined.get(number)
            if name is not None and name in self._definers:
                yield name

    def _refresh(self) -> None:
        if self._is_new:
            self._is_new = False
            for used in self._used.values():
                self._users.update(used)
            self._stale.update(self._definers)
        self._stale.update(self._names(self._touched))
        self._touched.clear()
        for name in self._stale:
            if name in self._definers:
                self._scores[name] = self._score(name, 0, ())
            else:
                self._scores.pop(name, None)
        self._stale.clear()

    def _score(self, name: str, near: int, words: Collection[str]) -> int:
        definers = len(self._definers[name])
        users = self._users.get(number_of(name), 0)
        uses = max(users - definers, 0) + NEAR * near
        if name in words:
            uses += ASKED_WORD if name.isalpha() and name.islower() else ASKED_NAME
        return _worth(name) * (isqrt(10_000 * uses) // definers + 1)

    def _chain(self, path: str, index: int) -> tuple[Definition, ...]:
        definitions = self._definitions[path]
        chain = [definitions[index]]
        for before in reversed(definitions[:index]):
            if before.level < chain[0].level:
                chain.insert(0, before)
        return tuple(chain)


def _worth(name: str) -> int:
    """Of a name by itself: what is private or short says little, what is made of several words says much."""
    if name.startswith("__") or len(name) < 3:
        return 1
    if name.startswith("_"):
        return 2
    is_compound = "_" in name or (name != name.lower() and name != name.upper() and not name.istitle())
    return 30 if len(name) >= 8 and is_compound else 10


@lru_cache(MAX_FILES)
def _is_test(path: str) -> bool:
    return any(part.startswith("test") for part in path.lower().split("/"))
