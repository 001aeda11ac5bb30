"""What servers say of their models: their lists as they are documented or were seen, and the provider that asks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux.core.config import Settings
from flux.core.errors import ProviderError
from flux.core.secret import Secret
from flux.llm.base_provider import BaseLLMProvider, ServedModel
from flux.llm.provider_factory import create_provider
from flux.llm.wire.model_lists import read_lm_studio, read_models, read_props
from flux.llm.wire.ollama_models import PullReader, read_card, read_list, read_loaded
from tests.support.list_server import Lists, list_server

LLAMA_CPP = {
    "models": [{"name": "tiny.gguf", "capabilities": ["completion"]}],
    "object": "list",
    "data": [
        {
            "id": "tiny.gguf",
            "object": "model",
            "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]},
            "owned_by": "llamacpp",
            "meta": {"n_ctx": 4096, "n_ctx_train": 32768, "size": 479488},
        }
    ],
}
PROPS = {
    "default_generation_settings": {"n_ctx": 4096, "params": {}},
    "modalities": {"vision": False, "audio": False},
    "chat_template_caps": {"supports_tools": True, "supports_tool_calls": True},
}
"""Of llama.cpp's server of 2026-10, on a tiny model."""
VLLM = {"object": "list", "data": [{"id": "Qwen/Qwen3-8B", "owned_by": "vllm", "max_model_len": 40960}]}
OPENROUTER = {
    "data": [
        {
            "id": "qwen/qwen3-coder",
            "context_length": 262144,
            "architecture": {"input_modalities": ["text", "image"]},
            "supported_parameters": ["tools", "temperature"],
        },
        {"id": "google/gemma-2-9b-it", "context_length": 8192, "supported_parameters": ["temperature"]},
    ]
}
LM_STUDIO = {
    "models": [
        {
            "type": "llm",
            "key": "google/gemma-3-4b",
            "size_bytes": 3034755901,
            "loaded_instances": [],
            "max_context_length": 131072,
            "capabilities": {"vision": True, "trained_for_tool_use": False},
        },
        {
            "type": "llm",
            "key": "qwen/qwen3.5-9b",
            "size_bytes": 6548927017,
            "loaded_instances": [{"id": "qwen/qwen3.5-9b", "config": {"context_length": 4096}}],
            "max_context_length": 262144,
            "capabilities": {"vision": False, "trained_for_tool_use": True},
        },
        {"type": "embedding", "key": "text-embedding-nomic", "loaded_instances": []},
    ]
}
LM_STUDIO_BEFORE = {
    "object": "list",
    "data": [
        {
            "id": "qwen2.5-7b",
            "type": "llm",
            "state": "loaded",
            "max_context_length": 32768,
            "loaded_context_length": 16384,
            "capabilities": ["tool_use"],
        },
        {"id": "qwen2-vl-7b", "type": "vlm", "state": "not-loaded", "max_context_length": 32768, "capabilities": []},
        {"id": "nomic", "type": "embeddings", "state": "not-loaded"},
    ],
}
GEMMA = ServedModel("google/gemma-3-4b", None, False, True, None, False, True, 3034755901)
QWEN = ServedModel("qwen/qwen3.5-9b", 4096, True, False, None, True, True, 6548927017)


@pytest.fixture
async def server() -> AsyncIterator[Lists]:
    async with list_server() as running:
        yield running


def provider(server: Lists, name: str, key: str = "") -> BaseLLMProvider:
    secret = Secret(key) if key else None
    return create_provider(Settings(provider=name, base_url=f"{server.base_url}/v1", api_key=secret))


async def check(server: Lists, name: str, pages: Mapping[str, object], *models: ServedModel) -> None:
    """What the provider lists and, looked up one by one, says."""
    server.pages = dict(pages)
    made = provider(server, name)
    assert list(await made.models()) == list(models)
    await made.close()


async def test_llama_cpp_tells_its_window_and_what_its_template_takes(server: Lists) -> None:
    listed = ServedModel("tiny.gguf", 4096, None, False, None, None, True, 479488, "llamacpp")
    await check(server, "compatible", {"/v1/models": LLAMA_CPP, "/props": PROPS}, listed)
    made = provider(server, "compatible")
    assert await made.look_up("any") == ServedModel("any", 4096, True, False, None, True, True, 479488, "llamacpp")
    await made.close()


async def test_vllm_tells_its_window(server: Lists) -> None:
    model = ServedModel("Qwen/Qwen3-8B", 40960, runs_here=True, owner="vllm")
    await check(server, "compatible", {"/v1/models": VLLM}, model)
    made = provider(server, "compatible")
    assert await made.look_up("Qwen/Qwen3-8B") == model
    assert await made.look_up("other") is None
    await made.close()


def test_openrouter_tells_which_models_take_tools() -> None:
    assert read_models(OPENROUTER, runs_here=False) == [
        ServedModel("qwen/qwen3-coder", 262144, True, True, False),
        ServedModel("google/gemma-2-9b-it", 8192, False, thinks=False),
    ]


async def test_lm_studio_tells_which_models_are_loaded_and_which_take_tools(server: Lists) -> None:
    await check(server, "lm_studio", {"/api/v1/models": LM_STUDIO}, QWEN, GEMMA)
    made = provider(server, "lm_studio", key="key-of-the-test")
    assert await made.look_up("google/gemma-3-4b") == GEMMA
    assert server.received[-1].headers["authorization"] == "Bearer key-of-the-test"
    await made.close()


async def test_an_older_lm_studio_has_another_list(server: Lists) -> None:
    await check(
        server,
        "lm_studio",
        {"/api/v0/models": LM_STUDIO_BEFORE},
        ServedModel("qwen2.5-7b", 16384, True, False, None, True, True),
        ServedModel("qwen2-vl-7b", None, False, True, None, False, True),
    )


async def test_a_server_without_a_list_is_an_error_that_says_where(server: Lists) -> None:
    made = provider(server, "lm_studio")
    with pytest.raises(ProviderError, match=r"127\.0\.0\.1.*Unexpected endpoint"):
        await made.models()
    server.pages = {"/api/v1/models": [1]}
    with pytest.raises(ProviderError, match="not what was asked for"):
        await made.models()
    await made.close()


_KEYS = st.sampled_from(
    [
        "data",
        "models",
        "id",
        "key",
        "name",
        "type",
        "meta",
        "n_ctx",
        "capabilities",
        "loaded_instances",
        "config",
        "context_length",
        "supported_parameters",
        "model_info",
        "parameters",
        "general.architecture",
        "status",
        "digest",
    ]
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["llm", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=15,
)


@given(found=st.dictionaries(_KEYS, _JSON, max_size=4))
def test_json_of_any_shape_is_no_fault(found: dict[str, object]) -> None:
    model = ServedModel("m")
    read_props(found, model)
    read_models(found, runs_here=True)
    read_lm_studio(found, runs_here=True)
    read_card(found)
    read_list(found, read_loaded(found))
    PullReader().read(found)
