"""A provider's own summary in the place of earlier turns, where the user chose it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from flux.agent.session import Session
from flux.agent.session_store import SessionStore
from flux.agent.sessions import Sessions
from flux.core.config import settings_of
from flux.core.errors import SessionError
from flux.workspace.memory import MemoryWorkspace
from tests.agent.test_same_bytes import without_marks
from tests.support.replay_server import Answer, Exchange, ReplayServer, replay_server
from tests.support.talks import send

ENCRYPTED = {"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAAA="}
SAID = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "first"}]}
BLOCK = {"type": "compaction", "content": "They counted to two.", "signature": "c2ln", "tool_changes": []}
NOTHING_READ = {"input_tokens": 0, "output_tokens": 0}
ANSWERS: Mapping[str, Mapping[str, object]] = {
    "anthropic": {
        "type": "message",
        "model": "m",
        "content": [BLOCK],
        "stop_reason": "compaction",
        "usage": {**NOTHING_READ, "iterations": [{"type": "compaction", "input_tokens": 900, "output_tokens": 40}]},
    },
    "openai": {
        "object": "response.compaction",
        "output": [SAID, ENCRYPTED],
        "usage": {"input_tokens": 900, "output_tokens": 40, "input_tokens_details": {"cached_tokens": 800}},
    },
}
SENT = {"anthropic": [BLOCK], "openai": [SAID, ENCRYPTED]}


@dataclass
class Talk:
    server: ReplayServer
    session: Session
    store: SessionStore

    def bodies(self) -> list[dict[str, object]]:
        return [one.json for one in self.server.received]

    def messages(self) -> list[object]:
        last = self.bodies()[-1]
        found = last.get("input") or last.get("messages")
        assert isinstance(found, list)
        return found


def answer(status: int, body: Mapping[str, object]) -> Answer:
    async def whole(exchange: Exchange) -> bool:
        return await exchange.whole(status, {"content-type": "application/json"}, json.dumps(body).encode())

    return whole


@asynccontextmanager
async def talk(provider: str, choice: str = "provider") -> AsyncIterator[Talk]:
    """Three turns over the provider's own wire."""
    async with replay_server() as server:
        given = {"provider": provider, "model": "m", "api_key": "k", "map_tokens": 0, "compaction": choice}
        tables = {
            "providers.openai.base_url": f"{server.base_url}/v1",
            "providers.openai.api_key": "k",
            "providers.anthropic.base_url": server.base_url,
            "providers.anthropic.api_key": "k",
        }
        store = SessionStore(None)
        sessions = Sessions(settings_of({**given, **tables}), store)
        session = await sessions.start(MemoryWorkspace({}))
        for words in ("first", "second", "third"):
            await send(session, words)
        yield Talk(server, session, store)
        await sessions.close()


@pytest.mark.parametrize("provider", ANSWERS)
async def test_it_is_made_of_the_request_as_it_was_sent_and_goes_first_from_then_on(provider: str) -> None:
    async with talk(provider) as one:
        earlier = one.bodies()[1]
        one.server.next_answers = [answer(200, ANSWERS[provider])]
        assert await one.session.compact()
        asked = one.bodies()[-1]
        for name in ("model", "system", "instructions", "tools" if provider == "anthropic" else "model"):
            assert asked.get(name) == earlier.get(name)
        usage, _ = one.store.ledger.of_session(one.session.id)
        assert usage.output_tokens >= 40
        await send(one.session, "fourth")
        messages = one.messages()
        first = messages[0]["content"][:1] if provider == "anthropic" else messages[:2]
        assert first == SENT[provider]
        assert "second" not in json.dumps(messages)
        assert "third" in json.dumps(messages)
        reasons = [rewrite.reason for rewrite in one.store.fitted.rewrites(one.session.id)]
        assert reasons == ["The provider's own summary stands for the earlier turns."]
        shown = await one.session.preview("fifth")
        assert ("summary", "earlier turns, by the provider (message 1)") in [(i.kind, i.origin) for i in shown.items]


@pytest.mark.parametrize("provider", ANSWERS)
async def test_what_was_sent_for_it_and_what_came_is_kept(provider: str) -> None:
    async with talk(provider) as one:
        one.server.next_answers = [answer(200, ANSWERS[provider])]
        await one.session.compact()
        one.store.exchanges.store_left()
        last = one.store.exchanges.of_session(one.session.id)[-1].told
        request, came = last["request"], last["answer"]
        assert request["url"].endswith(one.server.received[-1].path)
        assert json.loads(request["body"]) == one.bodies()[-1]
        assert (came["status"], json.loads(came["body"])) == (200, ANSWERS[provider])


@pytest.mark.parametrize("provider", ANSWERS)
async def test_it_is_taken_back_like_any_other(provider: str) -> None:
    async with talk(provider) as one:
        before = without_marks(one.server.received[-1].body)[1]
        one.server.next_answers = [answer(200, ANSWERS[provider])]
        await one.session.compact()
        one.session.undo_compaction()
        await send(one.session, "fourth")
        assert without_marks(one.server.received[-1].body)[1][: len(before)] == before
        with pytest.raises(SessionError):
            one.session.undo_compaction()


async def test_another_provider_gets_the_earlier_turns_themselves_and_the_summary_stays_for_its_own() -> None:
    async with talk("openai") as one:
        one.server.next_answers = [answer(200, ANSWERS["openai"])]
        await one.session.compact()
        await one.session.set_model("anthropic/m")
        await send(one.session, "fourth")
        texts = json.dumps(one.messages())
        assert all(word in texts for word in ("first", "second", "third", "fourth"))
        assert "gAAAA" not in texts
        await one.session.set_model("openai/m")
        await send(one.session, "fifth")
        assert one.messages()[:2] == SENT["openai"]


@pytest.mark.parametrize("provider", ANSWERS)
async def test_a_provider_that_makes_none_is_asked_for_words_instead(provider: str) -> None:
    refusal = {"error": {"type": "invalid_request_error", "message": "no such field"}}
    async with talk(provider) as one:
        one.server.next_answers = [answer(400, refusal)]
        summarized = await one.session.compact()
        assert summarized is not None
        assert summarized.text == "Hello wörld"
        assert [r.reason for r in one.store.fitted.rewrites(one.session.id)] == [
            "A summary stands for the earlier turns."
        ]


async def test_where_it_was_not_chosen_nothing_of_it_is_on_the_wire() -> None:
    async with talk("anthropic", "summary") as one:
        await one.session.compact()
        assert all("compaction" not in body for body in one.bodies())
        assert all("anthropic-beta" not in request.headers for request in one.server.received)


async def test_the_beta_is_named_where_it_was_chosen() -> None:
    async with talk("anthropic") as one:
        one.server.next_answers = [answer(200, ANSWERS["anthropic"])]
        await one.session.compact()
        assert one.server.received[-1].path == "/v1/messages?beta=true"
        assert {request.headers["anthropic-beta"] for request in one.server.received} == {"compact-2026-09-04"}
        assert one.bodies()[-1]["compaction"] == {"type": "summarize"}
