"""`flux.llm` as other programs use it: names, plain messages, options, answers, abilities."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing

import pytest

import flux.llm
from flux.core.config import Settings
from flux.core.errors import ConfigError, ModelNotFound
from flux.llm import (
    BaseLLMProvider,
    Delta,
    Finished,
    Image,
    Message,
    ModelRequest,
    Response,
    Text,
    TextDelta,
    ToolCall,
    ToolResult,
    ToolSpec,
    create_provider,
    register_provider,
    supported_providers,
    user_message,
)
from flux.llm.plain_messages import PlainMessages, read_messages
from flux.llm.scripted_provider import ScriptedProvider, Step
from tests.support.fault_server import FaultServer, fault_server

WEATHER = ToolSpec("weather", "The weather of a town.", {"type": "object", "properties": {"town": {"type": "string"}}})


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    async with fault_server() as running:
        yield running


def check_request(asked: PlainMessages | ModelRequest, options: Mapping[str, object], request: ModelRequest) -> None:
    """What a provider is given for what a program says."""
    provider = ScriptedProvider([])
    provider.defaults = flux.llm.create_provider({"provider": "demo", "max_tokens": 500}).defaults
    assert provider._request(asked, options) == request  # type: ignore[arg-type]


def test_what_a_program_leaves_out_is_as_the_settings_have_it() -> None:
    check_request("hello", {}, ModelRequest("demo", (user_message("hello"),), max_output_tokens=500))


def test_what_a_program_says_wins_over_the_settings_and_over_a_request() -> None:
    said = {"model": "m", "tools": [WEATHER], "tool_choice": "required", "temperature": 0.5, "max_tokens": 9}
    wanted = ModelRequest(
        "m", (user_message("x"),), tools=(WEATHER,), tool_choice="required", temperature=0.5, max_output_tokens=9
    )
    check_request("x", said, wanted)
    check_request(ModelRequest("other", (user_message("x"),), max_output_tokens=7), said, wanted)


def test_a_conversation_may_be_written_as_mappings() -> None:
    given = [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image", "media_type": "image/png", "data": "AA=="},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "name": "look", "arguments": {"at": 1}},
                {"id": "c2", "type": "function", "function": {"name": "hear", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "a cat"},
        {"role": "tool", "tool_call_id": "c2", "name": "hear", "content": "no", "is_error": True},
        Message("assistant", (Text("A cat."),)),
    ]
    assert read_messages(given) == (
        "Be brief.",
        (
            Message("user", (Text("What is this?"), Image("image/png", "AA=="))),
            Message("assistant", (ToolCall("c1", "look", '{"at": 1}'), ToolCall("c2", "hear", "{}"))),
            Message("tool", (ToolResult("c1", "look", "a cat"), ToolResult("c2", "hear", "no", is_error=True))),
            Message("assistant", (Text("A cat."),)),
        ),
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"role": "owl", "content": "hu"}, "not 'owl'"),
        ({"role": "user", "content": "a", "name": "me"}, "has no name"),
        ({"role": "user", "content": [{"type": "audio"}]}, "a text or an image, not"),
        ({"role": "user", "content": 7}, "a list of objects: 7"),
        ({"role": "assistant", "tool_calls": [{"id": "c1"}]}, "its id and its name"),
        ({"role": "tool", "content": "a"}, "needs the tool_call_id"),
        ({"role": "system", "content": [{"type": "image", "media_type": "a", "data": "b"}]}, "Only a user's"),
    ],
)
def test_what_is_no_message_is_refused(given: Mapping[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_messages([given])


async def test_an_answer_has_all_that_is_known_of_it_and_its_bytes_where_they_are_asked_for(
    server: FaultServer,
) -> None:
    config = {"provider": "anthropic", "base_url": server.base_url, "api_key": "k" * 20, "model": "ok"}
    async with create_provider(config) as provider:
        plain = await provider.complete("Hello?")
        kept = await provider.complete([{"role": "user", "content": "Hello?"}], keep_raw=True)
    assert (plain.content, plain.model, plain.input_tokens, plain.output_tokens, plain.total_tokens) == (
        "Hello wörld",
        "g",
        1000,
        7,
        1007,
    )
    assert (plain.finish_reason, plain.has_tool_calls, plain.tool_calls, plain.raw) == ("stop", False, (), b"")
    assert plain.metadata == {
        "request_id": "req_123",
        "cache_read_tokens": 900,
        "cache_write_tokens": 90,
        "reasoning_tokens": 0,
    }
    assert kept.raw.startswith(b"event: message_start")
    assert "message_stop" in kept.raw.decode()


async def test_a_call_of_a_tool_has_its_id_its_name_and_its_arguments() -> None:
    provider = ScriptedProvider([Step(tool_calls=(ToolCall("c1", "weather", '{"town": "Rome"}'),))])
    answer = await provider.complete("And in Rome?", model="scripted", tools=[WEATHER])
    assert answer.finish_reason == "tool_calls"
    assert answer.has_tool_calls
    assert [(call.id, call.name, call.arguments()) for call in answer.tool_calls] == [
        ("c1", "weather", {"town": "Rome"})
    ]


async def test_deltas_come_one_by_one() -> None:
    texts: list[str] = []
    async with create_provider({}, "demo") as provider, aclosing(provider.stream("Hello")) as deltas:
        async for delta in deltas:
            if isinstance(delta, TextDelta):
                texts.append(delta.text)
    assert len(texts) > 1


def test_a_mapping_that_is_no_configuration_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"modle in .* Did you mean model"):
        create_provider({"provider": "demo", "modle": "x"})
    with pytest.raises(ConfigError, match="max_tokens"):
        create_provider({"provider": "demo", "max_tokens": "many"})


def test_abilities_are_those_of_the_model_and_unknown_is_not_no() -> None:
    provider = create_provider({"provider": "anthropic", "api_key": "k" * 20, "model": "claude-sonnet-5-5"})
    abilities = (
        provider.supports_tools(),
        provider.supports_thinking(),
        provider.supports_images(),
        provider.supports_code_execution(),
    )
    assert abilities == (True, True, True, None)
    assert provider.supports_tools("nobody-knows-1") is None
    assert provider.supports_images("nobody-knows-1") is None


class Parrot(BaseLLMProvider):
    name = "parrot"

    async def deltas(self, request: ModelRequest) -> AsyncGenerator[Delta]:
        yield TextDelta(request.messages[-1].text())
        yield Finished("stop")


async def test_a_program_registers_its_own_provider_and_uses_it_by_name() -> None:
    register_provider("Parrot", lambda _settings: Parrot())
    assert "parrot" in supported_providers()
    provider = create_provider({"provider": "parrot", "model": "any"})
    assert await provider.complete("polly") == Response((Text("polly"),))
    with pytest.raises(ModelNotFound, match="needs a model's name"):
        await create_provider(Settings(provider="parrot")).complete("polly")
    with pytest.raises(ConfigError, match="'anthropic' cannot be the name"):
        register_provider("anthropic", lambda _settings: Parrot())


def test_every_name_that_is_promised_can_be_imported() -> None:
    for name in flux.llm.__all__:
        assert getattr(flux.llm, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = flux.llm.nothing


def test_importing_the_library_or_the_server_imports_no_more_than_it_needs() -> None:
    program = (
        "import sys, flux.llm\n"
        "print(*sorted(name for name in sys.modules if name.startswith('flux.')))\n"
        "import flux.lsp.server\n"
        "print(*sorted({'anthropic', 'openai', 'httpx2', 'flux.llm.transport', 'flux.llm.blocking'} "
        "& set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.splitlines() == ["flux.llm", ""]
