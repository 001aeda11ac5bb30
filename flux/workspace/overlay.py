"""Changes that are proposed and not made: a workspace that shows the files as they would be.

A turn works on it as on any other: what it proposed it reads, finds and edits again. Nothing below is written. What the
user types meanwhile is taken up as long as it does not collide with a proposal; then the proposal's own text stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from flux.core.diagnostics import Diagnostic, ProblemReport
from flux.core.errors import FileMissing, StaleSnapshot
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
    RenameFile,
    rebase,
    rebase_change,
    taken,
)
from flux.edits.text_edit import apply_edits
from flux.workspace.ignore import check_allowed
from flux.workspace.workspace import Workspace, read_or_none


@dataclass(frozen=True, slots=True)
class _Proposed:
    """A file as it would be. `base` is the file below, at another path for a moved one, None for a new one.

    `now` None: it would be gone.
    """

    base: FileSnapshot | None
    now: FileSnapshot | None


class OverlayWorkspace:
    """The workspace `below` with a proposal over it."""

    def __init__(self, below: Workspace) -> None:
        self._below = below
        self._proposed: dict[WorkspacePath, _Proposed] = {}

    @property
    def roots(self) -> Sequence[str]:
        return self._below.roots

    def path(self, text: str) -> WorkspacePath:
        return self._below.path(text)

    async def read(self, path: WorkspacePath) -> FileSnapshot:
        if path not in self._proposed:
            return await self._below.read(path)
        proposed = await self._on_present_text(path)
        if proposed.now is None:
            raise FileMissing(f"There is no file {path}: its removal is proposed.", path=str(path))
        return proposed.now

    async def read_bytes(self, path: WorkspacePath, limit: int) -> bytes:
        return await self._below.read_bytes(path, limit)

    async def list_files(self, folder: str = "") -> Sequence[WorkspacePath]:
        new = {path for path, proposed in self._proposed.items() if proposed.now is not None}
        gone = set(self._proposed) - new
        if folder:
            inside = str(self._below.path(f"{folder}/x"))[:-1]
            new = {path for path in new if str(path).startswith(inside)}
        try:
            listed = await self._below.list_files(folder)
        except FileMissing:
            if not new:
                raise
            listed = ()
        return sorted(new.union(listed) - gone)

    def open_buffers(self) -> Sequence[FileSnapshot]:
        shown = [(buffer, self._proposed.get(buffer.path)) for buffer in self._below.open_buffers()]
        buffers = [buffer if proposed is None else proposed.now for buffer, proposed in shown]
        return [buffer for buffer in buffers if buffer is not None]

    def unsaved(self) -> Mapping[WorkspacePath, FileSnapshot | None]:
        proposed = {path: proposed.now for path, proposed in self._proposed.items()}
        return proposed | {path: text for path, text in self._below.unsaved().items() if path not in proposed}

    async def diagnostics(self, path: WorkspacePath) -> Sequence[Diagnostic]:
        """None for a proposed text: what other tools reported is for the file as it is."""
        return () if path in self._proposed else await self._below.diagnostics(path)

    async def diagnostics_after(self, change: AppliedChange, timeout_s: float) -> ProblemReport | None:
        return None

    def hurry(self, plan: EditPlan) -> None:
        """Nothing: a proposal is made at once."""

    async def clear_leftovers(self, beside: Iterable[WorkspacePath]) -> None:
        await self._below.clear_leftovers(beside)

    async def apply(self, plan: EditPlan) -> AppliedPlan:
        """Take the changes into the proposal, all or none."""
        before = dict(self._proposed)
        try:
            changes = [await self._take(change) for change in plan.changes]
        except BaseException:
            self._proposed = before
            raise
        return AppliedPlan(plan.label, tuple(changes))

    def proposal(self, label: str) -> EditPlan:
        """All that is proposed by now, on the files below as they were last read."""
        moved = self._moved()
        changes: list[FileChange] = []
        for path, proposed in self._proposed.items():
            if proposed.now is None:
                if proposed.base is not None and proposed.base.path not in moved:
                    changes.append(DeleteFile(proposed.base))
            elif proposed.base is None or (proposed.base.path != path and moved.get(proposed.base.path) != path):
                now = proposed.now
                changes.append(CreateFile(path, now.text, now.encoding, now.has_bom, now.mode))
            elif edits := text_edits_between(proposed.base.text, proposed.now.text):
                moves = proposed.base.path != path
                changes.append(RenameFile(proposed.base, path, edits) if moves else EditFile(proposed.base, edits))
            elif proposed.base.path != path:
                changes.append(RenameFile(proposed.base, path))
        return EditPlan(label, tuple(changes))

    def _moved(self) -> dict[WorkspacePath, WorkspacePath]:
        """Where each moved file went, unless another was put in its place."""
        moved: dict[WorkspacePath, WorkspacePath] = {}
        for path, proposed in self._proposed.items():
            if proposed.now is not None and proposed.base is not None and proposed.base.path != path:
                left = self._proposed.get(proposed.base.path)
                if left is not None and left.now is None:
                    moved[proposed.base.path] = path
        return moved

    async def _take(self, change: FileChange) -> AppliedChange:
        check_allowed(change.path)
        before = await read_or_none(self, change.path)
        present = rebase_change(change, before)
        there = self._proposed.get(change.path)
        base = there.base if there else before
        match present:
            case DeleteFile():
                self._leave(change.path, base)
                return AppliedChange(change.path, before, None, is_saved=False)
            case RenameFile(new_path=new_path):
                check_allowed(new_path)
                if await read_or_none(self, new_path) is not None:
                    raise taken(new_path)
                after = replace(present.snapshot, path=new_path, text=present.new_text())
                self._leave(change.path, base)
                self._proposed[new_path] = _Proposed(base, after)
            case CreateFile(path=path, text=text):
                after = FileSnapshot(path, text, encoding=present.encoding, has_bom=present.has_bom, mode=present.mode)
                # A file that comes back in the place of a removed one is a change of that one.
                self._proposed[path] = _Proposed(base if base and base.path == path else None, after)
            case EditFile():
                after = replace(present.snapshot, text=present.new_text())
                self._proposed[change.path] = _Proposed(base, after)
        return AppliedChange(change.path, before, after, is_saved=False)

    def _leave(self, path: WorkspacePath, base: FileSnapshot | None) -> None:
        """The file is no longer at the path."""
        if base is not None and base.path == path:
            self._proposed[path] = _Proposed(base, None)
        else:
            self._proposed.pop(path, None)

    async def _on_present_text(self, path: WorkspacePath) -> _Proposed:
        """The proposal for the path, on the file below as it is now where the two do not collide."""
        proposed = self._proposed[path]
        base, now = proposed.base, proposed.now
        if base is None or now is None:
            return proposed
        below = await read_or_none(self._below, base.path)
        if below is None:
            return proposed
        if below != base:
            try:
                edits = rebase(text_edits_between(base.text, now.text), base.text, below.text)
            except StaleSnapshot:
                return proposed
            proposed = _Proposed(below, replace(below, path=path, text=apply_edits(below.text, edits)))
            self._proposed[path] = proposed
        return proposed
