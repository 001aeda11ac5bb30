"""Recorded answers of the wires, event by event, and what faults make of their bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flux.core.errors import ProviderError
from flux.llm.base_provider import Delta, Response, fold
from flux.llm.wire.anthropic_messages import AnthropicDecoder
from flux.llm.wire.chat_completions import ChatDecoder
from flux.llm.wire.decoder import Decoder
from flux.llm.wire.ollama_chat import OllamaDecoder
from flux.llm.wire.openai_responses import ResponsesDecoder

FOLDER = Path(__file__).parents[1] / "llm" / "recordings"

DECODERS: dict[str, type[Decoder]] = {
    "anthropic": AnthropicDecoder,
    "openai": ResponsesDecoder,
    "chat": ChatDecoder,
}
"""Of the wires whose answers are streams of events."""
CODECS: dict[str, type[Decoder]] = {**DECODERS, "ollama": OllamaDecoder}
WIRES = {
    "anthropic": "Anthropic Messages",
    "openai": "OpenAI Responses",
    "chat": "Chat Completions",
    "ollama": "Ollama",
}
"""Their names for a reader."""
PROVIDERS = {"anthropic": "anthropic", "openai": "openai", "chat": "compatible", "ollama": "ollama"}
"""A provider that speaks each."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """An answer as a server sent it. `events` are the first byte of each event, and the byte behind it.

    `complete_at`: after so many bytes the answer counts as complete though the connection ends; `settled_at`: after so
    many the rest is not looked at. `given_at[n]`: how many of `deltas` the first n bytes give.
    """

    name: str
    wire: str
    data: bytes
    events: tuple[tuple[int, int], ...]
    deltas: tuple[Delta, ...]
    given_at: tuple[int, ...]
    complete_at: int
    settled_at: int

    @property
    def whole(self) -> Response:
        return fold(self.deltas)


def decode(
    wire: str, chunks: Iterable[bytes], request_id: str = "req_1", taken_ids: Iterable[str] = ("dup",)
) -> tuple[list[Delta], ProviderError | None]:
    """What a decoder gives, and the error that ended it."""
    decoder = CODECS[wire](request_id, taken_ids)
    deltas: list[Delta] = []
    try:
        for chunk in chunks:
            for delta in decoder.feed(chunk):
                deltas.append(delta)
        for delta in decoder.end():
            deltas.append(delta)
    except ProviderError as error:
        return deltas, error
    return deltas, None


@cache
def recordings() -> tuple[Recorded, ...]:
    """All of them, in the order of their names."""
    return tuple(_read(file) for file in sorted((*FOLDER.glob("*.sse"), *FOLDER.glob("*.ndjson"))))


def _read(file: Path) -> Recorded:
    wire, data = file.stem.partition("_")[0], file.read_bytes()
    decoder = CODECS[wire]("req_1", {"dup"})
    given = [0]
    settled_at = len(data)
    for at in range(len(data)):
        given.append(given[-1] + len(list(decoder.feed(data[at : at + 1]))))
        if decoder.is_finished:
            settled_at = min(settled_at, at + 1)
    deltas, error = decode(wire, [data])
    assert error is None, file.name
    given[-1] = len(deltas)
    events = tuple(_lines(data) if wire == "ollama" else _events(data))
    complete_at = next(end for _, end in events if decode(wire, [data[:end]])[1] is None)
    return Recorded(file.stem, wire, data, events, tuple(deltas), tuple(given), complete_at, settled_at)


def _events(data: bytes) -> Iterator[tuple[int, int]]:
    start = 0
    for blank in re.finditer(rb"\n\r?\n|\Z", data):
        if b"data:" in data[start : blank.end()]:
            yield start, blank.end()
        start = blank.end()


def _lines(data: bytes) -> Iterator[tuple[int, int]]:
    start = 0
    for line in data.splitlines(keepends=True):
        yield start, start + len(line)
        start += len(line)


ERROR_EVENTS: dict[str, bytes] = {
    wire: f"event: error\ndata: {json.dumps(data)}\n\n".encode()
    for wire, data in {
        "anthropic": {"type": "error", "error": {"type": "overloaded_error", "message": "Odd"}},
        "openai": {"type": "error", "code": "server_error", "message": "Odd"},
        "chat": {"error": {"message": "Odd", "type": "server_error", "code": 502}},
    }.items()
} | {"ollama": b'{"error": "Odd"}\n'}


def with_error_event(answer: Recorded, at: int) -> bytes:
    start, _ = answer.events[at]
    return answer.data[:start] + ERROR_EVENTS[answer.wire] + answer.data[start:]


def with_broken_json(answer: Recorded, at: int) -> bytes:
    """The data of an event ends in its midst."""
    start, end = answer.events[at]
    data_at = answer.data.index(b"{" if answer.wire == "ollama" else b"data:", start, end) + len(b"data:")
    broken_at = data_at + len(answer.data[data_at:end].rstrip()) // 2
    return answer.data[:broken_at] + b"\n\n" + answer.data[end:]


def with_event_twice(answer: Recorded, at: int) -> bytes:
    start, end = answer.events[at]
    event = answer.data[start:end].rstrip() + b"\n\n"
    return answer.data[:start] + event * 2 + answer.data[end:]


def without_event(answer: Recorded, at: int) -> bytes:
    start, end = answer.events[at]
    return answer.data[:start] + answer.data[end:]


def with_events_swapped(answer: Recorded, at: int) -> bytes:
    """An event and the one behind it in each other's place; the last has none behind it and stays."""
    if at + 1 == len(answer.events):
        return answer.data
    start, end = answer.events[at]
    next_start, next_end = answer.events[at + 1]
    data = answer.data
    later = data[next_start:next_end].rstrip() + b"\n\n"
    return data[:start] + later + data[end:next_start] + data[start:end] + data[next_end:]


def with_bytes(answer: Recorded, at: int, odd: bytes) -> bytes:
    return answer.data[:at] + odd + answer.data[at:]


def with_long_line(answer: Recorded, at: int, length: int) -> Sequence[bytes]:
    """A line that has no end for so many bytes, before an event; in pieces that share their memory."""
    start, _ = answer.events[at]
    piece = b"x" * (1 << 20)
    return [answer.data[:start] + b":", *[piece] * (length // len(piece) + 1), b"\n\n" + answer.data[start:]]
