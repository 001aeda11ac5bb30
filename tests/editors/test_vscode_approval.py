"""The question before a change in a real VS Code: shown, declined, and answered with a yes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.editors.test_neovim import edit
from tests.support.code_server import run_story
from tests.support.editors import ROOT, prepare

STORY = ROOT / "tests/editors/vscode/approval.js"

pytestmark = [pytest.mark.editor, pytest.mark.timeout(200)]


def run(folder: Path, new: str) -> subprocess.CompletedProcess[str]:
    turns = [[{"tool_calls": [edit("one", text)]}, {"text": "Done."}] for text in ("two", new)]
    environ = prepare(folder, {"a.py": "one\n"}, [step for turn in turns for step in turn])
    bound = {"FLUX_TEST_BOUND_MS": "15000", "FLUX_TEST_SHOTS": str(folder)}
    return run_story(STORY, folder, environ, {"flux.approval": "ask"}, FLUX_TEST_EXPECTED="two", **bound)


def test_a_change_is_shown_declined_and_made(tmp_path: Path) -> None:
    done = run(tmp_path, "two")
    assert done.returncode == 0, done.stdout


def test_another_change_fails_the_story_of_the_question(tmp_path: Path) -> None:
    done = run(tmp_path, "three")
    assert done.returncode != 0
    assert "FAIL the change is made" in done.stdout
