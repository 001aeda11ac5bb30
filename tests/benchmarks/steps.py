"""What Flux takes from the user's words, and from the end of an answer with calls, to the bytes of the next request."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import prompt_toolkit

from flux.agent.session import Session
from flux.agent.session_store import SessionStore
from flux.core.limits import ModelLimits
from flux.llm.base_provider import Delta, ModelRequest
from flux.llm.scripted_provider import ScriptedProvider, Step
from flux.llm.wire.anthropic_messages import encode_request
from flux.workspace.disk import DiskWorkspace
from tests.benchmarks.figures import Bound, Effort, Figure, median
from tests.support.talks import call, open_session, send, step

SOURCES = Path(prompt_toolkit.__path__[0])
TURNS = 100
LIMITS = ModelLimits(1_000_000, 1_000_000, 8192)
"""So that nothing is left out on the way."""


class Timed(ScriptedProvider):
    """Notes when the bytes of each request are made, and when each answer has ended."""

    def __init__(self, steps: Sequence[Step]) -> None:
        super().__init__(steps)
        self.made_s: list[float] = []
        self.ended_s: list[float] = []

    async def deltas(self, request: ModelRequest) -> AsyncGenerator[Delta]:
        encode_request(request)
        self.made_s.append(time.perf_counter())
        async for delta in super().deltas(request):
            yield delta
        self.ended_s.append(time.perf_counter())


def preparing(effort: Effort, folder: Path) -> list[Figure]:
    """Each turn reads a file of a real project; what is prepared is the request with the user's words."""
    first: list[float] = []
    last: list[float] = []
    for number in range(effort.of(5)):
        taken = asyncio.run(_turns_ms(folder / str(number)))
        first.append(taken[0])
        last.append(median(taken[-5:]))
    bound = Bound("ratio", "<=", 2.0)
    return [Figure("a request prepared, after the 100th turn", "ms", median(last), median(first), "the first", bound)]


async def _turns_ms(folder: Path) -> list[float]:
    names = _copied(folder / "project")
    steps = [
        one
        for turn in range(TURNS)
        for one in (step("", call("read_file", f"r{turn}", path=names[turn % len(names)])), step("Seen. " * 50))
    ]
    provider = Timed(steps)
    session, store = _opened(folder, provider)
    taken: list[float] = []
    for turn in range(TURNS):
        began = time.perf_counter()
        await send(session, f"What is in {names[turn % len(names)]}?")
        taken.append((provider.made_s[2 * turn] - began) * 1000)
    store.close()
    return taken


def between_steps(effort: Effort, folder: Path) -> list[Figure]:
    """Two files are read, then both edited and written to the disk, each by calls of one answer."""
    gaps = asyncio.run(_gaps_ms(folder, effort.of(40)))
    figures: list[Figure] = []
    for name, of_kind in (("reads", gaps[::2]), ("edits", gaps[1::2])):
        bound = Bound("measured", "<=", 25)
        figures.append(Figure(f"an answer's end to the next request, {name}", "ms", median(of_kind), bound=bound))
        figures.append(Figure("  the longest", "ms", max(of_kind)))
    return figures


async def _gaps_ms(folder: Path, turns: int) -> list[float]:
    names = _copied(folder / "project")
    steps: list[Step] = []
    for turn in range(turns):
        pair = [names[2 * turn % len(names)], names[(2 * turn + 1) % len(names)]]
        old = "from __future__ import annotations\n"
        edit = [{"old_text": old, "new_text": f"{old}# {turn}\n"}]
        steps.append(step("I look.", *(call("read_file", f"r{turn}{n}", path=path) for n, path in enumerate(pair))))
        steps.append(
            step("I do.", *(call("edit_file", f"e{turn}{n}", path=path, edits=edit) for n, path in enumerate(pair)))
        )
        steps.append(step("Done."))
    provider = Timed(steps)
    session, store = _opened(folder, provider)
    for turn in range(turns):
        await send(session, f"Mark the files, {turn}")
    assert sum((folder / "project" / name).read_text(encoding="utf-8").count("\n# ") for name in names) >= turns
    store.close()
    made, ended = provider.made_s, provider.ended_s
    return [(made[at + 1] - ended[at]) * 1000 for at in range(len(ended)) if at % 3 != 2]


def _opened(folder: Path, provider: ScriptedProvider) -> tuple[Session, SessionStore]:
    store = SessionStore(folder / "sessions.db")
    return open_session(DiskWorkspace([folder / "project"]), provider, store=store, limits=LIMITS), store


def _copied(folder: Path) -> list[str]:
    """Copies sources of a real project; the names of those that are neither short nor very long."""
    shutil.copytree(SOURCES, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return [
        file.relative_to(folder).as_posix()
        for file in sorted(folder.rglob("*.py"))
        if 2_000 < file.stat().st_size < 60_000 and b"from __future__ import annotations\n" in file.read_bytes()
    ]
