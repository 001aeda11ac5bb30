"""Flux's own folder and the file of sessions in it. The file is only read: what is broken is mended by who opens it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from flux.agent.doctor.finding import Finding
from flux.agent.store.answers import ANSWERS_SIZE
from flux.agent.store.circuits import CircuitElsewhere, told_elsewhere
from flux.agent.store.schema import FORMAT, format_of

CHECK_S = 10.0
"""Seconds to look through the file of sessions; a gigabyte takes about five."""
LITTLE_BYTES = 200 << 20
AREA = "state"


def look_at_state(folder: Path | None) -> list[Finding]:
    """What is found of the state folder, None where there is no home. Blocks: to be called in a thread."""
    if folder is None:
        text = "There is no home folder, so sessions and answers to questions of trust are not kept."
        return [Finding(AREA, "folder", "warning", text, "FLUX_STATE_FOLDER names a folder to use instead.")]
    return [_folder(folder), *_database(folder / "sessions.db"), *_set_aside(folder)]


def circuits_elsewhere(folder: Path | None) -> Sequence[CircuitElsewhere]:
    """Models that keep failing for other processes of Flux; none where the file cannot tell. Blocks."""
    if folder is None or not (folder / "sessions.db").is_file():
        return ()
    try:
        with closing(_open(folder / "sessions.db")) as db:
            return told_elsewhere(db, folder / "holders", time.time())
    except sqlite3.Error:
        return ()  # the look at the state folder says what is wrong


def _folder(folder: Path) -> Finding:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
        free = shutil.disk_usage(folder).free
    except OSError as e:
        text = f"Nothing can be written in {folder}: {e.strerror}. Sessions are not kept."
        return Finding(AREA, "folder", "problem", text, "Make it writable, or name another one in FLUX_STATE_FOLDER.")
    if free < LITTLE_BYTES:
        text = f"There are only {free >> 20} MB left on the disk of {folder}."
        return Finding(AREA, "folder", "warning", text, "Where the disk is full, sessions go on in memory alone.")
    return Finding(AREA, "folder", "ok", f"{folder} can be written, {free / 1e9:.0f} GB are free.")


def _database(file: Path) -> Iterator[Finding]:
    try:
        size = file.stat().st_size
    except FileNotFoundError:
        yield Finding(AREA, "sessions", "ok", "Nothing is stored yet.")
        return
    except OSError as e:
        yield Finding(AREA, "sessions", "problem", f"{file} cannot be looked at: {e.strerror}.")
        return
    try:
        with closing(_open(file)) as db:
            yield _content(db, file, size)
            if format_of(db) == FORMAT:
                answers, bytes_ = db.execute(ANSWERS_SIZE).fetchone()
                text = f"{answers} kept answers, {bytes_ / 1e6:.1f} MB; `flux cache clear` deletes them."
                yield Finding(AREA, "response cache", "ok", text)
    except sqlite3.Error as e:
        yield Finding(AREA, "sessions", "problem", f"{file} cannot be read: {e}.", _DAMAGED_HINT)
    if not os.access(file, os.W_OK):
        yield Finding(AREA, "sessions", "problem", f"{file} cannot be written.", "Give yourself the right to.")


def _content(db: sqlite3.Connection, file: Path, size: int) -> Finding:
    version = format_of(db)
    if version > FORMAT:
        text = f"{file} was written by a newer Flux (format {version}, this one knows {FORMAT}); it is not touched."
        return Finding(AREA, "sessions", "problem", text, "Update Flux.")
    (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        return Finding(AREA, "sessions", "problem", f"{file} is damaged: {' '.join(found.split())}.", _DAMAGED_HINT)
    (sessions,) = db.execute("SELECT count(*) FROM session").fetchone() if version else (0,)
    old = "" if version in {0, FORMAT} else f"; of format {version}, which the next session brings to {FORMAT}"
    return Finding(AREA, "sessions", "ok", f"{sessions} in {size / 1e6:.1f} MB, whole{old}.")


def _open(file: Path) -> sqlite3.Connection:
    """To read alone, and given up after `CHECK_S`. Raises sqlite3.Error."""
    uri = f"{file.absolute().as_uri()}?mode=ro"
    if not os.access(file.parent, os.W_OK):
        uri += "&immutable=1"  # SQLite needs a file beside it for a journal, which nobody can be writing here
    db = sqlite3.connect(uri, uri=True, timeout=1.0)
    until = time.monotonic() + CHECK_S
    db.set_progress_handler(lambda: time.monotonic() > until, 100_000)
    return db


def _set_aside(folder: Path) -> Iterator[Finding]:
    try:
        files = [file for file in folder.glob("sessions-damaged-*.db") if file.is_file()]
    except OSError:
        return
    if files:
        size = sum(file.stat().st_size for file in files) / 1e6
        text = f"{len(files)} damaged files of earlier days lie in {folder} ({size:.1f} MB)."
        yield Finding(AREA, "set aside", "warning", text, "What could be read of them was kept: you may delete them.")


_DAMAGED_HINT = (
    "Keep a copy of it; the next session sets it aside and takes over all that can be read, unless another Flux has it "
    "open."
)
