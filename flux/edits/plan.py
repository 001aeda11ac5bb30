"""What is to be done to a set of files, as values. An edit carries the snapshot it was computed on.

`rebase` moves edits onto a text that changed meanwhile, or refuses: it never guesses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

from flux.core.errors import FileMissing, OverlappingEdits, StaleSnapshot
from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.edits.diff import text_edits_between
from flux.edits.text_edit import TextEdit, apply_edits, sorted_edits


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
    """Changes that are made together or not at all. `label` is what the user's undo list shows.

    Raises OverlappingEdits where two changes name one file.
    """

    label: str
    changes: tuple[FileChange, ...]

    def __post_init__(self) -> None:
        paths: set[WorkspacePath] = set()
        for change in self.changes:
            if change.path in paths:
                raise OverlappingEdits(f"Two changes of one plan are for {change.path}. Make them one change.")
            paths.add(change.path)


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


def rebase_change(change: FileChange, now: FileSnapshot | None) -> FileChange:
    """The change as it is to be made on the file as it is now (None: there is none), with `now` as its snapshot.

    Raises StaleSnapshot where the text under an edit is not as the change expects, or where a file is in the way of a
    new one; FileMissing where the file to edit is gone.
    """
    match change:
        case CreateFile():
            if now is not None:
                raise StaleSnapshot(f"{change.path} exists already.", hint="Read it, then edit it.")
            return change
        case DeleteFile():
            if now is None or now.text != change.snapshot.text:
                raise StaleSnapshot(f"{change.path} has changed since, so it is not removed.")
            return DeleteFile(now)
        case EditFile():
            if now is None:
                raise FileMissing(f"{change.path} is no longer there.", path=str(change.path))
            try:
                return EditFile(now, rebase(change.edits, change.snapshot.text, now.text))
            except StaleSnapshot as e:
                raise StaleSnapshot(f"{change.path}: {e.message}", hint=e.hint) from e
    assert_never(change)


def rebase(edits: Sequence[TextEdit], old_text: str, new_text: str) -> tuple[TextEdit, ...]:
    """Edits computed on `old_text`, moved to where the same text stands in `new_text`.

    Raises StaleSnapshot where text under an edit or directly at its ends changed, also where it only may have: after
    one of two equal neighbouring lines was removed nobody can tell which.
    """
    ordered = sorted_edits(edits)
    if old_text == new_text:
        return ordered
    changes = _changes_apart(old_text, new_text)
    moved: list[TextEdit] = []
    shift = 0
    at = 0
    for edit in ordered:
        while at < len(changes) and changes[at].end < edit.start:
            shift += changes[at].growth
            at += 1
        if at < len(changes) and changes[at].start <= edit.end:
            line = old_text.count("\n", 0, edit.start) + 1
            raise StaleSnapshot(
                f"The text at line {line} has changed since the edit was made.",
                hint="Read the file again and make the edit on its present text.",
            )
        moved.append(TextEdit(edit.start + shift, edit.end + shift, edit.new_text))
    return tuple(moved)


@dataclass(frozen=True, slots=True)
class _Change:
    """Somewhere between two offsets of the old text it changed, and became longer by `growth`."""

    start: int
    end: int
    growth: int


def _changes_apart(old_text: str, new_text: str) -> list[_Change]:
    """The changes in order; those whose extents meet are one."""
    apart: list[_Change] = []
    for change in _closest_changes(old_text, new_text):
        joined = change
        while apart and apart[-1].end >= joined.start:
            before = apart.pop()
            start, end = min(before.start, joined.start), max(before.end, joined.end)
            joined = _Change(start, end, before.growth + joined.growth)
        apart.append(joined)
    return apart


def _closest_changes(old_text: str, new_text: str) -> Iterator[_Change]:
    for edit in text_edits_between(old_text, new_text):
        removed = old_text[edit.start : edit.end]
        head = _common_head_length(removed, edit.new_text)
        tail = _common_head_length(removed[head:][::-1], edit.new_text[head:][::-1])
        start, end = edit.start + head, edit.end - tail
        added = edit.new_text[head : len(edit.new_text) - tail]
        growth = len(added) - (end - start)
        yield _Change(*_possible_extent(old_text, start, end, added), growth)


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


def _common_head_length(a: str, b: str) -> int:
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
