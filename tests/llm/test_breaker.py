"""When a service that keeps failing is asked no more, and how it is found to answer again."""

from __future__ import annotations

from contextlib import aclosing

import pytest

from flux.core.config import Settings, settings_of
from flux.core.errors import (
    AuthenticationFailed,
    CircuitOpen,
    ConnectionFailed,
    Overloaded,
    ProviderError,
    RateLimited,
    RequestRejected,
    StreamBroken,
    TimedOut,
)
from flux.llm.base_provider import BaseLLMProvider, Finished, ModelRequest, Started, TextDelta, TryingAgain, Waiting
from flux.llm.provider_factory import create_provider
from flux.llm.resilience.breaker import (
    FAILURES,
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    BreakingProvider,
    Circuits,
    CircuitState,
)
from flux.llm.resilience.retry import RetryingProvider
from tests.support.attempts import ANSWER, Attempt, Attempts, Pauses
from tests.support.fault_server import fault_server

ADDRESS = "http://127.0.0.1:9/v1"
DOWN = ConnectionFailed("nothing listens there.", hint="Start the server.", endpoint="compatible")


class Service:
    """A breaker over scripted attempts, on a clock of the test's own."""

    def __init__(self, *attempts: Attempt) -> None:
        self.time = Pauses()
        self.circuits = Circuits(self.time.clock)
        self.attempts = Attempts(*attempts)
        self.provider: BaseLLMProvider = BreakingProvider(self.attempts, ADDRESS, self.circuits)

    async def ask(self, model: str = "m") -> str:
        """What came of one request: `answered`, or the name of the error."""
        try:
            await self.provider.complete(ModelRequest(model, ()))
        except ProviderError as e:
            return type(e).__name__
        return "answered"

    @property
    def state(self) -> CircuitState:
        return self.circuits.of(ADDRESS, "m").state


async def check(*attempts: Attempt, came: list[str], left: int = 0) -> Service:
    """The one place that asks, as often as `came` is long; `left` attempts did not reach the service."""
    service = Service(*attempts)
    assert [await service.ask() for _ in came] == came
    assert len(service.attempts.left) == left
    return service


OPENED = [*["ConnectionFailed"] * (FAILURES - 1), "CircuitOpen"]
"""What comes of failures until the circuit is open; the last one says that it is."""


async def test_after_five_failures_in_a_row_nothing_is_sent_any_more() -> None:
    service = await check(*[(DOWN,)] * FAILURES, ANSWER, came=[*OPENED, "CircuitOpen"], left=1)
    assert service.state == CircuitState(ADDRESS, "m", "open", 5, FIRST_PAUSE_S, "nothing listens there.")
    assert service.circuits.troubled() == [service.state]
    assert str(service.state) == (
        "m at http://127.0.0.1:9/v1: 5 failed in a row; asked again in 10 s. Last: nothing listens there."
    )


async def test_the_error_says_what_went_wrong_and_when_it_is_tried_again() -> None:
    service = await check(*[(DOWN,)] * FAILURES, came=OPENED)
    service.time.now_s += 4
    with pytest.raises(CircuitOpen) as raised:
        await service.provider.complete(ModelRequest("m", ()))
    error = raised.value
    assert str(error) == (
        "nothing listens there. It failed 5 times in a row; Flux asks again in 6 s.\nStart the server."
    )
    assert (error.retry_after_s, error.endpoint, error.model) == (6.0, "compatible", "m")


async def test_an_answer_in_between_counts_from_nothing_again() -> None:
    few = [(DOWN,)] * (FAILURES - 1)
    service = await check(*few, ANSWER, *few, came=[*OPENED[:-1], "answered", *OPENED[:-1]])
    assert service.state.state == "closed"


@pytest.mark.parametrize(
    "says",
    [RateLimited("slow down", retry_after_s=7.0), RateLimited("slow down"), AuthenticationFailed("k")],
    ids=["rate", "rate without a time", "key"],
)
async def test_who_refuses_or_asks_for_patience_does_answer(says: ProviderError) -> None:
    service = await check(*[(says,)] * 20, came=[type(says).__name__] * 20)
    assert service.circuits.troubled() == []


@pytest.mark.parametrize("kind", [ConnectionFailed, TimedOut, Overloaded, StreamBroken])
async def test_every_fault_of_the_service_or_of_the_way_there_counts(kind: type[ProviderError]) -> None:
    await check(*[(kind("k"),)] * FAILURES, came=[*[kind.__name__] * (FAILURES - 1), "CircuitOpen"])


async def test_one_request_finds_out_whether_it_answers_again() -> None:
    service = await check(*[(DOWN,)] * FAILURES, ANSWER, ANSWER, came=OPENED, left=2)
    service.time.now_s += FIRST_PAUSE_S
    assert service.state.state == "half-open"
    async with aclosing(service.provider.stream(ModelRequest("m", ()))) as trial:
        service.attempts.left.insert(0, (Waiting("loading"), *ANSWER))
        assert await anext(trial) == Waiting("loading")
        assert await service.ask() == "CircuitOpen"
        assert await anext(trial) == Started("m")
        assert service.state.state == "closed"
        assert await service.ask() == "answered"  # while the trial's answer still comes


async def test_a_trial_that_fails_lets_the_next_one_wait_twice_as_long_and_two_minutes_at_most() -> None:
    service = await check(*[(DOWN,)] * 11, ANSWER, came=OPENED, left=7)
    waits = []
    for _ in range(6):
        waits.append(service.state.retry_after_s)
        service.time.now_s += service.state.retry_after_s
        assert await service.ask() == "CircuitOpen"
    assert waits == [10.0, 20.0, 40.0, 80.0, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
    service.time.now_s += LONGEST_PAUSE_S
    assert await service.ask() == "answered"
    assert service.circuits.troubled() == []


async def test_a_trial_that_is_given_up_is_no_verdict_and_the_next_one_may_be_made() -> None:
    service = await check(*[(DOWN,)] * FAILURES, (Waiting("loading"), *ANSWER), ANSWER, came=OPENED, left=2)
    service.time.now_s += FIRST_PAUSE_S
    async with aclosing(service.provider.stream(ModelRequest("m", ()))) as trial:
        await anext(trial)
    assert service.state.state == "half-open"
    assert await service.ask() == "answered"


async def test_a_service_that_refuses_the_trial_answers() -> None:
    service = await check(*[(DOWN,)] * FAILURES, (RequestRejected("no"),), ANSWER, came=OPENED, left=2)
    service.time.now_s += FIRST_PAUSE_S
    assert [await service.ask(), await service.ask()] == ["RequestRejected", "answered"]


async def test_each_model_and_each_address_has_a_circuit_of_its_own() -> None:
    service = await check(*[(DOWN,)] * FAILURES, ANSWER, came=OPENED, left=1)
    assert await service.ask("other") == "answered"
    elsewhere = BreakingProvider(Attempts(ANSWER), "http://127.0.0.1:10", service.circuits)
    await elsewhere.complete(ModelRequest("m", ()))
    same = BreakingProvider(Attempts(ANSWER), ADDRESS, service.circuits)
    with pytest.raises(CircuitOpen):
        await same.complete(ModelRequest("m", ()))


async def test_an_answer_that_broke_off_after_words_says_so_and_counts() -> None:
    broken: Attempt = (Started("m"), TextDelta("Half"), StreamBroken("broke off"))
    service = await check(*[broken] * FAILURES, ANSWER, came=["StreamBroken"] * FAILURES, left=1)
    assert service.state.state == "open"


async def test_each_attempt_counts_and_an_open_circuit_is_not_waited_for() -> None:
    service = Service(*[(DOWN,)] * FAILURES, ANSWER)
    service.provider = RetryingProvider(service.provider, 3, pause=service.time, chance=lambda: 0.5)
    assert [await service.ask() for _ in range(3)] == ["ConnectionFailed", "CircuitOpen", "CircuitOpen"]
    assert service.time.waited == [2.0, 4.0, 2.0]
    service.time.now_s += 60
    deltas = [delta async for delta in service.provider.stream(ModelRequest("m", ()))]
    assert deltas == [Started("m"), TextDelta("Hello"), Finished("stop")]
    assert not [delta for delta in deltas if isinstance(delta, TryingAgain)]


async def test_providers_from_settings_share_the_circuits_that_they_are_given() -> None:
    async with fault_server() as server:
        circuits = Circuits(lambda: 0.0)
        settings = Settings(provider="compatible", base_url=f"{server.base_url}/v1", attempts=1)
        named = settings_of(
            {"attempts": 1, "providers": {"work": {"kind": "compatible", "base_url": f"{server.base_url}/v1"}}}
        )
        first, second = create_provider(settings, circuits=circuits), create_provider(named, "work", circuits=circuits)
        for provider in (first, second) * FAILURES:
            with pytest.raises((Overloaded, CircuitOpen)):
                await provider.complete(ModelRequest("server_error", ()))
        assert len(server.received) == FAILURES
        assert [(state.address, state.model, state.state) for state in circuits.troubled()] == [
            (f"{server.base_url}/v1", "server_error", "open")
        ]
        await first.close()
        await second.close()
