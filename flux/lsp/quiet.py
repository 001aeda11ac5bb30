"""A moment at which an editor that tells of typing late has told all of it, and how long that is certain.

Emacs tells what was typed when its user pauses, and until then makes edits for a text that it no longer has (eglot
30.1). So it is given a change that changes nothing: it tells of it at the user's next pause, which is at once where the
user is still, together with all that was typed before. A pause is as long as it is: what the editor tells within that
time from the beginning was told before anything that was typed later could be. Knows one document and its versions, and
nothing of what is to be changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from lsprotocol import types

from flux.core.errors import WriteRefused
from flux.lsp.documents import Document, Documents

PAUSE_S = 0.45
"""No typing is told of sooner than this: `eglot-send-changes-idle-time` is 0.5 s (eglot.el, 30.1)."""
SLOW_TRIES = 4
"""So often it is asked for anew where it was told too late to be of use."""
END_OF_LINE = 2**31 - 1
"""A character that no line has is the line's end, however long the line is by then (LSP 3.17, `Position`)."""

LABEL = "Flux: look"

ApplyEdit = Callable[[str, types.WorkspaceEdit], Awaitable[types.ApplyWorkspaceEditResult]]


async def told_until(documents: Documents, document: Document, apply_edit: ApplyEdit, bound_s: float) -> float | None:
    """Wait until the editor has told all that was typed into the document, at the latest at its user's next pause.

    What it tells of an edit before the returned moment, by the event loop's clock, shows it made on the text that the
    document has now. The moment is past where that cannot be had of the editor, and None where its user did not pause
    within the bound.
    """
    loop = asyncio.get_running_loop()
    deadline, slow = loop.time() + bound_s, 0
    if "\n" not in document.text:
        return -float("inf")
    while loop.time() < deadline:
        begun, version = loop.time(), document.version

        def is_told(version: int = version) -> bool:
            return document.version != version or documents.get(document.uri) is not document

        try:
            result = await apply_edit(LABEL, _nothing(document))
        except WriteRefused:
            # Its version is another one, and told soon; or it takes no edit at all, and says so to the next one.
            if not await documents.until(is_told, deadline - loop.time()):
                return -float("inf")
            continue
        if not result.applied:
            return -float("inf")
        if not await documents.until(is_told, deadline - loop.time()):
            return None
        slow += 1
        # Told late, it was told after a pause: the next is told at once, and leaves time for what is to be done.
        if loop.time() - begun < PAUSE_S / 2 or slow == SLOW_TRIES:
            return begun + PAUSE_S
    return None


def _nothing(document: Document) -> types.WorkspaceEdit:
    """The end of the first line in place of itself, which it is wherever that line ends by now."""
    place = types.Range(types.Position(0, END_OF_LINE), types.Position(1, 0))
    identifier = types.OptionalVersionedTextDocumentIdentifier(uri=document.uri, version=document.version)
    return types.WorkspaceEdit(document_changes=[types.TextDocumentEdit(identifier, [types.TextEdit(place, "\n")])])
