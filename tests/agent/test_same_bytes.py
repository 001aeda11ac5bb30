"""A session that another process takes up sends, on each wire, all that was sent before it as the beginning."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flux.agent.conversation import Conversation
from flux.agent.session_store import Preface, SessionStore
from flux.core.messages import Message, Reasoning, Text, ToolCall, ToolResult, user_message
from flux.llm.base_provider import ModelRequest, Response
from flux.llm.wire import anthropic_messages, chat_completions, ollama_chat, openai_responses
from flux.tools.registry import builtin_tools

SIGNED = Reasoning("Hm ✓", "anthropic", '{"type": "thinking", "thinking": "Hm ✓", "signature": "c2ln=="}')
ENCRYPTED = Reasoning("So", "openai_responses", '{"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA="}')
CALLS = (ToolCall("call_1", "read_file", '{"path": "ä.py"}'), ToolCall("call_2", "search", '{ "text":"x" }'))
RESULTS = (ToolResult("call_1", "read_file", "ß = 1\n"), ToolResult("call_2", "search", "nothing", is_error=True))

WIRES: dict[str, Callable[[ModelRequest], bytes]] = {
    "anthropic": anthropic_messages.encode_request,
    "openai": openai_responses.encode_request,
    "chat": lambda request: chat_completions.encode_request(request, chat_completions.Quirks()),
    "deepseek": lambda request: chat_completions.encode_request(
        request, chat_completions.Quirks(wants_thoughts_back=True)
    ),
    "ollama": lambda request: ollama_chat.encode_request(request, ollama_chat.Options(8192)),
}


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("is_pruned", [False, True])
def test_what_was_sent_is_the_beginning_of_what_is_sent_after_a_restart(
    tmp_path: Path, wire: str, is_pruned: bool
) -> None:
    store = SessionStore(tmp_path / "sessions.db")
    store.create("s1", "/w")
    store.add_preface("s1", Preface("You are Flux. ✓", tuple(tool.spec for tool in builtin_tools().values())))
    talk = Conversation(store, "s1")
    talk.begin_turn("t1", user_message("first ✓"))
    talk.add_answer(Response((SIGNED, ENCRYPTED, Text("I look."), *CALLS), "m"))
    talk.answer(CALLS, {result.call_id: result for result in RESULTS})
    talk.add_answer(Response((Text("Done."),), "m"))
    if is_pruned:
        shorter = (ToolResult("call_1", "read_file", "[left out]"), RESULTS[1])
        kept = [Message("tool", shorter) if message.role == "tool" else message for message in talk.messages]
        talk.rewrite(kept, "pruned")
    talk.begin_turn("t2", user_message("second"))
    before = sent(store, talk, wire)
    store.close()

    again = SessionStore(tmp_path / "sessions.db")
    on = Conversation(again, "s1", again.live_messages("s1"))
    assert sent(again, on, wire) == before
    on.add_answer(Response((Text("Well."),), "m"))
    note = "The user took back changes of yours: a.py. Read again before you edit."
    on.begin_turn("t3", Message("user", (Text(note), Text("third"))))
    after = sent(again, on, wire)
    assert without_marks(after)[0] == without_marks(before)[0]
    earlier, later = without_marks(before)[1], without_marks(after)[1]
    assert later[: len(earlier)] == earlier
    assert note in json.dumps(later[len(earlier) :])
    again.close()


def test_what_went_out_is_kept_and_not_made_anew(tmp_path: Path) -> None:
    """A later Flux might make other bytes of the same message."""
    store = SessionStore(tmp_path / "sessions.db")
    store.create("s1", "/w")
    talk = Conversation(store, "s1")
    talk.begin_turn("t1", user_message("first"))
    talk.encoded["wire", talk.messages[0]] = b"as it went out"
    store.close()
    again = SessionStore(tmp_path / "sessions.db")
    messages = again.live_messages("s1")
    assert dict(Conversation(again, "s1", messages).encoded) == {("wire", messages[0]): b"as it went out"}
    again.close()


def sent(store: SessionStore, talk: Conversation, wire: str) -> bytes:
    preface = store.preface("s1")
    assert preface is not None
    request = ModelRequest("m", talk.messages, preface.system, preface.tools, encoded=talk.encoded)
    return WIRES[wire](request)


def without_marks(body: bytes) -> tuple[str, list[str]]:
    """What stands before the messages, and each message, as text; without the marks of Anthropic's cache."""
    value: dict[str, Any] = json.loads(body, object_hook=_unmarked)
    messages = value.pop("input", None) or value.pop("messages")
    return json.dumps(value), [json.dumps(message) for message in messages]


def _unmarked(value: dict[str, Any]) -> dict[str, Any]:
    return {name: inner for name, inner in value.items() if name != "cache_control"}
