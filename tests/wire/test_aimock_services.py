"""Each service by its name against aimock, another project's server: it takes path and body as it knows them of the
services themselves, and its answer is understood.

What arrived is what aimock's own journal has of it, in its neutral form and with keys blacked out; the keys themselves
and every field are held in `tests/llm/test_services.py`. Of Ollama aimock has the chat and not `/api/show`, without
which no window can be said: that is answered by our fake after its documentation, which passes the chat on.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flux.core.errors import RateLimited
from flux.core.messages import user_message
from flux.llm.base_provider import ModelRequest, Response
from flux.llm.provider_factory import create_provider
from tests.llm.test_services import KEY, SERVICES, TOOL, load
from tests.support.ollama_server import FakeModel, ollama_server
from tests.wire.aimock import aimock

pytestmark = pytest.mark.editor


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with aimock() as running:
        yield running


def journal(address: str, path: str) -> dict[str, Any]:
    """The last request that aimock answered with 200 at this very path."""
    with urllib.request.urlopen(f"{address}/__aimock/journal?method=POST&status=200", timeout=5) as found:
        entries = json.load(found)
    return next(entry for entry in reversed(entries) if entry["path"] == path)


@pytest.mark.parametrize("name", SERVICES)
async def test_aimock_takes_a_request_as_the_service_documents_it(address: str, tmp_path: Path, name: str) -> None:
    row = SERVICES[name]
    settings = load(
        tmp_path,
        **{
            "FLUX_PROVIDER": name,
            row.key: KEY,
            row.address_variable: f"{address}{row.address}",
            "FLUX_ATTEMPTS": "1",
            "FLUX_TIMEOUT_S": "10",
        },
    )
    provider = create_provider(settings)
    answer = await provider.complete(ModelRequest("m", (user_message("T:more"),), system="Be brief.", tools=(TOOL,)))
    await provider.close()
    assert (answer.content, answer.finish_reason) == ("Here is more.", "stop")

    entry = journal(address, row.path)
    headers, body = entry["headers"], entry["body"]
    assert {header for header, value in headers.items() if value == "[REDACTED]"} == {row.key_header}
    assert "anthropic-version" in headers if name == "anthropic" else "anthropic-version" not in headers
    assert (body["model"], body["stream"]) == ("m", True)
    assert body.get("max_completion_tokens", body.get("max_tokens")) == 8192
    assert [(said["role"], said["content"]) for said in body["messages"]] == [
        ("system", "Be brief."),
        ("user", "T:more"),
    ]
    assert [tool["function"] for tool in body["tools"]] == [
        {"name": TOOL.name, "description": TOOL.description, "parameters": dict(TOOL.parameters)}
    ]


@pytest.mark.parametrize("is_streamed", [True, False])
async def test_aimock_takes_a_chat_with_ollama(address: str, tmp_path: Path, is_streamed: bool) -> None:
    async with ollama_server(m=FakeModel(32_768)) as server:
        server.chat_address = ("127.0.0.1", int(address.rpartition(":")[2]))
        settings = load(tmp_path, FLUX_PROVIDER="ollama", OLLAMA_BASE_URL=server.base_url, FLUX_ATTEMPTS="1")
        provider = create_provider(settings)

        async def ask(words: str) -> Response:
            messages = (user_message(words),)
            request = ModelRequest("m", messages, system="Be brief.", tools=(TOOL,), is_streamed=is_streamed)
            return await provider.complete(request)

        answer = await ask("T:more")
        assert (answer.content, answer.finish_reason) == ("Here is more.", "stop")
        body = journal(address, "/api/chat")["body"]
        assert [(said["role"], said["content"]) for said in body["messages"]] == [
            ("system", "Be brief."),
            ("user", "T:more"),
        ]
        assert body["tools"][0]["function"]["name"] == TOOL.name
        assert server.chats[0]["options"]["num_ctx"] == 32_768
        called = await ask("T:loop")
        assert [(call.name, call.arguments()) for call in called.tool_calls] == [("read_file", {"path": "a.py"})]
        assert called.content == "I will read it."
        with pytest.raises(RateLimited):
            await ask("T:429")
        await provider.close()
