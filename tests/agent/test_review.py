"""Changes as proposals: one answer's are made together; with review nothing is made before the user says so."""

from __future__ import annotations

import asyncio

import pytest

from flux.agent.events import EditApplied, EditsProposed, ToolAnswered, TurnEvent
from flux.agent.review import Pending
from flux.agent.session import Session
from flux.agent.session_store import SessionStore
from flux.core.messages import Text, ToolResult
from flux.edits.plan import AppliedPlan, EditPlan
from flux.llm.scripted_provider import ScriptedProvider, Step
from flux.workspace.memory import MemoryWorkspace
from tests.support.talks import call, context_of, end, kinds, open_session, send, step

LINES = "".join(f"{n}\n" for n in range(1, 11))
FILES = {"a": LINES, "b": "b\n"}


def edit(number: int, path: str, old: str, new: str) -> object:
    return call("edit_file", str(number), path=path, edits=[{"old_text": old, "new_text": new}])


THREE = step("", edit(1, "a", "2\n3", "two\n3"), edit(2, "a", "8\n", "eight\n"), edit(3, "b", "b\n", "B\n"))


async def text(workspace: MemoryWorkspace, name: str) -> str:
    return (await workspace.read(workspace.path(name))).text


async def reviewed(workspace: MemoryWorkspace, *steps: Step) -> tuple[Session, ScriptedProvider, list[TurnEvent]]:
    """A session in which one turn has made its proposal."""
    provider = ScriptedProvider(steps)
    session = open_session(workspace, provider)
    events: list[TurnEvent] = []
    async for event in session.send_message("go", approver=NoApprover(), is_reviewed=True):
        events.append(event)
    return session, provider, events


class NoApprover:
    """With review nobody is asked while the turn runs."""

    async def ask(self, question: object) -> object:
        raise AssertionError(question)


def numbers(pending: tuple[Pending, ...]) -> list[str]:
    return [one.hunk.id.partition(".")[2] for one in pending]


# The edits of one answer.


async def test_the_edits_of_one_answer_are_made_together() -> None:
    plans: list[EditPlan] = []

    class Watched(MemoryWorkspace):
        async def apply(self, plan: EditPlan) -> AppliedPlan:
            plans.append(plan)
            return await super().apply(plan)

    workspace = Watched(FILES)
    events = await send(open_session(workspace, [THREE, step("Done.")]), "go")
    assert [[str(change.path) for change in plan.changes] for plan in plans] == [["a", "b"]]
    assert (await text(workspace, "b"), (await text(workspace, "a")).split()[1::6]) == ("B\n", ["two", "eight"])
    assert [event.paths for event in events if isinstance(event, EditApplied)] == [("a", "b")]
    told = [event for event in events if isinstance(event, ToolAnswered)]
    assert [(event.call_id, event.is_error) for event in told] == [("1", False), ("2", False), ("3", False)]


async def test_where_one_file_does_not_take_its_edit_none_of_the_answer_is_made() -> None:
    workspace = MemoryWorkspace(FILES)
    workspace.make_read_only("b")
    events = await send(open_session(workspace, [THREE, step("Hm.")]), "go")
    assert (await text(workspace, "a"), await text(workspace, "b")) == (LINES, "b\n")
    told = [event for event in events if isinstance(event, ToolAnswered)]
    assert [(event.call_id, event.is_error) for event in told] == [("1", True), ("2", True), ("3", True)]
    assert {event.summary for event in told} == {
        "None of these 3 changes was made: b is read-only. Nothing was changed.",
    }


async def test_an_edit_that_finds_no_place_is_refused_alone() -> None:
    workspace = MemoryWorkspace(FILES)
    wrong = step("", edit(1, "a", "nothing", "x"), edit(2, "b", "b\n", "B\n"))
    events = await send(open_session(workspace, [wrong, step("Hm.")]), "go")
    assert await text(workspace, "b") == "B\n"
    told = [event for event in events if isinstance(event, ToolAnswered)]
    assert [(event.call_id, event.is_error) for event in told] == [("1", True), ("2", False)]


async def test_undo_takes_back_all_of_an_answer() -> None:
    workspace = MemoryWorkspace(FILES)
    session = open_session(workspace, [THREE, step("Done.")])
    await send(session, "go")
    await session.undo()
    assert (await text(workspace, "a"), await text(workspace, "b")) == (LINES, "b\n")


# Review.


async def test_with_review_nothing_is_made_and_the_turn_sees_its_own_proposal() -> None:
    workspace = MemoryWorkspace(FILES)
    look = [call("read_file", "4", path="b"), call("search", "5", pattern="eight")]
    again = edit(6, "b", "B\n", "BB\n")
    _, provider, events = await reviewed(workspace, THREE, step("", *look), step("", again), step("Done."))
    assert (await text(workspace, "a"), await text(workspace, "b")) == (LINES, "b\n")
    results = provider.requests[2].messages[-1].parts
    assert [part.content for part in results if isinstance(part, ToolResult)] == ["B\n", "a:8: eight"]
    assert not {"approval", "edit_applied"} & set(kinds(events))
    (proposed,) = [event for event in events if isinstance(event, EditsProposed)]
    assert proposed.paths == ("a", "b")
    assert [(hunk.path, hunk.line) for hunk in proposed.hunks] == [("a", 2), ("a", 8), ("b", 1)]
    assert proposed.hunks[2].diff == "--- a/b\n+++ b/b\n@@ -1 +1 @@\n-b\n+BB\n"
    assert events[-2:] == [proposed, end(events)]


async def test_the_model_is_told_that_its_change_is_only_proposed() -> None:
    _, provider, _ = await reviewed(MemoryWorkspace(FILES), THREE, step("Done."))
    result = provider.requests[1].messages[-1].parts[0]
    assert isinstance(result, ToolResult)
    assert "the user decides after your turn" in result.content


async def test_accepted_hunks_are_made_and_the_others_wait() -> None:
    workspace = MemoryWorkspace(FILES)
    session, _, _ = await reviewed(workspace, THREE, step("Done."))
    pending = session.review.pending()
    assert numbers(pending) == ["1", "2", "3"]
    came = await session.review.accept([pending[1]])
    assert (numbers(came.accepted), came.refused) == (["2"], ())
    assert (await text(workspace, "a"), await text(workspace, "b")) == (LINES.replace("8", "eight"), "b\n")
    assert numbers(session.review.pending()) == ["1", "3"]
    await session.review.accept(session.review.pending())
    assert await text(workspace, "a") == LINES.replace("8", "eight").replace("2", "two")
    assert session.review.pending() == ()


async def test_what_was_accepted_in_two_steps_is_taken_back_by_one_undo() -> None:
    workspace = MemoryWorkspace(FILES)
    session, _, _ = await reviewed(workspace, THREE, step("Done."))
    for pending in reversed(session.review.pending()):
        await session.review.accept([pending])
    await session.undo()
    assert (await text(workspace, "a"), await text(workspace, "b")) == (LINES, "b\n")


async def test_rejecting_writes_nothing_and_the_model_is_told_why() -> None:
    workspace = MemoryWorkspace(FILES)
    session, provider, _ = await reviewed(workspace, THREE, step("Done."), step("I see."), step("Yes."))
    first, *others = session.review.pending()
    session.review.reject([first], "we count in digits")
    await session.review.accept(others)
    assert await text(workspace, "a") == LINES.replace("8", "eight")
    await send(session, "And now?")
    told = context_of(provider.requests[2].messages[-1])
    assert "The user rejected your proposed change at a line 2, which was not made:\n--- a/a\n" in told
    assert "-2\n+two\n" in told
    assert "The user says: we count in digits" in told
    assert "The user accepted your proposed changes at a line 8, b line 1." in told
    await send(session, "Good.")
    assert list(provider.requests[3].messages[-1].parts) == [Text("Good.")]


async def test_the_model_is_told_of_what_is_not_decided_yet() -> None:
    session, provider, _ = await reviewed(MemoryWorkspace(FILES), THREE, step("Done."), step("I see."))
    await send(session, "And now?")
    assert "not decided yet on changes that you proposed, and they are not made: a, b" in context_of(
        provider.requests[2].messages[-1]
    )


async def test_typing_elsewhere_stays_and_where_it_collides_that_hunk_alone_is_refused() -> None:
    workspace = MemoryWorkspace(FILES)
    workspace.open_buffer("a")
    session, _, _ = await reviewed(workspace, THREE, step("Done."))
    workspace.type_into("a", "10", "10 and more")
    workspace.type_into("a", "2\n", "2 is mine\n")
    came = await session.review.accept(session.review.pending())
    assert numbers(came.accepted) == ["2", "3"]
    ((refused, reason),) = [(refusal.pending, refusal.reason) for refusal in came.refused]
    assert refused.hunk.id.endswith(".1")
    assert "a: The text at line 2 has changed" in reason
    expected = LINES.replace("2\n", "2 is mine\n").replace("8", "eight").replace("10", "10 and more")
    assert (await text(workspace, "a"), await text(workspace, "b")) == (expected, "B\n")
    assert numbers(session.review.pending()) == ["1"]


async def test_a_file_that_takes_no_change_leaves_all_of_the_turn_as_it_was() -> None:
    workspace = MemoryWorkspace(FILES)
    session, _, _ = await reviewed(workspace, THREE, step("Done."))
    workspace.make_read_only("b")
    came = await session.review.accept(session.review.pending())
    assert ([len(came.accepted), len(came.refused)], came.changes) == ([0, 3], ())
    assert "read-only" in came.refused[0].reason
    assert (await text(workspace, "a"), numbers(session.review.pending())) == (LINES, ["1", "2", "3"])


async def test_a_hunk_is_made_once_however_often_it_is_accepted() -> None:
    workspace = MemoryWorkspace(FILES)
    session, _, _ = await reviewed(workspace, step("", edit(1, "b", "b\n", "b\nc\n")), step("Done."))
    pending = session.review.pending()
    first, second = await asyncio.gather(session.review.accept(pending), session.review.accept(pending))
    assert [len(first.accepted), len(second.accepted)] == [1, 0]
    assert await text(workspace, "b") == "b\nc\n"


async def test_new_moved_and_removed_files_are_one_hunk_each() -> None:
    workspace = MemoryWorkspace({"old": "x\n", "gone": "y\n"})
    calls = [
        call("write_file", "1", path="new", text="n\n"),
        call("move_file", "2", path="old", new_path="moved"),
        call("delete_file", "3", path="gone"),
    ]
    session, _, _ = await reviewed(workspace, step("", *calls), step("Done."))
    pending = session.review.pending()
    assert [(type(p.hunk.change).__name__, str(p.hunk.path)) for p in pending] == [
        ("CreateFile", "new"),
        ("RenameFile", "old"),
        ("DeleteFile", "gone"),
    ]
    await session.review.accept(pending)
    assert {str(path) for path in await workspace.list_files()} == {"new", "moved"}


async def test_a_cancelled_turn_offers_what_it_proposed_until_then() -> None:
    session = open_session(MemoryWorkspace(FILES), [THREE, Step(text="word " * 1000, chunk=4, delay_s=0.02)])
    events: list[TurnEvent] = []
    async for event in session.send_message("go", approver=NoApprover(), is_reviewed=True):
        events.append(event)
        if event.type == "text_delta":
            session.cancel()
    assert end(events).status == "cancelled"
    assert numbers(session.review.pending()) == ["1", "2", "3"]


async def test_a_review_goes_on_after_a_restart(tmp_path) -> None:
    workspace = MemoryWorkspace(FILES)
    store = SessionStore(tmp_path / "sessions.db")
    first = open_session(workspace, [THREE, step("Done.")], store=store)
    async for _ in first.send_message("go", approver=NoApprover(), is_reviewed=True):
        pass
    await first.review.accept(first.review.pending()[:1])
    store.close()
    provider = ScriptedProvider([step("I see.")])
    second = open_session(workspace, provider, store=SessionStore(tmp_path / "sessions.db"))
    assert numbers(second.review.pending(path=workspace.path("a"))) == ["2"]
    await second.review.accept(second.review.pending())
    assert await text(workspace, "a") == LINES.replace("2", "two").replace("8", "eight")
    await send(second, "And?")
    assert "The user accepted your proposed changes at a line 2." in context_of(provider.requests[0].messages[-1])
    await second.undo()
    assert await text(workspace, "a") == LINES


@pytest.mark.parametrize("way", ["turn", "path", "hunk"])
async def test_pending_hunks_are_named_by_turn_file_or_id(way: str) -> None:
    workspace = MemoryWorkspace(FILES)
    session, _, _ = await reviewed(workspace, THREE, step("Done."))
    review, turn = session.review, session.review.pending()[0].turn_id
    match way:
        case "turn":
            assert (numbers(review.pending(turn_id=turn)), review.pending(turn_id="x")) == (["1", "2", "3"], ())
        case "path":
            assert numbers(review.pending(path=workspace.path("b"))) == ["3"]
        case _:
            assert numbers(review.pending(hunk_id=f"{turn}.2")) == ["2"]
