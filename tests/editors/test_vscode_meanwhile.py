"""What the extension for VS Code offers beside a turn that runs, its commit messages, and a chat in a document."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import git
import pytest

from tests.editors.test_neovim import edit
from tests.support.code_server import run_story
from tests.support.editors import ROOT, prepare

STORY = ROOT / "tests/editors/vscode/meanwhile.js"
SAID = ("Words and more. " * 40).strip()
MESSAGE = "cats: there is one\n\nIt was not counted."

pytestmark = [pytest.mark.editor, pytest.mark.timeout(400)]


def run(folder: Path, cat: str) -> subprocess.CompletedProcess[str]:
    steps: list[dict[str, object]] = [
        {"tool_calls": [edit("cat = 1\n", cat)]},
        {"text": "I mind it.", "expect": ["mind the gap"]},
        {"tool_calls": [edit("dog = 2\n", "wolf = 2\n")], "expect": ["and then"]},
        {"text": "Second."},
        {"text": "It was about a gap."},
        {"text": "Third.", "expect": ["and then, said otherwise"]},
        {"text": MESSAGE, "expect": ["+cat = 1"]},
        {"text": SAID, "chunk": 10, "delay_s": 0.1, "expect": ["Hello 😋"]},
    ]
    environ = prepare(folder, {"a.py": "cat = 1\ndog = 2\n"}, steps)
    with git.Repo.init(folder / "workspace") as made:
        made.index.add(["a.py"])
    return run_story(
        STORY,
        folder,
        environ,
        {"flux.approval": "ask", "git.openRepositoryInParentFolders": "never"},
        FLUX_TEST_EXPECTED=json.dumps({"said": SAID, "message": MESSAGE}),
        FLUX_TEST_SHOTS=os.environ.get("FLUX_TEST_SHOTS") or str(folder),
        FLUX_TEST_BOUND_MS="30000",
    )


def test_what_is_said_meanwhile_the_context_a_fork_and_a_commit_message(tmp_path: Path) -> None:
    done = run(tmp_path, "ocelot = 1\n")
    assert done.returncode == 0, done.stdout


def test_a_change_one_line_off_fails_the_story_of_what_is_said_meanwhile(tmp_path: Path) -> None:
    done = run(tmp_path, "\nocelot = 1\n")
    assert done.returncode != 0
    assert "FAIL it is in its place" in done.stdout
