"""Problems that a service of VS Code finds: one gives a code action of Flux, and new ones go to the model."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.editors.test_neovim import edit, read_lines
from tests.support.code_server import run_story
from tests.support.editors import ROOT, prepare

STORY = ROOT / "tests/editors/vscode/problems.js"
TEXT = '{\n  "one": 1 2,\n  "two": 2\n}\n'

pytestmark = [pytest.mark.editor, pytest.mark.timeout(200)]


def run(folder: Path, new: str) -> subprocess.CompletedProcess[str]:
    record = folder / "record.jsonl"
    environ = prepare(folder, {"data.json": TEXT}, [])
    steps = [{"tool_calls": [edit('"one": 1 2', new, "data.json")]}, {"text": "Fixed."}]
    (folder / "script.json").write_text(json.dumps({"steps": steps, "record": str(record)}), encoding="utf-8")
    bound = {"FLUX_TEST_BOUND_MS": "10000", "FLUX_TEST_SHOTS": str(folder)}
    return run_story(STORY, folder, environ, FLUX_TEST_EXPECTED='"two": 1,', **bound)


def test_a_problem_is_fixed_and_a_new_one_is_told(tmp_path: Path) -> None:
    done = run(tmp_path, '"two": 1')
    assert done.returncode == 0, done.stdout
    asked, answered = read_lines(tmp_path / "record.jsonl")[:2]
    assert "Expected comma" in json.dumps(asked["messages"])
    (result,) = answered["messages"][-1]["parts"]
    assert "New problems in data.json since this:" in result["content"]
    assert "Duplicate object key" in result["content"]


def test_a_wrong_edit_fails_the_story_of_problems(tmp_path: Path) -> None:
    done = run(tmp_path, '"one": 3 4')
    assert done.returncode != 0
    assert "FAIL the problem is fixed" in done.stdout
