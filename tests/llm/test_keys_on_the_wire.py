"""Which key arrives where: settings as they are loaded, a real SDK, and all bytes that came searched for keys."""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from flux.agent.session_store import SessionStore
from flux.agent.sessions import Sessions
from flux.core.config import Loaded, UserFolders, load_settings
from flux.core.declarations import DECLARATIONS
from flux.core.errors import ConfigError
from flux.core.key_store import KeyStore
from flux.core.layers import KEY
from flux.core.log import start_logging
from flux.core.messages import user_message
from flux.core.secret import Secret
from flux.core.trust import TrustStore
from flux.llm.base_provider import ModelRequest
from flux.llm.provider_factory import create_provider
from flux.workspace.memory import MemoryWorkspace
from tests.support.fault_server import STATUS_FAULTS, FaultServer, fault_server
from tests.support.talks import send

USERS, PROJECTS, OTHERS = "users-key-0001", "projects-key-02", "others-key-0003"


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    async with fault_server() as running:
        yield running


def load(folder: Path, environ: Mapping[str, str], *, trusts: bool, **explicit: object) -> Loaded:
    folders = UserFolders(folder / "config", folder / "state")
    trust = TrustStore(folders.state)
    loaded = load_settings(folder, explicit, environ=environ, trust=trust, user_folders=folders)
    if trusts and loaded.trust_question:
        trust.grant(loaded.trust_question)
        loaded = load_settings(folder, explicit, environ=environ, trust=trust, user_folders=folders)
    return loaded


async def keys_that_arrive(loaded: Loaded, server: FaultServer, provider: str | None = None) -> set[str]:
    """Send a request, and find every key in all that came."""
    made = create_provider(loaded.settings, provider)
    await made.complete(ModelRequest("ok", (user_message("Hello?"),)))
    await made.close()
    arrived = b"".join(request.head + request.body for request in server.received)
    return {key for key in (USERS, PROJECTS, OTHERS) if key.encode() in arrived}


async def test_the_users_key_goes_to_the_users_base_url(tmp_path: Path, server: FaultServer) -> None:
    environ = {
        "FLUX_PROVIDER": "openai",
        "OPENAI_API_KEY": USERS,
        "ANTHROPIC_API_KEY": OTHERS,
        "OPENAI_BASE_URL": f"{server.base_url}/v1",
    }
    assert await keys_that_arrive(load(tmp_path, environ, trusts=False), server) == {USERS}


async def test_the_users_key_never_goes_to_a_projects_base_url_also_when_trusted(
    tmp_path: Path, server: FaultServer
) -> None:
    (tmp_path / ".env").write_text(f"OPENAI_BASE_URL={server.base_url}/v1\n", encoding="utf-8")
    environ = {"FLUX_PROVIDER": "openai", "OPENAI_API_KEY": USERS}
    with pytest.raises(ConfigError, match="less trusted"):
        await keys_that_arrive(load(tmp_path, environ, trusts=True), server)
    assert not server.received


async def test_a_projects_base_url_has_no_effect_before_the_user_trusts_it(tmp_path: Path, server: FaultServer) -> None:
    (tmp_path / ".env").write_text(f"FLUX_BASE_URL={server.base_url}/v1\nFLUX_API_KEY={PROJECTS}\n", encoding="utf-8")
    environ = {"FLUX_PROVIDER": "compatible"}
    with pytest.raises(ConfigError, match="needs a base URL"):
        await keys_that_arrive(load(tmp_path, environ, trusts=False), server)
    assert not server.received


async def test_a_trusted_projects_key_goes_to_its_own_base_url_and_the_users_does_not(
    tmp_path: Path, server: FaultServer
) -> None:
    (tmp_path / ".env").write_text(f"FLUX_BASE_URL={server.base_url}/v1\nFLUX_API_KEY={PROJECTS}\n", encoding="utf-8")
    environ = {"FLUX_PROVIDER": "compatible", "OPENAI_API_KEY": USERS, "ANTHROPIC_API_KEY": OTHERS}
    assert await keys_that_arrive(load(tmp_path, environ, trusts=True), server) == {PROJECTS}


async def test_a_projects_key_goes_to_no_base_url_of_the_user(tmp_path: Path, server: FaultServer) -> None:
    (tmp_path / ".env").write_text(f"FLUX_API_KEY={PROJECTS}\n", encoding="utf-8")
    environ = {"FLUX_PROVIDER": "compatible", "FLUX_BASE_URL": f"{server.base_url}/v1"}
    with pytest.raises(ConfigError, match="came with a project"):
        await keys_that_arrive(load(tmp_path, environ, trusts=True), server)
    assert not server.received


async def test_a_compatible_server_gets_no_key_of_a_vendor(tmp_path: Path, server: FaultServer) -> None:
    environ = {
        "FLUX_PROVIDER": "compatible",
        "FLUX_BASE_URL": f"{server.base_url}/v1",
        "OPENAI_API_KEY": USERS,
        "ANTHROPIC_API_KEY": OTHERS,
    }
    assert await keys_that_arrive(load(tmp_path, environ, trusts=False), server) == set()
    assert "authorization" not in server.received[0].headers


async def test_a_key_of_the_editors_settings_is_used_without_any_environment(
    tmp_path: Path, server: FaultServer
) -> None:
    loaded = load(tmp_path, {}, trusts=False, provider="anthropic", base_url=server.base_url, anthropic_api_key=USERS)
    assert await keys_that_arrive(loaded, server) == {USERS}


POISON = "poison-0123456789"
POISONED = {
    **dict.fromkeys(("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY", "OPENAI_WEBHOOK_SECRET"), POISON),
    **dict.fromkeys(("ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE", "ANTHROPIC_WORKSPACE_ID"), POISON),
    **dict.fromkeys(("OPENAI_CUSTOM_HEADERS", "ANTHROPIC_CUSTOM_HEADERS"), f"authorization: {POISON}\nx-a: {POISON}"),
    **{declared.variable: POISON for declared in DECLARATIONS if declared.kind is KEY and declared.name != "api_key"},
}
"""What SDKs look up by themselves, and the keys of all services."""

KEY_OF_WORK = "key-of-work-abcdefgh"
WAYS = {
    "variable": 'api_key_env = "WORK_KEY"',
    "value": 'api_key = "${WORK_KEY}"',
    "command": f"api_key_cmd = ['{sys.executable}', '-c', 'import os; print(os.environ[\"WORK_KEY\"])']",
    "header": 'headers = { x-gateway-key = "${WORK_KEY}" }',
    "kept": "",
}


@pytest.mark.parametrize("kind", ["anthropic", "openai", "compatible"])
@pytest.mark.parametrize("way", WAYS)
async def test_a_key_is_in_one_header_of_its_own_requests_and_nowhere_else(
    tmp_path: Path, server: FaultServer, monkeypatch: pytest.MonkeyPatch, way: str, kind: str
) -> None:
    """A whole turn, a refusal that repeats the key, and a broken answer; then every file and text that came of it."""
    for name, value in (POISONED | {"WORK_KEY": KEY_OF_WORK}).items():
        monkeypatch.setenv(name, value)
    config, state = tmp_path / "config", tmp_path / "state"
    config.mkdir()
    if way == "kept":
        KeyStore(config).write("work", Secret(KEY_OF_WORK))
    async with fault_server() as elsewhere:
        lines = [
            "[providers.work]",
            f'kind = "{kind}"',
            f'base_url = "{server.base_url}/v1"',
            WAYS[way],
            'model = "ok"',
        ]
        if way == "header" and kind != "compatible":
            lines.append('api_key = "another-key-0001"')
        lines += ["[providers.other]", f'base_url = "{elsewhere.base_url}/v1"', 'model = "ok"']
        (config / "config.toml").write_text("\n".join(lines), encoding="utf-8")
        settings = load_settings(None, {"provider": "work"}, user_folders=UserFolders(config, state)).settings
        start_logging(tmp_path / "log", settings.secrets(), logging.DEBUG)
        STATUS_FAULTS["repeats"] = (401, {}, f'{{"error": {{"message": "wrong: {KEY_OF_WORK}"}}}}'.encode())
        sessions = Sessions(settings, SessionStore(state / "sessions.db"))
        session = await sessions.start(MemoryWorkspace({"a.py": "x = 1\n"}))
        told: list[object] = [await send(session, "Hello?")]
        for model in ("repeats", "close"):
            await sessions.choose_model(model, session)
            told.append(await send(session, "And now?"))
        await sessions.registry.provider("other").complete(ModelRequest("ok", (user_message("Hello?"),)))
        logging.getLogger("flux").warning("a slip: %s", KEY_OF_WORK)
        shown = [settings, settings.layers, settings.for_provider("work"), sessions.provider, *told]
        await sessions.close()
        start_logging()

        arrived = [request.head + b"\n" + request.body for request in server.received]
        assert sum(request.startswith(b"POST") for request in arrived) == 3
        assert [text.count(KEY_OF_WORK.encode()) for text in arrived] == [1] * len(arrived)
        assert elsewhere.received
        assert KEY_OF_WORK not in repr(elsewhere.received)
        assert POISON not in repr(arrived) + repr(elsewhere.received)
    assert "a slip: ****" in (tmp_path / "log").read_text(encoding="utf-8")
    assert KEY_OF_WORK not in f"{shown!r} {[str(one) for one in shown]}"
    for file in (path for path in tmp_path.rglob("*") if path.is_file()):
        content = file.read_bytes()
        assert (KEY_OF_WORK.encode() in content) == (file.name == "keys.json"), file.name
        assert POISON.encode() not in content, file.name
    assert (state / "sessions.db").stat().st_size > 0
