"""What a codec costs: for each delta of an answer, and for a request with a long history whose messages are kept."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from flux.core.messages import Message, Text, ToolSpec
from flux.llm.base_provider import ModelRequest
from flux.llm.wire import anthropic_messages, chat_completions, ollama_chat, openai_responses, text_tools
from flux.llm.wire.decoder import Decoder
from tests.benchmarks import model_server
from tests.benchmarks.figures import Bound, Effort, Figure, in_turn, median

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
    "tools as text": lambda asked: chat_completions.encode_request(
        text_tools.as_text_request(asked), quirks=chat_completions.Quirks()
    ),
    "ollama": partial(ollama_chat.encode_request, options=ollama_chat.Options(131_072)),
}


def decode(effort: Effort, folder: Path) -> list[Figure]:
    del folder
    deltas = effort.of(20_000)
    must_be = Bound("measured", "<=", 5.0)
    figures: list[Figure] = []
    for name in CODECS:
        codec, json_alone = in_turn(5, partial(_decode_us, name, deltas), partial(_parse_us, name, deltas))
        figure = f"decode: a delta, {name}"
        figures.append(Figure(figure, "µs", median(codec), median(json_alone), "its JSON alone", must_be))
    return [*figures, Figure("decode: a delta, tools as text", "µs", _find_us(deltas), bound=must_be)]


def _decode_us(name: str, deltas: int) -> float:
    events, decoder = CODECS[name]
    body = b"".join(events(deltas))
    packets = [body[at : at + PACKET_BYTES] for at in range(0, len(body), PACKET_BYTES)]
    decoding = decoder("", set())
    began = time.process_time()  # of this process alone: what others do on the machine does not count
    count = sum(1 for packet in packets for _ in decoding.feed(packet))
    taken = time.process_time() - began
    if count < deltas:
        raise RuntimeError(f"{name} gave {count} deltas of {deltas}")
    return taken / deltas * 1e6


def _parse_us(name: str, deltas: int) -> float:
    """To parse the JSON of the same events, taken apart before."""
    bodies = [event[event.index(b"{") :] for event in CODECS[name][0](deltas) if b"{" in event]
    began = time.process_time()
    for body in bodies:
        json.loads(body)
    return (time.process_time() - began) / deltas * 1e6


def _find_us(deltas: int) -> float:
    """To look for calls in a delta's text, which comes on top of its codec."""
    tool = ToolSpec("read_file", "Read a file.", {"type": "object", "properties": {"path": {"type": "string"}}})
    asked = ModelRequest("m", HISTORY[:1], tools=(tool,))

    def once() -> float:
        finder = text_tools.CallFinder(asked)
        began = time.process_time()
        shown = sum(len(finder.feed(model_server.WORD)) for _ in range(deltas))
        taken = time.process_time() - began
        if not shown:
            raise RuntimeError("no text was shown")
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
        began = time.process_time()
        encode(asked)
        return (time.process_time() - began) * 1000

    return median([once() for _ in range(times)])
