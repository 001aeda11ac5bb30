"""Proposals that wait for the user: which hunks there are, and what becomes of those that are accepted or rejected.

Everything is in the session store, so a review may be finished after a restart, in another door. Knows no door.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from flux.agent.session_store import Proposal, SessionStore
from flux.agent.uninterrupted import to_its_end
from flux.core.errors import FluxError, StaleSnapshot
from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.edits.hunks import Hunk, amended, hunks_left, plan_of
from flux.edits.plan import AppliedChange, AppliedPlan, paths_of, rebase_change
from flux.workspace.workspace import Workspace, read_or_none

_SHOWN_LINES = 12
"""Of a rejected hunk's diff so many lines are told to the model."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A hunk that waits for the user's decision."""

    session_id: str
    turn_id: str
    hunk: Hunk


@dataclass(frozen=True, slots=True)
class Refusal:
    """A hunk that could not be made, which waits on; `reason` says why."""

    pending: Pending
    reason: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """What came of an acceptance."""

    accepted: tuple[Pending, ...] = ()
    refused: tuple[Refusal, ...] = ()
    changes: tuple[AppliedChange, ...] = ()


class Review:
    """The proposals of all sessions of one store, over one workspace."""

    def __init__(self, store: SessionStore, workspace: Workspace) -> None:
        self._store = store
        self._workspace = workspace
        self._deciding = asyncio.Lock()

    def pending(
        self, *, session_id: str = "", turn_id: str = "", path: WorkspacePath | None = None, hunk_id: str = ""
    ) -> tuple[Pending, ...]:
        """What waits in this workspace, oldest first: all, or what the arguments name together."""
        folder = "" if session_id else self._workspace.roots[0]
        return tuple(
            pending
            for proposal in self._store.proposals(session_id=session_id, folder=folder)
            for pending in _pending_of(proposal)
            if turn_id in {"", pending.turn_id}
            and hunk_id in {"", pending.hunk.id}
            and (path is None or path in paths_of(pending.hunk.change))
        )

    async def accept(self, chosen: Sequence[Pending], *, all_or_none: bool = False) -> Accepted:
        """Make the hunks on the text as it is now, those of a turn together; what collides is refused, and waits on.

        `all_or_none`: where one hunk of a turn is refused, so are the others of that turn.
        """
        return await to_its_end(self._accept(chosen, all_or_none))

    def reject(self, chosen: Sequence[Pending], reason: str = "") -> tuple[Pending, ...]:
        """Forget the hunks; nothing is written. The model is told, with the user's reason. Returns what was pending."""
        rejected = self._still_pending(chosen)
        because = f"\nThe user says: {reason.strip()}" if reason.strip() else ""
        for pending in rejected:
            note = f"The user rejected your proposed change at {_place(pending.hunk)}, which was not made:"
            self._store.add_note(pending.session_id, f"{note}\n{_shown(pending.hunk)}{because}")
        self._forget(rejected, are_made=False)
        return rejected

    def check_ground(self, one: Pending) -> None:
        """Raises StaleSnapshot, naming it, where the hunk builds on another that is not made."""
        if not one.hunk.builds_on:
            return
        waiting = {other.id: other for proposal in self._proposals([one.session_id]) for other in proposal.hunks}
        here, others = _place(one.hunk), [waiting[id_] for id_ in one.hunk.builds_on if id_ in waiting]
        if len(others) < len(one.hunk.builds_on):
            raise StaleSnapshot(
                f"The change at {here} builds on another proposed change, which was rejected.",
                hint="Reject it too, and ask again.",
            )
        names = ", ".join(f"{_place(other)} ({other.id})" for other in others)
        raise StaleSnapshot(
            f"The change at {here} builds on another proposed change that is not decided yet: {names}.",
            hint="Decide on that first, or accept both together.",
        )

    def amend(self, one: Pending, lines: Sequence[str]) -> Pending:
        """The hunk with the user's own lines in place of those that it brings; it waits on.

        Raises NothingChanged where these are the file's own, or the hunk brings no text.
        """
        hunk = amended(one.hunk, lines)
        for proposal in self._store.proposals(session_id=one.session_id):
            if one.hunk in proposal.hunks:
                self._store.decide(proposal, [hunk if other == one.hunk else other for other in proposal.hunks])
        self._store.add_note(
            one.session_id, f"The user put other lines in place of those that you proposed at {_place(hunk)}."
        )
        return replace(one, hunk=hunk)

    def record(self, made: Sequence[Pending], applied: AppliedPlan) -> None:
        """These hunks of one turn were made; the turn's undo takes them back. What no longer waits was so already."""
        still = self._still_pending(made)
        if not still:
            return
        session_id, turn_id = still[0].session_id, still[0].turn_id
        paths = {path for pending in still for path in paths_of(pending.hunk.change)}
        changes = [change for change in applied.changes if paths.intersection(change.paths)]
        self._store.add_changes(session_id, turn_id, changes)
        self._close(still)

    def _close(self, made: Sequence[Pending]) -> None:
        self._forget(made, are_made=True)
        names = ", ".join(dict.fromkeys(_place(pending.hunk) for pending in made))
        self._store.add_note(made[0].session_id, f"The user accepted your proposed changes at {names}.")

    async def _accept(self, chosen: Sequence[Pending], all_or_none: bool) -> Accepted:
        async with self._deciding:
            accepted: list[Pending] = []
            refused: list[Refusal] = []
            changes: list[AppliedChange] = []
            for turn in dict.fromkeys(map(_turn, self._still_pending(chosen))):
                # Read anew for each turn: its hunks may build on those of the one before.
                of_turn = tuple(one for one in self._still_pending(chosen) if _turn(one) == turn)
                came = await self._accept_of_turn(of_turn, all_or_none)
                accepted += came.accepted
                refused += came.refused
                changes += came.changes
            for refusal in refused:
                place = _place(refusal.pending.hunk)
                note = f"Your proposed change at {place} was accepted but could not be made: {refusal.reason}"
                self._store.add_note(refusal.pending.session_id, note)
            return Accepted(tuple(accepted), tuple(refused), tuple(changes))

    async def _accept_of_turn(self, chosen: tuple[Pending, ...], all_or_none: bool) -> Accepted:
        fitting: list[Pending] = []
        refused: list[Refusal] = []
        now: dict[WorkspacePath, FileSnapshot | None] = {}
        for pending in chosen:
            try:
                self.check_ground(pending)
                path = pending.hunk.path
                if path not in now:
                    now[path] = await read_or_none(self._workspace, path)
                rebase_change(pending.hunk.change, now[path])
            except FluxError as e:
                refused.append(Refusal(pending, str(e)))
            else:
                fitting.append(pending)
        if refused and all_or_none:
            reason = f"None of the {len(chosen)} changes of this turn was made: {refused[0].reason}"
            return Accepted((), tuple(Refusal(pending, reason) for pending in chosen))
        if not fitting:
            return Accepted((), tuple(refused))
        plan = plan_of(_label(fitting), [pending.hunk for pending in fitting])
        session_id, turn_id = fitting[0].session_id, fitting[0].turn_id
        try:
            with self._store.holding(session_id):
                in_flight = self._store.in_flight
                applied = await in_flight.carry_out(session_id, turn_id, (), plan, self._workspace.apply)
        except FluxError as e:
            refused += [Refusal(pending, str(e)) for pending in fitting]
            return Accepted((), tuple(refused))
        self._close(fitting)
        return Accepted(tuple(fitting), tuple(refused), applied.changes)

    def _proposals(self, session_ids: Iterable[str]) -> Sequence[Proposal]:
        """All of this workspace and of these sessions, oldest first."""
        found = {proposal.key: proposal for proposal in self._store.proposals(folder=self._workspace.roots[0])}
        for session_id in session_ids:
            found.update({proposal.key: proposal for proposal in self._store.proposals(session_id=session_id)})
        return [found[key] for key in sorted(found)]

    def _still_pending(self, chosen: Sequence[Pending]) -> tuple[Pending, ...]:
        """The chosen as they are now: others of their file may have been made, or they were decided on meanwhile."""
        ids = {pending.hunk.id for pending in chosen}
        proposals = self._proposals({pending.session_id for pending in chosen})
        return tuple(one for proposal in proposals for one in _pending_of(proposal) if one.hunk.id in ids)

    def _forget(self, decided: Sequence[Pending], *, are_made: bool) -> None:
        ids = {pending.hunk.id for pending in decided}
        for proposal in self._proposals({pending.session_id for pending in decided}):
            its = [hunk for hunk in proposal.hunks if hunk.id in ids]
            left = hunks_left(proposal.hunks, its) if are_made else _without(proposal.hunks, its)
            if are_made:
                left = tuple(_freed(hunk, ids) for hunk in left)
            if left != proposal.hunks:
                self._store.decide(proposal, left)


def _pending_of(proposal: Proposal) -> Iterator[Pending]:
    return (Pending(proposal.session_id, proposal.turn_id, hunk) for hunk in proposal.hunks)


def _turn(pending: Pending) -> tuple[str, str]:
    return pending.session_id, pending.turn_id


def _freed(hunk: Hunk, made: set[str]) -> Hunk:
    return replace(hunk, builds_on=tuple(id_ for id_ in hunk.builds_on if id_ not in made))


def _without(hunks: Sequence[Hunk], rejected: Sequence[Hunk]) -> tuple[Hunk, ...]:
    return tuple(hunk for hunk in hunks if hunk not in rejected)


def _label(chosen: Sequence[Pending]) -> str:
    paths = tuple(dict.fromkeys(str(pending.hunk.path) for pending in chosen))
    return f"Flux: accept changes of {paths[0] if len(paths) == 1 else f'{len(paths)} files'}"


def _place(hunk: Hunk) -> str:
    return f"{hunk.path} line {hunk.line}"


def _shown(hunk: Hunk) -> str:
    lines = hunk.diff.removesuffix("\n").split("\n")
    more = f"\n[… {len(lines) - _SHOWN_LINES} more lines]" if len(lines) > _SHOWN_LINES else ""
    return "\n".join(lines[:_SHOWN_LINES]) + more
