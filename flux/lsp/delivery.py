"""Changes on their way through the editor, all or none: what was made of a part is taken back.

How one is asked for and seen is in `flux.lsp.asking`. Reads no files and decides nothing about them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import NoReturn

from flux.core.errors import StaleSnapshot, WriteRefused
from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.edits.plan import AppliedChange, EditFile, FileChange, RenameFile, paths_of, rebase_change
from flux.lsp.asking import Asking, LeftOpen, Patience
from flux.lsp.sighting import has_moved
from flux.lsp.target import Target, applied_of, snapshot_of, target_of
from flux.lsp.trail import Trail
from flux.workspace.checkpoints import undo_plan

TRIES = 6
"""How often an edit that came to a wrong place is taken back, or made again, while the user goes on typing."""


class TextMoved(Exception):
    """The user typed while an edit was on its way, and the editor did not make it."""

    def __init__(self, names: str) -> None:
        super().__init__(names)
        self.names = names


@dataclass(slots=True)
class Delivery:
    """Brings changes to the editor. `now` reads a file as it is now, None where there is none."""

    _asking: Asking
    now: Callable[[WorkspacePath], Awaitable[FileSnapshot | None]]
    _late: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    """Each follows an edit that was left open, to its end or the process's."""

    async def deliver(self, label: str, changes: Sequence[FileChange], patience: Patience) -> tuple[AppliedChange, ...]:
        """Send the changes and see that they were made. What an editor did in part is taken back.

        Once the patience is over an edit without an answer is left open: what still comes of it is taken back.

        Files are moved last: a move has no version that could refuse it.
        """
        self._asking.refuse_unseen(changes)
        in_place = [present for present in map(_in_place, changes) if present is not None]
        done = {change.path: change for change in await self._deliver(label, in_place, patience)}
        moves: list[FileChange] = []
        for change in changes:
            if isinstance(change, RenameFile):
                edited = done.get(change.path)
                moves.append(RenameFile(edited.after if edited and edited.after else change.snapshot, change.new_path))
        try:
            moved = await self._deliver(label, moves, patience)
        except (TextMoved, WriteRefused):
            await self.take_back(label, tuple(done.values()))
            raise
        for change in moved:
            edited = done.get(change.path)
            done[change.path] = replace(change, before=edited.before) if edited else change
        return tuple(done.values())

    async def _deliver(
        self, label: str, changes: Sequence[FileChange], patience: Patience
    ) -> tuple[AppliedChange, ...]:
        targets = [self._target(change) for change in changes]
        # Where each goes alone, the first failure stops the rest.
        groups = [[target] for target in targets] if self._asking.editor.client.edits_one_by_one else [targets]
        with ExitStack() as following:
            following.enter_context(self._asking.following(targets))
            for group in groups:
                try:
                    reason = await self._asking.send(label, group, patience) if group else ""
                except LeftOpen as left:
                    raise self._leave(label, targets, left, following.pop_all()) from None
                missed = [target for target in group if not target.is_seen]
                if missed:
                    await self._fail(label, missed, [target for target in targets if target.is_seen], reason)
        return tuple(applied_of(target) for target in targets)

    def _leave(self, label: str, targets: Sequence[Target], left: LeftOpen, following: ExitStack) -> WriteRefused:
        """What to say of an edit that was left open; it is followed from now on."""
        paths = {path for target in targets for path in paths_of(target.change)}
        names = ", ".join(str(target.change.path) for target in targets)

        async def follow() -> None:
            with following:
                try:
                    await left.conclude()
                    is_made = any(target.is_settled for target in targets)
                    seen = [target for target in targets if target.is_seen]
                    missed = [target for target in targets if not target.is_seen]
                    unknown = await self._take_back_misplaced(label, missed)
                    await self._take_back_seen(label, seen)
                except WriteRefused as e:
                    self._asking.editor.show(f"Flux: {e.message}", "warning")
                    return
                finally:
                    self._asking.unanswered -= paths
            if unknown:
                self._asking.warn(unknown)
            elif is_made:
                self._asking.editor.show(f"Flux: the editor changed {names} after you had cancelled; it is taken back.")

        self._asking.unanswered |= paths
        task = asyncio.create_task(follow())
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        message = (
            f"The editor has not answered the change of {names}, so it is not known whether it makes it. If it still "
            "does, that is taken back, or you are told where it is."
        )
        self._asking.editor.show(f"Flux: {message}", "warning")
        return WriteRefused(message, path=names)

    async def _fail(self, label: str, missed: Sequence[Target], seen: Sequence[Target], reason: str) -> NoReturn:
        """Take back what was done of an edit, and say why it was not done."""
        names = ", ".join(str(target.change.path) for target in missed)
        try:
            unknown = await self._take_back_misplaced(label, missed)
        finally:
            await self._take_back_seen(label, seen)
        if unknown:
            self._asking.warn(unknown)
            reason = "the user typed meanwhile, so that it cannot be told what it did. Read the file again."
        elif any(target.is_settled or self._has_moved(target) for target in missed):
            raise TextMoved(names)
        raise WriteRefused(f"The editor did not make the change of {names}: {reason}", path=names)

    async def _take_back_seen(self, label: str, seen: Sequence[Target]) -> None:
        """Take back what was made; along its reports, where they show it, which bears typing at its edges too."""
        others: list[AppliedChange] = []
        for target in seen:
            if target.trail is not None and target.trail.made_on is not None:
                await self._take_back_along(label, target, target.trail)
            else:
                others.append(applied_of(target))
        await self.take_back(label, others)

    async def _take_back_misplaced(self, label: str, missed: Sequence[Target]) -> list[Target]:
        """The files of which nobody can tell what was done; the others stand now as without the edits.

        Raises WriteRefused where one does not.
        """
        unknown: list[Target] = []
        for target in missed:
            if target.trail is not None and target.trail.made_on is not None and target.is_certain:
                await self._take_back_along(label, target, target.trail)
            elif self._asking.editor.client.may_misplace and target.is_claimed and self._may_be_made(target):
                unknown.append(target)
        return unknown

    def _may_be_made(self, target: Target) -> bool:
        """Whether the editor may have made the change, which it says and does not show."""
        if self._asking.editor.client.tells_late and target.trail is not None:
            return True
        return self._has_moved(target) and not (target.trail and target.trail.is_without_effect())

    async def _take_back_along(self, label: str, target: Target, trail: Trail) -> None:
        """Leave what the user made of the text. What does so may come to a wrong place too, and is taken back then."""
        path = target.change.path
        is_known = True
        for _ in range(TRIES):
            document = self._asking.documents.get(target.uri)
            edits = trail.way_back()
            if document is None or not edits or not is_known:
                break
            again = self._target(EditFile(snapshot_of(path, document), edits))
            again.trail = trail
            await self._asking.send(f"{label} (taken back)", [again], Patience())
            # Where it is not known what the editor did, more of it could make it worse.
            is_known = again.is_settled or not (again.is_claimed and self._asking.editor.client.may_misplace)
        document = self._asking.documents.get(target.uri)
        if trail.way_back() or not is_known or document is None or trail.follow not in document.followers:
            self._asking.warn([target])
            raise WriteRefused(
                f"The user typed meanwhile, and the editor made the change of {path} at a wrong "
                "place. It could not be taken back: look at the file.",
                path=str(path),
            )

    async def take_back(self, label: str, applied: Sequence[AppliedChange]) -> None:
        """Undo the part that was done. Raises WriteRefused where that fails too, naming what is changed now."""
        if not applied:
            return
        current = {path: await self.now(path) for change in applied for path in change.paths}
        left: list[str] = []
        try:
            plan = undo_plan(applied, current, f"{label} (taken back)")
            for change in plan.changes:
                if not await self._make_at_last(plan.label, change):
                    left.append(str(change.path))
        except StaleSnapshot:
            left = [str(change.path) for change in applied]
        if left:
            names = ", ".join(left)
            raise WriteRefused(
                f"The editor made a part of the change only, and it could not be taken back: {names} is changed.",
                path=names,
            )

    async def _make_at_last(self, label: str, change: FileChange) -> bool:
        """Whether the change of one file was made, in the end also where it came to wrong places at first."""
        for _ in range(TRIES):
            target = self._target(change)
            with self._asking.following([target]):
                await self._asking.send(label, [target], Patience())
                if target.is_seen or not self._has_moved(target):
                    return target.is_seen
                if unknown := await self._take_back_misplaced(label, [target]):
                    self._asking.warn(unknown)
                    return False
            change = rebase_change(change, await self.now(change.path))
        return False

    def _target(self, change: FileChange) -> Target:
        return target_of(change, self._asking.documents, self._asking.editor.client)

    def _has_moved(self, target: Target) -> bool:
        return has_moved(target, self._asking.documents)


def _in_place(change: FileChange) -> FileChange | None:
    """What is left of the change without moving a file."""
    if not isinstance(change, RenameFile):
        return change
    return EditFile(change.snapshot, change.edits) if change.edits else None
