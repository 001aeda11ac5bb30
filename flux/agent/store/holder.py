"""Who may write to a session: a row that names the holder, and a file that shows whether the holder still lives.

The operating system holds the lock on the file and lets go of it when the process ends, however it ends: nothing has to
be guessed from clocks and process numbers, and nobody stays locked out.
"""

from __future__ import annotations

import os
import platform
import sqlite3
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOLDER_QUERY = "SELECT token, door, pid, host, since FROM holder WHERE session_id = ? AND token != ?"
"""The holder of a session, unless it is of the token that is asked with."""
_TRIES = 20
"""So often a file is made anew where another process looked at it before it was locked."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a session open. `since` is seconds since 1970."""

    door: str
    pid: int
    host: str
    since: float

    def __str__(self) -> str:
        since = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.since))
        return f"{self.door} (process {self.pid} on {self.host}, since {since})"


class HolderFile:
    """A file of this process, locked as long as it lives, by which others see that it has the database open."""

    def __init__(self, folder: Path | None, door: str) -> None:
        self.door = door
        self._folder = folder
        self._descriptor: int | None = None
        self.token = self._make()
        """The name of the file."""

    def take(self, db: sqlite3.Connection, session_id: str, now: float) -> None:
        """Make this process the holder, unless another one that lives is, or the session was deleted.

        Call it in a transaction.
        """
        if living_holder(db.execute(HOLDER_QUERY, (session_id, self.token)).fetchall(), self._folder) is None:
            values = (self.token, self.door, os.getpid(), platform.node(), now, session_id)
            db.execute("INSERT OR REPLACE INTO holder SELECT id, ?, ?, ?, ?, ? FROM session WHERE id = ?", values)

    def release(self, db: sqlite3.Connection, session_id: str = "") -> None:
        """Let go of a session, or of all."""
        db.execute("DELETE FROM holder WHERE token = ? AND ? IN ('', session_id)", (self.token, session_id))

    def others_live(self) -> bool:
        """Whether another process has the database open. Files of those that ended are removed."""
        folder = self._folder
        try:
            tokens = [file.name for file in folder.iterdir()] if folder else []
        except OSError:
            return False
        living = [token for token in tokens if token != self.token and lives(folder, token)]
        return bool(living)

    def close(self) -> None:
        if self._descriptor is not None and self._folder is not None:
            os.close(self._descriptor)
            self._descriptor = None
            _remove(self._folder / self.token)

    def _make(self) -> str:
        token = uuid.uuid4().hex
        for _ in range(_TRIES):
            if self._folder is None:
                break
            file = self._folder / token
            try:
                self._folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._folder.mkdir(mode=0o700, exist_ok=True)
                self._descriptor = os.open(file, os.O_CREAT | os.O_RDWR, 0o600)
            except OSError:
                break
            try:
                lock_file(self._descriptor)
                if file.exists():
                    return token
            except (BlockingIOError, PermissionError):
                pass
            except OSError:
                return token  # files cannot be locked here
            # Another process looked at it before it was locked, and took it for one that was left behind.
            os.close(self._descriptor)
            self._descriptor = None
            _remove(file)
            token = uuid.uuid4().hex
        return token  # others will take this process for dead: nobody is locked out


def living_holder(rows: Sequence[tuple[Any, ...]], folder: Path | None) -> Holder | None:
    """Who has the session open, of what `HOLDER_QUERY` found; None where nobody has who still lives."""
    return Holder(*rows[0][1:]) if rows and lives(folder, rows[0][0]) else None


def lives(folder: Path | None, token: str) -> bool:
    """Whether the process that made the file of that token still lives."""
    if folder is None:
        return False  # nobody else sees a database in memory
    try:
        descriptor = os.open(folder / token, os.O_RDWR)
    except OSError:
        return False
    try:
        lock_file(descriptor)
        _remove(folder / token)  # still locked: its maker must not come to lock it and see it before it is gone
    except OSError:
        return True
    finally:
        os.close(descriptor)
    _remove(folder / token)  # Windows removes no file that is open, so neither one that its maker has yet to lock
    return False


def _remove(file: Path) -> None:
    with suppress(OSError):
        file.unlink()


if os.name == "nt":
    import msvcrt

    def lock_file(descriptor: int) -> None:
        """Lock the file for this process. Raises OSError where another one has it."""
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def lock_file(descriptor: int) -> None:
        """Lock the file for this process. Raises OSError where another one has it."""
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
