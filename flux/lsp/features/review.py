"""Proposals in an editor: offered by whatever it has for it, decided on by commands.

An offer by annotations is believed by the text alone, like every edit. Knows what may be asked of an editor; what is
pending is in `flux.agent.review`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lsprotocol import types

from flux.agent.review import Accepted, Pending, Review
from flux.core.errors import FluxError, InvalidArguments, WriteRefused
from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.core.text import line_content, split_lines
from flux.edits.hunks import Hunk, hunks_made
from flux.edits.plan import AppliedChange, AppliedPlan, EditFile, rebase_change
from flux.lsp.convert import EditorText
from flux.lsp.delivery import snapshot_of
from flux.lsp.documents import Document
from flux.lsp.editor import USER_ANSWER_S
from flux.lsp.features.explanations import show_text
from flux.lsp.features.review_menu import HUNK_LINE, ReviewMenu
from flux.lsp.methods import DOCUMENT_SCHEME, ReviewAccept, ReviewReject
from flux.lsp.uris import path_of_uri, uri_of_path

if TYPE_CHECKING:
    from flux.lsp.server import FluxServer

logger = logging.getLogger(__name__)

SEEN_S = 2.0
"""Seconds after an editor's answer for its text to show what it made."""
_PREFIX, _SUFFIX = f"{DOCUMENT_SCHEME}:/review/", ".diff"

Json = dict[str, object]


@dataclass(slots=True)
class _Offered:
    """The hunks of one open file, on its text as it was when they were offered, and what of them was seen made."""

    document: Document
    before: FileSnapshot
    hunks: list[Hunk] = field(default_factory=list[Hunk])
    made: tuple[Hunk, ...] = ()
    after: FileSnapshot | None = None

    def look(self) -> None:
        """Mark what was made. Neovim 0.12 tells of the edits of one step in parts, so the most that was seen counts."""
        made = self._made_now()
        if made and len(made) > len(self.made):
            self.made, self.after = made, snapshot_of(self.before.path, self.document)

    @property
    def is_whole(self) -> bool:
        return len(self.made) == len(self.hunks)

    @property
    def is_certain(self) -> bool:
        """Whether the text still shows what was made, so that the rest was not."""
        return self.after is not None and self._made_now() == self.made

    def _made_now(self) -> tuple[Hunk, ...] | None:
        return hunks_made(self.hunks, self.document.text)


class EditorReview:
    """The review of one connection."""

    def __init__(self, server: FluxServer) -> None:
        self._server = server
        store = server.sessions.store
        self._review = Review(store, server.files)
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
        await self._offer_annotated(turn_id)
        if left := self._review.pending(turn_id=turn_id):
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

    def list(self, turn_id: str) -> Json:
        return {"hunks": [_to_json(pending) for pending in self._review.pending(turn_id=turn_id)]}

    async def accept(self, given: ReviewAccept) -> Json:
        chosen = self._chosen(given.turn, given.file, given.hunk)
        if given.text is not None:
            chosen = [self._amended(chosen, given)]
        # A turn that is named as a whole is one proposal.
        is_whole_turn = bool(given.turn and not given.file and not given.hunk)
        came = await self._review.accept(chosen, all_or_none=is_whole_turn)
        await self._decided(came.accepted)
        if came.refused and not self._server.editor.client.takes_turn_events:
            reasons = "; ".join(dict.fromkeys(one.reason.partition("\n")[0] for one in came.refused))
            self._server.editor.show(f"Flux: {len(came.refused)} changes were not made: {reasons}", "warning")
        return {
            "accepted": [pending.hunk.id for pending in came.accepted],
            "refused": [
                {"hunk": one.pending.hunk.id, "path": str(one.pending.hunk.path), "reason": one.reason}
                for one in came.refused
            ],
            **_paths(came),
            "pending": len(self._review.pending()),
        }

    async def reject(self, given: ReviewReject) -> Json:
        rejected = self._review.reject(self._chosen(given.turn, given.file, given.hunk), given.reason)
        await self._decided(())
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

    async def _decided(self, accepted: Sequence[Pending]) -> None:
        """What was made can be taken back, and what shows the rest is out of date."""
        sessions = self._server.sessions
        for turn_id, session_id in dict.fromkeys((pending.turn_id, pending.session_id) for pending in accepted):
            try:
                sessions.remember_turn(turn_id, await sessions.find(session_id))
            except FluxError as e:
                logger.warning("Turn %s cannot be taken back from here: %s", turn_id, e)
        await self._server.editor.refresh_lenses()
        if self._server.editor.client.reads_documents:
            for turn_id in dict.fromkeys(pending.turn_id for pending in self._review.pending()):
                await self._server.editor.refresh_document(f"{_PREFIX}{turn_id}{_SUFFIX}")

    async def _offer_annotated(self, turn_id: str) -> None:
        pending = self._review.pending(turn_id=turn_id)
        files = await self._open_files(pending)
        # Where only the first document's version is looked at, each goes alone.
        groups = [[file] for file in files] if self._server.editor.client.checks_first_version_only else [files]
        for group in filter(None, groups):
            await self._offer_files(group)
        by_id = {one.hunk.id: one for one in pending}
        decided = [file for file in files if file.after]
        made = [by_id[hunk.id] for file in decided for hunk in file.made]
        if not made:
            return  # the user closed the dialogue, or the editor did nothing: all wait on
        changes = (AppliedChange(file.before.path, file.before, file.after, is_saved=False) for file in decided)
        self._review.record(made, AppliedPlan("Flux: review", tuple(changes)))
        certain = [file for file in decided if file.is_certain]
        self._review.reject([by_id[hunk.id] for file in certain for hunk in file.hunks if hunk not in file.made])
        await self._decided(made)

    async def _open_files(self, pending: Sequence[Pending]) -> list[_Offered]:
        """The edits that fit open files, by file. What is not open is opened: nothing could be seen of it else."""
        files: dict[WorkspacePath, _Offered] = {}
        documents, editor = self._server.files.documents, self._server.editor
        for path in dict.fromkeys(one.hunk.path for one in pending if isinstance(one.hunk.change, EditFile)):
            name = str(path.absolute())
            if documents.at_path(name) is None and editor.client.shows_documents:
                await editor.show_document(uri_of_path(name), takes_focus=False)
                await documents.until(lambda name=name: documents.at_path(name) is not None, SEEN_S)
        for one in pending:
            document = documents.at_path(str(one.hunk.path.absolute()))
            if document is None or not isinstance(one.hunk.change, EditFile):
                continue
            file = files.setdefault(one.hunk.path, _Offered(document, snapshot_of(one.hunk.path, document)))
            try:
                self._review.check_ground(one)
                file.hunks.append(Hunk(one.hunk.id, rebase_change(one.hunk.change, file.before)))
            except FluxError as e:
                logger.info("Hunk %s is not offered: %s", one.hunk.id, e.message)
        return [file for file in files.values() if file.hunks]

    async def _offer_files(self, files: Sequence[_Offered]) -> None:
        """One edit that the user confirms hunk by hunk; marks what was made."""
        documents = self._server.files.documents

        def is_seen() -> bool:
            for file in files:
                file.look()
            return all(file.is_whole for file in files)

        # Looking begins before the answer: the text may arrive first, and be typed over when the answer comes.
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(documents.until(is_seen, USER_ANSWER_S))
            try:
                async with asyncio.timeout(USER_ANSWER_S):
                    answer = await self._server.editor.apply_edit("Flux: review", self._annotated(files))
            except (TimeoutError, WriteRefused) as e:
                answer = types.ApplyWorkspaceEditResult(applied=False, failure_reason=str(e) or "no answer")
            looking.cancel()
        if not answer.applied:
            logger.info("The editor did not take the offer: %s", answer.failure_reason)
        await documents.until(is_seen, SEEN_S if answer.applied else 0.3)
        is_seen()

    def _annotated(self, files: Sequence[_Offered]) -> types.WorkspaceEdit:
        annotations: dict[str, types.ChangeAnnotation] = {}
        changes: list[types.TextDocumentEdit | types.CreateFile | types.RenameFile | types.DeleteFile] = []
        for file in files:
            text = EditorText(file.before.text, self._server.files.documents.counting)
            edits: list[types.TextEdit | types.AnnotatedTextEdit | types.SnippetTextEdit] = []
            for hunk in file.hunks:
                what = f"{hunk.path} line {hunk.line}: +{len(hunk.after)} -{len(hunk.before)}"
                annotations[hunk.id] = types.ChangeAnnotation(what, True, next(iter(hunk.after or hunk.before), ""))
                if isinstance(hunk.change, EditFile):
                    made = text.edits(hunk.change.edits)
                    edits += [types.AnnotatedTextEdit(hunk.id, edit.range, edit.new_text) for edit in made]
            is_zero = file.before.version == 0 and self._server.editor.client.ignores_version_zero
            version = 1 if is_zero else file.before.version
            changes.append(
                types.TextDocumentEdit(types.OptionalVersionedTextDocumentIdentifier(file.document.uri, version), edits)
            )
        return types.WorkspaceEdit(document_changes=changes, change_annotations=annotations)


def _paths(came: Accepted) -> Json:
    return {
        "paths": [str(change.new_path) for change in came.changes],
        "unsaved": [str(change.new_path) for change in came.changes if not change.is_saved],
    }


def _names(pending: Sequence[Pending]) -> str:
    return ", ".join(dict.fromkeys(str(one.hunk.path) for one in pending))


def _to_json(pending: Pending) -> Json:
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
