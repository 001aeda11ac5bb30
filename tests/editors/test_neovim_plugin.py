"""The plugin of editors/neovim in a real Neovim, on a real `python -m flux serve` with the scripted provider."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.editors.test_neovim import BEFORE, EXPECTED, edit
from tests.support.editors import ROOT, Script, prepare, run_neovim

PLUGIN = ROOT / "editors/neovim"
STORY = ROOT / "tests/editors/neovim/plugin.lua"

pytestmark = pytest.mark.editor

SCRIPT: list[dict[str, object]] = [
    {
        "text": "I will correct the formula. I will correct the formula now.",
        "chunk": 6,
        "delay_s": 0.03,
        "tool_calls": [edit("3 * r", "3.14159 * r**2")],
        "expect": ["Correct the formula.", "# ünsaved", 'lines 2-3">'],
    },
    {"reasoning": "Is it?\nIt is.", "chunk": 4, "text": "It is an area now."},
    {"tool_calls": [edit("def area", "def circle_area")], "expect": ["Name it better.", 'line 2">']},
    {"text": "Renamed."},
    {"text": "word " * 500, "chunk": 5, "delay_s": 0.02},
    {"text": "I go on, about a.py.", "expect": ["Go on.", "Current file: a.py"]},
    {"error": {"kind": "RequestRejected", "message": "Too busy."}},
]


def check(folder: Path, script: Script, bound_s: float = 10) -> subprocess.CompletedProcess[str]:
    """Run the story of the plugin in a fresh folder."""
    expected, bound_ms = EXPECTED.removesuffix("\n"), str(int(bound_s * 1000))
    environ = prepare(folder, {"a.py": BEFORE}, script, FLUX_TEST_EXPECTED=expected, FLUX_TEST_BOUND_MS=bound_ms)
    return run_neovim(environ, STORY, "--cmd", f"set rtp^={PLUGIN}")


def test_the_plugin_chats_edits_and_takes_back(tmp_path: Path) -> None:
    done = check(tmp_path, SCRIPT)
    assert done.returncode == 0, done.stderr


def test_a_wrong_edit_fails_the_story_of_the_plugin(tmp_path: Path) -> None:
    wrong = [{**SCRIPT[0], "tool_calls": [edit("3 * r", "4 * r")]}, *SCRIPT[1:]]
    done = check(tmp_path, wrong)
    assert done.returncode != 0
    assert "FAIL the edit is in the buffer" in done.stderr
