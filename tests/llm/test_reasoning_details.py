"""OpenRouter's details of thoughts: shown as thoughts, kept with the answer, and sent back there alone."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from flux.core.messages import Message, Reasoning, Text, ToolCall, ToolResult, assistant_message, user_message
from flux.llm.base_provider import ModelRequest, Response, fold
from flux.llm.wire.anthropic_messages import encode_request as encode_anthropic
from flux.llm.wire.chat_completions import ChatDecoder, Quirks, encode_request

OPENROUTER = Quirks(wants_details_back=True)


def stream(*deltas: dict[str, object], reason: str = "stop") -> bytes:
    choices = [{"index": 0, "delta": delta} for delta in deltas]
    events = [{"model": "m", "choices": [choice]} for choice in choices]
    events.append({"model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    return b"".join(b"data: %s\n\n" % json.dumps(e, ensure_ascii=False).encode() for e in events) + b"data: [DONE]\n\n"


def check(data: bytes, thoughts: str, details: Sequence[dict[str, object]]) -> Response:
    """The one place that decodes, byte by byte and at once; the details go back as they came."""
    whole = ChatDecoder()
    answer = fold([*whole.feed(data), *whole.end()])
    cut = ChatDecoder()
    assert fold([*(delta for byte in data for delta in cut.feed(bytes([byte]))), *cut.end()]) == answer
    assert "".join(part.text for part in answer.parts if isinstance(part, Reasoning)) == thoughts
    assert sent(OPENROUTER, answer.message()).get("reasoning_details", []) == list(details)
    return answer


def sent(quirks: Quirks, message: Message) -> dict[str, object]:
    """The message as it stands in the next request."""
    results = Message("tool", tuple(ToolResult(call.id, call.name, "found") for call in message.tool_calls()))
    messages = (user_message("Hi"), message, *([results] if results.parts else []), user_message("And?"))
    found = json.loads(encode_request(ModelRequest("m", messages), quirks))["messages"][1]
    assert isinstance(found, dict)
    return found


def text(words: str | None, **more: object) -> dict[str, object]:
    return {"type": "reasoning.text", "text": words, "format": "anthropic-claude-v1", "index": 0, **more}


def test_pieces_of_one_detail_are_joined_and_the_signature_comes_with_the_last() -> None:
    answer = check(
        stream(
            {"reasoning": "First ", "reasoning_details": [text("First ", signature=None)]},
            {"reasoning": "lööк.", "reasoning_details": [text("lööк.")]},
            {"reasoning_details": [text(None, signature="sig-1")]},
            {"content": "Done."},
        ),
        "First lööк.",
        [text("First lööк.", signature="sig-1")],
    )
    assert answer.content == "Done."


def test_details_of_several_kinds_keep_their_order_also_with_a_call() -> None:
    both = {"id": "rs_1", "format": "openai-responses-v1"}
    summary = {"type": "reasoning.summary", "summary": "Plan", **both, "index": 0}
    hidden = {"type": "reasoning.encrypted", "data": "gAAA==", **both, "index": 1}
    call = {"index": 0, "id": "c1", "function": {"name": "look", "arguments": "{}"}}
    answer = check(
        stream(
            {"reasoning_details": [summary]}, {"tool_calls": [call], "reasoning_details": [hidden]}, reason="tool_calls"
        ),
        "Plan",
        [summary, hidden],
    )
    assert answer.tool_calls == (ToolCall("c1", "look", "{}"),)


def test_details_without_an_index_are_never_joined() -> None:
    pieces = [{"type": "reasoning.text", "text": words} for words in ("One. ", "Two.")]
    check(stream({"reasoning_details": pieces}, {"content": "Yes"}), "One. Two.", pieces)


def test_one_plain_answer_has_them_too() -> None:
    message = {"content": "Yes", "reasoning": "Hm", "reasoning_details": [text("Hm", signature="s")]}
    body = json.dumps({"model": "m", "choices": [{"message": message, "finish_reason": "stop"}]}).encode()
    check(body, "Hm", [text("Hm", signature="s")])


def test_an_answer_without_them_sends_none_and_damaged_ones_do_not_go_back() -> None:
    check(stream({"reasoning": "Hm"}, {"content": "Yes"}), "Hm", [])
    damaged = stream({"reasoning_details": [text("H§m", signature="s")]}, {"content": "Yes"})
    check(damaged.replace("§".encode(), b"\xff"), "H\ufffdm", [])


@pytest.mark.parametrize("quirks", [Quirks(), Quirks(wants_thoughts_back=True)])
def test_they_go_to_no_other_service(quirks: Quirks) -> None:
    thought = Reasoning("", "openrouter", json.dumps({"reasoning_details": [text("Hm", signature="secret-sig")]}))
    message = assistant_message(Reasoning("Hm"), Text("Yes"), thought)
    assert "reasoning_details" not in sent(quirks, message)
    request = ModelRequest("m", (user_message("Hi"), message, user_message("And?")))
    assert b"secret-sig" not in encode_request(request, quirks)
    assert b"secret-sig" not in encode_anthropic(request)
