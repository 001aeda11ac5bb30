"""The way back from what a turn changed, on the text as it is now. Pure: reads and writes nothing itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flux.core.errors import StaleSnapshot
from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.edits.diff import text_edits_between
from flux.edits.plan import (
    AppliedChange,
    CreateFile,
    DeleteFile,
    EditFile,
    EditPlan,
    FileChange,
    RenameFile,
    rebase,
    taken,
)
from flux.edits.text_edit import apply_edits


def undo_plan(
    changes: Sequence[AppliedChange], current: Mapping[WorkspacePath, FileSnapshot | None], label: str = "undo"
) -> EditPlan:
    """A plan that takes back all `changes` (in the order they were applied) and keeps what the user edited elsewhere.

    `current` has every path of every change; None where there is no such file now. Raises StaleSnapshot, naming the
    file, where the text of a change is no longer as it was made, or a file is where one was before. A new file that
    the user removed needs nothing.
    """
    past = {path: _Past(now.text, now) for path, now in current.items() if now is not None}
    for path in _new_and_gone(changes, current):
        changes = [change for change in changes if change.path != path]
    for step in reversed(changes):
        _go_back(past, step)
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


@dataclass(frozen=True, slots=True)
class _Past:
    """A file as it was: its text then, and the file as it is now, perhaps elsewhere, or was when it was removed."""

    text: str
    snapshot: FileSnapshot


def _new_and_gone(
    changes: Sequence[AppliedChange], current: Mapping[WorkspacePath, FileSnapshot | None]
) -> set[WorkspacePath]:
    first: dict[WorkspacePath, AppliedChange] = {}
    for change in changes:
        for path in change.paths:
            first.setdefault(path, change)
    renamed = {path for change in changes if len(change.paths) > 1 for path in change.paths}
    return {
        path
        for path, change in first.items()
        if change.before is None and current[path] is None and path not in renamed
    }


def _go_back(past: dict[WorkspacePath, _Past], step: AppliedChange) -> None:
    """Make `past` what it was before the step."""
    file = past.pop(step.new_path, None)
    if step.before is None or step.after is None:
        if (None if file is None else file.text) != (None if step.after is None else step.after.text):
            raise StaleSnapshot(f"{step.path} has changed since, so it cannot be taken back.")
        if step.before is not None:
            past[step.path] = _Past(step.before.text, step.before)
        return
    if file is None:
        raise StaleSnapshot(f"{step.new_path} has changed since, so it cannot be taken back.")
    if step.path in past:
        raise taken(step.path)
    made = step.after.text
    try:
        text = apply_edits(file.text, rebase(text_edits_between(made, step.before.text), made, file.text))
    except StaleSnapshot as e:
        raise StaleSnapshot(f"{step.new_path}: {e.message} It cannot be taken back.") from e
    past[step.path] = _Past(text, file.snapshot)


def _back_in_place(path: WorkspacePath, now: FileSnapshot | None, then: _Past | None) -> Sequence[FileChange]:
    if then is None:
        return () if now is None else (DeleteFile(now),)
    if now is None:
        return (CreateFile(path, then.text, then.snapshot.encoding, then.snapshot.has_bom),)
    edits = text_edits_between(now.text, then.text)
    return (EditFile(now, edits),) if edits else ()
