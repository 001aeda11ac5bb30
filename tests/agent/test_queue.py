"""What the user says while a turn runs: it has its own turn, or the running one takes it along; none of it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import pytest

from flux.agent.approval import ApproveAll
from flux.agent.events import MessageQueued, TextStreamed, TurnEnded, TurnEvent, TurnStarted
from flux.agent.queue import Meanwhile
from flux.agent.recovery import recover
from flux.agent.session import Session
from flux.agent.session_store import SessionStore
from flux.agent.store.values import said
from flux.core.errors import Busy
from flux.llm.scripted_provider import Fault, ScriptedProvider, Step
from flux.workspace.memory import MemoryWorkspace
from tests.support.talks import call, kinds, open_session, send, step

BOUND_S = 5.0
SLOW = Step(text="slowly " * 40, chunk=7, delay_s=0.005)
READ = step("", call("read_file", path="a.py"))


class Meeting:
    """A session, and messages that are sent while it is at work. `events` are of all of them, as they came."""

    def __init__(self, *steps: Step) -> None:
        self.provider = ScriptedProvider(steps)
        self.store = SessionStore(None)
        self.workspace = MemoryWorkspace({"a.py": "one\n"})
        self.session: Session = open_session(self.workspace, self.provider, store=self.store)
        self.events: list[TurnEvent] = []
        self.news = asyncio.Event()
        self._tasks: list[asyncio.Task[Sequence[TurnEvent]]] = []

    def say(self, text: str, meanwhile: Meanwhile = "refuse") -> asyncio.Task[Sequence[TurnEvent]]:
        events = self.session.send_message(text, approver=ApproveAll(), meanwhile=meanwhile)
        self._tasks.append(asyncio.create_task(self._collect(events)))
        return self._tasks[-1]

    async def _collect(self, events: AsyncGenerator[TurnEvent]) -> Sequence[TurnEvent]:
        own: list[TurnEvent] = []
        async with aclosing(events):
            async for event in events:
                own.append(event)
                self.events.append(event)
                self.news.set()
        return own

    async def until(self, kind: type[TurnEvent], count: int = 1) -> None:
        async with asyncio.timeout(BOUND_S):
            while sum(isinstance(event, kind) for event in self.events) < count:
                self.news.clear()
                await self.news.wait()

    async def over(self, but: asyncio.Task[Sequence[TurnEvent]] | None = None) -> list[Sequence[TurnEvent]]:
        async with asyncio.timeout(BOUND_S):
            return await asyncio.gather(*(task for task in self._tasks if task is not but))

    def states(self) -> list[tuple[str, str]]:
        return [(event.text, event.state) for event in self.events if isinstance(event, MessageQueued)]

    def asked(self, number: int = -1) -> list[str]:
        """What the user said, as the model had it in that request."""
        return [said(message) for message in self.provider.requests[number].messages if message.role == "user"]


async def test_one_that_another_comes_before_at_the_last_moment_waits_on_and_is_kept_once() -> None:
    met = Meeting(SLOW, step("C"), step("B"))
    met.say("a")
    await met.until(TextStreamed)
    waiting = met.say("b", "queue")
    async with asyncio.timeout(BOUND_S):
        while met.session.is_busy:  # noqa: ASYNC110  the very round of the loop in which it is so no more
            await asyncio.sleep(0)
        await send(met.session, "c")
    await met.over()
    assert [event.state for event in waiting.result() if isinstance(event, MessageQueued)] == ["queued", "queued"]
    assert (met.asked(1), met.asked(2)) == (["a", "c"], ["a", "c", "b"])
    assert met.store.in_flight.asked("s1") == []


async def test_messages_that_are_queued_have_their_turns_in_their_order() -> None:
    met = Meeting(SLOW, step("B"), step("C"))
    met.say("a")
    await met.until(TextStreamed)
    met.say("b", "queue")
    met.say("c", "queue")
    with pytest.raises(Busy):
        await send(met.session, "d")
    _, second, third = await met.over()
    assert met.asked() == ["a", "b", "c"]
    assert met.states() == [("b", "queued"), ("c", "queued")]
    for events in (second, third):
        queued, started = events[:2]
        assert isinstance(queued, MessageQueued)
        assert isinstance(started, TurnStarted)
        assert started.message_id == queued.message_id
        assert isinstance(events[-1], TurnEnded)


async def test_where_nothing_runs_it_is_sent_at_once() -> None:
    met = Meeting(step("A"), step("B"))
    met.say("a", "queue")
    await met.over()
    met.say("b", "steer")
    await met.over()
    assert met.states() == []
    assert met.asked() == ["a", "b"]


async def test_the_model_gets_what_is_steered_with_the_results_of_its_calls() -> None:
    slowly = Step(text="Looking. " * 20, chunk=9, delay_s=0.005, tool_calls=READ.tool_calls)
    met = Meeting(slowly, step("As you say."))
    met.say("a")
    await met.until(TextStreamed)
    met.say("rather b", "steer")
    first, steered = await met.over()
    assert [message.role for message in met.provider.requests[1].messages] == ["user", "assistant", "tool", "user"]
    assert met.asked() == ["a", "rather b"]
    assert met.states() == [("rather b", "steering"), ("rather b", "steered")]
    assert kinds(steered) == ["queue"]
    assert kinds(first).index("queue") > kinds(first).index("tool_result")
    assert len({stored.turn_id for stored in met.store.messages("s1")}) == 1


async def test_a_turn_that_had_no_more_to_ask_asks_again_for_what_is_steered() -> None:
    met = Meeting(SLOW, step("As you say."))
    met.say("a")
    await met.until(TextStreamed)
    met.say("rather b", "steer")
    first, _ = await met.over()
    assert met.asked() == ["a", "rather b"]
    assert [event.text for event in first if isinstance(event, TextStreamed)][-1] == "As you say."


async def test_what_waits_can_be_taken_back() -> None:
    met = Meeting(SLOW, step("C"))
    met.say("a")
    await met.until(TextStreamed)
    met.say("b", "steer")
    met.say("c", "queue")
    met.say("d", "queue")
    await met.until(MessageQueued, 3)
    first = next(event for event in met.events if isinstance(event, MessageQueued))
    assert met.session.withdraw() == "d"
    assert met.session.withdraw(first.message_id) == "b"
    assert met.session.withdraw(first.message_id) is None
    await met.over()
    assert met.asked() == ["a", "c"]
    assert met.session.withdraw() is None


async def test_who_waited_for_it_may_go() -> None:
    met = Meeting(SLOW, step("C"))
    met.say("a")
    await met.until(TextStreamed)
    gone = met.say("b", "queue")
    met.say("c", "queue")
    await met.until(MessageQueued, 2)
    gone.cancel()
    await asyncio.wait([gone])
    await met.over(but=gone)
    assert met.asked() == ["a", "c"]


async def test_one_that_goes_just_as_its_turn_comes_leaves_the_turn_to_the_next() -> None:
    met = Meeting(SLOW, step("C"))
    met.say("a")
    await met.until(TextStreamed)
    gone = met.say("b", "queue")
    met.say("c", "queue")
    await met.until(MessageQueued, 2)
    running = met.session._running
    assert running is not None
    running.add_done_callback(lambda _: gone.cancel())
    await asyncio.wait([gone], timeout=BOUND_S)
    await met.over(but=gone)
    assert met.asked() == ["a", "c"]


FAILED = Step(text="slowly " * 20, chunk=7, delay_s=0.005, error=Fault("RequestRejected"))


@pytest.mark.parametrize("way", ["cancelled", "failed"])
async def test_after_a_turn_that_came_to_no_end_what_waits_is_given_back(way: str) -> None:
    met = Meeting(SLOW if way == "cancelled" else FAILED, step("D"))
    met.say("a")
    await met.until(TextStreamed)
    met.say("b", "queue")
    met.say("c", "steer")
    await met.until(MessageQueued, 2)
    if way == "cancelled":
        assert met.session.cancel()
        assert met.session.cancel()
    await met.over()
    assert sorted(met.states()[2:]) == [("b", "returned"), ("c", "returned")]
    await send(met.session, "d")
    assert met.asked() == ["a", "d"]


async def test_what_waits_is_stored_so_that_a_kill_does_not_lose_it() -> None:
    met = Meeting(SLOW, step("B"))
    met.say("a")
    await met.until(TextStreamed)
    met.say("b", "queue")
    await met.until(MessageQueued)
    assert [text for _, text in met.store.in_flight.asked("s1")] == ["b"]
    copied = SessionStore(None)
    copied.create("s1", "/memory")
    copied.in_flight.add_asked("s1", "m1", "b")
    copied.in_flight.add_asked("s1", "m2", "c")
    await recover(copied, "s1", met.workspace)
    assert [said(message) for message in copied.history("s1")] == ["b", "c"]
    await met.over()
    assert not met.store.in_flight.asked("s1")
