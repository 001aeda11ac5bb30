"""The tables, format by format. Knows nothing of what is put into them."""

from __future__ import annotations

import sqlite3

FORMAT = 11
"""Kept in the database's `user_version`. A higher number than ours is a newer Flux: its file is not touched."""

_FORMAT_1 = """
CREATE TABLE session (
    id TEXT PRIMARY KEY, created_at REAL NOT NULL, used_at REAL NOT NULL, title TEXT NOT NULL, folder TEXT NOT NULL
) STRICT;
CREATE INDEX session_used ON session (used_at);
CREATE TABLE message (
    session_id TEXT NOT NULL REFERENCES session ON DELETE CASCADE, seq INTEGER PRIMARY KEY, turn_id TEXT NOT NULL,
    at REAL NOT NULL, body TEXT NOT NULL,
    is_live INTEGER NOT NULL,  -- part of what the next request begins with
    is_copy INTEGER NOT NULL   -- made by pruning; the original is another row
) STRICT;
CREATE INDEX message_session ON message (session_id, seq);
CREATE TABLE usage (
    session_id TEXT NOT NULL REFERENCES session ON DELETE CASCADE, seq INTEGER PRIMARY KEY, turn_id TEXT NOT NULL,
    at REAL NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL, input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL, cache_read_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL, cost_usd REAL  -- null: the price is unknown
) STRICT;
CREATE INDEX usage_session ON usage (session_id, seq);
CREATE TABLE change (
    session_id TEXT NOT NULL REFERENCES session ON DELETE CASCADE, seq INTEGER PRIMARY KEY, turn_id TEXT NOT NULL,
    body TEXT NOT NULL, is_undone INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX change_session ON change (session_id, seq);
"""

_FORMAT_2 = """
CREATE TABLE proposal (  -- the hunks of one file that the user has not decided on yet
    session_id TEXT NOT NULL REFERENCES session ON DELETE CASCADE, seq INTEGER PRIMARY KEY, turn_id TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX proposal_session ON proposal (session_id, seq);
CREATE TABLE note (  -- what the model is told with the next message
    session_id TEXT NOT NULL REFERENCES session ON DELETE CASCADE, seq INTEGER PRIMARY KEY, text TEXT NOT NULL
) STRICT;
CREATE INDEX note_session ON note (session_id, seq);
"""

_FORMAT_3 = """
ALTER TABLE message ADD COLUMN is_interrupted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE proposal ADD COLUMN is_draft  -- of a turn that still runs
    INTEGER NOT NULL DEFAULT 0;
CREATE TABLE delta (  -- an answer while it streams, piece by piece; at its end it becomes a message
    session_id TEXT NOT NULL REFERENCES session ON DELETE CASCADE, seq INTEGER PRIMARY KEY, turn_id TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX delta_session ON delta (session_id, seq);
CREATE TABLE result (  -- what single calls answered, until those of the whole answer are one message
    session_id TEXT NOT NULL REFERENCES session ON DELETE CASCADE, seq INTEGER PRIMARY KEY, turn_id TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX result_session ON result (session_id, seq);
CREATE TABLE intent (  -- changes that are about to be made, with the text before; gone once it is known what came of it
    session_id TEXT NOT NULL REFERENCES session ON DELETE CASCADE, seq INTEGER PRIMARY KEY, turn_id TEXT NOT NULL,
    id TEXT NOT NULL, at REAL NOT NULL, body TEXT NOT NULL,
    outcome TEXT NOT NULL DEFAULT ''  -- 'unknown' where nobody can tell whether they were made
) STRICT;
CREATE INDEX intent_session ON intent (session_id, seq);
CREATE TABLE preface (  -- what stands before every conversation: the same as long as the session lives
    session_id TEXT PRIMARY KEY REFERENCES session ON DELETE CASCADE, system TEXT NOT NULL, tools TEXT NOT NULL
) STRICT;
CREATE TABLE sent (  -- the bytes of a message as they went out, by wire format
    session_id TEXT NOT NULL REFERENCES session ON DELETE CASCADE, seq INTEGER PRIMARY KEY, wire TEXT NOT NULL,
    digest BLOB NOT NULL,  -- of the message
    body BLOB NOT NULL
) STRICT;
CREATE INDEX sent_session ON sent (session_id, seq);
CREATE TABLE holder (  -- who may write to a session; `token` names a file that the holder keeps locked
    session_id TEXT PRIMARY KEY REFERENCES session ON DELETE CASCADE, token TEXT NOT NULL, door TEXT NOT NULL,
    pid INTEGER NOT NULL, host TEXT NOT NULL, since REAL NOT NULL
) STRICT;
"""

_FORMAT_4 = """
ALTER TABLE change ADD COLUMN parent INTEGER;
ALTER TABLE change ADD COLUMN way TEXT NOT NULL DEFAULT '';
CREATE TABLE way (  -- an undo, redo or return that is about to be done; gone once it is known what came of it
    session_id TEXT NOT NULL REFERENCES session ON DELETE CASCADE, seq INTEGER PRIMARY KEY, id TEXT NOT NULL,
    at REAL NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE INDEX way_session ON way (session_id, seq);
CREATE TABLE checkpoint (  -- a point that the user named: behind the change `position`
    session_id TEXT NOT NULL REFERENCES session ON DELETE CASCADE, seq INTEGER PRIMARY KEY, name TEXT NOT NULL,
    at REAL NOT NULL, position INTEGER NOT NULL
) STRICT;
CREATE INDEX checkpoint_session ON checkpoint (session_id, seq);
"""

_FORMAT_5 = """
CREATE TABLE asked (  -- the user's words before they are a message: what goes along with them is still looked up
    session_id TEXT NOT NULL REFERENCES session ON DELETE CASCADE, seq INTEGER PRIMARY KEY, turn_id TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX asked_session ON asked (session_id, seq);
"""

_FORMAT_6 = """
ALTER TABLE usage ADD COLUMN role TEXT NOT NULL DEFAULT 'chat';
CREATE INDEX usage_at ON usage (at);
CREATE TABLE spent (  -- what requests of sessions used that the user has deleted since: sums must not shrink by it
    seq INTEGER PRIMARY KEY, at REAL NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL, role TEXT NOT NULL,
    input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, cache_read_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL, reasoning_tokens INTEGER NOT NULL, cost_usd REAL
) STRICT;
CREATE INDEX spent_at ON spent (at);
CREATE TABLE raised (  -- by how many dollars the user raised a limit: of a session, else of a day or a month
    period TEXT NOT NULL, session_id TEXT NOT NULL, at REAL NOT NULL, usd REAL NOT NULL
) STRICT;
CREATE TABLE counted (since REAL NOT NULL) STRICT;  -- when the user last let the sums begin from nothing
"""

_FORMAT_7 = """
CREATE TABLE fitted (  -- how the conversation is made to fit: pins, rewrites, summaries
    session_id TEXT NOT NULL REFERENCES session ON DELETE CASCADE, seq INTEGER PRIMARY KEY, kind TEXT NOT NULL,
    at REAL NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE INDEX fitted_session ON fitted (session_id, seq);
CREATE TABLE calibration (  -- how a model's tokens are to those that were estimated, by kind of text
    model TEXT PRIMARY KEY, words REAL NOT NULL, dense REAL NOT NULL, other REAL NOT NULL
) STRICT, WITHOUT ROWID;
"""

_FORMAT_8 = """
CREATE TABLE answer (  -- answers kept for exactly equal requests; all of it may go at any time
    key BLOB PRIMARY KEY NOT NULL, at REAL NOT NULL, body BLOB NOT NULL
) STRICT;
CREATE INDEX answer_at ON answer (at);
"""

_FORMAT_9 = """
CREATE TABLE exchange (  -- requests as they left and their answers as they came, packed; all of it may go at any time
    session_id TEXT NOT NULL REFERENCES session ON DELETE CASCADE, seq INTEGER PRIMARY KEY, turn_id TEXT NOT NULL,
    at REAL NOT NULL, body BLOB NOT NULL
) STRICT;
CREATE INDEX exchange_session ON exchange (session_id, seq);
"""

_FORMAT_10 = """
CREATE TABLE circuit (  -- models that keep failing, as the process that asks them tells; `token` is a holder's
    token TEXT NOT NULL, door TEXT NOT NULL, pid INTEGER NOT NULL, address TEXT NOT NULL, model TEXT NOT NULL,
    failures INTEGER NOT NULL,
    open_until REAL,  -- null: it is asked as usual
    reason TEXT NOT NULL
) STRICT;
"""

_FORMAT_11 = """
CREATE INDEX change_place ON change (json_extract(body, '$.path.relative'));
CREATE INDEX change_new_place ON change (json_extract(body, '$.after.path.relative'))
"""

_STEPS = (
    *(_FORMAT_1, _FORMAT_2, _FORMAT_3, _FORMAT_4, _FORMAT_5, _FORMAT_6, _FORMAT_7, _FORMAT_8, _FORMAT_9, _FORMAT_10),
    _FORMAT_11,
)
"""What makes each format of the one before. Tables and columns are only ever added: an older process may be at work."""

TABLES = (
    *("message", "usage", "change", "proposal", "note", "delta", "result", "intent", "preface", "sent", "holder"),
    *("way", "checkpoint", "asked", "fitted", "exchange"),
)
"""All that belongs to a session by `session_id`, beside the table `session` itself."""

OWN_TABLES = ("session", "spent", "raised", "counted", "calibration")
"""What stands by itself."""


def format_of(db: sqlite3.Connection) -> int:
    """The format of a database; 0 is an empty one."""
    return db.execute("PRAGMA user_version").fetchone()[0]


def migrate(db: sqlite3.Connection) -> None:
    """Bring a database of an earlier format to ours. Call it in a transaction."""
    for step in _STEPS[format_of(db) :]:
        for statement in step.split(";\n"):
            db.execute(statement)
    db.execute(f"PRAGMA user_version = {FORMAT}")
