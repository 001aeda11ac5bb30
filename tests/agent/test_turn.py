"""One turn, from the user's words to the changed file, with a scripted model."""

from __future__ import annotations

import asyncio

import pytest

from flux.agent.events import ApprovalAsked, EditApplied, Noticed, TextStreamed, ToolAnswered, TurnEnded, to_json
from flux.agent.next_request import TurnSettings
from flux.context.item import Focus
from flux.core.errors import Busy, FileMissing, NothingChanged, OutsideWorkspace
from flux.core.limits import ModelLimits
from flux.core.messages import Message, Text, ToolCall, ToolResult
from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.core.usage import Cost, Usage
from flux.llm.scripted_provider import Fault, ScriptedProvider, Step
from flux.workspace.memory import MemoryWorkspace
from flux.workspace.moves import Move
from tests.support.talks import Answers, call, end, kinds, open_session, send, step

CIRCLE = "def area(r):\n    return 3 * r\n"
FIX = call("edit_file", path="circle.py", edits=[{"old_text": "3 * r", "new_text": "3.14 * r**2"}])


async def test_an_edit_of_the_model_changes_the_file_and_says_so() -> None:
    workspace = MemoryWorkspace({"circle.py": CIRCLE})
    session = open_session(workspace, [step("I will fix it.", FIX), step("Done.")])
    events = await send(session, "fix the area")
    assert (await workspace.read(workspace.path("circle.py"))).text == "def area(r):\n    return 3.14 * r**2\n"
    assert kinds(events) == [
        "turn_start",
        "text_delta",
        "usage",
        "tool_call",
        "approval",
        "approval",
        "edit_applied",
        "tool_result",
        "text_delta",
        "usage",
        "turn_end",
    ]
    applied = next(event for event in events if isinstance(event, EditApplied))
    assert "-    return 3 * r\n+    return 3.14 * r**2\n" in applied.diff
    assert end(events).status == "completed"


async def test_the_model_is_told_the_result_by_the_id_of_its_call() -> None:
    provider = ScriptedProvider([step("", FIX), step("Done.")])
    await send(open_session(MemoryWorkspace({"circle.py": CIRCLE}), provider), "fix the area")
    assert provider.requests[1].messages[1:] == (
        Message("assistant", (FIX,)),
        Message("tool", (ToolResult("c1", "edit_file", "Edited circle.py: +1 -1 lines."),)),
    )


async def test_a_refused_edit_goes_back_to_the_model_which_corrects_it() -> None:
    workspace = MemoryWorkspace({"circle.py": CIRCLE})
    wrong = call("edit_file", path="circle.py", edits=[{"old_text": "4 * r", "new_text": "5"}])
    provider = ScriptedProvider([step("", wrong), step("", FIX), step("Now it is right.")])
    events = await send(open_session(workspace, provider), "fix the area")
    refused = next(event for event in events if isinstance(event, ToolAnswered))
    assert refused.is_error
    assert "return 3 * r" in refused.content  # the nearest lines, from which it can correct itself
    assert end(events).status == "completed"
    assert "3.14" in (await workspace.read(workspace.path("circle.py"))).text


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (ToolCall("c1", "read_file", '{"path": '), "are not JSON"),
        (ToolCall("c1", "read_file", "[1]"), "must be a JSON object"),
        (call("read_file", file="a"), "`path` must be a string, but the call has none (it has: file)"),
        (call("read_file", path=7), "`path` must be a string, not int"),
        (call("read_file", path="a", start_line="two"), "`start_line` must be a whole number"),
        (call("edit_file", path="a", edits=[]), "`edits` must be a list of at least one object"),
        (call("fly"), "There is no tool 'fly'. The tools are: read_file"),
        (call("read_file", path="../a"), ".."),
        (call("read_file", path="nothing.py"), "nothing.py"),
    ],
)
async def test_a_bad_call_is_told_to_the_model_and_the_turn_goes_on(bad: ToolCall, told: str) -> None:
    provider = ScriptedProvider([step("", bad), step("I see.")])
    events = await send(open_session(MemoryWorkspace({"a": "x\n"}), provider), "go")
    result = provider.requests[1].messages[-1].parts[0]
    assert isinstance(result, ToolResult)
    assert result.is_error
    assert told in result.content
    assert end(events).status == "completed"


async def test_independent_reads_run_side_by_side_and_answer_in_order() -> None:
    class Meeting(MemoryWorkspace):
        """Every read waits for the other one."""

        barrier = asyncio.Barrier(2)

        async def read(self, path):
            if path.relative in "ab":
                await asyncio.wait_for(self.barrier.wait(), 5)
            return await super().read(path)

    both = [call("read_file", "1", path="a"), call("read_file", "2", path="b")]
    provider = ScriptedProvider([step("", *both), step("Read.")])
    events = await send(open_session(Meeting({"a": "A\n", "b": "B\n"}), provider), "read both")
    assert end(events).status == "completed"
    assert provider.requests[1].messages[-1].parts == (
        ToolResult("1", "read_file", "A\n"),
        ToolResult("2", "read_file", "B\n"),
    )


async def test_the_first_change_of_a_turn_is_asked_for_and_the_second_not() -> None:
    workspace = MemoryWorkspace({"a": "1\n2\n"})
    one = call("edit_file", "1", path="a", edits=[{"old_text": "1", "new_text": "one"}])
    two = call("edit_file", "2", path="a", edits=[{"old_text": "2", "new_text": "two"}])
    answers = Answers("yes", "yes")
    steps = [step("", one), step("", two), step("."), step("", call("write_file", path="b", text="b"))]
    session = open_session(workspace, steps)
    await send(session, "go", approver=answers)
    assert [question.paths for question in answers.questions] == [("a",)]
    assert "-1\n+one\n" in answers.questions[0].diff
    assert (await workspace.read(workspace.path("a"))).text == "one\ntwo\n"
    await send(session, "again", approver=answers)
    assert [question.paths for question in answers.questions] == [("a",), ("b",)]


async def test_always_holds_for_the_session() -> None:
    steps = [step("", call("write_file", path=name, text="x\n")) for name in ("a", "b")]
    answers = Answers("always")
    session = open_session(MemoryWorkspace({}), [steps[0], step("."), steps[1], step(".")])
    await send(session, "go", approver=answers)
    assert end(await send(session, "again", approver=answers)).status == "completed"
    assert len(answers.questions) == 1


async def test_a_declined_change_is_not_made_and_the_model_is_told() -> None:
    workspace = MemoryWorkspace({"circle.py": CIRCLE})
    provider = ScriptedProvider([step("", FIX), step("As you wish.")])
    events = await send(open_session(workspace, provider), "fix", approver=Answers("no"))
    assert (await workspace.read(workspace.path("circle.py"))).text == CIRCLE
    assert "declined" in provider.requests[1].messages[-1].parts[0].content
    assert [event.decision for event in events if isinstance(event, ApprovalAsked)] == ["", "no"]
    assert end(events).status == "completed"


async def test_a_question_waits_until_everything_before_it_was_shown() -> None:
    shown: list[str] = []

    class Looking:
        async def ask(self, question):
            assert shown == ["turn_start", "text_delta", "usage", "tool_call", "approval"]
            return "yes"

    session = open_session(MemoryWorkspace({"circle.py": CIRCLE}), [step("Look:", FIX), step("Done.")])
    async for event in session.send_message("fix", approver=Looking()):
        shown.append(event.type)
    assert shown[-1] == "turn_end"


async def test_a_provider_error_ends_the_turn_and_the_next_message_works() -> None:
    broken = Step(text="Half an", error=Fault("StreamBroken", "The connection broke."))
    provider = ScriptedProvider([broken, step("Whole.")])
    session = open_session(MemoryWorkspace({}), provider)
    first = await send(session, "one")
    assert (end(first).status, end(first).error_kind) == ("failed", "StreamBroken")
    assert end(await send(session, "two")).status == "completed"
    sent = provider.requests[1].messages
    assert [message.role for message in sent] == ["user", "assistant", "user"]
    assert sent[1].text() == "Half an"


async def test_a_stream_without_its_end_is_a_failure() -> None:
    events = await send(open_session(MemoryWorkspace({}), [Step(text="Half", finish_reason="none")]), "one")
    assert (end(events).status, end(events).error_kind) == ("failed", "StreamBroken")


async def test_cancelling_in_mid_stream_leaves_a_conversation_that_can_go_on() -> None:
    slow = Step(text="a b c d e f", chunk=1, delay_s=60)
    provider = ScriptedProvider([slow, step("On.")])
    session = open_session(MemoryWorkspace({}), provider)
    events = []
    async with asyncio.timeout(5):
        async for event in session.send_message("one", approver=Answers()):
            events.append(event)
            if isinstance(event, TextStreamed):
                assert session.cancel()
    assert end(events).status == "cancelled"
    assert not session.cancel()
    assert end(await send(session, "two")).status == "completed"
    sent = provider.requests[1].messages
    assert [message.role for message in sent] == ["user", "assistant", "user"]
    assert "cancelled your last answer" in sent[2].text()


async def test_cancelling_in_a_question_answers_the_open_calls() -> None:
    class Never:
        async def ask(self, question):
            await asyncio.Event().wait()

    provider = ScriptedProvider([step("", FIX), step("On.")])
    workspace = MemoryWorkspace({"circle.py": CIRCLE})
    session = open_session(workspace, provider)
    events = []
    async with asyncio.timeout(5):
        async for event in session.send_message("one", approver=Never()):
            events.append(event)
            if isinstance(event, ApprovalAsked):
                session.cancel()
    assert end(events).status == "cancelled"
    await send(session, "two")
    result = provider.requests[1].messages[2].parts[0]
    assert isinstance(result, ToolResult)
    assert (result.call_id, result.is_error) == ("c1", True)
    assert (await workspace.read(workspace.path("circle.py"))).text == CIRCLE


async def test_a_change_on_its_way_when_the_user_cancels_is_recorded_and_can_be_undone() -> None:
    class Slow(MemoryWorkspace):
        cancel = None

        async def apply(self, plan):
            if self.cancel:
                self.cancel()
                self.cancel = None
            await asyncio.sleep(0)
            return await super().apply(plan)

    workspace = Slow({"circle.py": CIRCLE})
    provider = ScriptedProvider([step("", FIX), step("On.")])
    session = open_session(workspace, provider)
    workspace.cancel = session.cancel
    assert end(await send(session, "one")).status == "cancelled"
    assert "3.14" in (await workspace.read(workspace.path("circle.py"))).text
    await session.undo()
    assert (await workspace.read(workspace.path("circle.py"))).text == CIRCLE
    await send(session, "two")
    assert "Edited circle.py" in provider.requests[1].messages[2].parts[0].content


async def test_what_is_missing_with_its_folder_is_told_also_where_the_user_moved_something() -> None:
    class Shrinking(MemoryWorkspace):
        """Its second folder is closed in the editor as soon as something in it is read."""

        def path(self, text: str) -> WorkspacePath:
            if text.startswith("two/"):
                raise OutsideWorkspace(f"{text} is in no folder.", path=text)
            return super().path(text)

        async def read(self, path: WorkspacePath) -> FileSnapshot:
            session.follow([Move(self.path("a.py"), None)])
            raise FileMissing("There is no file two/a.py.", path="two/a.py")

    provider = ScriptedProvider([step("", call("read_file", path="a.py")), step("On.")])
    session = open_session(Shrinking({}), provider)
    assert end(await send(session, "one")).status == "completed"
    assert "There is no file two/a.py." in provider.requests[1].messages[2].parts[0].content


async def test_closing_the_events_cancels_the_turn() -> None:
    session = open_session(MemoryWorkspace({}), [Step(text="abc", chunk=1, delay_s=60)])
    events = session.send_message("one", approver=Answers())
    await anext(events)
    await events.aclose()
    assert not session.is_busy


async def test_a_second_message_meanwhile_is_refused() -> None:
    session = open_session(MemoryWorkspace({}), [Step(text="abc", chunk=1, delay_s=60)])
    events = session.send_message("one", approver=Answers())
    await anext(events)
    with pytest.raises(Busy):
        await anext(session.send_message("two", approver=Answers()))
    await events.aclose()


async def test_a_turn_ends_after_its_bound_of_steps() -> None:
    again = [step("", call("list_files"))] * 5
    events = await send(open_session(MemoryWorkspace({}), again, settings=TurnSettings(max_steps=3)), "go")
    assert end(events).status == "completed"
    assert [event.text for event in events if isinstance(event, Noticed)] == [
        "Stopped after 3 steps (setting max_steps). Send a message to go on."
    ]


async def test_usage_and_cost_add_up_over_the_turn_and_the_session() -> None:
    usage = Usage(1000, 100, cache_read_tokens=500)
    steps = [Step(tool_calls=(call("list_files"),), usage=usage), Step(text=".", usage=usage)]
    session = open_session(MemoryWorkspace({}), steps)
    events = await send(session, "go")
    assert end(events).usage == usage + usage
    assert end(events).cost == Cost(pytest.approx(0.0042))
    assert session.get_token_usage() == (usage + usage, Cost(pytest.approx(0.0042)))


async def test_undo_takes_back_one_turn_and_tells_the_model() -> None:
    workspace = MemoryWorkspace({"circle.py": CIRCLE})
    steps = [step("", FIX, call("write_file", "2", path="new.py", text="x\n")), step("Done."), step("I see.")]
    provider = ScriptedProvider(steps)
    session = open_session(workspace, provider)
    await send(session, "fix")
    await session.undo()
    assert (await workspace.read(workspace.path("circle.py"))).text == CIRCLE
    assert [str(path) for path in await workspace.list_files()] == ["circle.py"]
    with pytest.raises(NothingChanged):
        await session.undo()
    await send(session, "and now?")
    assert "took back changes of yours: circle.py, new.py" in provider.requests[2].messages[-1].text()


async def test_the_model_sees_the_unsaved_file_the_selection_and_the_words_apart() -> None:
    workspace = MemoryWorkspace({"circle.py": CIRCLE})
    path = workspace.path("circle.py")
    provider = ScriptedProvider([step("Seen.")])
    await send(open_session(workspace, provider), "what is this?", focus=Focus(path))
    message = provider.requests[0].messages[0]
    assert message.parts[-1] == Text("what is this?")
    assert f'<file from="circle.py">\n{CIRCLE}</file>' in message.text()
    assert "Current file: circle.py\n" in message.text()


async def test_a_file_that_cannot_be_shown_does_not_lose_the_words() -> None:
    workspace = MemoryWorkspace({})
    provider = ScriptedProvider([step("Yes.")])
    events = await send(open_session(workspace, provider), "hello", focus=Focus(workspace.path("gone.py")))
    assert provider.requests[0].messages[0].parts[-1] == Text("hello")
    notice = next(event.text for event in events if isinstance(event, Noticed))
    assert notice.startswith("Sent without the current file")


async def test_a_provider_makes_ready_while_the_message_is_made() -> None:
    class Steps(ScriptedProvider):
        def make_ready(self) -> None:
            happened.append("makes ready")

    class Files(MemoryWorkspace):
        async def read(self, path: WorkspacePath) -> FileSnapshot:
            happened.append("message made")
            return await super().read(path)

    happened: list[str] = []
    files = Files({"circle.py": CIRCLE})
    await send(open_session(files, Steps([step("Fine.")])), "look", focus=Focus(files.path("circle.py")))
    assert happened[:2] == ["makes ready", "message made"]


async def test_a_window_too_small_for_the_message_is_said_and_the_session_goes_on() -> None:
    tiny = ModelLimits(1500, 1500, 500)
    session = open_session(MemoryWorkspace({}), [step("Fine.")], limits=tiny)
    events = await send(session, "long " * 5000)
    assert (end(events).status, end(events).error_kind) == ("failed", "ContextWindowExceeded")


def test_an_event_is_a_json_object_with_its_type() -> None:
    event = TurnEnded("t1", "completed", Usage(1, 2), Cost(0.5), unsaved=("a.py",))
    assert to_json(event) == {
        "type": "turn_end",
        "turn_id": "t1",
        "status": "completed",
        "usage": {
            "input_tokens": 1,
            "output_tokens": 2,
            "cache_read_tokens": 0,
            "cache_write_tokens": 0,
            "reasoning_tokens": 0,
        },
        "cost": {"usd": 0.5, "is_complete": True},
        "error": "",
        "error_kind": "",
        "unsaved": ("a.py",),
        "is_stopped": False,
    }
