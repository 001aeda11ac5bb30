"""What is to be done to a set of files, as values. An edit carries the snapshot it was computed on.

`rebase` moves edits onto a text that changed meanwhile, or refuses: it never guesses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from flux.core.errors import FileMissing, OverlappingEdits, StaleSnapshot
from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.edits.diff import text_edits_between, unified_diff
from flux.edits.text_edit import TextEdit, apply_edits, cut_to_change, sorted_edits


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
    """Make a file that does not exist. `encoding`, `has_bom` and `mode` are for one that comes back as it was."""

    path: WorkspacePath
    text: str
    encoding: str = "utf-8"
    has_bom: bool = False
    mode: int | None = None

    def new_text(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class DeleteFile:
    """Remove a file whose text is still that of the snapshot."""

    snapshot: FileSnapshot

    @property
    def path(self) -> WorkspacePath:
        return self.snapshot.path


@dataclass(frozen=True, slots=True)
class RenameFile:
    """Move a file to a path where none is, with `edits` of its text if there are any.

    What the user typed since the snapshot goes along.
    """

    snapshot: FileSnapshot
    new_path: WorkspacePath
    edits: tuple[TextEdit, ...] = ()

    @property
    def path(self) -> WorkspacePath:
        return self.snapshot.path

    def new_text(self) -> str:
        return apply_edits(self.snapshot.text, self.edits)


FileChange = EditFile | CreateFile | DeleteFile | RenameFile


def paths_of(change: FileChange) -> tuple[WorkspacePath, ...]:
    """The files that the change is about: two for a renamed one."""
    return (change.path, change.new_path) if isinstance(change, RenameFile) else (change.path,)


@dataclass(frozen=True, slots=True)
class EditPlan:
    """Changes that are made together or not at all. `label` is what the user's undo list shows.

    Raises OverlappingEdits where two changes name one file.
    """

    label: str
    changes: tuple[FileChange, ...]

    def __post_init__(self) -> None:
        paths: set[WorkspacePath] = set()
        for path in (path for change in self.changes for path in paths_of(change)):
            if path in paths:
                raise OverlappingEdits(f"Two changes of one plan are for {path}. Make them one change.")
            paths.add(path)


@dataclass(frozen=True, slots=True)
class AppliedChange:
    """One file as it was found when the plan was applied, and as it was verified to be afterwards.

    `before` is None for a new file, `after` None for a removed one; their paths differ for a renamed one. `is_saved` is
    false where the change stands in an editor's buffer only.
    """

    path: WorkspacePath
    before: FileSnapshot | None
    after: FileSnapshot | None
    is_saved: bool

    @property
    def new_path(self) -> WorkspacePath:
        """Where the file is now."""
        return self.after.path if self.after else self.path

    @property
    def paths(self) -> tuple[WorkspacePath, ...]:
        """The files that were touched: two for a renamed one."""
        return tuple(dict.fromkeys((self.path, self.new_path)))


@dataclass(frozen=True, slots=True)
class AppliedPlan:
    label: str
    changes: tuple[AppliedChange, ...]


def rebase_change(change: FileChange, now: FileSnapshot | None) -> FileChange:
    """The change as it is to be made on the file as it is now (None: there is none), with `now` as its snapshot.

    Raises StaleSnapshot where the text under an edit is not as the change expects, or where a file is in the way of a
    new one; FileMissing where the file to edit or to move is gone. Whether the new place of a file is free is for the
    caller to look at (`taken`).
    """
    match change:
        case CreateFile():
            if now is not None:
                raise taken(change.path)
            return change
        case DeleteFile():
            if now is None or now.text != change.snapshot.text:
                raise StaleSnapshot(f"{change.path} has changed since, so it is not removed.")
            return DeleteFile(now)
        case EditFile() | RenameFile():
            if now is None:
                raise FileMissing(f"{change.path} is no longer there.", path=str(change.path))
            try:
                edits = rebase(change.edits, change.snapshot.text, now.text)
            except StaleSnapshot as e:
                raise StaleSnapshot(f"{change.path}: {e.message}", hint=e.hint) from e
            return EditFile(now, edits) if isinstance(change, EditFile) else RenameFile(now, change.new_path, edits)
    assert_never(change)


def taken(path: WorkspacePath) -> StaleSnapshot:
    """The refusal to put a file where one is."""
    return StaleSnapshot(f"{path} exists already.", hint="Read it, then edit it, or choose another name.")


def change_diff(change: FileChange) -> str:
    """A unified diff of what would change, as git writes it."""
    match change:
        case CreateFile():
            return unified_diff(None, change.text, str(change.path))
        case DeleteFile():
            return unified_diff(change.snapshot.text, None, str(change.path))
        case EditFile():
            return unified_diff(change.snapshot.text, change.new_text(), str(change.path))
        case RenameFile():
            return _rename_diff(change.snapshot, replace(change.snapshot, path=change.new_path, text=change.new_text()))
    assert_never(change)


def applied_change_diff(change: AppliedChange) -> str:
    """A unified diff of what was changed, as git writes it."""
    before, after = change.before, change.after
    if before and after and before.path != after.path:
        return _rename_diff(before, after)
    return unified_diff(before and before.text, after and after.text, str(change.path))


def _rename_diff(before: FileSnapshot, after: FileSnapshot) -> str:
    old, new = str(before.path), str(after.path)
    head = f"diff --git a/{old} b/{new}\n"
    if before.text == after.text:
        head += "similarity index 100%\n"
    hunks = unified_diff(before.text, after.text, new).replace(f"--- a/{new}\n", f"--- a/{old}\n", 1)
    return f"{head}rename from {old}\nrename to {new}\n{hunks}"


def rebase(edits: Sequence[TextEdit], old_text: str, new_text: str) -> tuple[TextEdit, ...]:
    """Edits computed on `old_text`, moved to where the same text stands in `new_text`.

    Raises StaleSnapshot where text under an edit or directly at its ends changed, also where it only may have: after
    one of two equal neighbouring lines was removed nobody can tell which.
    """
    placed = placements(edits, old_text, new_text)
    for edit, moved in zip(sorted_edits(edits), placed, strict=True):
        if moved is None:
            line = old_text.count("\n", 0, edit.start) + 1
            raise StaleSnapshot(
                f"The text at line {line} has changed since the edit was made.",
                hint="Read the file again and make the edit on its present text.",
            )
    return tuple(moved for moved in placed if moved is not None)


def placements(edits: Sequence[TextEdit], old_text: str, new_text: str) -> tuple[TextEdit | None, ...]:
    """For each edit, by place: where it is in `new_text`; None where `rebase` would refuse it."""
    ordered = sorted_edits(edits)
    if old_text == new_text:
        return ordered
    changes = changes_apart(old_text, new_text)
    placed: list[TextEdit | None] = []
    shift = 0
    at = 0
    for edit in ordered:
        while at < len(changes) and changes[at].end < edit.start:
            shift += changes[at].growth
            at += 1
        is_touched = at < len(changes) and changes[at].start <= edit.end
        placed.append(None if is_touched else TextEdit(edit.start + shift, edit.end + shift, edit.new_text))
    return tuple(placed)


@dataclass(frozen=True, slots=True)
class Change:
    """Somewhere between two offsets of the old text it changed, and became longer by `growth`."""

    start: int
    end: int
    growth: int


def changes_apart(old_text: str, new_text: str) -> list[Change]:
    """The changes in order; those whose extents meet are one."""
    apart: list[Change] = []
    for change in _closest_changes(old_text, new_text):
        joined = change
        while apart and apart[-1].end >= joined.start:
            before = apart.pop()
            start, end = min(before.start, joined.start), max(before.end, joined.end)
            joined = Change(start, end, before.growth + joined.growth)
        apart.append(joined)
    return apart


def _closest_changes(old_text: str, new_text: str) -> Iterator[Change]:
    for edit in text_edits_between(old_text, new_text):
        cut = cut_to_change(old_text, edit)
        growth = len(cut.new_text) - (cut.end - cut.start)
        yield Change(*_possible_extent(old_text, cut.start, cut.end, cut.new_text), growth)


def _possible_extent(text: str, start: int, end: int, added: str) -> tuple[int, int]:
    """From the first to the last offset that an insertion or removal with the same outcome would touch."""
    block = text[start:end] or added
    if start < end and added:
        return start, end
    first, last = start, end
    turned = 0
    while first > 0 and text[first - 1] == block[-1 - turned % len(block)]:
        first, turned = first - 1, turned + 1
    turned = 0
    while last < len(text) and text[last] == block[turned % len(block)]:
        last, turned = last + 1, turned + 1
    return first, last
