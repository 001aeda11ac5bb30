"""What a codec costs: for each delta of an answer, and for a request with a long history whose messages are kept."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from flux.core.messages import Message, Text
from flux.llm.base_provider import ModelRequest
from flux.llm.wire import anthropic_messages, chat_completions, ollama_chat, openai_responses
from flux.llm.wire.decoder import Decoder
from tests.benchmarks import model_server
from tests.benchmarks.figures import Bound, Effort, Figure, median

PACKET_BYTES = 1 << 14
HISTORY = tuple(Message("assistant" if n % 2 else "user", (Text(f"{n} " + "word " * 800),)) for n in range(101))
"""A hundred messages of 4 KB."""


def _chat(deltas: int) -> Iterator[bytes]:
    def event(delta: Mapping[str, str], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return b"data: " + json.dumps({"id": "c", "model": "m", "choices": [choice]}).encode() + b"\n\n"

    yield from [event({"content": model_server.WORD})] * deltas
    yield event({}, "stop")
    yield b"data: [DONE]\n\n"


def _ollama(deltas: int) -> Iterator[bytes]:
    message = {"role": "assistant", "content": model_server.WORD}
    yield from [json.dumps({"model": "m", "message": message, "done": False}).encode() + b"\n"] * deltas
    yield json.dumps(
        {"model": "m", "message": {**message, "content": ""}, "done": True, "done_reason": "stop"}
    ).encode()
    yield b"\n"


CODECS: Mapping[str, tuple[Callable[[int], Iterator[bytes]], type[Decoder]]] = {
    "anthropic": (model_server.anthropic_messages, anthropic_messages.AnthropicDecoder),
    "responses": (model_server.openai_responses, openai_responses.ResponsesDecoder),
    "chat": (_chat, chat_completions.ChatDecoder),
    "ollama": (_ollama, ollama_chat.OllamaDecoder),
}
ENCODERS: Mapping[str, Callable[[ModelRequest], bytes]] = {
    "anthropic": anthropic_messages.encode_request,
    "responses": openai_responses.encode_request,
    "chat": partial(chat_completions.encode_request, quirks=chat_completions.Quirks()),
}


def decode(effort: Effort, folder: Path) -> list[Figure]:
    del folder
    deltas = effort.of(20_000)
    return [
        Figure(f"decode: a delta, {name}", "µs", _decode_us(name, deltas), bound=Bound("measured", "<=", 5.0))
        for name in CODECS
    ]


def _decode_us(name: str, deltas: int) -> float:
    events, decoder = CODECS[name]
    body = b"".join(events(deltas))
    packets = [body[at : at + PACKET_BYTES] for at in range(0, len(body), PACKET_BYTES)]

    def once() -> float:
        decoding = decoder("", set())
        began = time.perf_counter()
        count = sum(1 for packet in packets for _ in decoding.feed(packet))
        taken = time.perf_counter() - began
        if count < deltas:
            raise RuntimeError(f"{name} gave {count} deltas of {deltas}")
        return taken / deltas * 1e6

    return median([once() for _ in range(5)])


def request(effort: Effort, folder: Path) -> list[Figure]:
    del folder
    return [
        Figure(f"a request with 400 KB of history, {name}", "ms", _ready_ms(encode, effort.of(50)), bound=_READY)
        for name, encode in ENCODERS.items()
    ]


_READY = Bound("measured", "<=", 2.0)


def _ready_ms(encode: Callable[[ModelRequest], bytes], times: int) -> float:
    asked = ModelRequest("m", HISTORY)
    encode(asked)  # the bytes of each message are kept from here on

    def once() -> float:
        began = time.perf_counter()
        encode(asked)
        return (time.perf_counter() - began) * 1000

    return median([once() for _ in range(times)])
