"""A file that Flux changed is given another name in VS Code's explorer, and the way back finds it there."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.editors.test_neovim import edit
from tests.support.code_server import run_story
from tests.support.editors import ROOT, prepare

STORY = ROOT / "tests/editors/vscode/files.js"

pytestmark = [pytest.mark.editor, pytest.mark.timeout(400)]


def run(folder: Path, *, beside: bool) -> subprocess.CompletedProcess[str]:
    environ = prepare(
        folder, {"a.py": "cat = 1\ndog = 2\n"}, [{"tool_calls": [edit("cat = 1\n", "ocelot = 1\n")]}, {"text": "Done."}]
    )
    return run_story(
        STORY,
        folder,
        environ,
        {"flux.approval": "auto"},
        FLUX_TEST_BESIDE="1" if beside else "",
        FLUX_TEST_SHOTS=os.environ.get("FLUX_TEST_SHOTS") or str(folder),
        FLUX_TEST_BOUND_MS="30000",
    )


def test_what_flux_did_to_a_file_is_taken_back_where_the_explorer_moved_it(tmp_path: Path) -> None:
    done = run(tmp_path, beside=False)
    assert done.returncode == 0, done.stdout


def test_a_move_that_nobody_tells_of_fails_the_story(tmp_path: Path) -> None:
    done = run(tmp_path, beside=True)
    assert done.returncode != 0
    assert "FAIL what was done to it is taken back in b.py" in done.stdout
