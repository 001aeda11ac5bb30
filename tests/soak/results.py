"""What a long measurement found: its figures with the command, the seed and the machine that gave them.

`docs/reliability/NAME.json` holds the last recorded run; `tests.soak.report` makes the page of them. No measurement is
known here.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs" / "reliability"


@dataclass(frozen=True, slots=True)
class Size:
    """How much to measure, and with which chance. `is_recorded`: the figures go into the document.

    `ends_at`, on the monotonic clock: nothing more is begun then, however few there were.
    """

    runs: int
    seed: str
    is_recorded: bool = False
    ends_at: float = math.inf

    def numbers(self) -> Iterator[int]:
        """One for each run, from 0, as long as there is time."""
        return takewhile(lambda _: time.monotonic() < self.ends_at, range(self.runs))


@dataclass(frozen=True, slots=True)
class Result:
    """One recorded run. `seconds` is how long it took; `figures` are rows of label and value."""

    name: str
    command: str
    date: str
    machine: str
    seed: str
    runs: int
    seconds: float
    figures: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def measured(
    name: str,
    measure: Callable[[Size], Mapping[str, object]],
    description: str,
    runs: int,
    notes: Sequence[str] = (),
    module: str = "",
) -> int:
    """A measurement as a program: measures as much as the command line asks for, prints the figures, and records them.

    `runs` is the full size. Where a figure `tries` says how many runs there were, it counts. `module` of `tests.soak`
    where it is called otherwise than the record.
    """
    size = size_from_arguments(description, runs)
    begun = time.monotonic()
    figures = measure(size)
    for label, value in figures.items():
        print(f"{label}: {value}", flush=True)
    if size.is_recorded:
        some = "" if size.runs == runs else f" --runs {size.runs}"
        if math.isfinite(size.ends_at):
            some += f" --minutes {(size.ends_at - begun) / 60:.3g}"
        command = f"python -m tests.soak.{module or name}{some} --record"
        tries = figures.get("tries", size.runs)
        assert isinstance(tries, int)
        record(name, command, size.seed, figures, notes, runs=tries, seconds=time.monotonic() - begun)
    return 0


def size_from_arguments(description: str, runs: int) -> Size:
    """What the command line asks for: `[--runs N] [--minutes M] [--seed S] [--record]`. `runs`: the full size."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--runs", type=int, default=runs, help=f"how many ({runs})")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no more after so long, where it can")
    parser.add_argument("--seed", default=fresh_seed(), help="repeat a run; otherwise a fresh one, which is printed")
    parser.add_argument("--record", action="store_true", help="write the figures into docs/reliability")
    found = parser.parse_args()
    print(f"seed {found.seed}, {found.runs} runs", flush=True)
    return Size(found.runs, found.seed, found.record, time.monotonic() + 60 * found.minutes)


def sample_size(runs: int) -> Size:
    """The size for a test: few runs and a fresh seed, which are printed. FLUX_RUNS and FLUX_SEED override them."""
    size = Size(int(os.environ.get("FLUX_RUNS", runs)), os.environ.get("FLUX_SEED") or fresh_seed())
    print(f"seed {size.seed}, {size.runs} runs")
    return size


def fresh_seed() -> str:
    return str(random.SystemRandom().randrange(10**8))


def record(
    name: str,
    command: str,
    seed: str,
    figures: Mapping[str, object],
    notes: Sequence[str] = (),
    *,
    runs: int,
    seconds: float,
    folder: Path = FOLDER,
) -> Result:
    """Keep a run's figures as `docs/reliability/NAME.json`, in the place of the run before."""
    result = Result(
        name,
        command,
        time.strftime("%Y-%m-%d", time.gmtime()),
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        seed,
        runs,
        round(seconds, 1),
        tuple((label, f"{value:,}" if isinstance(value, int) else str(value)) for label, value in figures.items()),
        tuple(notes),
    )
    folder.mkdir(parents=True, exist_ok=True)
    written = json.dumps(asdict(result), indent=1, ensure_ascii=False) + "\n"
    (folder / f"{name}.json").write_text(written, encoding="utf-8", newline="\n")
    return result


def recorded(folder: Path = FOLDER) -> list[Result]:
    """The recorded runs, by name."""
    return [_read(file) for file in sorted(folder.glob("*.json"))]


def _read(file: Path) -> Result:
    found = json.loads(file.read_text(encoding="utf-8"))
    figures = tuple((label, value) for label, value in found.pop("figures"))
    return Result(figures=figures, notes=tuple(found.pop("notes")), **found)
