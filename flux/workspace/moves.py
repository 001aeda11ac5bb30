"""What the user did to files beside Flux: moved or removed them, and where what Flux changed stands since.

Knows no editor, which tells of it, and stores nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from flux.core.snapshot import WorkspacePath
from flux.edits.plan import AppliedChange


@dataclass(frozen=True, slots=True)
class Move:
    """A file, or a folder with all in it, that is elsewhere now; `new` None where it is in the workspace no more."""

    old: WorkspacePath
    new: WorkspacePath | None

    def __str__(self) -> str:
        return f"The user moved {self.old} to {self.new}." if self.new else f"The user removed {self.old}."

    def of(self, path: WorkspacePath) -> Move | None:
        """What it is for the file at the path; None where that stayed."""
        if (path.root, path.relative) == (self.old.root, self.old.relative):
            return Move(path, self.new)
        below = path.relative.removeprefix(f"{self.old.relative}/")
        if path.root != self.old.root or below == path.relative:
            return None
        return Move(path, self.new and replace(self.new, relative=f"{self.new.relative}/{below}"))


def whole_move(moves: Sequence[Move], path: WorkspacePath) -> Move | None:
    """What all of these, in their order, are for the file that was at the path before; None where it is there again."""
    place: WorkspacePath | None = path
    for move in moves:
        if place is not None and (found := move.of(place)) is not None:
            place = found.new
    return None if place == path else Move(path, place)


def followed(change: AppliedChange, moves: Sequence[Move]) -> AppliedChange:
    """The change with its file where that was moved since. Where the change itself moved it from stays as it was."""
    move = whole_move(moves, change.new_path)
    if change.after is None or move is None or move.new is None:
        return change
    after = replace(change.after, path=move.new)
    if change.path != change.new_path:
        return replace(change, after=after)
    before = replace(change.before, path=move.new) if change.before else None
    return replace(change, path=move.new, before=before, after=after)
