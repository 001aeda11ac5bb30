"""Flux against other people's servers: LiteLLM's proxy in front of aimock, llama.cpp and mlx_lm on tiny models.

The tiny models are random: what they say has no meaning, so the tests ask how it comes, and not what it says.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from flux.agent.session_store import SessionStore
from flux.agent.sessions import Sessions
from flux.core.config import Settings
from flux.core.errors import ContextWindowExceeded
from flux.core.messages import Message, Text, ToolCall, ToolResult, ToolSpec, assistant_message, user_message
from flux.core.secret import Secret
from flux.llm.base_provider import BaseLLMProvider, ModelRequest
from flux.llm.local_servers import find_running
from flux.llm.provider_factory import create_provider
from flux.workspace.memory import MemoryWorkspace
from tests.support.talks import end, open_session, send
from tests.wire.aimock import aimock
from tests.wire.servers import HERE, free_port, python_of, serving

pytestmark = pytest.mark.editor

LOOK = ToolSpec("look", "Looks at a file.", {"type": "object", "properties": {"path": {"type": "string"}}})
CALL = ToolCall("c1", "look", '{"path": "a.py"}')
TALK = (
    user_message("Look at a.py."),
    assistant_message(Text("I look."), CALL),
    Message("tool", (ToolResult("c1", "look", "x = 1\n"),)),
    user_message("And?"),
)
FILES = {"a.py": "def area(r):\r\n    return 3 * r\r\n"}


def provider(name: str, base_url: str, *, key: str = "", tools: str = "") -> BaseLLMProvider:
    """One attempt: a gateway that is told of a rate limit has its users wait a minute."""
    secret = Secret(key) if key else None
    settings = Settings(provider=name, base_url=base_url, api_key=secret, tools=tools, timeout_s=60, attempts=1)
    return create_provider(settings)


def script(name: str, folder: Path, *arguments: str) -> None:
    """Runs one of this folder's scripts in the environment of a server."""
    command = [python_of(name), str(HERE / arguments[0]), *arguments[1:]]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=100)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("llama"), free_port()
    script("llama", folder, "tiny_gguf.py", "tiny.gguf")
    command = [python_of("llama"), str(HERE / "llama_server.py"), str(folder / "tiny.gguf"), str(port)]
    with serving(command, f"http://127.0.0.1:{port}/health", folder / "log"):
        yield f"http://127.0.0.1:{port}/v1"


@pytest.fixture(scope="module")
def mlx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("mlx"), free_port()
    script("mlx", folder, "tiny_mlx.py", "tiny")
    command = [python_of("mlx"), "-m", "mlx_lm", "server", "--model", str(folder / "tiny"), "--port", str(port)]
    (folder / "hub").mkdir()  # it lists what is there, and fails where there is no such folder
    offline = {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(folder / "hub")}
    with serving(command, f"http://127.0.0.1:{port}/v1/models", folder / "log", offline, within_s=100):
        yield f"http://127.0.0.1:{port}/v1"


@pytest.fixture(scope="module")
def litellm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("litellm"), free_port()
    program = str(Path(python_of("litellm")).parent / "litellm")
    command = [program, "--config", str(HERE / "litellm.yaml"), "--host", "127.0.0.1", "--port", str(port)]
    with aimock() as address:
        environ = {
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "AIMOCK_URL": address,
            "AIMOCK_OPENAI_URL": f"{address}/v1",
        }
        with serving(command, f"http://127.0.0.1:{port}/health/liveliness", folder / "log", environ, within_s=100):
            yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("is_streamed", [True, False])
@pytest.mark.parametrize("tools", ["native", "text"])
async def test_llama_cpp_answers_a_conversation_with_tools(llama: str, tools: str, is_streamed: bool) -> None:
    made = provider("llama_cpp", llama, tools=tools)
    answer = await made.complete(
        ModelRequest("tiny", TALK, "Be brief.", (LOOK,), max_output_tokens=12, is_streamed=is_streamed)
    )
    assert answer.finish_reason in {"length", "stop"}
    assert answer.usage.input_tokens > 100
    assert 0 < answer.usage.output_tokens <= 12
    await made.close()


async def test_llama_cpp_keeps_the_beginning_of_a_conversation(llama: str) -> None:
    made = provider("llama_cpp", llama)
    for more in ("Yes.", "No."):
        request = ModelRequest("tiny", (*TALK[:-1], user_message(more)), "Be brief." * 20, max_output_tokens=4)
        usage = (await made.complete(request)).usage
    assert usage.cache_read_tokens > 100
    await made.close()


async def test_llama_cpp_tells_its_window_which_bounds_the_session(llama: str) -> None:
    sessions = Sessions(Settings(provider="llama_cpp", base_url=llama, max_tokens=4), SessionStore(None))
    session = await sessions.start(MemoryWorkspace(FILES))
    assert session.model.limits.total_tokens == 8192
    assert "tiny.gguf" in session.model.name
    assert end(await send(session, "Hello?")).status == "completed"
    await sessions.close()


async def test_llama_cpp_refuses_what_does_not_fit_and_the_error_says_so(llama: str) -> None:
    made = provider("llama_cpp", llama)
    with pytest.raises(ContextWindowExceeded):
        await made.complete(ModelRequest("tiny", (user_message("word " * 20_000),)))
    await made.close()


async def test_llama_cpp_and_mlx_are_found_on_this_machine(llama: str, mlx: str) -> None:
    configured = Settings().override({"providers": {"llama_cpp": {"base_url": llama}, "mlx": {"base_url": mlx}}})
    running = await find_running(configured, within_s=20)
    assert [server.endpoint.name for server in running if server.base_url in {llama, mlx}] == ["llama_cpp", "mlx"]


@pytest.mark.parametrize("is_streamed", [True, False])
@pytest.mark.parametrize("tools", ["native", "text"])
async def test_mlx_answers_a_conversation_with_tools(mlx: str, tools: str, is_streamed: bool) -> None:
    """Its template knows no roles of tools: as text the results reach the model all the same."""
    made = provider("mlx", mlx, tools=tools)
    answer = await made.complete(
        ModelRequest("default_model", TALK, "Be brief.", (LOOK,), max_output_tokens=12, is_streamed=is_streamed)
    )
    assert answer.finish_reason in {"length", "stop"}
    assert answer.usage.input_tokens > 50
    await made.close()


@pytest.mark.parametrize("name", ["anthropic", "openai", "litellm"])
@pytest.mark.parametrize("model", ["by-openai", "by-anthropic"])
async def test_three_turns_through_a_litellm_proxy_end_in_edits(litellm: str, name: str, model: str) -> None:
    """Each of Flux's three wires, to each of two that the proxy speaks on its other side."""
    workspace = MemoryWorkspace(FILES)
    made = provider(name, litellm if name == "anthropic" else f"{litellm}/v1", key="sk-key-of-the-test")
    session = open_session(workspace, made)
    session.go_on_with(made, replace(session.model, name=model))
    events = await send(session, "T:loop Correct the area.")
    assert end(events).status == "completed", end(events).error
    text = (await workspace.read(workspace.path("a.py"))).text
    assert text == "def area(r):\r\n    return 3.14159 * r**2  # 😋 ünd «so»\r\n"
    failed = end(await send(session, "T:429"))
    assert failed.status == "failed"
    await made.close()


async def test_the_proxy_lists_its_models(litellm: str) -> None:
    made = provider("litellm", f"{litellm}/v1", key="sk-key-of-the-test")
    assert [model.name for model in await made.models()] == ["by-openai", "by-anthropic"]
    await made.close()
