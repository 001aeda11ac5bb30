"""Conversations as the three wires take them, and the cost of sending them again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux.core.messages import (
    Image,
    Message,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
    assistant_message,
    user_message,
)
from flux.llm.base_provider import ModelRequest
from flux.llm.wire import anthropic_messages, chat_completions, openai_responses
from flux.llm.wire.chat_completions import Quirks
from flux.llm.wire.history import NO_RESULT, UNANSWERED

ENCODERS: dict[str, Callable[[ModelRequest], bytes]] = {
    "anthropic": anthropic_messages.encode_request,
    "openai": openai_responses.encode_request,
    "chat": partial(chat_completions.encode_request, quirks=Quirks()),
}
SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
TOOLS = (ToolSpec("read_file", "Reads.", SCHEMA),)
CALL = ToolCall("c1", "read_file", '{"path":"ä.py"}')
RESULT = ToolResult("c1", "read_file", "x = 1\n")
SIGNED = Reasoning("Hm.", "anthropic", json.dumps({"type": "thinking", "signature": "sig"}))
REDACTED = Reasoning("", "anthropic", json.dumps({"type": "redacted_thinking", "data": "xyz"}))
ENCRYPTED = Reasoning("Hm.", "openai", json.dumps({"type": "reasoning", "id": "rs_1", "encrypted_content": "g"}))
MARK = {"cache_control": {"type": "ephemeral"}}
TALK = (
    user_message("Read ä.py 😋"),
    assistant_message(SIGNED, ENCRYPTED, Text("I read."), CALL),
    Message("tool", (RESULT,)),
)


def request(*messages: Message, **changes: Any) -> ModelRequest:
    return ModelRequest(**({"model": "m", "system": "Be brief.", "tools": TOOLS, "messages": messages} | changes))


def encode(wire: str, *messages: Message, **changes: Any) -> dict[str, Any]:
    """The one place that calls the encoders."""
    body = json.loads(ENCODERS[wire](request(*messages, **changes)))
    assert isinstance(body, dict)
    return body


def sent(wire: str, *messages: Message) -> list[Any]:
    """The messages alone, without Chat Completions' system message and the marks of Anthropic's cache."""
    body = unmarked(encode(wire, *messages))
    return body["input"] if wire == "openai" else body["messages"][1 if wire == "chat" else 0 :]


def unmarked(body: dict[str, Any]) -> dict[str, Any]:
    """The body without the marks of Anthropic's cache."""
    return json.loads(json.dumps(body), object_hook=lambda value: {k: v for k, v in value.items() if k not in MARK})


def test_a_whole_request_to_anthropic() -> None:
    assert unmarked(encode("anthropic", *TALK, temperature=1.5)) == {
        "model": "m",
        "max_tokens": 8192,
        "tools": [{"name": "read_file", "description": "Reads.", "input_schema": SCHEMA}],
        "system": [{"type": "text", "text": "Be brief."}],
        "temperature": 1.0,
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Read ä.py 😋"}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "signature": "sig", "thinking": "Hm."},
                    {"type": "text", "text": "(Thoughts: Hm.)\n\n"},
                    {"type": "text", "text": "I read."},
                    {"type": "tool_use", "id": "c1", "name": "read_file", "input": {"path": "ä.py"}},
                ],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "x = 1\n"}]},
        ],
        "stream": True,
    }


def test_a_whole_request_to_openai() -> None:
    assert encode("openai", *TALK, session_id="s1", temperature=0.5, is_streamed=False, max_output_tokens=5) == {
        "model": "m",
        "store": False,
        "instructions": "Be brief.",
        "tools": [
            {
                "type": "function",
                "name": "read_file",
                "description": "Reads.",
                "parameters": SCHEMA,
                "strict": False,
            }
        ],
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "s1",
        "max_output_tokens": 16,
        "temperature": 0.5,
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Read ä.py 😋"}]},
            {"type": "message", "role": "assistant", "content": "(Thoughts: Hm.)\n\n"},
            {"type": "reasoning", "id": "rs_1", "encrypted_content": "g"},
            {"type": "message", "role": "assistant", "content": "I read."},
            {"type": "function_call", "call_id": "c1", "name": "read_file", "arguments": '{"path": "ä.py"}'},
            {"type": "function_call_output", "call_id": "c1", "output": "x = 1\n"},
        ],
        "stream": False,
    }


def test_a_whole_request_to_chat_completions() -> None:
    assert encode("chat", *TALK) == {
        "model": "m",
        "max_tokens": 8192,
        "tools": [
            {"type": "function", "function": {"name": "read_file", "description": "Reads.", "parameters": SCHEMA}}
        ],
        "stream_options": {"include_usage": True},
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Read ä.py 😋"},
            {
                "role": "assistant",
                "content": "(Thoughts: Hm.)\n\n(Thoughts: Hm.)\n\nI read.",
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "read_file", "arguments": '{"path": "ä.py"}'},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "x = 1\n"},
        ],
        "stream": True,
    }


def test_a_server_with_quirks_gets_what_it_takes() -> None:
    body = json.loads(chat_completions.encode_request(request(TALK[0]), Quirks("max_completion_tokens", False)))
    assert body["max_completion_tokens"] == 8192
    assert "max_tokens" not in body
    assert "stream_options" not in body
    assert "stream_options" not in encode("chat", TALK[0], is_streamed=False)


def test_the_choice_of_a_tool_in_each_wires_words() -> None:
    expected = {
        "anthropic": {"none": {"type": "none"}, "required": {"type": "any"}, "f": {"type": "tool", "name": "f"}},
        "openai": {"none": "none", "required": "required", "f": {"type": "function", "name": "f"}},
        "chat": {"none": "none", "required": "required", "f": {"type": "function", "function": {"name": "f"}}},
    }
    for wire, choices in expected.items():
        for choice, said in choices.items():
            assert encode(wire, TALK[0], tool_choice=choice)["tool_choice"] == said
        assert "tool_choice" not in encode(wire, TALK[0], tools=(), tool_choice="required")


@pytest.mark.parametrize("wire", ENCODERS)
def test_requests_share_their_beginning_and_a_message_is_encoded_once(wire: str) -> None:
    encoded: dict[tuple[str, Message], bytes] = {}
    first = ENCODERS[wire](request(*TALK, encoded=encoded))
    kept = dict(encoded)
    second = ENCODERS[wire](request(*TALK, assistant_message(Text("Done.")), user_message("More"), encoded=encoded))
    mark = b',"cache_control":{"type":"ephemeral"}'
    first, second = first.replace(mark, b""), second.replace(mark, b"")
    assert second.startswith(first[: first.rindex(b"]")])
    assert all(encoded[key] is kept[key] for key in kept)
    assert len(encoded) == len(TALK) + 2


@pytest.mark.parametrize("wire", ENCODERS)
def test_a_long_history_that_was_sent_before_is_ready_at_once(wire: str) -> None:
    """400 KB. The bound is ten times what it takes on a slow machine, and a tenth of encoding it anew."""
    talk: list[Message] = []
    for n in range(100):
        call = ToolCall(f"c{n}", "read_file", '{"path":"a"}')
        talk += (assistant_message(call), Message("tool", (ToolResult(call.id, "read_file", f"{n}\t\n" * 1000),)))
    again = request(user_message("Go"), *talk)
    ENCODERS[wire](again)

    def seconds() -> float:
        before = time.perf_counter()
        ENCODERS[wire](again)
        return time.perf_counter() - before

    assert min(seconds() for _ in range(20)) < 0.02


def foreign(*thoughts: Reasoning) -> list[Text]:
    """Thoughts of other wires as the model sees them."""
    return [Text(f"(Thoughts: {thought.text})\n\n") for thought in thoughts]


@pytest.mark.parametrize("wire", ENCODERS)
def test_thoughts_go_back_to_their_own_wire_signed_and_to_others_as_text_and_never_alone(wire: str) -> None:
    plain = Reasoning("plain")
    everything = assistant_message(SIGNED, REDACTED, ENCRYPTED, plain, Text("A"))
    shown = {
        "anthropic": (SIGNED, REDACTED, *foreign(ENCRYPTED, plain)),
        "openai": (*foreign(SIGNED), ENCRYPTED, *foreign(plain)),
        "chat": foreign(SIGNED, ENCRYPTED),
    }[wire]
    assert sent(wire, everything) == sent(wire, assistant_message(*shown, Text("A")))
    assert sent(wire, user_message("a"), assistant_message(SIGNED, ENCRYPTED), user_message("b")) == sent(
        wire, user_message("a"), user_message("b")
    )
    assert sent(wire, assistant_message(Text("A"), SIGNED, ENCRYPTED)) == sent(wire, assistant_message(Text("A")))


def test_two_messages_of_the_user_stay_two_with_a_word_between_them() -> None:
    talk = (*TALK, user_message("And?"), user_message(""), user_message(" \n"), user_message('"quoted"\n'))
    between = {"role": "assistant", "content": [{"type": "text", "text": UNANSWERED}]}
    assert sent("anthropic", *talk)[2:] == [
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "x = 1\n"}]},
        between,
        {"role": "user", "content": [{"type": "text", "text": "And?"}]},
        between,
        {"role": "user", "content": [{"type": "text", "text": '"quoted"\n'}]},
    ]
    assert sent("chat", *talk)[2:] == [
        {"role": "tool", "tool_call_id": "c1", "content": "x = 1\n"},
        {"role": "user", "content": "And?"},
        {"role": "assistant", "content": UNANSWERED},
        {"role": "user", "content": '"quoted"\n'},
    ]


def test_anthropics_marks_stand_at_the_end_of_this_request_and_of_the_one_before() -> None:
    talk = encode("anthropic", *TALK, assistant_message(Text("So.")), user_message("And?"))["messages"]
    marked = [[MARK["cache_control"] == block.get("cache_control") for block in turn["content"]] for turn in talk]
    assert marked == [[False], [False] * 4, [True], [False], [True]]


def test_a_beginning_that_is_too_short_to_be_cached_has_no_mark() -> None:
    assert "cache_control" not in encode("anthropic", *TALK, cache_min_tokens=512)["system"][0]
    assert MARK.items() <= encode("anthropic", *TALK, cache_min_tokens=64)["system"][0].items()


def test_a_conversation_that_lost_its_beginning_still_begins_with_the_user() -> None:
    roles = [message["role"] for message in sent("anthropic", assistant_message(Text("A")), user_message("b"))]
    assert roles == ["user", "assistant", "user"]


@pytest.mark.parametrize("wire", ENCODERS)
def test_a_call_without_a_result_gets_one_and_a_result_without_a_call_is_left_out(wire: str) -> None:
    missing = Message("tool", (ToolResult("c1", "read_file", NO_RESULT, is_error=True),))
    sound = sent(wire, TALK[0], TALK[1], missing, user_message("b"))
    assert sent(wire, TALK[0], TALK[1], user_message("b")) == sound
    assert sent(wire, TALK[0], TALK[1]) == sent(wire, TALK[0], TALK[1], missing)
    stray = Message("tool", (ToolResult("c9", "read_file", "stray"),))
    assert sent(wire, stray, TALK[0], TALK[1], missing, stray, user_message("b")) == sound


@pytest.mark.parametrize("wire", ENCODERS)
def test_arguments_that_are_no_object_go_back_as_one(wire: str) -> None:
    for broken in ("{", "[1]", "NaN", '{"a": NaN}', "[" * 100_000, "null", '{"a": 1e999}x'):
        found = str(sent(wire, assistant_message(ToolCall("c", "f", broken))))
        assert "invalid_json" in found
    for empty in ("", " "):
        assert "invalid_json" not in str(sent(wire, assistant_message(ToolCall("c", "f", empty))))


def test_ids_of_other_providers_fit_anthropic() -> None:
    talk = sent("anthropic", assistant_message(ToolCall("functions.f:0é", "f", "{}")))
    assert talk[1]["content"][0]["id"] == talk[2]["content"][0]["tool_use_id"] == "functions_f_0_"


def test_a_tool_result_is_never_empty_for_anthropic_and_an_error_is_marked() -> None:
    results = Message("tool", (ToolResult("c1", "read_file", "", is_error=True),))
    assert sent("anthropic", *TALK[:2], results)[2]["content"] == [
        {"type": "tool_result", "tool_use_id": "c1", "content": "(nothing)", "is_error": True}
    ]


def test_images() -> None:
    message = Message("user", (Text("Look"), Image("image/png", "QUJD"), Text("")))
    url = "data:image/png;base64,QUJD"
    assert sent("anthropic", message)[0]["content"][1] == {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"},
    }
    assert sent("openai", message)[0]["content"][1] == {"type": "input_image", "image_url": url, "detail": "auto"}
    assert sent("chat", message)[0]["content"] == [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": url}},
    ]


def test_models_that_do_not_think_are_not_asked_for_thoughts() -> None:
    assert "include" not in encode("openai", TALK[0], model="gpt-4.1")
    assert "include" in encode("openai", TALK[0], model="gpt-6.1-sol")


_PARTS = {
    "user": st.text().map(Text),
    "assistant": st.text().map(Text)
    | st.sampled_from([SIGNED, REDACTED, ENCRYPTED, Reasoning("x")])
    | st.builds(ToolCall, st.sampled_from(["a", "b", "c"]), st.just("f"), st.text(max_size=5)),
    "tool": st.builds(ToolResult, st.sampled_from(["a", "b", "c"]), st.just("f"), st.text()),
}
_MESSAGES = st.one_of(
    [
        st.lists(parts, max_size=3, unique_by=lambda part: getattr(part, "id", part)).map(
            lambda found, role=role: Message(role, tuple(found))
        )
        for role, parts in _PARTS.items()
    ]
)


@pytest.mark.parametrize("wire", ENCODERS)
@given(messages=st.lists(_MESSAGES, max_size=8))
def test_any_conversation_becomes_valid_utf8_json_with_calls_and_results_in_pairs(
    wire: str, messages: Sequence[Message]
) -> None:
    body = ENCODERS[wire](request(*messages)).decode("utf-8")
    assert "\\ud" not in body
    found = json.loads(body)
    items: list[dict[str, Any]] = found["input"] if wire == "openai" else found["messages"]
    if wire == "anthropic":
        roles = [item["role"] for item in items]
        assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"] * (len(roles) % 2)
        items = [block for item in items for block in item["content"]]
    open_calls: list[str] = []
    for item in items:
        for call in item.get("tool_calls", [item]):
            if call.get("type") in {"tool_use", "function_call", "function"}:
                open_calls.append(call["call_id"] if wire == "openai" else call["id"])
        if item.get("type") in {"tool_result", "function_call_output"} or item.get("role") == "tool":
            open_calls.remove(item[{"anthropic": "tool_use_id", "openai": "call_id", "chat": "tool_call_id"}[wire]])
    assert not open_calls
