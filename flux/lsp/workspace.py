"""The user's files as their editor has them: open buffers win, the disk is for the rest.

Every change goes through the editor (`flux.lsp.delivery`). Nothing is ever saved, and no open file is written. The disk
is written only for what the editor cannot do, after asking.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import assert_never

from flux.core.diagnostics import Diagnostic, ProblemReport
from flux.core.errors import FileMissing, FluxError, OutsideWorkspace, StaleSnapshot, TextUnknown, WriteRefused
from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.core.text import with_line_feeds
from flux.edits.plan import (
    AppliedChange,
    AppliedPlan,
    CreateFile,
    DeleteFile,
    EditFile,
    EditPlan,
    FileChange,
    RenameFile,
    paths_of,
    rebase_change,
    taken,
)
from flux.edits.text_edit import TextEdit
from flux.lsp.asking import Asking, Bounds, Editor, Patience
from flux.lsp.clients import Client
from flux.lsp.delivery import TRIES, Delivery, TextMoved
from flux.lsp.documents import UNTITLED_ROOT, Document, Documents
from flux.lsp.notebooks import OpenNotebook, open_notebook
from flux.lsp.problems import Problems
from flux.lsp.target import snapshot_of
from flux.lsp.uris import path_of_uri, uri_of_path
from flux.workspace.disk import is_mode_of_new_files
from flux.workspace.encoding import shows_in_bytes
from flux.workspace.ignore import check_allowed
from flux.workspace.moves import Move
from flux.workspace.paths import check_is_no_link
from flux.workspace.workspace import Workspace, read_or_none

UNTITLED = "untitled:"
"""In the place of a root's name, for documents that were never saved."""

logger = logging.getLogger(__name__)


class LspWorkspace:
    """The Workspace over an editor. `disk_of` makes the one for closed files, over the folders as they are now."""

    def __init__(
        self,
        documents: Documents,
        editor: Editor,
        disk_of: Callable[[Sequence[str]], Workspace],
        bounds: Bounds | None = None,
    ) -> None:
        self.documents = documents
        self.editor = editor
        self._disk_of = disk_of
        self._disk: Workspace | None = None
        self._problems = Problems(documents)
        self._asking = Asking(documents, editor, bounds or Bounds())
        self._delivery = Delivery(self._asking, self._now_or_none)
        self._applying = asyncio.Lock()
        self._patience: dict[int, Patience] = {}
        """By the identity of the plans that are being applied."""

    @property
    def roots(self) -> Sequence[str]:
        return self.disk.roots

    @property
    def disk(self) -> Workspace:
        """The closed files, below the folders that the editor has open now."""
        roots = self.documents.folder_paths()
        if self._disk is None or tuple(self._disk.roots) != tuple(roots):
            self._disk = self._disk_of(roots)
        return self._disk

    def path(self, text: str) -> WorkspacePath:
        label, _, name = text.strip().partition("/")
        if label == UNTITLED:
            return WorkspacePath(UNTITLED_ROOT, name, UNTITLED)
        return self.disk.path(text)

    def path_of(self, document: Document) -> WorkspacePath | None:
        """The document's place in the workspace, None where it is not a file of it."""
        folder, name = os.path.split(document.path)
        if folder == UNTITLED_ROOT:
            return WorkspacePath(folder, name, UNTITLED)
        try:
            return self.disk.path(document.path) if document.path else None
        except OutsideWorkspace:
            return None

    async def read(self, path: WorkspacePath) -> FileSnapshot:
        if notebook := open_notebook(self.documents, path):
            check_allowed(path)
            return notebook.snapshot
        document = self._document(path)
        if document is None and path.root == UNTITLED_ROOT:
            raise FileMissing(f"There is no open document {path}.", path=str(path))
        if document is None:
            return await self.disk.read(path)
        check_allowed(path, document.path)
        return snapshot_of(path, document)

    async def read_bytes(self, path: WorkspacePath, limit: int) -> bytes:
        return await self.disk.read_bytes(path, limit)

    async def list_files(self, folder: str = "") -> Sequence[WorkspacePath]:
        unsaved = {path for path, _ in self._open() if not path.absolute().exists()}
        if folder:
            below = str(self.disk.path(f"{folder}/x"))[:-1]
            unsaved = {path for path in unsaved if str(path).startswith(below)}
        try:
            listed = await self.disk.list_files(folder)
        except FileMissing:
            if not unsaved:
                raise
            listed = ()
        return sorted(unsaved.union(listed))

    def open_buffers(self) -> Sequence[FileSnapshot]:
        opened = [snapshot_of(path, document) for path, document in self._open()]
        return [*opened, *(notebook.snapshot for notebook in self._notebooks())]

    def unsaved(self) -> Mapping[WorkspacePath, FileSnapshot | None]:
        return {buffer.path: buffer for buffer in self.open_buffers()}

    async def diagnostics(self, path: WorkspacePath) -> Sequence[Diagnostic]:
        document = self._document(path)
        if "diagnostics" in self.editor.client.queries:
            uri = document.uri if document else uri_of_path(str(path.absolute()))
            snapshot = await self.read(path)
            return await self._problems.shown(self.editor, uri, snapshot.text)
        return self._problems.known(document) if document else ()

    def report(self, document: Document, diagnostics: Iterable[Diagnostic]) -> Sequence[Diagnostic]:
        """Keep the problems that the editor showed for the present text; they, and those it showed before."""
        self._problems.report(document, diagnostics)
        return self._problems.known(document)

    async def diagnostics_after(self, change: AppliedChange, timeout_s: float) -> ProblemReport | None:
        document = self._document(change.new_path)
        if (
            document is None
            or change.after is None
            or change.is_saved
            or "diagnostics" not in self.editor.client.queries
        ):
            return None
        return await self._problems.new_ones(self.editor, document, change.after, timeout_s)

    def moves_of(self, told: Iterable[tuple[str, str]]) -> Sequence[Move]:
        """What of it the user did: files by their old and new URIs, as the editor tells, the new one empty for removed.

        Editors tell of what Flux moved in the same way.
        """
        moves: list[Move] = []
        for old, new in told:
            if (path := self._place(old)) is None:
                continue
            move = Move(path, self._place(new))
            if move in self._asking.moved:
                self._asking.moved.remove(move)
            else:
                moves.append(move)
        return moves

    def _place(self, uri: str) -> WorkspacePath | None:
        with suppress(OutsideWorkspace):
            return self.disk.path(path_of_uri(uri) or "")
        return None

    async def clear_leftovers(self, beside: Iterable[WorkspacePath]) -> None:
        await self.disk.clear_leftovers(beside)

    async def apply(self, plan: EditPlan) -> AppliedPlan:
        patience = self._patience[id(plan)] = Patience()
        try:
            async with patience.bound():
                await self._applying.acquire()
            try:
                return await self._apply_alone(plan, patience)
            finally:
                self._applying.release()
        except TimeoutError as e:
            if not patience.is_over:
                raise
            raise WriteRefused("The user cancelled before the change was sent.") from e
        finally:
            del self._patience[id(plan)]

    def hurry(self, plan: EditPlan) -> None:
        if patience := self._patience.get(id(plan)):
            patience.end()

    async def _apply_alone(self, plan: EditPlan, patience: Patience) -> AppliedPlan:
        """Two plans on their way to one buffer would each look like the user's typing to the other."""
        if "diagnostics" in self.editor.client.queries:
            async with patience.bound():
                await self._problems.remember(self.editor, dict(map(self._uri_and_text, plan.changes)))
        for _ in range(TRIES - 1):
            with suppress(TextMoved):
                return await self._apply(plan, patience)
            logger.info("The text changed while an edit was on its way; it is matched once more.")
        try:
            return await self._apply(plan, patience)
        except TextMoved as e:
            raise StaleSnapshot(
                f"{e.names} kept changing while the edit was made.", hint="Read again, then edit."
            ) from e

    async def write_into(self, uri: str, label: str, edits_of: Callable[[str], Sequence[TextEdit]]) -> None:
        """Edit an open document of the user's or of Flux's own, inside the workspace or not.

        `edits_of` gives the edits for a text, and is asked again where the user typed meanwhile. Raises what it does,
        WriteRefused and StaleSnapshot.
        """
        async with self._applying:
            for _ in range(TRIES):
                document = self.documents.get(uri)
                if document is None or not document.path:
                    raise WriteRefused(f"{uri} is no open file.", path=uri)
                folder, name = os.path.split(document.path)
                edits = tuple(edits_of(document.text))
                if not edits:
                    return
                now = snapshot_of(self.path_of(document) or self._disk_of((folder,)).path(name), document)
                with suppress(TextMoved):
                    await self._delivery.deliver(label, [EditFile(now, edits)], Patience())
                    return
        raise StaleSnapshot(f"{uri} kept changing while it was written to.")

    async def _apply(self, plan: EditPlan, patience: Patience) -> AppliedPlan:
        """One attempt: all files or none. Raises TextMoved where the user's typing came between."""
        for change in plan.changes:
            if change.path.root == UNTITLED_ROOT and not isinstance(change, EditFile):
                raise WriteRefused(
                    f"{change.path} was never saved; it can be edited, and neither made, moved nor removed.",
                    path=str(change.path),
                    hint="Ask the user to save it first.",
                )
        on_disk = {
            change.path: await read_or_none(self.disk, change.path)
            for change in plan.changes
            if self._document(change.path) is None or isinstance(change, DeleteFile)
        }
        changes = self._on_present_text(plan, on_disk)
        if any(map(self._needs_disk, changes)):
            async with patience.bound():
                await self._confirm_writing([change for change in changes if self._needs_disk(change)])
            changes = self._on_present_text(plan, on_disk)
        changes, notebooks = self._in_cells(changes)
        # From here to the message nothing is awaited: the buffers are what the edit is made for.
        by_editor = [change for change in changes if not self._needs_disk(change)]
        by_disk = tuple(change for change in changes if self._needs_disk(change))
        applied = await self._delivery.deliver(plan.label, by_editor, patience)
        if by_disk:
            try:
                applied += (await self.disk.apply(EditPlan(plan.label, by_disk))).changes
            except FluxError:
                await self._delivery.take_back(plan.label, applied)
                raise
        in_order = {change.path: change for change in applied}
        for change in notebooks:
            in_order[change.path] = AppliedChange(change.path, change.snapshot, await self.read(change.path), False)
        return AppliedPlan(plan.label, tuple(in_order[change.path] for change in plan.changes))

    def _in_cells(self, changes: Sequence[FileChange]) -> tuple[list[FileChange], list[EditFile]]:
        """The changes with those of open notebooks cell by cell, and these as they were. Raises WriteRefused."""
        all_changes: list[FileChange] = []
        whole: list[EditFile] = []
        for change in changes:
            notebook = open_notebook(self.documents, change.path)
            if notebook is None:
                all_changes.append(change)
            elif isinstance(change, EditFile):
                whole.append(change)
                all_changes += notebook.in_cells(change)
            else:
                raise WriteRefused(
                    f"{change.path} is open as a notebook; its cells can be edited, and nothing else.",
                    path=str(change.path),
                    hint="Ask the user to close it first.",
                )
        return all_changes, whole

    def _uri_and_text(self, change: FileChange) -> tuple[str, str]:
        document = self._document(change.path)
        if document is not None:
            return document.uri, document.text
        return uri_of_path(str(change.path.absolute())), "" if isinstance(change, CreateFile) else change.snapshot.text

    def _on_present_text(
        self, plan: EditPlan, on_disk: Mapping[WorkspacePath, FileSnapshot | None]
    ) -> Sequence[FileChange]:
        """The changes for the files as they are now: open ones as their buffers have them. Raises StaleSnapshot."""
        changes: list[FileChange] = []
        for change in plan.changes:
            for path in paths_of(change):
                check_allowed(path)
            document = self._document(change.path)
            notebook = open_notebook(self.documents, change.path)
            if notebook is not None:
                now = notebook.snapshot
            else:
                now = snapshot_of(change.path, document) if document else on_disk.get(change.path)
            if notebook is not None and isinstance(change, EditFile):
                present = notebook.rebased(change)
            else:
                present = rebase_change(change, now)
            if isinstance(present, DeleteFile):
                present = DeleteFile(_in_form_of(present.snapshot, on_disk[change.path]))
            if isinstance(present, DeleteFile | RenameFile):
                check_is_no_link(present.path)
            if isinstance(present, RenameFile):
                self._check_can_move(present)
            changes.append(present)
        return changes

    def _check_can_move(self, change: RenameFile) -> None:
        if self._document(change.new_path) is not None or os.path.lexists(change.new_path.absolute()):
            raise taken(change.new_path)
        if not change.path.absolute().exists():
            raise WriteRefused(
                f"{change.path} was never saved, so it cannot be moved.",
                path=str(change.path),
                hint="Ask the user to save it first.",
            )

    def _needs_disk(self, change: FileChange) -> bool:
        needs_disk = _is_beyond(self.editor.client, change)
        if needs_disk and self._document(change.path) is not None:
            raise WriteRefused(
                f"{change.path} is open, and the editor takes no such change from Flux.",
                path=str(change.path),
                hint="Ask the user to save and close it first.",
            )
        return needs_disk

    async def _confirm_writing(self, changes: Sequence[FileChange]) -> None:
        names = ", ".join(str(change.path) for change in changes)
        if not await self.editor.confirm(
            f"Flux wants to write {names} to the disk: the editor cannot take the change, or not with certainty."
        ):
            raise WriteRefused(f"The user did not let Flux write {names} to the disk.", path=names)

    def _document(self, path: WorkspacePath) -> Document | None:
        return self.documents.at_path(str(path.absolute()))

    def _notebooks(self) -> Iterator[OpenNotebook]:
        for opened in self.documents.notebook_documents.values():
            with suppress(OutsideWorkspace, TextUnknown):
                if notebook := open_notebook(self.documents, self.disk.path(path_of_uri(opened.uri) or "")):
                    yield notebook

    def _open(self) -> Iterator[tuple[WorkspacePath, Document]]:
        """The open files of the workspace, most recently used first, without secret ones and those of unknown text."""
        seen: set[WorkspacePath] = set()
        for document in self.documents:
            path = self.path_of(document)
            if path is not None and path not in seen and document.is_known and _is_allowed(path, document.path):
                seen.add(path)
                yield path, document

    async def _now_or_none(self, path: WorkspacePath) -> FileSnapshot | None:
        document = self._document(path)
        return snapshot_of(path, document) if document else await read_or_none(self.disk, path)


def _is_beyond(client: Client, change: FileChange) -> bool:
    """Whether the editor cannot make such a change, or not with certainty."""
    if not client.applies_edits:
        return True
    match change:
        case EditFile():
            return _may_be_misread(change.snapshot)
        case CreateFile():
            is_plain = change.encoding == "utf-8" and not change.has_bom and is_mode_of_new_files(change.mode)
            return not (is_plain and (client.creates_by_editing or client.creates_files))
        case DeleteFile():
            return not client.deletes_files
        case RenameFile():
            return not client.renames_files or bool(change.edits and _may_be_misread(change.snapshot))
    assert_never(change)


def _in_form_of(shown: FileSnapshot, saved: FileSnapshot | None) -> FileSnapshot:
    """What an editor shows, with what it does not tell: how the file is encoded, its mode, its own line ends."""
    if saved is None:
        return shown
    is_as_saved = with_line_feeds(shown.text) in {with_line_feeds(saved.text), f"{with_line_feeds(saved.text)}\n"}
    text = saved.text if is_as_saved else shown.text
    return replace(shown, text=text, encoding=saved.encoding, has_bom=saved.has_bom, mode=saved.mode)


def _may_be_misread(now: FileSnapshot) -> bool:
    """Whether the file is closed and most editors would open it as UTF-8, and write it back so."""
    return now.origin == "disk" and not shows_in_bytes(now.encoding, has_bom=now.has_bom)


def _is_allowed(path: WorkspacePath, real_path: str) -> bool:
    try:
        check_allowed(path, real_path)
    except FluxError:
        return False
    return True
