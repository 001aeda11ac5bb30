"""Back and forth in what turns changed: undo, redo, and the return to a checkpoint, on the text as it is now.

Every change is an entry of the journal in the session store, and so is what takes one back: to go back again is to take
that back. Whether an entry stands for something made or for something taken back follows from its parents. What the
user changed is refused by name and kept for later. Knows no door.
"""

from __future__ import annotations

import asyncio
import difflib
import uuid
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace

from flux.agent.recovery import recover
from flux.agent.session_store import SessionStore
from flux.agent.store.journal import Entry, Mark, Reversal, StoredTurn, Way
from flux.agent.uninterrupted import to_its_end
from flux.core.errors import (
    Busy,
    CheckpointMissing,
    FileMissing,
    FluxError,
    IsFolder,
    NothingChanged,
    PiecesRefused,
    RefusedPiece,
    SessionHeld,
    SessionMissing,
    WorkspaceError,
    WriteRefused,
)
from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.core.text import with_line_feeds
from flux.edits.plan import AppliedChange, AppliedPlan, EditPlan
from flux.workspace.checkpoints import WayBack, way_back
from flux.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A point to return to: one that the user named, else the one before a turn, of which `title` are the words.

    `number` counts all points of the list from 1, `at` is in seconds since 1970, 0 where it is not known.
    """

    number: int
    name: str
    turn_id: str
    title: str
    at: float
    position: int


@dataclass(frozen=True, slots=True)
class Gone:
    """What was done: the files as they were changed, what was refused and stays, and what the user should know."""

    applied: AppliedPlan
    refused: tuple[RefusedPiece, ...] = ()
    notice: str = ""


class Timeline:
    """The changes of one session, or where none is named, of all that began in the workspace's first folder.

    All that goes back or forth raises NothingChanged where there is nothing to do; PiecesRefused where something of it
    has changed since, unless `partial` says to do the rest; Busy where a turn is at work on it, SessionHeld where
    another process is; and what `Workspace.apply` raises. It is done to its end, also where who asked is cancelled
    meanwhile.
    """

    def __init__(
        self,
        store: SessionStore,
        workspace: Workspace,
        session_id: str = "",
        *,
        busy: Callable[[], Collection[str]] = tuple,
    ) -> None:
        """`busy` gives the sessions that are at work on a message now."""
        self._store = store
        self._busy = busy
        self._workspace = workspace
        self._session_id = session_id
        self._going = asyncio.Lock()

    @property
    def _scope(self) -> dict[str, str]:
        """The session, or all that began in the first folder as it is now."""
        return {"session_id": self._session_id, "folder": "" if self._session_id else self._workspace.roots[0]}

    async def undo(self, turn_id: str = "", *, partial: bool = False) -> Gone:
        """Take back what stands of a turn, of the last one that changed something where none is named."""
        return await to_its_end(self._one_at_a_time(lambda: self._undo(turn_id, partial=partial)))

    async def redo(self, *, partial: bool = False) -> Gone:
        """Take back the last undo or return of which something stands."""
        return await to_its_end(self._one_at_a_time(lambda: self._redo(partial=partial)))

    async def restore(self, wanted: str, *, partial: bool = False) -> Gone:
        """Return to a checkpoint, by its name, its number, or its turn: what was made since goes, what went comes back.

        Raises CheckpointMissing, with the names that are near.
        """
        return await to_its_end(self._one_at_a_time(lambda: self._restore(wanted, partial=partial)))

    async def settle(self) -> str:
        """Look what came of a way that was begun and of which nobody told any more; what the user should know of it."""
        told: list[str] = []
        for way in self._store.journal.left_behind(**self._scope):
            if self._is_ours(way):
                done = await self._settle(way)
                was = _names(done) or "nothing"
                told.append(f"Flux ended in the middle of an undo or redo of {_names(way.reversals)}; done was {was}.")
        return "\n".join(told)

    def mark(self, session_id: str, name: str = "") -> Checkpoint:
        """Name this point, in a session of this timeline. Without a name it gets one with a number."""
        taken = {mark.name for mark in self._store.journal.marks(**self._scope)}
        name = " ".join(name.split()) or next(n for n in map("checkpoint-{}".format, range(1, 10**9)) if n not in taken)
        self._store.journal.mark(session_id, name)
        return next(point for point in reversed(self.checkpoints()) if point.name == name)

    def checkpoints(self) -> Sequence[Checkpoint]:
        """The points to return to, oldest first: before each turn that changed something, and those with a name."""
        points: list[StoredTurn | Mark] = [
            *self._store.journal.turns(**self._scope),
            *self._store.journal.marks(**self._scope),
        ]
        points.sort(key=lambda point: (point.position, point.at))
        return [_checkpoint(number, point) for number, point in enumerate(points, 1)]

    async def _one_at_a_time(self, go: Callable[[], Awaitable[Gone]]) -> Gone:
        async with self._going:
            notices = [*await self._settle_turns(), await self.settle()]
            return replace(await go(), notice="\n".join(filter(None, notices)))

    async def _settle_turns(self) -> Sequence[str]:
        """Make whole what killed turns left in sessions that nobody has taken up since: what they made counts too."""
        told: list[str] = []
        folder = self._scope["folder"]
        for session_id in self._store.in_flight.sessions_with_intents(folder) if folder else ():
            with suppress(SessionHeld):
                if session_id not in self._busy():
                    with self._store.holding(session_id):
                        told.append(await recover(self._store, session_id, self._workspace))
        return told

    async def _undo(self, turn_id: str, *, partial: bool) -> Gone:
        entries = self._entries()
        if turn_id and turn_id not in {entry.turn_id for entry in entries.values()}:
            raise SessionMissing(f"No turn {turn_id!r} changed anything here.")
        turns: dict[str, list[Entry]] = {}
        for entry in reversed(list(entries.values())):
            if entry.stands and _is_made(entry, entries) and turn_id in {"", entry.turn_id}:
                turns.setdefault(entry.turn_id, []).insert(0, entry)
        parents = {entry.parent for entry in entries.values()}
        left: PiecesRefused | None = None
        for chosen in turns.values():
            try:
                return await self._go(_Task("undo", "took back", chosen), partial=partial)
            except PiecesRefused as e:
                # What is left of a turn that was taken back in part does not keep the ones before from going.
                if e.has_rest or turn_id or any(entry.key not in parents for entry in chosen):
                    raise
                left = left or e
        raise left or NothingChanged("There is no change of Flux to take back.")

    async def _redo(self, *, partial: bool) -> Gone:
        entries = self._entries()
        undone = [entry for entry in entries.values() if entry.stands and entry.way]
        if not undone:
            raise NothingChanged("Nothing was taken back that could be made again.")
        chosen = [entry for entry in undone if entry.way == undone[-1].way]
        # What comes back belongs again to what it belonged to before it was taken back.
        parents = {entry.key: entries.get(entry.parent or 0) for entry in chosen}
        ways = {key: parent.way for key, parent in parents.items() if parent is not None}
        return await self._go(_Task("redo", "made again", chosen, ways), partial=partial)

    async def _restore(self, wanted: str, *, partial: bool) -> Gone:
        point = find_checkpoint(self.checkpoints(), wanted)
        entries = self._entries()
        chosen = [
            entry
            for entry in entries.values()
            if entry.stands and _is_made(entry, entries) != _was_made(entry, point.position, entries)
        ]
        if not chosen:
            raise NothingChanged("Nothing that Flux changed is different since.")
        task = _Task("return to a checkpoint:", "returned to an earlier state, which is about", chosen)
        return await self._go(task, partial=partial)

    def _entries(self) -> Mapping[int, Entry]:
        """All entries by key, without those of sessions that another process is at work on."""
        entries = self._store.journal.entries(**self._scope)
        if not self._session_id:
            sessions = {entry.session_id for entry in entries}
            held = {session_id for session_id in sessions if self._store.holder(session_id) is not None}
            entries = [entry for entry in entries if entry.session_id not in held]
        return {entry.key: entry for entry in entries}

    async def _go(self, task: _Task, *, partial: bool) -> Gone:
        sessions = dict.fromkeys(entry.session_id for entry in task.entries)
        if any(session_id in self._busy() for session_id in sessions):
            raise Busy("A turn is at work on these changes.", hint="Cancel it, or wait for its end.")
        with ExitStack() as stack:
            for session_id in sessions:
                stack.enter_context(self._store.holding(session_id))
            return await self._take_back(task, partial=partial)

    async def _take_back(self, task: _Task, *, partial: bool) -> Gone:
        changes = [self._store.journal.change(entry) for entry in task.entries]
        paths = dict.fromkeys(path for change in changes for path in change.paths)
        label = f"Flux: {task.name} {', '.join(map(str, paths)) if len(paths) <= 3 else f'{len(paths)} files'}"
        current, unreachable = await self._read(paths)
        while True:
            back = way_back(changes, current, label, unreachable)
            way = _way(task, changes, back)
            if back.refused and not (partial and way.reversals):
                raise PiecesRefused(back.refused, has_rest=bool(way.reversals))
            try:
                applied = await self._apply(way, back.plan)
            except WriteRefused as e:
                refused = [path for path in paths if str(path) == e.path and path not in unreachable]
                if not refused:
                    raise
                unreachable.update(dict.fromkeys(refused, e.message))
            else:
                self._tell(task, way, back.refused)
                return Gone(applied, back.refused)

    async def _apply(self, way: Way, plan: EditPlan) -> AppliedPlan:
        """Do it; what is about to be done is stored before, and what was done behind it."""
        journal = self._store.journal
        if not plan.changes:
            journal.end(way, way.reversals)
            return AppliedPlan(plan.label, ())
        with journal.going(way):
            await self._store.settle()
            try:
                applied = await self._workspace.apply(plan)
            except FluxError:
                await self._settle(way)
                raise
            journal.end(way, [_as_seen(reversal, applied) for reversal in way.reversals])
        return applied

    def _tell(self, task: _Task, way: Way, refused: Sequence[RefusedPiece]) -> None:
        """A note for the model of each session."""
        for session_id in dict.fromkeys(entry.session_id for entry in task.entries):
            its = [reversal for reversal in way.reversals if reversal.entry.session_id == session_id]
            if not (names := _names(its)):
                continue
            stayed = f" This stayed as it was: {'; '.join(map(str, refused))}" if refused else ""
            text = f"The user {task.verb} changes of yours: {names}.{stayed} Read again before you edit."
            self._store.remove_notes(session_id, [text])  # what is told twice belongs behind what came between
            self._store.add_note(session_id, text)

    async def _read(
        self, paths: Iterable[WorkspacePath]
    ) -> tuple[dict[WorkspacePath, FileSnapshot | None], dict[WorkspacePath, str]]:
        """The files as they are now, and why some cannot be told."""
        current: dict[WorkspacePath, FileSnapshot | None] = {}
        unreachable: dict[WorkspacePath, str] = {}
        for path in paths:
            current[path] = None
            try:
                current[path] = await self._workspace.read(path)
            except WorkspaceError as e:
                if not isinstance(e, FileMissing) or isinstance(e, IsFolder):
                    unreachable[path] = e.message
        return current, unreachable

    def _is_ours(self, way: Way) -> bool:
        """Whether no other process is at work on it."""
        return all(self._store.holder(reversal.entry.session_id) is None for reversal in way.reversals)

    async def _settle(self, way: Way) -> Sequence[Reversal]:
        """Record what the files show; what was done."""
        done = [reversal for group in _by_file(way.reversals) for reversal in await self._done(group)]
        self._store.journal.end(way, done)
        return done

    async def _done(self, group: Sequence[Reversal]) -> Sequence[Reversal]:
        """All of these, which belong together by their files, where the files show them; else none."""
        steps = [reversal.taken_back for reversal in group if reversal.taken_back]
        current, unreachable = await self._read(path for step in steps for path in step.paths)
        before, after = _texts_around(steps)
        found = {path: None if now is None else now.text for path, now in current.items()}
        if unreachable or (found == before and before != after):
            return ()
        if found == after:
            return group
        back = way_back(steps, current)
        return group if not back.refused and all(step.taken_back for step in back.steps) else ()


@dataclass(frozen=True, slots=True)
class _Task:
    """What is to be taken back, oldest first, in words for the user's list of undo steps and for the model."""

    name: str
    verb: str
    entries: Sequence[Entry]
    ways: Mapping[int, str] = field(default_factory=dict[int, str])
    """What belongs to an earlier undo or return, by the key of its entry; all else belongs to this one."""


def find_checkpoint(points: Sequence[Checkpoint], wanted: str) -> Checkpoint:
    """The point of that name, that number, or before that turn. Raises CheckpointMissing."""
    tests: Sequence[Callable[[Checkpoint], bool]] = (
        lambda point: point.name == wanted,
        lambda point: str(point.number) == wanted,
        lambda point: point.turn_id == wanted,
        lambda point: len(wanted) >= 3 and point.turn_id.startswith(wanted),
    )
    for test in tests:
        found = [point for point in points if test(point)]
        if len(found) == 1 or (found and found[-1].name):  # a name of several sessions is that of the last one
            return found[-1]
    names = [name for point in points for name in (point.name, point.turn_id) if name]
    near = difflib.get_close_matches(wanted, names, 3)
    hint = f"Did you mean {' or '.join(near)}?" if near else "`/checkpoint list` shows what there is."
    raise CheckpointMissing(f"There is no checkpoint {wanted!r}.", hint=hint)


def _checkpoint(number: int, point: StoredTurn | Mark) -> Checkpoint:
    if isinstance(point, Mark):
        return Checkpoint(number, point.name, "", "", point.at, point.position)
    title = " ".join(point.said.split())[:80]
    return Checkpoint(number, "", point.turn_id, title, point.at, point.position)


def _is_made(entry: Entry, entries: Mapping[int, Entry]) -> bool:
    """Whether the entry makes what its turn did; else it takes that back."""
    made = True
    while entry.parent is not None and entry.parent in entries:
        entry, made = entries[entry.parent], not made
    return made


def _was_made(entry: Entry, position: int, entries: Mapping[int, Entry]) -> bool:
    """Whether what the entry is about was made at a point of the journal."""
    while entry.key > position:
        if entry.parent is None or entry.parent not in entries:
            return False
        entry = entries[entry.parent]
    return _is_made(entry, entries)


def _way(task: _Task, changes: Sequence[AppliedChange], back: WayBack) -> Way:
    id_ = uuid.uuid4().hex[:12]
    reversals = [
        Reversal(entry, step.taken_back, step.left, task.ways.get(entry.key, id_))
        for entry, change, step in zip(task.entries, changes, back.steps, strict=True)
        if step.taken_back is not None or step.left != change
    ]
    return Way(id_, tuple(reversed(reversals)))


def _as_seen(reversal: Reversal, applied: AppliedPlan) -> Reversal:
    """The reversal with the text of a new file as it was seen: editors may write other line ends, or one more."""
    step = reversal.taken_back
    if step is None:
        return reversal
    seen = next((change for change in applied.changes if step.new_path in change.paths), None)
    if seen is not None:
        step = replace(step, is_saved=seen.is_saved)
        is_new = step.before is None and seen.before is None
        if is_new and step.after and seen.after and _lines(step.after.text) == _lines(seen.after.text):
            step = replace(step, after=replace(step.after, text=seen.after.text))
    return replace(reversal, taken_back=step)


def _lines(text: str) -> list[str]:
    return with_line_feeds(text.rstrip("\r\n")).split("\n")


def _by_file(reversals: Sequence[Reversal]) -> Sequence[Sequence[Reversal]]:
    """The reversals in groups that share no file; those that do nothing to a file belong to the first."""
    groups: list[tuple[set[WorkspacePath], list[Reversal]]] = []
    for reversal in reversals:
        paths = set(reversal.taken_back.paths) if reversal.taken_back else set[WorkspacePath]()
        its = [reversal]
        for group in [group for group in groups if group[0] & paths]:
            groups.remove(group)
            paths |= group[0]
            its = [*group[1], *its]
        groups.append((paths, its))
    return [its for _, its in groups]


def _texts_around(
    steps: Sequence[AppliedChange],
) -> tuple[dict[WorkspacePath, str | None], dict[WorkspacePath, str | None]]:
    """The texts of the files before all of the steps, and after them; None where there is no file."""
    before: dict[WorkspacePath, str | None] = {}
    after: dict[WorkspacePath, str | None] = {}
    for step in steps:
        for path in step.paths:
            before.setdefault(path, step.before.text if step.before and step.before.path == path else None)
            after[path] = step.after.text if step.after and step.after.path == path else None
    return before, after


def _names(reversals: Iterable[Reversal]) -> str:
    steps = [reversal.taken_back for reversal in reversals if reversal.taken_back]
    return ", ".join(sorted({str(path) for step in steps for path in step.paths}))
