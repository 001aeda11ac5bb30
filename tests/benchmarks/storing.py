"""How long the list of many sessions and the sums of many requests take, from the file that is on the disk."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from flux.agent.session_store import SessionStore
from tests.benchmarks.figures import Bound, Effort, Figure, in_turn, median

SESSIONS = 10_000
CALLS = 100_000


def session_list(effort: Effort, folder: Path) -> list[Figure]:
    """10,000 sessions, opened and listed; beside it the list of the newest hundred."""
    file = folder / "sessions.db"
    SessionStore(file).close()
    _fill(file)

    def listing(limit: int) -> float:
        store = SessionStore(file)
        began = time.perf_counter()
        assert len(store.sessions(limit)) == limit
        took = time.perf_counter() - began
        store.close()
        return took * 1000

    of_all, of_few = in_turn(effort.of(20), lambda: listing(SESSIONS), lambda: listing(100))
    bound = Bound("measured", "<=", 100)
    return [Figure("10,000 sessions listed", "ms", median(of_all), median(of_few), "the newest 100", bound)]


def usage_sums(effort: Effort, folder: Path) -> list[Figure]:
    """What 100,000 requests used, in one sum and by day; beside it one plain SUM over the same rows."""
    file = folder / "sessions.db"
    store = SessionStore(file)
    store.create("s", "/w")
    _fill_usage(file)

    def timed(ask: Callable[[], object]) -> float:
        began = time.perf_counter()
        ask()
        return (time.perf_counter() - began) * 1000

    with closing(sqlite3.connect(file)) as plain:
        query = "SELECT count(*), sum(input_tokens), sum(output_tokens), sum(cost_usd) FROM usage"
        total, by_day, floor = in_turn(
            effort.of(20),
            lambda: timed(store.ledger.total),
            lambda: timed(lambda: store.ledger.groups("day")),
            lambda: timed(lambda: plain.execute(query).fetchone()),
        )
    assert store.ledger.total().requests == CALLS
    store.close()
    bound, beside = Bound("measured", "<=", 100), "one SUM in SQLite"
    return [
        Figure("100,000 requests summed", "ms", median(total), median(floor), beside, bound),
        Figure("100,000 requests summed by day", "ms", median(by_day), median(floor), beside),
    ]


def _fill_usage(file: Path) -> None:
    columns = "session_id, turn_id, at, provider, model, input_tokens, output_tokens, cache_read_tokens"
    columns += ", cache_write_tokens, reasoning_tokens, cost_usd"
    rows = (("s", "t", 1.79e9 + 60.0 * n, "p", f"model-{n % 7}", 9000, 300, 8000, 500, 50, 0.01) for n in range(CALLS))
    with closing(sqlite3.connect(file)) as db, db:
        db.executemany(f"INSERT INTO usage ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)


def _fill(file: Path) -> None:
    rows = ((f"{n:012x}", float(n), float(n), f"question number {n}", "/home/user/project") for n in range(SESSIONS))
    with sqlite3.connect(file) as db:
        db.executemany("INSERT INTO session VALUES (?, ?, ?, ?, ?)", rows)
    db.close()
