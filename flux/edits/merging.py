"""Writing a block back by merging, not by pasting: lines that the edit keeps stay the file's bytes.

The block has been found; here only what differs between the quoted and the new lines is written, in the indentation and
the typography of the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from flux.edits.indentation import Indentation
from flux.edits.line_table import indent_of, plain

_OPENS_BLOCK = re.compile(r"(?:[:({\[]|\b(?:do|then))\s*(?:#.*|//.*)?$")


@dataclass(frozen=True, slots=True)
class LineEdit:
    """Put `lines` where the lines `start` up to `end` of the file stand."""

    start: int
    end: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """Old lines `a1` up to `a2` become new lines `b1` up to `b2`."""

    a1: int
    a2: int
    b1: int
    b2: int


def changed_runs(old: Sequence[str], new: Sequence[str]) -> list[Run]:
    """What differs between the blocks, blanks at line ends aside; equal lines at the ends are always kept."""
    old_keys, new_keys = [line.rstrip() for line in old], [line.rstrip() for line in new]
    shorter = min(len(old), len(new))
    head = next((i for i in range(shorter) if old_keys[i] != new_keys[i]), shorter)
    tail = next((i for i in range(shorter - head) if old_keys[-1 - i] != new_keys[-1 - i]), shorter - head)
    matcher = SequenceMatcher(None, old_keys[head : len(old) - tail], new_keys[head : len(new) - tail], autojunk=False)
    return [
        Run(head + a1, head + a2, head + b1, head + b2)
        for tag, a1, a2, b1, b2 in matcher.get_opcodes()
        if tag != "equal"
    ]


def lines_that_must_agree(old: Sequence[str], new: Sequence[str]) -> set[int]:
    """Those that are changed or removed; around an insertion its two neighbours, the only proof of the place."""
    fixed: set[int] = set()
    a = b = 0
    for run in [*changed_runs(old, new), Run(len(old), len(old), len(new), len(new))]:
        fixed.update(i for i in range(a, run.a1) if old[i] != new[b + i - a])
        if run.a1 < len(old) or run.b1 < run.b2:
            fixed.update(range(run.a1, run.a2) if run.a1 < run.a2 else (run.a1 - 1, run.a1))
        a, b = run.a2, run.b2
    return fixed


def merge(file_lines: Sequence[str], start: int, old: Sequence[str], new: Sequence[str]) -> list[LineEdit] | None:
    """The edits that make of the lines at `start`, which agree with `old`, what `new` makes of `old`.

    None where the indentation of the new lines cannot be told.
    """
    found = file_lines[start : start + len(old)]
    old, new = _in_the_files_typography(old, new, found)
    runs = changed_runs(old, new)
    runs += _changed_line_ends(old, new, found, runs)
    indented = _Indenter.learn(file_lines, found, old, new, runs)
    if indented is None:
        return None
    edits: list[LineEdit] = []
    for run in sorted(runs, key=lambda run: (run.a1, run.b1)):
        lines: list[str] = []
        for b in range(run.b1, run.b2):
            line = indented.line(b, run)
            if line is None:
                return None
            if run.a2 - run.a1 == run.b2 - run.b1:
                a = run.a1 + b - run.b1
                line = _with_the_files_characters(old[a], found[a], line)
            lines.append(line)
        if (
            indented.map is None
            and run.a2 - run.a1 != run.b2 - run.b1
            and len({line[:1] for line in lines} & {" ", "\t"}) > 1
        ):
            return None  # one block in tabs and blanks is another program
        edits.append(LineEdit(start + run.a1, start + run.a2, tuple(lines)))
    return edits


def _in_the_files_typography(
    old: Sequence[str], new: Sequence[str], found: Sequence[str]
) -> tuple[Sequence[str], Sequence[str]]:
    """Without typographic quotes that are the model's and not the file's."""
    if any(plain(line) != line for line in old) and all(plain(line) == line for line in found):
        return [plain(line) for line in old], [plain(line) for line in new]
    return old, new


def _changed_line_ends(old: Sequence[str], new: Sequence[str], found: Sequence[str], runs: Sequence[Run]) -> list[Run]:
    """Lines of which only the blanks at the end are changed, where the file has the blanks that the model saw."""
    changed: list[Run] = []
    a = b = 0
    for run in [*runs, Run(len(old), len(old), len(new), len(new))]:
        while a < run.a1:
            if old[a] != new[b] and found[a].lstrip() == old[a].lstrip():
                changed.append(Run(a, a + 1, b, b + 1))
            a, b = a + 1, b + 1
        a, b = run.a2, run.b2
    return changed


def _with_the_files_characters(old: str, found: str, line: str) -> str:
    """A changed line that keeps the file's typography where the edit does not touch it."""
    quoted, written = old.strip(), found.strip()
    if quoted == written or len(quoted) != len(written) or plain(quoted) != plain(written):
        return line
    indent = indent_of(line)
    body = line[len(indent) :]
    matcher = SequenceMatcher(None, quoted, body, autojunk=False)
    pieces = (written[a1:a2] if tag == "equal" else body[b1:b2] for tag, a1, a2, b1, b2 in matcher.get_opcodes())
    return indent + "".join(pieces)


@dataclass(frozen=True, slots=True)
class _Pair:
    """A quoted line that is not blank, by its number, with both indentations."""

    number: int
    quoted: str
    found: str


@dataclass(frozen=True, slots=True)
class _Indenter:
    """Puts new lines into the file's indentation.

    `first` is what the block's first line lost where it alone was quoted without it; `map` None: each line is told by
    the nearest pair.
    """

    new: Sequence[str]
    pairs: Sequence[_Pair]
    map: Callable[[str], str | None] | None
    first: str | None
    is_same: bool

    @classmethod
    def learn(
        cls,
        file_lines: Sequence[str],
        found: Sequence[str],
        old: Sequence[str],
        new: Sequence[str],
        runs: Sequence[Run],
    ) -> _Indenter | None:
        pairs = [
            _Pair(number, indent_of(line), indent_of(found[number]))
            for number, line in enumerate(old)
            if line.strip() and found[number].strip()
        ]
        if not pairs:
            return cls(new, pairs, str, None, is_same=True)
        first = _lost_by_the_first(pairs)
        evidence = pairs if first is None else pairs[1:]
        quoted = [*old, *new] if first is None else [*old[1:], *new[1:]]
        known = Indentation([(pair.quoted, pair.found) for pair in evidence], quoted, file_lines)
        written = [(b, new[b]) for run in runs for b in range(run.b1, run.b2) if new[b].strip()]
        if first is not None:
            written = [(b, line) for b, line in written if b > 0 or indent_of(line)]
        needed = list(dict.fromkeys(indent_of(line) for _, line in written))
        alone = _of_a_line_alone(pairs, new)
        mapping = known.mapping(needed)
        if alone is None and mapping is None and not known.is_contradictory:
            return None
        return cls(new, pairs, alone or (mapping.get if mapping is not None else None), first, known.is_same)

    def line(self, number: int, run: Run) -> str | None:
        line = self.new[number]
        if not line.strip():
            return line if self.is_same else ""
        indent = indent_of(line)
        if number == 0 and self.first is not None and not indent:
            return self.first + line
        mapped = self.map(indent) if self.map is not None else self._nearest(indent, run, number)
        return None if mapped is None else mapped + line[len(indent) :]

    def _nearest(self, indent: str, run: Run, number: int) -> str | None:
        """As the line that it replaces one for one, or as the lines quoted alike above and below, if they agree."""
        alike = {pair.number: pair.found for pair in self.pairs if pair.quoted == indent}
        counterpart = run.a1 + number - run.b1
        if run.a2 - run.a1 == run.b2 - run.b1 and counterpart in alike:
            return alike[counterpart]
        if all(pair.quoted == indent for pair in self.pairs if run.a1 <= pair.number < run.a2) and run.a1 < run.a2:
            around = [alike[i] for i in range(run.a1, run.a2) if i in alike]
        else:
            above = max((i for i in alike if i < run.a1), default=None)
            below = min((i for i in alike if i >= run.a2), default=None)
            around = [alike[i] for i in (above, below) if i is not None]
        return around[0] if around and len(set(around)) == 1 else None


def _lost_by_the_first(pairs: Sequence[_Pair]) -> str | None:
    """The indentation that the first line alone was quoted without; None where it was not, or that is not certain."""
    first, others = pairs[0], [(pair.quoted, pair.found) for pair in pairs[1:]]
    if not others or first.quoted or not first.found:
        return None
    rest = Indentation(others, [], [])
    whole = Indentation([("", first.found), *others], [], [])
    if whole.is_explained and not rest.is_same:
        return None
    return first.found if rest.is_same or rest.is_explained else None


def _of_a_line_alone(pairs: Sequence[_Pair], new: Sequence[str]) -> Callable[[str], str] | None:
    """How new lines stand where one line was quoted without its indentation: as they are, or under that line?

    None where they stand under it, which the evidence of the pair gives.
    """
    lines = [line for line in new if line.strip()]
    if len(pairs) != 1 or pairs[0].quoted or not pairs[0].found or not lines:
        return None
    found = pairs[0].found
    own, rest = indent_of(lines[0]), [indent_of(line) for line in lines[1:]]
    if own:
        return (lambda indent: indent) if own == found or rest else (lambda indent: found)
    if not rest or not min(map(len, rest)):
        return None
    if _OPENS_BLOCK.search(lines[0].rstrip()) and len(rest[0]) <= len(found):
        return None
    return lambda indent: indent or found
