"""Sessions for different work have who the roles name, each with its own limits."""

from __future__ import annotations

from pathlib import Path

from flux.agent.session_store import SessionStore
from flux.agent.sessions import Sessions
from flux.core.config import UserFolders, load_settings
from flux.workspace.memory import MemoryWorkspace

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
