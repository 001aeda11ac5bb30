"""How the indentation of new lines is to be in the file, learnt from lines that stand on both sides.

A model quotes a block with its indentation cut, added, or in other units; the lines that it quotes and the file's own
lines are pairs of evidence. Where the evidence leaves two outcomes there is none: nothing is guessed.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from flux.edits.line_table import indent_of

_UNITS = ("\t", "  ", "    ", "        ", "   ")

_USUAL_STEPS = (2, 4, 8)

_Mapping = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class _Theory:
    """One explanation of all the evidence: blanks cut or added in front, or units of one kind for those of another."""

    map: _Mapping
    units: tuple[str, str] | None = None
    """The model's and the file's; None for blanks in front."""


class Indentation:
    """The evidence of one block. `pairs` are (quoted, in the file) of its non-blank lines."""

    def __init__(self, pairs: Sequence[tuple[str, str]], quoted: Sequence[str], file_lines: Sequence[str]) -> None:
        self._pairs = pairs
        self._quoted = quoted
        self._file_lines = file_lines
        self._known: dict[str, str] = {}
        self.is_contradictory = any(self._known.setdefault(quoted, found) != found for quoted, found in pairs)

    @property
    def is_same(self) -> bool:
        """The block is quoted with the file's own indentation."""
        return all(quoted == found for quoted, found in self._pairs)

    @property
    def is_explained(self) -> bool:
        """Some theory explains all pairs."""
        return bool(self._pairs) and any(True for _ in self._theories())

    def mapping(self, needed: Sequence[str]) -> Mapping[str, str] | None:
        """What each of the quoted indentations is in the file; None where the evidence does not settle it."""
        if self.is_same:
            return {indent: indent for indent in needed}
        if self.is_contradictory:
            return None
        if all(indent in self._known for indent in needed):
            return self._known
        outcomes = [(theory, self._outcome(theory, needed)) for theory in self._theories()]
        possible = [(theory, outcome) for theory, outcome in outcomes if outcome is not None]
        if not possible:
            return self._by_longest_known(needed)
        if all(outcome == possible[0][1] for _, outcome in possible):
            return possible[0][1]
        return self._by_units(possible)

    def _theories(self) -> Iterator[_Theory]:
        quoted, found = self._pairs[0]
        if found.endswith(quoted):
            added = found[: len(found) - len(quoted)]
            if all(f == added + q for q, f in self._pairs):
                yield _Theory(lambda indent: added + indent)
        elif quoted.endswith(found):
            cut = quoted[: len(quoted) - len(found)]
            if all(q == cut + f for q, f in self._pairs):
                yield _Theory(lambda indent: indent[len(cut) :] if indent.startswith(cut) else None)
        for model_unit, file_unit in itertools.permutations(_UNITS, 2):
            growth = self._common_growth(model_unit, file_unit)
            if growth is not None:
                yield _Theory(_by_levels(model_unit, file_unit, growth), (model_unit, file_unit))

    def _common_growth(self, model_unit: str, file_unit: str) -> int | None:
        """How many levels deeper every line is in the file; None where not all agree, or none shows these units."""
        growths: set[int] = set()
        is_shown = (model_unit, file_unit) == (self._model_unit, self._file_unit)
        for quoted, found in self._pairs:
            level, rest = _levels(quoted, model_unit)
            level_in_file, rest_in_file = _levels(found, file_unit)
            if rest != rest_in_file or rest.strip(" "):
                return None
            growths.add(level_in_file - level)
            is_shown = is_shown or level > 0
        return growths.pop() if is_shown and len(growths) == 1 else None

    def _outcome(self, theory: _Theory, needed: Sequence[str]) -> dict[str, str] | None:
        outcome: dict[str, str] = {}
        for indent in needed:
            mapped = theory.map(indent)
            if mapped is None or self._known.get(indent, mapped) != mapped:
                return None
            outcome[indent] = mapped
        return outcome

    def _by_units(self, possible: Sequence[tuple[_Theory, dict[str, str]]]) -> Mapping[str, str] | None:
        """Of several theories the one that fits the steps by which the model and the file indent."""
        model_unit, file_unit = self._model_unit, self._file_unit
        wanted = None if model_unit in {"", file_unit} else (model_unit, file_unit)
        return next((outcome for theory, outcome in possible if theory.units == wanted), None)

    def _by_longest_known(self, needed: Sequence[str]) -> Mapping[str, str] | None:
        """The longest known indentation that each begins with, and the rest as it is."""
        mapping: dict[str, str] = {}
        for indent in needed:
            known = max((k for k in self._known if indent.startswith(k)), key=len, default=None)
            if known is None:
                return None
            rest, found = indent[len(known) :], self._known[known]
            if rest and found and ("\t" in found) != ("\t" in rest):
                return None
            mapping[indent] = found + rest
        return mapping

    @cached_property
    def _model_unit(self) -> str:
        indents = {indent_of(line) for line in self._quoted if line.strip()}
        if any(indent.startswith("\t") for indent in indents):
            return "\t"
        widths = sorted(set(map(len, indents)))
        steps = [b - a for a, b in itertools.pairwise(widths)]
        if not steps or min(steps) not in _USUAL_STEPS:  # lines that are aligned to one above show no step
            steps += widths[:1] if widths and widths[0] else widths[1:2]
        return " " * min(steps, default=0)

    @cached_property
    def _file_unit(self) -> str:
        steps: Counter[str] = Counter()
        width = 0
        for line in self._file_lines:
            if line.strip():
                indent = indent_of(line)
                if indent.startswith("\t"):
                    steps["\t"] += 1
                elif len(indent) > width:
                    steps[" " * (len(indent) - width)] += 1
                width = len(indent)
        return steps.most_common(1)[0][0] if steps else ""


def _levels(indent: str, unit: str) -> tuple[int, str]:
    level = 0
    while indent.startswith(unit, level * len(unit)):
        level += 1
    return level, indent[level * len(unit) :]


def _by_levels(model_unit: str, file_unit: str, growth: int) -> _Mapping:
    def mapped(indent: str) -> str | None:
        level, rest = _levels(indent, model_unit)
        if level + growth < 0 or rest.strip(" "):
            return None
        return file_unit * (level + growth) + rest

    return mapped
