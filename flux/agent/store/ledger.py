"""What requests used, each with its time: of a session, or of all, by day, model, provider, role or session.

Sums by days follow the user's own clock. What a deleted session used stays in the sums, without its name.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, get_args

from flux.agent.store.database import Database
from flux.agent.store.values import storable
from flux.core.errors import ConfigError
from flux.core.usage import Cost, Spent, Usage

Grouping = Literal["day", "model", "provider", "role", "session"]
Period = Literal["session", "day", "month"]
"""What a limit of money is for. Days and months are those of the user's clock."""
PERIODS: tuple[Period, ...] = get_args(Period)
GROUPINGS: tuple[Grouping, ...] = get_args(Grouping)

_COLUMNS = (
    "at, provider, model, role, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens,"
    " cost_usd"
)
_SUMS = (
    "count(*), coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0), coalesce(sum(cache_read_tokens), 0),"
    " coalesce(sum(cache_write_tokens), 0), coalesce(sum(reasoning_tokens), 0), total(cost_usd),"
    " count(*) = count(cost_usd)"
)
_ALL = (
    f"(SELECT session_id AS session, {_COLUMNS} FROM usage WHERE at >= ?1 AND at < ?2"
    f" UNION ALL SELECT '' AS session, {_COLUMNS} FROM spent WHERE at >= ?1 AND at < ?2)"
)
_KEYS = {"day": "date(at, 'unixepoch', 'localtime')"}
_END_OF_TIME = 1e12


@dataclass(frozen=True, slots=True)
class Group:
    """What belongs together. `key`: a day as YYYY-MM-DD, a name, or a session's id (empty: of deleted ones)."""

    key: str
    spent: Spent


@dataclass(frozen=True, slots=True)
class Request:
    """What one request used. `at` is seconds since 1970; `cost_usd` None: the price is unknown."""

    turn_id: str
    at: float
    provider: str
    model: str
    role: str
    usage: Usage
    cost_usd: float | None


class Ledger:
    """The usage in one database."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def add(
        self,
        session_id: str,
        turn_id: str,
        provider: str,
        model: str,
        usage: Usage,
        cost: Cost,
        role: str = "chat",
    ) -> None:
        """A request has used this. A cost that is not wholly known is kept as unknown."""
        insert = f"INSERT INTO usage (session_id, turn_id, {_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"
        values = (
            *(session_id, turn_id, self._clock(), storable(provider), storable(model), role),
            *(usage.input_tokens, usage.output_tokens),
            *(usage.cache_read_tokens, usage.cache_write_tokens, usage.reasoning_tokens),
            cost.usd if cost.is_complete else None,
        )
        self._database.write(session_id, lambda db: db.execute(insert, values))

    def of_session(self, session_id: str) -> tuple[Usage, Cost]:
        """What the session used so far."""
        spent = self.of_period("session", session_id)
        return spent.usage, spent.cost

    def total(self, since: float = 0.0, until: float = _END_OF_TIME) -> Spent:
        """What all requests used from `since` to before `until`, in seconds since 1970."""
        tables = ("usage", "spent")  # one by one: over both as one table a sum takes twice as long
        query = f"SELECT {_SUMS} FROM {{}} WHERE at >= ? AND at < ?"
        rows = [row for table in tables for row in self._database.rows(query.format(table), (since, until))]
        return sum(map(_spent, rows), Spent())

    def groups(self, by: Grouping, since: float = 0.0, until: float = _END_OF_TIME) -> Sequence[Group]:
        """The same by day (oldest first), or by what spent most (money first, then tokens)."""
        order = "1" if by == "day" else "total(cost_usd) DESC, sum(input_tokens + output_tokens) DESC, 1"
        query = f"SELECT {_KEYS.get(by, by)}, {_SUMS} FROM {_ALL} GROUP BY 1 ORDER BY {order}"
        return [Group(key, _spent(row)) for key, *row in self._database.rows(query, (since, until))]

    def requests(self, session_id: str) -> Sequence[Request]:
        """The session's requests, in their order."""
        query = f"SELECT turn_id, {_COLUMNS} FROM usage WHERE session_id = ? ORDER BY seq"
        return [
            Request(turn_id, at, provider, model, role, Usage(*tokens), usd)
            for turn_id, at, provider, model, role, *tokens, usd in self._database.rows(query, (session_id,))
        ]

    def of_period(self, period: Period, session_id: str = "") -> Spent:
        """What was used in the session, or since the day or the month began."""
        if period == "session":
            (row,) = self._database.rows(f"SELECT {_SUMS} FROM usage WHERE session_id = ?", (session_id,))
            return _spent(row)
        return self.total(self._begin_of(period))

    def raised(self, period: Period, session_id: str = "") -> float:
        """By how many dollars the user raised the limit of the period that is now."""
        which, begin = (session_id, 0.0) if period == "session" else ("", self._begin_of(period))
        query = "SELECT total(usd) FROM raised WHERE period = ? AND session_id = ? AND at >= ?"
        return self._database.rows(query, (period, which, begin))[0][0]

    def raise_limit(self, period: Period, usd: float, session_id: str = "") -> None:
        """Allow so many dollars more: in the session, or until the day or the month ends."""
        values = (period, session_id if period == "session" else "", self._clock(), usd)
        self._database.write("", lambda db: db.execute("INSERT INTO raised VALUES (?, ?, ?, ?)", values))

    def _begin_of(self, period: Period) -> float:
        return day_begin(self._clock()) if period == "day" else month_begin(self._clock())

    def since(self, text: str) -> float:
        """The first second of what `text` names: a day, or by default all since the last reset. Raises ConfigError."""
        return first_second(text, self._clock()) if text else self.counted_since()

    def counted_since(self) -> float:
        """When the sums were last reset, in seconds since 1970; 0 where they never were."""
        return self._database.rows("SELECT coalesce(max(since), 0) FROM counted")[0][0]

    def reset(self) -> None:
        """Let the sums begin from nothing. Nothing is deleted: limits of money still count what was spent."""
        now = self._clock()
        self._database.write("", lambda db: db.execute("INSERT INTO counted VALUES (?)", (now,)))


def first_second(text: str, now: float) -> float:
    """When a day begins, in seconds since 1970: one as YYYY-MM-DD, or as `7d`, the last seven. Raises ConfigError."""
    try:
        if text.endswith("d"):
            return _begin(_day(now) - timedelta(days=int(text[:-1]) - 1))
        return _begin(date.fromisoformat(text))
    except (ValueError, OverflowError):
        raise ConfigError(f"{text} is no day.", hint="For example 2026-11-01, or 7d for the last seven days.") from None


def day_begin(now: float) -> float:
    """When the day of the user's clock began, in seconds since 1970."""
    return _begin(_day(now))


def month_begin(now: float) -> float:
    """When the month of the user's clock began, in seconds since 1970."""
    return _begin(_day(now).replace(day=1))


def _day(now: float) -> date:
    return date(*time.localtime(now)[:3])


def _begin(day: date) -> float:
    """The first second of a day of the user's clock, whose days have 23 to 25 hours."""
    return max(time.mktime((day.year, day.month, day.day, 0, 0, 0, 0, 0, -1)), 0.0)


def keep_spent(db: sqlite3.Connection, session_id: str) -> None:
    """The session will be deleted; what it used stays in the sums. Call it in that transaction."""
    db.execute("DELETE FROM raised WHERE session_id = ?", (session_id,))
    db.execute(f"INSERT INTO spent ({_COLUMNS}) SELECT {_COLUMNS} FROM usage WHERE session_id = ?", (session_id,))


def _spent(row: Sequence[float]) -> Spent:
    requests, *tokens, usd, is_complete = row
    return Spent(int(requests), Usage(*map(int, tokens)), Cost(usd, bool(is_complete)))
