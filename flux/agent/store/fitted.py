"""What is kept of how conversations are made to fit: pins, rewrites, summaries, and how models count.

Decides nothing; `flux.agent.conversation`, `flux.agent.compaction` and `flux.agent.tally` do.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from flux.agent.store.database import Database
from flux.agent.store.values import message_from_json, message_to_json, storable
from flux.core.limits import TokenKinds
from flux.core.messages import Message

PinKind = Literal["file", "turn"]


@dataclass(frozen=True, slots=True)
class Pin:
    """What the user wants to stay in the conversation: a file by its path, or a turn by its id."""

    kind: PinKind
    name: str


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A request does not begin with the whole of the one before it. `at` is seconds since 1970."""

    at: float
    reason: str


@dataclass(frozen=True, slots=True)
class Replaced:
    """The conversation as it was before a summary was put into it. `key` is the store's own name for it.

    The summary goes along with the first of the `left` messages that stayed.
    """

    key: int
    summary: Message
    left: int
    messages: tuple[Message, ...]

    def undone(self, messages: tuple[Message, ...]) -> tuple[Message, ...] | None:
        """The conversation with what was there in the summary's place; None where the summary is not there any more."""
        if self.summary not in messages:
            return None
        return (*self.messages, *messages[messages.index(self.summary) + self.left :])


class Fitted:
    """The records of the sessions of one database."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def pins(self, session_id: str) -> Sequence[Pin]:
        """In the order in which they were set."""
        return [Pin(*json.loads(body)) for _, _, body in self._rows(session_id, "pin")]

    def pin(self, session_id: str, pin: Pin) -> None:
        self._add(session_id, "pin", json.dumps([pin.kind, pin.name]))

    def unpin(self, session_id: str, pin: Pin) -> None:
        values = (session_id, json.dumps([pin.kind, pin.name]))
        delete = "DELETE FROM fitted WHERE session_id = ? AND kind = 'pin' AND body = ?"
        self._database.write(session_id, lambda db: db.execute(delete, values))

    def rename_pins(self, folder: str, new_name: Callable[[str], str]) -> None:
        """Files have other names now, in all sessions of the folder."""

        def write(db: sqlite3.Connection) -> None:
            query = (
                "SELECT seq, body FROM fitted JOIN session ON session.id = session_id WHERE folder = ? AND kind = 'pin'"
            )
            for key, body in db.execute(query, (storable(folder),)).fetchall():
                kind, name = json.loads(body)
                if kind == "file" and (other := new_name(name)) != name:
                    db.execute("UPDATE fitted SET body = ? WHERE seq = ?", (json.dumps([kind, other]), key))

        self._database.write("", write)

    def add_rewrite(self, session_id: str, reason: str) -> None:
        """The next request will not begin with the whole of the last one."""
        self._add(session_id, "rewrite", storable(reason))

    def rewrites(self, session_id: str) -> Sequence[Rewrite]:
        """All of the session, oldest first."""
        return [Rewrite(at, reason) for _, at, reason in self._rows(session_id, "rewrite")]

    def add_summary(self, session_id: str, summary: Message, left: int, before: Sequence[Message]) -> None:
        body = [message_to_json(summary), left, [message_to_json(message) for message in before]]
        self._add(session_id, "summary", json.dumps(body))

    def last_replaced(self, session_id: str) -> Replaced | None:
        """What the newest summary was put into, None where there is none that was not taken back."""
        rows = self._rows(session_id, "summary")
        if not rows:
            return None
        key, _, body = rows[-1]
        summary, left, before = json.loads(body)
        return Replaced(key, message_from_json(summary), left, tuple(map(message_from_json, before)))

    def forget_summary(self, session_id: str, replaced: Replaced) -> None:
        """It was taken back."""
        self._database.write(session_id, lambda db: db.execute("DELETE FROM fitted WHERE seq = ?", (replaced.key,)))

    def calibration(self, model: str) -> TokenKinds | None:
        """The factors for a model's estimates, by kind; None where it has never answered."""
        rows = self._database.rows("SELECT words, dense, other FROM calibration WHERE model = ?", (model,))
        return TokenKinds(*rows[0]) if rows else None

    def calibrate(self, session_id: str, model: str, factors: TokenKinds) -> None:
        values = (model, factors.words, factors.dense, factors.other)
        replace = "INSERT OR REPLACE INTO calibration VALUES (?, ?, ?, ?)"
        self._database.write(session_id, lambda db: db.execute(replace, values))

    def _add(self, session_id: str, kind: str, body: str) -> None:
        values = (session_id, kind, self._clock(), body)
        insert = "INSERT INTO fitted (session_id, kind, at, body) VALUES (?, ?, ?, ?)"
        self._database.write(session_id, lambda db: db.execute(insert, values))

    def _rows(self, session_id: str, kind: str) -> list[tuple[int, float, str]]:
        query = "SELECT seq, at, body FROM fitted WHERE session_id = ? AND kind = ? ORDER BY seq"
        return [(key, at, body) for key, at, body in self._database.rows(query, (session_id, kind))]
