"""A damaged database: it is set aside whole, and every row that can still be read goes into a new file.

Rows are read by their number, forwards, backwards and then one by one between, so that a hole costs only what is in it.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from flux.agent.store.schema import FORMAT, TABLES, migrate

HOLE_ROWS = 5_000
"""So many row numbers are tried one by one where a table cannot be read from either end."""
_HEADER_BYTES = 100

_Row = tuple[Any, ...]


def salvage(path: Path, fault: str, open_new: Callable[[Path], sqlite3.Connection]) -> str:
    """Put a new file in place of the damaged one; what was done, in words for the user.

    Raises OSError where the damaged file cannot be set aside (on Windows: while another process has it open), and
    sqlite3.Error where the new one cannot be written. The damaged file is only ever renamed.
    """
    aside = _set_aside(path)
    work = aside.with_name(f"{aside.name}.work")
    with suppress(OSError):
        _copy_beside(aside, work)
    new = open_new(path)
    try:
        counts = _copy_rows(work, new) if work.exists() else {}
    finally:
        new.close()
        for rest in ("", "-wal", "-shm"):
            work.with_name(work.name + rest).unlink(missing_ok=True)
    saved = f"{counts.get('message', 0)} messages of {counts.get('session', 0)} sessions"
    what = f"{saved} could be read and were kept" if any(counts.values()) else "nothing of it could be read"
    return f"The file of sessions was damaged ({fault}): {what}. The damaged file is now {aside}."


def _set_aside(path: Path) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    numbers = (f"-{number}" if number else "" for number in range(1000))
    names = (path.with_name(f"{path.stem}-damaged-{stamp}{number}{path.suffix}") for number in numbers)
    aside = next(name for name in names if not name.exists())
    path.rename(aside)
    # Its journal belongs to it, and must not be taken for the new file's.
    with suppress(FileNotFoundError):
        path.with_name(f"{path.name}-wal").rename(aside.with_name(f"{aside.name}-wal"))
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
    return aside


def _copy_beside(aside: Path, work: Path) -> None:
    """A copy to read from: SQLite would change the damaged file itself by opening it."""
    for rest in ("", "-wal"):
        source = aside.with_name(aside.name + rest)
        if source.exists():
            target = os.open(work.with_name(work.name + rest), os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
            with source.open("rb") as old, os.fdopen(target, "wb") as copy:
                while piece := old.read(1 << 20):
                    copy.write(piece)


def _copy_rows(work: Path, new: sqlite3.Connection) -> dict[str, int]:
    """Copy what can be read; how many rows of each table."""
    counts = _copy_tables(work, new)
    if not any(counts.values()):
        _mend_header(work)
        counts = _copy_tables(work, new)
    return counts


def _copy_tables(work: Path, new: sqlite3.Connection) -> dict[str, int]:
    counts: dict[str, int] = {}
    with suppress(sqlite3.Error):
        old = sqlite3.connect(work, isolation_level=None)
        try:
            new.execute("PRAGMA foreign_keys = OFF")
            new.execute("BEGIN IMMEDIATE")
            with new:
                for table in ("session", *TABLES):
                    counts[table] = _copy_table(old, new, table)
                _name_orphans(new)
        finally:
            old.close()
    return counts


def _copy_table(old: sqlite3.Connection, new: sqlite3.Connection, table: str) -> int:
    columns = [row[1] for row in new.execute(f"PRAGMA table_info({table})")]
    with suppress(sqlite3.Error):
        there = {row[1] for row in old.execute(f"PRAGMA table_info({table})")}
        columns = [name for name in columns if name in there]
    copied = 0
    insert = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    for row in _readable(old, table, ", ".join(columns)):
        with suppress(sqlite3.Error):  # a row with a value of another kind
            copied += new.execute(insert, row).rowcount
    return copied


def _readable(db: sqlite3.Connection, table: str, columns: str) -> Iterator[_Row]:
    query = f"SELECT rowid, {columns} FROM {table} NOT INDEXED"
    seen: set[int] = set()
    hole: list[int] = []
    for order in ("ASC", "DESC"):
        rowid = None
        try:
            for rowid, *values in db.execute(f"{query} ORDER BY rowid {order}"):
                if rowid in seen:
                    return  # it was read from end to end
                seen.add(rowid)
                yield tuple(values)
        except sqlite3.Error:
            if rowid is not None:
                hole.append(rowid)
        else:
            return
    if hole:
        first, last = hole[0], hole[-1] if len(hole) > 1 else hole[0] + HOLE_ROWS
        for rowid in range(min(first, last), min(max(first, last), min(first, last) + HOLE_ROWS)):
            if rowid not in seen:
                with suppress(sqlite3.Error):
                    yield from (row[1:] for row in db.execute(f"{query} WHERE rowid = ?", (rowid,)))


def _name_orphans(new: sqlite3.Connection) -> None:
    """Sessions whose own line is lost, by the first words that are left of them."""
    rows = new.execute(
        "SELECT session_id, min(at), max(at), body FROM message WHERE session_id NOT IN (SELECT id FROM session)"
        " GROUP BY session_id"
    ).fetchall()
    for session_id, created_at, used_at, body in rows:
        title = "(recovered)"
        with suppress(ValueError, KeyError, IndexError, TypeError):
            title = " ".join(json.loads(body)["parts"][-1]["text"].split())[:80] or title
        new.execute("INSERT INTO session VALUES (?, ?, ?, ?, '')", (session_id, created_at, used_at, title))
    for table in TABLES:
        new.execute(f"DELETE FROM {table} WHERE session_id NOT IN (SELECT id FROM session)")


def _mend_header(work: Path) -> None:
    """Give a file whose first bytes are lost those that ours have; the rest of the first page may well be whole."""
    with suppress(OSError, sqlite3.Error):
        fresh = sqlite3.connect(":memory:", isolation_level=None)
        fresh.execute("BEGIN")
        migrate(fresh)
        fresh.execute("COMMIT")
        header = bytearray(fresh.serialize()[:_HEADER_BYTES])
        fresh.close()
        pages = work.stat().st_size // int.from_bytes(header[16:18], "big")
        header[28:32] = pages.to_bytes(4, "big")
        header[32:40] = bytes(8)  # no list of free pages
        header[60:64] = FORMAT.to_bytes(4, "big")
        with work.open("r+b") as file:
            file.write(header)
