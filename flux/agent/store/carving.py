"""Rows of a database whose way to them is lost: read from the pages that hold them, one by one.

A table is found by way of its root page. Where that page or one between is destroyed, the rows themselves are still in
the file; each says of which kinds its values are, and that tells most tables apart. The format is SQLite's own
(sqlite.org/fileformat2.html, 1.5, 1.6 and 2.1).
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

Value = None | int | float | str | bytes
Shape = tuple[tuple[str, bool], ...]
"""The kind of each column, and whether it may be null; the number of the row counts as null."""

_LEAF_OF_TABLE = 0x0D
_MAX_BYTES = 100_000_000
"""A row that says it is longer is none."""


def carve(file: Path, new: sqlite3.Connection, tables: Collection[str]) -> Iterator[tuple[str, Sequence[Value]]]:
    """The rows of these tables, in any order, with the name of each. Those of tables that look alike are left out.

    `new` has the same tables whole. Raises OSError.
    """
    shapes = {table: _shape(new, table) for table in _all_tables(new)}
    wanted = {shape: table for table, shape in shapes.items() if table in tables}
    wanted = {shape: table for shape, table in wanted.items() if list(shapes.values()).count(shape) == 1}
    pages = _Pages(file.read_bytes())
    for number in range(1, pages.count + 1):
        for row_number, values in pages.rows(number):
            table = next((table for shape, table in wanted.items() if _fits(values, shape)), None)
            if table is not None:
                numbered = [kind == "NUMBER" for kind, _ in shapes[table]]
                yield table, [row_number if own else value for value, own in zip(values, numbered, strict=True)]


def _all_tables(db: sqlite3.Connection) -> list[str]:
    return [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]


def _shape(db: sqlite3.Connection, table: str) -> Shape:
    return tuple(
        ("NUMBER" if kind == "INTEGER" and is_key else kind, not not_null)
        for _, _, kind, not_null, _, is_key in db.execute(f"PRAGMA table_info({table})")
    )


def _fits(values: Sequence[Value], shape: Shape) -> bool:
    return len(values) == len(shape) and all(
        _is_of(value, kind, may_be_null=may_be_null) for value, (kind, may_be_null) in zip(values, shape, strict=True)
    )


def _is_of(value: Value, kind: str, *, may_be_null: bool) -> bool:
    match value:
        case None:
            return may_be_null or kind == "NUMBER"
        case int():
            return kind in {"INTEGER", "REAL"}  # a whole number is stored as one in either
        case float():
            return kind == "REAL"
        case str():
            return kind == "TEXT"
        case bytes():
            return kind == "BLOB"


class _Pages:
    """The pages of a file, by number from 1."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        said = int.from_bytes(data[16:18], "big")
        is_size = said == 1 or (said >= 512 and said & (said - 1) == 0)
        self._size = (65536 if said == 1 else said) if is_size else 4096  # the header may be lost
        reserved = data[20] if is_size and len(data) > 20 and data[20] <= self._size // 2 else 0
        self._usable = self._size - reserved
        self.count = len(data) // self._size

    def rows(self, number: int) -> Iterator[tuple[int, list[Value]]]:
        """The rows on a page of a table, by their numbers; what is no row is left out."""
        page = self._page(number)
        start = 100 if number == 1 else 0
        if page[start] != _LEAF_OF_TABLE:
            return
        cells = int.from_bytes(page[start + 3 : start + 5], "big")
        for at in range(start + 8, min(start + 8 + 2 * cells, self._usable - 1), 2):
            try:
                yield self._row(page, int.from_bytes(page[at : at + 2], "big"))
            except (ValueError, IndexError, struct.error):
                continue

    def _page(self, number: int) -> bytes:
        return self._data[(number - 1) * self._size : number * self._size]

    def _row(self, page: bytes, at: int) -> tuple[int, list[Value]]:
        length, at = _varint(page, at)
        row_number, at = _varint(page, at)
        if not 0 < length <= _MAX_BYTES:
            raise ValueError("no row")
        most = self._usable - 35
        here = length
        if length > most:
            least = (self._usable - 12) * 32 // 255 - 23
            here = least + (length - least) % (self._usable - 4)
            here = here if here <= most else least
        payload = page[at : at + here]
        if here < length:
            payload += self._rest(int.from_bytes(page[at + here : at + here + 4], "big"), length - here)
        return row_number, _values(payload)

    def _rest(self, number: int, length: int) -> bytes:
        pieces: list[bytes] = []
        while length > 0:
            page = self._page(number)
            if number < 1 or len(page) < self._size:
                raise ValueError("the chain of pages is broken")
            pieces.append(page[4 : min(self._usable, 4 + length)])
            length -= len(pieces[-1])
            number = int.from_bytes(page[:4], "big")
        return b"".join(pieces)


def _values(payload: bytes) -> list[Value]:
    head, at = _varint(payload, 0)
    kinds: list[int] = []
    while at < head:
        kind, at = _varint(payload, at)
        kinds.append(kind)
    values: list[Value] = []
    for kind in kinds:
        length = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0)[kind] if kind < 12 else (kind - 12) // 2
        piece = payload[at : at + length]
        if len(piece) < length:
            raise ValueError("cut short")
        values.append(_value(kind, piece))
        at += length
    return values


def _value(kind: int, piece: bytes) -> Value:
    match kind:
        case 0:
            return None
        case 1 | 2 | 3 | 4 | 5 | 6:
            return int.from_bytes(piece, "big", signed=True)
        case 7:
            return struct.unpack(">d", piece)[0]
        case 8 | 9:
            return kind - 8
        case 10 | 11:
            raise ValueError("no kind of a value")
        case _:
            return piece if kind % 2 == 0 else piece.decode("utf-8")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of one to nine bytes, and where it ends."""
    value = 0
    for place in range(at, at + 8):
        value = value << 7 | data[place] & 0x7F
        if data[place] < 0x80:
            return value, place + 1
    return value << 8 | data[at + 8], at + 9
