"""A conversation that goes on with another model, and is taken up again: on each wire the same bytes as before."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest

from flux.agent.session import Session
from flux.agent.session_store import SessionStore
from flux.agent.sessions import Sessions
from flux.core.config import UserFolders, load_settings
from flux.workspace.memory import MemoryWorkspace
from tests.support.fault_server import Received, prefix
from tests.support.recorded import PROVIDERS, WIRES, recordings
from tests.support.replay_server import Exchange, ReplayServer, replay_server
from tests.support.talks import end, send


def opened(folder: Path, server: ReplayServer, wire: str) -> Sessions:
    """Sessions of the database in the folder, with a provider for each wire; new ones begin with that of `wire`."""
    config = [f'provider = "my-{wire}"']
    for name, kind in PROVIDERS.items():
        base_url = f"{server.base_url}{'/v1' if name in {'openai', 'chat'} else ''}"
        config += [f"[providers.my-{name}]", f'kind = "{kind}"', f'model = "model-of-{name}"']
        config += [f'base_url = "{base_url}"', 'api_key = "key-of-the-test"']
    (folder / "config.toml").write_text("\n".join(config), encoding="utf-8")
    settings = load_settings(None, {}, environ={}, user_folders=UserFolders(folder, folder)).settings
    return Sessions(settings, SessionStore(folder / "sessions.db"))


async def say(session: Session, server: ReplayServer, words: str) -> Received:
    """Send it; the last request that it took."""
    ended = end(await send(session, words))
    assert ended.status == "completed", ended.error
    return server.received[-1]


def check_goes_on(before: Received, after: Received) -> None:
    """All that was sent is the beginning of what is sent now, to the byte, but for the marks of Anthropic's cache."""
    (head, messages), (later_head, later) = prefix(before), prefix(after)
    assert (after.path, later_head) == (before.path, head)
    assert later.startswith(messages)
    assert len(later) > len(messages)


@pytest.mark.parametrize(("first", "second"), list(permutations(WIRES, 2)))
async def test_the_model_was_switched_and_both_prefixes_outlive_a_restart(
    tmp_path: Path, first: str, second: str
) -> None:
    async def with_calls(exchange: Exchange) -> bool:
        return await exchange.stream(next(one.data for one in recordings() if one.name == f"{exchange.wire}_tools"))

    workspace = MemoryWorkspace({"a.py": "x = 1\n"})
    async with replay_server() as server:
        server.next_answers[:] = [with_calls]
        sessions = opened(tmp_path, server, first)
        session = await sessions.start(workspace)
        of_first = await say(session, server, "first ✓")
        await sessions.choose_model(f"my-{second}", session)
        server.next_answers[:] = [with_calls]
        of_second = await say(session, server, "second ✓")
        await sessions.close()

        again = opened(tmp_path, server, second)
        session = await again.resume(session.id, workspace)
        check_goes_on(of_second, await say(session, server, "third"))
        await again.choose_model(f"my-{first}", session)
        check_goes_on(of_first, await say(session, server, "fourth"))
        await again.close()
        assert len(server.received) == 6, "each of the first two answers had calls"
