"""Sessions for different work have who the roles name, each with its own limits."""

from __future__ import annotations

import json
from pathlib import Path

from flux.agent.session_store import SessionStore
from flux.agent.sessions import Sessions
from flux.core.config import UserFolders, load_settings
from flux.workspace.memory import MemoryWorkspace
from tests.support.talks import send

FILE = """
provider = "scripted"
script = "talk.json"
context_window = 9000

[providers.small]
kind = "demo"
context_window = 5000

[roles]
edit = "small/demo"
"""


async def test_code_actions_and_the_chat_have_models_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(FILE, encoding="utf-8")
    (tmp_path / "talk.json").write_text("[]", encoding="utf-8")
    settings = load_settings(None, {}, environ={}, user_folders=UserFolders(tmp_path, tmp_path)).settings
    sessions = Sessions(settings, SessionStore(None))
    workspace = MemoryWorkspace({})
    chat, edit = await sessions.start(workspace), await sessions.start(workspace, "edit")
    assert (chat.provider.name, chat.model.limits.total_tokens) == ("scripted", 9000)
    assert (edit.provider.name, edit.model.limits.total_tokens) == ("small", 5000)
    assert (await sessions.start(workspace, "inline")).provider is chat.provider
    await sessions.close()


async def test_a_summary_is_by_the_model_of_its_role(tmp_path: Path) -> None:
    roles = FILE.replace("edit =", "summary =").replace('kind = "demo"', 'kind = "scripted"')
    (tmp_path / "config.toml").write_text(roles, encoding="utf-8")
    answers = [{"text": text} for text in ("The first.", "The second.", "The third.")]
    (tmp_path / "talk.json").write_text(json.dumps(answers), encoding="utf-8")
    settings = load_settings(None, {}, environ={}, user_folders=UserFolders(tmp_path, tmp_path)).settings
    sessions = Sessions(settings, SessionStore(None))
    session = await sessions.start(MemoryWorkspace({}))
    for words in ("first", "second"):
        await send(session, words)
    summarized = await session.compact()
    assert summarized is not None
    assert summarized.text == "The first.", "as this model was not asked before"
    assert (await session.ask("third")).text == "The third."
    await sessions.close()
