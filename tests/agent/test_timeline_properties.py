"""Turns, typing, undo, redo and returns at random: held against a model that keeps every state as a whole."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Mapping
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flux.agent.session_store import SessionStore
from flux.agent.timeline import Timeline
from flux.core.errors import EditError, FluxError, NothingChanged, PiecesRefused
from flux.edits.diff import text_edits_between
from flux.edits.plan import CreateFile, DeleteFile, EditFile, FileChange, RenameFile
from flux.workspace.memory import MemoryWorkspace
from tests.support.workspaces import plan

OURS, THEIRS = "# the user types below this line\n", "# and above this one\n"
"""With these begin the files that are never removed: the user types there, and the turns edit below."""
NAMES = ("a.py", "b.py", "c.py", "d.py", "e.py")
MARK = re.compile(r"⟦\d+⟧\n")
Texts = Mapping[str, str]


def first_texts() -> dict[str, str]:
    lines = {name: "".join(f"{name} {n}\n" for n in range(8)) for name in ("a.py", "b.py", "c.py")}
    return {name: text if name == "c.py" else OURS + THEIRS + text for name, text in lines.items()}


class World:
    """The real thing, and beside it what each state of it must look like without what was typed."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.workspace = MemoryWorkspace(first_texts())
        self.store = SessionStore(None)
        for session in ("s1", "s2"):
            self.store.create(session, self.workspace.roots[0])
        self.numbers = itertools.count(1)
        self.typed: list[str] = []
        self.made: tuple[str, ...] = ()
        self.states: dict[tuple[str, ...], Texts] = {(): first_texts()}
        self.ways: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
        self.old: set[str] = set()
        self.points: dict[str, tuple[str, ...]] = {}

    @property
    def timeline(self) -> Timeline:
        """As another process would see it: nothing is remembered but in the store."""
        return Timeline(self.store, self.workspace)

    async def texts(self) -> dict[str, str]:
        return {str(path): (await self.workspace.read(path)).text for path in await self.workspace.list_files()}

    async def turn(self) -> None:
        turn, before = f"turn-{next(self.numbers)}", self.made
        session = self.data.draw(st.sampled_from(["s1", "s2"]))
        # What a turn made or moved it leaves alone: making and removing it again would be no change to take back.
        self.old = set(await self.texts())
        for _ in range(self.data.draw(st.integers(1, 3))):
            applied = await self.workspace.apply(plan(await self.change()))
            self.store.add_changes(session, turn, applied.changes)
        self.points.setdefault(turn, before)
        self.made = (*before, turn)
        self.states[self.made] = {name: MARK.sub("", text) for name, text in (await self.texts()).items()}

    async def change(self) -> FileChange:
        there = await self.texts()
        path, draw = self.workspace.path, self.data.draw
        free = [name for name in NAMES if name not in there]
        old = sorted(self.old.intersection(there))
        volatile = [name for name in old if not there[name].startswith(OURS)]
        kinds = ["edit", *(["create"] if free else []), *(["move"] if free and old else [])]
        kinds += ["remove"] if volatile else []
        kind = draw(st.sampled_from(kinds))
        if kind == "create":
            return CreateFile(path(draw(st.sampled_from(free))), f"new {next(self.numbers)}\nsecond\nthird\n")
        if kind == "remove":
            return DeleteFile(await self.workspace.read(path(draw(st.sampled_from(volatile)))))
        now = await self.workspace.read(path(draw(st.sampled_from(old if kind == "move" else sorted(there)))))
        if kind == "move":
            edits = text_edits_between(now.text, self.rewritten(now.text)) if draw(st.booleans()) else ()
            return RenameFile(now, path(draw(st.sampled_from(free))), edits)
        return EditFile(now, text_edits_between(now.text, self.rewritten(now.text)))

    def rewritten(self, text: str) -> str:
        """The text with some lines replaced, removed or added, all below the user's own."""
        start = text.index(THEIRS) + len(THEIRS) if text.startswith(OURS) else 0
        head, lines = text[:start], text[start:].splitlines(keepends=True)
        kept = 1 if head else 0
        for _ in range(self.data.draw(st.integers(1, 3))):
            at = self.data.draw(st.integers(kept, len(lines)))
            count = self.data.draw(st.integers(0, 2))
            lines[at : at + count] = [f"model {next(self.numbers)}\n" for _ in range(self.data.draw(st.integers(0, 2)))]
        return head + "".join([*lines, f"model {next(self.numbers)}\n"])

    async def type(self) -> None:
        stable = [name for name, text in (await self.texts()).items() if text.startswith(OURS)]
        if not stable:
            return
        mark = f"⟦{next(self.numbers)}⟧\n"
        self.typed.append(mark)
        self.workspace.type_into(self.data.draw(st.sampled_from(stable)), OURS, OURS + mark)

    async def mark(self) -> None:
        name = f"mark-{next(self.numbers)}"
        self.timeline.mark("s1", name)
        self.points[name] = self.made

    async def undo(self) -> None:
        if not self.made:
            await refused(self.timeline.undo())
            return
        await self.timeline.undo()
        self.went_to(self.made[:-1])

    async def redo(self) -> None:
        if self.ways and self.ways[-1][1] == self.made:
            back, _ = self.ways.pop()
            await self.timeline.redo()
            self.made = back

    async def restore(self) -> None:
        if not self.points:
            return
        name = self.data.draw(st.sampled_from(sorted(self.points)))
        if self.points[name] == self.made:
            await refused(self.timeline.restore(name))
            return
        await self.timeline.restore(name)
        self.went_to(self.points[name])

    def went_to(self, made: tuple[str, ...]) -> None:
        self.ways.append((self.made, made))
        self.made = made

    async def check(self) -> None:
        found = await self.texts()
        assert {name: MARK.sub("", text) for name, text in found.items()} == self.states[self.made]
        assert sorted(MARK.findall("".join(found.values()))) == sorted(self.typed)


async def refused(way: Any) -> None:
    try:
        await way
    except NothingChanged:
        return
    raise AssertionError("something was done")


OPERATIONS = ("turn", "turn", "type", "undo", "undo", "redo", "restore", "mark")


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.data(), st.lists(st.sampled_from(OPERATIONS), min_size=4, max_size=16))
def test_every_state_comes_back_exactly_and_nothing_that_was_typed_elsewhere_is_lost(
    data: st.DataObject, operations: list[str]
) -> None:
    async def run() -> None:
        world = World(data)
        for operation in operations:
            await getattr(world, operation)()
            await world.check()

    asyncio.run(run())


def marks_in(texts: Texts) -> set[str]:
    return set(MARK.findall("".join(texts.values())))


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.data(), st.lists(st.sampled_from((*OPERATIONS, "anywhere", "anywhere")), min_size=4, max_size=16))
def test_wherever_the_user_types_nothing_of_it_is_lost_and_a_refusal_changes_nothing(
    data: st.DataObject, operations: list[str]
) -> None:
    """Also where a part is refused and the rest is done, in any order."""

    async def run() -> None:
        world = World(data)
        overwritten: set[str] = set()
        for operation in operations:
            before = await world.texts()
            if operation == "anywhere" and before:
                name = data.draw(st.sampled_from(sorted(before)))
                lines = before[name].splitlines(keepends=True)
                at = data.draw(st.integers(0, len(lines) - 1)) if lines else 0
                mark = f"⟦{next(world.numbers)}⟧\n"
                world.workspace.open_buffer(name, "".join([*lines[:at], mark, *lines[at:]]))
            elif operation in {"turn", "type", "mark"}:
                await getattr(world, operation)()
                overwritten |= marks_in(before) - marks_in(await world.texts())
            else:
                await go(world, operation, before, overwritten)

    async def go(world: World, operation: str, before: Texts, overwritten: set[str]) -> None:
        timeline = world.timeline
        name = data.draw(st.sampled_from(sorted(world.points))) if world.points else "none"
        for partial in (False, True):
            way = {
                "undo": lambda p=partial: timeline.undo(partial=p),
                "redo": lambda p=partial: timeline.redo(partial=p),
                "restore": lambda p=partial: timeline.restore(name, partial=p),
            }
            try:
                await way.get(operation, way["undo"])()
                break
            except PiecesRefused as e:
                assert await world.texts() == before
                if not e.has_rest:
                    break
            except (FluxError, EditError):
                assert await world.texts() == before
                break
        after = await world.texts()
        # A file that a turn removed goes with what was typed before it, and so does a line that a turn wrote over;
        # nothing else of the user's goes.
        removed = {text for name, text in before.items() if name not in after}
        gone = marks_in(before) - marks_in(after)
        assert all(mark in overwritten or any(mark in text for text in removed) for mark in gone)
        assert not gone or operation != "undo"

    asyncio.run(run())
