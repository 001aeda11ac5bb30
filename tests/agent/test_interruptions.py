"""Whatever interrupts a turn, wherever it does: the conversation stays whole, stored as it is, and goes on."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from flux.agent.approval import ApproveAll
from flux.agent.events import Noticed, ToolAnswered, ToolCalled, TurnEnded, TurnEvent
from flux.agent.next_request import TurnSettings
from flux.agent.session import Session
from flux.agent.session_store import SessionStore
from flux.core.errors import Busy, NothingChanged
from flux.core.limits import ModelLimits
from flux.core.messages import ToolCall, ToolResult
from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.edits.plan import AppliedPlan, EditPlan
from flux.llm.base_provider import BaseLLMProvider, Delta, ModelRequest
from flux.llm.scripted_provider import Fault, ScriptedProvider, Step
from flux.workspace.memory import MemoryWorkspace
from tests.support.talks import Answers, Steppable, call, end, open_session, send, step

FILES = {"a.py": "one = 1\n", "b.py": "two = 2\n"}
EDIT_A = call("edit_file", "e1", path="a.py", edits=[{"old_text": "1", "new_text": "100"}])
EDIT_B = call("edit_file", "e2", path="b.py", edits=[{"old_text": "2", "new_text": "200"}])
TALK = [
    Step(
        text="I look.", tool_calls=(call("read_file", "r1", path="a.py"), call("search", "r2", pattern="two")), chunk=3
    ),
    Step(reasoning="Hm.", text="I edit.", tool_calls=(EDIT_A, call("read_file", "r3", path="a.py"), EDIT_B)),
    Step(text="Done.", chunk=2),
]


def check_whole(session: Session, store: SessionStore, request: ModelRequest) -> None:
    """Every call has its one result, directly behind it; the store says what the model was told."""
    messages = request.messages
    assert store.live_messages(session.id)[: len(messages)] == list(messages)
    for message, following in zip(messages, [*messages[1:], None], strict=True):
        assert message.parts
        calls = [part.id for part in message.tool_calls()]
        answered = [p.call_id for p in following.parts if isinstance(p, ToolResult)] if following else []
        assert calls == answered


class SlowYes:
    async def ask(self, question: object) -> str:
        await asyncio.sleep(0)
        return "yes"


async def check_goes_on(session: Session, store: SessionStore, provider: ScriptedProvider, ended: TurnEnded) -> None:
    assert ended.status in {"cancelled", "completed"}
    assert not session.is_busy
    assert end(await send(session, "And now?")).status == "completed"
    check_whole(session, store, provider.requests[-1])
    assert provider.requests[-1].messages[-1].text().endswith("And now?")


async def check_undo(session: Session, workspace: MemoryWorkspace) -> None:
    """What was changed before the interruption is on record."""
    with contextlib.suppress(NothingChanged):
        await session.undo()
    for name, text in FILES.items():
        assert (await workspace.read(workspace.path(name))).text == text


def talk() -> tuple[Session, SessionStore, ScriptedProvider, Steppable]:
    # Steps that the interrupted turn did not come to would answer the next one.
    provider = Rewound(TALK)
    store = SessionStore(None)
    workspace = Steppable(FILES)
    return open_session(workspace, provider, store=store), store, provider, workspace


class Rewound(ScriptedProvider):
    """Plays its script for the first message, and says one word to any later one."""

    async def deltas(self, request: ModelRequest) -> AsyncGenerator[Delta]:
        if request.messages[-1].role == "user" and request.messages[-1].text().endswith("And now?"):
            self.requests.append(request)
            answer = ScriptedProvider([step("Well.")])
            async for delta in answer.stream(request):
                yield delta
            return
        async for delta in super().deltas(request):
            yield delta


async def test_a_turn_cancelled_after_any_event_leaves_a_conversation_that_goes_on() -> None:
    session, *_ = talk()
    count = len(await send(session, "go"))
    assert count > 20
    for stop in range(count):
        session, store, provider, workspace = talk()
        events: list[TurnEvent] = []
        async with asyncio.timeout(5):
            async for event in session.send_message("go", approver=ApproveAll()):
                events.append(event)
                if len(events) == stop + 1:
                    session.cancel()
        assert sum(isinstance(event, TurnEnded) for event in events) == 1
        await check_goes_on(session, store, provider, end(events))
        await check_undo(session, workspace)


@pytest.mark.parametrize("presses", [1, 2])
async def test_a_turn_cancelled_in_any_round_of_the_loop_leaves_a_conversation_that_goes_on(presses: int) -> None:
    statuses: list[str] = []
    for rounds in (*range(100), *range(100, 5000, 50)):  # a turn that waits for a thread may take many rounds
        session, store, provider, workspace = talk()
        events: list[TurnEvent] = []

        async def follow(session: Session = session, events: list[TurnEvent] = events) -> None:
            async for event in session.send_message("go", approver=SlowYes()):
                events.append(event)

        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            following = group.create_task(follow())
            for _ in range(rounds):
                await asyncio.sleep(0)
            for _ in range(presses):
                session.cancel()
                await asyncio.sleep(0)
            await following
        await check_goes_on(session, store, provider, end(events))
        await check_undo(session, workspace)
        statuses.append(end(events).status)
        if statuses[-3:] == ["completed"] * 3 and rounds > 10:
            break
    assert statuses.count("cancelled") > 20
    assert statuses[-1] == "completed"


async def test_a_reader_that_goes_away_in_any_round_leaves_a_conversation_that_goes_on() -> None:
    for rounds in range(1, 60):
        session, store, provider, workspace = talk()

        async def follow(session: Session = session) -> None:
            async with contextlib.aclosing(session.send_message("go", approver=SlowYes())) as stream:
                async for _ in stream:
                    pass

        following = asyncio.create_task(follow())
        for _ in range(rounds):
            await asyncio.sleep(0)
        following.cancel()
        async with asyncio.timeout(5):
            await asyncio.wait([following])
        assert not session.is_busy
        assert end(await send(session, "And now?")).status == "completed"
        check_whole(session, store, provider.requests[-1])
        await check_undo(session, workspace)


class Defective(MemoryWorkspace):
    """Reads of one file hit a mistake in our own code."""

    async def read(self, path: WorkspacePath) -> FileSnapshot:
        if path.relative == "bad.py":
            raise KeyError("a mistake")
        return await super().read(path)


@pytest.mark.parametrize("name", ["read_file", "edit_file"])
async def test_a_mistake_in_a_tool_fails_the_turn_and_keeps_the_conversation(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    bad = call(name, "1", path="bad.py", edits=[{"old_text": "a", "new_text": "b"}])
    store = SessionStore(None)
    provider = ScriptedProvider([step("", bad, EDIT_A, call("read_file", "2", path="b.py")), step("Well.")])
    session = open_session(Defective(FILES), provider, store=store)
    ended = end(await send(session, "go"))
    assert (ended.status, ended.error_kind) == ("failed", "KeyError")
    assert ended.error.startswith("Flux made a mistake (KeyError)")
    assert "a mistake" in caplog.text
    assert end(await send(session, "and now?")).status == "completed"
    check_whole(session, store, provider.requests[-1])
    told = [part.content for part in provider.requests[-1].messages[2].parts if isinstance(part, ToolResult)]
    assert told[0].startswith("Not done: Flux itself failed.")


async def test_a_mistake_in_a_provider_fails_the_turn_and_keeps_the_conversation() -> None:
    class Raises(BaseLLMProvider):
        name = "raises"

        def deltas(self, request: ModelRequest) -> AsyncGenerator[Delta]:
            raise ValueError("at once")

    store = SessionStore(None)
    session = open_session(MemoryWorkspace({}), Raises(), store=store)
    assert end(await send(session, "go")).error_kind == "ValueError"
    assert [message.text() for message in store.live_messages("s1")] == ["go"]
    assert not session.is_busy


async def test_a_provider_that_fails_at_once_leaves_the_words_and_the_next_message_works() -> None:
    provider = ScriptedProvider([Step(error=Fault("Overloaded", "Too much to do.")), step("Well.")])
    session = open_session(MemoryWorkspace({}), provider)
    assert end(await send(session, "one")).error == "Too much to do."
    assert end(await send(session, "two")).status == "completed"
    assert [message.text() for message in provider.requests[1].messages] == ["one", "two"]


async def test_calls_that_share_an_id_or_have_none_get_results_of_their_own() -> None:
    calls = [
        call("read_file", id_, path=path) for id_, path in [("x", "a.py"), ("x", "b.py"), ("", "a.py"), ("", "b.py")]
    ]
    provider = ScriptedProvider([step("", *calls), step("", call("read_file", "x", path="b.py")), step("Well.")])
    store = SessionStore(None)
    session = open_session(MemoryWorkspace(FILES), provider, store=store)
    events = await send(session, "go")
    last = provider.requests[-1]
    check_whole(session, store, last)
    results = [part for message in last.messages for part in message.parts if isinstance(part, ToolResult)]
    assert [result.content for result in results] == ["one = 1\n", "two = 2\n"] * 2 + ["two = 2\n"]
    ids = [result.call_id for result in results]
    assert ids[0] == "x"
    assert len(set(ids)) == len(ids)
    assert "" not in ids
    assert [event.call_id for event in events if isinstance(event, ToolCalled)] == ids


async def test_a_look_after_a_change_in_one_answer_sees_the_change() -> None:
    provider = ScriptedProvider([step("", EDIT_A, call("read_file", "r", path="a.py")), step("Well.")])
    await send(open_session(MemoryWorkspace(FILES), provider), "go")
    assert [part.content for part in provider.requests[1].messages[2].parts if isinstance(part, ToolResult)] == [
        "Edited a.py: +1 -1 lines.",
        "one = 100\n",
    ]


@pytest.mark.parametrize("text", ["word " * 50_000, "汉字" * 50_000])
async def test_a_very_long_result_is_cut_and_says_so(text: str) -> None:
    provider = ScriptedProvider([step("", *(call("read_file", str(n), path="long") for n in range(6))), step("Well.")])
    session = open_session(MemoryWorkspace({"long": text}), provider, limits=ModelLimits(8000, 8000, 2000))
    events = await send(session, "go")
    assert end(events).status == "completed"
    assert not [event for event in events if isinstance(event, Noticed)]  # nothing had to be taken out at once
    for part in provider.requests[1].messages[2].parts:
        assert isinstance(part, ToolResult)
        assert part.content.startswith(text[:100])
        assert "more characters; ask for a smaller part]" in part.content


async def test_an_empty_answer_is_said_and_not_sent_back() -> None:
    provider = ScriptedProvider([step(), step("Well.")])
    session = open_session(MemoryWorkspace({}), provider)
    events = await send(session, "one")
    assert [event.text for event in events if isinstance(event, Noticed)] == ["The model answered nothing."]
    await send(session, "two")
    assert [message.role for message in provider.requests[1].messages] == ["user", "user"]


async def test_what_would_break_a_running_turn_is_refused() -> None:
    session = open_session(MemoryWorkspace({}), [Step(text="abc", chunk=1, delay_s=60)])
    events = session.send_message("one", approver=Answers())
    await anext(events)
    with pytest.raises(Busy):
        session.clear_history()
    with pytest.raises(Busy):
        session.add_tool_result("c1", "x")
    with pytest.raises(Busy):
        await session.undo()
    await events.aclose()
    session.clear_history()


async def test_a_message_during_an_undo_is_refused() -> None:
    workspace = Steppable(FILES)
    session = open_session(workspace, [step("", EDIT_A), step("Done."), step("Well.")])
    await send(session, "go")
    async with asyncio.TaskGroup() as group:
        undoing = group.create_task(session.undo())
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await send(session, "meanwhile")
        await undoing
    assert end(await send(session, "now")).status == "completed"


async def test_another_model_chosen_in_mid_turn_answers_the_next_message() -> None:
    first = ScriptedProvider([step("", call("list_files")), step("Done.")])
    second = ScriptedProvider([step("Well.")])
    session = open_session(MemoryWorkspace({}), first)
    async for event in session.send_message("one", approver=ApproveAll()):
        if isinstance(event, ToolCalled):
            session.go_on_with(second, session.model)
    assert (len(first.requests), len(second.requests)) == (2, 0)
    await send(session, "two")
    assert len(second.requests) == 1


@contextlib.contextmanager
def table_gone(file: Path) -> Generator[None]:
    with contextlib.closing(sqlite3.connect(file)) as other:
        other.execute("DROP TABLE message")
        other.commit()
    yield


@contextlib.contextmanager
def no_room(file: Path) -> Generator[None]:
    """The system lets this process make no file longer than the journal is now."""
    resource = pytest.importorskip("resource", reason="only POSIX bounds the files of a process")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.with_name(f"{file.name}-wal").stat().st_size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("fault", [table_gone, no_room])
async def test_a_disk_that_takes_no_more_is_said_once_and_the_session_goes_on(
    tmp_path: Path, fault: Callable[[Path], AbstractContextManager[None]]
) -> None:
    file = tmp_path / "sessions.db"
    store = SessionStore(file)
    workspace = MemoryWorkspace(FILES)
    provider = ScriptedProvider([step("One."), step("", EDIT_A), step("Two."), step("Three.")])
    session = open_session(workspace, provider, store=store)
    await send(session, "one")
    with fault(file):
        told = [event.text for event in await send(session, "two") if isinstance(event, Noticed)]
    assert len(told) == 1
    assert told[0].startswith("This session is no longer stored: ")
    assert not [event for event in await send(session, "three") if isinstance(event, Noticed)]
    await session.undo()
    assert (await workspace.read(workspace.path("a.py"))).text == FILES["a.py"]
    said = [message.text() for message in session.history() if message.role == "user"]
    assert said[-2:] == ["two", "three"]
    assert [message.text() for message in provider.requests[-1].messages if message.role == "user"] == [
        "one",
        "two",
        "three",
    ]


async def test_a_turn_that_needs_more_than_its_window_in_one_answer_ends_with_a_clear_text() -> None:
    long = ToolCall("c1", "write_file", '{"path": "x", "text": "' + "y " * 30_000 + '"}')
    provider = ScriptedProvider([step("", long), step("Well.")])
    session = open_session(
        MemoryWorkspace({}),
        provider,
        limits=ModelLimits(8000, 8000, 2000),
        settings=TurnSettings(max_output_tokens=2000),
    )
    assert end(await send(session, "one")).error_kind == "ContextWindowExceeded"
    assert end(await send(session, "two")).status == "completed"


async def test_of_a_change_that_broke_off_nobody_knows_and_none_is_made_without_a_way_back(tmp_path: Path) -> None:
    class Breaking(MemoryWorkspace):
        is_broken = True

        async def apply(self, plan: EditPlan) -> AppliedPlan:
            if self.is_broken:
                raise OSError("the disk is gone")
            return await super().apply(plan)

    store = SessionStore(tmp_path / "sessions.db")
    workspace = Breaking(FILES)
    session = open_session(workspace, [step("", EDIT_A), step("", EDIT_A), step("Hm.")], store=store)
    assert end(await send(session, "go")).status == "failed"
    assert store.in_flight.intents("s1") == []  # it is not taken for one that is still going on
    workspace.is_broken = False
    with contextlib.closing(sqlite3.connect(tmp_path / "sessions.db")) as other:
        other.execute("CREATE TRIGGER no BEFORE INSERT ON intent BEGIN SELECT RAISE(FAIL, 'no'); END")
        other.commit()
    told = [event for event in await send(session, "again") if isinstance(event, ToolAnswered)]
    assert [(event.is_error, "Nothing was changed" in event.content) for event in told] == [(True, True)]
    assert (await workspace.read(workspace.path("a.py"))).text == FILES["a.py"]
