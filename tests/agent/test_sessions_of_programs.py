"""A session as a program has it, with and without an event loop, against real servers on the loopback."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from flux.agent import blocking
from flux.agent.approval import ApprovalRequest, ApproveAll, Decision
from flux.agent.library import open_session
from flux.agent.result import TurnResult
from flux.core.errors import Busy, ConfigError, FileMissing, InvalidArguments, OutsideWorkspace, SessionError
from flux.core.messages import ToolSpec
from flux.core.usage import Usage
from flux.llm import register_provider
from flux.llm.scripted_provider import ScriptedProvider, Step
from tests.support.recorded import FOLDER
from tests.support.replay_server import Exchange, ReplayServer, replay_server
from tests.support.talks import call, step

ANYTHING = {"type": "object", "properties": {}}
TOOLS = [ToolSpec(name, "The program's own.", ANYTHING) for name in ("read_file", "list_files", "search")]
"""Names in the recorded answers; without a folder Flux has none of its own."""
WIRES = {"anthropic": "anthropic_tools.sse", "openai": "openai_tools.sse", "compatible": "chat_tools.sse"}
"""An answer with two calls for each provider, and where it is recorded."""


@pytest.fixture
async def server() -> AsyncIterator[ReplayServer]:
    async with replay_server() as running:
        yield running


def config(name: str, server: ReplayServer, **more: object) -> dict[str, object]:
    path = "" if name == "anthropic" else "/v1"
    return {"provider": name, "base_url": server.base_url + path, "api_key": "k" * 20, "model": "m", **more}


def call_times(server: ReplayServer, name: str, times: int = 1) -> None:
    """Answer so often with the recorded two calls."""

    async def answer(exchange: Exchange) -> bool:
        return await exchange.stream((FOLDER / WIRES[name]).read_bytes())

    server.next_answers += [answer] * times


def sent(server: ReplayServer) -> str:
    """The last request, in characters."""
    return json.dumps(server.received[-1].json, ensure_ascii=False)


@pytest.mark.parametrize("name", WIRES)
async def test_own_tools_are_called_and_answered_over_the_wire(server: ReplayServer, name: str) -> None:
    call_times(server, name)
    async with open_session(config(name, server), tools=TOOLS, system_prompt="You are a guide.") as session:
        first = await session.ask("What is there?")
        assert first.requires_action
        assert first.pending_confirmations == first.own_calls == first.tool_calls
        for number, waiting in enumerate(reversed(first.own_calls)):
            session.add_tool_result(waiting.id, f"result «{number}»")
        last = await session.ask()
    assert (last.text, last.is_complete) == ("Hello wörld", True)
    for expected in ("result «0»", "result «1»", "You are a guide.", *(one.id for one in first.own_calls)):
        assert expected in sent(server)
    assert "You are Flux" not in sent(server)


@pytest.mark.parametrize("name", WIRES)
async def test_a_missing_result_is_marked_over_the_wire(server: ReplayServer, name: str) -> None:
    call_times(server, name)
    async with open_session(config(name, server), tools=TOOLS) as session:
        first, second = (await session.ask("What is there?")).own_calls
        with pytest.raises(InvalidArguments, match=f"Waiting: {first.id} .*, {second.id} "):
            session.add_tool_result("nobody", "x")
        session.add_tool_result(first.id, "this one")
        last = await session.ask("And?")
    assert (last.is_complete, len(last.notices)) == (True, 1)
    assert "this one" in sent(server)
    assert "No result was given for this call." in sent(server)


@pytest.mark.parametrize("name", WIRES)
async def test_the_bound_of_turns_ends_a_talk_that_only_calls(server: ReplayServer, name: str) -> None:
    call_times(server, name, 9)
    async with open_session(config(name, server), tools=TOOLS, max_turns=3) as session:
        result, asked = await session.ask("Go on for ever."), 1
        while result.requires_action:
            for waiting in result.own_calls:
                session.add_tool_result(waiting.id, "x")
            result, asked = await session.ask(), asked + 1
    assert (asked, len([request for request in server.received if request.body])) == (4, 3)
    assert (result.is_complete, result.is_stopped, result.status) == (False, True, "completed")


async def test_the_model_is_chosen_by_name_in_mid_conversation_also_of_another_provider(server: ReplayServer) -> None:
    others = {"kind": "openai", "base_url": f"{server.base_url}/v1", "api_key": "o" * 20, "model": "second"}
    async with open_session(config("anthropic", server, providers={"other": others})) as session:
        assert session.get_model() == "m"
        await session.ask("one")
        switch = await session.set_model("other/third")
        assert (switch.provider, switch.model, session.get_model()) == ("other", "third", "third")
        await session.ask("two")
        assert [request.path for request in server.received if request.body] == ["/v1/messages", "/v1/responses"]
        assert "Hello wörld" in sent(server)
        with pytest.raises(ConfigError, match="no model number 99"):
            await session.set_model("99")
        assert session.get_model() == "third"


async def test_the_history_can_be_cleared_and_what_was_used_stays_counted(server: ReplayServer) -> None:
    async with open_session(config("anthropic", server)) as session:
        await session.ask("a secret plan")
        session.clear_history()
        result = await session.ask("hello")
        assert "a secret plan" not in sent(server)
        usage, cost = session.get_token_usage()
        assert usage == result.usage + result.usage
        assert usage.total_tokens == 2 * 1007
        assert not cost.is_complete  # nobody knows what "m" costs


async def test_the_current_file_goes_along_and_changes_ask_the_program(server: ReplayServer, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n", encoding="utf-8")
    async with open_session(config("anthropic", server), tmp_path, system_prompt="Be brief.") as session:
        session.set_current_file_context("a.py")
        await session.ask("What is this?")
        assert '<file from=\\"a.py\\">' in sent(server)
        assert "You are Flux" in sent(server)
        assert "Be brief." in sent(server)
        session.set_current_file_context(None)
        await session.ask("And now?")
        assert sent(server).count('<file from=\\"a.py\\">') == 1
        with pytest.raises(OutsideWorkspace):
            session.set_current_file_context("../b.py")


async def test_a_folder_that_is_none_is_refused_and_so_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(FileMissing, match="is not a folder"):
        async with open_session({"provider": "demo"}, tmp_path / "gone"):
            pass
    with pytest.raises(ConfigError, match="max_steps"):
        async with open_session({"provider": "demo"}, max_turns=0):
            pass


def rehearsal(steps: Sequence[Step]) -> dict[str, object]:
    """A configuration whose model says these things."""
    register_provider("rehearsal", lambda _: ScriptedProvider(steps))
    return {"provider": "rehearsal", "model": "scripted"}


def test_a_program_without_an_event_loop_has_the_same_session(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n", encoding="utf-8")
    fix = call("edit_file", "c1", path="a.py", edits=[{"old_text": "1", "new_text": "2"}])
    steps = [step("", fix, call("weather", "c2")), Step(text="Done.", usage=Usage(10, 5)), step("Well.")]
    questions: list[ApprovalRequest] = []

    def approve(question: ApprovalRequest) -> Decision:
        questions.append(question)
        return "yes"

    weather = ToolSpec("weather", "", ANYTHING)
    with blocking.open_session(rehearsal(steps), tmp_path, tools=[weather], max_turns=5) as session:
        session.set_current_file_context("a.py")
        first = session.ask("Make it 2.", approve=approve)
        assert ([one.name for one in first.own_calls], first.paths) == (["weather"], ("a.py",))
        session.add_tool_result("c2", "sun")
        assert session.ask().text == "Done."
        assert [question.paths for question in questions] == [("a.py",)]
        assert session.get_token_usage()[0] == Usage(10, 5)
        assert [message.role for message in session.history()] == ["user", "assistant", "tool", "assistant"]
        session.clear_history()
        assert [event.type for event in session.send_message("And?")][-1] == "turn_end"
        assert session.get_model() == "scripted"
        assert session.set_model("demo/demo").model == session.get_model() == "demo"
        assert session.ask("What can you do?").is_complete
    assert (tmp_path / "a.py").read_text(encoding="utf-8") == "x = 2\n"
    with pytest.raises(SessionError, match="was closed"):
        session.ask("Once more.")


def test_a_turn_that_is_left_early_is_cancelled_and_the_next_one_works() -> None:
    with blocking.open_session(rehearsal([Step(text="abc", chunk=1, delay_s=60), step("Well.")])) as session:
        events = session.send_message("go")
        assert next(event for event in events if event.type == "text_delta").text == "a"
        with pytest.raises(Busy):
            session.ask("meanwhile")
        events.close()
        assert not session.cancel()
        assert session.ask("now").text == "Well."


def test_of_two_threads_one_is_told_that_the_session_is_at_work() -> None:
    steps = [Step(text="abc", chunk=1, delay_s=60)]
    with blocking.open_session(rehearsal(steps)) as session:
        began, results = threading.Event(), []

        def read() -> None:
            for event in session.send_message("one"):
                began.set()
                results.append(event)

        thread = threading.Thread(target=read)
        thread.start()
        assert began.wait(5)
        with pytest.raises(Busy):
            session.ask("two")
        assert session.cancel()
        thread.join(5)
        assert (thread.is_alive(), results[-1].status) == (False, "cancelled")


def test_inside_the_background_loop_a_blocking_session_refuses_to_hang() -> None:
    refused: list[str] = []

    class Caller(ScriptedProvider):
        def deltas(self, request):
            try:
                session.get_model()
            except RuntimeError as error:
                refused.append(str(error))
            return super().deltas(request)

    register_provider("rehearsal", lambda _: Caller([step("Well.")]))
    with blocking.open_session({"provider": "rehearsal", "model": "scripted"}) as session:
        assert session.ask("go").text == "Well."
    assert ["inside its own event loop" in words for words in refused] == [True]


def test_a_session_may_be_used_on_one_event_loop_after_another_but_not_on_two_at_once() -> None:
    async def told(opened: list[TurnResult]) -> None:
        async with open_session(rehearsal([Step(text="abc", chunk=1, delay_s=60), step("Well.")])) as session:
            events = session.send_message("one", approver=ApproveAll())
            while (await anext(events)).type != "text_delta":
                pass
            with pytest.raises(Busy):
                await asyncio.to_thread(asyncio.run, session.ask("two"))
            await events.aclose()
            opened.append(await asyncio.to_thread(asyncio.run, session.ask("three")))

    results: list[TurnResult] = []
    asyncio.run(told(results))
    assert [result.text for result in results] == ["Well."]


def test_each_kind_of_session_says_which_kind_of_with_it_needs() -> None:
    with pytest.raises(TypeError, match="context manager protocol"), open_session({"provider": "demo"}):
        pass

    async def other() -> None:
        async with blocking.open_session({"provider": "demo"}):
            pass

    with suppress(TypeError):
        asyncio.run(other())
        pytest.fail("it was entered")
