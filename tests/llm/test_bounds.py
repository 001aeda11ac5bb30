"""How long an answer may take, in each of its parts, and how soon a connection is closed; over real sockets."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing

import pytest

from flux.core.config import Settings
from flux.core.errors import ConnectionFailed, ProviderError, TimedOut
from flux.core.secret import Secret
from flux.llm.base_provider import BaseLLMProvider, ModelRequest, TextDelta
from flux.llm.provider_factory import create_provider
from tests.support.fault_server import STREAMS
from tests.support.replay_server import Answer, Exchange, replay_server

PROVIDERS = {"anthropic": "", "openai": "/v1", "compatible": "/v1", "ollama": ""}
"""Each wire's, with what its base URL ends in."""
SOON_S = 0.3
CLOSED_S = 0.1


def provider(name: str, base_url: str, **values: object) -> BaseLLMProvider:
    settings = Settings(provider=name, base_url=f"{base_url}{PROVIDERS[name]}", api_key=Secret("key-of-the-test"))
    return create_provider(settings.override({"timeout_s": 5, "attempts": 1, **values}))


async def silent(exchange: Exchange) -> bool:
    return await exchange.until_hung_up()


async def begins_and_stalls(exchange: Exchange) -> bool:
    await exchange.begin()
    await exchange.chunk(STREAMS[exchange.wire][0].encode())
    return await exchange.until_hung_up()


async def never_ends(exchange: Exchange) -> bool:
    """Words, again and again, as of a model that has lost itself."""
    first = STREAMS[exchange.wire][0].encode()
    await exchange.begin()
    await exchange.chunk(first)
    words = first[first.rindex(b"\n", 0, len(first) - 3) + 1 :] if exchange.wire == "ollama" else _last_event(first)
    while True:
        await exchange.chunk(words)
        await asyncio.sleep(0)


async def late(exchange: Exchange) -> bool:
    """The first byte comes later than a silence within an answer may last."""
    await asyncio.sleep(2 * SOON_S)
    await exchange.begin()
    await exchange.chunk("".join(STREAMS[exchange.wire]).encode())
    await exchange.raw(b"0\r\n\r\n")
    return True


def _last_event(events: bytes) -> bytes:
    return events.removesuffix(b"\n\n").rpartition(b"\n\n")[2] + b"\n\n"


async def check(
    name: str, answer: Answer, error: type[ProviderError], words: str, setting: str, **bounds: object
) -> None:
    """The one place that asks: the error, its setting, and that it came in time."""
    async with replay_server() as server:
        made = provider(name, server.base_url, **bounds)
        await made.models()  # imports the SDK
        server.next_answers.append(answer)
        began_s = time.monotonic()
        with pytest.raises(error) as raised:
            await made.complete(ModelRequest("m", ()))
        assert time.monotonic() - began_s < 4
        assert f"127.0.0.1:{server.port}: {words}" in str(raised.value)
        assert f"The setting {setting}" in raised.value.hint
        await made.close()


@pytest.mark.parametrize("name", PROVIDERS)
async def test_no_first_byte_in_time(name: str) -> None:
    words = "no answer began within 0.3 seconds."
    await check(name, silent, TimedOut, words, "first_byte_timeout_s", first_byte_timeout_s=SOON_S)
    await check(name, silent, TimedOut, words, "first_byte_timeout_s", timeout_s=SOON_S)


@pytest.mark.parametrize("name", PROVIDERS)
async def test_no_further_byte_in_time(name: str) -> None:
    words = "nothing came for 0.3 seconds."
    await check(name, begins_and_stalls, TimedOut, words, "timeout_s", timeout_s=SOON_S, first_byte_timeout_s=5)


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("answer", [silent, begins_and_stalls, never_ends])
async def test_no_end_of_the_answer_in_time(name: str, answer: Answer) -> None:
    words = "the answer was not complete within 0.3 seconds."
    await check(name, answer, TimedOut, words, "total_timeout_s", total_timeout_s=SOON_S)


@pytest.mark.parametrize("name", PROVIDERS)
async def test_no_connection_in_time(name: str) -> None:
    """A server that takes connections and never speaks TLS: nothing is sent before it does."""

    async def takes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(takes, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        made = provider(name, f"https://127.0.0.1:{port}", connect_timeout_s=SOON_S)
        with pytest.raises(ConnectionFailed, match=r"no connection within 0\.3 seconds\.\nThe setting connect_timeout"):
            await made.complete(ModelRequest("m", ()))
        await made.close()


@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_server_that_loads_its_model_first_may_take_longer_to_begin_than_to_go_on(name: str) -> None:
    async with replay_server() as server:
        server.next_answers.append(late)
        made = provider(name, server.base_url, timeout_s=SOON_S, first_byte_timeout_s=5)
        assert (await made.complete(ModelRequest("m", ()))).content == "Hello wörld"
        await made.close()


@pytest.mark.parametrize("name", PROVIDERS)
async def test_cancelling_closes_the_connection_within_a_tenth_of_a_second(name: str) -> None:
    """Measured at the server, which reads until there is nothing more; the best of three, on a machine that is busy."""
    took_s: list[float] = []
    hung_up = asyncio.Event()

    async def stalls(exchange: Exchange) -> bool:
        try:
            return await begins_and_stalls(exchange)
        finally:
            hung_up.set()

    async with replay_server() as server:
        made = provider(name, server.base_url)
        for _ in range(3):
            server.next_answers.append(stalls)
            hung_up.clear()
            has_text = asyncio.Event()
            task = asyncio.create_task(_read(made, has_text))
            async with asyncio.timeout(20):
                await has_text.wait()
                began_s = time.perf_counter()
                task.cancel()
                await hung_up.wait()
            took_s.append(time.perf_counter() - began_s)
            await asyncio.wait([task])
        await made.close()
    assert min(took_s) < CLOSED_S


async def _read(made: BaseLLMProvider, has_text: asyncio.Event) -> None:
    async with aclosing(made.stream(ModelRequest("m", ()))) as deltas:
        async for delta in deltas:
            if isinstance(delta, TextDelta):
                has_text.set()
