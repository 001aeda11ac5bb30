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
from flux.core.limits import ModelLimits
from flux.core.messages import ToolSpec
from flux.llm.scripted_provider import ScriptedProvider
from flux.workspace.disk import DiskWorkspace
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
    (tmp_path / "a.py").write_text(SOURCE, encoding="utf-8")
    async with replay_server() as server:
        base = server.base_url if name in {"anthropic", "ollama"} else f"{server.base_url}/v1"
        settings = settings_of({"provider": name, "model": "m", "api_key": "k", "base_url": base, "map_tokens": 0})
        sessions = Sessions(settings, SessionStore(None))
        session = await sessions.start(DiskWorkspace([tmp_path]))
        for words in ("See @a.py", "And again, @a.py"):
            shown = await session.preview(words)
            async for _ in session.send_message(words, approver=DenyAll()):
                pass
            assert server.received[-1].body == shown.body
            assert json.loads(shown.body)["model"] == "m"
        await sessions.close()


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
