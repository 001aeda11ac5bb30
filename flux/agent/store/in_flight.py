"""What is not finished yet: an answer that streams, results of single calls, changes that are about to be made.

It is stored as it happens, so that a process that is killed leaves behind where it was; `flux.agent.recovery` makes
sense of it afterwards.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace

from flux.agent.store.database import Database
from flux.agent.store.edits import change_from_json, change_to_json
from flux.agent.store.values import deltas_from_json, deltas_to_json, storable
from flux.core.errors import FluxError, SessionError
from flux.core.messages import ToolResult
from flux.core.snapshot import FileSnapshot
from flux.core.usage import Price
from flux.edits.plan import AppliedChange, AppliedPlan, CreateFile, DeleteFile, EditFile, EditPlan, FileChange
from flux.llm.base_provider import Delta

Apply = Callable[[EditPlan], Awaitable[AppliedPlan]]
"""Makes a plan, all of it or nothing, as `Workspace.apply`."""

_TABLES = {"user": "asked", "assistant": "delta", "tool": "result"}
"""What becomes a message of a role."""


@dataclass(frozen=True, slots=True)
class Streamed:
    """What came of an answer that was not finished. `price` is that of its request, None: unknown."""

    turn_id: str
    provider: str
    model: str
    price: Price | None
    deltas: tuple[Delta, ...]


@dataclass(frozen=True, slots=True)
class Intent:
    """Changes that were about to be made for some calls: each as it would be if it was made, with the text before."""

    id: str
    turn_id: str
    call_ids: tuple[str, ...]
    changes: tuple[AppliedChange, ...]


class InFlight:
    """The unfinished parts of the sessions of one database."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def add_asked(self, session_id: str, turn_id: str, text: str) -> None:
        """What the user said, before it is known what goes along with it."""
        insert = "INSERT INTO asked (session_id, turn_id, body) VALUES (?, ?, ?)"
        values = (session_id, turn_id, storable(text))
        self._database.write(session_id, lambda db: db.execute(insert, values))

    def asked(self, session_id: str) -> Sequence[tuple[str, str]]:
        """(turn, words) of what the user said that did not become a message."""
        rows = self._rows("SELECT turn_id, body FROM asked WHERE session_id = ? ORDER BY seq", session_id)
        return [(turn_id, text) for turn_id, text in rows]

    def forget_asked(self, session_id: str, turn_id: str) -> None:
        """What was said in that turn was not sent, and the user knows."""
        delete = "DELETE FROM asked WHERE session_id = ? AND turn_id = ?"
        self._database.write(session_id, lambda db: db.execute(delete, (session_id, turn_id)))

    def begin_answer(self, session_id: str, turn_id: str, provider: str, model: str, price: Price | None) -> AnswerLog:
        """Where the deltas of an answer are put while it streams. `price` None: unknown."""
        begin = ["from", provider, model, asdict(price) if price else None]
        return AnswerLog(self._database, session_id, turn_id, [begin])

    def answer(self, session_id: str) -> Streamed | None:
        """What came of an answer that did not become a message."""
        rows = self._rows("SELECT turn_id, body FROM delta WHERE session_id = ? ORDER BY seq", session_id)
        if not rows:
            return None
        (_, provider, model, *prices), *pieces = [piece for _, body in rows for piece in json.loads(body)]
        price = next((Price(**price) for price in prices if price), None)  # earlier versions stored none
        return Streamed(rows[0][0], provider, model, price, tuple(deltas_from_json(pieces)))

    def add_result(self, session_id: str, turn_id: str, result: ToolResult) -> None:
        insert = "INSERT INTO result (session_id, turn_id, body) VALUES (?, ?, ?)"
        values = (session_id, turn_id, json.dumps(asdict(result)))
        self._database.write(session_id, lambda db: db.execute(insert, values))

    def results(self, session_id: str) -> dict[str, ToolResult]:
        """Results that did not become a message, by call."""
        rows = self._rows("SELECT body FROM result WHERE session_id = ? ORDER BY seq", session_id)
        results = (ToolResult(**json.loads(row[0])) for row in rows)
        return {result.call_id: result for result in results}

    async def carry_out(
        self, session_id: str, turn_id: str, call_ids: Sequence[str], plan: EditPlan, apply: Apply
    ) -> AppliedPlan:
        """What `apply` made of the plan, for some calls.

        What is about to be changed is stored before, and what came of it behind it: the way back must not depend on
        what happens meanwhile. Raises what `apply` does, and SessionError where nothing could be stored, so that
        nothing was changed.
        """
        intent = self.add_intent(session_id, turn_id, call_ids, plan)
        await self._database.settle()
        if not self._rows("SELECT 1 FROM intent WHERE id = ?", intent):
            raise SessionError("The way back could not be stored. Nothing was changed.", hint="Begin a new session.")
        try:
            applied = await apply(plan)
        except FluxError:
            self.settle_intent(session_id, intent, turn_id, ())
            raise
        except Exception:  # whatever it was, some of it may have been made
            self.settle_intent(session_id, intent, turn_id, (), is_certain=False)
            raise
        self.settle_intent(session_id, intent, turn_id, applied.changes)
        return applied

    def add_intent(self, session_id: str, turn_id: str, call_ids: Sequence[str], plan: EditPlan) -> str:
        """Store what is about to be changed, with the text before; the id of it."""
        id_ = uuid.uuid4().hex
        body = json.dumps([list(call_ids), [change_to_json(_intended(change)) for change in plan.changes]])
        insert = "INSERT INTO intent (session_id, turn_id, id, at, body) VALUES (?, ?, ?, ?, ?)"
        values = (session_id, turn_id, id_, self._clock(), body)
        self._database.write(session_id, lambda db: db.execute(insert, values))
        return id_

    def settle_intent(
        self, session_id: str, intent_id: str, turn_id: str, made: Sequence[AppliedChange], *, is_certain: bool = True
    ) -> None:
        """These of its changes were made, the others were not; where that is not certain the text before is kept."""

        def write(db: sqlite3.Connection) -> None:
            insert_changes(db, session_id, turn_id, made)
            if is_certain:
                db.execute("DELETE FROM intent WHERE session_id = ? AND id = ?", (session_id, intent_id))
            else:
                db.execute("UPDATE intent SET outcome = 'unknown' WHERE id = ?", (intent_id,))

        self._database.write(session_id, write)

    def intents(self, session_id: str) -> Sequence[Intent]:
        """Changes of which it is not known yet what came of them."""
        query = "SELECT id, turn_id, body FROM intent WHERE session_id = ? AND outcome = '' ORDER BY seq"
        intents: list[Intent] = []
        for id_, turn_id, body in self._rows(query, session_id):
            call_ids, changes = json.loads(body)
            intents.append(Intent(id_, turn_id, tuple(call_ids), tuple(map(change_from_json, changes))))
        return intents

    def sessions_with_intents(self, folder: str) -> Sequence[str]:
        """The sessions that began in a folder and of whose changes it is not known yet what came of them."""
        query = (
            "SELECT DISTINCT session_id FROM intent JOIN session ON session.id = session_id"
            " WHERE folder = ? AND outcome = ''"
        )
        return [row[0] for row in self._rows(query, storable(folder))]

    def _rows(self, query: str, value: str) -> list[tuple[str, ...]]:
        return self._database.rows(query, (value,))


class AnswerLog:
    """The deltas of one answer on their way into the database.

    What arrives in one round of the event loop is stored in one commit, before anything of it is shown.
    """

    def __init__(self, database: Database, session_id: str, turn_id: str, begin: list[object]) -> None:
        self._database = database
        self._session_id = session_id
        self._turn_id = turn_id
        self._pieces = begin
        self._deltas: list[Delta] = []
        self._is_open = True

    def add(self, delta: Delta) -> None:
        if not self._deltas:
            asyncio.get_running_loop().call_soon(self._store)
        self._deltas.append(delta)

    def close(self) -> None:
        """The answer is stored as a message by now."""
        self._is_open = False

    def _store(self) -> None:
        if not self._is_open:
            return
        body = json.dumps([*self._pieces, *deltas_to_json(self._deltas)])
        self._pieces = []
        self._deltas = []
        insert = "INSERT INTO delta (session_id, turn_id, body) VALUES (?, ?, ?)"
        values = (self._session_id, self._turn_id, body)
        self._database.write(self._session_id, lambda db: db.execute(insert, values))


def forget_unfinished(db: sqlite3.Connection, session_id: str, role: str, turn_id: str = "") -> None:
    """It is a message now: what is stored of that turn, or all. Call it in the transaction that stores the message."""
    if role in _TABLES:
        db.execute(f"DELETE FROM {_TABLES[role]} WHERE session_id = ? AND ? IN ('', turn_id)", (session_id, turn_id))


def insert_changes(db: sqlite3.Connection, session_id: str, turn_id: str, changes: Sequence[AppliedChange]) -> None:
    """Record changes as made. Call it in a transaction."""
    insert = "INSERT INTO change (session_id, turn_id, body) VALUES (?, ?, ?)"
    db.executemany(insert, [(session_id, turn_id, json.dumps(change_to_json(change))) for change in changes])


def _intended(change: FileChange) -> AppliedChange:
    """The change as it will be if it is made on the text that it was computed for."""
    if isinstance(change, CreateFile):
        made = FileSnapshot(change.path, change.text, encoding=change.encoding, has_bom=change.has_bom)
        return AppliedChange(change.path, None, made, is_saved=False)
    if isinstance(change, DeleteFile):
        return AppliedChange(change.path, change.snapshot, None, is_saved=False)
    path = change.path if isinstance(change, EditFile) else change.new_path
    return AppliedChange(
        change.path, change.snapshot, replace(change.snapshot, path=path, text=change.new_text()), is_saved=False
    )
