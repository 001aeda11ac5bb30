"""Faults over sockets: a sample of the points, and each fault instead of an answer or on the way to one."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from flux.core.errors import RequestRejected, StreamBroken
from flux.llm.base_provider import ModelRequest
from tests.soak.fault_answers import ELSEWHERE, INSTEAD, Elsewhere, Instead, says
from tests.soak.faults import ElsewhereTry, InsteadTry, Try, measure, provider_at, stand
from tests.soak.results import sample_size
from tests.support.fault_server import STREAMS
from tests.support.recorded import WIRES
from tests.support.replay_server import Exchange, briefly, replay_server


def test_a_fault_at_any_point_of_an_answer_ends_in_its_branch_and_the_next_message_works() -> None:
    assert measure(sample_size(120))["tries"]


async def check(made: Try, folder: Path) -> None:
    async with asyncio.timeout(60), stand(made.wire, folder, made.timeout_s) as on:
        await made.check(on)


def some_wire(name: str) -> str:
    seed = sample_size(1).seed
    return random.Random(f"{seed} {name}").choice(sorted(WIRES))


@pytest.mark.parametrize("fault", [fault for fault in INSTEAD if not fault.is_heavy], ids=lambda fault: fault.name)
async def test_in_the_place_of_an_answer(fault: Instead, tmp_path: Path) -> None:
    await check(InsteadTry(fault, some_wire(fault.name)), tmp_path)


@pytest.mark.parametrize("fault", ELSEWHERE, ids=lambda fault: fault.name)
async def test_on_the_way_to_a_server(fault: Elsewhere, tmp_path: Path) -> None:
    await check(ElsewhereTry(fault, some_wire(fault.name)), tmp_path)


async def test_a_bomb_of_gzip_is_refused_with_the_limit_named(tmp_path: Path) -> None:
    bomb = next(fault for fault in INSTEAD if fault.name == "1 GB in 1 MB of gzip")
    await check(InsteadTry(bomb, "chat"), tmp_path)


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("is_reset", [False, True])
async def test_a_connection_that_was_closed_between_two_turns_is_opened_again(wire: str, is_reset: bool) -> None:
    async with replay_server() as server:
        provider = provider_at(server.base_url, wire, 5.0)
        await provider.complete(ModelRequest("m", ()))
        for writer in server.connections.values():
            if is_reset:
                Exchange(server.received[-1], asyncio.StreamReader(), writer).reset()
            else:
                writer.close()
        await provider.complete(ModelRequest("m", ()))
        assert (server.accepted, len(server.received)) == (2, 2)
        await provider.close()


async def test_a_request_goes_out_twice_only_where_a_kept_connection_was_stale() -> None:
    async with replay_server() as server:
        provider = provider_at(server.base_url, "chat", 5.0)

        async def closes(_: Exchange) -> bool:
            return False

        for answers, asked in (([closes], 1), ([briefly], 1), ([closes, briefly], 2), ([closes, closes], 2)):
            server.received.clear()
            server.next_answers[:] = answers
            if answers[-1] is briefly:
                await provider.complete(ModelRequest("m", ()))
            else:
                with pytest.raises(Exception, match="no connection"):
                    await provider.complete(ModelRequest("m", ()))
            assert len(server.received) == asked
        await provider.close()


async def test_the_rest_of_an_answer_that_was_longer_than_said_is_not_read_as_the_next_answer() -> None:
    async def longer_than_said(exchange: Exchange) -> bool:
        await exchange.begin(headers={"content-length": "5"})
        await exchange.raw(b"data:HTTP/1.1 200 OK?\r\n\r\n")
        return True

    async with replay_server() as server:
        provider = provider_at(server.base_url, "chat", 5.0)
        server.next_answers.append(longer_than_said)
        with pytest.raises(StreamBroken):
            await provider.complete(ModelRequest("m", ()))
        assert (await provider.complete(ModelRequest("m", ()))).content == "Hello wörld"
        await provider.close()


async def test_a_compression_that_was_not_asked_for_is_named() -> None:
    async with replay_server() as server:
        provider = provider_at(server.base_url, "openai", 5.0)
        server.next_answers.append(says(200, b"x", content_encoding="gzip, br"))
        with pytest.raises(RequestRejected, match=r"compressed \(gzip, br\), which was not asked for"):
            await provider.complete(ModelRequest("m", ()))
        await provider.close()


@pytest.mark.parametrize("last", ["closes", "stalls"])
async def test_an_answer_of_chat_that_said_why_it_ended_is_whole_though_its_connection_breaks(last: str) -> None:
    """Servers leave `[DONE]` out, or close the connection before it."""

    async def without_done(exchange: Exchange) -> bool:
        await exchange.begin()
        await exchange.chunk("".join(STREAMS["chat"]).encode().removesuffix(b"data: [DONE]\n\n"))
        return await exchange.until_hung_up() if last == "stalls" else False

    async with replay_server() as server:
        provider = provider_at(server.base_url, "chat", 0.5)
        server.next_answers.append(without_done)
        assert (await provider.complete(ModelRequest("m", ()))).content == "Hello wörld"
        await provider.close()
