"""Changes on their way through the editor: one `workspace/applyEdit`, watched, and taken back where a part was made.

An editor's yes is not believed: the text that it reports afterwards shows what was done. Which editor it is, is in
`flux.lsp.clients`. Reads no files and decides nothing about them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal, NoReturn, Protocol

from lsprotocol import types

from flux.core.errors import StaleSnapshot, WriteRefused
from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.edits.plan import (
    AppliedChange,
    CreateFile,
    DeleteFile,
    EditFile,
    FileChange,
    RenameFile,
    paths_of,
    rebase,
    rebase_change,
)
from flux.edits.text_edit import apply_edits
from flux.lsp.clients import Client
from flux.lsp.convert import EditorText
from flux.lsp.documents import Document, Documents
from flux.lsp.misplaced import is_made_besides, unified
from flux.lsp.problems import ProblemSource
from flux.lsp.quiet import told_until
from flux.lsp.trail import Trail
from flux.lsp.uris import uri_of_path
from flux.workspace.checkpoints import undo_plan

TRIES = 6
"""How often an edit that came to a wrong place is taken back, or made again, while the user goes on typing."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Seconds to wait for the editor's answer, which may be its user's, and for the text after a yes or a no."""

    answer_s: float = 120.0
    after_yes_s: float = 2.0
    after_no_s: float = 0.3
    pause_s: float = 5.0
    """For the next pause of a user whose editor tells of typing only then."""


class Editor(ProblemSource, Protocol):
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

    def show(self, message: str, kind: Literal["error", "warning", "info"] = "info") -> None:
        """Tell the user."""
        ...


@dataclass(slots=True)
class _Target:
    """One file of a plan on its way through the editor. `after` is set once the change has been seen.

    `new_uri` is where it will show: elsewhere for a renamed file.
    """

    change: FileChange
    uri: str
    new_uri: str
    version: int | None
    is_on_disk: bool
    edits: Sequence[types.TextEdit] = ()
    is_claimed: bool = False
    """The editor says that it made the change."""
    is_seen: bool = False
    after: FileSnapshot | None = None
    trail: Trail | None = None
    """What became of the open document."""
    certain_until: float = float("inf")
    """What the editor tells before, by the event loop's clock, shows on which text it made the change."""
    told_at: float = float("inf")
    """When it first told of something since the change was sent."""

    @property
    def is_certain(self) -> bool:
        """What was told shows on which text the change was made."""
        return self.told_at <= self.certain_until

    @property
    def is_told_late(self) -> bool:
        """So late that nobody knows what the user had typed when the change was made."""
        return self.certain_until < self.told_at < float("inf")

    @property
    def removes(self) -> bool:
        return any(edit.range.start != edit.range.end for edit in self.edits)

    @property
    def is_settled(self) -> bool:
        """It is known what the editor did."""
        return self.is_seen or (self.trail is not None and self.trail.made_on is not None and self.is_certain)


class TextMoved(Exception):
    """The user typed while an edit was on its way, and the editor did not make it."""

    def __init__(self, names: str) -> None:
        super().__init__(names)
        self.names = names


@dataclass(slots=True)
class Delivery:
    """Brings changes to the editor. `now` reads a file as it is now, None where there is none."""

    documents: Documents
    editor: Editor
    now: Callable[[WorkspacePath], Awaitable[FileSnapshot | None]]
    bounds: Bounds = field(default_factory=Bounds)
    _unseen: set[WorkspacePath] = field(default_factory=set[WorkspacePath])

    async def deliver(self, label: str, changes: Sequence[FileChange]) -> tuple[AppliedChange, ...]:
        """Send the changes and see that they were made. What an editor did in part is taken back.

        Files are moved last: a move has no version that could refuse it.
        """
        self._refuse_unseen(changes)
        in_place = [present for present in map(_in_place, changes) if present is not None]
        done = {change.path: change for change in await self._deliver(label, in_place)}
        moves: list[FileChange] = []
        for change in changes:
            if isinstance(change, RenameFile):
                edited = done.get(change.path)
                moves.append(RenameFile(edited.after if edited and edited.after else change.snapshot, change.new_path))
        try:
            moved = await self._deliver(label, moves)
        except (TextMoved, WriteRefused):
            await self.take_back(label, tuple(done.values()))
            raise
        for change in moved:
            edited = done.get(change.path)
            done[change.path] = replace(change, before=edited.before) if edited else change
        return tuple(done.values())

    async def _deliver(self, label: str, changes: Sequence[FileChange]) -> tuple[AppliedChange, ...]:
        targets = [self._target(change) for change in changes]
        # Where each goes alone, the first failure stops the rest.
        groups = [[target] for target in targets] if self.editor.client.edits_one_by_one else [targets]
        with self._following(targets):
            for group in groups:
                reason = await self._send(label, group) if group else ""
                missed = [target for target in group if not target.is_seen]
                if missed:
                    await self._fail(label, missed, [target for target in targets if target.is_seen], reason)
        return tuple(_applied(target) for target in targets)

    async def _fail(self, label: str, missed: Sequence[_Target], seen: Sequence[_Target], reason: str) -> NoReturn:
        """Take back what was done of an edit, and say why it was not done."""
        names = ", ".join(str(target.change.path) for target in missed)
        try:
            unknown = await self._take_back_misplaced(label, missed)
        finally:
            await self._take_back_seen(label, seen)
        if unknown:
            self._warn(unknown)
            reason = "the user typed meanwhile, so that it cannot be told what it did. Read the file again."
        elif any(target.is_settled or self._has_moved(target) for target in missed):
            raise TextMoved(names)
        raise WriteRefused(f"The editor did not make the change of {names}: {reason}", path=names)

    async def _take_back_seen(self, label: str, seen: Sequence[_Target]) -> None:
        """Take back what was made; along its reports, where they show it, which bears typing at its edges too."""
        others: list[AppliedChange] = []
        for target in seen:
            if target.trail is not None and target.trail.made_on is not None:
                await self._take_back_along(label, target, target.trail)
            else:
                others.append(_applied(target))
        await self.take_back(label, others)

    @contextmanager
    def _following(self, targets: Sequence[_Target]) -> Generator[None]:
        """Follow what becomes of the open documents that are edited."""
        followed: list[tuple[Document, Trail]] = []
        for target in targets:
            document = self.documents.get(target.uri)
            if document is not None and isinstance(target.change, EditFile):
                target.trail = Trail(document.text, self.documents.counting)
                document.followers.append(target.trail.follow)
                followed.append((document, target.trail))
        try:
            yield
        finally:
            for document, trail in followed:
                document.followers.remove(trail.follow)

    async def _send(self, label: str, targets: Sequence[_Target]) -> str:
        """One applyEdit; marks what was seen to be made, and returns the reason why the rest was not."""
        if self.editor.client.tells_late and (reason := await self._wait_for_pause(targets)):
            return reason
        edit = self._workspace_edit(targets)
        for target in targets:
            if target.trail is not None:
                target.trail.send(target.edits)

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
        for target in targets:
            target.is_claimed = result.applied
        is_seen = await self._until_seen(is_all_seen, targets, result.applied)
        if unsure := [target for target in targets if target.is_seen and not target.is_certain and target.removes]:
            self._warn(unsure)
        if is_seen:
            return ""
        if not result.applied:
            return result.failure_reason or "it gave no reason."
        unopened = self._unopened(targets)
        if unopened and await self._show(unopened, is_all_seen):
            return ""
        return self._what_was_not_seen(targets)

    async def _wait_for_pause(self, targets: Sequence[_Target]) -> str:
        """Why the edits cannot be sent to an editor that tells late; empty where it has told all, and they can."""
        for target in targets:
            document = self.documents.get(target.uri)
            if document is None or target.trail is None:
                continue
            until = await told_until(self.documents, document, self.editor.apply_edit, self.bounds.pause_s)
            if self._has_moved(target):
                return "the user typed."
            if until is None:
                return "it did not tell its text: its user types without a pause, or said no."
            target.certain_until, target.version = until, document.version
        return ""

    async def _until_seen(self, is_all_seen: Callable[[], bool], targets: Sequence[_Target], says_yes: bool) -> bool:
        """Whether the changes show within the bound; shorter, where what shows is that they were not made."""
        if says_yes:
            # Another text than the edit's, under an edit that goes by versions, is decision enough. Where these are not
            # sure a late edit could be made twice.
            client = self.editor.client

            def is_decided() -> bool:
                if is_all_seen():
                    return True
                if client.may_misplace:
                    return all(target.is_settled or target.is_told_late for target in targets)
                return any(map(self._has_moved, targets))

            bound_s = self.bounds.pause_s if client.tells_late else self.bounds.after_yes_s
            await self.documents.until(is_decided, bound_s)
            if client.may_misplace and all(target.is_settled for target in targets):
                return is_all_seen()
        # A removed file shows on the disk, of which nobody tells: it is looked for once more at the end.
        return await self.documents.until(is_all_seen, self.bounds.after_no_s) or is_all_seen()

    async def _show(self, targets: Sequence[_Target], is_all_seen: Callable[[], bool]) -> bool:
        """An editor may change a file that it does not show, and tell of it only once it does."""
        if not self.editor.client.shows_documents:
            return False
        for target in targets:
            await self.editor.show_document(target.new_uri, takes_focus=False)
        return await self.documents.until(is_all_seen, self.bounds.after_yes_s)

    def _what_was_not_seen(self, targets: Sequence[_Target]) -> str:
        unopened = self._unopened(targets)
        self._unseen |= {paths_of(t.change)[-1] for t in unopened if not isinstance(t.change, DeleteFile)}
        if unopened:
            return (
                "it says that it did, but has not opened the file for Flux, so this could not be checked. "
                "The change may stand there unsaved: look at it, and open the file before you ask again."
            )
        return "it says that it did, but its text does not show it."

    def _unopened(self, targets: Sequence[_Target]) -> list[_Target]:
        return [target for target in targets if not target.is_seen and self.documents.get(target.new_uri) is None]

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
        if isinstance(change, RenameFile) and (self.documents.get(target.uri) or change.path.absolute().exists()):
            return
        document = self.documents.get(target.new_uri)
        path = paths_of(change)[-1]
        if document is None:
            if isinstance(change, RenameFile) and target.version is None:
                target.is_seen, target.after = path.absolute().exists(), replace(change.snapshot, path=path)
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
        elif self._is_same(now.text, expected):
            target.is_seen, target.after = True, now
        elif is_merged and _is_made_besides(change, now.text):
            target.is_seen, target.after = True, replace(now, text=expected)

    def _is_same(self, text: str, expected: str) -> bool:
        """Alike but for the style of line ends, which editors unify, and a last one, where the editor adds it."""
        if text == expected:
            return True
        text, expected = unified(text), unified(expected)
        if self.editor.client.ends_with_line_end and not expected.endswith("\n"):
            expected += "\n"
        return text == expected

    def _has_moved(self, target: _Target) -> bool:
        """Whether the user's typing came between, or the end of the document."""
        if target.is_seen:
            return False
        document = self.documents.get(target.uri)
        if document is None:
            return target.version is not None and not isinstance(target.change, RenameFile)
        if target.trail is not None and target.trail.follow not in document.followers:
            return True  # it was closed, and opened again
        return isinstance(target.change, EditFile | RenameFile) and document.text != target.change.snapshot.text

    async def _take_back_misplaced(self, label: str, missed: Sequence[_Target]) -> list[_Target]:
        """The files of which nobody can tell what was done; the others stand now as without the edits.

        Raises WriteRefused where one does not.
        """
        unknown: list[_Target] = []
        for target in missed:
            if target.trail is not None and target.trail.made_on is not None and target.is_certain:
                await self._take_back_along(label, target, target.trail)
            elif self.editor.client.may_misplace and target.is_claimed and self._may_be_made(target):
                unknown.append(target)
        return unknown

    def _may_be_made(self, target: _Target) -> bool:
        """Whether the editor may have made the change, which it says and does not show."""
        if self.editor.client.tells_late and target.trail is not None:
            return True
        return self._has_moved(target) and not (target.trail and target.trail.is_without_effect())

    def _warn(self, targets: Sequence[_Target]) -> None:
        """Tell the user where the editor may have made an edit over what they typed."""
        places = "; ".join(f"{target.change.path} {_lines_of(target.edits)}" for target in targets)
        self.editor.show(
            f"Flux: while you typed, the editor made a change in {places}, before it told of what you had typed. Look "
            "at the lines there: the change may be at a wrong place, or over what you typed. The editor's own undo "
            "has it as it was.",
            "warning",
        )

    async def _take_back_along(self, label: str, target: _Target, trail: Trail) -> None:
        """Leave what the user made of the text. What does so may come to a wrong place too, and is taken back then."""
        path = target.change.path
        is_known = True
        for _ in range(TRIES):
            document = self.documents.get(target.uri)
            edits = trail.way_back()
            if document is None or not edits or not is_known:
                break
            again = self._target(EditFile(snapshot_of(path, document), edits))
            again.trail = trail
            await self._send(f"{label} (taken back)", [again])
            # Where it is not known what the editor did, more of it could make it worse.
            is_known = again.is_settled or not (again.is_claimed and self.editor.client.may_misplace)
        document = self.documents.get(target.uri)
        if trail.way_back() or not is_known or document is None or trail.follow not in document.followers:
            self._warn([target])
            raise WriteRefused(
                f"The user typed meanwhile, and the editor made the change of {path} at a wrong "
                "place. It could not be taken back: look at the file.",
                path=str(path),
            )

    async def take_back(self, label: str, applied: Sequence[AppliedChange]) -> None:
        """Undo the part that was done. Raises WriteRefused where that fails too, naming what is changed now."""
        if not applied:
            return
        current = {path: await self.now(path) for change in applied for path in change.paths}
        left: list[str] = []
        try:
            plan = undo_plan(applied, current, f"{label} (taken back)")
            for change in plan.changes:
                if not await self._make_at_last(plan.label, change):
                    left.append(str(change.path))
        except StaleSnapshot:
            left = [str(change.path) for change in applied]
        if left:
            names = ", ".join(left)
            raise WriteRefused(
                f"The editor made a part of the change only, and it could not be taken back: {names} is changed.",
                path=names,
            )

    async def _make_at_last(self, label: str, change: FileChange) -> bool:
        """Whether the change of one file was made, in the end also where it came to wrong places at first."""
        for _ in range(TRIES):
            target = self._target(change)
            with self._following([target]):
                await self._send(label, [target])
                if target.is_seen or not self._has_moved(target):
                    return target.is_seen
                if unknown := await self._take_back_misplaced(label, [target]):
                    self._warn(unknown)
                    return False
            change = rebase_change(change, await self.now(change.path))
        return False

    def _workspace_edit(self, targets: Sequence[_Target]) -> types.WorkspaceEdit:
        client = self.editor.client
        is_plain = all(isinstance(target.change, EditFile) for target in targets)
        if not client.takes_document_changes and is_plain:
            return types.WorkspaceEdit(changes={target.uri: target.edits for target in targets})
        document_changes: list[types.TextDocumentEdit | types.CreateFile | types.RenameFile | types.DeleteFile] = []
        for target in targets:
            change = target.change
            if isinstance(change, DeleteFile):
                options = types.DeleteFileOptions(ignore_if_not_exists=True)  # a new file may never have been saved
                document_changes.append(types.DeleteFile(uri=target.uri, options=options))
                continue
            if isinstance(change, CreateFile) and not client.creates_by_editing:
                may_exist = types.CreateFileOptions(ignore_if_exists=True) if client.empties_what_it_creates else None
                document_changes.append(types.CreateFile(uri=target.uri, options=may_exist))
            if isinstance(change, RenameFile):
                document_changes.append(types.RenameFile(target.uri, target.new_uri))
                continue
            # The first change makes a 0 more than 1, so 1 stands for it where 0 would not be looked at.
            version = 1 if target.version == 0 and client.ignores_version_zero else target.version
            identifier = types.OptionalVersionedTextDocumentIdentifier(uri=target.uri, version=version)
            document_changes.append(types.TextDocumentEdit(identifier, target.edits))
        return types.WorkspaceEdit(document_changes=document_changes)

    def _text_edits(self, change: FileChange) -> list[types.TextEdit]:
        if isinstance(change, EditFile):
            text = change.snapshot.text
            if not self.editor.client.has_plain_line_ends or text.count("\r\n") != text.count("\n"):
                return EditorText(text, self.documents.counting).edits(change.edits)
            shown = text if "\n" in text else text.replace("\r", "\n")
            edits = EditorText(shown, self.documents.counting).edits(change.edits)
            return [types.TextEdit(edit.range, unified(edit.new_text)) for edit in edits]
        start = types.Position(0, 0)
        # Up to the line end that some editors have in an empty buffer, so that it does not become one too many.
        end = types.Position(1, 0) if self.editor.client.ends_with_line_end else start
        return [types.TextEdit(types.Range(start, end), change.new_text() if isinstance(change, CreateFile) else "")]

    def _target(self, change: FileChange) -> _Target:
        document = self.documents.at_path(str(change.path.absolute()))
        uri = document.uri if document else uri_of_path(str(change.path.absolute()))
        version = None if isinstance(change, CreateFile) else change.snapshot.version
        new_uri = uri_of_path(str(change.new_path.absolute())) if isinstance(change, RenameFile) else uri
        edits = () if isinstance(change, DeleteFile) else self._text_edits(change)
        return _Target(change, uri, new_uri, version, change.path.absolute().exists(), edits)

    def _refuse_unseen(self, changes: Iterable[FileChange]) -> None:
        for change in changes:
            if self.documents.at_path(str(change.path.absolute())) is not None:
                self._unseen.discard(change.path)
            elif change.path in self._unseen:
                raise WriteRefused(
                    f"An earlier change of {change.path} could not be checked.",
                    path=str(change.path),
                    hint="Ask the user to open the file in the editor first.",
                )


def _in_place(change: FileChange) -> FileChange | None:
    """What is left of the change without moving a file."""
    if not isinstance(change, RenameFile):
        return change
    return EditFile(change.snapshot, change.edits) if change.edits else None


def _lines_of(edits: Sequence[types.TextEdit]) -> str:
    """Where the edits were sent to, as the user counts lines."""
    first = min(edit.range.start.line for edit in edits) + 1
    last = max(edit.range.start.line + edit.new_text.count("\n") for edit in edits) + 1
    written = " ".join(edit.new_text for edit in edits).strip()
    lines = f"line {first}" if first == last else f"lines {first} to {last}"
    return f"({lines}: {_shortened(written)})" if written else f"({lines})"


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return f"{line[:60]} …" if len(line) > 60 else line


def _applied(target: _Target) -> AppliedChange:
    change = target.change
    before = None if isinstance(change, CreateFile) else change.snapshot
    is_saved = target.after is None or target.after.origin == "disk"
    return AppliedChange(change.path, before, target.after, is_saved)


def _is_made_besides(change: CreateFile | EditFile | RenameFile, text: str) -> bool:
    return not isinstance(change, CreateFile) and is_made_besides(change.new_text(), change.snapshot.text, text)


def _is_in_place(change: EditFile, text: str, made: str) -> bool:
    """Whether the edits of the change, made on this text with that outcome, came to the places they are for."""
    try:
        return unified(apply_edits(text, rebase(change.edits, change.snapshot.text, text))) == unified(made)
    except StaleSnapshot:
        return False


def snapshot_of(path: WorkspacePath, document: Document) -> FileSnapshot:
    """The open document as it is now."""
    return FileSnapshot(path, document.text, document.version, "buffer")
