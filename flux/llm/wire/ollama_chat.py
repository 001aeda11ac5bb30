"""Ollama's own chat API: a request as bytes, and deltas out of the bytes, one JSON object on each line.

Fields: Ollama's `docs/api.md` and `docs/context-length.mdx` (2026-11-21). Its other door, the one compatible with
OpenAI, takes no context length and shortens what is too long without a word; here `num_ctx` is always said, and
`truncate` and `shift` are refused, so that a conversation which does not fit is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flux.core.errors import StreamBroken
from flux.core.messages import Image, Message, Text, ToolResult
from flux.core.usage import Usage
from flux.llm.base_provider import Delta, FinishReason, ModelRequest
from flux.llm.wire.decoder import Decoder, arguments_text
from flux.llm.wire.history import parts_to_replay, sound_messages
from flux.llm.wire.json_values import Object, arguments_object, child, children, count, text, to_bytes
from flux.llm.wire.ndjson import LineSplitter, parse_line

WIRE = "ollama"
PATH = "/api/chat"


@dataclass(frozen=True, slots=True)
class Options:
    """What only Ollama must be told. `window_tokens` holds input and output.

    `keep_alive` is a duration (`30m`) or seconds (`-1`: for ever); empty: as the server is set up.
    """

    window_tokens: int
    thinks: bool = False
    keep_alive: str = ""


def encode_request(request: ModelRequest, options: Options) -> bytes:
    """The request's body. What does not change within a session comes first, so that requests share their prefix."""
    settings: Object = {"num_ctx": options.window_tokens, "num_predict": request.max_output_tokens}
    if request.temperature is not None:
        settings["temperature"] = request.temperature
    head: Object = {"model": request.model, "options": settings, "truncate": False, "shift": False}
    if options.thinks:
        head["think"] = request.effort != "none"
    if options.keep_alive:
        is_number = options.keep_alive.removeprefix("-").isdecimal()
        head["keep_alive"] = int(options.keep_alive) if is_number else options.keep_alive
    # There is no choice of a tool; `none` is said by offering none.
    if request.tools and request.tool_choice != "none":
        head["tools"] = [
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)},
            }
            for tool in request.tools
        ]
    extra = dict(request.extra_body)
    settings |= child(extra, "options")
    head |= extra | {"options": settings}
    messages = b",".join(_messages(request))
    return b'%s,"messages":[%s],"stream":%s}' % (to_bytes(head)[:-1], messages, to_bytes(request.is_streamed))


def encode_message(message: Message) -> bytes:
    """The message as it stands in a request, of a tool message one for each result with commas between them.

    Empty where nothing of it can be sent. Neighbours of one role may stay apart: Ollama joins them.
    """
    match message.role:
        case "user":
            return _user(message)
        case "assistant":
            return _assistant(message)
        case "tool":
            results = (part for part in message.parts if isinstance(part, ToolResult))
            return b",".join(
                to_bytes({"role": "tool", "tool_name": r.name, "tool_call_id": r.call_id, "content": r.content})
                for r in results
            )


def _messages(request: ModelRequest) -> Iterator[bytes]:
    if request.system.strip():
        yield to_bytes({"role": "system", "content": request.system})
    for message in sound_messages(request.messages):
        key = (WIRE, message)
        encoded = request.encoded.get(key)
        if encoded is None:
            encoded = request.encoded[key] = encode_message(message)
        if encoded:
            yield encoded


def _user(message: Message) -> bytes:
    words = "\n\n".join(part.text for part in message.parts if isinstance(part, Text) and part.text.strip())
    images = [part.data for part in message.parts if isinstance(part, Image)]
    if not words and not images:
        return b""
    return to_bytes({"role": "user", "content": words} | ({"images": images} if images else {}))


def _assistant(message: Message) -> bytes:
    parts = parts_to_replay(message, WIRE)
    if not parts:
        return b""
    found: Object = {"role": "assistant", "content": Message("assistant", tuple(parts)).text()}
    calls = [
        {"id": call.id, "function": {"name": call.name, "arguments": arguments_object(call.arguments_json)}}
        for call in message.tool_calls()
    ]
    if calls:
        found["tool_calls"] = calls
    return to_bytes(found)


class OllamaDecoder(Decoder):
    """One answer of Ollama's chat API; its terminal event is the object that is `done`."""

    def __init__(self, request_id: str = "", taken_ids: Iterable[str] = ()) -> None:
        super().__init__(request_id, taken_ids)
        self._lines = LineSplitter()

    def feed(self, data: bytes) -> Iterator[Delta]:
        for line in self._lines.feed(data):
            yield from self._read_line(line)

    def end(self) -> Iterator[Delta]:
        for line in self._lines.end():
            yield from self._read_line(line)
        if not self.is_finished:
            raise StreamBroken("the answer ended before it was complete.")

    def _read_line(self, line: bytes) -> Iterator[Delta]:
        if not self.is_finished:
            yield from self._event("", parse_line(line))

    def _event(self, name: str, event: Object) -> Iterator[Delta]:
        yield from self._start(text(event, "model"))
        message = child(event, "message")
        if thoughts := text(message, "thinking"):
            yield from self._reasoning(thoughts)
        if words := text(message, "content"):
            yield from self._text(words)
        for call in children(message, "tool_calls"):
            function = child(call, "function")
            first = self._new_call(text(call, "id"), text(function, "name"))
            yield first
            yield from self._arguments(first.index, arguments_text(function.get("arguments")))
        if event.get("done") is True:
            yield from self._report(Usage(count(event, "prompt_eval_count"), count(event, "eval_count")))
            yield from self._finish(_reason(text(event, "done_reason")))

    def _whole_answer(self, answer: Object) -> Iterator[Delta]:
        yield from self._event("", answer)


def _reason(said: str) -> FinishReason:
    return "length" if said == "length" else "stop"
