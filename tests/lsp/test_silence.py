"""How soon all is silent when the user cancels, over a real `flux serve`: at the editor and at the provider."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tests.support.fault_server import STREAMS
from tests.support.lsp_bench import bench
from tests.support.lsp_client import Message
from tests.support.replay_server import Exchange, replay_server

SILENT_S = 0.1


async def test_cancelling_is_silence_within_a_tenth_of_a_second_at_both_ends(tmp_path: Path) -> None:
    """The best of five, on a machine that is busy."""
    hung_up_at: list[float] = []

    async def streams_on(exchange: Exchange) -> bool:
        first = STREAMS[exchange.wire][0].encode()
        words = first[first.rindex(b"data:") :]
        try:
            await exchange.begin()
            await exchange.chunk(first)
            while True:
                await exchange.chunk(words)
                await asyncio.sleep(0.005)
        finally:
            hung_up_at.append(time.perf_counter())

    async with replay_server() as server:
        variables = {
            "FLUX_PROVIDER": "compatible",
            "FLUX_BASE_URL": f"{server.base_url}/v1",
            "FLUX_MODEL": "m",
            "FLUX_API_KEY": "key-of-the-test",
        }
        took_s: list[float] = []
        async with bench(tmp_path, variables=variables, options={"turnEvents": True}) as made:
            heard_at = 0.0

            def hear(message: Message) -> None:
                nonlocal heard_at
                if message.method in {"flux/turnEvent", "$/progress"}:
                    heard_at = time.perf_counter()

            made.client.watchers.append(hear)
            for number in range(1, 6):
                server.next_answers.append(streams_on)
                params = {"command": "flux.chat.send", "arguments": [{"text": "Go."}]}
                begun = len(made.client.events())
                _, running = made.client.begin_request("workspace/executeCommand", params)
                await made.client.until(
                    lambda begun=begun: any(e["type"] == "text_delta" for e in made.client.events()[begun:])
                )
                cancelled_s = time.perf_counter()
                await made.client.command("flux.turn.cancel", {})
                assert (await asyncio.wait_for(running, 5))["status"] == "cancelled"
                async with asyncio.timeout(5):
                    while len(hung_up_at) < number:  # noqa: ASYNC110 -- a server in another task
                        await asyncio.sleep(0.001)
                await made.client.command("flux.chat.list", {})  # what was on its way has come
                took_s.append(max(heard_at, hung_up_at[-1]) - cancelled_s)
    assert min(took_s) < SILENT_S, took_s
