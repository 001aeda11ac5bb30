"""Sessions in one SQLite file: every step is written as it happens.

The file is in the user's state folder and readable by the user alone. A commit in write-ahead mode is some tens of
microseconds and waits for no disk, so the calls are plain ones.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from flux.agent.stored_edits import change_from_json, change_to_json, hunks_from_json, hunks_to_json
from flux.core.errors import SessionError, SessionMissing, UnsupportedFormat
from flux.core.messages import Image, Message, Part, Reasoning, Text, ToolCall, ToolResult
from flux.core.snapshot import WorkspacePath
from flux.core.usage import Cost, Usage
from flux.edits.hunks import Hunk
from flux.edits.plan import AppliedChange

FORMAT = 2
"""Kept in the database's `user_version`. A higher number than ours is a newer Flux: its file is not touched."""

_FORMAT_1 = """
CREATE TABLE session (
    id TEXT PRIMARY KEY, created_at REAL NOT NULL, used_at REAL NOT NULL, title TEXT NOT NULL, folder TEXT NOT NULL
) STRICT;
CREATE INDEX session_used ON session (used_at);
CREATE TABLE message (
    session_id TEXT NOT NULL REFERENCES session ON DELETE CASCADE, seq INTEGER PRIMARY KEY, turn_id TEXT NOT NULL,
    at REAL NOT NULL, body TEXT NOT NULL,
    is_live INTEGER NOT NULL,  -- part of what the next request begins with
    is_copy INTEGER NOT NULL   -- made by pruning; the original is another row
) STRICT;
CREATE INDEX message_session ON message (session_id, seq);
CREATE TABLE usage (
    session_id TEXT NOT NULL REFERENCES session ON DELETE CASCADE, seq INTEGER PRIMARY KEY, turn_id TEXT NOT NULL,
    at REAL NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL, input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL, cache_read_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL, cost_usd REAL  -- null: the price is unknown
) STRICT;
CREATE INDEX usage_session ON usage (session_id, seq);
CREATE TABLE change (
    session_id TEXT NOT NULL REFERENCES session ON DELETE CASCADE, seq INTEGER PRIMARY KEY, turn_id TEXT NOT NULL,
    body TEXT NOT NULL, is_undone INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX change_session ON change (session_id, seq);
"""

_FORMAT_2 = """
CREATE TABLE proposal (  -- the hunks of one file that the user has not decided on yet
    session_id TEXT NOT NULL REFERENCES session ON DELETE CASCADE, seq INTEGER PRIMARY KEY, turn_id TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX proposal_session ON proposal (session_id, seq);
CREATE TABLE note (  -- what the model is told with the next message
    session_id TEXT NOT NULL REFERENCES session ON DELETE CASCADE, seq INTEGER PRIMARY KEY, text TEXT NOT NULL
) STRICT;
CREATE INDEX note_session ON note (session_id, seq);
"""

_STEPS = (_FORMAT_1, _FORMAT_2)
"""What makes each format of the one before; tables are only ever added, so an older process may go on beside us."""
_TABLES = ("message", "usage", "change", "proposal", "note")


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A line of the list of sessions. Times are seconds since 1970."""

    id: str
    title: str
    folder: str
    created_at: float
    used_at: float


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is still to be decided of one file in one turn. `key` is the store's own name for it."""

    key: int
    session_id: str
    turn_id: str
    hunks: tuple[Hunk, ...]


class SessionStore:
    """One connection to the database. `path` None keeps everything in memory (for `--no-store` and tests)."""

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._path = path
        self._failure = ""
        self._written: set[str] = set()
        if path is not None:
            _make_private(path)
        self._db = _connect(path)
        self._prepare(path)

    def _prepare(self, path: Path | None) -> None:
        version = self._format()
        if version > FORMAT:
            self.close()
            raise UnsupportedFormat(
                f"{path} was written by a newer Flux (format {version}, this one knows {FORMAT}).",
                hint="Update Flux. The file was left unchanged.",
            )
        if version < FORMAT:
            with self._transaction():
                _make_tables(self._db, self._format())  # another process may have been quicker

    def close(self) -> None:
        self._db.close()

    def _format(self) -> int:
        return self._db.execute("PRAGMA user_version").fetchone()[0]

    def take_failure(self) -> str:
        """Why nothing is kept on disk any more, in words for the user: once, and empty where all is well."""
        failure, self._failure = self._failure, ""
        return failure

    def create(self, session_id: str, folder: str) -> None:
        now = self._clock()
        values = (session_id, now, now, _storable(folder))
        self._write(session_id, lambda: self._db.execute("INSERT INTO session VALUES (?, ?, ?, '', ?)", values))

    def find(self, session_id: str) -> StoredSession:
        """The session of that id, or the only one whose id begins so. Raises SessionMissing."""
        rows = self._rows(f"{_SESSIONS} WHERE substr(id, 1, ?) = ? LIMIT 2", (len(session_id), session_id))
        if not session_id or len(rows) != 1:
            what = "is not unique" if rows and session_id else "is not there"
            raise SessionMissing(f"The session {session_id!r} {what}.", hint="`flux sessions` lists them.")
        return StoredSession(*rows[0])

    def newest(self, folder: str) -> StoredSession:
        """The session last used in a folder. Raises SessionMissing."""
        rows = self._rows(
            f"{_SESSIONS} WHERE folder = ? AND title != '' ORDER BY used_at DESC LIMIT 1", (_storable(folder),)
        )
        if not rows:
            raise SessionMissing(f"There is no earlier session in {folder}.", hint="Begin one without --continue.")
        return StoredSession(*rows[0])

    def sessions(self, limit: int = 100) -> Sequence[StoredSession]:
        """The sessions in which something was said, last used first."""
        rows = self._rows(f"{_SESSIONS} WHERE title != '' ORDER BY used_at DESC LIMIT ?", (limit,))
        return [StoredSession(*row) for row in rows]

    def add_message(self, session_id: str, turn_id: str, message: Message) -> None:
        title = message.parts[-1].text if message.role == "user" and isinstance(message.parts[-1], Text) else ""

        def write() -> None:
            self._add_message(session_id, turn_id, message, is_copy=False)
            self._db.execute(
                "UPDATE session SET used_at = ?, title = iif(title = '', ?, title) WHERE id = ?",
                (self._clock(), _title(title), session_id),
            )

        self._write(session_id, write)

    def _add_message(self, session_id: str, turn_id: str, message: Message, *, is_copy: bool) -> None:
        body = json.dumps(message_to_json(message))
        self._db.execute(
            "INSERT INTO message (session_id, turn_id, at, body, is_live, is_copy) VALUES (?, ?, ?, ?, 1, ?)",
            (session_id, turn_id, self._clock(), body, is_copy),
        )

    def replace_live(self, session_id: str, messages: Sequence[Message]) -> None:
        """What the next request begins with; the history stays whole."""

        def write() -> None:
            self._db.execute("DELETE FROM message WHERE session_id = ? AND is_copy", (session_id,))
            self._db.execute("UPDATE message SET is_live = 0 WHERE session_id = ?", (session_id,))
            for message in messages:
                self._add_message(session_id, "", message, is_copy=True)

        self._write(session_id, write)

    def live_messages(self, session_id: str) -> Sequence[Message]:
        """What the next request begins with."""
        query = "SELECT body FROM message WHERE session_id = ? AND is_live ORDER BY seq"
        return [message_from_json(json.loads(row[0])) for row in self._rows(query, (session_id,))]

    def history(self, session_id: str) -> Sequence[Message]:
        """All that was said, also what pruning took out."""
        query = "SELECT body FROM message WHERE session_id = ? AND NOT is_copy ORDER BY seq"
        return [message_from_json(json.loads(row[0])) for row in self._rows(query, (session_id,))]

    def add_usage(self, session_id: str, turn_id: str, provider: str, model: str, usage: Usage, cost: Cost) -> None:
        insert = (
            "INSERT INTO usage (session_id, turn_id, at, provider, model, input_tokens, output_tokens,"
            " cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_usd) VALUES (?,?,?,?,?,?,?,?,?,?,?)"
        )
        values = (
            session_id,
            turn_id,
            self._clock(),
            provider,
            model,
            usage.input_tokens,
            usage.output_tokens,
            usage.cache_read_tokens,
            usage.cache_write_tokens,
            usage.reasoning_tokens,
            cost.usd if cost.is_complete else None,
        )
        self._write(session_id, lambda: self._db.execute(insert, values))

    def usage(self, session_id: str) -> tuple[Usage, Cost]:
        """What the session used so far."""
        row = self._one(
            "SELECT coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0),"
            " coalesce(sum(cache_read_tokens), 0), coalesce(sum(cache_write_tokens), 0),"
            " coalesce(sum(reasoning_tokens), 0), coalesce(sum(cost_usd), 0), count(*) = count(cost_usd)"
            " FROM usage WHERE session_id = ?",
            (session_id,),
        )
        return Usage(*row[:5]), Cost(row[5], bool(row[6]))

    def add_changes(self, session_id: str, turn_id: str, changes: Sequence[AppliedChange]) -> None:
        insert = "INSERT INTO change (session_id, turn_id, body) VALUES (?, ?, ?)"
        rows = [(session_id, turn_id, json.dumps(change_to_json(change))) for change in changes]
        self._write(session_id, lambda: self._db.executemany(insert, rows))

    def changes(self, session_id: str, turn_id: str = "") -> tuple[str, Sequence[AppliedChange]]:
        """The changes of a turn that were not taken back, in order; of the last such turn where none is named.

        Returns the turn's id too, empty where there is nothing to take back.
        """
        rows = self._rows(
            "SELECT turn_id, body FROM change WHERE session_id = ? AND NOT is_undone AND ? IN ('', turn_id)"
            " ORDER BY seq",
            (session_id, turn_id),
        )
        if not rows:
            return "", []
        last = rows[-1][0]
        return last, [change_from_json(json.loads(body)) for turn, body in rows if turn == last]

    def mark_undone(self, session_id: str, turn_id: str) -> None:
        update = "UPDATE change SET is_undone = 1 WHERE session_id = ? AND turn_id = ?"
        self._write(session_id, lambda: self._db.execute(update, (session_id, turn_id)))

    def add_proposal(self, session_id: str, turn_id: str, hunks: Sequence[Hunk]) -> None:
        """Keep the hunks until the user has decided on them."""
        files: dict[WorkspacePath, list[Hunk]] = {}
        for hunk in hunks:
            files.setdefault(hunk.path, []).append(hunk)
        insert = "INSERT INTO proposal (session_id, turn_id, body) VALUES (?, ?, ?)"
        rows = [(session_id, turn_id, json.dumps(hunks_to_json(of_file))) for of_file in files.values()]
        self._write(session_id, lambda: self._db.executemany(insert, rows))

    def proposals(self, *, session_id: str = "", folder: str = "") -> Sequence[Proposal]:
        """What waits for a decision, oldest first: of one session, or of all that began in a folder."""
        rows = self._rows(
            "SELECT proposal.seq, session_id, turn_id, body FROM proposal JOIN session ON session.id = session_id"
            " WHERE ? IN ('', session_id) AND ? IN ('', folder) ORDER BY proposal.seq",
            (session_id, _storable(folder)),
        )
        return [Proposal(key, session, turn, hunks_from_json(json.loads(body))) for key, session, turn, body in rows]

    def stamp(self) -> tuple[int, int]:
        """Stays as it is while nothing is written, by us or by another process. Costs some microseconds."""
        return self._one("PRAGMA data_version")[0], self._db.total_changes

    def decide(self, proposal: Proposal, left: Sequence[Hunk]) -> None:
        """Keep only what is left of a proposal."""
        if left:
            values = (json.dumps(hunks_to_json(left)), proposal.key)
            self._write(proposal.session_id, lambda: self._db.execute(_UPDATE_PROPOSAL, values))
        else:
            delete = "DELETE FROM proposal WHERE seq = ?"
            self._write(proposal.session_id, lambda: self._db.execute(delete, (proposal.key,)))

    def add_note(self, session_id: str, text: str) -> None:
        """Tell the model this with the next message; what is noted already is not told twice."""
        insert = (
            "INSERT INTO note (session_id, text) SELECT ?1, ?2"
            " WHERE NOT EXISTS (SELECT 1 FROM note WHERE session_id = ?1 AND text = ?2)"
        )
        self._write(session_id, lambda: self._db.execute(insert, (session_id, _storable(text))))

    def notes(self, session_id: str) -> Sequence[str]:
        """What the model was not told yet."""
        return [row[0] for row in self._rows("SELECT text FROM note WHERE session_id = ? ORDER BY seq", (session_id,))]

    def remove_notes(self, session_id: str, notes: Sequence[str]) -> None:
        """They were told, or are no longer wanted."""
        rows = [(session_id, note) for note in notes]
        delete = "DELETE FROM note WHERE session_id = ? AND text = ?"
        self._write(session_id, lambda: self._db.executemany(delete, rows))

    def _write(self, session_id: str, write: Callable[[], object]) -> None:
        """All of it or nothing. Where the file takes no more (a full disk), everything goes on in memory."""
        try:
            with self._transaction():
                write()
        except sqlite3.Error as e:
            if self._path is None:
                raise
            self._move_to_memory(e)
            with self._transaction():
                write()
        self._written.add(session_id)

    def _move_to_memory(self, cause: sqlite3.Error) -> None:
        """Leave the file as it is, and take along what can be read of the sessions that are at work here."""
        file, self._db = self._db, _connect(None)
        self._failure = f"This session is no longer stored: {self._path}: {cause}"
        self._path = None
        _make_tables(self._db, 0)
        for session_id in self._written:
            for table, key in (("session", "id"), *((name, "session_id") for name in _TABLES)):
                with suppress(sqlite3.Error):
                    for row in file.execute(f"SELECT * FROM {table} WHERE {key} = ?", (session_id,)):
                        self._db.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
            now = self._clock()
            self._db.execute("INSERT OR IGNORE INTO session VALUES (?, ?, ?, '', '')", (session_id, now, now))
        with suppress(sqlite3.Error):
            file.close()

    def _transaction(self) -> sqlite3.Connection:
        self._db.execute("BEGIN IMMEDIATE")
        return self._db  # as a context manager it commits, or rolls back on an exception

    def _rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as e:
            raise SessionError(f"The sessions in {self._path or 'memory'} cannot be read: {e}") from e

    def _one(self, query: str, values: Sequence[object] = ()) -> tuple[Any, ...]:
        return self._rows(query, values)[0]


_UPDATE_PROPOSAL = "UPDATE proposal SET body = ? WHERE seq = ?"
_SESSIONS = "SELECT id, title, folder, created_at, used_at FROM session"


def _connect(path: Path | None) -> sqlite3.Connection:
    db = sqlite3.connect(path or ":memory:", timeout=5.0, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA foreign_keys = ON")
    return db


def _make_tables(db: sqlite3.Connection, format_: int) -> None:
    """Bring a database from a format to ours; 0 is an empty one."""
    for step in _STEPS[format_:]:
        for statement in step.split(";\n"):
            db.execute(statement)
    db.execute(f"PRAGMA user_version = {FORMAT}")


def _title(text: str) -> str:
    return _storable(" ".join(text.split())[:80])


def _storable(text: str) -> str:
    """A name of a file may hold bytes that are no UTF-8, which SQLite does not take."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _make_private(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


_PARTS: Mapping[str, type[Part]] = {
    "text": Text,
    "reasoning": Reasoning,
    "image": Image,
    "tool_call": ToolCall,
    "tool_result": ToolResult,
}
_NAMES = {kind: name for name, kind in _PARTS.items()}


def message_to_json(message: Message) -> dict[str, Any]:
    """The message as a JSON object, for the store and for export."""
    return {"role": message.role, "parts": [{"type": _NAMES[type(part)], **asdict(part)} for part in message.parts]}


def message_from_json(value: dict[str, Any]) -> Message:
    """The inverse of `message_to_json`."""
    parts: list[Part] = []
    for fields in cast("list[dict[str, Any]]", value["parts"]):
        values = dict(fields)
        parts.append(_PARTS[values.pop("type")](**values))
    return Message(value["role"], tuple(parts))
