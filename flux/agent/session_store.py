"""Sessions in one SQLite file: every step is written as it happens.

The file is in the user's state folder and readable by the user alone. What is done where it fails is in
`flux.agent.store.database`; what is not finished yet is in `SessionStore.in_flight`.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from flux.agent.store.answers import ANSWERS_SIZE, StoredAnswers
from flux.agent.store.circuits import ToldCircuits
from flux.agent.store.database import Database
from flux.agent.store.edits import hunks_from_json, hunks_to_json
from flux.agent.store.exchanges import Exchanges
from flux.agent.store.fitted import Fitted
from flux.agent.store.holder import HOLDER_QUERY, Holder, HolderFile, living_holder
from flux.agent.store.in_flight import InFlight, forget_unfinished, insert_changes
from flux.agent.store.journal import Journal, forget_changes
from flux.agent.store.ledger import Ledger, keep_spent
from flux.agent.store.search import forget_searched
from flux.agent.store.values import (
    digest,
    message_from_json,
    message_to_json,
    said,
    storable,
    tools_from_json,
    tools_to_json,
)
from flux.core.errors import SessionHeld, SessionMissing
from flux.core.messages import Message, ToolSpec
from flux.core.snapshot import WorkspacePath
from flux.edits.hunks import Hunk
from flux.edits.plan import AppliedChange


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A line of the list of sessions. Times are seconds since 1970."""

    id: str
    title: str
    folder: str
    created_at: float
    used_at: float


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message and what is known of it. `at` is seconds since 1970; `is_interrupted`: it was cut short."""

    message: Message
    turn_id: str
    at: float
    is_interrupted: bool


@dataclass(frozen=True, slots=True)
class Preface:
    """What stands before every conversation, frozen for the session: requests must share their prefix for ever."""

    system: str
    tools: tuple[ToolSpec, ...]


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is still to be decided of one file in one turn. `key` is the store's own name for it."""

    key: int
    session_id: str
    turn_id: str
    hunks: tuple[Hunk, ...]


class SessionStore:
    """One connection to the database. `path` None keeps everything in memory (for `--no-store` and tests).

    `door` is how this process is named to another one that wants the same session. Raises OSError, sqlite3.Error and
    UnsupportedFormat where the file cannot be used.
    """

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.time, *, door: str = "Flux") -> None:
        self._clock = clock
        self.folder = path.parent if path else None
        """Where Flux keeps things of its own; None where all is in memory."""
        self._holders = path.parent / "holders" if path else None
        self._holder = HolderFile(self._holders, door)
        try:
            self._database = Database(path, self._holder.others_live)
        except BaseException:
            self._holder.close()
            raise
        self._held: set[str] = set()
        self._left: set[str] = set()
        self._proposals_written = 0
        self.in_flight = InFlight(self._database, clock)
        self.journal = Journal(self._database, clock)
        self.ledger = Ledger(self._database, clock)
        self.fitted = Fitted(self._database, clock)
        self.exchanges = Exchanges(self._database, clock)
        self.circuits = ToldCircuits(self._database, self._holder, clock)

    @property
    def path(self) -> Path | None:
        """The file, None where everything is in memory, also since the file failed."""
        return self._database.path

    def close(self) -> None:
        """Let go of all sessions and of the file. May be called twice."""
        self.exchanges.store_left()
        self.circuits.tell(())
        if self._held:
            self._database.write("", self._holder.release)
            self._held.clear()
        self._database.close()
        self._holder.close()
        self._holder.others_live()  # removes what killed processes left

    def take_notice(self) -> str:
        """What the user must be told of the file (damaged, full), in words: once, and empty where all is well."""
        return self._database.take_notice()

    def chat_file(self, session_id: str) -> Path | None:
        """Where a session is shown as a document, which is gone with it; None where all is in memory."""
        return self.folder / "chats" / f"{session_id}.md" if self.folder else None

    async def settle(self) -> None:
        """Wait until all is stored that was written; that is so at once unless another process locks the file."""
        await self._database.settle()

    async def mended(self) -> None:
        """Wait until the file is mended, where it was found damaged."""
        await self._database.mended()

    def answers(self, max_mb: int, max_days: float) -> StoredAnswers | None:
        """Answers kept for equal requests, so many megabytes for so many days; None where it is none."""
        return StoredAnswers(self._database, self._clock, max_mb << 20, max_days) if max_mb else None

    def answers_kept(self) -> tuple[int, int]:
        """(how many answers are kept, their bytes)."""
        return self._database.rows(ANSWERS_SIZE)[0]

    def forget_answers(self) -> None:
        """Let go of all kept answers."""
        self._database.write("", lambda db: db.execute("DELETE FROM answer"))

    # Sessions

    def create(self, session_id: str, folder: str) -> None:
        """A new session, held by this process."""
        now = self._clock()
        values = (session_id, now, now, storable(folder))

        def write(db: sqlite3.Connection) -> None:
            db.execute("INSERT INTO session VALUES (?, ?, ?, '', ?)", values)
            self._holder.take(db, session_id, now)

        self._database.write(session_id, write)
        self._held.add(session_id)

    def fork(self, session_id: str, new_id: str, turn_id: str = "") -> None:
        """A new session, held by this process, that begins with what was said in another one before that turn.

        Without a turn with all of it. The bytes that were sent go along. Raises SessionMissing where the turn is not
        there.
        """
        before = _LAST
        if turn_id:
            first = "SELECT seq, at, is_live FROM message WHERE session_id = ? AND turn_id = ? AND NOT is_copy LIMIT 1"
            rows = self._database.rows(first, (session_id, turn_id))
            if not rows:
                raise SessionMissing(f"The session {session_id!r} has no turn {turn_id!r}.")
            before = rows[0]
        seq, at, was_live = before
        # Where what stood before it was rewritten since, it is as it was said.
        query = (
            "SELECT turn_id, at, body, iif(?, is_live, 1), is_copy, is_interrupted FROM message"
            " WHERE session_id = ? AND seq < ? AND (? OR NOT is_copy) ORDER BY seq"
        )
        messages = self._database.rows(query, (was_live, session_id, seq, was_live))
        live = [message_from_json(json.loads(body)) for _, _, body, is_live, *_ in messages if is_live]
        sent = [(new_id, wire, digest(one), body) for (wire, one), body in self.sent(session_id, live).items()]
        now = self._clock()

        def write(db: sqlite3.Connection) -> None:
            made = "INSERT INTO session SELECT ?, ?, ?, '', folder FROM session WHERE id = ?"
            db.execute(made, (new_id, now, now, session_id))
            self._holder.take(db, new_id, now)
            db.executemany(
                "INSERT INTO message (session_id, turn_id, at, body, is_live, is_copy, is_interrupted)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(new_id, *row) for row in messages],
            )
            db.executemany("INSERT INTO sent (session_id, wire, digest, body) VALUES (?, ?, ?, ?)", sent)
            preface = "INSERT INTO preface SELECT ?, system, tools FROM preface WHERE session_id = ?"
            db.execute(preface, (new_id, session_id))
            fitted = (
                "INSERT INTO fitted (session_id, kind, at, body)"
                " SELECT ?, kind, at, body FROM fitted WHERE session_id = ? AND at < ? ORDER BY seq"
            )
            db.execute(fitted, (new_id, session_id, at))

        self._database.write(new_id, write)
        self._held.add(new_id)

    def hold(self, session_id: str) -> bool:
        """Make this process the only one that may go on with the session.

        Returns whether another process had it before, which may have been killed, until `mark_whole` is called. Raises
        SessionHeld, naming the holder, where another process that lives has the session open, and SessionMissing where
        one has deleted it.
        """
        if session_id in self._held:
            return session_id in self._left
        self._database.write(session_id, lambda db: self._holder.take(db, session_id, self._clock()))
        holder = self.holder(session_id)
        if holder is not None:
            raise SessionHeld(
                f"This session is open in {holder}.", hint="It can be read here. Close it there to go on with it here."
            )
        if not self._database.rows("SELECT 1 FROM session WHERE id = ?", (session_id,)):
            raise SessionMissing("This session was deleted.", hint="Begin a new one.")
        self._held.add(session_id)
        self._left.add(session_id)
        return True

    def mark_whole(self, session_id: str) -> None:
        """Nothing is left of what another process was doing."""
        self._left.discard(session_id)

    @contextmanager
    def holding(self, session_id: str) -> Generator[None]:
        """Hold the session for a while, or go on holding it. Raises SessionHeld."""
        was_held = session_id in self._held
        self.hold(session_id)
        try:
            yield
        finally:
            if not was_held:
                self.release(session_id)

    def release(self, session_id: str) -> None:
        """Let other processes go on with the session."""
        if session_id in self._held:
            self._held.discard(session_id)
            self._left.discard(session_id)
            self._database.write(session_id, lambda db: self._holder.release(db, session_id))

    def holder(self, session_id: str) -> Holder | None:
        """The other process that has the session open, None where there is none."""
        rows = self._database.rows(HOLDER_QUERY, (session_id, self._holder.token), is_fresh=True)
        return living_holder(rows, self._holders)

    def find(self, session_id: str) -> StoredSession:
        """The session of that id, or the only one whose id begins so. Raises SessionMissing."""
        values = (len(session_id), storable(session_id))
        rows = self._database.rows(f"{_SESSIONS} WHERE substr(id, 1, ?) = ? LIMIT 2", values)
        if not session_id or len(rows) != 1:
            what = "is not unique" if rows and session_id else "is not there"
            raise SessionMissing(f"The session {session_id!r} {what}.", hint="`flux sessions` lists them.")
        return StoredSession(*rows[0])

    def newest(self, folder: str) -> StoredSession:
        """The session last used in a folder. Raises SessionMissing."""
        rows = self._database.rows(
            f"{_SESSIONS} WHERE folder = ? AND title != '' ORDER BY used_at DESC LIMIT 1", (storable(folder),)
        )
        if not rows:
            raise SessionMissing(f"There is no earlier session in {folder}.", hint="Begin one without --continue.")
        return StoredSession(*rows[0])

    def sessions(self, limit: int = 100) -> Sequence[StoredSession]:
        """The sessions in which something was said, last used first."""
        rows = self._database.rows(f"{_SESSIONS} WHERE title != '' ORDER BY used_at DESC LIMIT ?", (limit,))
        return [StoredSession(*row) for row in rows]

    def rename(self, session_id: str, title: str) -> None:
        update = "UPDATE session SET title = ? WHERE id = ?"
        self._database.write(session_id, lambda db: db.execute(update, (_title(title), session_id)))

    def delete(self, session_id: str) -> None:
        """Remove a session and all that belongs to it. Raises SessionHeld where another process has it open."""
        self.hold(session_id)

        def write(db: sqlite3.Connection) -> None:
            forget_searched(db, session_id)
            keep_spent(db, session_id)
            forget_changes(db, session_id)
            db.execute("DELETE FROM session WHERE id = ?", (session_id,))

        self._database.write("", write)
        self._proposals_written += 1
        self._held.discard(session_id)
        if chat := self.chat_file(session_id):
            with suppress(OSError):
                chat.unlink(missing_ok=True)

    # Messages

    def add_message(self, session_id: str, turn_id: str, message: Message, *, is_interrupted: bool = False) -> None:
        """The next message; what was stored of it while it came is forgotten."""
        title = _title(said(message)) if message.role == "user" else ""

        def write(db: sqlite3.Connection) -> None:
            self._insert_message(db, session_id, turn_id, message, is_interrupted=is_interrupted)
            # Other words of the user's may wait for a turn of their own.
            forget_unfinished(db, session_id, message.role, turn_id if message.role == "user" else "")
            db.execute(
                "UPDATE session SET used_at = ?, title = iif(title = '', ?, title) WHERE id = ?",
                (self._clock(), title, session_id),
            )

        self._database.write(session_id, write)

    def _insert_message(
        self,
        db: sqlite3.Connection,
        session_id: str,
        turn_id: str,
        message: Message,
        *,
        is_copy: bool = False,
        is_interrupted: bool = False,
    ) -> None:
        body = json.dumps(message_to_json(message))
        db.execute(
            "INSERT INTO message (session_id, turn_id, at, body, is_live, is_copy, is_interrupted)"
            " VALUES (?, ?, ?, ?, 1, ?, ?)",
            (session_id, turn_id, self._clock(), body, is_copy, is_interrupted),
        )

    def forget_answer(self, session_id: str) -> None:
        """Nothing came of the answer that was in flight."""
        self._database.write(session_id, lambda db: forget_unfinished(db, session_id, "assistant"))

    def forget_results(self, session_id: str) -> None:
        """Nobody waits for the calls of the last answer any more."""
        self._database.write(session_id, lambda db: forget_unfinished(db, session_id, "tool"))

    def replace_live(self, session_id: str, messages: Sequence[Message]) -> None:
        """What the next request begins with; the history stays whole."""

        def write(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM message WHERE session_id = ? AND is_copy", (session_id,))
            db.execute("UPDATE message SET is_live = 0 WHERE session_id = ?", (session_id,))
            for message in messages:
                self._insert_message(db, session_id, "", message, is_copy=True)

        self._database.write(session_id, write)

    def live_messages(self, session_id: str) -> Sequence[Message]:
        """What the next request begins with."""
        query = "SELECT body FROM message WHERE session_id = ? AND is_live ORDER BY seq"
        return [message_from_json(json.loads(row[0])) for row in self._database.rows(query, (session_id,))]

    def messages(self, session_id: str) -> Sequence[StoredMessage]:
        """All that was said, also what pruning took out."""
        query = (
            "SELECT body, turn_id, at, is_interrupted FROM message WHERE session_id = ? AND NOT is_copy ORDER BY seq"
        )
        return [
            StoredMessage(message_from_json(json.loads(body)), turn_id, at, bool(is_interrupted))
            for body, turn_id, at, is_interrupted in self._database.rows(query, (session_id,))
        ]

    def history(self, session_id: str) -> Sequence[Message]:
        """The messages alone."""
        return [stored.message for stored in self.messages(session_id)]

    def preface(self, session_id: str) -> Preface | None:
        """What stands before the conversation, None where it was not stored yet."""
        rows = self._database.rows("SELECT system, tools FROM preface WHERE session_id = ?", (session_id,))
        return Preface(rows[0][0], tools_from_json(rows[0][1])) if rows else None

    def add_preface(self, session_id: str, preface: Preface) -> None:
        values = (session_id, storable(preface.system), tools_to_json(preface.tools))
        self._database.write(
            session_id, lambda db: db.execute("INSERT OR REPLACE INTO preface VALUES (?, ?, ?)", values)
        )

    def add_sent(self, session_id: str, wire: str, message: Message, body: bytes) -> None:
        """Keep the bytes of a message as they go out."""
        values = (session_id, wire, digest(message), body)
        insert = "INSERT INTO sent (session_id, wire, digest, body) VALUES (?, ?, ?, ?)"
        self._database.write(session_id, lambda db: db.execute(insert, values))

    def sent(self, session_id: str, messages: Sequence[Message]) -> dict[tuple[str, Message], bytes]:
        """The bytes of these messages as they went out, by wire format and message."""
        by_digest = {digest(message): message for message in messages}
        rows = self._database.rows("SELECT wire, digest, body FROM sent WHERE session_id = ?", (session_id,))
        return {(wire, by_digest[key]): body for wire, key, body in rows if key in by_digest}

    # Changes

    def add_changes(self, session_id: str, turn_id: str, changes: Sequence[AppliedChange]) -> None:
        self._database.write(session_id, lambda db: insert_changes(db, session_id, turn_id, changes))

    # Proposals

    def add_proposal(self, session_id: str, turn_id: str, hunks: Sequence[Hunk], *, is_draft: bool = False) -> None:
        """Keep the hunks of a turn until the user has decided on them, in place of the drafts of it.

        A draft is what a turn that still runs would propose: nobody decides on it.
        """
        files: dict[WorkspacePath, list[Hunk]] = {}
        for hunk in hunks:
            files.setdefault(hunk.path, []).append(hunk)
        insert = "INSERT INTO proposal (session_id, turn_id, body, is_draft) VALUES (?, ?, ?, ?)"
        rows = [(session_id, turn_id, json.dumps(hunks_to_json(of_file)), is_draft) for of_file in files.values()]

        def write(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM proposal WHERE session_id = ? AND is_draft", (session_id,))
            db.executemany(insert, rows)

        self._database.write(session_id, write)
        self._proposals_written += not is_draft

    def end_drafts(self, session_id: str) -> None:
        """The turn ended without its last word: what it would have proposed is for the user to decide on."""
        update = "UPDATE proposal SET is_draft = 0 WHERE session_id = ?"
        self._database.write(session_id, lambda db: db.execute(update, (session_id,)))
        self._proposals_written += 1

    def proposals(self, *, session_id: str = "", folder: str = "") -> Sequence[Proposal]:
        """What waits for a decision, oldest first: of one session, or of all that began in a folder."""
        rows = self._database.rows(
            "SELECT proposal.seq, session_id, turn_id, body FROM proposal JOIN session ON session.id = session_id"
            " WHERE NOT is_draft AND ? IN ('', session_id) AND ? IN ('', folder) ORDER BY proposal.seq",
            (session_id, storable(folder)),
            is_fresh=True,
        )
        return [Proposal(key, session, turn, hunks_from_json(json.loads(body))) for key, session, turn, body in rows]

    def proposals_stamp(self) -> tuple[int, ...]:
        """Another one whenever `proposals` may be: after what is written of them here, and anything by other processes.

        Costs some microseconds.
        """
        return self._proposals_written, *self._database.others_stamp()

    def decide(self, proposal: Proposal, left: Sequence[Hunk]) -> None:
        """Keep only what is left of a proposal."""
        if left:
            query, values = (
                "UPDATE proposal SET body = ? WHERE seq = ?",
                (json.dumps(hunks_to_json(left)), proposal.key),
            )
        else:
            query, values = "DELETE FROM proposal WHERE seq = ?", (proposal.key,)
        self._database.write(proposal.session_id, lambda db: db.execute(query, values))
        self._proposals_written += 1

    # Notes

    def add_note(self, session_id: str, text: str) -> None:
        """Tell the model this with the next message; what is noted already is not told twice."""
        insert = (
            "INSERT INTO note (session_id, text) SELECT ?1, ?2"
            " WHERE NOT EXISTS (SELECT 1 FROM note WHERE session_id = ?1 AND text = ?2)"
        )
        self._database.write(session_id, lambda db: db.execute(insert, (session_id, storable(text))))

    def notes(self, session_id: str) -> Sequence[str]:
        """What the model was not told yet."""
        rows = self._database.rows("SELECT text FROM note WHERE session_id = ? ORDER BY seq", (session_id,))
        return [row[0] for row in rows]

    def remove_notes(self, session_id: str, notes: Sequence[str]) -> None:
        """They were told, or are no longer wanted."""
        rows = [(session_id, note) for note in notes]
        delete = "DELETE FROM note WHERE session_id = ? AND text = ?"
        self._database.write(session_id, lambda db: db.executemany(delete, rows))


_LAST = (1 << 62, float("inf"), True)
"""Behind all messages: place, time, and whether what stands before is what the next request begins with."""

_SESSIONS = "SELECT id, title, folder, created_at, used_at FROM session"


def _title(text: str) -> str:
    return storable(" ".join(text.split())[:80])
