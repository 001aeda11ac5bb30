"""Connections that several providers share, each request with its own key, at a real server on the loopback."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from itertools import pairwise

import pytest

from flux.core.errors import AuthenticationFailed, ConfigError
from flux.llm import BaseLLMProvider, TextDelta, close_all, create_provider
from flux.llm.openai_provider import open_openai
from flux.llm.pools import HttpOptions, Sdk, Tls, share
from tests.support.replay_server import Exchange, ReplayServer, replay_server

PROVIDERS = ("anthropic", "openai", "compatible")
ONE, OTHER = "key-of-the-one-tenant", "key-of-the-other-tenant"
MANY = 300


@pytest.fixture
async def server() -> AsyncIterator[ReplayServer]:
    async with replay_server() as running:
        yield running


def provider(name: str, server: ReplayServer, key: str, **more: object) -> BaseLLMProvider:
    path = "" if name == "anthropic" else "/v1"
    config = {"provider": name, "base_url": server.base_url + path, "api_key": key, "model": "m", **more}
    return create_provider(config)


def keys(server: ReplayServer) -> list[set[str]]:
    """Which keys are in each request, anywhere in it."""
    arrived = [(request.head + request.body).decode("latin-1") for request in server.received]
    return [{key for key in (ONE, OTHER) if key in text} for text in arrived]


@pytest.mark.parametrize("name", PROVIDERS)
async def test_two_keys_share_connections_and_each_request_has_its_own(server: ReplayServer, name: str) -> None:
    one, other = provider(name, server, ONE), provider(name, server, OTHER)
    for asked in (one, other, other, one):
        await asked.complete("Hello?")
    assert keys(server) == [{ONE}, {OTHER}, {OTHER}, {ONE}]
    assert server.accepted == 1
    await one.close()
    await other.complete("And now?")
    assert (keys(server)[-1], server.accepted, len(server.connections)) == ({OTHER}, 1, 1)
    await other.close()
    await until_none_is_open(server)


async def test_side_by_side_each_request_keeps_its_own_key(server: ReplayServer) -> None:
    tenants = [provider("anthropic", server, key) for key in (ONE, OTHER)]
    async with AsyncExitStack() as stack:
        for tenant in tenants:
            await stack.enter_async_context(tenant)
        await asyncio.gather(*(tenants[n % 2].complete(f"I am number {n % 2}.") for n in range(40)))
    for request, found in zip(server.received, keys(server), strict=True):
        assert found == ({ONE} if b"number 0" in request.body else {OTHER})


async def test_a_cookie_for_one_tenant_does_not_go_along_with_the_others_requests(server: ReplayServer) -> None:
    async def set_cookie(exchange: Exchange) -> bool:
        return await exchange.whole(401, {"set-cookie": "tenant=one"}, b"{}")

    server.next_answers.append(set_cookie)
    one, other = provider("compatible", server, ONE), provider("compatible", server, OTHER)
    with pytest.raises(AuthenticationFailed):
        await one.complete("Hello?")
    await other.complete("Hello?")
    assert "cookie" not in server.received[-1].headers
    await close_all()


async def test_an_error_that_repeats_a_key_is_shown_without_it(server: ReplayServer) -> None:
    async def refuse(exchange: Exchange) -> bool:
        return await exchange.whole(401, {}, b'{"error": {"message": "no such key: ' + OTHER.encode() + b'"}}')

    one, other = provider("compatible", server, ONE), provider("compatible", server, OTHER)
    await one.complete("Hello?")
    server.next_answers.append(refuse)
    with pytest.raises(AuthenticationFailed) as error:
        await other.complete("Hello?")
    assert OTHER not in repr(error.value) + str(error.value)
    await close_all()


async def test_providers_with_other_tls_settings_have_connections_of_their_own(server: ReplayServer) -> None:
    import certifi

    one, other = provider("openai", server, ONE), provider("openai", server, ONE, ca_bundle=certifi.where())
    await one.complete("Hello?")
    await other.complete("Hello?")
    assert server.accepted == 2
    await close_all()


async def test_close_all_closes_what_anyone_uses_and_a_later_request_opens_anew(server: ReplayServer) -> None:
    one = provider("anthropic", server, ONE)
    await one.complete("Hello?")
    await close_all()
    await until_none_is_open(server)
    await one.complete("Hello?")
    assert server.accepted == 2
    await one.close()
    await until_none_is_open(server)


def test_a_provider_may_be_used_on_one_event_loop_after_another() -> None:
    async def ask() -> int:
        async with replay_server() as server, provider("openai", server, ONE) as one:
            await one.complete("Hello?")
            kept.append(one)
            return server.accepted

    kept: list[BaseLLMProvider] = []
    assert [asyncio.run(ask()), asyncio.run(ask())] == [1, 1]


@pytest.mark.parametrize("name", PROVIDERS)
async def test_300_streams_at_a_time_leave_no_connection_no_task_and_no_memory(server: ReplayServer, name: str) -> None:
    asked = provider(name, server, ONE)

    async def text() -> str:
        async with aclosing(asked.stream("Hello?")) as deltas:
            return "".join([delta.text async for delta in deltas if isinstance(delta, TextDelta)])

    async def all_together(times: int) -> int:
        """Ask so often at a time; how many blocks of memory the interpreter holds afterwards."""
        texts = await asyncio.gather(*(text() for _ in range(times)))
        assert set(texts) == {texts[0]}
        assert texts[0]
        server.received.clear()
        gc.collect()
        return sys.getallocatedblocks()

    await text()
    tasks = asyncio.all_tasks() - set(server.connections)
    held = [await all_together(times) for times in (MANY, MANY // 3, MANY // 3)]
    assert asyncio.all_tasks() - set(server.connections) == tasks
    assert len(server.connections) <= MANY
    assert min(after - before for before, after in pairwise(held)) < MANY // 3, "what leaks grows every time"
    await asked.close()
    await until_none_is_open(server)


async def test_an_sdk_is_opened_once_for_all_and_again_where_it_could_not_be(server: ReplayServer) -> None:
    may_open = threading.Event()
    tries: list[str] = []

    def open_sdk(base_url: str, http: HttpOptions) -> Sdk:
        tries.append(base_url)
        assert may_open.wait(60)
        if len(tries) == 1:
            raise ConfigError("No.")
        return open_openai(base_url, http)

    pool = share(open_sdk, server.base_url, Tls(), ())
    leaving, *staying = [asyncio.create_task(pool.sdk()) for _ in range(3)]
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait([leaving])
    may_open.set()
    assert [str(error) for error in await asyncio.gather(*staying, return_exceptions=True)] == ["No.", "No."]
    pool.begin()
    assert await pool.sdk() is await pool.sdk()
    assert len(tries) == 2
    await pool.release()


async def test_an_sdk_that_cannot_be_opened_is_no_line_of_the_log_where_nobody_asks_for_it() -> None:
    may_open = threading.Event()

    def open_sdk(base_url: str, http: HttpOptions) -> Sdk:
        assert may_open.wait(60)
        raise ConfigError("No.")

    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))
    pool = share(open_sdk, "http://127.0.0.1:1", Tls(), ())
    opening = pool.begin()
    await pool.release()
    may_open.set()
    await asyncio.wait([opening])
    del opening
    gc.collect()
    assert told == []


async def until_none_is_open(server: ReplayServer) -> None:
    """The server sees that its connections are closed a moment later."""
    if server.connections:
        await asyncio.wait(server.connections, timeout=5)
    assert not server.connections
