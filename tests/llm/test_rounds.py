"""An answer that drips is handled in rounds: an event loop has other things to do as well."""

from __future__ import annotations

import asyncio

from flux.llm import create_provider
from flux.llm.base_provider import TextDelta
from tests.support.fault_server import STREAMS
from tests.support.replay_server import Exchange, replay_server

PIECES = 40
PIECE = 'data: {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "more "}}\n\n'


async def test_what_comes_shortly_after_another_piece_is_told_in_the_same_round() -> None:
    rounds = 0

    def go_round() -> None:
        nonlocal rounds, handle
        rounds += 1
        handle = asyncio.get_running_loop().call_soon(go_round)

    async def drip(exchange: Exchange) -> bool:
        begin, end = STREAMS["anthropic"]
        await exchange.begin()
        for event in (begin, *[PIECE] * PIECES, end):
            await exchange.chunk(event.encode())
            for _ in range(3):  # the loop goes round, so that each would be read by itself
                await asyncio.sleep(0)
        await exchange.raw(b"0\r\n\r\n")
        return True

    handle = asyncio.get_running_loop().call_soon(go_round)
    async with replay_server() as server:
        server.next_answers = [drip]
        config = {"provider": "anthropic", "base_url": server.base_url, "api_key": "k", "model": "m"}
        async with create_provider(config) as provider:
            told = [rounds async for delta in provider.stream("hello") if isinstance(delta, TextDelta)]
    handle.cancel()
    assert len(told) == PIECES + 2
    assert len(set(told)) < PIECES / 4
