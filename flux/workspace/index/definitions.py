"""A definition, and what a file's text comes to: its definitions and the names it uses. Knows no files, no parser."""

from __future__ import annotations

from array import array
from typing import NamedTuple
from zlib import crc32

MAX_FILE_BYTES = 1_000_000
"""A longer file is data or was generated: it is left out."""

MAX_SIGNATURE = 120
MAX_NAMES = 4_000
"""Different names of one file that are kept: more has only what was generated."""

MAX_DEFINITIONS = 2_000

_IN_NAMES = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_$")
_SPACED = bytes(byte if byte in _IN_NAMES else 32 for byte in range(256))
"""Every byte that is in no name becomes a blank: to split is a third faster than to search by an expression."""
_GENERATED_FROM = 20_000
_GENERATED_LINE = 300


class Definition(NamedTuple):
    """One definition. `line` counts from 1; `level` is how deep it is nested; `text` is its first line or signature.

    A tuple, since tens of thousands are made at each start: that takes a tenth of the time.
    """

    line: int
    level: int
    kind: str
    name: str
    text: str


def is_source(data: bytes) -> bool:
    """Whether a file of these bytes was written by hand, as far as that can be told cheaply: no NUL, lines as usual."""
    if len(data) > MAX_FILE_BYTES or b"\0" in data[:8192]:
        return False
    return len(data) < _GENERATED_FROM or len(data) // (data.count(b"\n") + 1) < _GENERATED_LINE


def names_used(data: bytes) -> array[int]:
    """The numbers of the different names in a text, in any order, also of those in comments and strings."""
    found = array("I", map(crc32, set(data.translate(_SPACED).split())))
    return found if len(found) <= MAX_NAMES else array("I", sorted(found)[:MAX_NAMES])


def number_of(name: str) -> int:
    """What stands for a name in `names_used`. Of a hundred thousand names about one pair has the same number."""
    return crc32(name.encode("utf-8", "replace"))


def signature(data: bytes) -> str:
    """A definition's text on one line, bounded."""
    text = data[: 4 * MAX_SIGNATURE].decode("utf-8", "replace").strip().rstrip(" {=")
    if not text.isprintable() or "  " in text:  # line ends and tabs are not printable
        text = " ".join(text.split())
    return text if len(text) <= MAX_SIGNATURE else f"{text[: MAX_SIGNATURE - 1]}…"
