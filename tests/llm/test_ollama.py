"""Ollama by its own API: the bytes of its answers, and the provider against a fake of the server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux.core.config import Settings
from flux.core.errors import (
    ConnectionFailed,
    ContextWindowExceeded,
    ModelNotFound,
    ProviderError,
    RequestRejected,
    StreamBroken,
    TimedOut,
)
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
from flux.core.usage import Usage
from flux.llm.base_provider import Delta, Folder, ModelRequest, Response, ServedModel, TextDelta, Waiting, fold
from flux.llm.ollama_provider import OllamaProvider
from flux.llm.provider_factory import create_provider
from flux.llm.resilience.breaker import BreakingProvider
from flux.llm.text_tools_provider import TextToolsProvider
from flux.llm.wire.ollama_chat import OllamaDecoder, Options, encode_request
from flux.llm.wire.ollama_models import PullProgress
from tests.support.fault_server import fault_server
from tests.support.ollama_server import GB, FakeModel, OllamaServer, called, ollama_server, said

TOOL = ToolSpec("read_file", "Reads.", {"type": "object", "properties": {"path": {"type": "string"}}})
RECORDED: list[dict[str, Any]] = [
    {"model": "qwen3:8b", "message": {"role": "assistant", "content": "", "thinking": "Look "}, "done": False},
    {"model": "qwen3:8b", "message": {"role": "assistant", "content": "", "thinking": "first 😋."}, "done": False},
    {"model": "qwen3:8b", "message": {"role": "assistant", "content": "I rea"}, "done": False},
    {"model": "qwen3:8b", "message": {"role": "assistant", "content": "d ünd edit."}, "done": False},
    {
        "model": "qwen3:8b",
        "message": {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"function": {"name": "read_file", "arguments": {"path": "ä.py"}}},
                {"id": "dup", "function": {"index": 1, "name": "search", "arguments": {"pattern": "x\n"}}},
            ],
        },
        "done": False,
    },
    {
        "model": "qwen3:8b",
        "created_at": "2026-11-21T10:00:00Z",
        "message": {"role": "assistant", "content": ""},
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 1200,
        "eval_count": 50,
    },
]
"""After the examples of `docs/api.md`, "Chat request (Streaming with tools)" and "with thinking"."""
EXPECTED = Response(
    (
        Reasoning("Look first 😋."),
        Text("I read ünd edit."),
        ToolCall("call_0", "read_file", '{"path": "ä.py"}'),
        ToolCall("dup_2", "search", '{"pattern": "x\\n"}'),
    ),
    "qwen3:8b",
    "req_1",
    Usage(1200, 50),
    "tool_calls",
)


def lines(*objects: object, newline: str = "\n") -> bytes:
    return "".join(json.dumps(found, ensure_ascii=False) + newline for found in objects).encode()


def decode(chunks: Iterable[bytes]) -> list[Delta]:
    """The one place that calls the decoder."""
    decoder = OllamaDecoder("req_1", {"dup"})
    deltas = [delta for chunk in chunks for delta in decoder.feed(chunk)]
    return deltas + list(decoder.end())


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\n\n"])
def test_an_answer_is_understood_wherever_it_is_cut(newline: str) -> None:
    recording = lines(*RECORDED, newline=newline)
    assert fold(decode([recording])) == EXPECTED
    assert fold(decode([recording.rstrip()])) == EXPECTED
    assert fold(decode(bytes([byte]) for byte in recording)) == EXPECTED
    for at in range(1, len(recording)):
        assert fold(decode([recording[:at], recording[at:]])) == EXPECTED


def test_the_end_of_the_bytes_before_the_answer_is_done_is_an_error() -> None:
    for length in range(len(RECORDED)):
        with pytest.raises(StreamBroken, match="ended before it was complete"):
            decode([lines(*RECORDED[:length])])


def test_an_answer_in_one_piece_gives_the_same() -> None:
    whole = {**RECORDED[-1], "message": {**RECORDED[4]["message"], "content": "Yes."}}
    assert fold(decode([json.dumps(whole).encode()])).parts == (Text("Yes."), *EXPECTED.parts[2:])


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        (lines({"error": "model runner has unexpectedly stopped"}), ProviderError, "unexpectedly stopped"),
        (lines({"error": "model requires more system memory (9 GiB) than is available"}), RequestRejected, "memory"),
        (lines({"error": "the input length exceeds the context length"}), ContextWindowExceeded, "window"),
        (b'{"message": {"content": "half', StreamBroken, "not JSON"),
        (b'{"message": {"content": "\xff"}}\n', StreamBroken, "not JSON"),
        (b"[1]\n", StreamBroken, "not an object"),
        (b"<html><title>Sign in</title>\n", RequestRejected, "web page came instead of an answer: Sign in"),
        (b"", StreamBroken, "ended before"),
        (lines({}), StreamBroken, "ended before"),
    ],
)
def test_what_is_no_answer_is_said_to_be_none(body: bytes, error: type[ProviderError], words: str) -> None:
    decoder, folder = OllamaDecoder(), Folder()
    with pytest.raises(error, match=words):  # noqa: PT012 -- what was given before is the point
        for feed in (decoder.feed(lines(RECORDED[2]) + body), decoder.end()):
            for delta in feed:
                folder.add(delta)
    assert folder.response().content == "I rea"


@given(body=st.binary(max_size=200), at=st.integers(0, 200))
def test_bytes_of_any_kind_raise_provider_errors_only(body: bytes, at: int) -> None:
    with pytest.raises(ProviderError):
        decode([body[:at], body[at:]])


_NAMES = st.sampled_from(["message", "content", "thinking", "tool_calls", "function", "name", "arguments", "error"])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=15,
)


@given(found=st.dictionaries(_NAMES, _JSON, max_size=4))
def test_json_of_any_shape_raises_provider_errors_only(found: dict[str, object]) -> None:
    with suppress(ProviderError):
        fold(decode([lines(found, RECORDED[-1])]))


def encode(*messages: Message, window_tokens: int = 8192, thinks: bool = False, keep: str = "", **changes: Any) -> Any:
    """The one place that calls the encoder."""
    request = ModelRequest(**({"model": "m", "system": "Be brief.", "tools": (TOOL,), "messages": messages} | changes))
    return json.loads(encode_request(request, Options(window_tokens, thinks, keep)))


def test_a_whole_request() -> None:
    call = ToolCall("c1", "read_file", '{"path":"ä.py"}')
    assert encode(
        Message("user", (Text("Look"), Image("image/png", "QUJD"))),
        assistant_message(Reasoning("Hm."), Text("I read."), call),
        Message("tool", (ToolResult("c1", "read_file", "x = 1\n"),)),
        window_tokens=16384,
        thinks=True,
        keep="30m",
        temperature=0.5,
        max_output_tokens=100,
    ) == {
        "model": "m",
        "options": {"num_ctx": 16384, "num_predict": 100, "temperature": 0.5},
        "truncate": False,
        "shift": False,
        "think": True,
        "keep_alive": "30m",
        "tools": [
            {
                "type": "function",
                "function": {"name": "read_file", "description": "Reads.", "parameters": dict(TOOL.parameters)},
            }
        ],
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Look", "images": ["QUJD"]},
            {
                "role": "assistant",
                "content": "I read.",
                "tool_calls": [{"id": "c1", "function": {"name": "read_file", "arguments": {"path": "ä.py"}}}],
            },
            {"role": "tool", "tool_name": "read_file", "tool_call_id": "c1", "content": "x = 1\n"},
        ],
        "stream": True,
    }


def test_what_is_not_wanted_is_not_said() -> None:
    body = encode(user_message("Hi"), tool_choice="none", is_streamed=False)
    assert not {"think", "keep_alive", "tools"} & set(body)
    assert (body["stream"], "temperature" in body["options"]) == (False, False)
    assert encode(user_message("Hi"), keep="-1")["keep_alive"] == -1
    assert encode(user_message("Hi"), thinks=True, effort="none")["think"] is False


def test_requests_share_their_beginning_and_a_message_is_encoded_once() -> None:
    encoded: dict[tuple[str, Message], bytes] = {}
    talk = (user_message("a"), assistant_message(Text("b")))

    def body(*messages: Message) -> bytes:
        return encode_request(ModelRequest("m", messages, tools=(TOOL,), encoded=encoded), Options(8192))

    first, kept = body(*talk), dict(encoded)
    assert body(*talk, user_message("c")).startswith(first[: first.rindex(b"]")])
    assert all(encoded[key] is kept[key] for key in kept)


# The provider.


@pytest.fixture
async def server() -> AsyncIterator[OllamaServer]:
    tools = FakeModel()
    async with ollama_server(
        ok=tools,
        stall=tools,
        close=tools,
        bad=tools,
        error_event=tools,
        coder__7b=FakeModel(32_768, ("completion", "tools", "insert"), 'stop  "<|im_end|>"\nnum_ctx    12288'),
        small=FakeModel(4096, ("completion",), "num_ctx 2048"),
        old=FakeModel(8192, None),
        qwen=FakeModel(40_960, ("completion", "tools", "thinking", "vision")),
        cloud=FakeModel(262_144, ("completion", "tools"), remote_host="https://ollama.com"),
    ) as running:
        yield running


def provider(server: OllamaServer, **settings: Any) -> OllamaProvider:
    made = create_provider(
        Settings(
            **({"provider": "ollama", "base_url": f"{server.base_url}/v1", "timeout_s": 5.0, "attempts": 1} | settings)
        )
    )
    assert isinstance(made, BreakingProvider)
    assert isinstance(made.inner, TextToolsProvider)
    assert isinstance(made.inner.inner, OllamaProvider)
    return made.inner.inner


def ask(model: str = "ok", **changes: Any) -> ModelRequest:
    return ModelRequest(**({"model": model, "messages": (user_message("Hello?"),), "system": "Be brief."} | changes))


@pytest.mark.parametrize("is_streamed", [True, False])
async def test_an_answer(server: OllamaServer, is_streamed: bool) -> None:
    made = provider(server)
    answer = await made.complete(ask(is_streamed=is_streamed))
    assert answer == Response((Text("Hello wörld"),), "g", answer.request_id, Usage(1000, 7), "stop")
    await made.close()


async def test_calls_and_thoughts(server: OllamaServer) -> None:
    made = provider(server)
    server.answers.append(RECORDED)
    answer = await made.complete(ask("qwen", tools=(TOOL,)))
    assert answer.parts[:2] == EXPECTED.parts[:2]
    assert [call.name for call in answer.tool_calls] == ["read_file", "search"]
    assert server.chats[0]["think"] is True
    server.answers.append(called("", ("read_file", {"path": "a"})))
    assert (await made.complete(ask("ok", tools=(TOOL,)))).finish_reason == "tool_calls"
    assert "think" not in server.chats[1]
    await made.close()


@pytest.mark.parametrize(
    ("model", "wanted", "tokens"),
    [
        ("ok", 0, 32_768),
        ("ok", 65_536, 65_536),
        ("ok", 1_000_000, 131_072),
        ("coder:7b", 0, 12_288),
        ("small", 0, 4096),
        ("old", 0, 8192),
    ],
)
async def test_the_window_is_chosen_and_said_in_every_request(
    server: OllamaServer, model: str, wanted: int, tokens: int
) -> None:
    made = provider(server, context_window=wanted)
    served = await made.look_up(model)
    assert served is not None
    assert served.window_tokens == tokens
    await made.complete(ask(model))
    await made.complete(ask(model, window_tokens=2048))
    assert [chat["options"]["num_ctx"] for chat in server.chats] == [tokens, 2048]
    await made.close()


async def test_a_loaded_model_keeps_its_window_where_that_is_useful(server: OllamaServer) -> None:
    made = provider(server)
    for loaded, tokens in ((16_384, 16_384), (4096, 32_768)):
        server.loaded["ok:latest"] = loaded
        served = await made.look_up("ok")
        assert served is not None
        assert (served.is_loaded, served.window_tokens) == (True, tokens)
    await made.close()


async def test_what_does_not_fit_is_an_error_and_not_shortened_in_silence(server: OllamaServer) -> None:
    made = provider(server)
    with pytest.raises(ContextWindowExceeded, match="longer than the model's window"):
        await made.complete(ask("small", messages=(user_message("word " * 10_000),)))
    await made.close()


async def test_what_the_server_says_of_a_model(server: OllamaServer) -> None:
    made = provider(server)
    assert await made.look_up("qwen") == ServedModel("qwen", 32_768, True, True, True, False, True)
    assert await made.look_up("small") == ServedModel("small", 4096, False, False, False, False, True)
    assert await made.look_up("old") == ServedModel("old", 8192, None, None, None, False, True)
    assert (await made.look_up("cloud")) == ServedModel("cloud", 32_768, True, False, False, False, False)
    await made.close()


async def test_the_models_on_the_machine_the_loaded_ones_first(server: OllamaServer) -> None:
    made = provider(server)
    server.models = {"a:latest": FakeModel(), "b:7b": FakeModel()}
    server.loaded = {"b:7b": 8192}
    assert await made.models() == [
        ServedModel("b:7b", is_loaded=True, runs_here=True, size_bytes=2 * GB),
        ServedModel("a:latest", is_loaded=False, runs_here=True, size_bytes=2 * GB),
    ]
    assert [await made.is_installed(name) for name in ("a", "A:latest", "b", "b:7b")] == [True, True, False, True]
    assert await made.is_running()
    await made.close()


async def test_nothing_that_listens_and_something_that_is_not_ollama() -> None:
    async with fault_server() as gone:
        pass
    made = create_provider(Settings(provider="ollama", base_url=gone.base_url, attempts=1))
    with pytest.raises(ConnectionFailed) as raised:
        await made.complete(ask())
    assert "nothing listens" in str(raised.value)
    assert "ollama serve" in raised.value.hint
    await made.close()


async def test_a_model_that_is_not_there_is_named_with_what_to_do(server: OllamaServer) -> None:
    made = provider(server)
    with pytest.raises(ModelNotFound, match="model 'gone' not found") as raised:
        await made.complete(ask("gone"))
    assert "flux models pull gone" in raised.value.hint
    assert not server.chats
    await made.close()


async def test_a_download_with_its_progress(server: OllamaServer) -> None:
    made = provider(server)
    server.library["new:latest"] = FakeModel()
    progress = [at async for at in made.pull("new")]
    assert progress[0] == PullProgress("pulling manifest")
    assert PullProgress("pulling aa", 3 * GB // 4, 3 * GB) in progress
    assert PullProgress("pulling bb", 3 * GB + GB // 2, 4 * GB) in progress
    assert progress[-1] == PullProgress("success", 4 * GB, 4 * GB)
    assert (await made.complete(ask("new"))).content == "Hello wörld"
    await made.close()


async def test_a_download_that_fails_or_breaks_off_is_an_error(server: OllamaServer) -> None:
    made = provider(server)
    with pytest.raises(ProviderError, match="file does not exist"):
        _ = [at async for at in made.pull("nowhere")]
    server.library["new:latest"] = FakeModel()
    server.cuts_pulls = True
    with pytest.raises(StreamBroken, match="download of new ended before"):
        _ = [at async for at in made.pull("new")]
    await made.close()


async def test_a_missing_model_is_downloaded_where_the_user_has_set_so(server: OllamaServer) -> None:
    made = provider(server, pull_models=True)
    server.library["new:latest"] = FakeModel(16_384)
    deltas = [delta async for delta in made.stream(ask("new"))]
    waits = [delta.text for delta in deltas if isinstance(delta, Waiting)]
    assert waits[0] == "Downloading new: it begins"
    assert waits[-1] == "Downloading new: 100 % of 4.0 GB"
    assert fold(deltas).content == "Hello wörld"
    assert server.chats[0]["options"]["num_ctx"] == 16_384
    asked = len(server.received)
    assert fold([delta async for delta in made.stream(ask("new"))]).content == "Hello wörld"
    assert [one.path for one in server.received[asked:]] == [
        "/api/chat"
    ]  # what is known to be there is not looked for again
    await made.close()


@pytest.mark.parametrize(
    ("model", "error", "words"),
    [
        ("close", StreamBroken, "the connection broke before the answer was complete"),
        ("stall", TimedOut, "nothing came for 0.3 seconds"),
        ("error_event", ProviderError, "Odd"),
    ],
)
async def test_a_fault_in_the_middle_keeps_the_text_before_it(
    server: OllamaServer, model: str, error: type[ProviderError], words: str
) -> None:
    made = provider(server, timeout_s=0.3)
    folder = Folder()
    with pytest.raises(error, match=words) as raised:  # noqa: PT012 -- what came before is wanted too
        async for delta in made.stream(ask(model)):
            folder.add(delta)
    assert folder.response().content == "Hello "
    assert (raised.value.endpoint, raised.value.model) == ("ollama", model)
    await made.close()


async def test_an_image_goes_only_to_a_model_that_sees(server: OllamaServer) -> None:
    made = provider(server)
    look = Message("user", (Text("Look"), Image("image/png", "QUJD")))
    for model in ("qwen", "ok"):
        server.answers.append(said("I see."))
        await made.complete(ask(model, messages=(look,)))
    assert [chat["messages"][1].get("images") for chat in server.chats] == [["QUJD"], None]
    assert "This model takes none" in server.chats[1]["messages"][1]["content"]
    await made.close()


async def test_closing_the_stream_closes_the_connection(server: OllamaServer) -> None:
    made = provider(server)
    async with aclosing(made.stream(ask("stall"))) as deltas:
        async for delta in deltas:
            if isinstance(delta, TextDelta):
                break
    async with asyncio.timeout(5):
        await server.hung_up.wait()
    await made.close()


async def test_requests_share_one_connection_and_carry_no_key(server: OllamaServer) -> None:
    made = provider(server)
    for _ in range(3):
        await made.complete(ask())
    assert server.connections == 1
    assert all("authorization" not in arrived.headers for arrived in server.received)
    await made.close()
