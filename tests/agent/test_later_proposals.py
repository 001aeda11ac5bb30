"""A reviewed turn after one that is not decided on: it works on top, and the two are decided on in any order."""

from __future__ import annotations

import random

import pytest

from flux.agent.events import EditsProposed, TurnEvent
from flux.agent.review import Accepted, Pending, Review
from flux.agent.session import Session
from flux.agent.session_store import SessionStore
from flux.agent.undecided import Undecided
from flux.context.item import Focus
from flux.core.messages import ToolResult
from flux.core.text import Position, Range
from flux.edits.diff import text_edits_between
from flux.edits.plan import EditFile, EditPlan
from flux.llm.scripted_provider import ScriptedProvider, Step
from flux.workspace.memory import MemoryWorkspace
from flux.workspace.overlay import OverlayWorkspace
from tests.support.talks import Answers, call, context_of, end, open_session, send, step

LINES = "".join(f"{n}\n" for n in range(1, 21))
FILES = {"a": LINES, "b": "b\n"}
DONE = step("Done.")


def edit(old: str, new: str, path: str = "a") -> Step:
    return step("", call("edit_file", "e", path=path, old_text=old, new_text=new))


async def review_turn(session: Session, text: str = "go", focus: Focus | None = None) -> list[TurnEvent]:
    stream = session.send_message(text, approver=Answers(), focus=focus, is_reviewed=True)
    events = [event async for event in stream]
    assert end(events).status == "completed"
    return events


async def two_turns(workspace: MemoryWorkspace, first: Step, *later: Step) -> tuple[Session, ScriptedProvider]:
    """A session in which two turns have made their proposals, and nothing was decided."""
    provider = ScriptedProvider([first, DONE, *later, DONE])
    session = open_session(workspace, provider)
    await review_turn(session)
    await review_turn(session, "more")
    return session, provider


def of_turn(session: Session, number: int) -> tuple[Pending, ...]:
    pending = session.review.pending()
    turns = list(dict.fromkeys(one.turn_id for one in pending))
    return tuple(one for one in pending if one.turn_id == turns[number])


def reasons(came: Accepted) -> list[str]:
    return [refusal.reason for refusal in came.refused]


async def text(workspace: MemoryWorkspace, name: str = "a") -> str:
    return (await workspace.read(workspace.path(name))).text


async def test_a_later_turn_works_on_what_is_pending_and_is_told() -> None:
    workspace = MemoryWorkspace(FILES)
    look = step("", call("read_file", "r", path="a"))
    session, provider = await two_turns(workspace, edit("2\n3", "two\n3"), look, edit("two", "zwei"))
    seen = provider.requests[3].messages[-1].parts[0]
    assert isinstance(seen, ToolResult)
    assert seen.content.startswith("1\ntwo\n3\n")
    told = context_of(provider.requests[2].messages[-1])
    assert "You see these files as if they were made, and what you propose now comes on top: a" in told
    assert await text(workspace) == LINES
    assert [one.hunk.diff.splitlines()[4:6] for one in session.review.pending()] == [["-2", "+two"], ["-two", "+zwei"]]


async def test_a_proposal_of_another_session_is_worked_on_too() -> None:
    workspace = MemoryWorkspace(FILES)
    store = SessionStore(None)
    await review_turn(open_session(workspace, [edit("2\n3", "two\n3"), DONE], store=store))
    second = open_session(workspace, [edit("two", "zwei"), DONE], store=store, session_id="s2")
    events = await review_turn(second)
    (proposed,) = [event for event in events if isinstance(event, EditsProposed)]
    assert len(proposed.hunks) == 1
    came = await second.review.accept(second.review.pending())
    assert (len(came.accepted), came.refused, await text(workspace)) == (2, (), LINES.replace("2\n3", "zwei\n3"))


async def test_a_hunk_that_builds_on_another_is_refused_by_its_name_until_that_is_decided() -> None:
    workspace = MemoryWorkspace(FILES)
    session, _ = await two_turns(workspace, edit("2\n3", "two\n3"), edit("two\n", "two\nand a half\n"))
    (lower,), (upper,) = of_turn(session, 0), of_turn(session, 1)
    (reason,) = reasons(await session.review.accept([upper]))
    assert f"builds on another proposed change that is not decided yet: a line 2 ({lower.hunk.id})" in reason
    assert await text(workspace) == LINES
    await session.review.accept([lower])
    assert reasons(await session.review.accept([upper])) == []
    assert await text(workspace) == LINES.replace("2\n3", "two\nand a half\n3")


async def test_both_may_be_accepted_together_in_whatever_order_they_are_named() -> None:
    workspace = MemoryWorkspace(FILES)
    session, _ = await two_turns(workspace, edit("2\n3", "two\n3"), edit("two\n", "two\nand a half\n"))
    came = await session.review.accept(session.review.pending()[::-1])
    assert (len(came.accepted), came.refused) == (2, ())
    assert await text(workspace) == LINES.replace("2\n3", "two\nand a half\n3")


async def test_what_builds_on_a_rejected_hunk_is_refused_for_that() -> None:
    workspace = MemoryWorkspace(FILES)
    session, _ = await two_turns(workspace, edit("2\n3", "two\n3"), edit("two\n", "two\nand a half\n"))
    session.review.reject(of_turn(session, 0))
    (reason,) = reasons(await session.review.accept(session.review.pending()))
    assert "builds on another proposed change, which was rejected" in reason
    assert await text(workspace) == LINES


async def test_what_touches_no_other_hunk_is_decided_on_in_any_order() -> None:
    for order in ("first", "second", "second alone"):
        workspace = MemoryWorkspace(FILES)
        session, _ = await two_turns(workspace, edit("2\n3", "two\nand\nmore\n3"), edit("15", "fifteen"))
        lower, upper = of_turn(session, 0), of_turn(session, 1)
        if order == "second alone":
            session.review.reject(lower)
        else:
            await session.review.accept(lower if order == "first" else upper)
        came = await session.review.accept(session.review.pending())
        expected = LINES.replace("15", "fifteen")
        if order != "second alone":
            expected = expected.replace("2\n3", "two\nand\nmore\n3", 1)
        assert (came.refused, await text(workspace)) == ((), expected), order


async def test_files_that_are_only_proposed_are_edited_moved_and_removed_by_a_later_turn() -> None:
    workspace = MemoryWorkspace(FILES)
    first = step("", call("write_file", "1", path="new", text="n\n"), call("move_file", "2", path="b", new_path="c"))
    second = step(
        "", call("edit_file", "3", path="new", old_text="n", new_text="N"), call("delete_file", "4", path="c")
    )
    session, _ = await two_turns(workspace, first, second)
    alone = await session.review.accept(of_turn(session, 1))
    assert [("new line 1" in reason, "b line 1" in reason) for reason in reasons(alone)] == [
        (True, False),
        (False, True),
    ]
    came = await session.review.accept(session.review.pending())
    assert (len(came.accepted), came.refused) == (4, ())
    assert {str(path) for path in await workspace.list_files()} == {"a", "new"}
    assert await text(workspace, "new") == "N\n"


async def test_a_pending_hunk_that_no_longer_fits_is_left_out_and_the_model_told() -> None:
    workspace = MemoryWorkspace(FILES)
    provider = ScriptedProvider([edit("2\n3", "two\n3"), DONE, edit("15", "fifteen"), DONE])
    session = open_session(workspace, provider)
    await review_turn(session)
    workspace.type_into("a", "2\n3", "2 is mine\n3")
    await review_turn(session)
    assert "no longer fit the files are not shown to you: a" in context_of(provider.requests[2].messages[-1])
    came = await session.review.accept(of_turn(session, 1))
    assert (came.refused, "fifteen" in await text(workspace)) == ((), True)


async def test_the_selection_is_shown_where_it_stands_in_what_the_model_sees() -> None:
    workspace = MemoryWorkspace(FILES)
    provider = ScriptedProvider([edit("2\n3", "two\nand\nmore\n3"), DONE, DONE])
    session = open_session(workspace, provider)
    await review_turn(session)
    selection = Range(Position(14, 0), Position(14, 2))
    await review_turn(session, "and this?", Focus(workspace.path("a"), selection))
    told = context_of(provider.requests[2].messages[-1])
    assert '<selection from="a line 17">\n15\n</selection>' in told
    assert "1\ntwo\nand\nmore\n3\n" in told


async def test_what_is_decided_while_a_later_turn_runs_counts() -> None:
    workspace = MemoryWorkspace(FILES)
    session = open_session(workspace, [edit("2\n3", "two\n3"), DONE, edit("two", "zwei"), DONE])
    await review_turn(session)
    async for event in session.send_message("more", approver=Answers(), is_reviewed=True):
        if event.type == "tool_result":
            await session.review.accept(session.review.pending())
    (upper,) = session.review.pending()
    assert upper.hunk.builds_on == ()
    assert reasons(await session.review.accept([upper])) == []
    assert await text(workspace) == LINES.replace("2\n3", "zwei\n3")


async def test_a_later_turn_without_review_edits_the_files_as_they_are() -> None:
    workspace = MemoryWorkspace(FILES)
    session = open_session(
        workspace, [edit("2\n3", "two\n3"), DONE, edit("15", "fifteen"), edit("2\n3", "II\n3"), DONE]
    )
    await review_turn(session)
    await send(session, "now")
    assert await text(workspace) == LINES.replace("15", "fifteen").replace("2\n3", "II\n3", 1)
    (reason,) = reasons(await session.review.accept(session.review.pending()))
    assert "a: The text at line 2 has changed" in reason


async def test_the_hunks_of_a_turn_are_made_all_or_none_where_that_is_asked() -> None:
    workspace = MemoryWorkspace(FILES)
    both = step("", *edit("15", "fifteen").tool_calls, call("edit_file", "2", path="b", old_text="b", new_text="B"))
    session = open_session(workspace, [both, DONE])
    await review_turn(session)
    workspace.type_into("b", "b", "mine")
    came = await session.review.accept(session.review.pending(), all_or_none=True)
    assert (came.accepted, await text(workspace), await text(workspace, "b")) == ((), LINES, "mine\n")
    assert {reason.partition(":")[0] for reason in reasons(came)} == {"None of the 2 changes of this turn was made"}
    assert "b: The text at line 1 has changed" in reasons(came)[0]
    assert len(session.review.pending()) == 2


@pytest.mark.parametrize("seed", range(40))
async def test_whatever_the_order_all_that_is_accepted_comes_to_what_was_proposed(seed: int) -> None:
    rng = random.Random(seed)
    workspace = MemoryWorkspace({"a": "".join(f"line {n}\n" for n in range(60))})
    store = SessionStore(None)
    store.create("s", workspace.roots[0])
    review = Review(store, workspace)
    proposed = await text(workspace)
    for turn in ("t1", "t2", "t3"):
        proposed = await propose(review, store, workspace, turn, changed(rng, proposed, turn))
    assert await text(workspace) == "".join(f"line {n}\n" for n in range(60))
    while pending := review.pending():
        chosen = rng.sample(pending, rng.randint(1, len(pending)))
        for refusal in (await review.accept(chosen)).refused:
            assert "is not decided yet" in refusal.reason
    assert await text(workspace) == proposed


async def propose(review: Review, store: SessionStore, workspace: MemoryWorkspace, turn: str, wanted: str) -> str:
    """A turn that would make the file so; the text that it saw in the end."""
    undecided = Undecided(workspace)
    await undecided.lay(review.pending())
    overlay = OverlayWorkspace(undecided.workspace)
    snapshot = await overlay.read(workspace.path("a"))
    await overlay.apply(EditPlan("", (EditFile(snapshot, text_edits_between(snapshot.text, wanted)),)))
    store.add_proposal("s", turn, undecided.split(overlay.proposal(""), turn, review.pending()))
    return (await overlay.read(workspace.path("a"))).text


def changed(rng: random.Random, before: str, turn: str) -> str:
    """The text with some lines changed, removed and put in; no two lines are alike."""
    lines: list[str] = []
    for number, line in enumerate(before.splitlines(keepends=True)):
        match rng.randint(0, 19):
            case 0:
                lines.append(f"changed by {turn}: {line}")
            case 1:
                lines += [line, f"new in {turn} at {number}\n"]
            case 2:
                pass
            case _:
                lines.append(line)
    return "".join(lines) or before
