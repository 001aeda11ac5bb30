"""Limits of money for a session, a day and a month: looked at before every request, raised by the user alone.

A request is counted with the most that it can cost: what is sent, and the longest answer that it may have. What the
provider read from its cache last time is counted at the cache's price. Times are the user's own clock's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flux.agent.store.ledger import PERIODS, Ledger, Period
from flux.core.errors import BudgetExceeded, ConfigError
from flux.core.usage import Price, Spent, Usage

WARN_SHARE = 0.8
MOST_USD = 1_000_000
"""More than this is taken for a mistake."""
_WORDS: Mapping[Period, str] = {"session": "this session", "day": "today", "month": "this month"}


@dataclass(frozen=True, slots=True)
class Forecast:
    """A request that is about to be sent. `usage` is the most that it can use; `price` None: unknown."""

    model: str
    usage: Usage
    price: Price | None


@dataclass(frozen=True, slots=True)
class Balance:
    """How much of a limit is spent. `limit_usd` has in it by how much the user raised it."""

    period: Period
    limit_usd: float
    spent: Spent

    def __str__(self) -> str:
        cost = self.spent.cost
        unknown = "" if cost.is_complete else ", and requests without a known price"
        return f"{_WORDS[self.period]}: ${cost.usd:.4f} of ${self.limit_usd:.2f}{unknown}"


def raise_limit(ledger: Ledger, period: str, dollars: str, session_id: str = "") -> str:
    """Allow so many dollars more in the session, or until the day or the month ends; what was done, in words.

    Raises ConfigError for what is no period or no amount.
    """
    if period not in PERIODS:
        raise ConfigError(f"{period} is no limit.", hint=f"Limits are for a {', a '.join(PERIODS)}.")
    try:
        amount = float(dollars.removeprefix("$"))
    except ValueError:
        amount = 0.0
    if not 0 < amount < MOST_USD:
        raise ConfigError(f"{dollars} is no amount of dollars.", hint=f"For example {period} 2.50")
    ledger.raise_limit(period, amount, session_id)
    return f"${amount:.2f} more may be spent {_WORDS[period] if period != 'session' else 'in this session'}."


class Budget:
    """The limits of one session, in US dollars; a period without one is not in `limits`."""

    def __init__(self, limits: Mapping[Period, float], ledger: Ledger, session_id: str) -> None:
        self._limits = limits
        self._ledger = ledger
        self._session_id = session_id
        self._told: set[tuple[Period, float]] = set()
        self._unpriced: set[str] = set()

    def balances(self) -> Sequence[Balance]:
        """What is spent of each limit, now."""
        return [
            Balance(
                period,
                limit + self._ledger.raised(period, self._session_id),
                self._ledger.of_period(period, self._session_id),
            )
            for period, limit in self._limits.items()
        ]

    def check(self, forecast: Forecast, also_usd: float = 0.0) -> Sequence[str]:
        """What the user should know before the request is sent. Raises as `allow`."""
        balances = self.allow(forecast, also_usd)
        if balances and forecast.price is None:
            return self._say_unpriced(forecast)
        notices: list[str] = []
        for balance in balances:
            told = (balance.period, balance.limit_usd)
            if balance.spent.cost.usd >= WARN_SHARE * balance.limit_usd and told not in self._told:
                self._told.add(told)
                notices.append(f"Most of the budget is spent: {balance}.")
        return notices

    def allow(self, forecast: Forecast, also_usd: float = 0.0) -> Sequence[Balance]:
        """How the limits stand. Raises BudgetExceeded where the request could pass one and must not be sent.

        `also_usd` is what other requests may cost that are at work.
        """
        balances = self.balances()
        most = forecast.price.cost_usd(forecast.usage) if forecast.price else 0.0
        for balance in balances if forecast.price else ():
            if balance.spent.cost.usd + also_usd + most > balance.limit_usd:
                raise BudgetExceeded(
                    f"The next request may cost up to ${most:.4f}, which would pass the limit: {balance}.",
                    period=balance.period,
                    hint=f"`/budget {balance.period} AMOUNT` in the chat, `flux budget {balance.period} AMOUNT`, or the"
                    f" command flux.budget.raise allows so many dollars more. The setting is budget_{balance.period}.",
                )
        return balances

    def _say_unpriced(self, forecast: Forecast) -> Sequence[str]:
        if forecast.model in self._unpriced:
            return ()
        self._unpriced.add(forecast.model)
        used = self._ledger.of_period("session", self._session_id).usage.total_tokens
        words = f"The price of {forecast.model} is unknown, so no limit of money holds for it. This session has used "
        return [f"{words}{used:,} tokens; the next request sends about {forecast.usage.input_tokens:,}."]
