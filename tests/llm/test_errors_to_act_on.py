"""What a person is told where a request fails: of whom, with which status and id, and what to do about it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from flux.core.config import UserFolders, load_settings
from flux.core.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    ContentRefused,
    ContextWindowExceeded,
    ModelNotFound,
    Overloaded,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    RequestRejected,
)
from flux.llm.base_provider import ModelRequest
from flux.llm.provider_factory import create_provider
from tests.support.fault_server import FaultServer, fault_server

Wrong = type[ProviderError]
KEY = "key-of-the-test-0001"


@dataclass(frozen=True, slots=True)
class Servers:
    """One that answers, one with a certificate that nobody knows, and a port where nothing listens."""

    answering: FaultServer
    unbelieved: FaultServer
    gone: int

    def address(self, kind: str) -> str:
        match kind:
            case "gone":
                return f"http://127.0.0.1:{self.gone}/v1"
            case "unbelieved":
                return self.unbelieved.base_url.replace("http:", "https:") + "/v1"
            case "elsewhere":
                return "http://gateway.example/v1"
            case _:
                return f"{self.answering.base_url}/v1"


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    async with fault_server() as closed:
        pass
    async with fault_server() as answering, fault_server(context) as unbelieved:
        yield Servers(answering, unbelieved, closed.port)


async def check(
    servers: Servers, folder: Path, error: Wrong, words: str, hint: str, model: str, kind: str, **variables: str
) -> ProviderError:
    """The one place that asks: by the settings that a user has, over a real socket."""
    environ: Mapping[str, str] = {
        "FLUX_PROVIDER": "compatible",
        "FLUX_BASE_URL": servers.address(kind),
        "FLUX_ATTEMPTS": "1",
        **variables,
    }
    settings = load_settings(None, {}, environ=environ, user_folders=UserFolders(folder, folder)).settings
    provider = create_provider(settings)
    with pytest.raises(ProviderError) as raised:
        await provider.complete(ModelRequest(model, ()))
    await provider.close()
    assert type(raised.value) is error
    assert words in raised.value.message
    assert hint in raised.value.hint
    assert (raised.value.endpoint, raised.value.model) == (environ["FLUX_PROVIDER"], model)
    return raised.value


OPENAI = {"FLUX_PROVIDER": "openai", "OPENAI_API_KEY": KEY}
ROWS = {
    "a wrong key": (AuthenticationFailed, "401", "The key is from FLUX_API_KEY in the environment.", "unauthorized"),
    "a key that may not do this": (AuthenticationFailed, "403", "FLUX_API_KEY in the environment", "forbidden"),
    "no such model": (ModelNotFound, "404", "`flux models` lists what there is", "no_model"),
    "no such address": (RequestRejected, "404", "Check the base URL; most end with /v1.", "no_page"),
    "too long": (ContextWindowExceeded, "longer than the model's window", "Start a new conversation", "too_long_llama"),
    "too large": (ContextWindowExceeded, "413", "send less at a time", "too_large"),
    "no quota": (QuotaExhausted, "no credit or quota is left", "Look at the account's billing page.", "quota"),
    "no money": (QuotaExhausted, "402", "Look at the account's billing page.", "payment"),
    "asked too often": (RateLimited, "try again in 7 s", "", "rate"),
    "a fault of theirs": (Overloaded, "500", "", "server_error"),
    "refused": (RequestRejected, "tools.0: Odd (400", "", "bad_request"),
    "a redirection": (RequestRejected, "the service redirects", "set the final base URL", "redirect"),
}


@pytest.mark.parametrize(("error", "words", "hint", "model"), ROWS.values(), ids=ROWS)
async def test_what_the_service_says_names_it_with_what_to_do(
    servers: Servers, tmp_path: Path, error: Wrong, words: str, hint: str, model: str
) -> None:
    raised = await check(servers, tmp_path, error, words, hint, model, "", FLUX_API_KEY=KEY)
    assert raised.message.startswith(f"127.0.0.1:{servers.answering.port}: ")
    assert raised.status in {307, 400, 401, 402, 403, 404, 413, 429, 500}


WAYS = {
    "a vendor's key": ("", "unauthorized", AuthenticationFailed, "OPENAI_API_KEY in the environment", OPENAI),
    "no key": ("", "unauthorized", AuthenticationFailed, "No key was sent. Set FLUX_API_KEY", {}),
    "a name near another": ("", "no_model", ModelNotFound, "`flux models`", {}),
    "nothing listens": ("gone", "m", ConnectionFailed, "`llama-server` or `vllm serve`", {}),
    "no Ollama": ("gone", "m", ConnectionFailed, "(`ollama serve`)", {"FLUX_PROVIDER": "ollama"}),
    "no LM Studio": ("gone", "m", ConnectionFailed, "(`lms server start`)", {"FLUX_PROVIDER": "lm_studio"}),
    "no vLLM": ("gone", "m", ConnectionFailed, "(`vllm serve NAME`)", {"FLUX_PROVIDER": "vllm"}),
    "a certificate": ("unbelieved", "m", ConnectionFailed, "Believed are your system's authorities", {}),
}


@pytest.mark.parametrize(("kind", "model", "error", "hint", "variables"), WAYS.values(), ids=WAYS)
async def test_the_hint_is_of_this_users_settings_and_this_server(
    servers: Servers, tmp_path: Path, kind: str, model: str, error: Wrong, hint: str, variables: Mapping[str, str]
) -> None:
    await check(servers, tmp_path, error, "", hint, model, kind, **variables)


async def test_the_key_of_a_file_is_named_with_the_file(servers: Servers, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(f'api_key = "{KEY}"\n', encoding="utf-8")
    hint = f"api_key in the user's own config.toml ({tmp_path / 'config.toml'})."
    await check(servers, tmp_path, AuthenticationFailed, "", hint, "unauthorized", "")


async def test_a_name_that_is_not_there_is_told_with_those_near_it_and_who_has_it(tmp_path: Path) -> None:
    async with fault_server() as server:
        environ = {"FLUX_PROVIDER": "compatible", "FLUX_BASE_URL": f"{server.base_url}/v1"}
        settings = load_settings(None, {}, environ=environ, user_folders=UserFolders(tmp_path, tmp_path)).settings
        provider = create_provider(settings)
        server.faults["pinh"] = server.faults["claude-sonnet-5-5"] = "no_model"
        for model, told in (("pinh", "Near it: ping."), ("claude-sonnet-5-5", "anthropic has a model of this name.")):
            with pytest.raises(ModelNotFound) as raised:
                await provider.complete(ModelRequest(model, ()))
            assert told in raised.value.hint
        await provider.close()


async def test_a_proxy_that_does_not_answer_is_named_without_its_password(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://user:secret-word@127.0.0.1:{servers.gone}")
    error, words = ConnectionFailed, "the proxy does not answer."
    raised = await check(servers, tmp_path, error, words, "Requests go through the proxy http://", "m", "elsewhere")
    assert f"127.0.0.1:{servers.gone}" in raised.hint
    assert "secret-word" not in str(raised)


def test_the_services_own_name_for_the_request_is_told() -> None:
    error = ContentRefused("X: the request was declined.", hint="Say it in other words.", request_id="req_123")
    assert str(error) == (
        "X: the request was declined.\nSay it in other words.\nThe service calls the request req_123."
    )
