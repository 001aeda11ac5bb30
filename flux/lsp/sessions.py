"""The sessions of one connection: opened when first needed, with the settings as they are then.

Everything of weight (the store, the provider and its SDK) is imported here at the first sign of use and not before.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from weakref import WeakSet

from flux.core.errors import ConfigError, FluxError, OutsideWorkspace
from flux.core.usage import Cost, Usage
from flux.lsp.editor import LspEditor
from flux.lsp.settings import EditorSettings

if TYPE_CHECKING:
    from flux.agent.forking import Fork
    from flux.agent.preview import Preview
    from flux.agent.session import Session
    from flux.agent.session_store import SessionStore
    from flux.agent.sessions import Sessions
    from flux.context.item import Focus
    from flux.core.config import Settings
    from flux.tools.base import Tool
    from flux.workspace.language_service import LanguageService
    from flux.workspace.moves import Move
    from flux.workspace.workspace import Workspace

logger = logging.getLogger(__name__)


class EditorSessions:
    """Which sessions are open, and which one is present."""

    def __init__(self, editor: LspEditor, settings: EditorSettings) -> None:
        self._editor = editor
        self._settings = settings
        self._workspace: Workspace | None = None
        self._languages: LanguageService | None = None
        self._sessions: Sessions | None = None
        self._made_for: Settings | None = None
        self._retired: list[Sessions] = []
        self._store: SessionStore | None = None
        self._chats: dict[str, Session] = {}
        self._outdated: set[str] = set()
        self._started: WeakSet[Session] = WeakSet()
        self._used: set[str] = set()
        self._present = ""
        self._opening = asyncio.Lock()
        self._opening_store = asyncio.Lock()
        self._choosing = asyncio.Lock()

    def begin(self, workspace: Workspace, languages: LanguageService | None = None) -> None:
        """The workspace of all sessions of this connection, and what can be asked of its code."""
        self._workspace, self._languages = workspace, languages

    @property
    def present_id(self) -> str:
        """The id of the session that a chat goes on with, empty before the first."""
        return self._present

    async def sessions(self) -> Sessions:
        """What opens sessions, for the settings as they are now. Raises ConfigError, and tells of it once."""
        async with self._opening:  # two first requests must not make two providers
            settings = await self._settings.load(self.workspace.roots[0], may_ask=True)
            if self._sessions is None or self._made_for is None or settings.layers != self._made_for.layers:
                from flux.core.config import find_user_folders

                module = await asyncio.to_thread(importlib.import_module, "flux.agent.sessions")
                made: Sessions = module.Sessions(
                    settings, await self.open_store(), find_user_folders().config, self._languages
                )
                if self._sessions is not None:
                    self._retired.append(self._sessions)
                self._sessions, self._made_for = made, settings
                # Chats go on with the new settings, from what is stored of them; one that is at work, after its turn.
                self._chats = {id_: chat for id_, chat in self._chats.items() if chat.is_busy}
                self._outdated = set(self._chats)
                if made.reason:
                    self._editor.log(f"Flux: {made.reason}")
            if not any(session.is_busy for session in self._started):
                await self._close_retired()
            return self._sessions

    @property
    def workspace(self) -> Workspace:
        assert self._workspace is not None, "set by `begin`, at initialize"
        return self._workspace

    async def open_store(self) -> SessionStore:
        """The user's sessions. What is wrong with their file is said once; they end with the server then."""
        async with self._opening_store:
            if self._store is None:
                self._store, notice = await asyncio.to_thread(_open_store, self._editor.client.name)
                if notice:
                    self._editor.show(f"Flux: {notice}", "warning")
        await self._store.mended()
        return self._store

    @property
    def store(self) -> SessionStore:
        assert self._store is not None, "opened by `open_store` before any command"
        return self._store

    async def start_chat(self) -> Session:
        """A new session, which is the present one."""
        session = await self._start("chat")
        self._chats[session.id] = session
        self._present = session.id
        return session

    async def preview(self, session: Session, text: str = "", focus: Focus | None = None) -> Preview:
        """What the session's next request would contain, under the settings as they are now."""
        settings = (await self.sessions()).settings
        return await session.preview(text, focus=focus, is_reviewed=settings.approval == "review")

    async def chat(self, session_id: str = "") -> Session:
        """The session of that id, also of an earlier day; else the present one, a new one where there is none."""
        sessions = await self.sessions()
        async with self._choosing:  # two first messages are of one session
            wanted = session_id or self._present
            if not wanted:
                return await self.start_chat()
            if wanted in self._outdated and not self.is_busy(wanted):
                self._outdated.discard(wanted)
                del self._chats[wanted]
            if wanted not in self._chats:
                session = await sessions.resume(wanted, self.workspace)
                self._started.add(session)
                self._chats[session.id] = session
                self._used.add(session.id)
                wanted = session.id
            self._present = wanted
            return self._chats[wanted]

    async def fork(self, session_id: str, message: str) -> Fork:
        """Go on from before a message of a session, in a new one, which is the present one."""
        forked, made = await (await self.sessions()).fork(await self.chat(session_id), message)
        self._started.add(forked)
        self._chats[forked.id] = forked
        self._used.add(forked.id)
        self._present = forked.id
        return made

    async def start_once(self, role: str = "edit", tools: Mapping[str, Tool] | None = None) -> Session:
        """A session for one code action, which does not become the present one; with these tools, or all."""
        return await self._start(role, tools)

    async def _start(self, role: str, tools: Mapping[str, Tool] | None = None) -> Session:
        session = await (await self.sessions()).start(self.workspace, role, tools=tools)
        self._used.add(session.id)
        self._started.add(session)
        return session

    def is_busy(self, session_id: str) -> bool:
        """Whether a chat is at work on a message."""
        return session_id in self._chats and self._chats[session_id].is_busy

    def forget(self, session_id: str) -> None:
        """It was deleted."""
        self._chats.pop(session_id, None)
        self._used.discard(session_id)
        if self._present == session_id:
            self._present = ""

    async def follow(self, moves: Sequence[Move]) -> None:
        """The user moved or removed files: what is known of them by their names is about their new places."""
        from flux.workspace.moves import whole_move

        for session in self._started:
            session.follow(moves)
        store, folder = await self.open_store(), self.workspace.roots[0]
        store.journal.follow(moves, folder)

        def new_name(name: str) -> str:
            try:
                move = whole_move(moves, self.workspace.path(name))
            except OutsideWorkspace:
                return name
            return str(move.new) if move and move.new else name

        store.fitted.rename_pins(folder, new_name)

    def usage(self, session_id: str = "") -> tuple[Usage, Cost]:
        """What a session used, or all that were at work since the server began. Raises SessionMissing."""
        if session_id:
            return self.store.ledger.of_session(self.store.find(session_id).id)
        used = [self.store.ledger.of_session(id_) for id_ in self._used]
        return sum((usage for usage, _ in used), Usage()), sum((cost for _, cost in used), Cost())

    async def close(self) -> None:
        """Let go of connections and, whatever becomes of those, of the store. May be called twice."""
        try:
            if self._sessions is not None:
                self._retired.append(self._sessions)
                self._sessions = None
            await self._close_retired()
        finally:
            if self._store is not None:
                self._store.close()

    async def _close_retired(self) -> None:
        while self._retired:
            try:
                await self._retired.pop().close_connections()
            except (OSError, FluxError, ConfigError) as e:
                logger.warning("A provider did not close: %s", e)


def _open_store(door: str) -> tuple[SessionStore, str]:
    from flux.agent.store.opening import open_user_store

    return open_user_store(door)
