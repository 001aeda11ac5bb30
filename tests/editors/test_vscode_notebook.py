"""A cell of a notebook in a real VS Code: shown to the model, edited in its document, not saved."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.editors.test_neovim import edit
from tests.support.code_server import run_story
from tests.support.editors import ROOT, prepare

STORY = ROOT / "tests/editors/vscode/notebook.js"
CELL = {"cell_type": "code", "execution_count": None, "id": "a", "metadata": {}, "outputs": [], "source": ["x = 1111"]}
NOTEBOOK = json.dumps({"cells": [CELL], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})

pytestmark = [pytest.mark.editor, pytest.mark.timeout(200)]


def run(folder: Path, new: str) -> subprocess.CompletedProcess[str]:
    steps = [{"tool_calls": [edit("x = 1111", new, "nb.ipynb")], "expect": ["# %% [1] python"]}, {"text": "Done."}]
    environ = prepare(folder, {"nb.ipynb": NOTEBOOK}, steps)
    bound = {"FLUX_TEST_BOUND_MS": "15000", "FLUX_TEST_SHOTS": str(folder)}
    return run_story(STORY, folder, environ, FLUX_TEST_EXPECTED="x = 2222", **bound)


def test_a_cell_is_edited_and_the_file_is_not(tmp_path: Path) -> None:
    done = run(tmp_path, "x = 2222")
    assert done.returncode == 0, done.stdout


def test_a_wrong_edit_fails_the_story_of_the_notebook(tmp_path: Path) -> None:
    done = run(tmp_path, "x = 3333")
    assert done.returncode != 0
    assert "FAIL the cell is changed" in done.stdout
