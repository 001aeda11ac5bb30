"""Faults at the codecs, a sample of them, and what was found with them."""

from __future__ import annotations

import json

import pytest

from flux.core.errors import Overloaded, StreamBroken
from flux.core.messages import ToolCall
from flux.llm.base_provider import fold
from tests.soak.codec import FAULTS, every_try, measure
from tests.soak.results import Size, sample_size
from tests.support.recorded import DECODERS, decode, recordings, with_long_line

CALL = (
    b'event: response.output_item.added\ndata: {"output_index":0,"item":{"type":"function_call","call_id":"c",'
    b'"name":"f"}}\n\n'
)


def test_each_fault_ends_in_a_branch_that_is_declared_and_keeps_what_came_before() -> None:
    assert measure(sample_size(2000))["tries"]


def test_each_fault_is_tried_at_every_event_or_byte_of_every_recording() -> None:
    tries = list(every_try())
    assert {(made.fault.name, made.answer.name) for made in tries} == {
        (fault.name, answer.name) for fault in FAULTS for answer in recordings()
    }
    assert len({(made.fault.name, made.answer.name, made.at) for made in tries}) == len(tries) > 150_000


def test_a_run_is_repeated_by_its_seed() -> None:
    assert measure(Size(50, "7")) == measure(Size(50, "7"))


def check_broken(wire: str, data: bytes, words: str) -> None:
    _, error = decode(wire, [data])
    assert isinstance(error, StreamBroken)
    assert words in str(error)


@pytest.mark.parametrize("wire", DECODERS)
def test_a_call_whose_bytes_are_not_utf_8_is_not_run(wire: str) -> None:
    answer = next(found for found in recordings() if found.name == f"{wire}_tools")
    path_at = answer.data.rindex(b"a.py") + 1  # inside the arguments of a call
    check_broken(wire, answer.data[:path_at] + b"\xff" + answer.data[path_at:], "not UTF-8")


def test_a_whole_answer_that_is_not_utf_8_is_taken_for_its_words_and_never_for_a_call() -> None:
    words = b'{"choices": [{"message": {"content": "a\xffb"%s}, "finish_reason": "stop"}]}'
    deltas, error = decode("chat", [words % b""])
    assert (fold(deltas).content, error) == ("a\ufffdb", None)
    check_broken("chat", words % b', "tool_calls": [{"id": "c", "function": {"name": "f"}}]', "not UTF-8")


@pytest.mark.parametrize("piece", ['{"path": "a"', '{"path": "aa.py"}'])
def test_a_call_of_responses_whose_pieces_are_not_the_whole_is_broken(piece: str) -> None:
    delta = json.dumps({"type": "response.function_call_arguments.delta", "output_index": 0, "delta": piece})
    done = json.dumps(
        {
            "type": "response.output_item.done",
            "output_index": 0,
            "item": {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"path": "a.py"}'},
        }
    )
    check_broken("openai", CALL + f"data: {delta}\n\ndata: {done}\n\n".encode(), "not as it was sent")


def test_a_call_of_responses_that_only_the_end_of_the_answer_names_is_broken() -> None:
    completed = {"output": [{"type": "function_call", "call_id": str(n), "name": "f"} for n in range(2)]}
    end = json.dumps({"type": "response.completed", "response": completed}).encode()
    item = b'data: {"type":"response.output_item.done","output_index":1,"item":{"type":"message"}}\n\n'
    check_broken("openai", CALL + item + b"data: " + end + b"\n\n", "a call of the answer did not come")


@pytest.mark.parametrize(
    "lines",
    [
        b'data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{}"}}\n\n',
        b'data: {"type":"content_block_stop","index":1}\n\n',
    ],
)
def test_a_block_of_anthropic_without_its_beginning_is_broken(lines: bytes) -> None:
    check_broken("anthropic", lines, "the beginning of a part of the answer did not come")


def test_the_whole_input_of_a_call_survives_a_missing_stop() -> None:
    block = {"type": "tool_use", "id": "x", "name": "f", "input": {"a": 1}}
    start = json.dumps({"type": "content_block_start", "index": 0, "content_block": block}).encode()
    deltas, error = decode("anthropic", [b"data: " + start + b'\n\ndata: {"type": "message_stop"}\n\n'])
    assert error is None
    assert fold(deltas).tool_calls == (ToolCall("x", "f", '{"a": 1}'),)


@pytest.mark.parametrize(
    ("wire", "end"),
    [
        ("anthropic", b'data: {"type":"message_delta","delta":{"stop_reason":"tool_use"}}\n\n'),
        ("chat", b'data: {"choices":[{"delta":{},"finish_reason":"tool_calls"}]}\n\n'),
    ],
)
def test_an_answer_that_says_it_calls_a_tool_and_calls_none_is_broken(wire: str, end: bytes) -> None:
    last = b"data: [DONE]\n\n" if wire == "chat" else b'data: {"type":"message_stop"}\n\n'
    check_broken(wire, end + last, "the call did not come")


def test_a_call_of_chat_without_its_beginning_is_broken() -> None:
    piece = {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}}]}
    lines = b"data: " + json.dumps(piece).encode() + b"\n\ndata: [DONE]\n\n"
    check_broken("chat", lines, "the beginning of a call did not come")


@pytest.mark.parametrize("wire", DECODERS)
@pytest.mark.parametrize(
    "line", [b'{"error": {"message": "Odd", "code": "overloaded"}}', b'error: {"code": "overloaded"}']
)
def test_an_error_on_a_bare_line_in_mid_answer_is_told(wire: str, line: bytes) -> None:
    answer = next(found for found in recordings() if found.name == f"{wire}_tools")
    start, _ = answer.events[4]
    deltas, error = decode(wire, [answer.data[:start] + line + b"\n\n" + answer.data[start:]])
    assert type(error) is Overloaded
    assert tuple(deltas) == answer.deltas[: len(deltas)]


@pytest.mark.parametrize("wire", DECODERS)
def test_lines_of_unknown_fields_beside_data_are_left_out_as_the_standard_says(wire: str) -> None:
    answer = next(found for found in recordings() if found.name == f"{wire}_tools")
    data = answer.data.replace(b"\ndata:", b"\nnew: field\ndata:").replace(b"\n\n", b"\nretry: 5\nid: 7\n\n")
    assert fold(decode(wire, [data])[0]) == answer.whole


@pytest.mark.parametrize("wire", DECODERS)
def test_what_follows_the_end_of_an_answer_is_not_looked_at(wire: str) -> None:
    answer = next(found for found in recordings() if found.name == f"{wire}_tools")
    deltas, error = decode(wire, [answer.data + b"\n\ngarbage\n\n\xff\0{\n\ndata: {\n\n"])
    assert (fold(deltas), error) == (answer.whole, None)


def test_a_line_without_end_is_refused_with_its_limit_named() -> None:
    check_broken("anthropic", b"".join(with_long_line(recordings()[0], 2, 64 << 20)), "longer than 64 MB")
