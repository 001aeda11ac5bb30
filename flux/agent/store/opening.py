"""The user's own sessions, for every door alike: where they are, and what is said where they cannot be kept."""

from __future__ import annotations

import sqlite3

from flux.agent.session_store import SessionStore
from flux.core.config import state_folder
from flux.core.errors import ConfigError, FluxError


def open_user_store(door: str) -> tuple[SessionStore, str]:
    """The user's sessions, and what the user must be told of them, else an empty text.

    Where they cannot be kept in the user's state folder they are in memory. `door` is how this process is named to
    others. May be called in a thread.
    """
    try:
        path = state_folder() / "sessions.db"
    except ConfigError as e:
        return SessionStore(None, door=door), f"sessions will not be stored: {e}"
    try:
        store = SessionStore(path, door=door)
    except (OSError, sqlite3.Error, FluxError) as e:
        return SessionStore(None, door=door), f"sessions will not be stored: {path}: {e}"
    return store, store.take_notice()
