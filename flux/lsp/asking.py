"""One `workspace/applyEdit`, watched: what of it the editor made, as far as its reports show, and why not the rest.

An editor's yes is not believed: the text that it reports afterwards shows what was done. Takes nothing back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from lsprotocol import types

from flux.core.errors import WriteRefused
from flux.core.snapshot import WorkspacePath
from flux.edits.plan import DeleteFile, EditFile, FileChange, RenameFile, paths_of
from flux.lsp.clients import Client
from flux.lsp.documents import Document, Documents
from flux.lsp.problems import ProblemSource
from flux.lsp.quiet import told_until
from flux.lsp.sighting import has_moved, look_at
from flux.lsp.target import Target, lines_of, not_made, workspace_edit
from flux.lsp.trail import Trail
from flux.workspace.moves import Move


@dataclass(frozen=True, slots=True)
class Bounds:
    """Seconds to wait for the editor's answer, which may be its user's, and for the text after a yes or a no."""

    answer_s: float = 120.0
    after_yes_s: float = 2.0
    after_no_s: float = 0.3
    pause_s: float = 5.0
    """For the next pause of a user whose editor tells of typing only then."""


LAST_S = 0.05
"""Seconds for what a plan waits for, once its user waits for it no more."""


class Patience:
    """How long is waited for one plan: as long as its bounds say, until its user cancels."""

    def __init__(self) -> None:
        self.is_over = False
        self._present: asyncio.Timeout | None = None

    def end(self) -> None:
        """The user waits no more. May be called twice."""
        if not self.is_over and self._present is not None:
            self._present.reschedule(asyncio.get_running_loop().time() + LAST_S)
        self.is_over = True

    @asynccontextmanager
    async def bound(self, bound_s: float | None = None) -> AsyncGenerator[None]:
        """Raises TimeoutError after so many seconds, where they are given, or soon after the end."""
        async with asyncio.timeout(LAST_S if self.is_over else bound_s) as present:
            self._present = present
            try:
                yield
            finally:
                self._present = None


class LeftOpen(Exception):
    """Nobody waits any more for the answer to an edit, which the editor may still make. `conclude` waits for it."""

    def __init__(self, conclude: Callable[[], Awaitable[object]]) -> None:
        super().__init__()
        self.conclude = conclude


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
class Asking:
    """Asks the editor for changes, and remembers what it could not check."""

    documents: Documents
    editor: Editor
    bounds: Bounds
    moved: set[Move] = field(default_factory=set[Move])
    """The files that were to be moved or removed, until the editor tells of it."""
    unanswered: set[WorkspacePath] = field(default_factory=set[WorkspacePath])
    """The files of which an edit was left open, until the editor has answered."""
    _unseen: set[WorkspacePath] = field(default_factory=set[WorkspacePath])

    @contextmanager
    def following(self, targets: Sequence[Target]) -> Generator[None]:
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

    async def send(self, label: str, targets: Sequence[Target], patience: Patience) -> str:
        """One applyEdit; marks what was seen to be made, and returns the reason why the rest was not.

        Raises LeftOpen where the patience is over before the editor answers.
        """
        if self.editor.client.tells_late and (reason := await self._wait_for_pause(targets, patience)):
            return reason
        edit = workspace_edit(targets, self.editor.client)
        moves = _moves_of(targets)
        self.moved |= moves
        for target in targets:
            if target.trail is not None and isinstance(target.change, EditFile):
                only_on = None if self.editor.client.may_misplace else target.change.snapshot.text
                target.trail.send(target.edits, only_on)

        def is_all_seen() -> bool:
            for target in targets:
                look_at(target, self.documents, self.editor.client)
            return all(target.is_seen for target in targets)

        async def conclude(asked: asyncio.Future[types.ApplyWorkspaceEditResult], patience: Patience) -> str:
            # Looking begins before the answer: the text may arrive first, and be typed over when the answer comes.
            async with asyncio.TaskGroup() as group:
                looking = group.create_task(self.documents.until(is_all_seen, self.bounds.answer_s))
                try:
                    async with patience.bound(self.bounds.answer_s):
                        result = await asyncio.shield(asked)
                except TimeoutError:
                    result = types.ApplyWorkspaceEditResult(applied=False, failure_reason="it did not answer.")
                except WriteRefused as e:
                    result = types.ApplyWorkspaceEditResult(applied=False, failure_reason=e.message)
                looking.cancel()
            if patience.is_over and not asked.done() and not is_all_seen():
                raise LeftOpen(lambda: conclude(asked, Patience()))
            if not result.applied:
                self.moved -= moves
            return await self._see(targets, result, is_all_seen)

        return await conclude(asyncio.ensure_future(self.editor.apply_edit(label, edit)), patience)

    async def _see(
        self, targets: Sequence[Target], result: types.ApplyWorkspaceEditResult, is_all_seen: Callable[[], bool]
    ) -> str:
        """What comes of the editor's answer; the reason why not all was made."""
        for target in targets:
            target.is_claimed = result.applied
            if target.trail is not None:
                target.trail.answer()
        if self.editor.client.tells_where_it_stopped and not result.applied and result.failed_change is not None:
            for target in not_made(targets, self.editor.client, result.failed_change):
                target.refuse()
        is_seen = await self._until_seen(is_all_seen, targets, result.applied)
        if unsure := [target for target in targets if target.is_seen and not target.is_certain and target.removes]:
            self.warn(unsure)
        if is_seen:
            return ""
        if not result.applied:
            return result.failure_reason or "it gave no reason."
        unopened = self._unopened(targets)
        if unopened and await self._show(unopened, is_all_seen):
            return ""
        return self._what_was_not_seen(targets)

    def refuse_unseen(self, changes: Iterable[FileChange]) -> None:
        """Raises WriteRefused where an earlier change was not answered yet, or was of a closed file and not checked."""
        for change in changes:
            if self.documents.at_path(str(change.path.absolute())) is not None:
                self._unseen.discard(change.path)
            if change.path in self.unanswered:
                raise WriteRefused(
                    f"The editor has not answered an earlier change of {change.path}.",
                    path=str(change.path),
                    hint="Ask the user to look whether it asks them something.",
                )
            if change.path in self._unseen:
                raise WriteRefused(
                    f"An earlier change of {change.path} could not be checked.",
                    path=str(change.path),
                    hint="Ask the user to open the file in the editor first.",
                )

    def warn(self, targets: Sequence[Target]) -> None:
        """Tell the user where the editor may have made an edit over what they typed."""
        places = "; ".join(f"{target.change.path} {lines_of(target.edits)}" for target in targets)
        self.editor.show(
            f"Flux: while you typed, the editor made a change in {places}, before it told of what you had typed. Look "
            "at the lines there: the change may be at a wrong place, or over what you typed. The editor's own undo "
            "has it as it was.",
            "warning",
        )

    async def _wait_for_pause(self, targets: Sequence[Target], patience: Patience) -> str:
        """Why the edits cannot be sent to an editor that tells late; empty where it has told all, and they can."""
        for target in targets:
            document = self.documents.get(target.uri)
            if document is None or target.trail is None:
                continue
            try:
                async with patience.bound(self.bounds.answer_s + self.bounds.pause_s):
                    until = await told_until(self.documents, document, self.editor.apply_edit, self.bounds.pause_s)
            except TimeoutError:
                return "it did not answer."
            if has_moved(target, self.documents):
                return "the user typed."
            if until is None:
                return "it did not tell its text: its user types without a pause, or said no."
            target.certain_until, target.version = until, document.version
        return ""

    async def _until_seen(self, is_all_seen: Callable[[], bool], targets: Sequence[Target], says_yes: bool) -> bool:
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
                return any(has_moved(target, self.documents) for target in targets)

            bound_s = self.bounds.pause_s if client.tells_late else self.bounds.after_yes_s
            await self.documents.until(is_decided, bound_s)
            if client.may_misplace and all(target.is_settled for target in targets):
                return is_all_seen()
        # A removed file shows on the disk, of which nobody tells: it is looked for once more at the end.
        return await self.documents.until(is_all_seen, self.bounds.after_no_s) or is_all_seen()

    async def _show(self, targets: Sequence[Target], is_all_seen: Callable[[], bool]) -> bool:
        """An editor may change a file that it does not show, and tell of it only once it does."""
        if not self.editor.client.shows_documents:
            return False
        for target in targets:
            await self.editor.show_document(target.new_uri, takes_focus=False)
        return await self.documents.until(is_all_seen, self.bounds.after_yes_s)

    def _what_was_not_seen(self, targets: Sequence[Target]) -> str:
        unopened = self._unopened(targets)
        self._unseen |= {paths_of(t.change)[-1] for t in unopened if not isinstance(t.change, DeleteFile)}
        if unopened:
            return (
                "it says that it did, but has not opened the file for Flux, so this could not be checked. "
                "The change may stand there unsaved: look at it, and open the file before you ask again."
            )
        return "it says that it did, but its text does not show it."

    def _unopened(self, targets: Sequence[Target]) -> list[Target]:
        return [target for target in targets if not target.is_seen and self.documents.get(target.new_uri) is None]


def _moves_of(targets: Sequence[Target]) -> set[Move]:
    changes = [target.change for target in targets]
    renamed = {Move(change.path, change.new_path) for change in changes if isinstance(change, RenameFile)}
    return renamed | {Move(change.path, None) for change in changes if isinstance(change, DeleteFile)}
