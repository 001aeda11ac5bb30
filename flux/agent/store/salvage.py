"""A damaged database: it is set aside whole, and every row that can still be read goes into a new file.

A child process reads them (`flux.agent.store.rescue`).
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from flux.agent.store import rescue
from flux.agent.store.schema import OWN_TABLES, TABLES
from flux.core.process import run_module

RESCUE_S = 600.0
"""Seconds for a file of some gigabytes."""


def salvage(
    path: Path, fault: str, open_new: Callable[[Path], sqlite3.Connection], is_shared: Callable[[], bool]
) -> str:
    """Put a new file in place of the damaged one; what was done, in words for the user.

    Raises OSError where the damaged file cannot be read or set aside, sqlite3.Error where the new one cannot be opened,
    and where `is_shared` says that another process has the file open: its work would go on in the damaged one. The
    damaged file is only ever renamed, and only once the new one is whole.
    """
    if is_shared():
        raise sqlite3.OperationalError(f"{fault}, and another Flux has the file open")
    stamp = time.strftime("%Y%m%d-%H%M%S")
    numbers = (f"-{number}" if number else "" for number in range(1000))
    names = (path.with_name(f"{path.stem}-damaged-{stamp}{number}{path.suffix}") for number in numbers)
    aside = next(name for name in names if not name.exists())
    work, fresh = (path.with_name(f"{path.name}.{os.getpid()}.{what}") for what in ("work", "new"))
    try:
        os.close(os.open(fresh, os.O_CREAT | os.O_RDWR | os.O_TRUNC, 0o600))
        open_new(fresh).close()
        run_module(rescue.__name__, *map(str, (path, work, fresh)), timeout_s=RESCUE_S)
        with closing(open_new(fresh)) as new:
            counts = {table: _count(new, table) for table in (*OWN_TABLES, *TABLES)}
        if is_shared():
            raise sqlite3.OperationalError(f"{fault}, and another Flux has opened the file")
        _put_in_place(fresh, path, aside)
    finally:
        for left in (work, fresh):
            rescue.remove_database(left)
    saved = f"{counts['message']} messages of {counts['session']} sessions"
    what = f"{saved} could be read and were kept" if any(counts.values()) else "nothing of it could be read"
    return f"The file of sessions was damaged ({fault}): {what}. The damaged file is now {aside}."


def _count(db: sqlite3.Connection, table: str) -> int:
    (count,) = db.execute(f"SELECT count(*) FROM {table}").fetchone()
    return count


def _put_in_place(fresh: Path, path: Path, aside: Path) -> None:
    path.rename(aside)
    # Its journal belongs to it, and must not be taken for the new file's.
    with suppress(FileNotFoundError):
        path.with_name(f"{path.name}-wal").rename(aside.with_name(f"{aside.name}-wal"))
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
    fresh.rename(path)
