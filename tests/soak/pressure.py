"""Typing against turns: whatever comes first, no keystroke is lost, and every edit stands at its place, once.

Two measurements, by one user (`tests.soak.typist`) in the five fake editors. In one process, with virtual time: all of
the workspace, none of the server, and many turns (`tests.soak.in_process`). And over a real server process for each
editor, with real time: few. A turn that fails is made smaller until every file, edit and typing in it matters, and
printed. `python -m tests.soak.pressure [--runs N] [--seed S] [--record]`; a fiftieth as many are over a server.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.soak import in_process
from tests.soak.over_server import over_server
from tests.soak.results import record, size_from_arguments
from tests.soak.typist import Schedule, schedule, smaller
from tests.support.fake_editors.rules import EDITORS, Editor
from tests.support.virtual_time import run_in_virtual_time

PART = 500
SERVER_SHARE = 50
Outcome = tuple[str, str]
"""How a turn ended: `made`, `refused`, `told` or `wrong`; and what is wrong."""
NOTES = (
    "made, refused: all edits told of stand at their places once, refused ones do not, and all that was typed is there",
    "told: what the editor told cannot show whether its edit went over typing; user and model were told where",
    "typing away: the user types at least four lines away from every edit, as most typing is",
    "in process: workspace, documents and editor in one process, in virtual time; server: a real server process",
)


def run(seed: str, runs: int, rules: Sequence[type[Editor]] = EDITORS) -> tuple[Counter[str], list[str]]:
    """So many turns in this process: how they ended, by editor, and the failures, each made as small as it gets."""
    ends: Counter[str] = Counter()
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(runs):
            chance, each = random.Random(f"{seed} {number}"), rules[number % len(rules)]
            is_away = chance.random() < 0.3
            given = schedule(chance, each, is_away=is_away)

            def outcome(given: Schedule, each: type[Editor] = each) -> Outcome:
                return run_in_virtual_time(in_process.outcome(Path(folder), given, each))

            end, wrong = outcome(given)
            ends[f"in process, {each.name}, typing {'away' if is_away else 'anywhere'}: {end}"] += 1
            if wrong:
                failures.append(f"{smallest(given, outcome)}\n{wrong}")
    return ends, failures


def smallest(given: Schedule, outcome: Callable[[Schedule], Outcome]) -> Schedule:
    """The schedule without the files, edits and typings that do not matter to its failure."""
    return next((smallest(less, outcome) for less in smaller(given) if outcome(less)[1]), given)


def main() -> None:
    size = size_from_arguments("Typing against turns, in five fake editors.", runs=100_000)
    begun = time.monotonic()
    ends: Counter[str] = Counter()
    failures: list[str] = []
    parts = [(f"{size.seed} {first}", min(PART, size.runs - first)) for first in range(0, size.runs, PART)]
    with ProcessPoolExecutor() as pool:
        for more, wrong in pool.map(run, *zip(*parts, strict=True)):
            ends += more
            failures += wrong
            print(f"{ends.total():,} turns, {len(failures)} wrong, {time.monotonic() - begun:,.0f} s", flush=True)
    more, wrong = asyncio.run(over_server(size.seed, size.runs // SERVER_SHARE))
    ends, failures = ends + more, failures + wrong
    for row in sorted(ends.items()):
        print(*row)
    print(*failures, sep="\n\n")
    if size.is_recorded:
        command = f"python -m tests.soak.pressure --runs {size.runs} --seed {size.seed}"
        figures = {**dict(sorted(ends.items())), "wrong": len(failures)}
        record("pressure", command, size.seed, figures, NOTES, runs=ends.total(), seconds=time.monotonic() - begun)
    raise SystemExit(bool(failures))


if __name__ == "__main__":
    main()
