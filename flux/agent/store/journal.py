"""What was changed in sessions, in the order in which it was, and what became of it since.

Every change is an entry, also one that takes back another (its `parent`). Of an entry is stored what of it stands: all
at first, less when a part is taken back, nothing in the end. Decides nothing; `flux.agent.timeline` does.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flux.agent.store.database import Database
from flux.agent.store.edits import change_from_json, change_to_json
from flux.agent.store.values import message_from_json, said, storable
from flux.core.snapshot import WorkspacePath
from flux.edits.plan import AppliedChange
from flux.workspace.moves import Move, followed


@dataclass(frozen=True, slots=True)
class Entry:
    """A change by its place in the journal. `way` names the undo or return that it belongs to, else it is empty."""

    key: int
    session_id: str
    turn_id: str
    parent: int | None
    way: str
    stands: bool
    """Whether something of it was not taken back."""


@dataclass(frozen=True, slots=True)
class Reversal:
    """What becomes of an entry: the change that takes it back, if there is one, and what of the entry still stands.

    `way` is what that change belongs to.
    """

    entry: Entry
    taken_back: AppliedChange | None
    left: AppliedChange | None
    way: str


@dataclass(frozen=True, slots=True)
class Way:
    """An undo, a redo or a return: all that it takes back, latest first."""

    id: str
    reversals: tuple[Reversal, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A point that the user named. `position` is the last entry before it, `at` seconds since 1970."""

    name: str
    at: float
    position: int


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """A turn that changed something. `position` is the last entry before it; `said` are the user's words."""

    turn_id: str
    session_id: str
    said: str
    at: float
    position: int


class Journal:
    """The changes of the sessions of one database: of one session, or of all that began in a folder."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._going: set[str] = set()

    def entries(self, *, session_id: str = "", folder: str = "") -> Sequence[Entry]:
        """All changes, oldest first, without their texts."""
        rows = self._rows(
            f"SELECT change.seq, session_id, turn_id, parent, way, NOT is_undone {_FROM} ORDER BY change.seq",
            session_id,
            folder,
        )
        return [_entry(row) for row in rows]

    def change(self, entry: Entry) -> AppliedChange:
        """What of the entry stands."""
        (row,) = self._database.rows("SELECT body FROM change WHERE seq = ?", (entry.key,))
        return change_from_json(json.loads(row[0]))

    @contextmanager
    def going(self, way: Way) -> Generator[None]:
        """Store what is about to be done, so that it can be settled if nobody lives to tell of it by `end`."""
        body = json.dumps([[r.entry.key, _json(r.taken_back), _json(r.left), r.way] for r in way.reversals])
        session_id = way.reversals[0].entry.session_id
        values = (session_id, way.id, self._clock(), body)
        insert = "INSERT INTO way (session_id, id, at, body) VALUES (?, ?, ?, ?)"
        self._database.write(session_id, lambda db: db.execute(insert, values))
        self._going.add(way.id)
        try:
            yield
        finally:
            self._going.discard(way.id)

    def left_behind(self, *, session_id: str = "", folder: str = "") -> Sequence[Way]:
        """What was about to be done, and is not going on in this process."""
        query = (
            "SELECT way.id, body FROM way JOIN session ON session.id = session_id"
            " WHERE ? IN ('', session_id) AND ? IN ('', folder) ORDER BY way.seq"
        )
        ways: list[Way] = []
        for id_, body in self._rows(query, session_id, folder):
            reversals = (
                Reversal(entry, _change_or_none(taken_back), _change_or_none(left), way)
                for key, taken_back, left, way in json.loads(body)
                if (entry := self._entry(key)) is not None
            )
            if id_ not in self._going:
                ways.append(Way(id_, tuple(reversals)))
        return ways

    def end(self, way: Way, done: Sequence[Reversal]) -> None:
        """So much of it was done, and the rest was not."""
        session_ids = [reversal.entry.session_id for reversal in way.reversals]

        def write(db: sqlite3.Connection) -> None:
            for reversal in done:
                _write_reversal(db, reversal)
            db.execute("DELETE FROM way WHERE id = ?", (way.id,))

        self._database.write(next(iter(session_ids), ""), write)

    def mark(self, session_id: str, name: str) -> Mark:
        """Name this point; a name of before is moved here."""
        (position,) = self._database.rows("SELECT coalesce(max(seq), 0) FROM change", is_fresh=True)[0]
        mark = Mark(name, self._clock(), position)
        values = (session_id, storable(name), mark.at, mark.position)

        def write(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM checkpoint WHERE session_id = ? AND name = ?", values[:2])
            db.execute("INSERT INTO checkpoint (session_id, name, at, position) VALUES (?, ?, ?, ?)", values)

        self._database.write(session_id, write)
        return mark

    def marks(self, *, session_id: str = "", folder: str = "") -> Sequence[Mark]:
        """The points that the user named, oldest first."""
        query = (
            "SELECT name, at, position FROM checkpoint JOIN session ON session.id = session_id"
            " WHERE ? IN ('', session_id) AND ? IN ('', folder) ORDER BY checkpoint.seq"
        )
        return [Mark(*row) for row in self._rows(query, session_id, folder)]

    def turns(self, *, session_id: str = "", folder: str = "") -> Sequence[StoredTurn]:
        """The turns that changed something, in the order of their first change."""
        rows = self._rows(
            f"SELECT turn_id, session_id, min(change.seq) {_FROM} AND parent IS NULL"
            " GROUP BY session_id, turn_id ORDER BY min(change.seq)",
            session_id,
            folder,
        )
        return [StoredTurn(turn, session, *self._said(session, turn), first - 1) for turn, session, first in rows]

    def follow(self, moves: Sequence[Move], folder: str) -> None:
        """The user moved files: what was done to them in sessions of the folder is to be found at their new places."""

        def write(db: sqlite3.Connection) -> None:
            other: set[WorkspacePath] = set()  # where an older change is of another file, which is gone
            concerned = {
                row[0]: row
                for move in moves
                for row in db.execute(PLACES, (storable(folder), storable(move.old.relative)))
            }
            for key, path, new_path, is_new, is_gone in (concerned[key] for key in sorted(concerned, reverse=True)):
                here, there = (WorkspacePath(**json.loads(each)) for each in (path, new_path or path))
                if not is_gone and there not in other and any(move.of(there) for move in moves):
                    (body,) = db.execute("SELECT body FROM change WHERE seq = ?", (key,)).fetchone()
                    moved = followed(change_from_json(json.loads(body)), moves)
                    db.execute("UPDATE change SET body = ? WHERE seq = ?", (_json(moved), key))
                if is_new or is_gone or here != there:
                    other |= {here, there}

        self._database.write("", write)

    def _said(self, session_id: str, turn_id: str) -> tuple[str, float]:
        query = "SELECT body, at FROM message WHERE session_id = ? AND turn_id = ? AND NOT is_copy ORDER BY seq LIMIT 1"
        rows = self._database.rows(query, (session_id, turn_id))
        return (said(message_from_json(json.loads(rows[0][0]))), rows[0][1]) if rows else ("", 0.0)

    def _entry(self, key: int) -> Entry | None:
        """None where its session was deleted."""
        query = "SELECT seq, session_id, turn_id, parent, way, NOT is_undone FROM change WHERE seq = ?"
        rows = self._database.rows(query, (key,))
        return _entry(rows[0]) if rows else None

    def _rows(self, query: str, session_id: str, folder: str) -> list[tuple[Any, ...]]:
        return self._database.rows(query, (session_id, storable(folder)), is_fresh=True)


def forget_changes(db: sqlite3.Connection, session_id: str) -> None:
    """The session will be deleted, and SQLite gives the numbers of its last changes again: no point or way of another
    session may take new changes for these. Call it in that transaction.
    """
    keys = {key for (key,) in db.execute("SELECT seq FROM change WHERE session_id = ?", (session_id,))}
    left = "(SELECT coalesce(max(seq), 0) FROM change WHERE session_id != ?)"
    db.execute(f"UPDATE checkpoint SET position = min(position, {left})", (session_id,))
    for id_, body in db.execute("SELECT id, body FROM way").fetchall():
        reversals = json.loads(body)
        others = [reversal for reversal in reversals if reversal[0] not in keys]
        if others != reversals:
            db.execute("UPDATE way SET body = ? WHERE id = ?", (json.dumps(others), id_))
        if not others:
            db.execute("DELETE FROM way WHERE id = ?", (id_,))


_FROM = "FROM change JOIN session ON session.id = session_id WHERE ? IN ('', session_id) AND ? IN ('', folder)"


PLACES = """
WITH concerned AS (
    SELECT seq FROM change WHERE json_extract(body, '$.path.relative') = ?2
    UNION SELECT seq FROM change
        WHERE json_extract(body, '$.path.relative') > ?2 || '/'
        AND json_extract(body, '$.path.relative') < ?2 || '0'
    UNION SELECT seq FROM change WHERE json_extract(body, '$.after.path.relative') = ?2
    UNION SELECT seq FROM change
        WHERE json_extract(body, '$.after.path.relative') > ?2 || '/'
        AND json_extract(body, '$.after.path.relative') < ?2 || '0'
)
SELECT change.seq, json_extract(body, '$.path'), json_extract(body, '$.after.path'),
    json_type(body, '$.before') = 'null', json_type(body, '$.after') = 'null'
FROM concerned JOIN change ON change.seq = concerned.seq JOIN session ON session.id = session_id WHERE folder = ?1
"""
"""Where each change of a path, or of what is below it (`0` comes behind `/`), was: by index, as texts are long."""


def _entry(row: tuple[Any, ...]) -> Entry:
    key, session_id, turn_id, parent, way, stands = row
    return Entry(key, session_id, turn_id, parent, way, bool(stands))


def _write_reversal(db: sqlite3.Connection, reversal: Reversal) -> None:
    entry, left = reversal.entry, reversal.left
    if left is None:
        db.execute("UPDATE change SET is_undone = 1 WHERE seq = ?", (entry.key,))
    else:
        db.execute("UPDATE change SET body = ? WHERE seq = ?", (_json(left), entry.key))
    if reversal.taken_back is not None:
        db.execute(
            "INSERT INTO change (session_id, turn_id, body, parent, way) VALUES (?, ?, ?, ?, ?)",
            (entry.session_id, entry.turn_id, _json(reversal.taken_back), entry.key, reversal.way),
        )


def _json(change: AppliedChange | None) -> str:
    return json.dumps(change_to_json(change) if change else None)


def _change_or_none(text: str) -> AppliedChange | None:
    value = json.loads(text)
    return change_from_json(value) if value else None
