"""Anthropic's Messages API: a request as bytes, and deltas out of the answer's bytes.

Fields and events: the type stubs of the anthropic SDK 2.11.0 (2026-11-21), `types/message_create_params.py` and
`types/raw_message_stream_event.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import assert_never

from flux.core.errors import StreamBroken
from flux.core.messages import Image, Message, Part, Reasoning, Summary, Text, ToolCall, ToolResult
from flux.core.usage import Usage
from flux.llm.base_provider import Delta, FinishReason, ModelRequest, ReasoningDelta
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

WIRE = "anthropic"
PATH = "/v1/messages"
COUNT_PATH = "/v1/messages/count_tokens"
COUNTED = frozenset(("model", "messages", "system", "tools", "tool_choice", "thinking"))
"""The fields of a request that counting takes (anthropic 2.11.0, `types/message_count_tokens_params.py`)."""
VERSION = "2026-10-21"
"""What the header `anthropic-version` says: the version this codec is written for."""

_NO_BEGINNING = "the beginning of a part of the answer did not come."
_CACHED = {"type": "ephemeral"}
_EARLIER = to_bytes({"type": "text", "text": "(The beginning of this conversation was left out.)"})
_UNANSWERED = to_bytes({"type": "text", "text": UNANSWERED})
_MARK = b',"cache_control":%s}' % to_bytes(_CACHED)
_COUNTS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
_LEAST_CHARACTERS = 2
"""No text has fewer to a token: what has not so many for each is surely too short to be cached."""
_LEAST_BUDGET = 1024
_BUDGETS = {"low": 2048, "medium": 8192, "high": 16_384}
"""Tokens to think with, for the models that need a number; it must be less than the longest answer."""
_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refused",
}


def encode_request(request: ModelRequest) -> bytes:
    """The request's body. What does not change within a session comes first, so that requests share their prefix."""
    head: Object = {"model": request.model, "max_tokens": request.max_output_tokens}
    if request.tools:
        head["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": dict(tool.parameters)}
            for tool in request.tools
        ]
    if request.system.strip():
        head["system"] = [{"type": "text", "text": request.system} | _mark_of_head(request, head.get("tools", ""))]
    if request.tools and request.tool_choice != "auto":
        head["tool_choice"] = _tool_choice(request.tool_choice)
    if request.temperature is not None:
        head["temperature"] = min(request.temperature, 1.0)
    head |= _thinking(request)
    head |= request.extra_body
    messages = b",".join(_marked(list(_turns(request))))
    return b'%s,"messages":[%s],"stream":%s}' % (to_bytes(head)[:-1], messages, to_bytes(request.is_streamed))


def encode_message(message: Message) -> bytes:
    """The message's content blocks, with commas between them; empty where nothing of it can be sent."""
    parts = parts_to_replay(message, WIRE) if message.role == "assistant" else sorted(message.parts, key=_is_no_summary)
    return b",".join(to_bytes(block) for part in parts if (block := _block(part)))


def _mark_of_head(request: ModelRequest, tools: object) -> Object:
    """The mark behind tools and system, where they are long enough to be cached by themselves."""
    length = len(request.system) + len(str(tools))
    return {"cache_control": _CACHED} if length >= request.cache_min_tokens * _LEAST_CHARACTERS else {}


def _marked(turns: list[tuple[str, list[bytes]]]) -> Iterator[bytes]:
    """The turns, with marks on the last blocks of the user's last two: where this request ends, and where the one
    before it did. The service looks for what it knows no more than 20 blocks before a mark."""
    marked = [at for at, (role, _) in enumerate(turns) if role == "user"][-2:]
    for at, (role, blocks) in enumerate(turns):
        content = b",".join(blocks)
        if at in marked:
            content = content[:-1] + _MARK
        yield b'{"role":"%s","content":[%s]}' % (role.encode("ascii"), content)


def _turns(request: ModelRequest) -> Iterator[tuple[str, list[bytes]]]:
    """Each turn's role and its blocks. Roles must alternate, and results are the user's.

    What was sent as a turn stays one: what follows never joins it.
    """
    last = ""
    blocks: list[bytes] = []
    for message in sound_messages(request.messages):
        key = (WIRE, message)
        encoded = request.encoded.get(key)
        if encoded is None:
            encoded = request.encoded[key] = encode_message(message)
        if not encoded:
            continue
        role = "assistant" if message.role == "assistant" else "user"
        if role != last or message.role == "user":
            if blocks:
                yield last, blocks
            if role == last:
                yield "assistant", [_UNANSWERED]
            elif not last and role == "assistant":
                yield "user", [_EARLIER]
            last, blocks = role, []
        blocks.append(encoded)
    if blocks:
        yield last, blocks


def _block(part: Part) -> Object | None:
    match part:
        case Text(words):
            return {"type": "text", "text": words} if words.strip() else None
        case Reasoning(words, _, opaque):
            block = parse_object(opaque)
            return {**block, "thinking": words} if block["type"] == "thinking" else block
        case Summary(_, _, opaque):
            return parse_object(opaque)
        case Image(media_type, data):
            return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}
        case ToolCall(call_id, name, arguments_json):
            return {"type": "tool_use", "id": _id(call_id), "name": name, "input": arguments_object(arguments_json)}
        case ToolResult(call_id, _, content, is_error):
            result: Object = {"type": "tool_result", "tool_use_id": _id(call_id), "content": content or "(nothing)"}
            return {**result, "is_error": True} if is_error else result
        case _:
            assert_never(part)


def _is_no_summary(part: Part) -> bool:
    """To sort by: a summary must be the first block of the conversation."""
    return not isinstance(part, Summary)


def _id(call_id: str) -> str:
    """The id in the letters that Anthropic takes; calls of other providers may have dots and colons in theirs."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in call_id)


def _thinking(request: ModelRequest) -> Object:
    """Thoughts are asked for in words that can be shown."""
    match request.thinking:
        case "" | "effort":
            return {}
        case "budget":
            budget = min(_BUDGETS.get(request.effort, 0), request.max_output_tokens - 1)
            if budget < _LEAST_BUDGET:
                return {}
            return {"thinking": {"type": "enabled", "budget_tokens": budget, "display": "summarized"}}
        case "adaptive" if request.effort == "none":
            return {"thinking": {"type": "disabled"}}
        case "always" | "adaptive":
            thinking = {"type": "adaptive", "display": "summarized"}
            return {"thinking": thinking, "output_config": {"effort": request.effort}}


def _tool_choice(choice: str) -> Object:
    match choice:
        case "none":
            return {"type": "none"}
        case "required":
            return {"type": "any"}
        case _:
            return {"type": "tool", "name": choice}


class AnthropicDecoder(Decoder):
    """One answer of the Messages API. A stream without `message_start` is taken too (llama.cpp sends such)."""

    def __init__(self, request_id: str = "", taken_ids: Iterable[str] = ()) -> None:
        super().__init__(request_id, taken_ids)
        self._blocks: set[int] = set()
        """Of which blocks something came."""
        self._calls: dict[int, int] = {}
        self._whole_inputs: dict[int, object] = {}
        self._signatures: dict[int, str] = {}
        self._counts: dict[str, int] = {}
        self._reason: FinishReason = "stop"

    def _event(self, name: str, event: Object) -> Iterator[Delta]:
        at = position(event, "index")
        match text(event, "type") or name:
            case "content_block_delta":
                yield from self._start("")
                yield from self._block_delta(at, child(event, "delta"))
            case "message_start":
                message = child(event, "message")
                yield from self._start(text(message, "model"))
                yield from self._count(child(message, "usage"))
            case "content_block_start":
                yield from self._start("")
                yield from self._block_start(at, child(event, "content_block"))
            case "content_block_stop":
                yield from self._block_stop(at)
            case "message_delta":
                self._reason = _REASONS.get(text(child(event, "delta"), "stop_reason"), self._reason)
                yield from self._count(child(event, "usage"))
            case "message_stop":
                for unstopped in list(self._whole_inputs):
                    yield from self._block_stop(unstopped)
                yield from self._finish(self._reason)
            case _:
                pass  # ping, and what will be invented

    def _block_start(self, at: int, block: Object) -> Iterator[Delta]:
        self._blocks.add(at)
        match text(block, "type"):
            case "text":
                yield from self._text(text(block, "text"), at)
            case "thinking":
                yield from self._reasoning(text(block, "thinking"), at)
                self._signatures[at] = text(block, "signature")
            case "redacted_thinking":
                yield ReasoningDelta(wire=WIRE, opaque=json.dumps(block))
            case "tool_use" if at not in self._calls:
                call = self._new_call(text(block, "id"), text(block, "name"))
                self._calls[at] = call.index
                if block.get("input"):
                    self._whole_inputs[at] = block["input"]
                yield call
            case _:
                pass

    def _block_delta(self, at: int, delta: Object) -> Iterator[Delta]:
        if at not in self._blocks and text(delta, "type") == "input_json_delta":
            raise StreamBroken(_NO_BEGINNING)
        self._blocks.add(at)
        match text(delta, "type"):
            case "text_delta":
                yield from self._text(text(delta, "text"), at)
            case "input_json_delta" if at in self._calls:
                if piece := text(delta, "partial_json"):
                    self._whole_inputs.pop(at, None)  # the pieces say it all
                    yield from self._arguments(self._calls[at], piece)
            case "thinking_delta":
                yield from self._reasoning(text(delta, "thinking"), at)
            case "signature_delta":
                self._signatures[at] = self._signatures.get(at, "") + text(delta, "signature")
            case _:
                pass

    def _block_stop(self, at: int) -> Iterator[Delta]:
        if at not in self._blocks:
            raise StreamBroken(_NO_BEGINNING)  # it may have been a call
        if signature := self._signatures.pop(at, ""):
            yield ReasoningDelta(wire=WIRE, opaque=json.dumps({"type": "thinking", "signature": signature}))
        if at in self._whole_inputs:
            yield from self._arguments(self._calls[at], arguments_text(self._whole_inputs.pop(at)))

    def _whole_answer(self, answer: Object) -> Iterator[Delta]:
        yield from self._start(text(answer, "model"))
        for at, block in enumerate(children(answer, "content")):
            yield from self._block_start(at, block)
            yield from self._block_stop(at)
        yield from self._count(child(answer, "usage"))
        if "content" in answer:
            yield from self._finish(_REASONS.get(text(answer, "stop_reason"), "stop"))

    def _count(self, usage: Object) -> Iterator[Delta]:
        """Counts are cumulative; gateways leave out or send as 0, early or late, what they do not know."""
        counts = self._counts
        for name in _COUNTS:
            counts[name] = max(counts.get(name, 0), count(usage, name))
        thinking = count(child(usage, "output_tokens_details"), "thinking_tokens")
        read, written = counts["cache_read_input_tokens"], counts["cache_creation_input_tokens"]
        yield from self._report(
            Usage(
                counts["input_tokens"] + read + written,
                counts["output_tokens"],
                read,
                written,
                thinking or self._usage.reasoning_tokens,
            )
        )
