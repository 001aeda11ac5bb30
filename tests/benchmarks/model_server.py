"""Answers like a provider, from bytes made beforehand, in a process of its own. No model is behind it.

`python -m tests.benchmarks.model_server DELTAS RATE TELLS`: prints its port; then, if TELLS is 1, a line as each
request arrives. Both SDKs read these answers to their ends (anthropic 2.11, openai 3.52; 2026-11-21).
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import suppress

PACKET_BYTES = 1 << 14
WORD = " word"


def anthropic_messages(deltas: int) -> Iterator[bytes]:
    usage = {"input_tokens": 5, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": usage}
    yield _event("message_start", message=message)
    yield _event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    yield from [_event("content_block_delta", index=0, delta={"type": "text_delta", "text": WORD})] * deltas
    yield _event("content_block_stop", index=0)
    yield _event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": deltas})
    yield _event("message_stop")


def openai_responses(deltas: int) -> Iterator[bytes]:
    response = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "in_progress"}
    response |= {"output": [], "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    text = {"type": "output_text", "text": WORD * deltas, "annotations": []}
    done = {**item, "status": "completed", "content": [text]}
    details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    usage = {"input_tokens": 5, "output_tokens": deltas, "total_tokens": 5 + deltas, **details}
    events = [
        ("response.created", {"response": response}),
        ("response.output_item.added", {"output_index": 0, "item": item}),
        ("response.content_part.added", {**at, "part": {"type": "output_text", "text": "", "annotations": []}}),
        *[("response.output_text.delta", {**at, "delta": WORD, "logprobs": []})] * deltas,
        ("response.output_text.done", {**at, "text": WORD * deltas, "logprobs": []}),
        ("response.content_part.done", {**at, "part": text}),
        ("response.output_item.done", {"output_index": 0, "item": done}),
        ("response.completed", {"response": {**response, "status": "completed", "output": [done], "usage": usage}}),
    ]
    for number, (kind, fields) in enumerate(events):
        yield _event(kind, sequence_number=number, **fields)


def _event(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields}, separators=(',', ':'))}\n\n".encode()


class ModelServer:
    """`rate` is deltas for a second, 0: as fast as they are taken, in packets."""

    def __init__(self, deltas: int, rate: int, *, tells_arrivals: bool) -> None:
        self._rate = rate
        self._tells_arrivals = tells_arrivals
        self._answers = {"messages": [*anthropic_messages(deltas)], "responses": [*openai_responses(deltas)]}
        self._packets = {name: [*_packets(b"".join(events))] for name, events in self._answers.items()}

    async def run(self) -> None:
        listening = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 24)
        print(listening.sockets[0].getsockname()[1], flush=True)
        await listening.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
                await reader.readexactly(int(length.partition(b":")[2]))
                if self._tells_arrivals:
                    print("request", flush=True)
                writer.write(
                    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
                )
                await self._answer(writer, "messages" if b"/messages" in head.partition(b"\r\n")[0] else "responses")
        writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, name: str) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number, piece in enumerate(self._answers[name] if self._rate else self._packets[name]):
            if self._rate:
                await asyncio.sleep(began + number / self._rate - loop.time())
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()


def _packets(body: bytes) -> Iterator[bytes]:
    return (body[at : at + PACKET_BYTES] for at in range(0, len(body), PACKET_BYTES))


if __name__ == "__main__":
    count, speed, tells = map(int, sys.argv[1:])
    asyncio.run(ModelServer(count, speed, tells_arrivals=bool(tells)).run())
