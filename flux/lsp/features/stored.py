"""The commands on stored sessions: resume, fork, search, export, rename, delete."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Collection
from contextlib import suppress
from typing import assert_never

from flux.agent.session_store import StoredSession
from flux.agent.store.export import to_json_text, to_markdown
from flux.agent.store.search import search, sweep
from flux.agent.store.values import said
from flux.core.errors import Busy, InvalidArguments, SessionError
from flux.lsp import results
from flux.lsp.methods import SessionDelete, SessionExport, SessionFork, SessionRename, SessionResume, SessionSearch
from flux.lsp.sessions import EditorSessions

StoredCommand = SessionResume | SessionFork | SessionSearch | SessionExport | SessionRename | SessionDelete
StoredResult = (
    results.ResumedSession
    | results.ForkedSession
    | results.FoundMessages
    | results.Exported
    | results.TitledSession
    | results.SessionId
)

_FORMATS = {"markdown": to_markdown, "json": to_json_text}


async def run_stored(sessions: EditorSessions, given: StoredCommand, busy: Collection[str]) -> StoredResult:
    """The command's result; `busy` are the sessions whose turns run now.

    Raises SessionMissing, SessionHeld, Busy, InvalidArguments and SessionError.
    """
    store = sessions.store
    match given:
        case SessionResume(session=session_id):
            found = store.find(session_id) if session_id else store.newest(sessions.workspace.roots[0])
            return await _shown(sessions, found)
        case SessionFork(session=session_id, message=message):
            origin = store.find(session_id or sessions.present_id)
            made = await sessions.fork(origin.id, message)
            shown = await _shown(sessions, store.find(made.session_id))
            return {
                **shown,
                "origin": origin.id,
                "changed": list(made.changed),
                "turns": list(made.turns),
                "notice": str(made),
            }
        case SessionSearch(words=words):
            return {"found": await _search(sessions, words)}
        case SessionExport(session=session_id, format=name):
            if name not in _FORMATS:
                raise InvalidArguments(f"There is no format {name!r}. There are: {', '.join(_FORMATS)}.")
            return {"text": _FORMATS[name](store, store.find(session_id))}
        case SessionRename(session=session_id, title=title):
            if not title.strip():
                raise InvalidArguments("A session needs a title.")
            found = store.find(session_id)
            store.rename(found.id, title)
            return {"session": found.id, "title": store.find(found.id).title}
        case SessionDelete(session=session_id):
            found = store.find(session_id)
            if found.id != session_id:
                raise InvalidArguments("To delete a session its whole id is needed.")
            if found.id in busy or sessions.is_busy(found.id):
                raise Busy("This session is at work on a message.", hint="Cancel it, or wait for its end.")
            store.delete(found.id)
            sessions.forget(found.id)
            await store.settle()
            if store.path is not None:
                with suppress(sqlite3.Error):  # another program writes; the next deletion does it too
                    await asyncio.to_thread(sweep, store.path)
            return {"session": found.id}
    assert_never(given)


async def _shown(sessions: EditorSessions, found: StoredSession) -> results.ResumedSession:
    chat = await sessions.chat(found.id)
    messages: list[results.StoredMessage] = [
        {
            "role": stored.message.role,
            "text": said(stored.message),
            "turn": stored.turn_id,
            "isInterrupted": stored.is_interrupted,
        }
        for stored in sessions.store.messages(found.id)
        if stored.message.role != "tool"
    ]
    return {"session": chat.id, "title": found.title, "heldBy": chat.held_by, "messages": messages}


async def _search(sessions: EditorSessions, words: str) -> list[results.FoundMessage]:
    path = sessions.store.path
    if path is None:
        raise SessionError("There are no stored sessions to search.")
    try:
        found = await asyncio.to_thread(search, path, words)
    except sqlite3.Error as e:
        raise SessionError(f"The sessions in {path} cannot be searched: {e}") from e
    return [
        {
            "session": one.session_id,
            "title": one.title,
            "folder": one.folder,
            "usedAt": one.used_at,
            "role": one.role,
            "excerpt": one.excerpt,
        }
        for one in found
    ]
