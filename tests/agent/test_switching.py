"""Going on with another model, of another provider too, in the middle of a conversation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flux.agent.session_store import SessionStore
from flux.agent.sessions import Sessions
from flux.core.config import UserFolders, load_settings
from flux.core.errors import ConfigError
from flux.workspace.memory import MemoryWorkspace
from tests.support.talks import end, send

CONFIG = """
provider = "scripted"
script = "talk.json"

[providers.second]
kind = "scripted"
script = "talk.json"
model = "second-1"

[providers.open]
kind = "demo"
"""
EDIT = {"path": "a.py", "edits": [{"old_text": "1", "new_text": "2"}]}


def opened(folder: Path, *steps: object) -> Sessions:
    """Sessions with three providers of the user's own."""
    (folder / "config.toml").write_text(CONFIG, encoding="utf-8")
    (folder / "talk.json").write_text(json.dumps({"steps": steps, "record": "asked.jsonl"}), encoding="utf-8")
    settings = load_settings(None, {}, environ={}, user_folders=UserFolders(folder, folder)).settings
    return Sessions(settings, SessionStore(None))


async def test_the_list_has_the_models_of_every_provider_that_is_set_up_the_present_one_first(tmp_path: Path) -> None:
    sessions = opened(tmp_path)
    listed = [(model.provider, model.name) for model in await sessions.models()]
    assert listed[0] == ("scripted", "scripted")
    assert ("open", "demo") in listed
    await sessions.close()


async def test_a_conversation_with_calls_goes_on_with_another_provider_and_back(tmp_path: Path) -> None:
    sessions = opened(tmp_path, {"reasoning": "Hm.", "tool_calls": [{"name": "edit_file", "arguments": EDIT}]}, {})
    workspace = MemoryWorkspace({"a.py": "x = 1\n"})
    session = await sessions.start(workspace)
    assert end(await send(session, "Make it 2.")).status == "completed"
    switch = await sessions.choose_model("open/demo", session)
    assert str(switch) == "Going on with demo (open)."
    assert end(await send(session, "hello")).status == "completed"
    switch = await sessions.choose_model("second", session)
    assert (switch.provider, switch.model) == ("second", "second-1")
    await send(session, "And back?")
    asked = [json.loads(line) for line in (tmp_path / "asked.jsonl").read_text(encoding="utf-8").splitlines()]
    roles = [message["role"] for message in asked[-1]["messages"]]
    assert (asked[-1]["model"], roles[:3]) == ("second-1", ["user", "assistant", "tool"])
    assert [part["text"] for m in asked[-1]["messages"] if m["role"] == "user" for part in m["parts"][-1:]] == [
        "Make it 2.",
        "hello",
        "And back?",
    ]
    await sessions.close()


@pytest.mark.parametrize(
    ("wanted", "told"), [("0", "no model number 0"), ("99", "no model number 99"), (" ", "No model")]
)
async def test_what_names_no_model_is_refused_and_the_present_one_stays(tmp_path: Path, wanted: str, told: str) -> None:
    sessions = opened(tmp_path)
    with pytest.raises(ConfigError, match=told):
        await sessions.choose_model(wanted)
    assert (sessions.provider.name, sessions.model_name) == ("scripted", "scripted")
    await sessions.close()


async def test_a_provider_without_its_key_is_told_when_it_is_chosen_and_the_present_one_stays(tmp_path: Path) -> None:
    sessions = opened(tmp_path)
    with pytest.raises(ConfigError, match="ANTHROPIC_API_KEY"):
        await sessions.choose_model("anthropic/claude-opus-5-5")
    assert sessions.provider.name == "scripted"
    await sessions.close()
