"""Tools that the caller runs: the turn ends and waits for their results, then goes on."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from flux.agent.approval import ApproveAll
from flux.agent.events import TurnStarted
from flux.agent.next_request import TurnSettings
from flux.agent.result import TurnResult
from flux.agent.session import Session
from flux.core.errors import ConfigError, InvalidArguments, SessionError
from flux.core.messages import ToolCall, ToolResult, ToolSpec
from flux.llm.scripted_provider import ScriptedProvider, Step
from flux.workspace.memory import MemoryWorkspace
from tests.support.talks import call, open_session, send, step

WEATHER = ToolSpec("weather", "The weather of a town.", {"type": "object", "properties": {"town": {"type": "string"}}})
ROME, OSLO = call("weather", "c1", town="Rome"), call("weather", "c2", town="Oslo")
FIX = call("edit_file", "c3", path="a.py", edits=[{"old_text": "1", "new_text": "2"}])


def opened(*steps: Step, max_steps: int = 40) -> tuple[Session, ScriptedProvider, MemoryWorkspace]:
    """A session whose caller knows the weather."""
    provider, workspace = ScriptedProvider(list(steps)), MemoryWorkspace({"a.py": "x = 1\n"})
    settings = TurnSettings(max_steps=max_steps)
    return open_session(workspace, provider, settings=settings, own_tools=[WEATHER]), provider, workspace


async def ask(session: Session, text: str = "") -> TurnResult:
    return await session.ask(text, approver=ApproveAll())


def results(provider: ScriptedProvider) -> Sequence[ToolResult]:
    """What the model was last told of its calls: one message, as every wire wants it."""
    message = next(message for message in reversed(provider.requests[-1].messages) if message.role == "tool")
    return [part for part in message.parts if isinstance(part, ToolResult)]


async def test_calls_of_own_tools_wait_and_the_turn_goes_on_with_their_results_in_any_order() -> None:
    session, provider, _ = opened(step("I ask. ", ROME, OSLO), step("Sun and snow."))
    first = await ask(session, "How is it in Rome and Oslo?")
    assert (first.is_complete, first.requires_action, first.pending_confirmations) == (False, True, (ROME, OSLO))
    assert first.own_calls[0].arguments() == {"town": "Rome"}
    session.add_tool_result("c2", "snow")
    session.add_tool_result("c1", "sun")
    last = await ask(session)
    assert (last.text, last.is_complete, last.requires_action) == ("Sun and snow.", True, False)
    assert results(provider) == [ToolResult("c1", "weather", "sun"), ToolResult("c2", "weather", "snow")]
    assert [spec.name for spec in provider.requests[0].tools][-1] == "weather"


async def test_what_goes_on_begins_and_ends_as_every_turn() -> None:
    session, _, _ = opened(step("", ROME), step("Sun."))
    await ask(session, "And Rome?")
    session.add_tool_result("c1", "sun")
    events = await send(session, "")
    assert isinstance(events[0], TurnStarted)


async def test_flux_runs_its_own_tools_of_the_same_answer_and_their_results_go_along() -> None:
    session, provider, workspace = opened(step("", ROME, FIX), step("Done."))
    first = await ask(session, "go")
    assert (first.own_calls, first.paths) == ((ROME,), ("a.py",))
    assert (await workspace.read(workspace.path("a.py"))).text == "x = 2\n"
    session.add_tool_result("c1", "sun")
    assert (await ask(session)).is_complete
    assert [(result.call_id, result.content) for result in results(provider)] == [
        ("c1", "sun"),
        ("c3", "Edited a.py: +1 -1 lines."),
    ]


@pytest.mark.parametrize("words", ["", "Never mind, what else?"])
async def test_a_result_that_is_missing_is_marked_and_the_conversation_goes_on(words: str) -> None:
    session, provider, _ = opened(step("", ROME, OSLO), step("Well."))
    await ask(session, "go")
    session.add_tool_result("c1", "sun")
    last = await ask(session, words)
    assert last.is_complete
    assert last.notices == ("No result was given for weather (c2); the model is told so.",)
    assert results(provider) == [
        ToolResult("c1", "weather", "sun"),
        ToolResult("c2", "weather", "No result was given for this call.", is_error=True),
    ]
    assert provider.requests[-1].messages[-1].text() == words


async def test_a_result_for_no_call_that_waits_is_refused_and_names_those_that_do() -> None:
    session, _, _ = opened(step("", ROME, OSLO))
    with pytest.raises(InvalidArguments, match=r"No call 'c1' waits for a result. Waiting: none."):
        session.add_tool_result("c1", "sun")
    await ask(session, "go")
    session.add_tool_result("c1", "sun")
    for wrong in ("c1", "c9"):
        with pytest.raises(InvalidArguments, match=rf"No call '{wrong}' waits for a result. Waiting: c2 \(weather\)."):
            session.add_tool_result(wrong, "rain")


async def test_a_result_that_is_no_text_is_refused() -> None:
    session, _, _ = opened(step("", ROME))
    await ask(session, "go")
    with pytest.raises(TypeError, match="a text, not dict"):
        session.add_tool_result("c1", {"sky": "blue"})  # type: ignore[arg-type]


async def test_a_failure_of_an_own_tool_is_told_as_one() -> None:
    session, provider, _ = opened(step("", ROME), step("Sorry."))
    await ask(session, "go")
    session.add_tool_result("c1", "The station does not answer.", is_error=True)
    await ask(session)
    assert results(provider) == [ToolResult("c1", "weather", "The station does not answer.", is_error=True)]


async def test_a_call_whose_arguments_are_none_goes_back_to_the_model_and_never_to_the_caller() -> None:
    session, provider, _ = opened(step("", ToolCall("c1", "weather", '{"town": ')), step("", ROME), step("Sun."))
    first = await ask(session, "go")
    assert [found.call_id for found in results(provider)] == ["c1"]
    assert results(provider)[0].is_error
    assert [waiting.arguments() for waiting in first.own_calls] == [{"town": "Rome"}]


async def test_without_words_and_without_results_there_is_nothing_to_go_on_with() -> None:
    session, _, _ = opened(step("Well."))
    for _ in range(2):
        with pytest.raises(SessionError, match="no words to send"):
            await ask(session)
        session.clear_history()
    await ask(session, "go")
    with pytest.raises(SessionError, match="no words to send"):
        await ask(session)


async def test_clearing_the_history_forgets_the_calls_that_wait() -> None:
    session, provider, _ = opened(step("", ROME), step("Well."))
    await ask(session, "go")
    session.clear_history()
    with pytest.raises(InvalidArguments, match="Waiting: none"):
        session.add_tool_result("c1", "sun")
    assert (await ask(session, "hello")).is_complete
    assert [message.role for message in provider.requests[-1].messages] == ["user"]


async def test_the_bound_of_turns_holds_over_the_callers_own_tools_and_its_end_is_told() -> None:
    session, provider, _ = opened(*[step("", ROME)] * 5, max_steps=3)
    result = await ask(session, "go")
    while result.requires_action:
        for waiting in result.own_calls:
            session.add_tool_result(waiting.id, "sun")
        result = await ask(session)
    assert (result.is_stopped, result.is_complete, len(provider.requests)) == (True, False, 3)
    assert result.notices == ("Stopped after 3 steps (setting max_steps). Send a message to go on.",)
    assert (await ask(session, "go on")).requires_action


async def test_in_review_what_was_proposed_before_the_wait_is_kept_and_seen_after_it() -> None:
    read = call("read_file", "c4", path="a.py")
    session, provider, workspace = opened(step("", ROME, FIX), step("", read), step("Done."))
    first = await session.ask("go", is_reviewed=True)
    assert len(first.pending_confirmations) == 2
    session.add_tool_result("c1", "sun")
    await session.ask(is_reviewed=True)
    assert results(provider) == [ToolResult("c4", "read_file", "x = 2\n")]
    assert (await workspace.read(workspace.path("a.py"))).text == "x = 1\n"
    assert len(session.review.pending()) == 1


async def test_without_an_approver_nothing_is_changed_and_what_is_proposed_waits() -> None:
    session, _, workspace = opened(step("", FIX), step("Done."))
    result = await session.ask("go")
    assert (result.requires_action, result.paths) == (True, ())
    assert (await workspace.read(workspace.path("a.py"))).text == "x = 1\n"


def test_an_own_tool_cannot_have_the_name_of_one_of_flux() -> None:
    taken = ToolSpec("read_file", "", {"type": "object"})
    with pytest.raises(ConfigError, match="Flux has tools of these names itself: read_file"):
        open_session(MemoryWorkspace({}), [], own_tools=[taken])


async def test_a_closed_session_says_so() -> None:
    session, _, _ = opened(Step(text="abc", chunk=1, delay_s=60))
    events = session.send_message("go", approver=ApproveAll())
    await anext(events)
    await session.close()
    await session.close()
    assert [event.status async for event in events if event.type == "turn_end"] == ["cancelled"]
    with pytest.raises(SessionError, match="was closed"):
        await ask(session, "go")
    with pytest.raises(SessionError, match="was closed"):
        session.clear_history()
