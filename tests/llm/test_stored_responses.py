"""OpenAI's stored answers: only what is new is sent, and everything again as soon as that is not certainly the same."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from flux.core.config import Settings
from flux.core.errors import RequestRejected
from flux.core.messages import Message, Text, ToolCall, ToolResult, user_message
from flux.core.secret import Secret
from flux.llm.base_provider import BaseLLMProvider, ModelRequest
from flux.llm.provider_factory import create_provider
from tests.support.fault_server import FaultServer, fault_server

HELLO, MORE = user_message("Hello?"), user_message("And now?")


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    async with fault_server() as running:
        yield running


def provider(server: FaultServer, name: str = "openai", *, is_stored: bool = True) -> BaseLLMProvider:
    path = "" if name == "anthropic" else "/v1"
    return create_provider(
        Settings(provider=name, base_url=f"{server.base_url}{path}", api_key=Secret("key"), stored_responses=is_stored)
    )


async def say(made: BaseLLMProvider, *messages: Message, model: str = "ok") -> Message:
    answer = await made.complete(ModelRequest(model, messages, system="Be brief."))
    assert answer.content == "Hello wörld"
    return answer.message()


def sent(server: FaultServer, number: int = -1) -> tuple[object, object, int]:
    """Whether it is to be stored, what it goes on from, and how many items it has."""
    body = server.received[number].json
    items = body["input"]
    assert isinstance(items, list)
    assert body["instructions"] == "Be brief."  # these are not part of what is stored
    return body["store"], body.get("previous_response_id"), len(items)


async def test_only_what_is_new_is_sent_after_a_stored_answer(server: FaultServer) -> None:
    made = provider(server)
    first = await say(made, HELLO)
    second = await say(made, HELLO, first, MORE)
    await say(made, HELLO, first, MORE, second, HELLO)
    assert [sent(server, n) for n in range(3)] == [(True, None, 1), (True, "resp_1", 1), (True, "resp_2", 1)]
    await made.close()


async def test_results_of_calls_go_on_from_the_answer_that_called(server: FaultServer) -> None:
    made = provider(server)
    first = await say(made, HELLO)
    called = Message("assistant", (*first.parts, ToolCall("c1", "look", "{}"), ToolCall("c2", "look", "{}")))
    await say(made, HELLO, called, Message("tool", (ToolResult("c1", "look", "Nothing."),)))
    store, previous, _ = sent(server)
    assert (store, previous) == (True, "resp_1")
    items = server.received[-1].json["input"]
    assert isinstance(items, list)
    assert [(item["type"], item["call_id"]) for item in items] == [
        ("function_call_output", "c1"),
        ("function_call_output", "c2"),  # which every call has, also one that was interrupted
    ]
    await made.close()


async def test_another_past_is_sent_as_a_whole(server: FaultServer) -> None:
    made = provider(server)
    first = await say(made, HELLO)
    await say(made, user_message("Something else."), first, MORE)
    assert sent(server) == (True, None, 3)
    await made.close()


@pytest.mark.parametrize("name", ["openai", "anthropic", "compatible"])
async def test_without_the_setting_or_elsewhere_nothing_of_it_is_sent(server: FaultServer, name: str) -> None:
    made = provider(server)
    first = await say(made, HELLO)
    await made.close()
    other = provider(server, name, is_stored=False)
    await say(other, HELLO, first, MORE)
    body = server.received[-1].body
    assert b"resp_1" not in body
    assert b'"store":false' in body or name != "openai"
    await other.close()


async def test_an_answer_that_is_stored_no_longer_is_replayed(server: FaultServer) -> None:
    made = provider(server)
    first = await say(made, HELLO, model="forgets")
    await say(made, HELLO, first, MORE, model="forgets")
    assert [sent(server, n) for n in range(3)] == [(True, None, 1), (True, "resp_1", 1), (True, None, 3)]
    await made.close()


async def test_another_refusal_is_told_and_not_tried_again(server: FaultServer) -> None:
    made = provider(server)
    with pytest.raises(RequestRejected):
        await say(made, HELLO, model="bad_request")
    assert len(server.received) == 1
    await made.close()


async def test_a_server_that_stores_nothing_gets_everything_each_time(server: FaultServer) -> None:
    made = provider(server)
    answer = Message("assistant", (Text("Hello wörld"),))
    await say(made, HELLO, answer, MORE)
    assert sent(server) == (True, None, 3)
    await made.close()
