"""The way to a service: authorities, client certificates, proxies and containers, over real sockets of this machine."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme

from flux.core.config import UserFolders, is_in_container, load_settings
from flux.core.errors import ConfigError, ConnectionFailed, ProviderError
from flux.core.messages import user_message
from flux.llm.base_provider import ModelRequest
from flux.llm.network_faults import Bounds, Way, explain
from flux.llm.provider_factory import create_provider
from tests.support.fault_server import FaultServer, fault_server

PROVIDERS = ("anthropic", "openai", "compatible")
HOST = "gateway.example"
KEY = "key-of-the-test-0001"


@dataclass(frozen=True)
class Authority:
    """An authority of the test's own, in files: its certificate, and one of a client with its key."""

    made: trustme.CA
    file: Path
    client: Path
    key: Path


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("authority")
    made = trustme.CA()
    client = made.issue_cert("me@client.example")
    made.cert_pem.write_to_path(folder / "ca.pem")
    client.cert_chain_pems[0].write_to_path(folder / "client.pem")
    client.private_key_pem.write_to_path(folder / "client.key")
    return Authority(made, folder / "ca.pem", folder / "client.pem", folder / "client.key")


def server_side(authority: Authority, *, asks_for_certificate: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.made.issue_cert("127.0.0.1", HOST).configure_cert(context)
    if asks_for_certificate:
        context.verify_mode = ssl.CERT_REQUIRED
        authority.made.configure_trust(context)
    return context


@pytest.fixture
async def server(authority: Authority) -> AsyncIterator[FaultServer]:
    async with fault_server(server_side(authority)) as running:
        yield running


async def answer(provider: str, base_url: str, folder: Path, **variables: str | Path) -> str:
    """Ask the service at an address, with settings as the environment has them; what it says."""
    environ = {"FLUX_PROVIDER": provider, "FLUX_BASE_URL": base_url, "FLUX_API_KEY": KEY, "FLUX_TIMEOUT_S": "5"}
    environ["FLUX_ATTEMPTS"] = "1"
    environ |= {name: str(value) for name, value in variables.items()}
    settings = load_settings(None, {}, environ=environ, user_folders=UserFolders(folder, folder)).settings
    made = create_provider(settings)
    try:
        return (await made.complete(ModelRequest("ok", (user_message("Hello?"),)))).content
    finally:
        await made.close()


def address(server: FaultServer) -> str:
    return server.base_url.replace("http:", "https:")


@pytest.mark.parametrize("name", PROVIDERS)
async def test_an_authority_of_the_users_own_is_believed(
    server: FaultServer, authority: Authority, tmp_path: Path, name: str
) -> None:
    assert await answer(name, address(server), tmp_path, FLUX_CA_BUNDLE=authority.file) == "Hello wörld"


async def test_the_variable_that_openssl_knows_does_as_well(
    server: FaultServer, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    assert await answer("openai", address(server), tmp_path) == "Hello wörld"


@pytest.mark.parametrize("name", PROVIDERS)
async def test_an_authority_that_nobody_knows_is_refused_and_gets_no_key(
    server: FaultServer, tmp_path: Path, name: str
) -> None:
    with pytest.raises(ConnectionFailed, match="no secure connection") as error:
        await answer(name, address(server), tmp_path)
    assert "FLUX_CA_BUNDLE" in error.value.hint
    assert not server.received


@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_client_certificate_is_shown_to_who_asks(authority: Authority, tmp_path: Path, name: str) -> None:
    async with fault_server(server_side(authority, asks_for_certificate=True)) as server:
        own = {"FLUX_CA_BUNDLE": authority.file, "FLUX_CLIENT_CERT": authority.client}
        said = await answer(name, address(server), tmp_path, **own, FLUX_CLIENT_KEY=authority.key)
        assert said == "Hello wörld"
        with pytest.raises(ProviderError):
            await answer(name, address(server), tmp_path, FLUX_CA_BUNDLE=authority.file)
        assert len(server.received) == 1


@pytest.mark.parametrize("variable", ["FLUX_CA_BUNDLE", "FLUX_CLIENT_CERT"])
async def test_a_file_that_is_no_certificate_is_named(tmp_path: Path, variable: str) -> None:
    file = tmp_path / "junk.pem"
    file.write_text("junk", encoding="utf-8")
    for path in (file, tmp_path / "nothing.pem"):
        with pytest.raises(ConfigError, match=path.name):
            await answer("openai", "https://127.0.0.1:9", tmp_path, **{variable: path})


@dataclass
class Tunnels:
    """A proxy that answers CONNECT by a way to `target`, whichever host is asked for. `heads` is what it was told."""

    target: int
    port: int = 0
    heads: list[str] = field(default_factory=list[str])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode("latin-1"))
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.target)
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        with suppress(ConnectionError):
            await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.close()


@asynccontextmanager
async def tunnels(target: int) -> AsyncGenerator[Tunnels]:
    proxy = Tunnels(target)
    listening = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = listening.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        listening.close()


@pytest.mark.parametrize("name", PROVIDERS)
async def test_through_a_proxy_with_tls_to_the_service_itself(
    server: FaultServer, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    async with tunnels(server.port) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:word@127.0.0.1:{proxy.port}")
        own = f"https://{HOST}/v1"
        assert await answer(name, own, tmp_path, FLUX_CA_BUNDLE=authority.file) == "Hello wörld"
        with pytest.raises(ConnectionFailed, match="no secure connection"):
            await answer(name, own, tmp_path)
    assert proxy.heads[0].startswith(f"CONNECT {HOST}:443 ")
    assert "Proxy-Authorization: Basic" in proxy.heads[0]
    assert KEY not in "".join(proxy.heads)
    assert [arrived.headers["host"] for arrived in server.received] == [HOST]
    assert b"proxy-authorization" not in server.received[0].head.lower()


@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_service_without_tls_is_asked_through_its_proxy_too_and_this_machine_never(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    async with fault_server() as proxy, fault_server() as direct:
        monkeypatch.setenv("HTTP_PROXY", proxy.base_url)
        assert await answer(name, f"http://{HOST}/v1", tmp_path) == "Hello wörld"
        assert await answer(name, f"{direct.base_url}/v1", tmp_path) == "Hello wörld"
        assert [arrived.path.startswith(f"http://{HOST}/v1/") for arrived in proxy.received] == [True]
        assert len(direct.received) == 1
        monkeypatch.setenv("NO_PROXY", HOST)
        with pytest.raises(ConnectionFailed):
            await answer(name, f"http://{HOST}/v1", tmp_path)
        assert len(proxy.received) == 1


def test_a_project_names_no_authority_and_no_certificate(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("FLUX_CA_BUNDLE=evil.pem\nFLUX_CLIENT_CERT=x.pem\n", encoding="utf-8")
    loaded = load_settings(tmp_path, {}, environ={}, user_folders=UserFolders(tmp_path / "c", tmp_path / "s"))
    assert (loaded.settings.ca_bundle, loaded.trust_question) == (None, None)


@pytest.mark.parametrize(
    ("variables", "file", "contained"),
    [
        ({}, "", False),
        ({}, ".dockerenv", True),
        ({}, "run/.containerenv", True),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "", True),
        ({"container": "podman"}, "", True),
    ],
)
def test_in_a_container_a_refused_localhost_hints_at_the_host(
    tmp_path: Path, variables: dict[str, str], file: str, contained: bool
) -> None:
    if file:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    found = is_in_container(variables, tmp_path)
    assert found == contained
    for is_local in (True, False):
        way = Way(Bounds(1, 1, 1, 1), is_local=is_local, is_in_container=found)
        error = explain(ConnectionRefusedError(), way, has_begun=False)
        assert ("host.docker.internal" in error.hint) == (contained and is_local)
