"""The files as they would be with all that waits for the user's decision: what a later reviewed turn begins with.

What such a turn proposes comes on top; where it touches a hunk that waits, it says on which it builds. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from flux.agent.review import Pending
from flux.context.item import Focus
from flux.core.errors import FileMissing, FluxError
from flux.core.snapshot import WorkspacePath
from flux.core.text import LineIndex, Range
from flux.edits.diff import text_edits_between
from flux.edits.hunks import Hunk, hunks_left, split_plan
from flux.edits.plan import EditPlan, paths_of, rebase_change
from flux.edits.stacking import Stack, moved_extent
from flux.workspace.overlay import OverlayWorkspace
from flux.workspace.workspace import Workspace, read_or_none


class Undecided:
    """`workspace` is the one below with what was laid on it."""

    def __init__(self, below: Workspace) -> None:
        self._below = below
        self.workspace = OverlayWorkspace(below)
        self._stack = Stack()
        self._laid: set[str] = set()
        self._shown: dict[WorkspacePath, None] = {}
        self._left_out: dict[WorkspacePath, None] = {}

    async def lay(self, pending: Sequence[Pending]) -> None:
        """Make the hunks, oldest first, as far as they fit the files as they are now."""
        for _, of_turn in groupby(pending, lambda one: (one.session_id, one.turn_id)):
            waiting = tuple(one.hunk for one in of_turn)
            while waiting:
                hunk, rest = waiting[0], waiting[1:]
                fits = await self._lay(hunk)
                waiting = hunks_left(rest, [hunk]) if fits else rest

    def split(self, plan: EditPlan, name: str, pending: Sequence[Pending]) -> tuple[Hunk, ...]:
        """The plan, made on top of this, as hunks that say on what of `pending` they build.

        What was decided on meanwhile is not named: there the text alone shows whether a hunk fits.
        """
        waiting = {one.hunk.id for one in pending}
        return tuple(
            replace(hunk, builds_on=tuple(id_ for id_ in self._stack.under(hunk.change) if id_ in waiting))
            for hunk in split_plan(plan, name)
        )

    def notes(self) -> Sequence[str]:
        """What the model is to know of it."""
        notes: list[str] = []
        if self._shown:
            notes.append(
                "Changes that were proposed earlier wait for the user's decision. You see these files as if they were "
                f"made, and what you propose now comes on top: {_names(self._shown)}"
            )
        if self._left_out:
            notes.append(
                "Changes that were proposed earlier, not decided on, and no longer fit the files are not shown to you: "
                f"{_names(self._left_out)}"
            )
        return notes

    async def focus(self, focus: Focus) -> Focus:
        """The same place in the text as it is shown to the model; its problems are of another text, and left out."""
        if focus.path not in self._shown:
            return focus
        if focus.selection is None:
            return Focus(focus.path)
        before, after = (await self._below.read(focus.path)).text, (await self.workspace.read(focus.path)).text
        old, new = LineIndex(before), LineIndex(after)
        selected = old.offset(focus.selection.start), old.offset(focus.selection.end)
        start, end = moved_extent(*selected, text_edits_between(before, after))
        return Focus(focus.path, Range(new.position(start), new.position(end)))

    async def _lay(self, hunk: Hunk) -> bool:
        paths = paths_of(hunk.change)
        try:
            if not self._laid.issuperset(hunk.builds_on):
                raise FileMissing(f"What {hunk.path} builds on is not there.", path=str(hunk.path))
            change = rebase_change(hunk.change, await read_or_none(self.workspace, hunk.path))
            await self.workspace.apply(EditPlan("Flux: undecided", (change,)))
        except FluxError:
            self._left_out.update(dict.fromkeys(paths))
            return False
        self._stack.lay(hunk.id, change)
        self._laid.add(hunk.id)
        self._shown.update(dict.fromkeys(paths))
        return True


def _names(paths: dict[WorkspacePath, None]) -> str:
    return ", ".join(map(str, paths))
