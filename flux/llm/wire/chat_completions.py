"""OpenAI's Chat Completions API, as dozens of servers speak it: a request as bytes, and deltas out of the bytes.

Fields: the type stubs of the openai SDK 3.52.0 (2026-11-21), `types/chat/`; `reasoning_content` is DeepSeek's and
vLLM's, `reasoning` and `reasoning_details` OpenRouter's (openrouter.ai/docs/guides/best-practices/reasoning-tokens,
2026-11-21): the details are wanted back as they came, in their order, fragments of a stream joined by type and index.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flux.core.errors import StreamBroken
from flux.core.messages import Image, Message, Reasoning, Text, ToolResult
from flux.core.usage import Usage
from flux.llm.base_provider import Delta, FinishReason, ModelRequest, ReasoningDelta, ToolCallDelta
from flux.llm.wire.decoder import Decoder, arguments_text
from flux.llm.wire.history import UNANSWERED, parts_to_replay, sound_messages
from flux.llm.wire.json_values import (
    Object,
    arguments_object,
    child,
    children,
    count,
    parse_object,
    position,
    text,
    to_bytes,
)

WIRE = "chat"
DETAILS_WIRE = "openrouter"
"""Whose thoughts have details: they go back there, and to no other server of this API."""
PATH = "/chat/completions"

_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "refused",
    "refusal": "refused",
}


@dataclass(frozen=True, slots=True)
class Quirks:
    """What a server wants otherwise. `max_tokens_name`: newer OpenAI models take only `max_completion_tokens`.

    `wants_thoughts_back`: each message with calls has its `reasoning_content`, also an empty one (DeepSeek).
    `wants_details_back`: each message has the `reasoning_details` that came with it (OpenRouter).
    """

    max_tokens_name: str = "max_tokens"
    takes_stream_options: bool = True
    wants_thoughts_back: bool = False
    wants_details_back: bool = False


def encode_request(request: ModelRequest, quirks: Quirks) -> bytes:
    """The request's body. What does not change within a session comes first, so that requests share their prefix."""
    head: Object = {"model": request.model, quirks.max_tokens_name: request.max_output_tokens}
    if request.temperature is not None:
        head["temperature"] = request.temperature
    if request.thinking and request.effort:
        head["reasoning_effort"] = request.effort
    if request.tools:
        head["tools"] = [
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)},
            }
            for tool in request.tools
        ]
        if request.tool_choice != "auto":
            head["tool_choice"] = _tool_choice(request.tool_choice)
    if request.is_streamed and quirks.takes_stream_options:
        head["stream_options"] = {"include_usage": True}
    head |= request.extra_body
    messages = b",".join(_messages(request, quirks))
    return b'%s,"messages":[%s],"stream":%s}' % (to_bytes(head)[:-1], messages, to_bytes(request.is_streamed))


def encode_message(message: Message, quirks: Quirks) -> bytes:
    """The message as it stands in a request; empty where nothing of it can be sent.

    Of a user's message only the content, a JSON string or, where there are images, the parts with commas between them.
    Of a tool message one message for each result, with commas between them.
    """
    match message.role:
        case "user":
            return _user_content(message)
        case "assistant":
            return _assistant(message, quirks)
        case "tool":
            results = (part for part in message.parts if isinstance(part, ToolResult))
            return b",".join(
                to_bytes({"role": "tool", "tool_call_id": result.call_id, "content": result.content})
                for result in results
            )


def _messages(request: ModelRequest, quirks: Quirks) -> Iterator[bytes]:
    """The messages, with a word between two of the user: many chat templates fail where roles do not alternate."""
    if request.system.strip():
        yield to_bytes({"role": "system", "content": request.system})
    form = f"{WIRE} with thoughts" if quirks.wants_thoughts_back else WIRE
    last = ""
    for message in sound_messages(request.messages):
        key = (form, message)
        encoded = request.encoded.get(key)
        if encoded is None:
            encoded = request.encoded[key] = encode_message(message, quirks)
        if not encoded:
            continue
        if message.role == last == "user":
            yield to_bytes({"role": "assistant", "content": UNANSWERED})
        yield _user(encoded) if message.role == "user" else encoded
        last = message.role


def _user_content(message: Message) -> bytes:
    parts = [
        part for part in message.parts if isinstance(part, Image) or (isinstance(part, Text) and part.text.strip())
    ]
    if not any(isinstance(part, Image) for part in parts):
        words = "\n\n".join(part.text for part in parts if isinstance(part, Text))
        return to_bytes(words) if words else b""
    return b",".join(
        to_bytes({"type": "text", "text": part.text})
        if isinstance(part, Text)
        else to_bytes({"type": "image_url", "image_url": {"url": f"data:{part.media_type};base64,{part.data}"}})
        for part in parts
    )


def _user(content: bytes) -> bytes:
    return b'{"role":"user","content":%s}' % (content if content.startswith(b'"') else b"[%s]" % content)


def _assistant(message: Message, quirks: Quirks) -> bytes:
    parts = parts_to_replay(message, WIRE)
    if not parts:
        return b""
    found: Object = {"role": "assistant", "content": Message("assistant", tuple(parts)).text() or None}
    calls = [
        {
            "id": call.id,
            "type": "function",
            "function": {
                "name": call.name,
                "arguments": json.dumps(arguments_object(call.arguments_json), ensure_ascii=False),
            },
        }
        for call in message.tool_calls()
    ]
    if calls:
        found["tool_calls"] = calls
        if quirks.wants_thoughts_back:
            thoughts = (part for part in message.parts if isinstance(part, Reasoning) and not part.opaque)
            found["reasoning_content"] = "".join(part.text for part in thoughts)
    if quirks.wants_details_back and (details := _details(message)):
        found["reasoning_details"] = details
    return to_bytes(found)


def _details(message: Message) -> list[object]:
    kept = (part for part in message.parts if isinstance(part, Reasoning) and part.wire == DETAILS_WIRE and part.opaque)
    return [detail for part in kept for detail in children(parse_object(part.opaque), "reasoning_details")]


def _tool_choice(choice: str) -> object:
    return choice if choice in {"none", "required"} else {"type": "function", "function": {"name": choice}}


@dataclass(slots=True)
class _Call:
    """A call as the server names it, and our index for it."""

    id: str
    name: str
    index: int


class ChatDecoder(Decoder):
    """One answer of the Chat Completions API.

    Its terminal event is `[DONE]`; servers that leave it out have ended well where a `finish_reason` came.
    """

    def __init__(self, request_id: str = "", taken_ids: Iterable[str] = ()) -> None:
        super().__init__(request_id, taken_ids)
        self._calls: dict[int, _Call] = {}
        self._unnamed: set[int] = set()
        self._reason: FinishReason | None = None
        self._details: list[Object] = []

    def _event(self, name: str, event: Object) -> Iterator[Delta]:
        yield from self._start(text(event, "model"))
        for choice in children(event, "choices")[:1]:
            yield from self._delta(child(choice, "delta") or child(choice, "message"))
            if why := text(choice, "finish_reason"):
                self._reason = _REASONS.get(why, "stop")
        if usage := child(event, "usage"):
            yield from self._count(usage)

    def _whole_answer(self, answer: Object) -> Iterator[Delta]:
        yield from self._event("", answer)
        if "choices" in answer:
            yield from self._done()

    def _done(self) -> Iterator[Delta]:
        if self._unnamed:
            raise StreamBroken("the beginning of a call did not come.")
        opaque = json.dumps({"reasoning_details": self._details}, ensure_ascii=False)
        if self._details and "\ufffd" not in opaque:  # what was not whole UTF-8 is no longer what was signed
            yield ReasoningDelta(wire=DETAILS_WIRE, opaque=opaque)
        yield from self._finish(self._reason or "stop")

    def _close(self) -> Iterator[Delta]:
        if self._reason is not None:
            yield from self._done()

    def _delta(self, delta: Object) -> Iterator[Delta]:
        details = children(delta, "reasoning_details")
        thoughts = text(delta, "reasoning_content") or text(delta, "reasoning")
        if thoughts := thoughts or "".join(text(detail, "text") or text(detail, "summary") for detail in details):
            yield from self._reasoning(thoughts)
        for detail in details:
            self._keep(detail)
        if words := _words(delta):
            yield from self._text(words)
        if refusal := text(delta, "refusal"):
            self._reason = "refused"
            yield from self._text(refusal)
        for call in children(delta, "tool_calls"):
            yield from self._call(call)

    def _keep(self, detail: Object) -> None:
        """Add a detail, or what more came of the one before."""
        last = self._details[-1] if self._details else {}
        if "index" not in detail or (last.get("index"), last.get("type")) != (detail["index"], detail.get("type")):
            self._details.append(dict(detail))
            return
        for name, value in detail.items():
            if name in {"text", "summary", "data"}:
                last[name] = text(last, name) + text(detail, name)
            elif value is not None or name not in last:
                last[name] = value

    def _call(self, call: Object) -> Iterator[Delta]:
        function = child(call, "function")
        call_id, name = text(call, "id"), text(function, "name")
        at = position(call, "index")
        if at < 0:  # no index: a new id or, without ids, a new name begins a new call
            at = len(self._calls) if call_id or name else len(self._calls) - 1
        known = self._calls.get(at)
        # Some servers number all calls 0; each then comes with its own id and name.
        if known is None or (call_id and name and call_id != known.id):
            first = self._new_call(call_id, name)
            known = self._calls[at] = _Call(call_id, name, first.index)
            if not name:
                self._unnamed.add(known.index)
            yield first
        elif name and not known.name:
            known.name = name
            self._unnamed.remove(known.index)
            yield ToolCallDelta(known.index, name=name)
        yield from self._arguments(known.index, arguments_text(function.get("arguments")))

    def _count(self, usage: Object) -> Iterator[Delta]:
        details = child(usage, "prompt_tokens_details")
        yield from self._report(
            Usage(
                count(usage, "prompt_tokens"),
                count(usage, "completion_tokens"),
                count(details, "cached_tokens"),
                count(details, "cache_write_tokens"),
                count(child(usage, "completion_tokens_details"), "reasoning_tokens"),
            )
        )


def _words(delta: Object) -> str:
    """The content: a text, or of some servers a list of parts."""
    return text(delta, "content") or "".join(text(part, "text") for part in children(delta, "content"))
