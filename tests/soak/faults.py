"""Faults over real sockets, with the real SDKs, through a real session that is stored: what the user is left with.

Each fault inside an answer is tried at many points of each recorded answer, each fault in the place of an answer on
every wire. After each: one branch of the error tree, with where it happened; what was shown is stored, no call was run,
nothing is left open, and the next message of the same session works.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from flux.agent.events import TextStreamed, ToolCalled
from flux.agent.session_store import SessionStore
from flux.core.config import Settings
from flux.core.errors import Overloaded, ProviderError, RateLimited
from flux.core.messages import Message
from flux.core.secret import Secret
from flux.llm.base_provider import BaseLLMProvider, Delta, Folder, ModelRequest, Response, fold
from flux.llm.provider_factory import create_provider
from flux.llm.resilience.breaker import Circuits
from flux.workspace.memory import MemoryWorkspace
from tests.soak.codec import WHOLE, cell, difference
from tests.soak.fault_answers import AT_POINTS, ELSEWHERE, INSTEAD, Elsewhere, Instead, PointFault
from tests.soak.results import Size, measured
from tests.support.recorded import PROVIDERS, WIRES, Recorded, decode, recordings
from tests.support.replay_server import Answer, ReplayServer, replay_server
from tests.support.talks import end, open_session, send

POINTS = 50
"""Of each recorded answer, for each fault inside an answer: half of them at events, half at bytes."""
KEY = "KEY-OF-THE-TEST"
SHORT = "Hello wörld"
"""What the server answers that was not told otherwise."""


class Witness(BaseLLMProvider):
    """A provider that keeps what the one behind it gave for each request, and what it raised last."""

    def __init__(self, inner: BaseLLMProvider) -> None:
        self.name = inner.name
        self.given: list[Response] = []
        self.error: ProviderError | None = None
        self._inner = inner

    async def deltas(self, request: ModelRequest) -> AsyncGenerator[Delta]:
        folder, self.error = Folder(), None
        try:
            async with aclosing(self._inner.stream(request)) as deltas:
                async for delta in deltas:
                    folder.add(delta)
                    yield delta
        except ProviderError as error:
            self.error = error
            raise
        finally:
            self.given.append(folder.response())

    async def close(self) -> None:
        await self._inner.close()


@dataclass(slots=True)
class Stand:
    """One wire: a provider, the server that it asks, a store, and what must be the same after every try."""

    wire: str
    server: ReplayServer
    provider: Witness
    store: SessionStore
    kept: dict[str, tuple[Message, ...]]
    """What each session had at its end, to be found again on the disk."""
    handles: int = 0
    tasks: set[asyncio.Task[object]] = field(default_factory=set)

    async def warm_up(self) -> None:
        """One message, after which everything is imported and one connection is open."""
        await send(open_session(MemoryWorkspace({}), self.provider, store=self.store, session_id="warm"), "Hello?")
        self.handles, self.tasks = open_handles(), tasks_of_flux(self.server)

    async def attempt(self, answers: Sequence[Answer], label: str) -> tuple[ProviderError | None, Response]:
        """Send a message that is answered so, and one after it. The first one's error, and what came of its answer."""
        self.server.next_answers[:] = answers
        self.provider.given.clear()
        session_id = f"{self.wire} {label}"
        session = open_session(MemoryWorkspace({"a.py": "x\n"}), self.provider, store=self.store, session_id=session_id)
        events = await send(session, "Do it.")
        ended, error, first = end(events), self.provider.error, self.provider.given[0]
        assert (error is None) == (ended.status == "completed"), f"{label}: {ended.error}"
        if ended.status != "completed":
            assert error is not None, f"{label}: {ended.error}"
            assert (type(error).__name__, error.endpoint, error.model) == (
                ended.error_kind,
                self.provider.name,
                "scripted",
            ), label
            assert KEY not in f"{error}{error.args}", label
            assert not [event for event in events if isinstance(event, ToolCalled)], label
            shown = "".join(event.text for event in events if isinstance(event, TextStreamed))
            said = "".join(message.text() for message in session.history() if message.role == "assistant")
            assert said == shown == first.content, label
        self.server.next_answers.clear()
        again = end(await send(session, "And now?"))
        assert (again.status, self.provider.given[-1].content) == ("completed", SHORT), f"{label}: {again.error}"
        self.kept[session_id] = tuple(session.history())
        await self.check_nothing_is_left(label)
        return error, first

    async def check_nothing_is_left(self, label: str) -> None:
        """One connection is open for the next request, and nothing else that was not before."""
        for _ in range(500):
            now = (len(self.server.connections), open_handles(), tasks_of_flux(self.server) - self.tasks)
            if now == (1, self.handles, set()):
                return
            await asyncio.sleep(0.01)  # closing takes some rounds of the loop, and the system's time
        raise AssertionError(f"{label}: {now} is left; before: {self.handles} handles")


def open_handles() -> int:
    """How many files and sockets this process has open; 0 where the system does not tell."""
    folder = Path("/dev/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def tasks_of_flux(server: ReplayServer) -> set[asyncio.Task[object]]:
    return {task for task in asyncio.all_tasks() if task not in server.connections and not task.done()}


@asynccontextmanager
async def stand(wire: str, folder: Path, timeout_s: float) -> AsyncGenerator[Stand]:
    """A stand for one wire; at its end everything that it opened is closed, and its sessions are on the disk."""
    kept: dict[str, tuple[Message, ...]] = {}
    file = folder / f"{wire} {timeout_s:g}.db"
    handles, tasks = open_handles(), asyncio.all_tasks()
    async with replay_server() as server:
        provider = provider_at(server.base_url, wire, timeout_s)
        made = Stand(wire, server, provider, SessionStore(file), kept)
        await made.warm_up()
        yield made
        await provider.close()
        made.store.close()
    gc.collect()
    assert asyncio.all_tasks() == tasks
    assert open_handles() == handles
    again = SessionStore(file)
    for session_id, messages in kept.items():
        assert tuple(again.history(session_id)) == messages, session_id
    again.close()


def provider_at(base_url: str, wire: str, timeout_s: float) -> Witness:
    path = "/v1" if wire in {"openai", "chat"} else ""
    name = PROVIDERS[wire]
    settings = Settings(provider=name, base_url=f"{base_url}{path}", api_key=Secret(KEY))
    circuits = Circuits()  # each fault is to come through
    return Witness(create_provider(settings.override({"timeout_s": timeout_s, "attempts": 1}), circuits=circuits))


@dataclass(frozen=True, slots=True)
class PointTry:
    """A fault at a byte or event of a recorded answer."""

    fault: PointFault
    recorded: Recorded
    at: int

    @property
    def wire(self) -> str:
        return self.recorded.wire

    @property
    def timeout_s(self) -> float:
        return self.fault.timeout_s

    async def check(self, on: Stand) -> str:
        """The outcome. Raises AssertionError where it is none that may be."""
        recorded, fault = self.recorded, self.fault
        label = f"{fault.name} at {fault.at} {self.at} of {recorded.name}"
        error, came = await on.attempt([fault.answer(recorded, self.at)], label)
        outcome = type(error).__name__ if error else difference(_as_sent(recorded), came)
        place = self.at if fault.at == "byte" else recorded.events[self.at][0]
        allowed = fault.outcomes[self.wire] if place < recorded.settled_at else (WHOLE,)
        assert outcome in allowed, f"{label}: {outcome} {error}"
        before = Folder()
        for delta in recorded.deltas[: recorded.given_at[place]]:
            before.add(delta)
        assert came.content.startswith(before.response().content), label
        if error:
            assert (error.request_id, error.status) == ("req_123", None), label
        return outcome


def _as_sent(recorded: Recorded) -> Response:
    """The answer as it is over a socket, in a talk that had no calls before."""
    return fold(decode(recorded.wire, [recorded.data], "req_123", ())[0])


@dataclass(frozen=True, slots=True)
class InsteadTry:
    """A fault in the place of an answer."""

    fault: Instead
    wire: str

    @property
    def timeout_s(self) -> float:
        return self.fault.timeout_s

    async def check(self, on: Stand) -> str:
        """The outcome. Raises AssertionError where it is another than the declared."""
        fault = self.fault
        error, came = await on.attempt(fault.answers, fault.name)
        outcome = type(error).__name__ if error else fault.outcome if came.content == SHORT else "another answer"
        assert outcome == fault.outcome, f"{fault.name}: {outcome} {error}"
        if error:
            waits = error.retry_after_s if isinstance(error, RateLimited | Overloaded) else None
            assert (error.status, waits) == (fault.status, fault.retry_after_s), f"{fault.name}: {error.status} {waits}"
            assert fault.words in str(error), str(error)
            assert error.request_id == "req_123" or not fault.status, f"{fault.name}: {error.request_id}"
        return outcome


@dataclass(frozen=True, slots=True)
class ElsewhereTry:
    """A fault on the way to a server. The next message goes to another server."""

    fault: Elsewhere
    wire: str
    timeout_s: float = 5.0

    async def check(self, on: Stand) -> str:
        """The outcome. Raises AssertionError where it is another than the declared."""
        fault = self.fault
        async with fault.place() as (base_url, environment):
            with _environment(environment):
                bad = provider_at(base_url, self.wire, self.timeout_s)
                session = open_session(MemoryWorkspace({}), bad, store=on.store, session_id=f"{self.wire} {fault.name}")
                ended = end(await send(session, "Do it."))
                await bad.close()
        outcome, error = ended.error_kind or WHOLE, bad.error
        assert outcome == fault.outcome, f"{fault.name}: {outcome} {error}"
        if error is not None:
            assert (error.endpoint, error.model, error.status) == (bad.name, "scripted", fault.status), fault.name
            assert fault.words in str(error), str(error)
        session.go_on_with(on.provider, session.model)
        on.server.next_answers.clear()
        assert end(await send(session, "And now?")).status == "completed", fault.name
        on.kept[session.id] = tuple(session.history())
        await on.check_nothing_is_left(fault.name)
        return outcome


@contextmanager
def _environment(values: Mapping[str, str]) -> Generator[None]:
    """The environment with these values, which the SDKs and OpenSSL read by themselves, and then as it was."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


Try = PointTry | InsteadTry | ElsewhereTry


def every_try(points: int, chance: random.Random) -> Iterator[Try]:
    """Each fault inside an answer at so many points of each recording, and each fault in an answer's place."""
    for recorded in recordings():
        for fault in AT_POINTS:
            at_bytes = sorted(
                {*chance.sample(range(1, len(recorded.data)), points // 2), *_event_ends(recorded, points)}
            )
            places = at_bytes if fault.at == "byte" else range(len(recorded.events))
            yield from (PointTry(fault, recorded, at) for at in places)
    yield from (InsteadTry(fault, wire) for fault in INSTEAD for wire in WIRES)
    yield from (ElsewhereTry(fault, wire) for fault in ELSEWHERE for wire in WIRES)


def _event_ends(recorded: Recorded, points: int) -> list[int]:
    return [stop for _, stop in recorded.events[:: max(1, 2 * len(recorded.events) // points)]]


async def run(tries: Sequence[Try]) -> Counter[str]:
    """Make the tries, side by side with none, on a stand for each wire and patience. How often each outcome was."""
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for wire, timeout_s in sorted({(made.wire, made.timeout_s) for made in tries}):
            async with stand(wire, Path(folder), timeout_s) as on:
                for made in tries:
                    if (made.wire, made.timeout_s) == (wire, timeout_s):
                        outcomes[await made.check(on)] += 1
    return outcomes


def measure(size: Size) -> Mapping[str, object]:
    """The figures of so many tries at random points; of all there are where `runs` is 0."""
    chance = random.Random(size.seed)
    tries = list(every_try(POINTS, chance))
    if size.runs:
        tries = chance.sample([made for made in tries if isinstance(made, PointTry)], size.runs)
    outcomes = asyncio.run(run(tries))
    figures: dict[str, object] = {
        "recorded answers": len(recordings()),
        "tries": len(tries),
        **dict(outcomes.most_common()),
    }
    if sys.platform == "linux":
        figures["most memory of the process, server and SDKs included"] = f"{_most_memory_mb()} MB"
    return figures


def _most_memory_mb() -> int:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) >> 10


def rows() -> list[list[str]]:
    """The table of what comes of each fault, on each wire."""
    points = [
        [
            fault.name,
            "every event" if fault.at == "event" else f"{POINTS} points",
            *(cell(fault.outcomes[w]) for w in WIRES),
        ]
        for fault in AT_POINTS
    ]
    others = [[fault.name, "instead", *[cell((fault.outcome,))] * len(WIRES)] for fault in (*INSTEAD, *ELSEWHERE)]
    return points + others


if __name__ == "__main__":
    sys.exit(measured("faults", measure, __doc__ or "", runs=0))
