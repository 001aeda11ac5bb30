"""Search in all that was said: the full text of questions and answers, by parts of words, in any language.

The index is SQLite's own (FTS5 over groups of three letters). It is brought up to date when something is looked for,
not when it is said. Where SQLite has no such index, or a word is shorter than three letters, the texts themselves are
looked through: slower, and with the same result.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from flux.agent.store.values import message_from_json, said
from flux.core.messages import Role

BATCH = 500
"""So many messages are indexed in one transaction: others can write in between."""
SWEEP_PAGES = 500
"""So many pages of the index are written anew in one transaction: some tens of milliseconds."""
SHOWN_BEFORE, SHOWN_AFTER = 40, 80
"""Characters of a text that are shown around what was found."""

_MAKE = "CREATE VIRTUAL TABLE IF NOT EXISTS searched USING fts5 (text, tokenize = 'trigram')"
_PIECE = 3


@dataclass(frozen=True, slots=True)
class Found:
    """A message in which all words are found. `excerpt` is one line around the first of them."""

    session_id: str
    title: str
    folder: str
    used_at: float
    role: Role
    excerpt: str


def search(path: Path, words: str, limit: int = 50) -> Sequence[Found]:
    """Messages that have all the words, in any order and case, the session last used first.

    Opens the file for itself, so it may run in a thread; the first search of many sessions takes seconds. Raises
    sqlite3.Error.
    """
    wanted = [word.lower() for word in words.split()]
    if not wanted:
        return []
    with closing(_opened(path)) as db:
        db.create_function("said", 1, _said, deterministic=True)
        chosen = _candidates(db, wanted)
        rows = db.execute(
            "SELECT session_id, title, folder, used_at, body FROM message JOIN session ON session.id = session_id"
            f" WHERE NOT is_copy AND {chosen or '1'} ORDER BY used_at DESC, session_id, seq",
            (_expression(wanted),) if chosen else (),
        )
        return list(_matching(rows, wanted, limit))


def forget_searched(db: sqlite3.Connection, session_id: str) -> None:
    """Take a session that is being deleted out of the index. Call it in the transaction, and `sweep` after it."""
    with suppress(sqlite3.OperationalError):  # there is no index
        db.execute("DELETE FROM searched WHERE rowid IN (SELECT seq FROM message WHERE session_id = ?)", (session_id,))


def sweep(path: Path) -> None:
    """Take what was deleted out of the index for good: till then its parts of words stand in it beside a mark.

    Opens the file for itself, so it may run in a thread; it costs about 0.15 s for a megabyte of text, in steps between
    which others can write. Raises sqlite3.Error.
    """
    with closing(_opened(path)) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'searched'").fetchone():
            return
        pages = -SWEEP_PAGES  # negative: begin with all there is, as `optimize` does (sqlite.org/fts5.html, 6.8)
        while True:
            before = db.total_changes
            db.execute("INSERT INTO searched (searched, rank) VALUES ('merge', ?)", (pages,))
            if db.total_changes - before < 2:
                return
            pages = SWEEP_PAGES


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=5.0, isolation_level=None)
    db.execute("PRAGMA secure_delete = ON")  # what the user deletes is not left in the file
    return db


def _candidates(db: sqlite3.Connection, wanted: Sequence[str]) -> str:
    """A condition that the index can answer, empty where it cannot."""
    if not any(len(word) >= _PIECE for word in wanted):
        return ""
    try:
        db.execute(_MAKE)
        _catch_up(db)
    except sqlite3.OperationalError:
        return ""  # SQLite has no such index, or the file takes no more
    return "seq IN (SELECT rowid FROM searched WHERE searched MATCH ?)"


def _catch_up(db: sqlite3.Connection) -> None:
    insert = (
        "INSERT INTO searched (rowid, text) SELECT seq, said(body) FROM message"
        " WHERE seq > (SELECT coalesce(max(rowid), 0) FROM searched) AND NOT is_copy ORDER BY seq LIMIT ?"
    )
    while db.execute(insert, (BATCH,)).rowcount > 0:
        pass


def _expression(wanted: Sequence[str]) -> str:
    return " AND ".join('"' + word.replace('"', '""') + '"' for word in wanted if len(word) >= _PIECE)


def _matching(rows: Iterator[tuple[str, str, str, float, str]], wanted: Sequence[str], limit: int) -> Iterator[Found]:
    for session_id, title, folder, used_at, body in rows:
        message = message_from_json(json.loads(body))
        text = said(message)
        folded = text.lower()
        places = [folded.find(word) for word in wanted]
        if min(places) < 0 or message.role == "tool":
            continue
        begin = max(min(places) - SHOWN_BEFORE, 0)
        excerpt = " ".join(text[begin : min(places) + SHOWN_AFTER].split())
        yield Found(session_id, title, folder, used_at, message.role, excerpt)
        limit -= 1
        if limit == 0:
            return


def _said(body: str) -> str:
    return said(message_from_json(json.loads(body))).encode("utf-8", "replace").decode("utf-8")
