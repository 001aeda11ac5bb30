"""A summary in the place of earlier turns: shown, taken back, never in the way; and what is pinned."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest

from flux.agent.budget import raise_limit
from flux.agent.compaction import SYSTEM
from flux.agent.next_request import TurnSettings
from flux.agent.session_store import SessionStore
from flux.context.shown import UNCHANGED
from flux.core.errors import BudgetExceeded, SessionError
from flux.core.limits import ModelLimits
from flux.core.usage import Cost, Usage
from flux.llm.base_provider import Delta, ModelRequest, UsageDelta
from flux.llm.scripted_provider import ScriptedProvider, Step
from flux.workspace.disk import DiskWorkspace
from flux.workspace.memory import MemoryWorkspace
from tests.support.talks import call, context_of, open_session, send, step

SUMMARY = "## Goal\nTo count.\n## Decisions\nIn digits.\n## Files touched\na.py\n## Open points\nnone"


async def talk(*more: Step) -> tuple[ScriptedProvider, SessionStore]:
    provider = ScriptedProvider([step("One."), step("Two."), step("Three."), step(SUMMARY), *more])
    return provider, SessionStore(None)


async def test_a_summary_stands_for_the_earlier_turns_and_is_taken_back() -> None:
    provider, store = await talk(step("Four."), step("Five."))
    session = open_session(MemoryWorkspace({}), provider, store=store)
    for words in ("first", "second", "third"):
        await send(session, words)
    before = provider.requests[-1].messages
    summarized = await session.compact()
    assert summarized is not None
    assert summarized.text == SUMMARY
    asked = provider.requests[-1]
    assert asked.tools == ()
    assert "User: first\n\nAssistant: One." in asked.messages[0].text()
    assert "User: third" not in asked.messages[0].text()
    await send(session, "fourth")
    sent = provider.requests[-1].messages
    assert SUMMARY in context_of(sent[0])
    assert [message.text() for message in sent[1:]] == ["Three.", "fourth"]
    assert [rewrite.reason for rewrite in store.fitted.rewrites("s1")] == ["A summary stands for the earlier turns."]
    session.undo_compaction()
    await send(session, "fifth")
    assert provider.requests[-1].messages[: len(before)] == before
    assert len(provider.requests[-1].messages) == 9
    with pytest.raises(SessionError, match="no summary"):
        session.undo_compaction()


async def test_there_must_be_something_to_summarize_and_a_summary() -> None:
    session = open_session(MemoryWorkspace({}), [step("One."), step("Two."), step(" ")])
    await send(session, "first")
    with pytest.raises(SessionError, match="no earlier turns"):
        await session.compact()
    await send(session, "second")
    with pytest.raises(SessionError, match="wrote no summary"):
        await session.compact()


async def test_a_message_that_comes_meanwhile_is_answered_and_the_summary_let_go() -> None:
    class Slow(ScriptedProvider):
        async def deltas(self, request: ModelRequest) -> AsyncGenerator[Delta]:
            if request.system == SYSTEM:
                assert not session.wants_summary, "one is on its way"
                await send(session, "meanwhile")
            async with aclosing(super().deltas(request)) as deltas:
                async for delta in deltas:
                    yield delta

    provider = Slow([step("One."), step("Two."), step("Quick."), step(SUMMARY)])
    session = open_session(MemoryWorkspace({}), provider)
    await send(session, "first")
    await send(session, "second")
    assert await session.compact() is None
    assert [message.text() for message in session.history() if message.role == "assistant"] == [
        "One.",
        "Two.",
        "Quick.",
    ]


async def test_what_a_summary_used_counts_also_where_it_is_let_go() -> None:
    begun = asyncio.Event()

    class Endless(ScriptedProvider):
        async def deltas(self, request: ModelRequest) -> AsyncGenerator[Delta]:
            if request.system == SYSTEM:
                yield UsageDelta(Usage(input_tokens=700))
                begun.set()
                await asyncio.Event().wait()
            async with aclosing(super().deltas(request)) as deltas:
                async for delta in deltas:
                    yield delta

    store = SessionStore(None)
    session = open_session(MemoryWorkspace({}), Endless([step("One."), step("Two.")]), store=store)
    await send(session, "first")
    await send(session, "second")
    summarizing = asyncio.create_task(session.compact())
    await begun.wait()
    summarizing.cancel()
    await asyncio.wait([summarizing])
    used = {group.key: group.spent.usage.input_tokens for group in store.ledger.groups("role")}
    assert used["summary"] == 700


async def test_a_summary_that_could_pass_a_limit_of_money_is_not_asked_for() -> None:
    provider, store = await talk()
    settings = TurnSettings(budget={"session": 1.0}, max_output_tokens=100)
    session = open_session(MemoryWorkspace({}), provider, store=store, settings=settings)
    await send(session, "first")
    await send(session, "second")
    store.ledger.add("s1", "t", "p", "m", Usage(1, 1), Cost(0.985))
    with pytest.raises(BudgetExceeded, match=r"\$0.98\d+ of \$1.00"):
        await session.compact()
    assert len(provider.requests) == 2
    raise_limit(store.ledger, "session", "1", "s1")
    assert await session.compact() is not None


async def test_a_long_conversation_wants_a_summary() -> None:
    full = Step(text="Well.", usage=Usage(input_tokens=1500, output_tokens=10))
    session = open_session(MemoryWorkspace({}), [full] * 3, limits=ModelLimits(2000, 2000, 100))
    wanted = []
    for words in ("first", "second", "third"):
        await send(session, words)
        wanted.append(session.wants_summary)
    assert wanted == [False, False, True]


async def test_a_pinned_file_goes_along_when_it_changes_and_stays(tmp_path: Path) -> None:
    text = "x = 1\n" * 100
    (tmp_path / "a.py").write_text(text, encoding="utf-8")
    provider = ScriptedProvider([step("One."), step("Two."), step("", call("read_file", path="a.py")), step("Three.")])
    session = open_session(DiskWorkspace([tmp_path]), provider)
    await session.pins.add("a.py")
    await send(session, "first")
    await send(session, "second")
    asked = [message for message in provider.requests[1].messages if message.role == "user"]
    assert text in context_of(asked[0])
    assert context_of(asked[1]) == ""
    await send(session, "third")
    assert provider.requests[-1].messages[-1].parts[0].content == UNCHANGED
    session.pins.remove("a.py")
    assert session.pins.all() == []


async def test_a_pinned_turn_is_not_summarized() -> None:
    provider, store = await talk(step("Four."))
    session = open_session(MemoryWorkspace({}), provider, store=store)
    await send(session, "first")
    await send(session, "second")
    await session.pins.add()
    await send(session, "third")
    await session.compact()
    await send(session, "fourth")
    words = [message.parts[-1].text for message in provider.requests[-1].messages if message.role == "user"]
    assert words == ["second", "third", "fourth"]
