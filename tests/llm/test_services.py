"""Each service by its name: the address, the path, the headers and the body as its documentation has them.

Settings as they are loaded, the real SDKs, and a raw server on the loopback that keeps what arrives.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flux.core.config import Settings, UserFolders, load_settings
from flux.core.errors import ConfigError
from flux.core.messages import Message, Reasoning, Text, ToolCall, ToolResult, ToolSpec, assistant_message, user_message
from flux.llm.base_provider import ModelRequest
from flux.llm.endpoints import ENDPOINTS
from flux.llm.provider_factory import BUILTINS, choose_model, create_provider, supported_providers
from flux.llm.transport import Where
from tests.support.fault_server import FaultServer, Received, fault_server

KEY = "key-of-the-service-0001"
TOOL = ToolSpec("look", "Looks.", {"type": "object", "properties": {}})


@dataclass(frozen=True)
class Row:
    """What a service documents. `address` is what people write, from the server's root; `path` is what must arrive."""

    key: str
    own_address: str
    address_variable: str
    address: str
    path: str
    limit: str
    model: str = ""
    key_header: str = "authorization"
    streams_usage: bool = True


CHAT = "/v1/chat/completions"
SERVICES = {
    "anthropic": Row(
        "ANTHROPIC_API_KEY",
        "https://api.anthropic.com",
        "ANTHROPIC_BASE_URL",
        "",
        "/v1/messages",
        "max_tokens",
        "claude-sonnet-5-5",
        streams_usage=False,
    ),
    "openai": Row(
        "OPENAI_API_KEY",
        "https://api.openai.com/v1",
        "OPENAI_BASE_URL",
        "/v1",
        "/v1/responses",
        "max_output_tokens",
        "gpt-6.1-sol",
        streams_usage=False,
    ),
    "azure": Row(
        "AZURE_OPENAI_API_KEY",
        "",
        "AZURE_OPENAI_ENDPOINT",
        "/",
        "/openai/v1/responses",
        "max_output_tokens",
        key_header="api-key",
        streams_usage=False,
    ),
    "groq": Row(
        "GROQ_API_KEY",
        "https://api.groq.com/openai/v1",
        "FLUX_BASE_URL",
        "/openai/v1",
        "/openai/v1/chat/completions",
        "max_completion_tokens",
        "openai/gpt-oss-120b",
    ),
    "openrouter": Row(
        "OPENROUTER_API_KEY",
        "https://openrouter.ai/api/v1",
        "FLUX_BASE_URL",
        "/api/v1",
        "/api/v1/chat/completions",
        "max_tokens",
        "openrouter/auto",
    ),
    "deepseek": Row(
        "DEEPSEEK_API_KEY",
        "https://api.deepseek.com",
        "FLUX_BASE_URL",
        "",
        "/chat/completions",
        "max_tokens",
        "deepseek-v4-pro",
    ),
    "litellm": Row("LITELLM_API_KEY", "http://localhost:4000/v1", "LITELLM_BASE_URL", "/v1", CHAT, "max_tokens"),
    "lm_studio": Row("FLUX_API_KEY", "http://localhost:1234/v1", "LM_STUDIO_BASE_URL", "/v1", CHAT, "max_tokens"),
    "mlx": Row("FLUX_API_KEY", "http://localhost:8080/v1", "MLX_BASE_URL", "/v1", CHAT, "max_tokens", "default_model"),
    "llama_cpp": Row("FLUX_API_KEY", "http://localhost:8080/v1", "FLUX_BASE_URL", "/v1", CHAT, "max_tokens"),
    "vllm": Row("FLUX_API_KEY", "http://localhost:8000/v1", "FLUX_BASE_URL", "/v1", CHAT, "max_tokens"),
    "compatible": Row("FLUX_API_KEY", "", "FLUX_BASE_URL", "/v1", CHAT, "max_tokens"),
}
WITHOUT_A_KEY = {"litellm", "lm_studio", "mlx", "llama_cpp", "vllm", "compatible"}


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    async with fault_server() as running:
        yield running


def load(folder: Path, **environ: str) -> Settings:
    folders = UserFolders(folder / "config", folder / "state")
    return load_settings(None, {}, environ=environ, user_folders=folders).settings


async def arrives(settings: Settings, server: FaultServer, *messages: Message) -> Received:
    """The one place that sends a request: what of it came to the server."""
    made = create_provider(settings)
    await made.complete(ModelRequest("ok", messages or (user_message("Hello?"),), tools=(TOOL,)))
    await made.close()
    return server.received[-1]


def test_every_row_is_tested() -> None:
    assert {row.name for row in ENDPOINTS} - {"ollama"} == set(SERVICES)
    assert set(supported_providers()) >= {*SERVICES, "demo", "scripted"}


@pytest.mark.parametrize("name", SERVICES)
async def test_a_request_is_as_the_service_documents_it(server: FaultServer, tmp_path: Path, name: str) -> None:
    row = SERVICES[name]
    settings = load(
        tmp_path,
        **{"FLUX_PROVIDER": name.upper(), row.key: KEY, row.address_variable: f"{server.base_url}{row.address}"},
    )
    arrived = await arrives(settings, server)
    assert arrived.path == row.path
    sent = {"authorization": f"Bearer {KEY}"} if row.key_header == "authorization" else {row.key_header: KEY}
    assert {header: value for header, value in arrived.headers.items() if KEY in value} == sent
    body = arrived.json
    assert (body["model"], body["stream"], body[row.limit]) == ("ok", True, 8192)
    assert [key for key in body if key.startswith("max_")] == [row.limit]
    assert ("stream_options" in body) == row.streams_usage
    assert body.get("store", False) is False
    assert ("previous_response_id" in body) is False


@pytest.mark.parametrize("name", SERVICES)
def test_its_own_address_and_model_are_known(tmp_path: Path, name: str) -> None:
    row, endpoint = SERVICES[name], BUILTINS[name].endpoint
    assert endpoint is not None
    settings = load(tmp_path, **{"FLUX_PROVIDER": name, row.key: KEY})
    if row.own_address:
        where = Where.of(settings, endpoint)
        assert where.base_url == row.own_address
    else:
        with pytest.raises(ConfigError, match="needs a base URL"):
            create_provider(settings)
    if row.model:
        assert choose_model(settings, name) == row.model
    elif name in WITHOUT_A_KEY:
        assert not choose_model(settings, name)  # its server is asked
    else:
        with pytest.raises(ConfigError, match="needs a model's name"):
            choose_model(settings, name)


@pytest.mark.parametrize("name", SERVICES)
async def test_a_key_is_needed_where_the_service_needs_one(server: FaultServer, tmp_path: Path, name: str) -> None:
    row = SERVICES[name]
    # Keys of all others are no key for it.
    others = {other.key: "another" for other in SERVICES.values() if other.key not in {row.key, "FLUX_API_KEY"}}
    address = {row.address_variable: f"{server.base_url}{row.address}"}
    settings = load(tmp_path, **others, **address, FLUX_PROVIDER=name)
    if name in WITHOUT_A_KEY:
        assert b"another" not in (await arrives(settings, server)).head
        return
    with pytest.raises(ConfigError, match=f"needs a key[^§]*{row.key} or FLUX_API_KEY"):
        create_provider(settings)


@pytest.mark.parametrize("written", ["", "/", "/openai", "/openai/", "/openai/v1", "/openai/v1/"])
async def test_azures_address_may_be_written_with_or_without_its_path(
    server: FaultServer, tmp_path: Path, written: str
) -> None:
    address = f"{server.base_url}{written}"
    settings = load(tmp_path, FLUX_PROVIDER="azure", AZURE_OPENAI_API_KEY=KEY, AZURE_OPENAI_ENDPOINT=address)
    assert (await arrives(settings, server)).path == "/openai/v1/responses"


@pytest.mark.parametrize(("name", "seconds"), [("openai", 120.0), ("lm_studio", 600.0), ("mlx", 1800.0)])
def test_a_local_server_is_waited_for_longer_unless_the_user_says_how_long(
    tmp_path: Path, name: str, seconds: float
) -> None:
    endpoint = BUILTINS[name].endpoint
    assert endpoint is not None
    settings = load(tmp_path, FLUX_PROVIDER=name, FLUX_API_KEY=KEY)
    assert Where.of(settings, endpoint).bounds.silence_s == seconds
    assert Where.of(settings.override({"timeout_s": 120}), endpoint).bounds.silence_s == 120


CALL = ToolCall("c1", "look", "{}")
RESULT = Message("tool", (ToolResult("c1", "look", "Nothing."),))


@pytest.mark.parametrize(
    ("thoughts", "sent"),
    [
        ((Reasoning("First look."),), "First look."),
        ((), ""),
        ((Reasoning("Another model's.", "anthropic", '{"type": "thinking"}'),), ""),
    ],
)
async def test_deepseek_gets_its_thoughts_back_with_every_call(
    server: FaultServer, tmp_path: Path, thoughts: tuple[Reasoning, ...], sent: str
) -> None:
    talk = (user_message("Look."), assistant_message(*thoughts, Text("I look."), CALL), RESULT)
    address = {"FLUX_BASE_URL": server.base_url}
    arrived = await arrives(load(tmp_path, FLUX_PROVIDER="deepseek", DEEPSEEK_API_KEY=KEY, **address), server, *talk)
    said = arrived.json["messages"]
    assert isinstance(said, list)
    assert said[1]["reasoning_content"] == sent
    arrived = await arrives(load(tmp_path, FLUX_PROVIDER="compatible", **address), server, *talk)
    assert b"reasoning_content" not in arrived.body


def test_the_page_of_what_works_with_which_provider_has_a_row_for_each() -> None:
    page = (Path(__file__).parents[2] / "docs" / "compatibility.md").read_text(encoding="utf-8")
    wires = {"anthropic": "Anthropic Messages", "responses": "Responses", "chat": "Chat Completions"}
    rows = [line.split(" | ")[:2] for line in page.splitlines() if line.startswith("| `")]
    expected = [[f"| `{one.name}`", wires.get(one.wire, "Ollama's own")] for one in ENDPOINTS]
    assert rows == expected
