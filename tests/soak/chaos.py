"""A talk in which half of all requests fail in random ways, with the retry loop, the breaker and a stand-in around it.

Each turn asks for one edit, over real sockets. Whatever comes of a turn, it has a name; and no edit is made twice: made
again, it would leave a second mark. Waiting takes no time, and the circuits' clock is that of the waiting.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import random
import re
from collections import Counter
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from flux.agent.approval import ApproveAll
from flux.agent.events import EditApplied, Noticed, TurnEnded
from flux.agent.failover import Chosen, Failover
from flux.agent.next_request import TurnSettings
from flux.agent.session import Session
from flux.core import errors
from flux.core.config import Settings
from flux.core.secret import Secret
from flux.llm.base_provider import BaseLLMProvider
from flux.llm.provider_factory import create_provider
from flux.llm.resilience.breaker import Circuits
from flux.llm.resilience.retry import RetryingProvider
from flux.workspace.memory import MemoryWorkspace
from tests.soak.results import Size, measured
from tests.support.attempts import Pauses
from tests.support.fault_server import STATUS_FAULTS
from tests.support.replay_server import Exchange, ReplayServer, replay_server
from tests.support.talks import open_session

TURNS = 200
FAULTY_SHARE = 0.5
CANCELLED_SHARE = 0.05
SILENCE_S = 0.1
BETWEEN_TURNS_S = 3.0
"""On the circuits' clock."""
KINDS = frozenset(
    name for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.FluxError)
)
STATUSES = (
    "unauthorized",
    "payment",
    "at_once",
    "rate",
    "server_error",
    "html502",
    "unavailable",
    "html200",
    "junk200",
)

BREAKS = ("closes", "resets", "cut, closed", "cut, reset", "cut, ended", "stalls")


@dataclass(slots=True)
class Chaos:
    """The service's side: what each request is answered, by the conversation in it and by chance."""

    server: ReplayServer
    chance: random.Random
    faults: Counter[str] = field(default_factory=Counter[str])
    requests: int = 0

    async def answer(self, exchange: Exchange) -> bool:
        self.server.next_answers.append(self.answer)
        self.requests += 1
        events = self._events(exchange)
        if self.chance.random() >= FAULTY_SHARE:
            return await exchange.stream(events)
        name = self.chance.choice((*STATUSES, *BREAKS, *BREAKS))
        self.faults[name] += 1
        if name in STATUS_FAULTS:
            status, headers, body = STATUS_FAULTS[name]
            return await exchange.whole(status, headers, body)
        if name == "closes":
            return False
        if name == "resets":
            return exchange.reset()
        await exchange.begin()
        await exchange.chunk(events[: self.chance.randrange(len(events))])
        if name == "cut, reset":
            return exchange.reset()
        if name == "stalls":
            return await exchange.until_hung_up()
        if name == "cut, ended":
            await exchange.raw(b"0\r\n\r\n")
        return False

    def _events(self, exchange: Exchange) -> bytes:
        """The whole answer: a call of the edit that was asked for last, or, behind its result, a word."""
        messages = exchange.request.json["messages"]
        assert isinstance(messages, list)
        if messages[-1]["role"] == "tool":
            return _stream({"content": "Done."}, finish="stop")
        asked = re.findall(r"turn (\d+):", json.dumps([one for one in messages if one["role"] == "user"]))[-1]
        edit = {"old_text": f"turn {asked}:", "new_text": f"turn {asked}:x"}
        arguments = json.dumps({"path": "a.txt", "edits": [edit]})
        made = {"index": 0, "id": f"c{self.requests}", "type": "function"}
        words = [{"content": "I will."}] if self.chance.random() < 0.5 else []
        begun = {"tool_calls": [{**made, "function": {"name": "edit_file", "arguments": arguments[:20]}}]}
        rest = {"tool_calls": [{"index": 0, "function": {"arguments": arguments[20:]}}]}
        return _stream(*words, begun, rest, finish="tool_calls")


def _stream(*deltas: Mapping[str, object], finish: str) -> bytes:
    choices = [{"index": 0, "delta": delta} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": finish})
    lines = [json.dumps({"model": "m", "choices": [choice]}) for choice in choices]
    return "".join(f"data: {line}\n\n" for line in (*lines, "[DONE]")).encode()


@dataclass(slots=True)
class Outcome:
    """What the user saw. `ends` counts how turns ended; `marks` are those of the file by turn."""

    ends: Counter[str] = field(default_factory=Counter[str])
    edits: Counter[int] = field(default_factory=Counter[int])
    marks: Mapping[int, str] = field(default_factory=dict[int, str])
    changes: int = 0
    faults: Counter[str] = field(default_factory=Counter[str])
    requests: int = 0
    is_well_after: bool = False


async def run(size: Size) -> Outcome:
    """All turns of one session, and one more without a fault."""
    chance = random.Random(size.seed)
    seen = Outcome()
    workspace = MemoryWorkspace({"a.txt": "".join(f"turn {n}:\n" for n in range(size.runs))})
    async with replay_server() as server:
        chaos = Chaos(server, chance)
        server.next_answers.append(chaos.answer)
        pauses = Pauses()
        providers = [_provider(server, path, pauses, chance) for path in ("/v1", "/other/v1")]
        session = _session(workspace, *providers)
        for turn in range(size.runs):
            await _turn(session, turn, seen, chance)
            pauses.now_s += BETWEEN_TURNS_S
        server.next_answers.clear()
        pauses.now_s += 1000
        last = (await session.ask("Hello?", approver=ApproveAll())).error
        seen.is_well_after = not last
        for provider in providers:
            await provider.close()
    text = (await workspace.read(workspace.path("a.txt"))).text
    seen.marks = {int(n): marks for n, marks in re.findall(r"turn (\d+):(x*)\n", text)}
    seen.faults, seen.requests = chaos.faults, chaos.requests
    return seen


async def _turn(session: Session, turn: int, seen: Outcome, chance: random.Random) -> None:
    cancels_at = chance.randrange(8) if chance.random() < CANCELLED_SHARE else -1
    async with asyncio.timeout(60), aclosing(session.send_message(f"turn {turn}:", approver=ApproveAll())) as events:
        number = 0
        async for event in events:
            if number == cancels_at:
                session.cancel()
            number += 1
            if isinstance(event, EditApplied):
                seen.edits[turn] += 1
            elif isinstance(event, Noticed) and "setting fallback" in event.text:
                seen.changes += 1
            elif isinstance(event, TurnEnded):
                seen.ends[event.error_kind or event.status] += 1


def _provider(server: ReplayServer, path: str, pauses: Pauses, chance: random.Random) -> BaseLLMProvider:
    settings = Settings(provider="compatible", base_url=f"{server.base_url}{path}", api_key=Secret("k" * 8))
    settings = settings.override({"timeout_s": SILENCE_S, "first_byte_timeout_s": 5, "attempts": 1})
    made = create_provider(settings, circuits=Circuits(pauses.clock))
    made.name = path
    return RetryingProvider(made, 3, pause=pauses, chance=chance.random)


def _session(workspace: MemoryWorkspace, first: BaseLLMProvider, second: BaseLLMProvider) -> Session:
    async def find(_: str) -> Chosen:
        return Chosen(second, session.model, TurnSettings())

    session = open_session(workspace, first, failover=Failover(("second",), find))
    return session


def check(seen: Outcome, turns: int) -> None:
    """What must hold of any run. Raises AssertionError."""
    assert seen.ends.total() == turns
    assert seen.ends.keys() <= KINDS | {"completed", "cancelled"}, seen.ends
    assert all(count == 1 for count in seen.edits.values()), "a turn made its edit twice"
    assert len(seen.marks) == turns
    assert set(seen.marks.values()) <= {"", "x"}, "an edit was made twice"
    untold = {turn for turn, mark in seen.marks.items() if mark != "x" * seen.edits[turn]}
    assert not untold, f"an edit was made and not told: {untold}"
    assert seen.is_well_after


def measure(size: Size) -> Mapping[str, object]:
    seen = asyncio.run(run(size))
    check(seen, size.runs)
    ends = {f"turns that ended: {kind}": count for kind, count in sorted(seen.ends.items())}
    faults = {f"fault: {kind}": count for kind, count in sorted(seen.faults.items())}
    return {
        **ends,
        "edits made": seen.edits.total(),
        "edits made twice": 0,
        "changes to the stand-in": seen.changes,
        "requests": seen.requests,
        "requests that failed": seen.faults.total(),
        **faults,
    }


if __name__ == "__main__":
    raise SystemExit(measured("chaos", measure, "Half of all requests fail in random ways.", 5 * TURNS))
