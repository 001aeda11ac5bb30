"""Each request begins with the whole of the one before: as tools, system and messages, without the marks of caches."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from flux.agent.session_store import Preface, SessionStore
from flux.context.item import Focus
from flux.context.shown import CHANGED, UNCHANGED
from flux.core.limits import ModelLimits
from flux.core.messages import ToolSpec
from flux.llm.base_provider import ModelRequest
from flux.llm.scripted_provider import Fault, ScriptedProvider, Step
from flux.tools.registry import builtin_tools
from flux.workspace.disk import DiskWorkspace
from tests.agent.test_same_bytes import WIRES, without_marks
from tests.support.talks import call, context_of, end, open_session, send, step

SOURCE = "".join(f"def f{number}(value):\n    return value + {number}\n\n" for number in range(60))


def check_prefix(wire: str, requests: Sequence[ModelRequest]) -> None:
    bodies = [without_marks(WIRES[wire](request)) for request in requests]
    for (head, earlier), (later_head, later) in pairwise(bodies):
        assert head_of(later_head) == head_of(head)
        assert later[: len(earlier)] == earlier


def head_of(text: str) -> dict[str, Any]:
    return {name: value for name, value in json.loads(text).items() if name in {"tools", "system", "instructions"}}


@pytest.mark.parametrize("wire", WIRES)
async def test_over_calls_errors_undo_a_restart_and_a_resume(tmp_path: Path, wire: str) -> None:
    folder = tmp_path / "src"
    folder.mkdir()
    (folder / "a.py").write_text(SOURCE, encoding="utf-8")
    edit = call("edit_file", "e1", path="a.py", edits=[{"old_text": "value + 7\n", "new_text": "value * 7\n"}])
    first = ScriptedProvider(
        [
            step("I look.", call("read_file", "r1", path="a.py"), call("search", "s1", pattern="f7")),
            step("", edit),
            step("Done."),
            Step(error=Fault("Overloaded", "Busy.")),
            step("Here I am."),
        ]
    )
    store = SessionStore(tmp_path / "sessions.db")
    session = open_session(DiskWorkspace([folder]), first, store=store)
    await send(session, "Change f7")
    assert end(await send(session, "And now?")).status == "failed"
    await send(session, "Again, please")
    await session.undo()
    store.close()

    again = SessionStore(tmp_path / "sessions.db")
    second = ScriptedProvider([step("", call("read_file", "r2", path="a.py")), step("As it was.")])
    resumed = open_session(DiskWorkspace([folder]), second, store=again)
    await resumed.take_up()
    await send(resumed, "What is there?")
    check_prefix(wire, [*first.requests, *second.requests])
    assert again.fitted.rewrites("s1") == []
    again.close()


async def test_instructions_and_tools_stay_as_they_were_when_the_session_began(tmp_path: Path) -> None:
    """Also where a later Flux has others."""
    store = SessionStore(None)
    store.create("s1", str(tmp_path))
    provider = ScriptedProvider([step("Yes.")])
    earlier = Preface("As it was.", tuple(ToolSpec(name, "Earlier words.", {}) for name in builtin_tools()))
    store.add_preface("s1", earlier)
    await send(open_session(DiskWorkspace([tmp_path]), provider, store=store), "Go on")
    assert (provider.requests[0].system, provider.requests[0].tools) == (earlier.system, earlier.tools)
    assert store.fitted.rewrites("s1") == []


async def test_what_was_cleared_does_not_come_back_with_a_resume(tmp_path: Path) -> None:
    provider, store = ScriptedProvider([step("Yes.")] * 2), SessionStore(tmp_path / "sessions.db")
    session = open_session(DiskWorkspace([tmp_path]), provider, store=store)
    await send(session, "Forget me")
    session.clear_history()
    store.close()

    again = SessionStore(tmp_path / "sessions.db")
    await send(open_session(DiskWorkspace([tmp_path]), provider, store=again), "Hello")
    assert [message.text() for message in provider.requests[-1].messages] == ["Hello"]
    assert [rewrite.reason for rewrite in again.fitted.rewrites("s1")] == ["The conversation was cleared."]
    assert [message.text() for message in again.history("s1")] == ["Forget me", "Yes.", "Hello", "Yes."]
    again.close()


async def test_a_file_that_is_there_already_is_pointed_to_or_told_by_its_difference(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(SOURCE, encoding="utf-8")
    provider = ScriptedProvider(
        [
            step("Seen."),
            step("", call("read_file", "r1", path="a.py")),
            step("Yes."),
            step("And yes."),
        ]
    )
    workspace = DiskWorkspace([tmp_path])
    focus = Focus(workspace.path("a.py"))
    session = open_session(workspace, provider)
    await send(session, "Look", focus=focus)
    await send(session, "Look again", focus=focus)
    (tmp_path / "a.py").write_text(SOURCE.replace("value + 7\n", "value * 7\n"), encoding="utf-8")
    await send(session, "And now?", focus=focus)
    shown = [context_of(message) for message in provider.requests[-1].messages if message.role == "user"]
    assert SOURCE in shown[0]
    assert UNCHANGED in shown[1]
    assert SOURCE not in shown[1]
    assert f"{CHANGED}\n--- shown\n+++ now" in shown[2]
    assert "+    return value * 7" in shown[2]
    (result,) = [message.parts[0].content for message in provider.requests[-1].messages if message.role == "tool"]
    assert result == UNCHANGED


async def test_what_was_pruned_is_recorded_and_shown_again_when_it_is_asked_for(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / f"{number}.py").write_text(f"# {number}\n{SOURCE}", encoding="utf-8")
    steps = [one for n in range(6) for one in (step("", call("read_file", f"r{n}", path=f"{n}.py")), step("Yes."))]
    provider = ScriptedProvider([*steps, step("", call("read_file", "again", path="0.py")), step("Yes.")])
    store = SessionStore(None)
    session = open_session(DiskWorkspace([tmp_path]), provider, limits=ModelLimits(5_000, 5_000, 500), store=store)
    for number in range(6):
        await send(session, f"Read {number}")
    await send(session, "Read the first one again")
    assert any("shortened to one line" in rewrite.reason for rewrite in store.fitted.rewrites("s1"))
    last = [message for message in provider.requests[-1].messages if message.role == "tool"][-1]
    assert last.parts[0].content.startswith("# 0\n")
