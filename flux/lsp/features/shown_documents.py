"""Documents of the scheme `flux:`, which an editor asks for: proposals, transcripts, and what would be sent next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flux.agent.store.export import to_markdown
from flux.lsp.names import DOCUMENT_SCHEME

if TYPE_CHECKING:
    from flux.lsp.server import FluxServer

PROMPT = f"{DOCUMENT_SCHEME}:/prompt.txt"
_CHAT, _MARKDOWN = f"{DOCUMENT_SCHEME}:/chat/", ".md"


async def shown_document(server: FluxServer, uri: str) -> str:
    """The document's text now. Raises InvalidArguments where it is none of ours, and SessionMissing."""
    _ = server.files  # the sessions work on it
    server.shown_documents.add(uri)
    if uri == PROMPT:
        return "\n".join((await server.sessions.preview(await server.sessions.chat())).lines())
    if uri.startswith(_CHAT) and uri.endswith(_MARKDOWN):
        store = server.sessions.store
        return to_markdown(store, store.find(uri.removeprefix(_CHAT).removesuffix(_MARKDOWN)))
    return server.review.document(uri)


async def refresh_after_turn(server: FluxServer, session_id: str) -> None:
    """Tell that what shows the session is out of date, where the editor has asked for it."""
    for uri in sorted({f"{_CHAT}{session_id}{_MARKDOWN}", PROMPT} & server.shown_documents):
        await server.editor.refresh_document(uri)
