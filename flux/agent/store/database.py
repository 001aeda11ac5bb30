"""One connection to the database of sessions, and what is done where the file fails.

A commit in write-ahead mode is some tens of microseconds and waits for no disk, so the calls are plain ones. Where
another process keeps the file locked, writes wait in order and the caller goes on; where the file takes no more (a full
disk), everything goes on in memory; a damaged file is set aside, and what can be read of it goes into a new one. That
takes seconds where the file is large: another process does it, and under an event loop writes wait in order again. A
write that can never succeed, whatever the file, is left out and told of: it must keep no other from being stored.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

from flux.agent.store.salvage import salvage
from flux.agent.store.schema import FORMAT, TABLES, format_of, migrate
from flux.core.errors import FluxError, SessionError, UnsupportedFormat

logger = logging.getLogger(__name__)

Write = Callable[[sqlite3.Connection], object]
"""Does its work on the connection that it is given: another one after a fault."""

BUSY_MS = 10
"""Milliseconds that a call waits where another process writes: more than a commit takes, too little to be felt."""
RETRY_S = 0.1
LOCK_S = 5.0
"""Seconds after which a file that stays locked is given up, and everything goes on in memory."""

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_UNFIT = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.InterfaceError)
"""What SQLite says of a write that fits no file: one for a session that is gone, a value that it does not take."""


class Database:
    """The file at `path`; in memory where it is None. Raises OSError, sqlite3.Error and UnsupportedFormat.

    `is_shared` says whether another process has the file open: it is not set aside then, however damaged.
    """

    def __init__(self, path: Path | None, is_shared: Callable[[], bool] = lambda: False) -> None:
        self.path = path
        self._is_shared = is_shared
        self._mending: Future[sqlite3.Connection] | None = None
        self._connections = 1
        self._was_whole = False
        """The file was found whole after a fault, and nothing could be written since."""
        self._notices: list[str] = []
        self._waiting: list[tuple[str, Write]] = []
        self._waiting_since = 0.0
        self._retry: asyncio.TimerHandle | None = None
        self._written: set[str] = set()
        if path is not None:
            _make_private(path)
        try:
            self._db = _open(path)
        except sqlite3.DatabaseError as e:
            if path is None or _code(e) not in _DAMAGED:
                raise
            self._db = self._salvaged(path, e)

    def take_notice(self) -> str:
        """What the user must be told of the file, in words: once, and empty where all is well."""
        notices, self._notices = self._notices, []
        return "\n".join(notices)

    def write(self, session_id: str, write: Write) -> None:
        """All of it or nothing, after all that was written before; at once unless the file is locked.

        One that fits no file, such as a part of a session that was deleted, is left out, and a notice says so.
        """
        self._waiting.append((session_id, write))
        if len(self._waiting) == 1:
            self._waiting_since = time.monotonic()
            self._flush()

    def rows(self, query: str, values: Sequence[object] = (), *, is_fresh: bool = False) -> list[tuple[Any, ...]]:
        """What is stored. `is_fresh`: raises where what was written last is not in it yet. Raises SessionError."""
        if self._mending is not None:
            raise SessionError(f"The file of sessions, {self.path}, is being mended.", hint="Try again in a moment.")
        if self._waiting:
            self._flush()
            if self._waiting and is_fresh:
                raise SessionError(f"Another program keeps {self.path} locked.", hint="Try again in a moment.")
        try:
            try:
                return self._db.execute(query, values).fetchall()
            except sqlite3.DatabaseError as e:
                if self.path is None or _code(e) not in _DAMAGED:
                    raise
                self._mend(self.path, e)
        except (sqlite3.Error, UnicodeEncodeError) as e:
            raise SessionError(f"The sessions in {self.path or 'memory'} cannot be read: {e}") from e
        return self.rows(query, values, is_fresh=is_fresh)  # of the mended file, or of what could be taken along

    def others_stamp(self) -> tuple[int, int]:
        """Stays as it is while the file is the same, and no other process writes to it."""
        return self._connections, self.rows("PRAGMA data_version")[0][0]

    async def settle(self) -> None:
        """Wait until all is stored that was written, for some seconds at most."""
        while self._waiting or self._mending is not None:
            await asyncio.sleep(RETRY_S / 2)
            self._flush()

    async def mended(self) -> None:
        """Wait until a damaged file is mended; at once where none is."""
        if self._mending is not None:
            await asyncio.to_thread(wait, [self._mending])
            self._end_mending()

    def close(self) -> None:
        """Store what waits, and let go of the file. May be called twice."""
        self._end_mending()
        while self._waiting:
            self._flush()
            self._end_mending()  # nobody else would, if the fault was only found now
        if self._retry is not None:
            self._retry.cancel()
        self._db.close()

    def _flush(self) -> None:
        """Do what waits. What cannot be done now is tried again, by the event loop where there is one."""
        if self._mending is not None:
            return
        try:
            self._do_waiting()
        except sqlite3.Error as e:
            is_busy = _code(e) in _BUSY and self.path is not None
            if is_busy and time.monotonic() - self._waiting_since < LOCK_S:
                self._retry_soon()
                return
            self._go_on_after(e)

    def _go_on_after(self, fault: sqlite3.Error) -> None:
        """Do what waits on a mended file, else in memory."""
        if self.path is None:
            self._waiting.clear()
            raise fault
        if _code(fault) in _DAMAGED:
            self._mend(self.path, fault)
            self._flush()
            return
        self._move_to_memory(fault)
        try:
            self._do_waiting()
        finally:
            self._waiting.clear()

    def _do_waiting(self) -> None:
        if not self._waiting:
            return
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:  # commits, or rolls back on an exception
            for session_id, write in self._waiting:
                self._do(session_id, write)
        self._written.update(session_id for session_id, _ in self._waiting)
        self._waiting.clear()
        self._was_whole = False

    def _do(self, session_id: str, write: Write) -> None:
        """Do one of several; what only this one is to blame for is undone, and told of instead of raised."""
        self._db.execute("SAVEPOINT one")
        try:
            write(self._db)
        except Exception as e:  # a fence: whatever is wrong with one write, those behind it are not
            if isinstance(e, sqlite3.Error) and not isinstance(e, _UNFIT):
                raise
            self._db.execute("ROLLBACK TO one")
            logger.warning("A write for session %r failed and was left out.", session_id, exc_info=e)
            self._tell(f"A part of the session {session_id} could not be stored: {e}")
        self._db.execute("RELEASE one")

    def _tell(self, notice: str) -> None:
        if notice not in self._notices:
            self._notices.append(notice)

    def _retry_soon(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            time.sleep(RETRY_S)  # nobody else is kept waiting
            self._flush()
            return
        if self._retry is None or self._retry.when() <= loop.time():
            self._retry = loop.call_later(RETRY_S, self._flush)

    def _mend(self, path: Path, fault: sqlite3.Error) -> None:
        """Go on with what can be read of a damaged file, else in memory: now, or under an event loop a while later."""
        thread = ThreadPoolExecutor(1, "flux-mending")
        self._mending = thread.submit(self._mended_file, path, fault)
        thread.shutdown(wait=False)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._end_mending()  # nobody else is kept waiting
        else:
            self._mending.add_done_callback(lambda _: _call_in(loop, self._end_mending))

    def _end_mending(self) -> None:
        if self._mending is None:
            return
        try:
            self._db = self._mending.result()
        except (OSError, sqlite3.Error, FluxError) as e:
            self._db = _open(None)
            if self.path is not None:
                with suppress(sqlite3.Error):
                    self._db = sqlite3.connect(self.path, isolation_level=None)
            self._move_to_memory(e)
        finally:
            self._mending = None
            self._connections += 1
        self._flush()

    def _mended_file(self, path: Path, fault: sqlite3.Error) -> sqlite3.Connection:
        self._db.close()  # may write what is in the journal, which takes time
        return self._salvaged(path, fault)

    def _salvaged(self, path: Path, fault: sqlite3.Error) -> sqlite3.Connection:
        with suppress(sqlite3.DatabaseError), ExitStack() as stack:
            # Closed also where the check raises: Windows renames no file that is open.
            db = stack.enter_context(closing(_open(path)))
            if not self._was_whole and db.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok":
                self._was_whole = True
                stack.pop_all()
                return db  # another process was quicker: this file is a new one
        self._tell(salvage(path, str(fault), _open, self._is_shared))
        return _open(path)

    def _move_to_memory(self, cause: Exception) -> None:
        """Leave the file as it is, and take along what can be read of the sessions that are at work here."""
        file, self._db = self._db, _open(None)
        self._connections += 1
        self._tell(f"This session is no longer stored: {self.path}: {cause}")
        self.path = None
        self._written.update(session_id for session_id, _ in self._waiting)
        for session_id in self._written:
            for table, key in (("session", "id"), *((name, "session_id") for name in TABLES)):
                with suppress(sqlite3.Error):
                    for row in file.execute(f"SELECT * FROM {table} WHERE {key} = ?", (session_id,)):
                        self._db.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
            now = time.time()
            self._db.execute("INSERT OR IGNORE INTO session VALUES (?, ?, ?, '', '')", (session_id, now, now))
        with suppress(sqlite3.Error):
            file.close()


def _open(path: Path | None) -> sqlite3.Connection:
    """A connection to a database of our format. Raises sqlite3.Error, and UnsupportedFormat for a newer one."""
    db = sqlite3.connect(path or ":memory:", timeout=LOCK_S, isolation_level=None, check_same_thread=False)
    try:
        version = format_of(db)
        if version > FORMAT:
            raise UnsupportedFormat(
                f"{path} was written by a newer Flux (format {version}, this one knows {FORMAT}).",
                hint="Update Flux. The file was left unchanged.",
            )
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA secure_delete = ON")  # what the user deletes is not left in the file
        if version < FORMAT:
            db.execute("BEGIN IMMEDIATE")
            with db:
                migrate(db)  # does nothing where another process was quicker
        db.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    except BaseException:
        db.close()
        raise
    return db


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary result code, 0 for errors that are Python's own."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _call_in(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    with suppress(RuntimeError):  # the loop has ended meanwhile, and `close` does it
        loop.call_soon_threadsafe(call)


def _make_private(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Only a new file is opened: to close one cancels every lock that this process has on it (POSIX), and another
    # process would then take away the journal under a connection of ours (sqlite.org/howtocorrupt.html, 2.2).
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    if path.is_file():
        with suppress(OSError):
            path.chmod(0o600)
