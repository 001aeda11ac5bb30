"""The rows of a damaged database that can still be read, copied into a new one; in a process of its own.

Rows are read by their number, forwards, backwards and then one by one between, so that a hole costs only what is in it;
where no way leads to them any more, from the pages themselves (`flux.agent.store.carving`). That is seconds of work for
a large file, and would keep an event loop in the same process waiting. Knows nothing of what becomes of the files.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from flux.agent.store.carving import carve
from flux.agent.store.schema import FORMAT, OWN_TABLES, TABLES, migrate

HOLE_ROWS = 5_000
"""So many row numbers are tried one by one where a table cannot be read from either end."""
_HEADER_BYTES = 100

_Row = tuple[Any, ...]


def rescue(path: Path, work: Path, fresh: Path) -> None:
    """Copy what can be read of the database at `path` into `fresh`, which has our tables and nothing in them.

    `work` is a name for the copy that is read from. Raises sqlite3.Error where `fresh` cannot be written.
    """
    with closing(sqlite3.connect(fresh, isolation_level=None)) as new:
        _copy_rows(path, work, new)


def remove_database(file: Path) -> None:
    """The file and all that SQLite has beside it, as far as it is there."""
    for rest in ("", "-wal", "-shm", "-journal"):
        with suppress(OSError):
            file.with_name(file.name + rest).unlink(missing_ok=True)


def _copy_rows(path: Path, work: Path, new: sqlite3.Connection) -> None:
    """First as the file is by its journal. Where that is damaged, then without it as well: it may be another file's."""
    counts: Counter[str] = Counter()
    new.execute("PRAGMA foreign_keys = OFF")
    for has_journal in (True, False):
        remove_database(work)
        with suppress(OSError):
            _copy_beside(path, work, ("", "-wal") if has_journal else ("",))
        if not work.exists():
            continue
        whole = _copy_tables(work, new, counts)
        if not any(counts.values()):
            _mend_header(work)
            _copy_tables(work, new, counts)
        if whole or not path.with_name(f"{path.name}-wal").exists():
            break
    new.execute("BEGIN IMMEDIATE")
    with new:
        _name_orphans(new)


def _copy_beside(path: Path, work: Path, parts: Sequence[str]) -> None:
    """A copy to read from: SQLite would change the damaged file itself by opening it."""
    for rest in parts:
        source = path.with_name(path.name + rest)
        if source.exists():
            target = os.open(work.with_name(work.name + rest), os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
            with source.open("rb") as old, os.fdopen(target, "wb") as copy:
                while piece := old.read(1 << 20):
                    copy.write(piece)


def _copy_tables(work: Path, new: sqlite3.Connection, counts: Counter[str]) -> bool:
    """Copy the rows of all tables; whether each was read from end to end."""
    broken = {*OWN_TABLES, *TABLES}
    with suppress(sqlite3.Error):
        old = sqlite3.connect(work, isolation_level=None)
        try:
            with suppress(sqlite3.Error):
                old.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()  # the pages are all in one file then
            new.execute("BEGIN IMMEDIATE")
            with new:
                for table in sorted(broken):
                    copied, is_whole = _copy_table(old, new, table)
                    counts[table] += copied
                    if is_whole:
                        broken.discard(table)
        finally:
            old.close()
    if broken:
        with suppress(sqlite3.Error, OSError):
            _copy_carved(work, new, broken, counts)
    return not broken


def _copy_carved(work: Path, new: sqlite3.Connection, tables: Collection[str], counts: Counter[str]) -> None:
    new.execute("BEGIN IMMEDIATE")
    with new:
        for table, values in carve(work, new, tables):
            with suppress(sqlite3.Error):
                insert = f"INSERT OR IGNORE INTO {table} VALUES ({', '.join('?' * len(values))})"
                counts[table] += new.execute(insert, values).rowcount


def _copy_table(old: sqlite3.Connection, new: sqlite3.Connection, table: str) -> tuple[int, bool]:
    """How many rows were copied, and whether the table could be read from end to end."""
    columns = [row[1] for row in new.execute(f"PRAGMA table_info({table})")]
    try:
        there = {row[1] for row in old.execute(f"PRAGMA table_info({table})")}
    except sqlite3.Error:
        return 0, False
    columns = [name for name in columns if name in there]
    rows = _Rows(old, f"SELECT rowid, {', '.join(columns)} FROM {table} NOT INDEXED")
    copied = 0
    insert = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    for row in rows if columns else ():
        with suppress(sqlite3.Error):  # a row with a value of another kind
            copied += new.execute(insert, row).rowcount
    return copied, rows.are_whole


class _Rows:
    """What can be read of a table, with a query that gives the number of each row first."""

    def __init__(self, db: sqlite3.Connection, query: str) -> None:
        self._db = db
        self._query = query
        self.are_whole = False
        """Whether nothing was in the way; known at the end."""

    def __iter__(self) -> Iterator[_Row]:
        seen: set[int] = set()
        hole: list[int] = []
        for order in ("ASC", "DESC"):
            rowid = None
            try:
                for rowid, *values in self._db.execute(f"{self._query} ORDER BY rowid {order}"):
                    if rowid in seen:
                        return
                    seen.add(rowid)
                    yield tuple(values)
            except sqlite3.Error:
                if rowid is not None:
                    hole.append(rowid)
            else:
                self.are_whole = order == "ASC"
                return
        if hole:
            first, last = hole[0], hole[-1] if len(hole) > 1 else hole[0] + HOLE_ROWS
            for rowid in range(min(first, last), min(max(first, last), min(first, last) + HOLE_ROWS)):
                if rowid not in seen:
                    with suppress(sqlite3.Error):
                        rows = self._db.execute(f"{self._query} WHERE rowid = ?", (rowid,))
                        yield from (row[1:] for row in rows)


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


if __name__ == "__main__":
    rescue(*map(Path, sys.argv[1:]))
