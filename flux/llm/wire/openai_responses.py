"""OpenAI's Responses API: a request as bytes, and deltas out of the answer's bytes.

Nothing is stored at the service (`store` false): thoughts come back encrypted and are sent again. Fields and events:
the type stubs of the openai SDK 3.52.0 (2026-11-21), `types/responses/`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import assert_never

from flux.core.errors import StreamBroken
from flux.core.messages import Image, Message, Part, Reasoning, Summary, Text, ToolCall, ToolResult
from flux.core.usage import Usage
from flux.llm.base_provider import Delta, FinishReason, ModelRequest, ReasoningDelta
from flux.llm.wire.decoder import Decoder, arguments_text
from flux.llm.wire.faults import Complaint, complaint_of, make_error
from flux.llm.wire.history import parts_to_replay, sound_messages
from flux.llm.wire.json_values import (
    Object,
    arguments_object,
    child,
    children,
    count,
    mend_surrogates,
    parse_object,
    position,
    text,
    to_bytes,
)

WIRE = "openai"
STORED = "openai stored"
"""The `wire` of a part without words that has the id of a stored answer: no wire sends it (`stored_responses`)."""
PATH = "/responses"
COUNT_PATH = "/responses/input_tokens"
COUNTED = frozenset(("model", "input", "instructions", "tools", "tool_choice", "reasoning"))
"""The fields of a request that counting takes (openai 3.52.0, `types/responses/input_token_count_params.py`)."""

MIN_OUTPUT_TOKENS = 16
"""The service refuses a smaller bound."""

_WITHOUT_REASONING = ("gpt-3", "gpt-4", "chatgpt-4")
"""These refuse to be asked for encrypted thoughts; all later models think."""


def encode_request(request: ModelRequest, messages: Sequence[Message] | None = None) -> bytes:
    """The request's body. What does not change within a session comes first, so that requests share their prefix.

    `messages`: only these, out of its sound ones.
    """
    head: Object = {"model": request.model, "store": False}
    if request.system.strip():
        head["instructions"] = request.system
    if request.tools:
        head["tools"] = [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": dict(tool.parameters),
                "strict": False,  # strict schemas may have no optional arguments
            }
            for tool in request.tools
        ]
        if request.tool_choice != "auto":
            head["tool_choice"] = _tool_choice(request.tool_choice)
    if not request.model.rpartition("/")[2].startswith(_WITHOUT_REASONING):
        head["include"] = ["reasoning.encrypted_content"]
    if request.thinking and request.effort:
        # A summary is all that is shown of these thoughts, and comes only where it is asked for.
        head["reasoning"] = {"effort": request.effort} | ({} if request.effort == "none" else {"summary": "auto"})
    if request.session_id:
        head["prompt_cache_key"] = request.session_id
    head["max_output_tokens"] = max(request.max_output_tokens, MIN_OUTPUT_TOKENS)
    if request.temperature is not None:
        head["temperature"] = request.temperature
    head |= request.extra_body
    if messages is None:
        messages = sound_messages(request.messages)
    items = b",".join(encoded for message in messages if (encoded := kept_item(request, message)))
    return b'%s,"input":[%s],"stream":%s}' % (to_bytes(head)[:-1], items, to_bytes(request.is_streamed))


def encode_message(message: Message) -> bytes:
    """The message's input items, with commas between them; empty where nothing of it can be sent."""
    if message.role == "user":
        summaries = [part for part in message.parts if isinstance(part, Summary)]
        items = [item for part in summaries for item in children(parse_object(part.opaque), "output")]
        said = [part for part in message.parts if part not in summaries and not _is_blank(part)]
        if said:
            items.append({"type": "message", "role": "user", "content": list(map(_content, said))})
        return b",".join(map(to_bytes, items))
    parts = parts_to_replay(message, WIRE) if message.role == "assistant" else message.parts
    return b",".join(to_bytes(_item(part)) for part in parts)


def kept_item(request: ModelRequest, message: Message) -> bytes:
    """The message as `encode_message` has it, encoded once."""
    key = (WIRE, message)
    encoded = request.encoded.get(key)
    if encoded is None:
        encoded = request.encoded[key] = encode_message(message)
    return encoded


def _content(part: Part) -> Object:
    if isinstance(part, Image):
        return {"type": "input_image", "image_url": f"data:{part.media_type};base64,{part.data}", "detail": "auto"}
    return {"type": "input_text", "text": part.text if isinstance(part, Text) else ""}


def _is_blank(part: Part) -> bool:
    return isinstance(part, Text) and not part.text.strip()


def _item(part: Part) -> Object:
    match part:
        case Text(words):
            return {"type": "message", "role": "assistant", "content": words}
        case Reasoning(_, _, opaque):
            return parse_object(opaque)
        case ToolCall(call_id, name, arguments_json):
            arguments = json.dumps(arguments_object(arguments_json), ensure_ascii=False)
            return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}
        case ToolResult(call_id, _, content, _):
            return {"type": "function_call_output", "call_id": call_id, "output": content}
        case Image() | Summary():  # of the user's messages alone
            return {"type": "message", "role": "user", "content": [_content(part)]}
        case _:
            assert_never(part)


def _tool_choice(choice: str) -> object:
    return choice if choice in {"none", "required"} else {"type": "function", "name": choice}


class ResponsesDecoder(Decoder):
    """One answer of the Responses API. Servers that send only the `done` events are understood too."""

    def __init__(self, request_id: str = "", taken_ids: Iterable[str] = ()) -> None:
        super().__init__(request_id, taken_ids)
        self._calls: dict[str, int] = {}
        self._pieces: dict[str, str] = {}
        """The arguments of each call, as its deltas had them."""
        self._told: set[tuple[str, str]] = set()
        """What came already, by kind and item: its `done` event says nothing new."""
        self._has_refused = False

    def _event(self, name: str, event: Object) -> Iterator[Delta]:
        item = child(event, "item")
        at = _item_key(event, item)
        match text(event, "type") or name:
            case "response.output_text.delta":
                self._told.add(("text", at))
                yield from self._text(text(event, "delta"))
            case "response.function_call_arguments.delta" if at in self._calls:
                self._pieces[at] = self._pieces.get(at, "") + text(event, "delta")
                yield from self._arguments(self._calls[at], text(event, "delta"))
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                self._told.add(("reasoning", at))
                yield from self._reasoning(text(event, "delta"))
            case "response.reasoning_summary_part.added":
                if position(event, "summary_index") > 0:
                    yield from self._reasoning("\n\n")
            case "response.refusal.delta":
                self._has_refused = True
                self._told.add(("text", at))
                yield from self._text(text(event, "delta"))
            case "response.created" | "response.in_progress":
                yield from self._start(text(child(event, "response"), "model"))
            case "response.output_item.added":
                yield from self._start("")
                yield from self._call(at, item)
            case "response.output_item.done":
                yield from self._item_done(at, item)
            case "response.completed" | "response.incomplete" | "response.failed":
                yield from self._end_answer(child(event, "response"))
            case "error":
                raise make_error(complaint_of(event))
            case _:
                pass  # the many events that only repeat, and what will be invented

    def _call(self, at: str, item: Object) -> Iterator[Delta]:
        if text(item, "type") == "function_call" and at not in self._calls:
            call = self._new_call(text(item, "call_id") or text(item, "id"), text(item, "name"))
            self._calls[at] = call.index
            yield call

    def _item_done(self, at: str, item: Object) -> Iterator[Delta]:
        """A finished item: what its deltas have not said. Once for an item, however often it comes."""
        if ("item", at) in self._told:
            return
        self._told.add(("item", at))
        match text(item, "type"):
            case "function_call":
                yield from self._call(at, item)
                arguments = arguments_text(item.get("arguments"))
                if at not in self._pieces:
                    yield from self._arguments(self._calls[at], arguments)
                elif arguments and not _is_same(self._pieces[at], arguments):
                    raise StreamBroken("a part of a call did not come, or not as it was sent.")
            case "message":
                for part in children(item, "content"):
                    self._has_refused |= text(part, "type") == "refusal"
                    if ("text", at) not in self._told:
                        yield from self._text(text(part, "text") or text(part, "refusal"))
            case "reasoning":
                if ("reasoning", at) not in self._told:
                    thoughts = [text(part, "text") for part in (*children(item, "summary"), *children(item, "content"))]
                    yield from self._reasoning("\n\n".join(thoughts))
                if text(item, "encrypted_content"):
                    kept = {name: item[name] for name in ("type", "id", "summary", "encrypted_content") if name in item}
                    yield ReasoningDelta(wire=WIRE, opaque=json.dumps(kept))
            case _:
                pass

    def _whole_answer(self, answer: Object) -> Iterator[Delta]:
        if "output" in answer:
            yield from self._end_answer(answer)

    def _end_answer(self, answer: Object) -> Iterator[Delta]:
        """The end of a stream, which repeats the whole answer, and also an answer in one piece."""
        if answer.get("error"):
            raise make_error(complaint_of(answer))
        yield from self._start(text(answer, "model"))
        if not self._told:
            for at, item in enumerate(children(answer, "output")):
                yield from self._item_done(str(at), item)
        if sum(text(item, "type") == "function_call" for item in children(answer, "output")) > self._call_count:
            raise StreamBroken("a call of the answer did not come.")
        yield from self._count(child(answer, "usage"))
        match text(answer, "status"):
            case "completed" | "":
                if answer.get("store") is True and text(answer, "id"):
                    yield ReasoningDelta(wire=STORED, opaque=text(answer, "id"))
                yield from self._finish("refused" if self._has_refused else "stop")
            case "incomplete":
                why = text(child(answer, "incomplete_details"), "reason")
                reason: FinishReason = "refused" if why == "content_filter" else "length"
                yield from self._finish(reason)
            case "failed":
                raise make_error(Complaint(code="server_error"))
            case _:
                pass  # cancelled, or still at work: no end

    def _count(self, usage: Object) -> Iterator[Delta]:
        details = child(usage, "input_tokens_details")
        yield from self._report(
            Usage(
                count(usage, "input_tokens"),
                count(usage, "output_tokens"),
                count(details, "cached_tokens"),
                count(details, "cache_write_tokens"),
                count(child(usage, "output_tokens_details"), "reasoning_tokens"),
            )
        )


def _item_key(event: Object, item: Object) -> str:
    """Which item an event is of: by its index, and of servers without one (llama.cpp) by its id."""
    at = position(event, "output_index")
    return str(at) if at >= 0 else text(event, "item_id") or text(item, "id") or text(item, "call_id")


def _is_same(pieces: str, arguments: str) -> bool:
    """Whether both are the same arguments; gateways write them anew, with other blanks."""
    pieces, arguments = mend_surrogates(pieces), mend_surrogates(arguments)
    return pieces == arguments or arguments_object(pieces) == arguments_object(arguments)
