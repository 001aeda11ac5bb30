"""What was read of a folder's files, kept on disk between processes: one SQLite file for each folder.

A cache and nothing more: where it cannot be read or written, or another Flux wrote it, work goes on without.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
from array import array
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from flux.workspace.index.definitions import Definition
from flux.workspace.index.tree import KnownFolder, Stamp

logger = logging.getLogger(__name__)

FORMAT = "1"
MAX_KEPT = 50
"""So many folders are kept; the one that was not used for longest goes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file as it was read. `digest` is of its bytes; `names` are the numbers of those that it uses."""

    stamp: Stamp
    digest: str
    definitions: Sequence[Definition]
    names: array[int]


class Store:
    """The file for one root below `folder`; with None nothing is kept."""

    def __init__(self, folder: Path | None, root: str, version: str) -> None:
        self._connection: sqlite3.Connection | None = None
        if folder is None:
            return
        file = folder / f"{hashlib.sha256(root.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}.sqlite"
        for attempt in range(2):
            try:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                if not file.exists():
                    _make_room(folder)
                self._connection = _opened(file, f"{FORMAT} {version} {root}")
                file.touch()
                return
            except (sqlite3.Error, OSError) as e:
                logger.info("the index in %s cannot be used: %s", file, e)
                if attempt == 0:
                    with suppress(OSError):
                        file.unlink(missing_ok=True)

    def load(self) -> tuple[dict[str, KnownFolder], Iterable[tuple[str, Entry]]]:
        """The folders, and the files one by one; nothing of what is damaged."""
        if self._connection is None:
            return {}, ()
        try:
            rows = self._connection.execute(
                "SELECT prefix, stamp, files, folders, rules, is_cut FROM folders"
            ).fetchall()
            folders = {row[0]: _folder(row) for row in rows}
            return folders, self._files(self._connection)
        except (sqlite3.Error, ValueError, TypeError) as e:
            logger.info("the index on disk cannot be read: %s", e)
            return {}, ()

    def save(
        self,
        folders: Mapping[str, KnownFolder | None],
        files: Mapping[str, Entry],
        stamps: Mapping[str, Stamp],
        gone: Iterable[str],
    ) -> None:
        """Write what changed. `stamps` are of files whose text is as before."""
        if self._connection is None:
            return
        try:
            with self._connection as connection:
                connection.executemany("DELETE FROM folders WHERE prefix = ?", ((prefix,) for prefix in folders))
                connection.executemany(
                    "INSERT INTO folders VALUES (?, ?, ?, ?, ?, ?)",
                    (_folder_row(prefix, known) for prefix, known in folders.items() if known is not None),
                )
                connection.executemany("DELETE FROM files WHERE path = ?", ((path,) for path in gone))
                connection.executemany(
                    "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)",
                    (_file_row(path, entry) for path, entry in files.items()),
                )
                connection.executemany(
                    "UPDATE files SET mtime = ?, size = ? WHERE path = ?",
                    ((*stamp, path) for path, stamp in stamps.items()),
                )
        except (sqlite3.Error, UnicodeError) as e:
            logger.info("the index is not kept: %s", e)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _files(self, connection: sqlite3.Connection) -> Iterable[tuple[str, Entry]]:
        try:
            for path, mtime, size, digest, definitions, names in connection.execute(
                "SELECT path, mtime, size, digest, definitions, names FROM files ORDER BY path"
            ):
                made = tuple(map(Definition._make, json.loads(definitions)))
                yield path, Entry((mtime, size), digest, made, array("I", names))
        except (sqlite3.Error, ValueError, TypeError) as e:
            logger.info("a part of the index on disk cannot be read: %s", e)


def _opened(file: Path, version: str) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=1.0)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")  # a cache: what a power cut takes is read again
        connection.execute("CREATE TABLE IF NOT EXISTS meta (version TEXT)")
        found = connection.execute("SELECT version FROM meta").fetchone()
        if found != (version,):
            with connection:
                for table in ("meta", "folders", "files"):
                    connection.execute(f"DROP TABLE IF EXISTS {table}")
                connection.execute("CREATE TABLE meta (version TEXT)")
                connection.execute(
                    "CREATE TABLE folders "
                    "(prefix TEXT PRIMARY KEY, stamp INTEGER, files TEXT, folders TEXT, rules TEXT, is_cut INTEGER)"
                )
                connection.execute(
                    "CREATE TABLE files (path TEXT PRIMARY KEY, mtime INTEGER, size INTEGER, digest TEXT, "
                    "definitions TEXT, names BLOB) WITHOUT ROWID"
                )
                connection.execute("INSERT INTO meta VALUES (?)", (version,))
    except BaseException:
        connection.close()
        raise
    return connection


def _make_room(folder: Path) -> None:
    kept = sorted(folder.glob("*.sqlite"), key=lambda file: file.stat().st_mtime, reverse=True)
    for old in kept[MAX_KEPT - 1 :]:
        for file in (old, old.with_name(f"{old.name}-wal"), old.with_name(f"{old.name}-shm")):
            with suppress(OSError):
                file.unlink(missing_ok=True)


def _folder_row(prefix: str, known: KnownFolder) -> tuple[object, ...]:
    lists = (json.dumps(part) for part in (known.files, known.folders, known.rules))
    return (prefix, known.stamp, *lists, int(known.is_cut))


def _folder(row: tuple[str, int, str, str, str, int]) -> KnownFolder:
    _, stamp, files, folders, rules, is_cut = row
    stamped = tuple((path, (mtime, size)) for path, (mtime, size) in json.loads(rules))
    return KnownFolder(stamp, tuple(json.loads(files)), tuple(json.loads(folders)), stamped, bool(is_cut))


def _file_row(path: str, entry: Entry) -> tuple[object, ...]:
    definitions = json.dumps(entry.definitions, ensure_ascii=False)
    return (path, *entry.stamp, entry.digest, definitions, entry.names.tobytes())
