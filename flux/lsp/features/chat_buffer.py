"""The chat in a document of the editor: the user writes below a heading, and the answer streams in by versioned edits.

For editors without a chat of their own. What is in the document is `flux.lsp.chat_text`'s matter; every edit goes the
way of all others, so nothing that is typed meanwhile is lost.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lsprotocol import types

from flux.agent.events import TurnEvent
from flux.core.errors import FluxError, InvalidArguments, WriteRefused
from flux.core.messages import Message
from flux.edits.text_edit import TextEdit
from flux.lsp import chat_text, results
from flux.lsp.chat_text import Rendering, draft_of
from flux.lsp.clients import Client, is_wanted
from flux.lsp.convert import EditorText
from flux.lsp.documents import UNTITLED_ROOT, Document
from flux.lsp.methods import ChatOpenBuffer
from flux.lsp.names import CHAT_OPEN_BUFFER, CHAT_SEND_BUFFER
from flux.lsp.uris import uri_of_path
from flux.lsp.workspace import LspWorkspace

if TYPE_CHECKING:
    from flux.agent.session import Session
    from flux.lsp.server import FluxServer

logger = logging.getLogger(__name__)

KIND = "flux.chat"
"""Of the code actions: no kind of LSP's own says what they do."""
SUFFIXES = (".md", ".markdown", ".txt")
"""Names that a chat may have."""

BATCH_S = 0.4
"""What comes of an answer within this time is one edit, and one step of the editor's undo."""
OPEN_S = 1.0
"""Seconds for the editor to open a document for Flux, once it was asked to show it."""
LAST_TRIES = 3
LABEL = "Flux: chat"


class ChatBuffers:
    """The chat documents of one connection."""

    def __init__(self, server: FluxServer) -> None:
        self._server = server
        self._opens = True
        """Flux is told of documents outside the editor's folders, as far as is known."""

    def actions(self, client: Client, params: types.CodeActionParams) -> list[types.CodeAction | types.Command]:
        """To send what is written in a chat; and to chat in an empty document."""
        document = self._server.files.documents.get(params.text_document.uri)
        if document is None or not _may_be_chat(document) or not is_wanted(KIND, params.context.only):
            return []
        draft = draft_of(document.text)
        if draft is not None and draft.text:
            title, name = chat_text.SEND, CHAT_SEND_BUFFER
        elif draft is None and not document.text.strip():
            title, name = "Flux: chat in this document", CHAT_OPEN_BUFFER
        else:
            return []
        command = types.Command(title, name, arguments=[{"uri": document.uri}])
        return [types.CodeAction(title, KIND, command=command)] if client.takes_code_actions else [command]

    def lenses(self, uri: str) -> list[types.CodeLens]:
        """One where the user writes."""
        document = self._server.files.documents.get(uri)
        draft = draft_of(document.text) if document and _may_be_chat(document) else None
        if document is None or draft is None:
            return []
        at = EditorText(document.text, self._server.files.documents.counting).place(draft.comment)
        command = types.Command("Flux: send", CHAT_SEND_BUFFER, arguments=[{"uri": uri}])
        return [types.CodeLens(types.Range(at, at), command)]

    async def open(self, given: ChatOpenBuffer) -> results.ChatBuffer:
        """A chat in the document that is named, else in a file of Flux's own. Raises WriteRefused, InvalidArguments."""
        session = await self._server.sessions.chat(given.session)
        uri = given.uri or self._uri_of(session.id) or await self._show(session)
        document = self._server.files.documents.get(uri) if uri else None
        if given.uri and document is None:
            raise InvalidArguments(f"{given.uri} is not open.")
        if document is None:
            raise WriteRefused(
                "The editor does not open a chat outside its folders for Flux.",
                hint=f"Open an empty Markdown file of your project, and run {CHAT_OPEN_BUFFER} with its `uri` there.",
            )
        if draft_of(document.text) is None:
            await self._server.files.write_into(uri, LABEL, partial(_appended, session))
        return {"session": session.id, "uri": document.uri}

    async def take(self, uri: str) -> Answer:
        """What the user has written in a chat is a message now, with a place for its answer.

        Raises InvalidArguments where nothing is written, SessionMissing, and WriteRefused and StaleSnapshot where the
        document cannot be edited; then it is as it was.
        """
        answer = Answer(self._server.files)

        def ask(text: str) -> Sequence[TextEdit]:
            draft = draft_of(text)
            if draft is None or not draft.text:
                raise InvalidArguments("Nothing is written below the last heading of the chat.")
            answer.session_id, answer.message = draft.session_id, draft.text
            return chat_text.asking(text, draft.text, answer.id, is_draft=True)

        document = self._server.files.documents.get(uri)
        if document is None:
            raise InvalidArguments(f"{uri} is not open.")
        ask(document.text)
        await self._server.sessions.chat(answer.session_id)  # it may have been deleted
        await self._server.files.write_into(uri, LABEL, ask)
        answer.uri = uri
        return answer

    def transcribe(self, session: Session, message: str) -> Answer:
        """The place for an answer to what was said elsewhere, in the session's document, which is opened for it."""
        answer = Answer(self._server.files, session.id, message)

        async def open_() -> str:
            uri = self._uri_of(session.id) or await self._show(session)
            if uri:
                ask = partial(chat_text.asking, message=message, answer_id=answer.id, is_draft=False)
                await self._server.files.write_into(uri, LABEL, ask)
            return uri

        answer.open = open_
        return answer

    async def tell(self, session_id: str, event: TurnEvent) -> bool:
        """Write what happens between two turns into the chat, where it is open; whether it stands there."""
        uri = self._uri_of(session_id)
        if not uri:
            return False
        try:
            await self._server.files.write_into(uri, LABEL, partial(chat_text.told, piece=Rendering().piece(event)))
        except FluxError as e:
            logger.info("The chat %s could not be written into: %s", uri, e)
            return False
        return True

    def _uri_of(self, session_id: str) -> str:
        """The open document with this chat; empty where there is none."""
        for document in self._server.files.documents:
            draft = draft_of(document.text) if _may_be_chat(document) else None
            if draft is not None and draft.session_id == session_id:
                return document.uri
        return ""

    async def _show(self, session: Session) -> str:
        """Have the editor open a file with the chat; its URI, empty where Flux is not told of it."""
        documents, client = self._server.files.documents, self._server.protocol.client
        path = self._server.sessions.store.chat_file(session.id)
        if path is None or not (self._opens and client.shows_documents and client.tells_of_any_file):
            return ""
        if documents.at_path(str(path)) is None:
            await asyncio.to_thread(_bring_up, path, session.history(), session.id)
        await self._server.editor.show_document(uri_of_path(str(path)), takes_focus=True)
        self._opens = await documents.until(lambda: documents.at_path(str(path)) is not None, OPEN_S)
        document = documents.at_path(str(path))
        return document.uri if document else ""


@dataclass(slots=True)
class Answer:
    """An answer on its way into a document. `open` gives the document, where it is yet to be opened."""

    files: LspWorkspace
    session_id: str = ""
    message: str = ""
    uri: str = ""
    open: Callable[[], Awaitable[str]] | None = None
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    _pieces: list[str] = field(default_factory=list[str])
    _rendering: Rendering = field(default_factory=Rendering)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _last: str = ""

    def show(self, event: TurnEvent) -> None:
        """The next event of the turn."""
        if piece := self._rendering.piece(event):
            self._pieces.append(piece)
            self._news.set()

    def end(self, summary: str) -> None:
        """There is no more to come."""
        self._last = f"*{' '.join(summary.split())}*"
        self._over.set()
        self._news.set()

    async def write(self) -> bool:
        """Write what comes until the end; whether the document has it, or the user removed its place."""
        if self.open is not None:
            try:
                self.uri = await self.open()
            except (FluxError, OSError, ValueError) as e:  # a file of Flux's own that cannot be read or written too
                logger.info("The chat has no document: %s", e)
        if not self.uri:
            return False
        while not self._over.is_set():
            await self._news.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(BATCH_S):
                    await self._over.wait()
            self._news.clear()
            await self._put()
        for _ in range(LAST_TRIES):
            if await self._put() and await self._edit(partial(chat_text.ending, answer_id=self.id, last=self._last)):
                return True
        return False

    async def _put(self) -> bool:
        """Write what has come; what could not be written comes with the next piece."""
        count = len(self._pieces)
        piece = "".join(self._pieces)
        is_done = await self._edit(partial(chat_text.answering, answer_id=self.id, piece=piece))
        if is_done:
            del self._pieces[:count]
        return is_done

    async def _edit(self, edits_of: Callable[[str], Sequence[TextEdit]]) -> bool:
        documents = self.files.documents
        if documents.get(self.uri) is None:  # its user may have given the file another name
            named = (one.uri for one in documents if _may_be_chat(one) and self.id in one.text)
            self.uri = next(named, self.uri)
        try:
            await self.files.write_into(self.uri, LABEL, edits_of)
        except FluxError as e:
            logger.info("The answer could not be written into %s yet: %s", self.uri, e)
            return False
        return True


def _may_be_chat(document: Document) -> bool:
    """By its name; one that was never saved has none that says anything."""
    return document.path.endswith(SUFFIXES) or document.path.startswith(UNTITLED_ROOT)


def _appended(session: Session, text: str) -> Sequence[TextEdit]:
    gap = "" if not text.strip() else "\n\n"
    added = chat_text.brought_up("", session.history(), session.id)
    return (TextEdit(len(text), len(text), gap + added),)


def _bring_up(path: Path, messages: Sequence[Message], session_id: str) -> None:
    """What the user had written and saved in the file stays."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(chat_text.brought_up(before, messages, session_id), encoding="utf-8", newline="\n")
