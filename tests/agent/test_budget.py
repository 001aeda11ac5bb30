"""Limits of money: what is sent, what is not, what the user is told, and how a limit is raised."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from flux.agent.budget import Budget, Forecast, raise_limit
from flux.agent.events import TextStreamed
from flux.agent.next_request import TurnSettings
from flux.agent.session_store import SessionStore
from flux.agent.store.ledger import Period
from flux.core.errors import BudgetExceeded, ConfigError
from flux.core.usage import Cost, Price, Usage
from flux.llm.scripted_provider import ScriptedProvider, Step
from flux.workspace.memory import MemoryWorkspace
from tests.support.talks import call, end, open_session, send, step

DAY_S = 86_400.0
NOON = 1_795_262_400.0
"""2026-11-21 12:00 UTC: within a month in every time zone."""
PRICE = Price(input=1.0, output=10.0, cache_read=0.1, cache_write=1.25)
MOST = Forecast("m", Usage(100_000, 10_000), PRICE)  # 0.2 dollars


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def opened(limits: Mapping[Period, float], *, spent: float = 0.0) -> tuple[Budget, SessionStore, Clock]:
    clock = Clock()
    store = SessionStore(None, clock)
    store.create("s", "/w")
    store.create("other", "/w")
    store.ledger.add("s", "t", "p", "m", Usage(1, 1), Cost(spent))
    return Budget(limits, store.ledger, "s"), store, clock


def test_without_a_limit_nothing_is_looked_at() -> None:
    budget, store, _ = opened({}, spent=1e9)
    store.close()
    assert budget.check(MOST) == []


@pytest.mark.parametrize("period", ["session", "day", "month"])
def test_a_request_that_could_pass_a_limit_is_not_sent_and_the_error_says_how_to_go_on(period: Period) -> None:
    budget, _, _ = opened({period: 1.0}, spent=0.79)
    assert budget.check(MOST) == []
    budget, _, _ = opened({period: 1.0}, spent=0.81)
    with pytest.raises(BudgetExceeded) as raised:
        budget.check(MOST)
    words = str(raised.value)
    assert "may cost up to $0.2000" in words
    assert "$0.8100 of $1.00" in words
    assert f"/budget {period} AMOUNT" in words
    assert raised.value.period == period


def test_what_is_in_the_providers_cache_counts_at_the_caches_price() -> None:
    budget, _, _ = opened({"day": 0.12})
    with pytest.raises(BudgetExceeded):
        budget.check(Forecast("m", Usage(100_000, 1_000, 0, 100_000), PRICE))
    assert budget.check(Forecast("m", Usage(100_000, 1_000, 90_000, 10_000), PRICE)) == []


def test_each_limit_is_warned_of_once_when_most_of_it_is_spent() -> None:
    budget, store, _ = opened({"session": 10.0, "day": 1000.0}, spent=8.1)
    assert budget.check(MOST) == ["Most of the budget is spent: this session: $8.1000 of $10.00."]
    assert budget.check(MOST) == []
    store.ledger.add("s", "t", "p", "m", Usage(1, 1), Cost(800.0))
    raise_limit(store.ledger, "session", "1000", "s")
    assert [notice.partition("spent: ")[2] for notice in budget.check(MOST)] == [
        "this session: $808.1000 of $1010.00.",
        "today: $808.1000 of $1000.00.",
    ]


def test_a_raise_holds_for_the_period_that_is_now_and_for_no_other() -> None:
    budget, store, clock = opened({"day": 1.0, "session": 1.0}, spent=0.95)
    raise_limit(store.ledger, "day", "$0.50", "s")
    with pytest.raises(BudgetExceeded, match="this session"):
        budget.check(MOST)
    raise_limit(store.ledger, "session", "0.5", "other")
    with pytest.raises(BudgetExceeded, match="this session"):
        budget.check(MOST)
    raise_limit(store.ledger, "session", "0.5", "s")
    budget.check(MOST)
    clock.now += DAY_S
    store.ledger.add("s", "t", "p", "m", Usage(1, 1), Cost(0.0))
    assert [(one.period, one.limit_usd, one.spent.cost.usd) for one in budget.balances()] == [
        ("day", 1.0, 0.0),
        ("session", 1.5, 0.95),
    ]


@pytest.mark.parametrize(
    ("period", "amount"), [("week", "1"), ("day", ""), ("day", "-1"), ("day", "nan"), ("day", "inf"), ("day", "two")]
)
def test_a_wrong_raise_is_refused(period: str, amount: str) -> None:
    _, store, _ = opened({})
    with pytest.raises(ConfigError, match="is no"):
        raise_limit(store.ledger, period, amount, "s")
    assert store.ledger.raised("day") == 0.0


def test_a_model_without_a_price_is_counted_in_tokens_and_said_once() -> None:
    budget, _, _ = opened({"day": 0.0}, spent=5.0)
    (notice,) = budget.check(Forecast("local", Usage(1234, 10), None))
    assert "The price of local is unknown" in notice
    assert "about 1,234" in notice
    assert budget.check(Forecast("local", Usage(1234, 10), None)) == ()


async def test_a_turn_stops_before_the_request_that_could_pass_the_limit_and_goes_on_once_it_is_raised() -> None:
    store = SessionStore(None)
    provider = ScriptedProvider([step("Reading.", call("read_file", path="a")), Step(text="One."), Step(text="Two.")])
    settings = TurnSettings(max_output_tokens=1000, budget={"session": 0.05})
    session = open_session(MemoryWorkspace({"a": "1\n"}), provider, store=store, settings=settings)
    assert end(await send(session, "go")).status == "completed"
    store.ledger.add("s1", "t", "p", "m", Usage(1, 1), Cost(0.045))
    stopped = end(await send(session, "again"))
    assert (stopped.status, stopped.error_kind, len(provider.requests)) == ("failed", "BudgetExceeded", 2)
    raise_limit(store.ledger, "session", "1", "s1")
    went_on = await send(session, "now")
    assert (end(went_on).status, len(provider.requests)) == ("completed", 3)
    assert [event.text for event in went_on if isinstance(event, TextStreamed)] == ["Two."]
