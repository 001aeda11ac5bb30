"""Answers that are kept for exactly equal requests: over real sockets, in the database of sessions."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from flux.agent.session_store import SessionStore
from flux.core.config import UserFolders, load_settings
from flux.core.errors import StreamBroken
from flux.core.messages import ToolSpec
from flux.core.usage import Usage
from flux.llm.base_provider import FROM_CACHE, Delta, KeptAnswers, Options, fold
from flux.llm.registry import Registry
from tests.support.fault_server import FaultServer, fault_server

KEY = "key-of-the-test-0001"
DAY_S = 86_400.0


async def ask(
    server: FaultServer,
    answers: KeptAnswers | None,
    provider: str = "anthropic",
    prompt: str = "Hello?",
    **options: object,
) -> list[Delta]:
    """What a new process would get, which knows nothing but the kept answers."""
    suffix = "/v1" if provider in {"openai", "compatible"} else ""
    environ = {"FLUX_PROVIDER": provider, "FLUX_BASE_URL": f"{server.base_url}{suffix}", "FLUX_API_KEY": KEY}
    environ |= {"FLUX_MODEL": "ok", "FLUX_ATTEMPTS": "1"}
    settings = load_settings(None, {}, environ=environ, user_folders=UserFolders(None, None)).settings
    registry = Registry(settings, answers)
    given: Options = options  # type: ignore[assignment]
    try:
        return [delta async for delta in registry.provider(provider).stream(prompt, **given)]
    finally:
        await registry.close()


def asked(server: FaultServer) -> int:
    return sum(
        request.head.startswith(b"POST") and not request.path.startswith("/api/show") for request in server.received
    )


@pytest.mark.parametrize("provider", ["anthropic", "openai", "compatible"])
async def test_the_same_request_is_asked_once_and_costs_nothing_then(provider: str, tmp_path: Path) -> None:
    file = tmp_path / "sessions.db"
    async with fault_server() as server:
        store = SessionStore(file)
        first = await ask(server, store.answers(1, 30), provider)
        store.close()
        store = SessionStore(file)
        again = await ask(server, store.answers(1, 30), provider)
        store.close()
        assert asked(server) == 1
    assert fold(again).content == fold(first).content == "Hello wörld"
    assert (first.count(FROM_CACHE), again.count(FROM_CACHE)) == (0, 1)
    assert (fold(first).usage.input_tokens, fold(again).usage) == (1000, Usage())
    assert KEY.encode() not in b"".join(one.read_bytes() for one in tmp_path.iterdir() if one.is_file())


@pytest.mark.parametrize(
    "other",
    [
        {"prompt": "Hello!"},
        {"system": "Be brief."},
        {"max_tokens": 5},
        {"tools": (ToolSpec("a", "b", {"type": "object"}),)},
    ],
)
async def test_what_is_not_exactly_the_same_is_asked(other: dict[str, object]) -> None:
    answers = SessionStore(None).answers(1, 30)
    async with fault_server() as server:
        await ask(server, answers)
        assert FROM_CACHE not in await ask(server, answers, **other)  # type: ignore[arg-type]
        assert asked(server) == 2


async def test_without_the_setting_and_where_tools_are_offered_it_is_always_asked() -> None:
    store = SessionStore(None)
    tools = (ToolSpec("a", "b", {"type": "object"}),)
    assert store.answers(0, 30) is None
    async with fault_server() as server:
        for answers, options in ((None, {}), (store.answers(1, 30), {"tools": tools})):
            for _ in range(2):
                assert FROM_CACHE not in await ask(server, answers, **options)  # type: ignore[arg-type]
        assert asked(server) == 4


async def test_an_answer_that_broke_is_not_kept() -> None:
    answers = SessionStore(None).answers(1, 30)
    async with fault_server() as server:
        for _ in range(2):
            with pytest.raises(StreamBroken):
                await ask(server, answers, model="close")
        assert asked(server) == 2


def test_what_is_too_old_or_too_much_goes_the_oldest_first() -> None:
    now = 1_790_000_000.0
    store = SessionStore(None, lambda: now)
    answers = store.answers(1, 2)
    assert answers is not None
    for number in range(4):
        answers.put(b"%d" % number, bytes(300_000))
        now += 1.0
    assert [answers.get(b"%d" % number) is not None for number in range(4)] == [False, True, True, True]
    now += 2 * DAY_S
    assert answers.get(b"3") is None


def test_a_database_of_the_format_before_gets_the_table_and_keeps_what_it_has(tmp_path: Path) -> None:
    file = tmp_path / "sessions.db"
    store = SessionStore(file)
    store.create("s", "/w")
    store.close()
    with closing(sqlite3.connect(file)) as db:
        newer = ("TABLE answer", "TABLE exchange", "TABLE circuit", "INDEX change_place", "INDEX change_new_place")
        db.executescript("".join(f"DROP {what}; " for what in newer) + "PRAGMA user_version = 7")
    store = SessionStore(file)
    answers = store.answers(1, 30)
    assert answers is not None
    answers.put(b"k", b"answer")
    assert (answers.get(b"k"), store.find("s").folder) == (b"answer", "/w")
