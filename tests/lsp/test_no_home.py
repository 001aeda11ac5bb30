"""The server for a user without a home folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support.lsp_bench import bench
from tests.support.shell import NO_HOME

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows takes any user's name for one")


async def test_chats_answers_to_questions_and_texts_to_read_work_and_leave_nothing_behind(tmp_path: Path) -> None:
    script = {"FLUX_SCRIPT": str(tmp_path / "script.json"), **NO_HOME}
    env_file = "FLUX_PROVIDER=scripted\n"
    async with bench(tmp_path, {"text": "One."}, {"text": "Two."}, disk={".env": env_file}, variables=script) as made:
        for said in ("first", "second"):
            assert (await made.client.command("flux.chat.send", {"text": said}))["status"] == "completed"
        asked = made.client.sent("window/showMessageRequest")
        assert len(asked) == 1
        assert "FLUX_PROVIDER" in asked[0]["message"]
        told = [shown["message"] for shown in made.client.sent("window/showMessage")]
        assert sum("sessions will not be stored: There is no home folder." in text for text in told) == 1
        listed = (await made.client.command("flux.chat.list", {}))["sessions"]
        assert [session["title"] for session in listed] == ["first"]
        assert made.on_disk() == {".env": env_file}


async def test_a_long_explanation_is_shown_as_a_message(tmp_path: Path) -> None:
    script = {"FLUX_SCRIPT": str(tmp_path / "script.json"), "FLUX_PROVIDER": "scripted", **NO_HOME}
    answer = "It adds. " * 50
    async with bench(tmp_path, {"text": answer}, buffers={"a.py": "x = 1 + 2\n"}, variables=script) as made:
        actions = await made.client.code_actions(made.uri("a.py"), (0, 0), (0, 9))
        explain = next(action for action in actions if "xplain" in action["title"])
        await made.client.run_action(actions, explain["title"])
        told = [shown["message"] for shown in made.client.sent("window/showMessage")]
        assert any(answer.strip() in text and "There is no home folder." in text for text in told), told
        assert made.on_disk() == {}
