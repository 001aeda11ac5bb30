"""The way back from what a turn changed, on the text as it is now. Pure: reads and writes nothing itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flux.core.errors import StaleSnapshot
from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.edits.diff import text_edits_between
from flux.edits.plan import AppliedChange, CreateFile, DeleteFile, EditFile, EditPlan, FileChange, rebase
from flux.edits.text_edit import apply_edits


def undo_plan(
    changes: Sequence[AppliedChange], current: Mapping[WorkspacePath, FileSnapshot | None], label: str = "undo"
) -> EditPlan:
    """A plan that takes back all `changes` (in the order they were applied) and keeps what the user edited elsewhere.

    `current` has every changed path; None where there is no such file now. Raises StaleSnapshot, naming the file, where
    the text of a change is no longer as it was made. A new file that the user removed needs nothing.
    """
    changes_of: dict[WorkspacePath, list[AppliedChange]] = {}
    for change in changes:
        changes_of.setdefault(change.path, []).append(change)
    undone = (_undo_file(path, steps, current[path]) for path, steps in changes_of.items())
    return EditPlan(label, tuple(change for change in undone if change is not None))


def _undo_file(path: WorkspacePath, steps: Sequence[AppliedChange], now: FileSnapshot | None) -> FileChange | None:
    if now is None and steps[0].before is None:
        return None
    text = None if now is None else now.text
    for step in reversed(steps):
        text = _text_before(path, step, text)
    if text is None:
        return None if now is None else DeleteFile(now)
    if now is None:
        return CreateFile(path, text)
    edits = text_edits_between(now.text, text)
    return EditFile(now, edits) if edits else None


def _text_before(path: WorkspacePath, step: AppliedChange, text: str | None) -> str | None:
    """The text without this step, None where the step made the file."""
    made = None if step.after is None else step.after.text
    if step.before is None or made is None or text is None:
        if text != made:
            raise StaleSnapshot(f"{path} has changed since, so it cannot be taken back.")
        return None if step.before is None else step.before.text
    try:
        return apply_edits(text, rebase(text_edits_between(made, step.before.text), made, text))
    except StaleSnapshot as e:
        raise StaleSnapshot(f"{path}: {e.message} It cannot be taken back.") from e
