"""Answers of the three wires: recordings in any chunking, faults, and whatever else may come."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux.core.errors import (
    ContextWindowExceeded,
    Overloaded,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    RequestRejected,
    StreamBroken,
)
from flux.core.messages import Reasoning, Text, ToolCall
from flux.core.usage import Usage
from flux.llm.base_provider import Delta, Folder, Response, TextDelta, fold
from tests.support.recorded import DECODERS
from tests.support.recorded import FOLDER as RECORDINGS

_SIGNED = json.dumps({"type": "thinking", "signature": "EqQBCgIYAg=="})
_ENCRYPTED = json.dumps(
    {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "Look first."}, {"type": "summary_text", "text": "Then edit."}],
        "encrypted_content": "gAAAAA==",
    }
)
_OPENAI_PARTS = (
    Reasoning("Look first.\n\nThen edit.", "openai", _ENCRYPTED),
    Text("I look 😋."),
    ToolCall("call_a", "read_file", '{"path":"a.py"}'),
)
_OPENAI_USAGE = Usage(1200, 50, cache_read_tokens=1024, cache_write_tokens=100, reasoning_tokens=20)

_AIMOCK_PARTS = (Text("I will read it."), ToolCall("call_1a", "read_file", '{"path":"a.py"}'))
_AIMOCK_ENCRYPTED = json.dumps(
    {
        "type": "reasoning",
        "id": "rs-v4Gq7MbMP9ifDoqG",
        "summary": [{"type": "summary_text", "text": "First look, then edit."}],
        "encrypted_content": "YWltb2NrLWVuY3J5cHRlZC1yZWFzb25pbmc6cnMtdjRHcTdNYk1QOWlmRG9xRw==",
    }
)

EXPECTED: dict[str, Response] = {
    "anthropic_aimock": Response(
        (
            Reasoning("First look, then edit.", "anthropic", '{"type": "thinking", "signature": "sig-abc"}'),
            *_AIMOCK_PARTS,
        ),
        "m",
        "req_1",
        finish_reason="tool_calls",
    ),
    "openai_aimock": Response(
        (Reasoning("First look, then edit.", "openai", _AIMOCK_ENCRYPTED), *_AIMOCK_PARTS),
        "m",
        "req_1",
        finish_reason="tool_calls",
    ),
    "chat_aimock": Response(
        (Reasoning("First look, then edit."), *_AIMOCK_PARTS), "m", "req_1", Usage(2, 10), "tool_calls"
    ),
    "anthropic_llama": Response(
        (Text("\ufffd{\ufffdp\u061bk\ufffd\ufffd\ufffd\ufffd"),),
        "tiny.gguf",
        "req_1",
        Usage(357, 12, cache_read_tokens=306),
        "length",
    ),
    "openai_llama": Response(
        (Text("\ufffd\ufffdk\ufffd\ufffd\ufffd3\x17\ufffd\ufffd\ufffdZ\ufffd\ufffd\x08B"),),
        "",
        "req_1",
        Usage(357, 16, cache_read_tokens=356),
        "stop",
    ),
    "chat_llama": Response(
        (Text("\ufffdmBW\ufffdkVV\ufffd\ufffd{d"),),
        "tiny.gguf",
        "req_1",
        Usage(357, 12, cache_read_tokens=356),
        "length",
    ),
    "anthropic_tools": Response(
        (
            Reasoning("Two files — both.", "anthropic", _SIGNED),
            Text("I read both 😋 ünd more.\n"),
            ToolCall("toolu_01A", "read_file", '{"path": "src/a.py"}'),
            ToolCall("toolu_01B", "list_files", ""),
        ),
        "claude-sonnet-5-5",
        "req_1",
        Usage(1000, 89, cache_read_tokens=900, cache_write_tokens=90, reasoning_tokens=12),
        "tool_calls",
    ),
    "anthropic_odd": Response(
        (
            Text("I read "),
            ToolCall("x", "a", '{"whole": true}'),
            ToolCall("x_2", "b", '{"b":2}'),
            ToolCall("call_2", "c", '{"c":3}'),
        ),
        "",
        "req_1",
        Usage(output_tokens=7),
        "tool_calls",
    ),
    "openai_tools": Response(
        (*_OPENAI_PARTS, ToolCall("call_b", "search", '{"text":"x"}')),
        "gpt-6.1-sol",
        "req_1",
        _OPENAI_USAGE,
        "tool_calls",
    ),
    "openai_done_only": Response(_OPENAI_PARTS, "gpt-6.1-sol", "req_1", _OPENAI_USAGE, "tool_calls"),
    "chat_tools": Response(
        (
            Reasoning("Hmm."),
            Text("Ja 😋, both."),
            ToolCall("call_a", "read_file", '{"path":"a.py"}'),
            ToolCall("call_b", "search", '{"text":"x"}'),
        ),
        "gpt-x",
        "req_1",
        Usage(1200, 50, cache_read_tokens=1000, reasoning_tokens=5),
        "tool_calls",
    ),
    "chat_odd": Response(
        (
            ToolCall("call_0", "a", '{"x": 1}'),
            ToolCall("dup_2", "b", "{}"),
            ToolCall("dup2", "c", "{}"),
            Text("😋."),
        ),
        "gpt-x",
        "req_1",
        finish_reason="tool_calls",
    ),
}


def decode(wire: str, chunks: Iterable[bytes]) -> list[Delta]:
    """The one place that calls the decoders."""
    decoder = DECODERS[wire]("req_1", {"dup"})
    deltas = [delta for chunk in chunks for delta in decoder.feed(chunk)]
    return deltas + list(decoder.end())


def check(name: str, chunks: Iterable[bytes]) -> None:
    assert fold(decode(name.partition("_")[0], chunks)) == EXPECTED[name]


def event(data: object, name: str = "") -> bytes:
    return f"{f'event: {name}' if name else ':'}\ndata: {json.dumps(data)}\n\n".encode()


@pytest.mark.parametrize("name", EXPECTED)
def test_a_recording_is_understood_wherever_it_is_cut(name: str) -> None:
    recording = (RECORDINGS / f"{name}.sse").read_bytes()
    check(name, [recording])
    check(name, [bytes([byte]) for byte in recording])
    for at in range(1, len(recording)):
        check(name, [recording[:at], recording[at:]])


@pytest.mark.parametrize("name", EXPECTED)
def test_the_end_of_the_bytes_before_the_end_of_the_answer_is_an_error(name: str) -> None:
    """Cut between any two events; what came before is kept."""
    recording = (RECORDINGS / f"{name}.sse").read_bytes().replace(b"\r\n", b"\n")
    events = [piece + b"\n\n" for piece in recording.rstrip().split(b"\n\n")]
    last = (
        next(n for n, piece in enumerate(events) if b"finish_reason" in piece and b'finish_reason":null' not in piece)
        if (name.startswith("chat"))
        else len(events) - 1
    )
    for length in range(1, last):
        with pytest.raises(StreamBroken, match="ended before it was complete"):
            decode(name.partition("_")[0], events[:length])


@pytest.mark.parametrize("name", EXPECTED)
def test_newlines_may_be_of_any_kind(name: str) -> None:
    recording = (RECORDINGS / f"{name}.sse").read_bytes().replace(b"\r\n", b"\n")
    for newline in (b"\n", b"\r\n", b"\r"):
        check(name, [recording.replace(b"\n", newline)])
        check(name, [bytes([byte]) for byte in recording.replace(b"\n", newline)])


PLAIN: dict[str, tuple[object, Response]] = {
    "anthropic": (
        {
            "type": "message",
            "model": "c",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "EqQBCgIYAg=="},
                {"type": "text", "text": "Yes."},
                {"type": "tool_use", "id": "dup", "name": "f", "input": {"a": 1}},
            ],
            "stop_reason": "tool_use",
            "usage": {"input_tokens": 1, "cache_read_input_tokens": 2, "output_tokens": 3},
        },
        Response(
            (Reasoning("Hm.", "anthropic", _SIGNED), Text("Yes."), ToolCall("dup_2", "f", '{"a": 1}')),
            "c",
            "req_1",
            Usage(3, 3, cache_read_tokens=2),
            "tool_calls",
        ),
    ),
    "openai": (
        {
            "object": "response",
            "model": "g",
            "status": "incomplete",
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"},
            "output": [{"type": "message", "content": [{"type": "output_text", "text": "Yes."}]}],
            "usage": {"input_tokens": 1, "output_tokens": 3},
        },
        Response((Text("Yes."),), "g", "req_1", Usage(1, 3), "length"),
    ),
    "chat": (
        {
            "model": "g",
            "choices": [
                {
                    "message": {
                        "role": "assistant",
                        "content": "Yes.",
                        "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": '{"a":1}'}}],
                    },
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": 1, "completion_tokens": 3},
        },
        Response((Text("Yes."), ToolCall("a", "f", '{"a":1}')), "g", "req_1", Usage(1, 3), "tool_calls"),
    ),
}


@pytest.mark.parametrize("wire", PLAIN)
def test_a_plain_answer_gives_the_same_deltas_also_where_a_stream_was_asked_for(wire: str) -> None:
    answer, expected = PLAIN[wire]
    body = json.dumps(answer, indent=1).encode()
    assert fold(decode(wire, [bytes([byte]) for byte in b"\n" + body])) == expected
    assert fold(DECODERS[wire]("req_1", {"dup"}).decode_plain(body)) == expected


@pytest.mark.parametrize(
    ("wire", "events", "reason"),
    [
        *(
            ("anthropic", [{"type": "message_delta", "delta": {"stop_reason": said}}, {"type": "message_stop"}], reason)
            for said, reason in {
                "end_turn": "stop",
                "stop_sequence": "stop",
                "pause_turn": "stop",
                "max_tokens": "length",
                "model_context_window_exceeded": "length",
                "refusal": "refused",
                "not_yet_invented": "stop",
            }.items()
        ),
        *(
            ("chat", [{"choices": [{"delta": {}, "finish_reason": said}]}], reason)
            for said, reason in {"stop": "stop", "length": "length", "content_filter": "refused", "eos": "stop"}.items()
        ),
        (
            "openai",
            [{"type": "response.refusal.delta", "delta": "No."}, {"type": "response.completed", "response": {}}],
            "refused",
        ),
        (
            "openai",
            [
                {
                    "type": "response.incomplete",
                    "response": {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
                }
            ],
            "refused",
        ),
    ],
)
def test_why_an_answer_ended(wire: str, events: Sequence[object], reason: str) -> None:
    assert fold(decode(wire, map(event, events))).finish_reason == reason


@pytest.mark.parametrize(
    ("wire", "data", "name", "error"),
    [
        ("anthropic", {"type": "error", "error": {"type": "overloaded_error", "message": "Odd"}}, "error", Overloaded),
        ("anthropic", {"type": "error", "error": {"type": "rate_limit_error", "message": "Odd"}}, "", RateLimited),
        ("openai", {"type": "error", "code": "server_error", "message": "Odd"}, "error", Overloaded),
        ("openai", {"type": "error", "code": "insufficient_quota", "message": "Odd"}, "", QuotaExhausted),
        (
            "openai",
            {"type": "response.failed", "response": {"error": {"code": "context_length_exceeded", "message": "Odd"}}},
            "response.failed",
            ContextWindowExceeded,
        ),
        ("chat", {"error": {"message": "Odd", "type": "server_error", "code": 502}}, "", Overloaded),
        ("chat", {"error": "Odd"}, "", RequestRejected),
        ("chat", {"message": "Odd", "code": "rate_limit_exceeded"}, "error", RateLimited),
    ],
)
def test_an_error_inside_an_answer_is_raised_after_the_deltas_before_it(
    wire: str, data: object, name: str, error: type[ProviderError]
) -> None:
    before = (RECORDINGS / f"{wire}_tools.sse").read_bytes().split(b"\n\n")
    text_at = next(n for n, piece in enumerate(before) if b"read " in piece or b"Ja " in piece or b"look " in piece)
    decoder = DECODERS[wire]()
    folder = Folder()
    with pytest.raises(error, match="Odd") as raised:  # noqa: PT012 -- what was given before is the point
        for delta in decoder.feed(b"\n\n".join(before[: text_at + 1]) + b"\n\n" + event(data, name)):
            folder.add(delta)
    assert type(raised.value) is error
    assert folder.response().content


@pytest.mark.parametrize("wire", DECODERS)
@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        (b'event: x\ndata: {"type": "resp\n\n', StreamBroken, "not JSON"),
        (b"data: [1]\n\n", StreamBroken, "not JSON: not an object"),
        (b'{"malformed', StreamBroken, "not JSON"),
        (b"Internal trouble", StreamBroken, "not JSON"),
        (b"", StreamBroken, "ended before"),
        (b"\n\n", StreamBroken, "ended before"),
        (b"{}", StreamBroken, "ended before"),
        (
            b"<html><title>Sign &amp; in</title>",
            RequestRejected,
            r"a web page came instead of an answer: Sign & in\n.*/v1",
        ),
        (b"data: " + b"[" * 100_000 + b"\n\n", StreamBroken, "not JSON"),
    ],
)
def test_what_is_no_answer_is_said_to_be_none(wire: str, body: bytes, error: type[ProviderError], words: str) -> None:
    with pytest.raises(error, match=words):
        decode(wire, [body])


@pytest.mark.parametrize("wire", DECODERS)
@given(body=st.binary(max_size=300), at=st.integers(0, 300))
def test_bytes_of_any_kind_raise_provider_errors_only(wire: str, body: bytes, at: int) -> None:
    for whole in (body, b"data: " + body + b"\n\n"):
        with pytest.raises(ProviderError):
            decode(wire, [whole[:at], whole[at:]])


_NAMES = sorted(
    {"type", "index", "delta", "item", "output_index", "choices", "message", "content", "tool_calls", "function", "id"}
    | {"name", "arguments", "usage", "input_tokens", "prompt_tokens", "content_block", "response", "output", "error"}
)
_KINDS = sorted(
    {"message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta"}
    | {"response.created", "response.output_item.added", "response.output_item.done", "response.completed"}
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(_NAMES) | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)
_TYPES = st.sampled_from(_KINDS)


@pytest.mark.parametrize("wire", DECODERS)
@given(events=st.lists(st.tuples(_TYPES, st.dictionaries(st.text(max_size=3), _JSON, max_size=4), _JSON), max_size=4))
def test_json_of_any_shape_raises_provider_errors_only(
    wire: str, events: list[tuple[str, dict[str, object], object]]
) -> None:
    decoder = DECODERS[wire]()
    try:
        for kind, fields, any_value in events:
            shapes = dict.fromkeys(("item", "content_block", "delta", "message", "response"), any_value)
            for _ in decoder.feed(event({**fields, **shapes, "choices": [any_value], "type": kind})):
                pass
        list(decoder.end())
    except ProviderError:
        pass


@given(text=st.text(min_size=1), cuts=st.lists(st.integers(0, 400), max_size=6))
def test_text_survives_any_cut_also_between_surrogates(text: str, cuts: list[int]) -> None:
    """As a JavaScript server cuts: by UTF-16 units."""
    units = text.encode("utf-16-le", "surrogatepass")
    places = [0, *sorted(2 * cut for cut in cuts if 2 * cut < len(units)), len(units)]
    pieces = [units[a:b].decode("utf-16-le", "surrogatepass") for a, b in pairwise(places)]
    deltas = decode(
        "chat", [*(event({"choices": [{"delta": {"content": piece}}]}) for piece in pieces), b"data: [DONE]"]
    )
    assert "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)) == text
