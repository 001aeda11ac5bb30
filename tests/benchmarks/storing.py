"""How long the list of many sessions takes, from the file that is on the disk."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from flux.agent.session_store import SessionStore
from tests.benchmarks.figures import Bound, Effort, Figure, in_turn, median

SESSIONS = 10_000


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


def _fill(file: Path) -> None:
    rows = ((f"{n:012x}", float(n), float(n), f"question number {n}", "/home/user/project") for n in range(SESSIONS))
    with sqlite3.connect(file) as db:
        db.executemany("INSERT INTO session VALUES (?, ?, ?, ?, ?)", rows)
    db.close()
