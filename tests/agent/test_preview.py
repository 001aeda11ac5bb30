"""What the next request would contain: the preview is the request that is then sent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flux.agent.approval import DenyAll
from flux.agent.preview import Preview
from flux.agent.session_store import SessionStore
from flux.agent.sessions import Sessions
from flux.context.item import Focus
from flux.core.config import settings_of
from flux.core.errors import RequestRejected
from flux.core.limits import ModelLimits
from flux.core.messages import ToolSpec
from flux.llm.scripted_provider import ScriptedProvider
from flux.workspace.disk import DiskWorkspace
from tests.support.pixel import PIXEL
from tests.support.replay_server import replay_server
from tests.support.talks import call, open_session, send, step

SOURCE = "".join(f"def f{number}(value):\n    return value + {number}\n\n" for number in range(60))


def kinds(preview: Preview) -> list[str]:
    return [item.kind for item in preview.items if item.kind != "frame"]


async def test_the_preview_is_the_request_that_is_then_sent(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(SOURCE, encoding="utf-8")
    (tmp_path / "AGENTS.md").write_text("Use tabs.\n", encoding="utf-8")
    provider = ScriptedProvider([step("", call("read_file", path="AGENTS.md")), step("Yes."), step("And yes.")])
    workspace = DiskWorkspace([tmp_path])
    store = SessionStore(None)
    session = open_session(workspace, provider, store=store)
    focus = Focus(workspace.path("a.py"))
    first = await session.preview("What is this?", focus=focus)
    assert kinds(first) == ["system", "tools", "rules", "file", "words"]
    assert provider.requests == []
    await send(session, "What is this?", focus=focus)
    assert provider.requests[0] == first.request
    store.add_note("s1", "The user took back your change.")
    second = await session.preview("And now?", focus=focus)
    assert store.notes("s1")
    await send(session, "And now?", focus=focus)
    assert provider.requests[-1] == second.request
    assert kinds(second)[-4:] == ["answer", "file", "note", "words"]
    assert second.tokens > first.tokens > 1000
    lines = list(second.lines())
    items = [(f"{item.tokens:,}", item.kind, *item.origin.split()) for item in second.items]
    assert [tuple(line.split()) for line in lines[: len(items)]] == items
    share = f"{second.tokens / 191_808:.0%} of the 191,808 that scripted takes"
    assert lines[len(items)].split(maxsplit=1) == [f"{second.tokens:,}", f"tokens in all, {share}"]
    cost = f"${second.tokens * 2 / 1e6:.4f} for the input, where nothing of it is in the provider's cache"
    assert [line.strip() for line in lines[len(items) + 1 :]] == [cost]


async def test_what_pruning_would_take_out_is_shown_and_nothing_is_taken_out(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / f"{number}.py").write_text(f"# {number}\n{SOURCE}", encoding="utf-8")
    provider = ScriptedProvider([step("Yes.")] * 9)
    session = open_session(DiskWorkspace([tmp_path]), provider, limits=ModelLimits(6000, 6000, 400))
    shown = await session.preview("See @0.py")
    for number in range(9):
        shown = await session.preview(f"See @{number}.py")
        assert await session.preview(f"See @{number}.py") == shown
        await send(session, f"See @{number}.py")
        assert provider.requests[-1] == shown.request
        if shown.left_out:
            break
    assert "! " in "\n".join(shown.lines())
    later = await session.preview("Then?")
    assert [rewrite.reason for rewrite in later.rewrites] == [" ".join(shown.left_out)]


@pytest.mark.parametrize("name", ["anthropic", "openai", "compatible", "ollama"])
async def test_its_bytes_are_those_that_arrive(tmp_path: Path, name: str) -> None:
    """With the map, pictures, a pin, a restart and pruning in one conversation."""
    for number in range(6):
        (tmp_path / f"{number}.py").write_text(f"# {number}\n{SOURCE}", encoding="utf-8")
    (tmp_path / "dot.png").write_bytes(PIXEL)
    words = [
        "See @0.py and f3",
        "@dot.png?" if name != "ollama" else "Well?",
        "@0.py @1.py",
        "@2.py:3-9",
        "@3.py",
        "@f7",
        "@5.py",
        "@3.py",
        "@0.py",
    ]
    async with replay_server() as server:
        base = server.base_url if name in {"anthropic", "ollama"} else f"{server.base_url}/v1"
        given = {"provider": name, "model": "m", "api_key": "k", "base_url": base, "map_tokens": 500}
        settings = settings_of({**given, "context_window": 6500, "max_tokens": 900})
        sessions = Sessions(settings, SessionStore(tmp_path / ".sessions.db"))
        session = await sessions.start(DiskWorkspace([tmp_path]))
        left_out: list[str] = []
        for number, text in enumerate(words):
            if number == 3:
                await session.pins.add("2.py")
            if number == 5:
                await sessions.close()
                sessions = Sessions(settings, SessionStore(tmp_path / ".sessions.db"))
                session = await sessions.resume(session.id, DiskWorkspace([tmp_path]))
            shown = await session.preview(text)
            left_out += shown.left_out
            async for _ in session.send_message(text, approver=DenyAll()):
                pass
            assert server.received[-1].body == shown.body
            assert json.loads(shown.body)["model"] == "m"
        if name == "ollama":
            with pytest.raises(RequestRejected, match="pictures"):
                await session.preview("@dot.png?")
        await sessions.close()
    assert left_out
    assert b"<repository_map" in server.received[0].body


async def test_a_reviewed_turn_is_shown_what_waits_as_if_it_were_made(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(SOURCE, encoding="utf-8")
    edit = call("edit_file", path="a.py", edits=[{"old_text": "value + 3\n", "new_text": "value - 3\n"}])
    provider = ScriptedProvider([step("", edit), step("Proposed."), step("Yes."), step("Yes.")])
    session = open_session(DiskWorkspace([tmp_path]), provider)
    async for _ in session.send_message("Go.", is_reviewed=True):
        pass
    for is_reviewed in (True, False):
        shown = await session.preview("See @a.py", is_reviewed=is_reviewed)
        async for _ in session.send_message("See @a.py", approver=DenyAll(), is_reviewed=is_reviewed):
            pass
        assert provider.requests[-1] == shown.request
        assert ("You see these files as if they were made" in shown.request.messages[-1].text()) == is_reviewed


async def test_other_tools_than_before_are_recorded_once_with_their_names(tmp_path: Path) -> None:
    provider = ScriptedProvider([step("Yes.")] * 4)
    workspace, store = DiskWorkspace([tmp_path]), SessionStore(None)
    own = [ToolSpec(name, "", {"type": "object"}) for name in ("weather", "news")]
    first = open_session(workspace, provider, store=store, own_tools=own)
    await send(first, "Hi.")
    for _ in range(2):
        resumed = open_session(workspace, provider, store=store)
        shown = await resumed.preview("And?")
        await send(resumed, "And?")
        assert provider.requests[-1] == shown.request
    assert [len(request.tools) for request in provider.requests] == [12, 10, 10]
    back = open_session(workspace, provider, store=store, own_tools=own)
    await send(back, "Again.")
    assert provider.requests[-1].tools == provider.requests[0].tools
    assert [rewrite.reason for rewrite in (await back.preview()).rewrites] == [
        "The session goes on without news, weather.",
        "The session goes on with news, weather.",
    ]
