"""Requests as they left and their answers as they came, of the newest turns of all sessions. All of it may go.

One compressed piece for each request, which is packed in a thread and stored a moment later.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flux.agent.store.database import Database
from flux.llm.exchange import Exchange, unpack
from flux.llm.wire.json_values import Object

MAX_BYTES = 64 << 20
"""Of all sessions so much is kept, compressed; the oldest go first."""

_OLDEST = (
    "DELETE FROM exchange WHERE seq <= (SELECT max(seq) FROM"
    " (SELECT seq, sum(length(body)) OVER (ORDER BY seq DESC) AS size FROM exchange) WHERE size > ?)"
)


@dataclass(frozen=True, slots=True)
class StoredExchange:
    """`at`: when it was over, in seconds since 1970. `told` has the request and the answer."""

    turn_id: str
    at: float
    told: Object


class Exchanges:
    """What was sent and what came, in one database."""

    def __init__(self, database: Database, clock: Callable[[], float], max_bytes: int = MAX_BYTES) -> None:
        self._database = database
        self._clock = clock
        self._max_bytes = max_bytes
        self._left: list[_Left] = []

    def add(self, session_id: str, turn_id: str, exchanges: Sequence[Exchange]) -> None:
        """Keep what was exchanged. Returns at once; call it on an event loop, which stores it a moment later."""
        if not exchanges:
            return
        left = _Left(session_id, turn_id, self._clock(), tuple(exchanges))
        self._left.append(left)
        packing = asyncio.get_running_loop().run_in_executor(None, left.packed)
        packing.add_done_callback(lambda done: self._put(left, done.result()))

    def store_left(self) -> None:
        """Store what is not stored yet."""
        for left in tuple(self._left):
            self._put(left, left.packed())

    def of_session(self, session_id: str, turn_id: str = "") -> Sequence[StoredExchange]:
        """Those of one turn, or of all, in their order."""
        query = "SELECT turn_id, at, body FROM exchange WHERE session_id = ? AND ? IN ('', turn_id) ORDER BY at, seq"
        rows = self._database.rows(query, (session_id, turn_id))
        return [StoredExchange(turn_id, at, unpack(body)) for turn_id, at, body in rows]

    def _put(self, left: _Left, packed: Sequence[bytes]) -> None:
        if left not in self._left:
            return
        self._left.remove(left)
        insert = (  # the session may have been deleted meanwhile
            "INSERT INTO exchange (session_id, turn_id, at, body) SELECT id, ?, ?, ? FROM session WHERE id = ?"
        )
        rows = [(left.turn_id, left.at, body, left.session_id) for body in packed]

        def write(db: sqlite3.Connection) -> None:
            db.executemany(insert, rows)
            db.execute(_OLDEST, (self._max_bytes,))

        self._database.write(left.session_id, write)


@dataclass(frozen=True, slots=True, eq=False)
class _Left:
    """What is being packed."""

    session_id: str
    turn_id: str
    at: float
    exchanges: tuple[Exchange, ...]

    def packed(self) -> Sequence[bytes]:
        return [exchange.packed() for exchange in self.exchanges]
