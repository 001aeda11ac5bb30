"""What runs on this machine is found, and `auto` takes the first that answers: against fakes on the loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from flux.agent.session_store import SessionStore
from flux.agent.sessions import Sessions
from flux.core.config import Settings
from flux.core.errors import ConfigError, ModelNotFound
from flux.core.limits import ModelLimits
from flux.core.messages import user_message
from flux.core.secret import Secret
from flux.core.usage import Price
from flux.llm.base_provider import ModelRequest, TextDelta, Waiting
from flux.llm.local_servers import find_running
from flux.llm.provider_factory import create_provider
from flux.workspace.memory import MemoryWorkspace
from tests.llm.test_model_lists import LLAMA_CPP, LM_STUDIO, PROPS, VLLM
from tests.support.list_server import Lists, list_server
from tests.support.ollama_server import FakeModel, OllamaServer, called, ollama_server, said
from tests.support.talks import end, send

MLX = {"object": "list", "data": [{"id": "mlx-community/Qwen3-4B", "object": "model"}]}
KEY = Secret("key-of-the-test")


def free_address() -> str:
    """Where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
async def ollama() -> AsyncIterator[OllamaServer]:
    async with ollama_server(qwen=FakeModel(40_960), gemma=FakeModel(8192, ("completion",))) as running:
        yield running


@pytest.fixture
async def other() -> AsyncIterator[Lists]:
    """A server that can be any of the others."""
    async with list_server() as running:
        yield running


def settings(addresses: dict[str, str], **values: Any) -> Settings:
    """Settings in which every local server has an address of its own, nothing listening where none is given."""
    names = ("ollama", "lm_studio", "llama_cpp", "vllm", "mlx")
    tables = {name: {"base_url": addresses.get(name) or f"{free_address()}/v1"} for name in names}
    return Settings().override({"providers": tables, **values})


async def found(addresses: dict[str, str]) -> list[tuple[str, list[str]]]:
    """The one place that looks."""
    running = await find_running(settings(addresses))
    return [(server.endpoint.name, [model.name for model in server.models]) for server in running]


async def test_nothing_runs_here() -> None:
    assert await found({}) == []


async def test_each_server_is_known_by_its_own_words(ollama: OllamaServer, other: Lists) -> None:
    assert await found({"ollama": ollama.base_url}) == [("ollama", ["qwen:latest", "gemma:latest"])]
    url = f"{other.base_url}/v1"
    other.pages = {"/v1/models": MLX}
    assert await found({"mlx": url, "llama_cpp": url, "vllm": url}) == [("mlx", ["mlx-community/Qwen3-4B"])]
    other.pages = {"/v1/models": LLAMA_CPP, "/props": PROPS}
    assert await found({"mlx": url, "llama_cpp": url}) == [("llama_cpp", ["tiny.gguf"])]
    other.pages = {"/v1/models": VLLM}
    assert await found({"vllm": url, "mlx": url}) == [("vllm", ["Qwen/Qwen3-8B"])]
    other.pages = {"/api/v1/models": LM_STUDIO}
    assert await found({"lm_studio": url}) == [("lm_studio", ["qwen/qwen3.5-9b", "google/gemma-3-4b"])]


async def test_other_programs_on_the_same_ports_are_no_servers_of_models(other: Lists) -> None:
    url = f"{other.base_url}/v1"
    assert await found({"mlx": url, "vllm": url, "llama_cpp": url, "ollama": url, "lm_studio": url}) == []


async def test_one_that_does_not_answer_in_time_holds_nobody_up(ollama: OllamaServer) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}/v1"
    async with asyncio.timeout(10):
        assert await found({"vllm": url, "mlx": url, "ollama": ollama.base_url}) == [
            ("ollama", ["qwen:latest", "gemma:latest"])
        ]
    silent.close()


async def chosen(configured: Settings) -> tuple[str, str, str]:
    """The name that `auto` has then, the model that it would ask, and what it says before its first answer."""
    made = create_provider(configured, "auto")
    assert made.name == "auto"
    model = await made.default_model()
    said = ""
    async for delta in made.stream(ModelRequest(model, (user_message("Hello?"),))):
        if isinstance(delta, Waiting):
            said = delta.text
        if isinstance(delta, TextDelta):
            break
    await made.close()
    return made.name, model, said


async def test_auto_takes_a_loaded_model_of_this_machine_before_any_key(ollama: OllamaServer) -> None:
    ollama.loaded["gemma:latest"] = 8192
    ollama.answers = [said("Hi.")]
    configured = settings({"ollama": ollama.base_url}, anthropic_api_key="k")
    assert await chosen(configured) == (
        "ollama",
        "gemma:latest",
        f"Using gemma:latest of Ollama at {ollama.base_url}, which is the first that answers.",
    )


async def test_auto_takes_the_model_that_is_set_where_it_is_there(ollama: OllamaServer) -> None:
    ollama.answers = [said("Hi."), said("Hi.")]
    for wanted, model in (("gemma:latest", "gemma:latest"), ("gpt-6.1-sol", "qwen:latest")):
        assert (await chosen(settings({"ollama": ollama.base_url}, model=wanted)))[1] == model
        ollama.loaded = {}


async def name_of(configured: Settings) -> tuple[str, str]:
    made = create_provider(configured, "auto")
    model = await made.default_model()
    await made.close()
    return made.name, model


async def test_without_a_local_model_a_key_that_is_set_chooses(ollama: OllamaServer) -> None:
    ollama.models = {}
    configured = settings({"ollama": ollama.base_url}, openai_api_key="k")
    assert await name_of(configured) == ("openai", "gpt-6.1-sol")
    assert await name_of(configured.override({"model": "gpt-6-luna"})) == ("openai", "gpt-6-luna")
    assert await name_of(configured.override({"anthropic_api_key": "k"})) == ("anthropic", "claude-sonnet-5-5")


async def test_the_order_is_the_users(ollama: OllamaServer, other: Lists) -> None:
    other.pages = {"/v1/models": VLLM}
    addresses = {"ollama": ollama.base_url, "vllm": f"{other.base_url}/v1"}
    configured = settings(addresses, anthropic_api_key="k", openai_api_key="k")
    for order, name in {
        "keys local": "anthropic",
        "openai, local": "openai",
        "VLLM ollama": "vllm",
        "mlx,local": "ollama",
        "lm_studio, demo": "demo",
    }.items():
        assert (await name_of(configured.override({"auto_order": order})))[0] == name
    with pytest.raises(ConfigError, match=r"auto_order names olama.*ollama"):
        create_provider(configured.override({"auto_order": "olama"}), "auto")


async def test_where_nothing_answers_all_that_was_tried_is_named(ollama: OllamaServer) -> None:
    ollama.models = {}
    with pytest.raises(ModelNotFound) as error:
        await name_of(settings({"ollama": ollama.base_url}))
    assert str(error.value) == (
        f"auto found no provider: Ollama at {ollama.base_url} has no model; no provider's own key is set.\n"
        "Start a local server that has a model, or set a provider's key."
    )


async def test_a_general_key_and_address_are_for_no_local_server(ollama: OllamaServer) -> None:
    ollama.answers = [said("Hi.")]
    configured = settings({"ollama": ollama.base_url}, api_key=KEY, base_url=free_address(), provider="auto")
    assert (await chosen(configured))[0] == "ollama"
    assert all("authorization" not in arrived.headers for arrived in ollama.received)


# Sessions.


async def open_sessions(configured: Settings) -> tuple[Sessions, Any]:
    sessions = Sessions(configured, SessionStore(None))
    return sessions, await sessions.start(MemoryWorkspace({"a.py": "x = 1\n"}))


async def test_a_session_has_the_window_that_the_server_gives_and_says_it_in_every_request(
    ollama: OllamaServer,
) -> None:
    sessions, session = await open_sessions(
        settings({"ollama": ollama.base_url}, provider="ollama", context_window=16_384)
    )
    assert session.model.name == "qwen:latest"
    assert session.model.limits == ModelLimits(16_384, 16_384, 8192)
    assert session.model.price == Price(0, 0, 0, 0)
    ollama.answers = [called("I look.", ("read_file", {"path": "a.py"})), said("It is 1.")]
    assert end(await send(session, "What is x?")).status == "completed"
    assert [chat["options"]["num_ctx"] for chat in ollama.chats] == [16_384, 16_384]
    assert [model.name for model in await sessions.models()] == ["qwen:latest", "gemma:latest"]
    assert (await sessions.choose_model("gem", session)).model == "gemma:latest"
    assert session.model.limits.total_tokens == 8192
    await sessions.close()


async def test_a_long_talk_with_a_small_window_is_pruned_and_never_shortened_by_the_server(
    ollama: OllamaServer,
) -> None:
    """The fake refuses what does not fit, and would shorten it in silence were it not told not to."""
    sessions, session = await open_sessions(settings({"ollama": ollama.base_url}, provider="ollama", model="gemma"))
    ollama.answers = [said("Yes.") for _ in range(8)]
    for n in range(8):
        assert end(await send(session, f"{n}. " + "def area(r):\n    return 3 * r\n" * 80)).status == "completed"
    assert {chat["options"]["num_ctx"] for chat in ollama.chats} == {8192}
    await sessions.close()


async def test_a_server_that_cannot_be_asked_gets_a_cautious_window() -> None:
    sessions, session = await open_sessions(settings({}, provider="ollama", model="qwen", attempts=1))
    assert session.model.limits.total_tokens == 8192
    assert session.model.price is None
    ended = end(await send(session, "Hi"))
    assert ended.error_kind == "ConnectionFailed"
    await sessions.close()


async def test_without_any_model_the_user_is_told_what_to_do(ollama: OllamaServer) -> None:
    ollama.models = {}
    with pytest.raises(ModelNotFound) as error:
        await open_sessions(settings({"ollama": ollama.base_url}, provider="ollama"))
    assert "flux models pull NAME" in error.value.hint


async def test_a_session_on_auto_tells_which_provider_it_is(ollama: OllamaServer) -> None:
    sessions, session = await open_sessions(settings({"ollama": ollama.base_url}, provider="auto"))
    assert (sessions.provider.name, session.model.name) == ("ollama", "qwen:latest")
    ollama.answers = [said("Hi."), said("Ho.")]
    first, second = await send(session, "Hi"), await send(session, "Ho")
    notices = [event.text for event in (*first, *second) if event.type == "notice"]
    assert notices == [f"Using qwen:latest of Ollama at {ollama.base_url}, which is the first that answers."]
    await sessions.close()
