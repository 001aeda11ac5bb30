"""Whether a change shows in the editor, by the documents that it reports and by the disk. Asks the editor nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from flux.core.errors import StaleSnapshot
from flux.core.text import with_line_feeds
from flux.edits.plan import CreateFile, DeleteFile, EditFile, RenameFile, paths_of, rebase
from flux.edits.text_edit import apply_edits
from flux.lsp.clients import Client
from flux.lsp.documents import Documents
from flux.lsp.misplaced import is_made_besides
from flux.lsp.target import Target, snapshot_of


def look_at(target: Target, documents: Documents, client: Client) -> None:
    """Mark the target if its change shows now. Once seen is enough: the user may type on at once.

    Unless what was seen turns out to have been the user's.
    """
    made_on = target.trail.made_on if target.trail else None
    if target.is_refused or (target.is_seen and made_on == target.seen_on):
        return
    target.is_seen, target.seen_on = False, made_on
    change = target.change
    if isinstance(change, DeleteFile):
        is_closed = documents.get(target.uri) is None
        target.is_seen = (target.is_on_disk or is_closed) and not change.path.absolute().exists()
        return
    if isinstance(change, RenameFile) and (documents.get(target.uri) or change.path.absolute().exists()):
        return
    document = documents.get(target.new_uri)
    path = paths_of(change)[-1]
    if document is None:
        if isinstance(change, RenameFile) and target.version is None:
            target.is_seen, target.after = path.absolute().exists(), replace(change.snapshot, path=path)
        return
    if not document.is_known:
        return
    expected, now = change.new_text(), snapshot_of(path, document)
    trail = target.trail if target.trail and target.trail.follow in document.followers else None
    is_merged = trail is None or trail.has_whole_texts
    if trail is not None and trail.has_news and target.told_at == float("inf"):
        target.told_at = asyncio.get_running_loop().time()
    if trail is not None and target.is_claimed and trail.has_whole_texts:
        trail.explain()
    if isinstance(change, EditFile) and trail is not None and trail.made_on is not None:
        if _is_in_place(change, trail.made_on, trail.made):
            target.is_seen, target.after = True, replace(now, text=expected)
    elif _is_same(now.text, expected, client):
        target.is_seen, target.after = True, now
    elif is_merged and _is_made_besides(change, now.text):
        target.is_seen, target.after = True, replace(now, text=expected)


def has_moved(target: Target, documents: Documents) -> bool:
    """Whether the user's typing came between, or the end of the document."""
    if target.is_seen:
        return False
    document = documents.get(target.uri)
    if document is None:
        return target.version is not None and not isinstance(target.change, RenameFile)
    if target.trail is not None and target.trail.follow not in document.followers:
        return True  # it was closed, and opened again
    return isinstance(target.change, EditFile | RenameFile) and document.text != target.change.snapshot.text


def _is_same(text: str, expected: str, client: Client) -> bool:
    """Alike but for the style of line ends, which editors unify, and a last one, where the editor adds it."""
    if text == expected:
        return True
    text, expected = with_line_feeds(text), with_line_feeds(expected)
    if client.ends_with_line_end and not expected.endswith("\n"):
        expected += "\n"
    return text == expected


def _is_made_besides(change: CreateFile | EditFile | RenameFile, text: str) -> bool:
    return not isinstance(change, CreateFile) and is_made_besides(change.new_text(), change.snapshot.text, text)


def _is_in_place(change: EditFile, text: str, made: str) -> bool:
    """Whether the edits of the change, made on this text with that outcome, came to the places they are for."""
    try:
        return with_line_feeds(apply_edits(text, rebase(change.edits, change.snapshot.text, text))) == with_line_feeds(
            made
        )
    except StaleSnapshot:
        return False
