"""Undo, redo, checkpoints and the return to them, in sessions with a scripted model."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from flux.agent.session import Session
from flux.agent.session_store import SessionStore
from flux.agent.store.journal import Reversal, Way
from flux.core.errors import (
    Busy,
    CheckpointMissing,
    FluxError,
    IsFolder,
    NothingChanged,
    PiecesRefused,
    SessionMissing,
    StaleSnapshot,
    WriteRefused,
)
from flux.core.messages import ToolCall
from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.edits.plan import AppliedPlan, EditPlan
from flux.llm.scripted_provider import ScriptedProvider, Step
from flux.workspace.disk import DiskWorkspace
from flux.workspace.memory import MemoryWorkspace
from tests.support.talks import call, open_session, send, step

TEN = "".join(f"line {n}\n" for n in range(1, 11))


def ten(**changed: str) -> str:
    """The ten lines, with others where they are given: `_3="three"`."""
    return "".join(changed.get(f"_{n}", f"line {n}") + "\n" for n in range(1, 11))


def edit(path: str, *replaced: tuple[str, str]) -> ToolCall:
    return call("edit_file", path=path, edits=[{"old_text": old, "new_text": new} for old, new in replaced])


class Talk:
    """A session over one file of ten lines and what a test adds, and what the model is told."""

    def __init__(self, workspace: MemoryWorkspace | None = None, store: SessionStore | None = None) -> None:
        self.workspace = workspace or MemoryWorkspace({"a.py": TEN})
        self.store = store or SessionStore(None)
        self.session = self.resume()

    def resume(self, store: SessionStore | None = None) -> Session:
        """The session as another process would open it."""
        self.provider = ScriptedProvider([])
        self.store = store or self.store
        self.session = open_session(self.workspace, self.provider, store=self.store)
        return self.session

    async def turn(self, *calls: ToolCall) -> str:
        """A turn that makes these calls one by one; its id."""
        self.session.provider = ScriptedProvider([*(step("", one) for one in calls), step("Done.")])
        events = await send(self.session, f"do {len(calls)} things")
        return events[0].turn_id  # type: ignore[union-attr]

    async def told(self) -> str:
        """What the model hears with the next message."""
        provider = self.session.provider = ScriptedProvider([step("I see.")])
        await send(self.session, "and now?")
        return provider.requests[-1].messages[-1].text()

    async def check(self, **files: str) -> None:
        found = {str(path): (await self.workspace.read(path)).text for path in await self.workspace.list_files()}
        assert found == {name.replace("_py", ".py"): text for name, text in files.items()}


async def test_undo_and_redo_go_back_and_forth_over_turns() -> None:
    talk = Talk()
    await talk.turn(edit("a.py", ("line 2", "TWO")))
    await talk.turn(edit("a.py", ("TWO", "2")), call("write_file", path="n.py", text="n\n"))
    await talk.session.undo()
    await talk.check(a_py=ten(_2="TWO"))
    await talk.session.undo()
    await talk.check(a_py=TEN)
    with pytest.raises(NothingChanged):
        await talk.session.undo()
    await talk.session.redo()
    await talk.check(a_py=ten(_2="TWO"))
    await talk.session.redo()
    await talk.check(a_py=ten(_2="2"), n_py="n\n")
    with pytest.raises(NothingChanged):
        await talk.session.redo()
    await talk.session.undo()
    await talk.check(a_py=ten(_2="TWO"))


async def test_a_turn_before_the_last_is_taken_back_by_its_name_and_the_last_stays() -> None:
    talk = Talk()
    first = await talk.turn(edit("a.py", ("line 2", "TWO")))
    await talk.turn(edit("a.py", ("line 9", "NINE")))
    await talk.session.undo(first)
    await talk.check(a_py=ten(_9="NINE"))
    with pytest.raises(NothingChanged):
        await talk.session.undo(first)
    with pytest.raises(SessionMissing, match="nothing-such"):
        await talk.session.undo("nothing-such")


async def test_any_checkpoint_is_returned_to_and_the_return_is_taken_back() -> None:
    talk = Talk()
    await talk.turn(edit("a.py", ("line 1\n", "ONE\n")))
    assert talk.session.checkpoint("before the tests").number == 2
    await talk.turn(edit("a.py", ("line 2", "TWO")))
    await talk.session.undo()
    third = await talk.turn(edit("a.py", ("line 3", "THREE")))
    assert talk.session.checkpoint().name == "checkpoint-1"
    now = ten(_1="ONE", _3="THREE")

    await talk.session.restore("before the tests")
    await talk.check(a_py=ten(_1="ONE"))
    await talk.session.redo()
    await talk.check(a_py=now)
    await talk.session.restore("1")
    await talk.check(a_py=TEN)
    await talk.session.restore("checkpoint-1")
    await talk.check(a_py=now)
    await talk.session.restore(third[:6])
    await talk.check(a_py=ten(_1="ONE"))
    with pytest.raises(NothingChanged):
        await talk.session.restore(third)


async def test_the_points_to_return_to_are_listed_with_the_words_that_began_the_turn() -> None:
    talk = Talk()
    first = await talk.turn(edit("a.py", ("line 2", "TWO")))
    talk.session.checkpoint("good")
    await talk.turn(call("read_file", path="a.py"))
    third = await talk.turn(edit("a.py", ("line 3", "THREE")))
    points = talk.session.checkpoints()
    assert [(point.number, point.name, point.turn_id, point.title) for point in points] == [
        (1, "", first, "do 1 things"),
        (2, "good", "", ""),
        (3, "", third, "do 1 things"),
    ]
    talk.session.checkpoint("good")
    assert [point.name for point in talk.session.checkpoints()] == ["", "", "good"]


async def test_an_unknown_checkpoint_is_refused_with_the_names_that_are_near() -> None:
    talk = Talk()
    await talk.turn(edit("a.py", ("line 2", "TWO")))
    talk.session.checkpoint("before-tests")
    with pytest.raises(CheckpointMissing, match="Did you mean before-tests"):
        await talk.session.restore("before-test")
    with pytest.raises(CheckpointMissing, match="/checkpoint list"):
        await talk.session.restore("17")
    await talk.check(a_py=ten(_2="TWO"))


async def test_all_of_it_works_after_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "state" / "sessions.db"
    talk = Talk(store=SessionStore(file))
    await talk.turn(edit("a.py", ("line 2", "TWO")))
    talk.session.checkpoint("two")
    await talk.turn(edit("a.py", ("line 3", "THREE")))
    await talk.session.undo()

    def restart() -> Session:
        talk.store.close()
        return talk.resume(SessionStore(file))

    await restart().redo()
    await talk.check(a_py=ten(_2="TWO", _3="THREE"))
    await restart().restore("two")
    await talk.check(a_py=ten(_2="TWO"))
    await restart().undo()
    await talk.check(a_py=TEN)


async def test_a_hunk_that_the_user_changed_is_named_nothing_is_done_and_the_rest_goes_on_a_yes() -> None:
    talk = Talk()
    await talk.turn(edit("a.py", ("line 2", "TWO"), ("line 9", "NINE")))
    talk.workspace.type_into("a.py", "NINE", "NINE!")
    with pytest.raises(PiecesRefused, match=r"a\.py line 9: the text there has changed since") as refused:
        await talk.session.undo()
    assert refused.value.has_rest
    assert "-NINE\n+line 9\n" in refused.value.pieces[0].diff
    await talk.check(a_py=ten(_2="TWO", _9="NINE!"))

    gone = await talk.session.undo(partial=True)
    assert [piece.line for piece in gone.refused] == [9]
    await talk.check(a_py=ten(_9="NINE!"))
    assert "This stayed as it was: a.py line 9" in await talk.told()

    with pytest.raises(PiecesRefused) as again:
        await talk.session.undo(partial=True)
    assert not again.value.has_rest
    talk.workspace.type_into("a.py", "NINE!", "NINE")
    await talk.session.undo()
    await talk.check(a_py=TEN)
    await talk.session.redo()
    await talk.session.redo()
    await talk.check(a_py=ten(_2="TWO", _9="NINE"))


async def test_what_is_left_of_a_turn_does_not_keep_the_ones_before_from_going() -> None:
    talk = Talk()
    await talk.turn(edit("a.py", ("line 5", "FIVE")))
    await talk.turn(edit("a.py", ("line 2", "TWO"), ("line 9", "NINE")))
    talk.workspace.type_into("a.py", "NINE", "NINE!")
    await talk.session.undo(partial=True)
    await talk.session.undo()
    await talk.check(a_py=ten(_9="NINE!"))


async def test_a_redo_is_refused_by_name_too_where_the_user_changed_what_came_back() -> None:
    talk = Talk()
    await talk.turn(edit("a.py", ("line 2", "TWO"), ("line 9", "NINE")))
    await talk.session.undo()
    talk.workspace.type_into("a.py", "line 2", "line two")
    with pytest.raises(PiecesRefused, match=r"a\.py line 2"):
        await talk.session.redo()
    await talk.session.redo(partial=True)
    await talk.check(a_py=ten(_2="line two", _9="NINE"))
    await talk.session.undo()
    await talk.check(a_py=ten(_2="line two"))


async def test_what_the_user_took_back_in_the_editor_is_taken_as_taken_back() -> None:
    talk = Talk()
    await talk.turn(edit("a.py", ("line 2", "TWO")))
    await talk.turn(edit("a.py", ("line 9", "NINE")))
    talk.workspace.type_into("a.py", "NINE", "line 9")
    assert (await talk.session.undo()).applied.changes == ()
    await talk.session.undo()
    await talk.check(a_py=TEN)


async def test_created_removed_and_moved_files_come_back_and_go_again() -> None:
    data = "\ufeffdéjà\r\nvu".encode()
    talk = Talk(MemoryWorkspace({"a.py": TEN, "b.py": data, "c.py": "c\n"}))
    await talk.turn(
        call("write_file", path="n.py", text="new\n"),
        call("delete_file", path="b.py"),
        call("move_file", path="c.py", new_path="d.py"),
        edit("d.py", ("c", "see")),
    )
    made = {"a_py": TEN, "n_py": "new\n", "d_py": "see\n"}
    await talk.check(**made)
    await talk.session.undo()
    await talk.check(a_py=TEN, b_py="déjà\r\nvu", c_py="c\n")
    assert talk.workspace.saved_bytes("b.py") == data
    await talk.session.redo()
    await talk.check(**made)
    talk.workspace.type_into("n.py", "new", "new and mine")
    with pytest.raises(PiecesRefused, match=r"n\.py line 1: it has changed since it was made, so it is not removed"):
        await talk.session.undo()
    await talk.session.undo(partial=True)
    await talk.check(a_py=TEN, b_py="déjà\r\nvu", c_py="c\n", n_py="new and mine\n")


async def test_the_model_is_told_the_last_word_of_undo_and_redo() -> None:
    talk = Talk()
    await talk.turn(edit("a.py", ("line 2", "TWO")))
    for way in (talk.session.undo, talk.session.redo, talk.session.undo):
        await way()
    told = await talk.told()
    assert told.index("made again changes of yours: a.py") < told.index("took back changes of yours: a.py")
    assert told.count("took back") == 1


class Refusing(MemoryWorkspace):
    """Cannot write or read one file, as what stands there is no file, or none that may be written."""

    refused: Mapping[str, FluxError] = {}
    unread: Mapping[str, FluxError] = {}

    async def apply(self, plan: EditPlan) -> AppliedPlan:
        for change in plan.changes:
            if error := self.refused.get(str(change.path)):
                raise error
        return await super().apply(plan)

    async def read(self, path: WorkspacePath) -> FileSnapshot:
        if error := self.unread.get(str(path)):
            raise error
        return await super().read(path)


@pytest.mark.parametrize("kind", ["read-only", "folder"])
async def test_a_file_that_cannot_be_written_is_named_and_the_rest_is_offered(kind: str) -> None:
    workspace = Refusing({"a.py": TEN, "b.py": TEN})
    talk = Talk(workspace)
    await talk.turn(edit("a.py", ("line 2", "TWO")), edit("b.py", ("line 2", "TWO")))
    if kind == "folder":
        workspace.unread = {"b.py": IsFolder("b.py is a folder, not a file.", path="b.py")}
    else:
        workspace.refused = {"b.py": WriteRefused("b.py is read-only.", path="b.py")}
    with pytest.raises(PiecesRefused, match=f"b.py is .*{kind}"):
        await talk.session.undo()
    await talk.session.undo(partial=True)
    workspace.unread = workspace.refused = {}
    await talk.check(a_py=TEN, b_py=ten(_2="TWO"))
    await talk.session.undo()
    await talk.check(a_py=TEN, b_py=TEN)


async def test_nothing_goes_back_while_a_turn_runs() -> None:
    talk = Talk()
    talk.session.provider = ScriptedProvider([Step(text="abc", chunk=1, delay_s=60)])
    events = talk.session.send_message("go", approver=None)  # type: ignore[arg-type]
    await anext(events)
    for way in (talk.session.undo, talk.session.redo, lambda: talk.session.restore("x")):
        with pytest.raises(Busy):
            await way()
    with pytest.raises(Busy):
        talk.session.checkpoint("x")
    await events.aclose()


class Slow(MemoryWorkspace):
    """Tells when a change is on its way, and waits until it may be made."""

    def __init__(self, files: Mapping[str, str]) -> None:
        super().__init__(files)
        self.is_on_its_way = asyncio.Event()
        self.may_be_made = asyncio.Event()
        self.may_be_made.set()

    async def apply(self, plan: EditPlan) -> AppliedPlan:
        self.is_on_its_way.set()
        await self.may_be_made.wait()
        return await super().apply(plan)


async def test_an_undo_that_is_cancelled_on_its_way_is_done_and_recorded() -> None:
    workspace = Slow({"a.py": TEN})
    talk = Talk(workspace)
    await talk.turn(edit("a.py", ("line 2", "TWO")))
    workspace.is_on_its_way.clear()
    workspace.may_be_made.clear()
    undoing = asyncio.ensure_future(talk.session.undo())
    await workspace.is_on_its_way.wait()
    undoing.cancel()
    undoing.cancel()
    workspace.may_be_made.set()
    with pytest.raises(asyncio.CancelledError):
        await undoing
    await talk.check(a_py=TEN)
    with pytest.raises(NothingChanged):
        await talk.session.undo()
    await talk.session.redo()
    await talk.check(a_py=ten(_2="TWO"))


class Killed(BaseException):
    """The process ends here."""


class Mortal(MemoryWorkspace):
    """Dies when it has made so many changes of a plan."""

    dies_after: int | None = None

    async def apply(self, plan: EditPlan) -> AppliedPlan:
        if self.dies_after is None:
            return await super().apply(plan)
        for change in plan.changes[: self.dies_after]:
            await super().apply(EditPlan(plan.label, (change,)))
        raise Killed


FILES = ("a.py", "b.py", "c.py")


@pytest.mark.parametrize("count", range(4))
async def test_an_undo_that_was_killed_is_settled_by_what_the_files_show(tmp_path: Path, count: int) -> None:
    store = tmp_path / "sessions.db"
    workspace = Mortal(dict.fromkeys(FILES, TEN))
    talk = Talk(workspace, SessionStore(store))
    await talk.turn(*(edit(name, ("line 2", "TWO")) for name in FILES))
    workspace.dies_after = count
    with pytest.raises(Killed):
        await talk.session.undo()
    workspace.dies_after = None
    half = {name: (await workspace.read(workspace.path(name))).text for name in FILES}
    assert list(half.values()).count(TEN) == count
    for name in FILES:
        workspace.type_into(name, "line 9", "line nine")  # what the user types before Flux is back

    talk.store.close()
    session = talk.resume(SessionStore(store))
    await session.take_up()
    assert ("Flux ended in the middle of an undo" in session.take_notice()) == (count >= 0)
    if count < len(FILES):
        await session.undo()
    with pytest.raises(NothingChanged):
        await session.undo()
    await talk.check(**{name.replace(".", "_"): ten(_9="line nine") for name in FILES})
    for _ in range((count > 0) + (count < len(FILES))):
        await session.redo()
    await talk.check(**{name.replace(".", "_"): ten(_2="TWO", _9="line nine") for name in FILES})


async def check_hunks(talk: Talk, accepted: Sequence[int]) -> None:
    """Of three proposed hunks some are accepted and taken back; the others can be accepted all the same."""
    session = talk.session
    session.provider = ScriptedProvider(
        [step("", edit("a.py", ("line 1\n", "ONE\n"), ("line 5", "FIVE"), ("line 9", "NINE"))), step("Done.")]
    )
    async for _ in session.send_message("go", approver=None, is_reviewed=True):  # type: ignore[arg-type]
        pass
    pending = session.review.pending(session_id=session.id)
    await session.review.accept([pending[i] for i in accepted])
    await session.undo()
    await talk.check(a_py=TEN)
    came = await session.review.accept(session.review.pending(session_id=session.id))
    assert came.refused == ()
    words = ["ONE", "FIVE", "NINE"]
    await talk.check(a_py=ten(**{f"_{4 * i + 1}": words[i] for i in range(3) if i not in accepted}))


@pytest.mark.parametrize("accepted", [[0], [1], [0, 2], [1, 2]])
async def test_what_waits_for_review_still_fits_when_accepted_hunks_of_its_turn_are_taken_back(
    accepted: list[int],
) -> None:
    await check_hunks(Talk(), accepted)


async def test_the_user_typing_while_it_is_on_its_way_is_kept_or_the_undo_is_refused_whole() -> None:
    class Typist(MemoryWorkspace):
        typed: Sequence[tuple[str, str]] = ()

        async def apply(self, plan: EditPlan) -> AppliedPlan:
            for old, new in self.typed:
                self.type_into("a.py", old, new)
            self.typed = ()
            return await super().apply(plan)

    workspace = Typist({"a.py": TEN})
    talk = Talk(workspace)
    await talk.turn(edit("a.py", ("line 2", "TWO")))
    workspace.typed = [("TWO", "TWO!")]
    with pytest.raises(StaleSnapshot):
        await talk.session.undo()
    workspace.type_into("a.py", "TWO!", "TWO")
    workspace.typed = [("line 9", "line nine")]
    await talk.session.undo()
    await talk.check(a_py=ten(_9="line nine"))
    await talk.session.redo()
    await talk.check(a_py=ten(_2="TWO", _9="line nine"))


def bytes_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def test_the_users_git_is_not_touched(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        own = ("-c", "user.name=User", "-c", "user.email=user@example.org")
        environ = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
        run = subprocess.run(["git", *own, *arguments], cwd=tmp_path, env=environ, capture_output=True, check=True)
        return run.stdout.decode()

    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(TEN, encoding="utf-8")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    (tmp_path / "b.py").write_text(ten(_5="five"), encoding="utf-8")
    git("add", "b.py")
    (tmp_path / "b.py").write_text(ten(_5="five", _6="six"), encoding="utf-8")
    repository, status = bytes_below(tmp_path / ".git"), git("status", "--porcelain")

    session = open_session(DiskWorkspace([tmp_path]), ScriptedProvider([]))
    calls = [edit("a.py", ("line 2", "TWO")), call("write_file", path="n.py", text="n\n"), edit("b.py", ("six", "6"))]
    session.provider = ScriptedProvider([*(step("", one) for one in calls), step("Done.")])
    await send(session, "go")
    await session.undo()
    assert (git("status", "--porcelain"), bytes_below(tmp_path / ".git")) == (status, repository)
    await session.redo()
    await session.restore("1")
    assert (git("status", "--porcelain"), bytes_below(tmp_path / ".git")) == (status, repository)


async def test_a_checkpoint_stays_where_it_is_when_another_session_is_deleted() -> None:
    talk = Talk()
    other = open_session(talk.workspace, [], store=talk.store, session_id="other")
    await talk.turn(edit("a.py", ("line 2", "TWO")))
    other.provider = ScriptedProvider([step("", edit("a.py", ("line 5", "FIVE"))), step("Done.")])
    await send(other, "go")
    talk.session.checkpoint("good")
    talk.store.delete("other")
    await talk.turn(edit("a.py", ("line 9", "NINE")))  # SQLite gives its change the number of the one that is gone
    await talk.session.restore("good")
    await talk.check(a_py=ten(_2="TWO", _5="FIVE"))


async def test_an_undo_that_was_cut_short_takes_nothing_back_that_came_after_a_session_of_it_was_deleted() -> None:
    talk = Talk()
    other = open_session(talk.workspace, [], store=talk.store, session_id="other")
    await talk.turn(edit("a.py", ("line 2", "TWO")))
    other.provider = ScriptedProvider([step("", edit("a.py", ("line 5", "FIVE"))), step("Done.")])
    await send(other, "go")
    journal = talk.store.journal
    entries = journal.entries(session_id="s1")[:1], journal.entries(session_id="other")[:1]
    reversals = [Reversal(entry, None, None, "w") for (entry,) in entries]
    with journal.going(Way("w", tuple(reversals))):
        pass  # and the process was killed
    talk.store.delete("other")
    await talk.turn(edit("a.py", ("line 9", "NINE")))
    (way,) = journal.left_behind(session_id="s1")
    assert way.reversals == (reversals[0],)
