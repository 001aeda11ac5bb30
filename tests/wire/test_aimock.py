"""Whole turns through a session and the real SDKs against aimock, another project's server for the three wires."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import aclosing

import pytest

from flux.agent.approval import ApproveAll
from flux.agent.events import ReasoningStreamed, TextStreamed, ToolAnswered, TurnEnded, TurnEvent
from flux.agent.session import Session
from flux.core.config import Settings
from flux.core.messages import Reasoning
from flux.core.secret import Secret
from flux.llm.base_provider import BaseLLMProvider
from flux.llm.provider_factory import create_provider
from flux.workspace.memory import MemoryWorkspace
from tests.support.talks import end, open_session, send
from tests.wire.aimock import aimock

pytestmark = pytest.mark.editor

PROVIDERS = ("anthropic", "openai", "compatible")
FILES = {"a.py": "def area(r):\r\n    return 3 * r\r\n"}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with aimock() as running:
        yield running


def provider(name: str, address: str) -> BaseLLMProvider:
    base_url = address if name == "anthropic" else f"{address}/v1"
    secret = Secret("key-of-the-test")
    return create_provider(Settings(provider=name, base_url=base_url, api_key=secret, timeout_s=10, attempts=1))


def said(events: list[TurnEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextStreamed))


async def text_of(workspace: MemoryWorkspace, name: str) -> str:
    return (await workspace.read(workspace.path(name))).text


@pytest.mark.parametrize("name", PROVIDERS)
async def test_three_turns_of_tool_calls_end_in_edits(address: str, name: str) -> None:
    workspace = MemoryWorkspace(FILES)
    made = provider(name, address)
    session = open_session(workspace, made)

    events = await send(session, "T:loop Correct the area.")
    assert said(events) == "I will read it.The formula is wrong.It is an area now 😋."
    assert end(events).status == "completed"
    answers = [(event.call_id, event.name, event.is_error) for event in events if isinstance(event, ToolAnswered)]
    # Looking comes before changing, in whatever order the model calls.
    assert sorted(answers) == [
        ("call_1a", "read_file", False),
        ("call_1b", "edit_file", False),
        ("call_1c", "search", False),
    ]
    assert await text_of(workspace, "a.py") == "def area(r):\r\n    return 3.14159 * r**2  # 😋 ünd «so»\r\n"
    thoughts = "".join(event.text for event in events if isinstance(event, ReasoningStreamed))
    assert thoughts == "First look, then edit."

    events = await send(session, "T:write a file.")
    assert (said(events), await text_of(workspace, "b.py")) == ("Written.", "b = 1\n")

    events = await send(session, "T:wrong and then right.")
    wrong, right = (event for event in events if isinstance(event, ToolAnswered))
    assert (wrong.is_error, right.is_error, said(events)) == (True, False, "Corrected.")
    assert await text_of(workspace, "b.py") == "b = 2\n"
    await made.close()


async def test_signed_thoughts_are_kept_for_anthropic(address: str) -> None:
    made = provider("anthropic", address)
    session = open_session(MemoryWorkspace(FILES), made)
    await send(session, "T:loop")
    thoughts = [part for message in session.history() for part in message.parts if isinstance(part, Reasoning)]
    assert thoughts == [
        Reasoning("First look, then edit.", "anthropic", json.dumps({"type": "thinking", "signature": "sig-abc"}))
    ]
    await made.close()


@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_session_goes_on_with_another_provider(address: str, name: str) -> None:
    first, second = provider("anthropic", address), provider(name, address)
    session = open_session(MemoryWorkspace(FILES), first)
    assert end(await send(session, "T:loop")).status == "completed"
    session.go_on_with(second, session.model)
    assert said(await send(session, "T:write")) == "Written."
    await first.close()
    await second.close()


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("T:401", "AuthenticationFailed", "invalid x-api-key"),
        ("T:429", "RateLimited", "try again in 7 s"),
        ("T:529", "Overloaded", "Overloaded"),
        ("T:context", "ContextWindowExceeded", "prompt is too long"),
        ("T:malformed", "StreamBroken", "not JSON"),
        ("T:cut", "StreamBroken", "broke before the answer was complete"),
    ],
)
async def test_a_failed_turn_says_why_and_the_session_goes_on(
    address: str, name: str, text: str, kind: str, words: str
) -> None:
    made = provider(name, address)
    session = open_session(MemoryWorkspace(FILES), made)
    events = await send(session, text)
    ended = end(events)
    assert (ended.status, ended.error_kind) == ("failed", kind)
    assert words in ended.error
    assert said(events).startswith("one two" if text == "T:cut" else "")
    assert said(await send(session, "T:more")) == "Here is more."
    await made.close()


@pytest.mark.parametrize("name", PROVIDERS)
async def test_an_answer_that_is_cut_short_by_its_length_is_a_notice(address: str, name: str) -> None:
    made = provider(name, address)
    events = await send(open_session(MemoryWorkspace(FILES), made), "T:length")
    assert said(events) == "cut off he"
    assert [event.text for event in events if event.type == "notice"] == [
        "The answer reached the limit of 8192 tokens (max_tokens); a message such as “go on” continues it."
    ]
    await made.close()


@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_slow_answer_streams_and_can_be_cancelled(address: str, name: str) -> None:
    """It would take seven seconds."""
    made = provider(name, address)
    session = open_session(MemoryWorkspace(FILES), made)
    async with asyncio.timeout(5):
        events = await _cancel_at_first_word(session)
    assert end(events).status == "cancelled"
    assert 0 < len(said(events)) < 72
    assert said(await send(session, "T:more")) == "Here is more."
    await made.close()


async def _cancel_at_first_word(session: Session) -> list[TurnEvent]:
    events: list[TurnEvent] = []
    async with aclosing(session.send_message("T:slow", approver=ApproveAll())) as stream:
        async for event in stream:
            events.append(event)
            if isinstance(event, TextStreamed):
                session.cancel()
    assert isinstance(events[-1], TurnEnded)
    return events


def test_aimock_is_the_one_that_answers(address: str) -> None:
    """The control: what the fixtures do not have is refused, so nothing here passes by itself."""
    body = json.dumps({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "T:unknown"}]}).encode()
    request = urllib.request.Request(f"{address}/v1/messages", body, {"content-type": "application/json"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=5)
    assert refused.value.code in {404, 503}
