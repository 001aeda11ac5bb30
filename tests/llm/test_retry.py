"""What is tried again, after how long, what is told of it, and what is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from flux.agent.events import Retrying, TextStreamed
from flux.core.config import Settings, settings_of
from flux.core.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    Overloaded,
    PermanentProviderError,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    StreamBroken,
    TimedOut,
)
from flux.core.secret import Secret
from flux.core.usage import Usage
from flux.llm.base_provider import (
    Delta,
    ModelRequest,
    RawDelta,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    TryingAgain,
    UsageDelta,
    Waiting,
    fold,
)
from flux.llm.provider_factory import create_provider
from flux.llm.resilience.breaker import FAILURES
from flux.llm.resilience.retry import RetryingProvider
from flux.workspace.memory import MemoryWorkspace
from tests.support.attempts import ANSWER, Attempt, Attempts, Pauses
from tests.support.fault_server import FaultServer, fault_server
from tests.support.talks import end, open_session, send

BUSY = Overloaded("the service failed on its own side: busy.")


async def check(
    *attempts: Attempt,
    waited: list[float],
    raises: ProviderError | None = None,
    left: int = 0,
    most: int = 3,
    chance: float = 0.5,
) -> list[Delta]:
    """The one place that asks: what came, and how it ended."""
    scripted, pauses = Attempts(*attempts), Pauses()
    provider = RetryingProvider(scripted, most, pause=pauses, chance=lambda: chance)
    came: list[Delta] = []
    raised = None
    try:
        async with aclosing(provider.stream(ModelRequest("m", ()))) as deltas:
            async for delta in deltas:
                came.append(delta)
    except ProviderError as e:
        raised = e
    assert (raised, pauses.waited, len(scripted.left)) == (raises, waited, left)
    told = [(delta.wait_s, delta.attempt) for delta in came if isinstance(delta, TryingAgain)]
    assert told == list(zip(waited, range(2, 2 + len(waited)), strict=True))
    return came


async def test_three_attempts_with_two_and_four_seconds_between_them() -> None:
    came = await check((BUSY,), (BUSY,), ANSWER, waited=[2.0, 4.0])
    assert came[0] == TryingAgain("the service failed on its own side: busy", 2.0, 2)
    assert fold(came).content == "Hello"


async def test_the_last_attempt_says_why_it_failed() -> None:
    last = TimedOut("nothing came for 120 seconds.")
    await check((BUSY,), (BUSY,), (last,), ANSWER, waited=[2.0, 4.0], raises=last, left=1)


async def test_more_attempts_wait_twice_as_long_each_and_a_minute_at_most() -> None:
    await check(*[(BUSY,)] * 7, ANSWER, waited=[2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0], most=8)


@pytest.mark.parametrize(("chance", "waited"), [(0.0, [1.5, 3.0]), (1.0, [2.5, 5.0])])
async def test_waits_are_up_to_a_quarter_longer_or_shorter(chance: float, waited: list[float]) -> None:
    await check((BUSY,), (BUSY,), ANSWER, waited=waited, chance=chance)


@pytest.mark.parametrize("kind", [RateLimited, Overloaded])
async def test_the_services_own_word_on_how_long_to_wait_wins(kind: type[RateLimited | Overloaded]) -> None:
    await check((kind("slow down", retry_after_s=7.0),), ANSWER, waited=[7.0], chance=1.0)
    await check((kind("slow down", retry_after_s=0.0),), ANSWER, waited=[0.0], chance=1.0)


async def test_more_than_a_minute_is_an_error_that_says_when() -> None:
    too_long = RateLimited("asked too often (try again in 61 s)", retry_after_s=61.0)
    await check((too_long,), ANSWER, waited=[], raises=too_long, left=1)


@pytest.mark.parametrize(
    "passes",
    [BUSY, RateLimited("r"), TimedOut("t"), ConnectionFailed("c"), StreamBroken("b")],
    ids=lambda e: type(e).__name__,
)
async def test_every_kind_that_may_pass_is_tried_again(passes: ProviderError) -> None:
    await check((passes,), ANSWER, waited=[2.0])


@pytest.mark.parametrize(
    "stays",
    [
        AuthenticationFailed("k"),
        QuotaExhausted("q"),
        PermanentProviderError("p"),
        ProviderError("p"),
        ConnectionFailed("no secure connection", is_lasting=True),
    ],
    ids=lambda e: type(e).__name__,
)
async def test_what_will_fail_again_is_not(stays: ProviderError) -> None:
    await check((stays,), ANSWER, waited=[], raises=stays, left=1)


@pytest.mark.parametrize("shown", [TextDelta("H"), ReasoningDelta("Hm"), ToolCallDelta(0, "c", "look")])
async def test_nothing_is_tried_again_once_anything_was_shown(shown: Delta) -> None:
    came = await check((Started("m"), shown, BUSY), ANSWER, waited=[], raises=BUSY, left=1)
    assert came == [Started("m"), shown]


async def test_what_shows_nothing_does_not_count_and_goes_with_its_attempt() -> None:
    begun = (Waiting("loading"), Started("m"), UsageDelta(Usage(5)), RawDelta(b"half an answer"), BUSY)
    came = await check(begun, (RawDelta(b"whole"), *ANSWER), waited=[2.0])
    assert fold(came).raw == b"whole"


async def test_one_attempt_means_none_again() -> None:
    await check((BUSY,), ANSWER, waited=[], raises=BUSY, left=1, most=1)


async def test_a_wait_is_told_before_it_begins_and_ends_at_once_where_the_turn_is_cancelled() -> None:
    waits = asyncio.Event()

    async def forever(_: float) -> None:
        waits.set()
        await asyncio.Event().wait()

    session = open_session(MemoryWorkspace({}), RetryingProvider(Attempts((BUSY,), ANSWER), 3, pause=forever))
    sending = asyncio.create_task(send(session, "Hi"))
    async with asyncio.timeout(5):
        await waits.wait()
        assert session.cancel()
        events = await sending
    assert end(events).status == "cancelled"
    assert [event.attempt for event in events if isinstance(event, Retrying)] == [2]


async def test_a_turn_shows_the_wait_and_is_completed() -> None:
    provider = RetryingProvider(Attempts((BUSY,), ANSWER), 3, pause=Pauses(), chance=lambda: 0.5)
    events = await send(open_session(MemoryWorkspace({}), provider), "Hi")
    assert [event for event in events if isinstance(event, Retrying | TextStreamed)] == [
        Retrying("the service failed on its own side: busy", 2.0, 2),
        TextStreamed("Hello"),
    ]
    assert end(events).status == "completed"


async def test_what_came_before_a_fault_is_kept_and_the_user_is_told_how_to_go_on() -> None:
    provider = RetryingProvider(Attempts((Started("m"), TextDelta("Half"), BUSY), ANSWER), 3, pause=Pauses())
    session = open_session(MemoryWorkspace({}), provider)
    events = await send(session, "Hi")
    assert [event.text for event in events if event.type == "notice"] == [
        "The answer broke off. What came of it is kept; a message such as “go on” continues it."
    ]
    assert session.history()[-1].text() == "Half"
    assert end(await send(session, "Go on")).status == "completed"


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    async with fault_server() as running:
        yield running


async def arrived(server: FaultServer, settings: Settings, name: str | None = None) -> int:
    """How many requests a failing one makes; the service asks for no wait."""
    provider = create_provider(settings, name)
    with pytest.raises(RateLimited):
        await provider.complete(ModelRequest("at_once", ()))
    await provider.close()
    return len(server.received)


async def test_a_provider_from_settings_tries_as_often_as_they_say(server: FaultServer) -> None:
    settings = Settings(provider="compatible", base_url=f"{server.base_url}/v1", api_key=Secret("k" * 8))
    assert await arrived(server, settings) == 3
    assert await arrived(server, settings.override({"attempts": 1})) == 4
    assert await arrived(server, settings.override({"attempts": 5})) == 9


async def test_where_nothing_listens_on_this_machine_it_is_told_at_once_and_once_started_it_answers_at_once() -> None:
    async with fault_server() as ended:
        port = ended.port
    provider = create_provider({"provider": "vllm", "base_url": f"http://127.0.0.1:{port}/v1"})
    for _ in range(FAILURES + 1):
        with pytest.raises(ConnectionFailed, match=r"(?s)nothing listens there.*`vllm serve NAME`"):
            await provider.complete(ModelRequest("ok", ()))
    async with fault_server(port=port):
        assert (await provider.complete(ModelRequest("ok", ()))).content == "Hello wörld"
    await provider.close()


async def test_a_table_has_attempts_of_its_own(server: FaultServer) -> None:
    work = {"kind": "compatible", "base_url": f"{server.base_url}/v1", "attempts": 2}
    assert await arrived(server, settings_of({"attempts": 1, "providers": {"work": work}}), "work") == 2
