"""Which key arrives where: settings as they are loaded, a real SDK, and all bytes that came searched for keys."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from flux.core.config import Loaded, UserFolders, load_settings
from flux.core.errors import ConfigError
from flux.core.messages import user_message
from flux.core.trust import TrustStore
from flux.llm.base_provider import ModelRequest
from flux.llm.provider_factory import create_provider
from tests.support.fault_server import FaultServer, fault_server

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
