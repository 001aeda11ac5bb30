"""The three providers with their real SDKs against a raw server on the loopback: what arrives, and every fault."""

from __future__ import annotations

import asyncio
import importlib
import logging
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from flux.core.config import Settings
from flux.core.errors import (
    AuthenticationFailed,
    ConfigError,
    ConnectionFailed,
    ContextWindowExceeded,
    ModelNotFound,
    Overloaded,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    RequestRejected,
    StreamBroken,
    TimedOut,
)
from flux.core.limits import ModelLimits
from flux.core.messages import Text, user_message
from flux.core.secret import Secret
from flux.core.usage import Usage
from flux.llm.base_provider import BaseLLMProvider, Folder, ModelRequest, Response, TextDelta
from flux.llm.provider_factory import create_provider
from flux.llm.tokens import estimate_tokens
from flux.workspace.memory import MemoryWorkspace
from tests.support.fault_server import STATUS_FAULTS, FaultServer, fault_server, wire_of
from tests.support.talks import end, open_session, send

KEY = "KEY-OF-THE-TEST"
PROVIDERS = ("anthropic", "openai", "compatible")

ANSWER = Response(
    (Text("Hello wörld"),), "g", "req_123", Usage(1000, 7, cache_read_tokens=900, cache_write_tokens=90), "stop"
)


@pytest.fixture(scope="module", autouse=True)
def sdks_are_loaded() -> None:
    """The bounds below are for answers. Importing both SDKs from a cold disk, on a busy machine, takes longer."""
    importlib.import_module("anthropic")
    importlib.import_module("openai")


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    async with fault_server() as running:
        yield running


def provider(name: str, base_url: str, *, timeout_s: float = 5.0, key: str = KEY) -> BaseLLMProvider:
    path = "" if name == "anthropic" else "/v1"
    return create_provider(
        Settings(
            provider=name,
            base_url=f"{base_url}{path}",
            api_key=Secret(key) if key else None,
            timeout_s=timeout_s,
            attempts=1,
        )
    )


def request(model: str = "ok", *, is_streamed: bool = True) -> ModelRequest:
    return ModelRequest(model, (user_message("Hello?"),), system="Be brief.", is_streamed=is_streamed)


async def fail(made: BaseLLMProvider, model: str) -> tuple[ProviderError, str]:
    """The error of a request, with the text that came before it."""
    folder = Folder()
    with pytest.raises(ProviderError) as error:  # noqa: PT012 -- what came before is wanted too
        async with asyncio.timeout(20), aclosing(made.stream(request(model))) as deltas:
            async for delta in deltas:
                folder.add(delta)
    await made.close()
    return error.value, folder.response().content


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("model", ["ok", "ping", "comment", "unknown", "crlf"])
async def test_an_answer_is_understood_with_all_that_may_stand_in_it(
    server: FaultServer, name: str, model: str
) -> None:
    made = provider(name, server.base_url)
    assert await made.complete(request(model)) == ANSWER
    await made.close()
    await made.close()


@pytest.mark.parametrize("name", PROVIDERS)
async def test_one_plain_answer_gives_the_same(server: FaultServer, name: str) -> None:
    made = provider(name, server.base_url)
    for asked in (request(is_streamed=False), request("plain")):
        answer = await made.complete(asked)
        assert (answer.parts, answer.usage, answer.finish_reason) == (ANSWER.parts, ANSWER.usage, "stop")
    assert server.received[0].json["stream"] is False
    await made.close()


@pytest.mark.parametrize("name", PROVIDERS)
async def test_requests_share_one_connection(server: FaultServer, name: str) -> None:
    made = provider(name, server.base_url)
    for _ in range(3):
        await made.complete(request())
    assert (server.connections, len(server.received)) == (1, 3)
    await made.close()


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize(
    ("model", "error", "words"),
    [
        ("too_long_anthropic", ContextWindowExceeded, "prompt is too long"),
        ("too_long_openai", ContextWindowExceeded, "longer than the model's window: Odd"),
        ("too_long_llama", ContextWindowExceeded, "longer than the model's window: Odd"),
        ("bad_request", RequestRejected, "the request was refused: tools.0: Odd (400, invalid_request_error)"),
        ("unauthorized", AuthenticationFailed, "the key was not accepted: Incorrect key: ****"),
        ("payment", QuotaExhausted, "no credit or quota is left: Odd"),
        ("forbidden", AuthenticationFailed, "the key was not accepted: Odd"),
        ("no_model", ModelNotFound, "the model was not found: model: Odd"),
        ("no_page", RequestRejected, "there is no such address: Bad & Gateway (404)\nCheck the base URL"),
        ("timeout", TimedOut, "gave up waiting: 408"),
        ("conflict", Overloaded, "Odd (409)"),
        ("too_large", ContextWindowExceeded, "the request is too large"),
        ("invalid", RequestRejected, "the request was refused: Odd one; and two (422)"),
        ("rate", RateLimited, "asked too often (try again in 7 s): Odd"),
        ("quota", QuotaExhausted, "no credit or quota is left: Odd"),
        ("server_error", Overloaded, "the service failed on its own side: Odd (500, api_error)"),
        ("html502", Overloaded, "the service failed on its own side: Bad & Gateway (502)"),
        ("unavailable", Overloaded, "the service failed on its own side: Odd (503)"),
        ("overloaded", Overloaded, "the service failed on its own side: Overloaded (529, overloaded_error)"),
        ("redirect", RequestRejected, "redirects: to http://127.0.0.1:9/elsewhere (307)\nFlux follows no redirect"),
        ("endless_error", Overloaded, "the service failed on its own side: xxx"),
        ("html200", RequestRejected, "a web page came instead of an answer: Bad & Gateway\nCheck the base URL"),
        ("text200", StreamBroken, "the answer is not JSON"),
        ("junk200", StreamBroken, "the answer is not JSON"),
        ("error200", Overloaded, "the service failed on its own side: Odd"),
    ],
)
async def test_a_refusal_becomes_an_error_that_says_what_and_where(
    server: FaultServer, name: str, model: str, error: type[ProviderError], words: str
) -> None:
    raised, text = await fail(provider(name, server.base_url), model)
    assert type(raised) is error
    assert str(raised).startswith(f"127.0.0.1:{server.port}: ")
    assert words in str(raised)
    assert (raised.endpoint, raised.model, text) == (name, model, "")
    status = STATUS_FAULTS[model][0] if model in STATUS_FAULTS else 500
    assert raised.status == (status if status != 200 else None)
    assert [one.head[:4] for one in server.received].count(b"POST") == 1  # and was not tried again


@pytest.mark.parametrize(
    ("model", "seconds"),
    [("rate", 7.0), ("rate_date", 30.0), ("rate_ms", 1.5), ("unavailable", 3.0), ("html502", None)],
)
async def test_how_long_to_wait_is_the_providers_own_word(
    server: FaultServer, model: str, seconds: float | None
) -> None:
    raised, _ = await fail(provider("openai", server.base_url), model)
    assert isinstance(raised, RateLimited | Overloaded)
    assert raised.retry_after_s == seconds


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize(
    ("model", "error", "words"),
    [
        ("eof", StreamBroken, "ended before it was complete"),
        ("close", StreamBroken, "the connection broke before the answer was complete"),
        ("reset", StreamBroken, "the connection broke before the answer was complete"),
        ("stall", TimedOut, "nothing came for 0.3 seconds"),
        ("bad_json", StreamBroken, "an event of the answer is not JSON"),
        ("error_event", Overloaded, "the service failed on its own side: Odd"),
    ],
)
async def test_a_fault_in_the_middle_keeps_the_text_before_it(
    server: FaultServer, name: str, model: str, error: type[ProviderError], words: str
) -> None:
    raised, text = await fail(provider(name, server.base_url, timeout_s=0.3), model)
    assert (type(raised), text) == (error, "Hello ")
    assert words in str(raised)
    assert (raised.endpoint, raised.model, raised.request_id) == (name, model, "req_123")


async def test_an_answer_without_end_is_cut_off(server: FaultServer) -> None:
    raised, _ = await fail(provider("anthropic", server.base_url), "endless")
    assert "the answer is longer than 64 MB" in str(raised)
    async with asyncio.timeout(5):
        await server.hung_up.wait()


@pytest.mark.parametrize("name", PROVIDERS)
async def test_closing_the_stream_closes_the_connection(server: FaultServer, name: str) -> None:
    made = provider(name, server.base_url)
    async with aclosing(made.stream(request("stall"))) as deltas:
        async for delta in deltas:
            if isinstance(delta, TextDelta):
                break
    async with asyncio.timeout(5):
        await server.hung_up.wait()
    assert await made.complete(request()) == ANSWER
    await made.close()


@pytest.mark.parametrize("name", PROVIDERS)
async def test_cancelling_closes_the_connection(server: FaultServer, name: str) -> None:
    made = provider(name, server.base_url)
    has_text = asyncio.Event()

    async def read() -> None:
        async with aclosing(made.stream(request("stall"))) as deltas:
            async for delta in deltas:
                if isinstance(delta, TextDelta):
                    has_text.set()

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        task = group.create_task(read())
        await has_text.wait()
        task.cancel()
        await server.hung_up.wait()
    await made.close()


@pytest.mark.parametrize("name", PROVIDERS)
async def test_where_nothing_listens_the_hint_says_how_to_start_a_server(name: str) -> None:
    async with fault_server() as gone:
        pass
    raised, _ = await fail(provider(name, gone.base_url), "ok")
    assert type(raised) is ConnectionFailed
    assert f"127.0.0.1:{gone.port}: nothing listens" in str(raised)
    assert "ollama serve" in raised.hint


@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_host_that_is_not_there_and_a_server_without_tls(server: FaultServer, name: str) -> None:
    raised, _ = await fail(provider(name, "http://no-such-host.invalid"), "ok")
    assert type(raised) is ConnectionFailed
    assert "no-such-host.invalid" in str(raised)
    raised, _ = await fail(provider(name, server.base_url.replace("http:", "https:")), "ok")
    assert type(raised) is ConnectionFailed
    assert "no secure connection" in str(raised)


POISON = {
    "OPENAI_API_KEY": "poison",
    "OPENAI_ADMIN_KEY": "poison",
    "OPENAI_ORG_ID": "poison",
    "OPENAI_PROJECT_ID": "poison",
    "OPENAI_BASE_URL": "http://127.0.0.1:9/poison",
    "OPENAI_WEBHOOK_SECRET": "poison",
    "OPENAI_CUSTOM_HEADERS": "x-poison: poison\nAuthorization: poison\nhost: poison\nContent-Length: 1",
    "OPENAI_API_TYPE": "azure",
    "AZURE_OPENAI_API_KEY": "poison",
    "AZURE_OPENAI_ENDPOINT": "http://127.0.0.1:9/poison",
    "ANTHROPIC_API_KEY": "poison",
    "ANTHROPIC_AUTH_TOKEN": "poison",
    "ANTHROPIC_BASE_URL": "http://127.0.0.1:9/poison",
    "ANTHROPIC_CUSTOM_HEADERS": "x-poison: poison\nauthorization: poison\nX-Api-Key: poison\nAnthropic-Version: poison",
    "ANTHROPIC_PROFILE": "poison",
    "ANTHROPIC_WORKSPACE_ID": "poison",
    "ANTHROPIC_IDENTITY_TOKEN": "poison",
    "ANTHROPIC_FEDERATION_RULE_ID": "poison",
    "ANTHROPIC_ORGANIZATION_ID": "poison",
    "OTEL_EXPORTER_OTLP_HEADERS": "x-poison=poison",
    "HTTP_PROXY": "http://user:poison@127.0.0.1:9",
    "ALL_PROXY": "http://user:poison@127.0.0.1:9",
}


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("key", [KEY, ""])
async def test_nothing_of_the_environment_reaches_the_wire(
    server: FaultServer, name: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also not through a proxy: this machine is never behind one."""
    if name != "compatible" and not key:
        with pytest.raises(ConfigError):
            provider(name, server.base_url, key="")
        return
    for variable, value in POISON.items():
        monkeypatch.setenv(variable, value)
        monkeypatch.setenv(variable.lower(), value)
    made = provider(name, server.base_url, key=key)
    await made.complete(request())
    await made.close()
    (arrived,) = server.received
    assert b"poison" not in (arrived.head + arrived.body).lower()
    expected = {
        "host": f"127.0.0.1:{server.port}",
        "accept": "*/*",
        "accept-encoding": "identity",
        "user-agent": arrived.headers["user-agent"],
        "content-type": "application/json",
        "content-length": str(len(arrived.body)),
    }
    if key:
        expected["authorization"] = f"Bearer {KEY}"
    if name == "anthropic":
        expected["anthropic-version"] = "2026-10-21"
    assert arrived.headers == expected
    assert arrived.headers["user-agent"].startswith("flux/")


@pytest.mark.parametrize("name", PROVIDERS)
async def test_no_redirect_takes_the_key_along(server: FaultServer, name: str) -> None:
    async with fault_server() as elsewhere:
        status, _, body = STATUS_FAULTS["redirect"]
        STATUS_FAULTS["redirect_here"] = (status, {"location": f"{elsewhere.base_url}/v1/messages"}, body)
        raised, _ = await fail(provider(name, server.base_url), "redirect_here")
        assert f"127.0.0.1:{elsewhere.port}" in str(raised)
        assert not elsewhere.connections


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("model", ["unauthorized", "close", "stall", "junk200"])
async def test_the_key_is_in_no_error_no_log_and_no_repr(
    server: FaultServer, name: str, model: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    made = provider(name, server.base_url, timeout_s=0.3)
    raised, _ = await fail(made, model)
    shown = [*traceback.format_exception(raised), repr(raised), str(vars(raised)), caplog.text, repr(made)]
    shown += [
        repr(value) for owner in (made, *vars(made).values()) for value in getattr(owner, "__dict__", {}).values()
    ]
    assert KEY not in "\n".join(shown)
    assert raised.__cause__ is None
    assert raised.__context__ is None


def test_an_sdk_is_imported_at_the_first_request_and_only_the_one_in_use() -> None:
    code = """
import asyncio, sys
from flux.core.config import Settings
from flux.core.errors import ConnectionFailed
from flux.core.secret import Secret
from flux.llm.base_provider import ModelRequest
from flux.llm.provider_factory import create_provider
made = [create_provider(Settings(provider=name, base_url="http://127.0.0.1:9/v1", api_key=Secret("k")))
        for name in ("anthropic", "openai", "compatible")]
print(sorted({"anthropic", "openai", "httpx2"} & set(sys.modules)))
async def main():
    try:
        await made[1].complete(ModelRequest("m", ()))
    except ConnectionFailed:
        print(sorted({"anthropic", "openai"} & set(sys.modules)))
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "['openai']"]


async def test_an_unusable_proxy_setting_is_said_to_be_one(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "gopher://user:hidden@127.0.0.1:9")
    with pytest.raises(ConfigError, match="proxy settings") as raised:
        await provider("openai", server.base_url).complete(request())
    assert "hidden" not in str(raised.value)


async def test_a_temperature_goes_only_to_models_that_take_one(server: FaultServer) -> None:
    made = provider("anthropic", server.base_url)
    for model in ("ok", "claude-opus-5-5"):
        await made.complete(ModelRequest(model, (user_message("Hello?"),), temperature=0.5))
    assert [("temperature" in arrived.json) for arrived in server.received] == [True, False]
    await made.close()


@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_long_talk_never_sends_more_than_the_window(server: FaultServer, name: str) -> None:
    window = 8000
    made = provider(name, server.base_url)
    session = open_session(MemoryWorkspace({"a.py": "x = 1\n"}), made, limits=ModelLimits(window, window, 1000))
    for n in range(12):
        assert end(await send(session, f"{n}. " + "def area(r):\n    return 3 * r\n" * 100)).status == "completed"
    sent = [arrived for arrived in server.received if not arrived.path.endswith(("/count_tokens", "/input_tokens"))]
    sizes = [estimate_tokens(arrived.body.decode()) for arrived in sent]
    assert len(sizes) == 12
    assert max(sizes) <= window - 1000
    assert wire_of(server.received[0].path) == {"compatible": "chat"}.get(name, name)
    await made.close()
