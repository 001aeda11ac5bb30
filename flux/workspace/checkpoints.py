"""The way back from what was changed, on the text as it is now. Pure: reads and writes nothing itself.

It goes back change by change and hunk by hunk. What the user edited elsewhere stays; a hunk whose text is another now
is refused by name, and the others go back without it. What a way back does is itself a list of changes, so going it
back again is the same function.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from flux.core.errors import RefusedPiece, StaleSnapshot
from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.edits.diff import text_edits_between
from flux.edits.hunks import Hunk, split_plan
from flux.edits.plan import (
    AppliedChange,
    CreateFile,
    DeleteFile,
    EditFile,
    EditPlan,
    FileChange,
    RenameFile,
    applied_change_diff,
    placements,
    taken,
)
from flux.edits.text_edit import TextEdit, apply_edits

Current = Mapping[WorkspacePath, FileSnapshot | None]
"""The files as they are now; None where there is no such file."""


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of one change: what taking it back does to the files, and what of it stays made."""

    taken_back: AppliedChange | None = None
    left: AppliedChange | None = None


@dataclass(frozen=True, slots=True)
class WayBack:
    """`plan` does it on the files as they are now; `steps` are for the changes, in the order in which these came."""

    plan: EditPlan
    steps: tuple[Step, ...]
    refused: tuple[RefusedPiece, ...]


def way_back(
    changes: Sequence[AppliedChange],
    current: Current,
    label: str = "undo",
    unreachable: Mapping[WorkspacePath, str] | None = None,
) -> WayBack:
    """How to take back as much of `changes` (in the order they were applied) as is certain.

    `current` has every path of every change. `unreachable` are files that cannot be read or written, and why. A new
    file goes only as it was made, with all that was done to it; a file comes back or moves back only where none is.
    What the user took back already, or a new file that they removed, needs nothing.
    """
    waiting: set[int] = set()
    while True:
        walk = _Walk(changes, {path: now for path, now in current.items() if now}, dict(unreachable or {}), waiting)
        walk.go()
        more = walk.done_to_files_that_stay - waiting
        if not more:
            return WayBack(_plan(label, current, walk.past), tuple(walk.steps), tuple(reversed(walk.refused)))
        waiting |= more


def undo_plan(changes: Sequence[AppliedChange], current: Current, label: str = "undo") -> EditPlan:
    """A plan that takes back all of `changes`. Raises StaleSnapshot, naming the file, where a piece is refused."""
    back = way_back(changes, current, label)
    for piece in back.refused:
        raise StaleSnapshot(f"{piece.path}: {piece.reason} It cannot be taken back.")
    return back.plan


class _Refusal(Exception):
    """This change as a whole stays."""


@dataclass(slots=True)
class _Past:
    """A file as it was: its text then, and the file as it is now, perhaps elsewhere, or was when it was removed."""

    text: str
    snapshot: FileSnapshot

    def at(self, path: WorkspacePath) -> FileSnapshot:
        return replace(self.snapshot, path=path, text=self.text)


@dataclass(slots=True)
class _Walk:
    """One walk back through all changes. `waiting` are those that stay because of another one of their file."""

    changes: Sequence[AppliedChange]
    current: Mapping[WorkspacePath, FileSnapshot]
    closed: dict[WorkspacePath, str]
    """Files of which nothing earlier can be taken back, and why."""
    waiting: set[int]
    past: dict[WorkspacePath, _Past] = field(default_factory=dict[WorkspacePath, _Past])
    steps: list[Step] = field(default_factory=list[Step])
    refused: list[RefusedPiece] = field(default_factory=list[RefusedPiece])
    done_to_files_that_stay: set[int] = field(default_factory=set[int])

    def go(self) -> None:
        self.past = {path: _Past(now.text, now) for path, now in self.current.items()}
        self.steps = [Step()] * len(self.changes)
        gone = _new_and_gone(self.changes, self.current)
        for i, change in reversed(list(enumerate(self.changes))):
            if change.path in gone:
                continue
            try:
                self.steps[i] = self._step(i, change)
            except _Refusal as refusal:
                self._stay(i, change, str(refusal))

    def _stay(self, i: int, change: AppliedChange, reason: str) -> None:
        self.steps[i] = Step(left=change)
        diff = applied_change_diff(_reversed(change))
        self.refused.append(RefusedPiece(change.new_path, 1, diff, reason))
        for path in change.paths:
            self.closed.setdefault(path, f"a later change of {change.new_path} stays, so this one does too.")
        if change.before is None:
            self.done_to_files_that_stay |= _later_of_same_file(self.changes, i)

    def _step(self, i: int, change: AppliedChange) -> Step:
        for path in change.paths:
            if path in self.closed:
                raise _Refusal(self.closed[path])
        if i in self.waiting:
            raise _Refusal("it was made to a new file that stays.")
        if change.before is None:
            return self._remove(change)
        if change.after is None:
            return self._bring_back(change.before)
        if change.path != change.new_path:
            return self._move_back(change, change.before, change.after)
        return self._edit_back(change, change.before, change.after)

    def _remove(self, change: AppliedChange) -> Step:
        file = self.past.get(change.path)
        if file is None or change.after is None or file.text != change.after.text:
            raise _Refusal("it has changed since it was made, so it is not removed.")
        del self.past[change.path]
        return Step(AppliedChange(change.path, file.at(change.path), None, is_saved=True))

    def _bring_back(self, before: FileSnapshot) -> Step:
        there = self.past.get(before.path)
        if there is not None:
            if there.text == before.text:
                return Step()
            raise _Refusal(taken(before.path).message)
        self.past[before.path] = _Past(before.text, before)
        return Step(AppliedChange(before.path, None, before, is_saved=True))

    def _move_back(self, change: AppliedChange, before: FileSnapshot, after: FileSnapshot) -> Step:
        file = self.past.get(after.path)
        if file is None:
            raise _Refusal("it is no longer there.")
        if before.path in self.past:
            raise _Refusal(taken(before.path).message)
        placed = placements(text_edits_between(after.text, before.text), after.text, file.text)
        edits = [edit for edit in placed if edit is not None]
        if len(edits) < len(placed):
            raise _Refusal("its text has changed since where it was edited.")
        del self.past[after.path]
        moved = self.past[before.path] = _Past(apply_edits(file.text, edits), file.snapshot)
        return Step(AppliedChange(after.path, file.at(after.path), moved.at(before.path), is_saved=True))

    def _edit_back(self, change: AppliedChange, before: FileSnapshot, after: FileSnapshot) -> Step:
        path = change.path
        file = self.past.get(path)
        if file is None:
            raise _Refusal("it is no longer there.")
        back = EditFile(after, text_edits_between(after.text, before.text))
        pieces = split_plan(EditPlan("", (back,)), "") if back.edits else ()
        placed = iter(placements([edit for piece in pieces for edit in _edits(piece)], after.text, file.text))
        moved = [[next(placed) for _ in _edits(piece)] for piece in pieces]
        fits = [None not in its for its in moved]
        text = apply_edits(file.text, [edit for its in moved for edit in its if edit and None not in its])
        is_back = _are_back(pieces, before.text, text)
        stays = [not fit and not back for fit, back in zip(fits, is_back, strict=True)]
        line_of = _LinesNow(after.text, file.text)
        reason = "the text there has changed since."
        for piece, does_stay in reversed(list(zip(pieces, stays, strict=True))):
            if does_stay:
                self.refused.append(RefusedPiece(path, line_of(_edits(piece)[0].start), piece.diff, reason))
        undone = [edit for piece, stay in zip(pieces, stays, strict=True) if not stay for edit in _edits(piece)]
        left = replace(change, after=replace(after, text=apply_edits(after.text, undone))) if any(stays) else None
        if text == file.text:
            return Step(None, left)
        was = file.at(path)
        file.text = text
        return Step(AppliedChange(path, was, file.at(path), is_saved=True), left)


def _plan(label: str, current: Current, past: Mapping[WorkspacePath, _Past]) -> EditPlan:
    moved = {
        file.snapshot.path: RenameFile(file.snapshot, path, text_edits_between(file.snapshot.text, file.text))
        for path, file in past.items()
        if current[path] is None and file.snapshot.path not in past and current[file.snapshot.path] is file.snapshot
    }
    came = {change.new_path for change in moved.values()}
    undone: list[FileChange] = []
    for path, now in current.items():
        if path in moved:
            undone.append(moved[path])
        elif path not in came:
            undone += _back_in_place(path, now, past.get(path))
    return EditPlan(label, tuple(undone))


def _back_in_place(path: WorkspacePath, now: FileSnapshot | None, then: _Past | None) -> Sequence[FileChange]:
    if then is None:
        return () if now is None else (DeleteFile(now),)
    if now is None:
        form = then.snapshot
        return (CreateFile(path, then.text, form.encoding, form.has_bom, form.mode),)
    edits = text_edits_between(now.text, then.text)
    return (EditFile(now, edits),) if edits else ()


def _new_and_gone(
    changes: Sequence[AppliedChange], current: Mapping[WorkspacePath, FileSnapshot]
) -> set[WorkspacePath]:
    """The new files that were not moved and that the user removed."""
    first: dict[WorkspacePath, AppliedChange] = {}
    for change in changes:
        for path in change.paths:
            first.setdefault(path, change)
    renamed = {path for change in changes if len(change.paths) > 1 for path in change.paths}
    return {
        path for path, change in first.items() if change.before is None and path not in current and path not in renamed
    }


def _later_of_same_file(changes: Sequence[AppliedChange], created: int) -> set[int]:
    """What was done to a new file after it was made."""
    path = changes[created].path
    later: set[int] = set()
    for i, change in enumerate(changes[created + 1 :], created + 1):
        if change.path == path and change.before is not None:
            later.add(i)
            if change.after is None:
                break
            path = change.new_path
    return later


def _reversed(change: AppliedChange) -> AppliedChange:
    return AppliedChange(change.new_path, change.after, change.before, change.is_saved)


def _edits(piece: Hunk) -> tuple[TextEdit, ...]:
    assert isinstance(piece.change, EditFile), "pieces of an edited file"
    return piece.change.edits


def _are_back(pieces: Sequence[Hunk], before: str, now: str) -> list[bool]:
    """For each piece whether its place is as it was before, as the user took it back: making it again would fit."""
    forward: list[TextEdit] = []
    shift = 0
    for piece in pieces:
        for edit in _edits(piece):
            start = edit.start + shift
            forward.append(TextEdit(start, start + len(edit.new_text), ""))
            shift += len(edit.new_text) - (edit.end - edit.start)
    placed = iter(placements(forward, before, now))
    return [None not in [next(placed) for _ in _edits(piece)] for piece in pieces]


class _LinesNow:
    """Where places of a text are in a later one, by lines; near them, where the text there is another."""

    def __init__(self, then: str, now: str) -> None:
        self._then = then
        self._now = now
        self._changes: Sequence[TextEdit] | None = None

    def __call__(self, offset: int) -> int:
        """The line from 1."""
        if self._changes is None:
            self._changes = text_edits_between(self._then, self._now)
        shift = 0
        for change in self._changes:
            if change.end > offset:
                offset = min(offset, change.start)
                break
            shift += len(change.new_text) - (change.end - change.start)
        return self._now.count("\n", 0, offset + shift) + 1
