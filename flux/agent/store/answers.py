"""Answers that are kept for exactly equal requests (`flux.llm.keeping`). All of it can be had again, and may go."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from flux.agent.store.database import Database
from flux.core.errors import SessionError

_DAY_S = 86_400.0
ANSWERS_SIZE = "SELECT count(*), coalesce(sum(length(body)), 0) FROM answer"
_OLDEST = (
    "DELETE FROM answer WHERE at <= (SELECT max(at) FROM"
    " (SELECT at, sum(length(body)) OVER (ORDER BY at DESC, key) AS size FROM answer) WHERE size > ?)"
)


class StoredAnswers:
    """At most `max_bytes` of answers, none older than `max_days`; the oldest go first."""

    def __init__(self, database: Database, clock: Callable[[], float], max_bytes: int, max_days: float) -> None:
        self._database = database
        self._clock = clock
        self._max_bytes = max_bytes
        self._max_age_s = max_days * _DAY_S

    def get(self, key: bytes) -> bytes | None:
        """The answer of that key, None where there is none, or the file cannot be read now."""
        try:
            rows = self._database.rows("SELECT body FROM answer WHERE key = ? AND at > ?", (key, self._oldest()))
        except SessionError:
            return None
        return rows[0][0] if rows else None

    def put(self, key: bytes, body: bytes) -> None:
        """Keep the answer, and let go of what is too old or too much."""
        now = self._clock()

        def write(db: sqlite3.Connection) -> None:
            db.execute("INSERT OR REPLACE INTO answer VALUES (?, ?, ?)", (key, now, body))
            db.execute("DELETE FROM answer WHERE at <= ?", (self._oldest(),))
            db.execute(_OLDEST, (self._max_bytes,))

        self._database.write("", write)

    def _oldest(self) -> float:
        return self._clock() - self._max_age_s
