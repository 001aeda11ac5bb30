"""Stored sessions by the extension in a real VS Code, and its commands that go back and forth in a turn."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.code_server import run_story
from tests.support.editors import ROOT, prepare

STORY = ROOT / "tests/editors/vscode/sessions.js"
EDIT = {"name": "edit_file", "arguments": {"path": "a.py", "old_text": "cat = 1\n", "new_text": "ocelot = 1\n"}}
SCRIPT: list[dict[str, object]] = [
    {"tool_calls": [EDIT]},
    {"text": "I put it there."},
    {"text": "Nothing about cats."},
    {"text": "I do.", "expect": ["Where is the ocelot?", "I put it there.", "Do you know me?"]},
]

pytestmark = [pytest.mark.editor, pytest.mark.timeout(400)]


def test_sessions_and_checkpoints_by_the_commands_of_the_extension(tmp_path: Path) -> None:
    done = run_story(
        STORY,
        tmp_path,
        prepare(tmp_path, {"a.py": "cat = 1\ndog = 2\n"}, SCRIPT),
        FLUX_TEST_SHOTS=os.environ.get("FLUX_TEST_SHOTS") or str(tmp_path),
        FLUX_TEST_BOUND_MS="30000",
    )
    assert done.returncode == 0, done.stdout
