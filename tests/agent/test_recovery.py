"""A process that is killed at any moment of a turn: what it left behind is made whole, and the session goes on.

What a kill leaves is a copy of the files at that moment: the database with its journal, and the user's files.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from flux.agent.approval import ApproveAll
from flux.agent.events import TextStreamed, TurnEvent
from flux.agent.session import Session
from flux.agent.session_store import SessionStore
from flux.core.errors import NothingChanged
from flux.core.messages import Message, ToolResult, user_message
from flux.core.usage import Cost, Price, Usage
from flux.edits.plan import AppliedPlan, EditPlan
from flux.llm.base_provider import TextDelta, ToolCallDelta, UsageDelta
from flux.llm.scripted_provider import ScriptedProvider, Step
from flux.workspace.memory import MemoryWorkspace
from tests.support.talks import Steppable, call, end, open_session, send, step

FILES = {"a.py": "import os\n\none = 1\n", "b.py": "two = 2\n"}
EDIT_A = call("edit_file", "e1", path="a.py", edits=[{"old_text": "1", "new_text": "100"}])
EDIT_B = call("edit_file", "e2", path="b.py", edits=[{"old_text": "2", "new_text": "200"}])
TALK = [
    Step(reasoning="Hm.", text="I look.", tool_calls=(call("read_file", "r1", path="a.py"),), chunk=3),
    Step(text="I edit.", tool_calls=(EDIT_A, call("read_file", "r3", path="a.py"), EDIT_B), chunk=4),
    Step(text="Done, both of them.", chunk=2),
]


@dataclass
class Wreck:
    """What is left, and what the user had seen by then."""

    file: Path
    files: dict[str, str]
    seen: list[TurnEvent]
    is_begun: bool


async def wrecks(folder: Path, *, is_reviewed: bool) -> list[Wreck]:
    """One for each round of the event loop in a whole turn."""
    file = folder / "whole" / "sessions.db"
    store = SessionStore(file)
    workspace = Steppable(FILES)
    session = open_session(workspace, TALK, store=store)
    seen: list[TurnEvent] = []

    async def follow() -> None:
        async for event in session.send_message("go", approver=ApproveAll(), is_reviewed=is_reviewed):
            seen.append(event)

    left: list[Wreck] = []
    following = asyncio.create_task(follow())
    while not following.done():
        await asyncio.sleep(0)
        aside = folder / str(len(left)) / file.name
        aside.parent.mkdir()
        for end_ in ("", "-wal"):
            shutil.copyfile(f"{file}{end_}", f"{aside}{end_}")
        texts = {name: (await MemoryWorkspace.read(workspace, workspace.path(name))).text for name in FILES}
        left.append(Wreck(aside, texts, list(seen), bool(store.history("s1"))))
    store.close()
    return left


def streamed(events: list[TurnEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextStreamed))


async def check_goes_on(wreck: Wreck, *, is_reviewed: bool) -> Session:
    store = SessionStore(wreck.file)
    workspace = MemoryWorkspace(wreck.files)
    provider = ScriptedProvider([step("Well.")])
    session = open_session(workspace, provider, store=store)
    assert end(await send(session, "And now?")).status == "completed"
    messages = provider.requests[-1].messages
    # The user's message is there, and all that was shown.
    said = [message.text() for message in messages if message.role == "assistant"]
    assert "".join(said).startswith(streamed(wreck.seen))
    if wreck.is_begun:
        assert messages[0].text() == "go"
    check_results(messages)
    # What was changed can be taken back, and nothing else was.
    if not is_reviewed:
        with contextlib.suppress(NothingChanged):
            await session.undo()
    for name, text in FILES.items():
        assert (await workspace.read(workspace.path(name))).text == text
    store.close()
    return session


def check_results(messages: tuple[Message, ...]) -> None:
    """Every call has its one result, directly behind it."""
    for message, following in zip(messages, [*messages[1:], None], strict=True):
        assert message.parts
        answered = [p.call_id for p in following.parts if isinstance(p, ToolResult)] if following else []
        assert [part.id for part in message.tool_calls()] == answered


@pytest.mark.parametrize("is_reviewed", [False, True])
async def test_a_turn_that_is_killed_in_any_round_of_the_loop_goes_on(tmp_path: Path, is_reviewed: bool) -> None:
    left = await wrecks(tmp_path, is_reviewed=is_reviewed)
    assert len(left) > 30
    assert len({streamed(wreck.seen) for wreck in left}) > 3
    for wreck in left:
        await check_goes_on(wreck, is_reviewed=is_reviewed)


async def recovered(file: Path, files: dict[str, str]) -> tuple[SessionStore, list[Message]]:
    store = SessionStore(file)
    session = open_session(MemoryWorkspace(files), [], store=store)
    await session.take_up()
    return store, list(store.live_messages("s1"))


def begin(file: Path) -> SessionStore:
    """A session whose process was killed after its question."""
    store = SessionStore(file)
    store.create("s1", "/w")
    store.add_message("s1", "t", user_message("go"))
    return store


@pytest.mark.parametrize(("price", "cost"), [(Price(1e5, 1e6, 0, 0), Cost(3.0)), (None, Cost(is_complete=False))])
async def test_an_answer_cut_short_is_marked_and_its_calls_are_named_and_counted_at_its_own_price(
    tmp_path: Path, price: Price | None, cost: Cost
) -> None:
    store = begin(tmp_path / "sessions.db")
    log = store.in_flight.begin_answer("s1", "t", "anthropic", "claude-sonnet-5-5", price)
    for delta in (TextDelta("I e"), TextDelta("dit."), ToolCallDelta(0, "1", "edit_file", '{"pa')):
        log.add(delta)
    log.add(UsageDelta(Usage(10, 2)))
    await asyncio.sleep(0)
    store.close()
    store, messages = await recovered(tmp_path / "sessions.db", FILES)
    assert [message.text() for message in messages] == ["go", "I edit."]
    assert [stored.is_interrupted for stored in store.messages("s1")] == [False, True]
    assert store.ledger.of_session("s1") == (Usage(10, 2), cost)
    (note,) = store.notes("s1")
    assert "in the middle of your last answer" in note
    assert note.endswith("not begun: edit_file.")


EDITED = {"a.py": "import os\n\none = 100\n", "b.py": "two = 2\n"}


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (EDITED, "It was changed before that: a.py."),
        (FILES, "It was not changed: a.py."),
        ({**FILES, "a.py": "# typed\nimport os\n\none = 100\n"}, "It was changed before that: a.py."),
        ({**FILES, "a.py": "# typed\nimport os\n\none = 1\n"}, "It was not changed: a.py."),
        ({**FILES, "a.py": "something else\n"}, "It may or may not have been changed, read it again: a.py."),
        ({"b.py": "two = 2\n"}, "It may or may not have been changed, read it again: a.py."),
    ],
)
async def test_a_change_that_nobody_confirmed_is_told_as_the_file_shows_it(
    tmp_path: Path, now: dict[str, str], told: str
) -> None:
    class Killed(MemoryWorkspace):
        async def apply(self, plan: EditPlan) -> AppliedPlan:
            shutil.copytree(tmp_path / "live", tmp_path / "left")
            return await super().apply(plan)

    live = SessionStore(tmp_path / "live" / "sessions.db")
    await send(open_session(Killed(FILES), [step("I edit.", EDIT_A), step("Done.")], store=live), "go")
    shutil.rmtree(tmp_path / "left" / "holders")
    store, messages = await recovered(tmp_path / "left" / "sessions.db", now)
    (result,) = messages[-1].parts
    assert isinstance(result, ToolResult)
    assert (result.is_error, result.content.startswith("Interrupted: Flux ended before")) == (True, True)
    assert result.content.endswith(told)
    assert bool(store.journal.entries(session_id="s1")) == ("was changed" in told)
    live.close()


async def test_words_that_were_not_yet_a_message_are_kept_without_what_would_have_gone_along(tmp_path: Path) -> None:
    store = SessionStore(tmp_path / "s.db")
    store.create("s1", "/w")
    store.in_flight.add_asked("s1", "t", "Please help.")
    store.close()
    store, messages = await recovered(tmp_path / "s.db", {})
    assert messages == [user_message("Please help.")]
    assert "before you could answer" in store.notes("s1")[0]
    assert store.in_flight.asked("s1") == []
    store.close()
