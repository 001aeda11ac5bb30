"""A real Neovim 0.12, headless, on a real `python -m flux serve` with the scripted provider.

Skipped, with the reason, where there is no Neovim; with FLUX_REQUIRE_EDITORS=1 that is a failure. Neovim is taken from
FLUX_TEST_NVIM, else from .tools/neovim, where install_neovim.sh puts it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.lsp_client import environment

HERE = Path(__file__).parent
NVIM = Path(os.environ.get("FLUX_TEST_NVIM") or HERE.parent.parent / ".tools/neovim/usr/bin/nvim")

pytestmark = pytest.mark.editor

BEFORE = "def area(r):\n    return 3 * r\n"
EXPECTED = "# ünsaved 😋\ndef area(r):\n    return 3.14159 * r**2\n"


def edit(old: str, new: str) -> dict[str, object]:
    return {"name": "edit_file", "arguments": {"path": "a.py", "old_text": old, "new_text": new}}


SCRIPT: list[dict[str, object]] = [
    {"text": "The formula is wrong.", "tool_calls": [edit("3 * r", "3.14159 * r**2")]},
    {"text": "It is an area now."},
    # Two seconds of talk, while the user types.
    {
        "text": "I will rename it, slowly. " * 4,
        "chunk": 10,
        "delay_s": 0.1,
        "tool_calls": [edit("def area", "def circle_area")],
    },
    {"text": "Renamed."},
    {
        "tool_calls": [
            {"name": "write_file", "arguments": {"path": "sub/new.py", "text": "one = 1\ntwo = 2\n"}},
        ]
    },
    {"text": "Made."},
    {"text": "# What it does\n\nIt computes an area."},
]


def check(folder: Path, script: list[dict[str, object]], bound_s: float = 10) -> subprocess.CompletedProcess[str]:
    """Run the story in a fresh folder."""
    if not NVIM.exists():
        reason = f"no Neovim at {NVIM}: run tests/editors/install_neovim.sh, or set FLUX_TEST_NVIM"
        if os.environ.get("FLUX_REQUIRE_EDITORS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    workspace = folder / "workspace"
    workspace.mkdir()
    (workspace / "a.py").write_bytes(BEFORE.encode())
    (folder / "script.json").write_text(json.dumps(script), encoding="utf-8")
    variables = environment(
        folder,
        FLUX_PROVIDER="scripted",
        FLUX_SCRIPT=str(folder / "script.json"),
        FLUX_PYTHON=sys.executable,
        FLUX_TEST_FOLDER=str(workspace),
        FLUX_TEST_EXPECTED=EXPECTED,
        FLUX_TEST_BOUND_MS=str(int(bound_s * 1000)),
        XDG_STATE_HOME=str(folder / "nvim"),
    )
    return subprocess.run(
        [NVIM, "--headless", "--clean", "-l", HERE / "neovim/story.lua"],
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_main_job_in_neovim(tmp_path: Path) -> None:
    done = check(tmp_path, SCRIPT)
    assert done.returncode == 0, done.stderr


def test_a_wrong_edit_fails_the_story(tmp_path: Path) -> None:
    wrong = [{"text": "", "tool_calls": [edit("3 * r", "4 * r")]}, *SCRIPT[1:]]
    done = check(tmp_path, wrong, bound_s=3)
    assert done.returncode != 0
    assert "FAIL a code action edits the buffer" in done.stderr
