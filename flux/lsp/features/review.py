"""Proposals in an editor: offered by whatever it has for it, decided on by commands.

Knows what may be asked of an editor; what is pending is in `flux.agent.review`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence, Set
from typing import TYPE_CHECKING

from flux.agent.review import Pending, Review
from flux.core.errors import InvalidArguments
from flux.core.text import line_content, split_lines
from flux.lsp import results
from flux.lsp.features.explanations import show_text
from flux.lsp.features.review_dialogue import ReviewDialogue
from flux.lsp.features.review_menu import HUNK_LINE, ReviewMenu
from flux.lsp.methods import ReviewAccept, ReviewReject
from flux.lsp.names import DOCUMENT_SCHEME
from flux.lsp.uris import path_of_uri, uri_of_path

if TYPE_CHECKING:
    from flux.lsp.server import FluxServer

logger = logging.getLogger(__name__)

_PREFIX, _SUFFIX = f"{DOCUMENT_SCHEME}:/review/", ".diff"


class EditorReview:
    """The review of one connection."""

    def __init__(self, server: FluxServer) -> None:
        self._server = server
        store = server.sessions.store
        self._review = Review(store, server.files)
        self._dialogue = ReviewDialogue(server.editor, self._review, server.files)
        self.menu = ReviewMenu(store, self._review, server.files)

    async def offer(self, turn_id: str) -> None:
        """Show what a turn proposed, in the way that suits the editor, and take what the user decides right there."""
        editor = self._server.editor
        await editor.refresh_lenses()
        if not (editor.client.confirms_changes and editor.client.takes_document_changes):
            await self._show(turn_id)
            return
        if editor.client.confirms_blindly:
            await self._show(turn_id)
        if await self._dialogue.offer(turn_id):
            await self._decided({turn_id})
        left = self._review.pending(turn_id=turn_id)
        if left and not editor.client.takes_turn_events:
            editor.show(f"Flux: {len(left)} proposed changes wait: {_names(left)} (flux.review.accept or reject).")

    async def _show(self, turn_id: str) -> None:
        """The diffs as a document."""
        editor = self._server.editor
        has_shown = (
            editor.client.reads_documents
            and editor.client.shows_documents
            and await editor.show_document(f"{_PREFIX}{turn_id}{_SUFFIX}", takes_focus=True)
        )
        if not has_shown:
            await show_text(editor, f"review-{turn_id}", self.diff(turn_id), kind="diff")

    def diff(self, turn_id: str) -> str:
        """What waits of a turn, as one text; with the id before every hunk."""
        pending = self._review.pending(turn_id=turn_id)
        head = (
            f"{len(pending)} proposed changes wait: flux.review.accept or flux.review.reject, by turn, file or hunk.\n"
        )
        return head + "".join(f"\n{HUNK_LINE}{one.hunk.id}\n{one.hunk.diff}" for one in pending)

    def document(self, uri: str) -> str:
        """The text of a `flux:` document. Raises InvalidArguments for none of ours."""
        if not (uri.startswith(_PREFIX) and uri.endswith(_SUFFIX)):
            raise InvalidArguments(f"{uri} is no document of Flux.")
        return self.diff(uri.removeprefix(_PREFIX).removesuffix(_SUFFIX))

    def list(self, turn_id: str) -> results.WaitingHunks:
        return {"hunks": [_to_json(pending) for pending in self._review.pending(turn_id=turn_id)]}

    async def accept(self, given: ReviewAccept) -> results.Accepted:
        chosen = self._chosen(given.turn, given.file, given.hunk)
        if given.text is not None:
            chosen = [self._amended(chosen, given)]
        # A turn that is named as a whole is one proposal.
        is_whole_turn = bool(given.turn and not given.file and not given.hunk)
        came = await self._review.accept(chosen, all_or_none=is_whole_turn)
        await self._decided({pending.turn_id for pending in chosen})
        if came.refused and not self._server.editor.client.takes_turn_events:
            reasons = "; ".join(dict.fromkeys(one.reason.partition("\n")[0] for one in came.refused))
            self._server.editor.show(f"Flux: {len(came.refused)} changes were not made: {reasons}", "warning")
        return {
            "accepted": [pending.hunk.id for pending in came.accepted],
            "refused": [
                {"hunk": one.pending.hunk.id, "path": str(one.pending.hunk.path), "reason": one.reason}
                for one in came.refused
            ],
            "paths": [str(change.new_path) for change in came.changes],
            "unsaved": [str(change.new_path) for change in came.changes if not change.is_saved],
            "pending": len(self._review.pending()),
        }

    async def reject(self, given: ReviewReject) -> results.Rejected:
        chosen = self._chosen(given.turn, given.file, given.hunk)
        rejected = self._review.reject(chosen, given.reason)
        await self._decided({pending.turn_id for pending in chosen})
        return {"rejected": [pending.hunk.id for pending in rejected], "pending": len(self._review.pending())}

    def _chosen(self, turn_id: str, file: str, hunk_id: str) -> Sequence[Pending]:
        """What the arguments name. Raises InvalidArguments where that is nothing."""
        path = self._server.files.path(path_of_uri(file) or file) if file else None
        chosen = self._review.pending(turn_id=turn_id, path=path, hunk_id=hunk_id)
        if not chosen:
            raise InvalidArguments("Nothing of that waits for review.", hint="flux.review.list shows what does.")
        return chosen

    def _amended(self, chosen: Sequence[Pending], given: ReviewAccept) -> Pending:
        """The one hunk with the user's text. Raises InvalidArguments where none is named, NothingChanged."""
        if not given.hunk or given.text is None:
            raise InvalidArguments("`text` is for one hunk: name it as `hunk`.")
        lines = [line_content(line) for line in split_lines(given.text)]
        return self._review.amend(chosen[0], lines if lines[-1] else lines[:-1])

    async def _decided(self, turn_ids: Set[str]) -> None:
        """What shows these turns is out of date, and what shows those that build on them."""
        await self._server.editor.refresh_lenses()
        if self._server.editor.client.reads_documents:
            for turn_id in sorted(turn_ids | {pending.turn_id for pending in self._review.pending()}):
                await self._server.editor.refresh_document(f"{_PREFIX}{turn_id}{_SUFFIX}")


def _names(pending: Sequence[Pending]) -> str:
    return ", ".join(dict.fromkeys(str(one.hunk.path) for one in pending))


def _to_json(pending: Pending) -> results.WaitingHunk:
    hunk = pending.hunk
    return {
        "hunk": hunk.id,
        "turn": pending.turn_id,
        "session": pending.session_id,
        "path": str(hunk.path),
        "uri": uri_of_path(str(hunk.path.absolute())),
        "line": hunk.line,
        "before": list(hunk.before),
        "after": list(hunk.after),
        "diff": hunk.diff,
        "buildsOn": list(hunk.builds_on),
    }
