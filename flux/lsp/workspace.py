"""The user's files as their editor has them: open buffers win, the disk is for the rest.

Every change goes through the editor, as one `workspace/applyEdit` on the versions it was made for, and is believed only
when the text that the editor reports afterwards shows it. Nothing is ever saved, and no open file is written. The disk
is written only for what the editor cannot do, after asking. Which editor it is, is in `flux.lsp.clients`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from lsprotocol import types

from flux.core.diagnostics import Diagnostic
from flux.core.errors import FileMissing, FluxError, OutsideWorkspace, StaleSnapshot, WriteRefused
from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.edits.diff import text_edits_between
from flux.edits.plan import (
    AppliedChange,
    AppliedPlan,
    CreateFile,
    DeleteFile,
    EditFile,
    EditPlan,
    FileChange,
    rebase,
    rebase_change,
)
from flux.edits.text_edit import TextEdit
from flux.lsp.clients import Client
from flux.lsp.convert import EditorText
from flux.lsp.documents import Document, Documents
from flux.lsp.uris import uri_of_path
from flux.workspace.checkpoints import undo_plan
from flux.workspace.ignore import check_allowed
from flux.workspace.workspace import Workspace

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Seconds to wait for the editor's answer, which may be its user's, and for the text after a yes or a no."""

    answer_s: float = 120.0
    after_yes_s: float = 2.0
    after_no_s: float = 0.3


class Editor(Protocol):
    """What the workspace asks of the connected editor."""

    @property
    def client(self) -> Client: ...

    async def apply_edit(self, label: str, edit: types.WorkspaceEdit) -> types.ApplyWorkspaceEditResult:
        """Ask for the edit. Raises WriteRefused where the editor answers with an error."""
        ...

    async def show_document(self, uri: str, *, takes_focus: bool) -> bool:
        """Ask to open the document; whether the editor says that it did."""
        ...

    async def confirm(self, question: str) -> bool:
        """Ask the user."""
        ...


@dataclass(slots=True)
class _Target:
    """One file of a plan on its way through the editor. `after` is set once the change has been seen."""

    change: FileChange
    uri: str
    version: int | None
    is_on_disk: bool
    is_seen: bool = False
    after: FileSnapshot | None = None


@dataclass(slots=True)
class _Reported:
    """Problems that came with a code action, for the version of the document that they were for."""

    version: int
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(slots=True)
class LspWorkspace:
    """The Workspace over an editor. `disk_of` makes the one for closed files, over the folders as they are now."""

    documents: Documents
    editor: Editor
    disk_of: Callable[[Sequence[str]], Workspace]
    bounds: Bounds = Bounds()
    _disk: Workspace | None = None
    _reported: dict[str, _Reported] = field(default_factory=dict[str, _Reported])
    _unseen: set[WorkspacePath] = field(default_factory=set[WorkspacePath])
    _applying: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def roots(self) -> Sequence[str]:
        return self.disk.roots

    @property
    def disk(self) -> Workspace:
        """The closed files, below the folders that the editor has open now."""
        roots = self.documents.folder_paths()
        if self._disk is None or tuple(self._disk.roots) != tuple(roots):
            self._disk = self.disk_of(roots)
        return self._disk

    def path(self, text: str) -> WorkspacePath:
        return self.disk.path(text)

    def path_of(self, document: Document) -> WorkspacePath | None:
        """The document's place in the workspace, None where it is not a file of it."""
        try:
            return self.disk.path(document.path) if document.path else None
        except OutsideWorkspace:
            return None

    async def read(self, path: WorkspacePath) -> FileSnapshot:
        document = self._document(path)
        if document is None:
            return await self.disk.read(path)
        check_allowed(path, document.path)
        return _snapshot(path, document)

    async def list_files(self, folder: str = "") -> Sequence[WorkspacePath]:
        listed = set(await self.disk.list_files(folder))
        unsaved = {path for path in self._open_paths() if not path.absolute().exists()}
        if folder:
            below = str(self.disk.path(f"{folder}/x"))[:-1]
            unsaved = {path for path in unsaved if str(path).startswith(below)}
        return sorted(listed | unsaved)

    def open_buffers(self) -> Sequence[FileSnapshot]:
        snapshots: list[FileSnapshot] = []
        for path in self._open_paths():
            document = self._document(path)
            if document is not None:
                snapshots.append(_snapshot(path, document))
        return snapshots

    def diagnostics(self, path: WorkspacePath) -> Sequence[Diagnostic]:
        document = self._document(path)
        reported = self._reported.get(document.uri) if document else None
        if document is None or reported is None or reported.version != document.version:
            return ()
        return reported.diagnostics

    def report(self, document: Document, diagnostics: Iterable[Diagnostic]) -> None:
        """Keep the problems that the editor showed for the document's present text, beside those it showed before."""
        known = self._reported.get(document.uri)
        kept = known.diagnostics if known and known.version == document.version else ()
        merged = tuple(dict.fromkeys((*kept, *diagnostics)))
        for uri in [uri for uri in self._reported if self.documents.get(uri) is None]:
            del self._reported[uri]
        self._reported[document.uri] = _Reported(document.version, merged)

    async def apply(self, plan: EditPlan) -> AppliedPlan:
        # Two plans on their way to one buffer would each look like the user's typing to the other.
        async with self._applying:
            try:
                return await self._apply(plan)
            except _TextMoved:
                logger.info("The text changed while an edit was on its way; it is matched once more.")
            try:
                return await self._apply(plan)
            except _TextMoved as e:
                raise StaleSnapshot(
                    f"{e.names} kept changing while the edit was made.", hint="Read again, then edit."
                ) from e

    async def _apply(self, plan: EditPlan) -> AppliedPlan:
        """One attempt: all files or none. Raises _TextMoved where the user's typing came between."""
        on_disk = {c.path: await self._on_disk(c.path) for c in plan.changes if self._document(c.path) is None}
        changes = self._on_present_text(plan, on_disk)
        if any(map(self._needs_disk, changes)):
            await self._confirm_writing([change for change in changes if self._needs_disk(change)])
            changes = self._on_present_text(plan, on_disk)
        # From here to the message nothing is awaited: the buffers are what the edit is made for.
        by_editor = [change for change in changes if not self._needs_disk(change)]
        by_disk = tuple(change for change in changes if self._needs_disk(change))
        self._refuse_unseen(by_editor)
        applied = await self._through_editor(plan.label, by_editor)
        if by_disk:
            try:
                applied += (await self.disk.apply(EditPlan(plan.label, by_disk))).changes
            except FluxError:
                await self._take_back(plan.label, applied)
                raise
        in_order = {change.path: change for change in applied}
        return AppliedPlan(plan.label, tuple(in_order[change.path] for change in plan.changes))

    def _on_present_text(
        self, plan: EditPlan, on_disk: Mapping[WorkspacePath, FileSnapshot | None]
    ) -> Sequence[FileChange]:
        """The changes for the files as they are now: open ones as their buffers have them. Raises StaleSnapshot."""
        changes: list[FileChange] = []
        for change in plan.changes:
            check_allowed(change.path)
            document = self._document(change.path)
            now = _snapshot(change.path, document) if document else on_disk.get(change.path)
            changes.append(rebase_change(change, now))
        return changes

    async def _through_editor(self, label: str, changes: Sequence[FileChange]) -> tuple[AppliedChange, ...]:
        """Send the changes and see that they were made. What an editor did in part is taken back."""
        targets = [self._target(change) for change in changes]
        # Where only the first document's version is looked at, each goes alone, and the first failure stops the rest.
        groups = [[target] for target in targets] if self.editor.client.checks_first_version_only else [targets]
        for group in groups:
            reason = await self._send(label, group) if group else ""
            if all(target.is_seen for target in group):
                continue
            await self._take_back(label, [_applied(target) for target in targets if target.is_seen])
            missed = [target for target in group if not target.is_seen]
            names = ", ".join(str(target.change.path) for target in missed)
            if any(map(self._has_moved, missed)):
                raise _TextMoved(names)
            raise WriteRefused(f"The editor did not make the change of {names}: {reason}", path=names)
        return tuple(_applied(target) for target in targets)

    async def _send(self, label: str, targets: Sequence[_Target]) -> str:
        """One applyEdit; marks what was seen to be made, and returns the reason why the rest was not."""
        edit = self._workspace_edit(targets)

        def is_all_seen() -> bool:
            self._look(targets)
            return all(target.is_seen for target in targets)

        # Looking begins before the answer: the text may arrive first, and be typed over when the answer comes.
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(self.documents.until(is_all_seen, self.bounds.answer_s))
            try:
                async with asyncio.timeout(self.bounds.answer_s):
                    result = await self.editor.apply_edit(label, edit)
            except TimeoutError:
                result = types.ApplyWorkspaceEditResult(applied=False, failure_reason="it did not answer.")
            except WriteRefused as e:
                result = types.ApplyWorkspaceEditResult(applied=False, failure_reason=e.message)
            looking.cancel()
        if await self._until_seen(is_all_seen, targets, result.applied):
            return ""
        if not result.applied:
            return result.failure_reason or "it gave no reason."
        unopened = [target for target in targets if not target.is_seen and self.documents.get(target.uri) is None]
        if unopened and await self._show(unopened, is_all_seen):
            return ""
        return self._what_was_not_seen(targets)

    async def _until_seen(self, is_all_seen: Callable[[], bool], targets: Sequence[_Target], says_yes: bool) -> bool:
        """Whether the changes show within the bound; shorter, where what shows is that they were not made."""
        if says_yes:
            # Another text than the edit's, under an edit that goes by versions, is decision enough. Without versions a
            # late edit could be made twice.
            is_versioned = self.editor.client.takes_document_changes

            def is_decided() -> bool:
                return is_all_seen() or (is_versioned and any(map(self._has_moved, targets)))

            await self.documents.until(is_decided, self.bounds.after_yes_s)
        # A removed file shows on the disk, of which nobody tells: it is looked for once more at the end.
        return await self.documents.until(is_all_seen, self.bounds.after_no_s) or is_all_seen()

    async def _show(self, targets: Sequence[_Target], is_all_seen: Callable[[], bool]) -> bool:
        """An editor may change a file that it does not show, and tell of it only once it does."""
        if not self.editor.client.shows_documents:
            return False
        for target in targets:
            await self.editor.show_document(target.uri, takes_focus=False)
        return await self.documents.until(is_all_seen, self.bounds.after_yes_s)

    def _what_was_not_seen(self, targets: Sequence[_Target]) -> str:
        unopened = [target for target in targets if not target.is_seen and self.documents.get(target.uri) is None]
        self._unseen |= {target.change.path for target in unopened if not isinstance(target.change, DeleteFile)}
        if unopened:
            return (
                "it says that it did, but has not opened the file for Flux, so this could not be checked. "
                "The change may stand there unsaved: look at it, and open the file before you ask again."
            )
        return "it says that it did, but its text has not changed."

    def _look(self, targets: Sequence[_Target]) -> None:
        """Mark the targets whose change shows now. Once seen is enough: the user may type on at once."""
        for target in targets:
            if not target.is_seen:
                self._look_at(target)

    def _look_at(self, target: _Target) -> None:
        change = target.change
        if isinstance(change, DeleteFile):
            is_closed = self.documents.get(target.uri) is None
            target.is_seen = (target.is_on_disk or is_closed) and not change.path.absolute().exists()
            return
        document = self.documents.get(target.uri)
        if document is None:
            return
        expected, text = change.new_text(), document.text
        if self._is_same(text, expected):
            target.is_seen, target.after = True, _snapshot(change.path, document)
        elif isinstance(change, EditFile) and _contains(change, text):
            target.is_seen, target.after = True, replace(_snapshot(change.path, document), text=expected)

    def _is_same(self, text: str, expected: str) -> bool:
        """Alike but for the style of line ends, which editors unify, and a last one, where the editor adds it."""
        if text == expected:
            return True
        text, expected = _unified(text), _unified(expected)
        if self.editor.client.ends_with_line_end and not expected.endswith("\n"):
            expected += "\n"
        return text == expected

    def _has_moved(self, target: _Target) -> bool:
        """Whether the user's typing came between, or the end of the document."""
        if target.is_seen:
            return False
        document = self.documents.get(target.uri)
        if document is None:
            return target.version is not None
        return isinstance(target.change, EditFile) and document.text != target.change.snapshot.text

    async def _take_back(self, label: str, applied: Sequence[AppliedChange]) -> None:
        """Undo the part that was done. Raises WriteRefused where that fails too, naming what is changed now."""
        if not applied:
            return
        current = {change.path: await self._now_or_none(change.path) for change in applied}
        try:
            plan = undo_plan(applied, current, f"{label} (taken back)")
            targets = [self._target(change) for change in plan.changes]
            for target in targets:
                await self._send(plan.label, [target])
            left = [str(target.change.path) for target in targets if not target.is_seen]
        except StaleSnapshot:
            left = [str(change.path) for change in applied]
        if left:
            names = ", ".join(left)
            raise WriteRefused(
                f"The editor made a part of the change only, and it could not be taken back: {names} is changed.",
                path=names,
            )

    def _workspace_edit(self, targets: Sequence[_Target]) -> types.WorkspaceEdit:
        client = self.editor.client
        is_plain = all(isinstance(target.change, EditFile) for target in targets)
        if not client.takes_document_changes and is_plain:
            return types.WorkspaceEdit(changes={target.uri: self._text_edits(target.change) for target in targets})
        document_changes: list[types.TextDocumentEdit | types.CreateFile | types.RenameFile | types.DeleteFile] = []
        for target in targets:
            change = target.change
            if isinstance(change, DeleteFile):
                options = types.DeleteFileOptions(ignore_if_not_exists=True)  # a new file may never have been saved
                document_changes.append(types.DeleteFile(uri=target.uri, options=options))
                continue
            if isinstance(change, CreateFile) and not client.creates_by_editing:
                document_changes.append(types.CreateFile(uri=target.uri))
            # The first change makes a 0 more than 1, so 1 stands for it where 0 would not be looked at.
            version = 1 if target.version == 0 and client.ignores_version_zero else target.version
            identifier = types.OptionalVersionedTextDocumentIdentifier(uri=target.uri, version=version)
            document_changes.append(types.TextDocumentEdit(identifier, self._text_edits(change)))
        return types.WorkspaceEdit(document_changes=document_changes)

    def _text_edits(self, change: FileChange) -> list[types.TextEdit]:
        if isinstance(change, EditFile):
            return EditorText(change.snapshot.text, self.documents.counting).edits(change.edits)
        start = types.Position(0, 0)
        # Up to the line end that some editors have in an empty buffer, so that it does not become one too many.
        end = types.Position(1, 0) if self.editor.client.ends_with_line_end else start
        return [types.TextEdit(types.Range(start, end), change.new_text() if isinstance(change, CreateFile) else "")]

    def _target(self, change: FileChange) -> _Target:
        document = self._document(change.path)
        uri = document.uri if document else uri_of_path(str(change.path.absolute()))
        version = None if isinstance(change, CreateFile) else change.snapshot.version
        return _Target(change, uri, version, change.path.absolute().exists())

    def _needs_disk(self, change: FileChange) -> bool:
        client = self.editor.client
        if self._document(change.path) is not None:
            if not client.applies_edits or (isinstance(change, DeleteFile) and not client.deletes_files):
                raise WriteRefused(f"{change.path} is open, and the editor takes no such change from Flux.")
            return False
        match change:
            case EditFile():
                return not client.applies_edits
            case CreateFile():
                return not (client.applies_edits and (client.creates_by_editing or client.creates_files))
            case DeleteFile():
                return not (client.applies_edits and client.deletes_files)

    async def _confirm_writing(self, changes: Sequence[FileChange]) -> None:
        names = ", ".join(str(change.path) for change in changes)
        if not await self.editor.confirm(
            f"Flux wants to write {names} to the disk: this editor cannot take the change as unsaved text."
        ):
            raise WriteRefused(f"The user did not let Flux write {names} to the disk.", path=names)

    def _refuse_unseen(self, changes: Iterable[FileChange]) -> None:
        for change in changes:
            if self._document(change.path) is not None:
                self._unseen.discard(change.path)
            elif change.path in self._unseen:
                raise WriteRefused(
                    f"An earlier change of {change.path} could not be checked.",
                    path=str(change.path),
                    hint="Ask the user to open the file in the editor first.",
                )

    def _document(self, path: WorkspacePath) -> Document | None:
        return self.documents.at_path(str(path.absolute()))

    def _open_paths(self) -> Sequence[WorkspacePath]:
        """The open files of the workspace, most recently used first, without secret ones."""
        paths: list[WorkspacePath] = []
        for document in self.documents:
            path = self.path_of(document)
            if path is not None and path not in paths and _is_allowed(path, document.path):
                paths.append(path)
        return paths

    async def _now_or_none(self, path: WorkspacePath) -> FileSnapshot | None:
        document = self._document(path)
        return _snapshot(path, document) if document else await self._on_disk(path)

    async def _on_disk(self, path: WorkspacePath) -> FileSnapshot | None:
        try:
            return await self.disk.read(path)
        except FileMissing:
            return None


class _TextMoved(Exception):
    """The user typed while an edit was on its way, and the editor did not make it."""

    def __init__(self, names: str) -> None:
        super().__init__(names)
        self.names = names


def _applied(target: _Target) -> AppliedChange:
    change = target.change
    before = None if isinstance(change, CreateFile) else change.snapshot
    return AppliedChange(change.path, before, target.after, is_saved=isinstance(change, DeleteFile))


def _contains(change: EditFile, text: str) -> bool:
    """Whether `text` is the changed text and something typed besides: then the change can be taken out of it."""
    before, after = _unified(change.snapshot.text), _unified(change.new_text())
    inverse: Sequence[TextEdit] = text_edits_between(after, before)
    try:
        rebase(inverse, after, _unified(text))
    except StaleSnapshot:
        return False
    return True


def _unified(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _snapshot(path: WorkspacePath, document: Document) -> FileSnapshot:
    return FileSnapshot(path, document.text, document.version, "buffer")


def _is_allowed(path: WorkspacePath, real_path: str) -> bool:
    try:
        check_allowed(path, real_path)
    except FluxError:
        return False
    return True


__all__ = ["Bounds", "Editor", "LspWorkspace"]
