"""The shipped fake: a file of steps drives whatever stands before a model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest

from flux.core.config import Settings
from flux.core.errors import ConfigError, ProviderError, RateLimited, RequestRejected, StreamBroken
from flux.core.messages import Reasoning, Text, ToolCall, user_message
from flux.core.usage import Usage
from flux.llm.base_provider import Delta, ModelRequest, Response, Started, TextDelta, UsageDelta
from flux.llm.scripted_provider import ScriptedProvider, Step, create, load_script

REQUEST = ModelRequest("some-model", (user_message("hello"),), system="be brief")


def script(folder: Path, content: object) -> ScriptedProvider:
    file = folder / "talk.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    return create(Settings(script=file))


async def collect(deltas: AsyncGenerator[Delta]) -> list[Delta]:
    return [delta async for delta in deltas]


async def test_the_nth_request_gets_the_nth_step(tmp_path: Path) -> None:
    provider = script(
        tmp_path,
        [
            {
                "reasoning": "hm",
                "text": "Reading.",
                "tool_calls": [
                    {"name": "read_file", "arguments": {"path": "a.py"}},
                    {"id": "x", "name": "edit_file", "arguments_json": '{"path":'},
                ],
                "usage": {"input_tokens": 10, "output_tokens": 5, "cache_read_tokens": 4},
                "chunk": 3,
            },
            {"text": "Done."},
        ],
    )
    calls = (ToolCall("call_1_1", "read_file", '{"path": "a.py"}'), ToolCall("x", "edit_file", '{"path":'))
    assert await provider.complete(REQUEST) == Response(
        (Reasoning("hm"), Text("Reading."), *calls), "some-model", "scripted-1", Usage(10, 5, 4), "tool_calls"
    )
    assert await provider.complete(REQUEST) == Response((Text("Done."),), "some-model", "scripted-2")
    assert provider.requests == [REQUEST, REQUEST]
    with pytest.raises(ProviderError, match="has 2 steps, and this is request 3"):
        await provider.complete(REQUEST)


async def test_a_text_comes_in_chunks_when_it_is_streamed_and_whole_when_not() -> None:
    steps = [Step(text="abcde", chunk=2)]
    streamed = await collect(ScriptedProvider(steps).stream(REQUEST))
    assert [delta.text for delta in streamed if isinstance(delta, TextDelta)] == ["ab", "cd", "e"]
    plain = ModelRequest("m", REQUEST.messages, is_streamed=False)
    whole = await collect(ScriptedProvider(steps).stream(plain))
    assert [delta.text for delta in whole if isinstance(delta, TextDelta)] == ["abcde"]


async def test_an_error_is_raised_after_what_comes_before_it(tmp_path: Path) -> None:
    fault = {"kind": "RateLimited", "message": "slow down", "retry_after_s": 3, "status": 429}
    provider = script(tmp_path, [{"text": "He", "usage": {"input_tokens": 1}, "error": fault}])
    seen: list[Delta] = []

    async def read() -> None:
        async for delta in provider.stream(REQUEST):
            seen.append(delta)

    with pytest.raises(RateLimited, match="slow down") as error:
        await read()
    assert seen == [Started("some-model", "scripted-1"), TextDelta("He"), UsageDelta(Usage(1))]
    assert (error.value.retry_after_s, error.value.status, error.value.model) == (3, 429, "some-model")


async def test_an_answer_may_break_off_without_its_end() -> None:
    with pytest.raises(StreamBroken):
        await ScriptedProvider([Step(text="He", finish_reason="none")]).complete(REQUEST)


async def test_a_request_without_the_expected_text_is_rejected(tmp_path: Path) -> None:
    provider = script(tmp_path, [{"expect": ["hello", "be brief"]}, {"expect": "goodbye"}])
    await provider.complete(REQUEST)
    with pytest.raises(RequestRejected, match=r"Step 2 .* contains 'goodbye'"):
        await provider.complete(REQUEST)


async def test_requests_are_recorded_beside_the_script(tmp_path: Path) -> None:
    provider = script(tmp_path, {"steps": [{"text": "a"}, {"text": "b"}], "record": "requests.jsonl"})
    await provider.complete(REQUEST)
    await provider.complete(REQUEST)
    lines = (tmp_path / "requests.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["request"] for line in lines] == [1, 2]
    assert json.loads(lines[0])["messages"] == [{"role": "user", "parts": [{"type": "Text", "text": "hello"}]}]


async def test_a_waiting_answer_can_be_cancelled() -> None:
    first = asyncio.Event()

    async def read() -> None:
        async with aclosing(ScriptedProvider([Step(text="ab", chunk=1, delay_s=3600)]).stream(REQUEST)) as deltas:
            async for delta in deltas:
                if isinstance(delta, TextDelta):
                    first.set()

    reader = asyncio.ensure_future(read())
    await asyncio.wait_for(first.wait(), 5)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(reader, 5)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[", "is not JSON"),
        ('"hello"', "must be a list of steps"),
        ('[{"txt": "a"}]', "Step 1 of"),
        ('[{"text": "a"}, 3]', "Step 2 of"),
        ('[{"error": {"kind": "Sleepy"}}]', "no provider error 'Sleepy'"),
        ('[{"finish_reason": "bored"}]', "'bored'"),
        ('[{"delay_s": "long"}]', "delay_s must be a number of seconds"),
        ('[{"chunk": "2"}]', "chunk must be a whole number"),
        ('[{"expect": [1]}]', "expect must be a text"),
    ],
)
def test_what_is_no_script_is_refused_by_name(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "talk.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=said):
        load_script(file)


def test_without_a_script_the_variable_is_named() -> None:
    with pytest.raises(ConfigError, match="FLUX_SCRIPT"):
        create(Settings())
