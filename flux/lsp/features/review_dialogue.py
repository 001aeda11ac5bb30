"""A proposal in the editor's own dialogue: one edit whose parts its user confirms hunk by hunk.

What was taken is believed by the text and the disk alone, like every edit. Knows what may be asked of an editor; what
is pending is in `flux.agent.review`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from lsprotocol import types

from flux.agent.review import Pending, Review
from flux.core.errors import FluxError, WriteRefused
from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.core.text import split_lines, with_line_feeds
from flux.edits.hunks import Hunk, hunks_made
from flux.edits.plan import (
    AppliedChange,
    AppliedPlan,
    CreateFile,
    DeleteFile,
    EditFile,
    RenameFile,
    paths_of,
    rebase_change,
    taken,
)
from flux.lsp.convert import EditorText
from flux.lsp.documents import Document, Documents
from flux.lsp.editor import USER_ANSWER_S, LspEditor
from flux.lsp.target import snapshot_of
from flux.lsp.uris import uri_of_path
from flux.lsp.workspace import LspWorkspace
from flux.workspace.workspace import read_or_none

logger = logging.getLogger(__name__)

SEEN_S = 2.0
"""Seconds after an editor's answer for its text to show what it made."""


class ReviewDialogue:
    """The dialogues of one connection."""

    def __init__(self, editor: LspEditor, review: Review, files: LspWorkspace) -> None:
        self._editor = editor
        self._review = review
        self._files = files

    async def offer(self, turn_id: str) -> Sequence[Pending]:
        """Ask for the hunks of a turn; those that were made. What the user left out of a file is rejected.

        Where nothing was made all wait on: the user closed the dialogue, or the editor did nothing.
        """
        pending = self._review.pending(turn_id=turn_id)
        client = self._editor.client
        files = await self._open_files(pending)
        whole = await self._whole_files(pending) if client.confirms_file_changes else []
        groups = [[file] for file in files] if client.edits_one_by_one else [[*files, *whole]]
        for group in filter(None, groups):
            await self._offer_files(group)
        by_id = {one.hunk.id: one for one in pending}
        decided = [file for file in files if file.after]
        moved = [file for file in whole if file.is_whole]
        made = [by_id[hunk.id] for file in decided for hunk in file.made] + [by_id[file.hunk.id] for file in moved]
        if not made:
            return ()
        changes = [AppliedChange(file.before.path, file.before, file.after, is_saved=False) for file in decided]
        changes += [file.applied() for file in moved]
        self._review.record(made, AppliedPlan("Flux: review", tuple(changes)))
        certain = [file for file in decided if file.is_certain]
        self._review.reject([by_id[hunk.id] for file in certain for hunk in file.hunks if hunk not in file.made])
        return made

    async def _whole_files(self, pending: Sequence[Pending]) -> list[_OfferedFile]:
        """What makes, moves or removes a file and fits. A move that also edits is for the commands alone."""
        found: list[_OfferedFile] = []
        for one in pending:
            change, path = one.hunk.change, one.hunk.path
            is_edited = isinstance(change, RenameFile) and change.edits
            is_other_encoding = isinstance(change, CreateFile) and (change.encoding != "utf-8" or change.has_bom)
            if isinstance(change, EditFile) or is_edited or is_other_encoding:
                continue
            try:
                self._review.check_ground(one)
                present = rebase_change(change, await read_or_none(self._files, path))
                if isinstance(present, RenameFile) and present.new_path.absolute().exists():
                    raise taken(present.new_path)
            except FluxError as e:
                logger.info("Hunk %s is not offered: %s", one.hunk.id, e.message)
                continue
            if not isinstance(present, EditFile):
                found.append(_OfferedFile(self._files.documents, one.hunk, present))
        return found

    async def _open_files(self, pending: Sequence[Pending]) -> list[_Offered]:
        """The edits that fit open files, by file. What is not open is opened: nothing could be seen of it else."""
        files: dict[WorkspacePath, _Offered] = {}
        documents, editor = self._files.documents, self._editor
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

    async def _offer_files(self, files: Sequence[_Offered | _OfferedFile]) -> None:
        """One edit that the user confirms hunk by hunk; marks what was made."""
        documents = self._files.documents

        def is_seen() -> bool:
            for file in files:
                file.look()
            return all(file.is_whole for file in files)

        # Looking begins before the answer: the text may arrive first, and be typed over when the answer comes.
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(documents.until(is_seen, USER_ANSWER_S))
            try:
                async with asyncio.timeout(USER_ANSWER_S):
                    answer = await self._editor.apply_edit("Flux: review", self._annotated(files))
            except (TimeoutError, WriteRefused) as e:
                answer = types.ApplyWorkspaceEditResult(applied=False, failure_reason=str(e) or "no answer")
            looking.cancel()
        if not answer.applied:
            logger.info("The editor did not take the offer: %s", answer.failure_reason)
        await documents.until(is_seen, SEEN_S if answer.applied else 0.3)
        is_seen()

    def _annotated(self, files: Sequence[_Offered | _OfferedFile]) -> types.WorkspaceEdit:
        """One edit with an annotation for each hunk; what removes or moves a file comes last."""
        annotations: dict[str, types.ChangeAnnotation] = {}
        changes: list[types.TextDocumentEdit | types.CreateFile | types.RenameFile | types.DeleteFile] = []
        for file in files:
            if isinstance(file, _OfferedFile):
                annotations[file.hunk.id] = types.ChangeAnnotation(_title(file.change), True)
                changes += _annotated_file(file.hunk.id, file.change)
                continue
            text = EditorText(file.before.text, self._files.documents.counting)
            edits: list[types.TextEdit | types.AnnotatedTextEdit | types.SnippetTextEdit] = []
            for hunk in file.hunks:
                what = f"{hunk.path} line {hunk.line}: +{len(hunk.after)} -{len(hunk.before)}"
                annotations[hunk.id] = types.ChangeAnnotation(what, True, next(iter(hunk.after or hunk.before), ""))
                if isinstance(hunk.change, EditFile):
                    made = text.edits(hunk.change.edits)
                    edits += [types.AnnotatedTextEdit(hunk.id, edit.range, edit.new_text) for edit in made]
            is_zero = file.before.version == 0 and self._editor.client.ignores_version_zero
            version = 1 if is_zero else file.before.version
            changes.append(
                types.TextDocumentEdit(types.OptionalVersionedTextDocumentIdentifier(file.document.uri, version), edits)
            )
        return types.WorkspaceEdit(document_changes=changes, change_annotations=annotations)


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


@dataclass(slots=True)
class _OfferedFile:
    """A new, moved or removed file, and whether it was seen to be made so. `change` is for the files as they were."""

    documents: Documents
    hunk: Hunk
    change: CreateFile | DeleteFile | RenameFile
    after: FileSnapshot | None = None
    is_whole: bool = False

    def look(self) -> None:
        """Mark it where it shows: on the disk, and for a new file in what is open."""
        if self.is_whole:
            return
        change = self.change
        path = paths_of(change)[-1]
        if isinstance(change, CreateFile):
            document = self.documents.at_path(str(path.absolute()))
            if document is not None and with_line_feeds(document.text) == with_line_feeds(change.text):
                self.is_whole, self.after = True, snapshot_of(path, document)
            return
        if change.path.absolute().exists() or self.documents.at_path(str(change.path.absolute())):
            return
        if isinstance(change, DeleteFile):
            self.is_whole = True
        elif path.absolute().exists():
            self.is_whole, self.after = True, replace(change.snapshot, path=path)

    def applied(self) -> AppliedChange:
        before = None if isinstance(self.change, CreateFile) else self.change.snapshot
        is_saved = self.after is None or self.after.origin == "disk"
        return AppliedChange(self.change.path, before, self.after, is_saved)


def _title(change: CreateFile | DeleteFile | RenameFile) -> str:
    match change:
        case CreateFile():
            return f"{change.path}: new, +{len(split_lines(change.text)) - 1}"
        case DeleteFile():
            return f"{change.path}: removed"
        case RenameFile():
            return f"{change.path}: moved to {change.new_path}"


def _annotated_file(
    hunk_id: str, change: CreateFile | DeleteFile | RenameFile
) -> Sequence[types.TextDocumentEdit | types.CreateFile | types.RenameFile | types.DeleteFile]:
    uri, new_uri = (uri_of_path(str(path.absolute())) for path in (change.path, paths_of(change)[-1]))
    match change:
        case CreateFile():
            start = types.Position(0, 0)
            edit = types.AnnotatedTextEdit(hunk_id, types.Range(start, start), change.text)
            document = types.OptionalVersionedTextDocumentIdentifier(uri)
            return types.CreateFile(uri=uri, annotation_id=hunk_id), types.TextDocumentEdit(document, [edit])
        case DeleteFile():
            return (types.DeleteFile(uri=uri, annotation_id=hunk_id),)
        case RenameFile():
            return (types.RenameFile(uri, new_uri, annotation_id=hunk_id),)
