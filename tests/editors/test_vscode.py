"""The extension of editors/vscode, built and installed in a real VS Code (code-server and Chromium)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import dotenv
import pytest

from tests.support.code_server import run_story
from tests.support.editors import ROOT, Script, prepare

STORY = ROOT / "tests/editors/vscode/story.js"
FILE = "parser.py"
SOURCE = (Path(dotenv.__file__).parent / FILE).read_text(encoding="utf-8")

HEAD = "def make_regex(string: str, extra_flags: int = 0) -> Pattern[str]:\n"
DOCSTRING = '    """Compile the pattern for Unicode text."""\n'

pytestmark = [pytest.mark.editor, pytest.mark.timeout(400)]


def edit(old: str, new: str) -> dict[str, object]:
    return {"name": "edit_file", "arguments": {"path": FILE, "old_text": old, "new_text": new}}


SCRIPT: list[dict[str, object]] = [
    {
        "tool_calls": [edit(HEAD, HEAD + DOCSTRING)],
        "expect": ["# a note 😋 that is not saved", "Instruction: document "],
    },
    {"text": "Documented."},
    {
        "text": "I will rename it. " * 6 + "I do it slowly.",
        "chunk": 6,
        "delay_s": 0.1,
        "tool_calls": [edit("_newline = make_regex(", "_line_end = make_regex(")],
        "expect": ["Give the regex a better name.", "Current file: parser.py"],
    },
    {"reasoning": "It reads better now.", "chunk": 6, "text": "Renamed."},
    {"tool_calls": [edit("def make_regex(", "def compiled(")], "expect": ["Name it better.", ' line 15">']},
    {"text": "Renamed."},
    {"text": "word " * 2000, "chunk": 5, "delay_s": 0.02},
]


PYTHON_ONLY = {"flux.command": ["no-such-program", "serve"], "flux.python": sys.executable}
"""The user's settings where the command `flux` is not on the path."""

OF_THE_WORKSPACE = {
    "flux.command": ["no-such-program-of-the-workspace"],
    "flux.python": "no-such-python-of-the-workspace",
    "flux.provider": "openai",
    "flux.model": "model-of-the-workspace",
    "flux.base_url": "http://127.0.0.1:9/",
    "flux.api_key": "sk-of-the-workspace",
}
"""What a workspace may try, and must not get."""


def check(
    folder: Path, script: Script, bound_s: float = 20, settings: Mapping[str, object] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the story in a fresh folder."""
    files = {FILE: SOURCE, ".vscode/settings.json": json.dumps(OF_THE_WORKSPACE)}
    shots = Path(os.environ.get("FLUX_TEST_SHOTS") or folder)
    return run_story(
        STORY,
        folder,
        prepare(folder, files, script),
        settings,
        FLUX_TEST_EXPECTED=HEAD + DOCSTRING,
        FLUX_TEST_BOUND_MS=str(int(bound_s * 1000)),
        FLUX_TEST_SHOTS=str(shots),
    )


def test_the_main_job_in_vs_code(tmp_path: Path) -> None:
    done = check(tmp_path, SCRIPT, settings=PYTHON_ONLY)
    assert done.returncode == 0, done.stdout
    assert "ok   the saved file is what was seen" in done.stdout
    stored = [file.read_bytes() for file in tmp_path.rglob("settings.json")]
    assert stored
    assert not any(b"sk-ant-not-a-key" in text for text in stored)


def test_a_wrong_edit_fails_the_story_in_vs_code(tmp_path: Path) -> None:
    wrong = [{**SCRIPT[0], "tool_calls": [edit(HEAD, HEAD + "    # wrong\n")]}, *SCRIPT[1:]]
    done = check(tmp_path, wrong, bound_s=8)
    assert done.returncode != 0
    assert "FAIL a code action edits the buffer" in done.stdout
