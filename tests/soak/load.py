"""`python -m tests.soak.load`: eight hours of work in one server, compressed, and what the server holds meanwhile.

An editor types, says something, and begins a new session now and then; one turn in ten fails. After every turn the
server's memory, open files, threads and database are measured. `--runs`: turns. Linux, which tells of other processes.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsprotocol import types

from tests.soak.results import FOLDER, Size, measured
from tests.support.lsp_bench import edit
from tests.support.lsp_client import LspClient, connected, environment, initialize, uri_of

FULL = 500
CHANGES_OF_A_TURN = 200
TURNS_OF_A_SESSION = 10
FAULT_EVERY = 10
LINES = 400
PICTURE = FOLDER.parent / "images" / "load.svg"

MEMORY_OF_A_TURN = 25_000
"""Bytes that a turn may leave in memory: its messages, and what SQLite and the allocator keep of them."""
DATABASE_OF_A_TURN = 30_000
"""Bytes that a turn may leave in the database: its messages as said and as sent, and the texts before and after."""
SLACK = 8_000_000
"""Bytes that come and go whatever is done: pages that the allocator keeps, the journal of the database."""

JUDGED_TURNS = 200
"""From so many turns on a leak of a fraction of a megabyte a turn shows beside `SLACK`."""

FAULTS: Sequence[Mapping[str, Any]] = (
    {"error": {"kind": "Overloaded", "message": "Too much to do."}},
    {"error": {"kind": "RateLimited", "message": "Too fast.", "retry_after_s": 0.01}},
    {"error": {"kind": "StreamBroken", "message": "The line broke."}},
    {"finish_reason": "none"},
)


@dataclass(frozen=True, slots=True)
class Sample:
    """What the server held after a turn; sizes in bytes."""

    memory: int
    files: int
    threads: int
    database: int


@dataclass(frozen=True, slots=True)
class Seen:
    """One run: how much was done, and the samples in order."""

    samples: Sequence[Sample]
    changes: int
    faults: int
    sessions: int

    @property
    def settled(self) -> Sequence[Sample]:
        """Without the first fifth, in which the server comes to its size."""
        return self.samples[len(self.samples) // 5 :]

    def growth(self, name: str) -> float:
        """How much of it a turn leaves behind: from the mean of the first fifth of them to that of the last."""
        values = [getattr(sample, name) for sample in self.settled]
        part = max(len(values) // 5, 1)
        return (sum(values[-part:]) - sum(values[:part])) / part / max(len(values) - part, 1)


def script_of(turns: int, chance: random.Random) -> tuple[list[Mapping[str, Any]], set[int]]:
    """The model's answers to so many turns, and which of them fail."""
    steps: list[Mapping[str, Any]] = []
    failing: set[int] = set()
    made = 0
    for turn in range(turns):
        text = {"text": f"Turn {turn}: " + "words " * 40, "chunk": 12}
        if turn % FAULT_EVERY == FAULT_EVERY - 1:
            failing.add(turn)
            steps.append({**text, **chance.choice(FAULTS)})
        else:
            steps.append({**text, "tool_calls": [edit("a.py", f"count = {made}\n", f"count = {made + 1}\n")]})
            steps.append({"text": "Done."})
            made += 1
    return steps, failing


async def measure(size: Size, folder: Path) -> Seen:
    """Do so many turns. Raises AssertionError where one did not end as it should."""
    chance = random.Random(size.seed)
    steps, failing = script_of(size.runs, chance)
    script, project = folder / "script.json", folder / "project"
    script.write_text(json.dumps(steps), encoding="utf-8")
    project.mkdir()
    text = "count = 0\n" + "".join(f"value_{number} = {number}\n" for number in range(LINES))
    (project / "a.py").write_text(text, encoding="utf-8")
    uri = uri_of(project / "a.py")
    samples: list[Sample] = []
    sessions: set[str] = set()
    async with connected(
        environment(folder, FLUX_PROVIDER="scripted", FLUX_SCRIPT=str(script)), folder=folder
    ) as client:
        await initialize(client, project, turnEvents=True)
        client.open(uri, text)
        for turn in range(size.runs):
            if turn % TURNS_OF_A_SESSION == 0:
                await client.command("flux.chat.new", {})
            await type_much(client, uri, chance)
            done = await client.command("flux.chat.send", {"text": f"Please, number {turn}.", "uri": uri})
            assert done["status"] == ("failed" if turn in failing else "completed"), done
            sessions.add(done["session"])
            samples.append(sample(client.process.pid, folder / "state"))
            client.messages.clear()
        count = size.runs - len(failing)
        assert client.editor.texts() == {"a.py": text.replace("count = 0", f"count = {count}")}
    return Seen(samples, size.runs * CHANGES_OF_A_TURN, len(failing), len(sessions))


async def type_much(client: LspClient, uri: str, chance: random.Random) -> None:
    """Type and take back, key by key."""
    for _ in range(CHANGES_OF_A_TURN // 2):
        line = chance.randrange(1, LINES)
        client.type(uri, line, 0, "x")
        key = types.Range(types.Position(line, 0), types.Position(line, 1))
        client.editor.change(uri, [types.TextEdit(key, "")])
    client.buffers[uri].undo.clear()
    await asyncio.sleep(0)


def sample(pid: int, state: Path) -> Sample:
    process = Path("/proc") / str(pid)
    rollup = (process / "smaps_rollup").read_text(encoding="utf-8")
    kilobytes = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    files, threads = (len(list((process / name).iterdir())) for name in ("fd", "task"))
    database = sum(file.stat().st_size for file in state.glob("sessions.db*"))
    return Sample(kilobytes * 1024, files, threads, database)


def check(seen: Seen) -> None:
    """Flat, or accounted for: what grows is what is kept of each turn.

    Of few turns only open files and threads are judged: what comes and goes anyway would hide a leak of memory.
    """
    turns = len(seen.settled)
    bounds = {"memory": MEMORY_OF_A_TURN + SLACK / turns, "database": DATABASE_OF_A_TURN + SLACK / turns}
    for name, bound in bounds.items() if turns >= JUDGED_TURNS else ():
        assert seen.growth(name) <= bound, (name, seen.growth(name))
    for name in ("files", "threads"):
        values = [getattr(sample, name) for sample in seen.settled]
        assert max(values) - min(values) <= 2, (name, values)


PANELS = (
    ("memory", "memory, MB", 1e6),
    ("database", "database, MB", 1e6),
    ("files", "open files", 1),
    ("threads", "threads", 1),
)
_WIDTH, _HEIGHT, _GAP = 640, 90, 40


def picture(seen: Seen) -> str:
    """The samples over the turns, as SVG."""
    whole = len(PANELS) * (_HEIGHT + _GAP) + 20
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH + 80}" height="{whole}" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, (name, label, unit) in enumerate(PANELS):
        values = [getattr(sample, name) / unit for sample in seen.samples]
        top, most = number * (_HEIGHT + _GAP) + 30, max(values) or 1
        step = _WIDTH / max(len(values) - 1, 1)
        points = " ".join(
            f"{60 + at * step:.1f},{top + _HEIGHT * (1 - value / most):.1f}" for at, value in enumerate(values)
        )
        lines += [
            f'<text x="60" y="{top - 8}">{label}: at most {most:.3g}, at the end {values[-1]:.3g}</text>',
            f'<path d="M60 {top}V{top + _HEIGHT}H{60 + _WIDTH}" fill="none" stroke="#999"/>',
            f'<text x="52" y="{top + 8}" text-anchor="end">{most:.3g}</text>',
            f'<text x="52" y="{top + _HEIGHT}" text-anchor="end">0</text>',
            f'<polyline points="{points}" fill="none" stroke="#1f6feb" stroke-width="1.5"/>',
        ]
    done = f"{len(seen.samples)} turns, {seen.changes:,} changes"
    lines += [f'<text x="{60 + _WIDTH}" y="{whole - 6}" text-anchor="end">{done}</text>', "</svg>"]
    return "\n".join(lines) + "\n"


def figures_of(seen: Seen) -> dict[str, object]:
    first, last = seen.settled[0], seen.samples[-1]
    return {
        "turns": len(seen.samples),
        "changes typed": seen.changes,
        "sessions": seen.sessions,
        "turns that failed": seen.faults,
        "memory (PSS), once settled and at the end": f"{first.memory / 1e6:.1f} MB, {last.memory / 1e6:.1f} MB",
        "memory that a turn leaves": f"{seen.growth('memory') / 1e3:.1f} kB",
        "open files, once settled and at the end": f"{first.files}, {last.files}",
        "threads, once settled and at the end": f"{first.threads}, {last.threads}",
        "database at the end": f"{last.database / 1e6:.1f} MB",
        "database that a turn leaves": f"{seen.growth('database') / 1e3:.1f} kB",
    }


NOTE = (
    "What grows is what is kept: in the database each turn's messages, as said and as sent, and the texts before and "
    "after its edits; in memory the conversations of the sessions that this editor opened."
)


def figures(size: Size) -> Mapping[str, object]:
    """What was seen, checked; where it is recorded, drawn as well."""
    with tempfile.TemporaryDirectory() as folder:
        seen = asyncio.run(measure(size, Path(folder)))
    found = figures_of(seen)
    check(seen)
    if size.is_recorded:
        PICTURE.write_text(picture(seen), encoding="utf-8", newline="\n")
    return found


if __name__ == "__main__":
    sys.exit(measured("load", figures, __doc__ or "", runs=FULL, notes=[NOTE]))
