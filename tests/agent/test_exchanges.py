"""What was sent for a turn and what came, byte for byte: of which requests it is kept, and for how long."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from flux.agent.session_store import SessionStore
from flux.agent.sessions import Sessions
from flux.agent.store.database import Database
from flux.agent.store.exchanges import Exchanges
from flux.agent.store.export import to_json_text, to_markdown, to_raw
from flux.core.config import settings_of
from flux.llm.exchange import MAX_BYTES, Exchange
from flux.workspace.memory import MemoryWorkspace
from tests.support.fault_server import HTML, STREAMS, FaultServer, Received, fault_server
from tests.support.ollama_server import FakeModel, ollama_server
from tests.support.talks import send

KEY = "key-of-the-test-0001"
OWN = "header-of-the-test-0002"
WIRES = {"anthropic": "anthropic", "openai": "openai", "compatible": "chat", "ollama": "ollama"}
"""The wire of each provider."""


@asynccontextmanager
async def server_of(provider: str) -> AsyncGenerator[FaultServer]:
    if provider == "ollama":
        async with ollama_server(**dict.fromkeys(("ok", "html502", "close"), FakeModel())) as server:
            yield server
    else:
        async with fault_server() as server:
            yield server


async def raw(file: Path, server: FaultServer, provider: str, model: str, **more: object) -> list[dict[str, object]]:
    """What is shown of a turn by another process, once the one that had it has ended."""
    suffix = "/v1" if provider in {"openai", "compatible"} else ""
    given = {"provider": provider, "base_url": server.base_url + suffix, "api_key": KEY, "model": model, "attempts": 1}
    store = SessionStore(file)
    sessions = Sessions(settings_of({**given, "headers": {"X-Own": OWN}, **more}), store)
    session = await sessions.start(MemoryWorkspace({}))
    await send(session, f"Hi ✓, my key is {KEY}")
    await sessions.close()
    store = SessionStore(file)
    shown = to_raw(store, store.find(session.id))["exchanges"]
    store.close()
    assert isinstance(shown, list)
    return shown


def asked(server: FaultServer) -> list[Received]:
    return [one for one in server.received if one.head.startswith(b"POST") and not one.path.endswith("/api/show")]


@pytest.mark.parametrize(
    ("model", "status", "error"),
    [("ok", 200, ""), ("html502", 502, "Bad & Gateway"), ("close", 200, "before")],
)
@pytest.mark.parametrize("provider", WIRES)
async def test_a_request_and_its_answer_are_kept_as_they_went_also_failed_and_cut_ones(
    provider: str, model: str, status: int, error: str, tmp_path: Path
) -> None:
    async with server_of(provider) as server:
        (one,) = await raw(tmp_path / "sessions.db", server, provider, model)
        (sent,) = asked(server)
    first, rest = STREAMS[WIRES[provider]]
    body = {"ok": first + rest, "html502": HTML.decode(), "close": first}[model]
    request, answer = one["request"], one["answer"]
    assert isinstance(request, dict)
    assert isinstance(answer, dict)
    assert (request["method"], request["url"]) == ("POST", server.base_url + sent.path)
    assert request["body"] == sent.body.decode().replace(KEY, "****")
    wanted = {name: value.replace(KEY, "****").replace(OWN, "****") for name, value in sent.headers.items()}
    assert {name: value for name, value in wanted.items() if name not in request["headers"]}.keys() <= {"connection"}
    assert request["headers"] == {name: wanted[name] for name in request["headers"]}
    assert (answer["status"], answer["body"]) == (status, body)
    assert answer["headers"]["content-type"].startswith("text/html" if model == "html502" else "text/event-stream")
    assert error in str(one["error"])
    assert bool(one["error"]) == bool(error)


@pytest.mark.parametrize("provider", WIRES)
async def test_no_key_is_in_the_file(provider: str, tmp_path: Path) -> None:
    async with server_of(provider) as server:
        await raw(tmp_path / "sessions.db", server, provider, "ok")
    store = SessionStore(tmp_path / "sessions.db")
    (session,) = store.sessions()
    told = [str(one.told) for one in store.exchanges.of_session(session.id)]
    store.close()
    assert "****" in told[0]
    assert not [secret for secret in (KEY, OWN) if secret in told[0]]


async def test_every_attempt_is_kept_and_one_that_found_nobody(tmp_path: Path) -> None:
    async with fault_server() as server:
        shown = await raw(tmp_path / "busy.db", server, "compatible", "at_once", attempts=3)
    assert [one["answer"]["status"] for one in shown] == [429] * 3  # type: ignore[index]
    (refused,) = await raw(tmp_path / "gone.db", server, "compatible", "ok")
    assert "nothing listens there" in str(refused["error"])
    assert refused["answer"] == {"status": None, "headers": {}, "body": ""}


async def test_what_is_deleted_is_gone_and_what_is_exported_stays_as_small(tmp_path: Path) -> None:
    file = tmp_path / "sessions.db"
    async with fault_server() as server:
        await raw(file, server, "anthropic", "ok")
    store = SessionStore(file)
    (session,) = store.sessions()
    assert "content_block_delta" not in to_markdown(store, session) + to_json_text(store, session)
    store.delete(session.id)
    store.close()
    db = sqlite3.connect(file)
    assert db.execute("SELECT count(*) FROM exchange").fetchone() == (0,)
    db.close()


async def test_what_is_asked_for_a_deleted_session_is_not_kept_and_no_fault() -> None:
    store = SessionStore(None)
    store.create("s", "/w")
    store.exchanges.add("s", "t", [Exchange()])
    store.delete("s")
    store.exchanges.store_left()
    assert (store.take_notice(), store.exchanges.of_session("s")) == ("", [])


async def test_the_oldest_go_where_all_would_be_too_much() -> None:
    database = Database(None)
    database.write("s", lambda db: db.execute("INSERT INTO session VALUES ('s', 1, 1, '', '/w')"))
    one = Exchange(url="http://127.0.0.1/")
    kept = Exchanges(database, lambda: 1.0, max_bytes=3 * len(one.packed()))
    for turn in "abcde":
        kept.add("s", turn, [one])
    kept.store_left()
    assert [stored.turn_id for stored in kept.of_session("s")] == ["c", "d", "e"]


def test_of_a_long_answer_the_beginning_is_noted_and_that_it_was_longer() -> None:
    one = Exchange()
    for chunk in (b"x" * (MAX_BYTES - 1), b"yy", b"z"):
        one.add(chunk)
    assert (len(one.answer), one.answer[-2:], one.is_cut) == (MAX_BYTES, b"xy", True)
