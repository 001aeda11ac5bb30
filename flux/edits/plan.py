"""What is to be done to a set of files, as values. An edit carries the snapshot it was computed on."""

from __future__ import annotations

from dataclasses import dataclass

from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.edits.text_edit import TextEdit, apply_edits


@dataclass(frozen=True, slots=True)
class EditFile:
    """Change an existing file. The offsets of `edits` refer to `snapshot.text`."""

    snapshot: FileSnapshot
    edits: tuple[TextEdit, ...]

    @property
    def path(self) -> WorkspacePath:
        return self.snapshot.path

    def new_text(self) -> str:
        return apply_edits(self.snapshot.text, self.edits)


@dataclass(frozen=True, slots=True)
class CreateFile:
    """Make a file that does not exist."""

    path: WorkspacePath
    text: str

    def new_text(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class DeleteFile:
    """Remove a file whose text is still that of the snapshot; the way back from `CreateFile`."""

    snapshot: FileSnapshot

    @property
    def path(self) -> WorkspacePath:
        return self.snapshot.path


FileChange = EditFile | CreateFile | DeleteFile


@dataclass(frozen=True, slots=True)
class EditPlan:
    """Changes that are made together or not at all. `label` is what the user's undo list shows."""

    label: str
    changes: tuple[FileChange, ...]


@dataclass(frozen=True, slots=True)
class AppliedChange:
    """One file as it was found when the plan was applied, and as it was verified to be afterwards.

    `before` is None for a new file, `after` None for a removed one. `is_saved` is false where the change stands in an
    editor's buffer only.
    """

    path: WorkspacePath
    before: FileSnapshot | None
    after: FileSnapshot | None
    is_saved: bool


@dataclass(frozen=True, slots=True)
class AppliedPlan:
    label: str
    changes: tuple[AppliedChange, ...]
