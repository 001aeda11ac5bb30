"""Asking an engine, and the table of what came of it."""

from __future__ import annotations

import random
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from flux.core.errors import AmbiguousMatch, EditError, NoMatch, NothingChanged
from tests.support.edit_corpus.cases import Case
from tests.support.edit_corpus.hunks import Hunk
from tests.support.edit_corpus.mistakes import mistakes
from tests.support.edit_corpus.refusals import refusals

Engine = Callable[[str, str, str], str]
"""(text, old_text, new_text) to the text after; raises EditError."""


def cases_of(hunks: Sequence[Hunk], seed: int = 1) -> list[Case]:
    """All cases of these edits, the same for the same seed."""
    cases: list[Case] = []
    for i, hunk in enumerate(hunks):
        rnd = random.Random(f"{seed} {hunk.path} {hunk.start}")
        cases += mistakes(hunk, rnd)
        cases += refusals(hunk, hunks[(i * 7 + 13) % len(hunks)], rnd)
    return cases


def exact(text: str, old_text: str, new_text: str) -> str:
    """The floor: what is there once, by the letter, and nothing else."""
    count = text.count(old_text) if old_text else 0
    if old_text == new_text:
        raise NothingChanged("The same.")
    if count > 1:
        raise AmbiguousMatch("More than once.", lines=())
    if not count:
        raise NoMatch("Not there.")
    return text.replace(old_text, new_text)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an engine did of one case. `text` None: refused, for `reason`."""

    case: Case
    text: str | None
    reason: str
    took_s: float

    @property
    def is_wrong(self) -> bool:
        return self.text is not None and self.text not in self.case.expected

    @property
    def is_outside(self) -> bool:
        """Whether something was changed that the edit is not about."""
        if self.text is None or self.case.region is None or self.case.label == "refuse":
            return False
        start, end = self.case.region
        head, tail = self.case.text[: max(0, start - 1)], self.case.text[end + 1 :]
        is_kept = self.text.startswith(head) and self.text.endswith(tail)
        return self.is_wrong and not (is_kept and len(head) + len(tail) <= len(self.text) + 1)

    @property
    def is_right(self) -> bool:
        return self.text is None if self.case.label == "refuse" else self.text in self.case.expected

    @property
    def shows_place(self) -> bool:
        """Whether a refusal names a line of the place that is meant."""
        if self.case.region is None:
            return False
        start, end = self.case.region
        text = re.sub("\r\n?", "\n", self.case.text[:end])
        first, last = re.sub("\r\n?", "\n", self.case.text[:start]).count("\n") + 1, text.count("\n") + 1
        named = re.findall(r"^[> ]*(\d+) \|", self.reason, re.MULTILINE)
        for numbers in re.findall(r"\blines? ((?:\d+(?:, | and )?)+)", self.reason):
            named += re.findall(r"\d+", numbers)
        return any(first <= int(number) <= last for number in named)


def ask(engine: Engine, cases: Iterable[Case]) -> list[Outcome]:
    """What the engine makes of the cases. Whatever is raised but an EditError goes through.

    Times are those of the processor, so that a busy machine does not show in them.
    """
    outcomes: list[Outcome] = []
    for case in cases:
        began = time.thread_time()
        try:
            text, reason = engine(case.text, case.old, case.new), ""
        except EditError as error:
            text, reason = None, str(error)
        outcomes.append(Outcome(case, text, reason, time.thread_time() - began))
    return outcomes


@dataclass(frozen=True, slots=True)
class Score:
    """Shares in percent of what they are shares of; None where there is nothing of that."""

    count: int
    wrong: float
    outside: int
    applied: float | None
    refused: float | None
    either: float | None
    shows_place: float | None
    median_ms: float
    p99_ms: float


def score(outcomes: Sequence[Outcome]) -> Score:
    """The figures of some outcomes, of which there is at least one."""

    def share(of: Sequence[Outcome], what: Callable[[Outcome], bool]) -> float | None:
        return 100 * sum(map(what, of)) / len(of) if of else None

    def labelled(label: str) -> list[Outcome]:
        return [outcome for outcome in outcomes if outcome.case.label == label]

    times = sorted(outcome.took_s * 1000 for outcome in outcomes)
    placed = [outcome for outcome in outcomes if outcome.text is None and outcome.case.region is not None]
    return Score(
        len(outcomes),
        100 * sum(outcome.is_wrong for outcome in outcomes) / len(outcomes),
        sum(outcome.is_outside for outcome in outcomes),
        share(labelled("apply"), lambda outcome: outcome.is_right),
        share(labelled("refuse"), lambda outcome: outcome.is_right),
        share(labelled("either"), lambda outcome: outcome.is_right),
        share(placed, lambda outcome: outcome.shows_place),
        times[len(times) // 2],
        times[int(len(times) * 0.99)],
    )


def table(outcomes: Sequence[Outcome], floor: Sequence[Outcome]) -> str:
    """A row for each kind of case and one for all; the last columns are those of the exact engine."""
    kinds: defaultdict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        kinds[outcome.case.kind].append(outcome)
    floors: defaultdict[str, list[Outcome]] = defaultdict(list)
    for outcome in floor:
        floors[outcome.case.kind].append(outcome)
    head = (
        f"{'':44} {'label':7} {'n':>6} {'wrong%':>7} {'right%':>7} {'outside':>7} {'place%':>7} "
        f"{'median':>7} {'p99 ms':>7} | exact: {'wrong%':>7} {'right%':>7}"
    )
    rows = [_row(kind, some[0].case.label, some, floors[kind]) for kind, some in kinds.items()]
    for label, name in {"apply": "to be applied", "refuse": "to be refused", "either": "either"}.items():
        some, exactly = ([o for o in each if o.case.label == label] for each in (outcomes, floor))
        if some:
            rows.append(_row(name, label, some, exactly))
    return "\n".join([head, *rows, _row("all", "", outcomes, floor)])


def _row(name: str, label: str, outcomes: Sequence[Outcome], floor: Sequence[Outcome]) -> str:
    own, exactly = score(outcomes), score(floor)
    right, exactly_right = (100 * sum(o.is_right for o in each) / len(each) for each in (outcomes, floor))
    place = "" if own.shows_place is None else f"{own.shows_place:.1f}"
    return (
        f"{name:44} {label:7} {own.count:6} {own.wrong:7.2f} {right:7.1f} {own.outside:7} {place:>7} "
        f"{own.median_ms:7.2f} {own.p99_ms:7.1f} |        {exactly.wrong:7.2f} {exactly_right:7.1f}"
    )
