"""Review in a real Neovim 0.12, headless; see test_neovim.py for where it comes from and when this is skipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.editors import ROOT, Script, prepare, run_neovim

pytestmark = pytest.mark.editor

LINES = "".join(f"{n}\n" for n in range(1, 11))


def edits(*pairs: tuple[str, str]) -> dict[str, object]:
    listed = [{"old_text": old, "new_text": new} for old, new in pairs]
    return {"tool_calls": [{"name": "edit_file", "arguments": {"path": "a.py", "edits": listed}}]}


SCRIPT: list[dict[str, object]] = [
    edits(("2\n3", "two\n3"), ("8", "eight")),
    {"text": "Done."},
    edits(("2\n3", "two\n3"), ("8", "eight")),
    {"text": "Done."},
]


def check(folder: Path, script: Script) -> tuple[int, str]:
    environ = prepare(folder, {"a.py": LINES}, script, FLUX_APPROVAL="review")
    done = run_neovim(environ, ROOT / "tests/editors/neovim/review.lua")
    return done.returncode, done.stderr


def test_a_proposal_is_reviewed_in_neovim(tmp_path: Path) -> None:
    status, said = check(tmp_path, SCRIPT)
    assert status == 0, said


def test_a_wrong_edit_fails_the_story(tmp_path: Path) -> None:
    status, said = check(tmp_path, [edits(("2\n3", "two\n3"), ("7", "eight")), *SCRIPT[1:]])
    assert status != 0
    assert "FAIL the hunks are made" in said


WITH_PLUGIN: list[dict[str, object]] = [
    edits(("2\n3", "two\n3"), ("8", "eight")),
    {"text": "Done."},
    edits(("3\n4", "three\n4"), ("10", "ten")),
    {"text": "Done."},
    {"text": "I see.", "expect": ["The user says: it is too late", "accept that as it is?"]},
]


def test_the_plugin_accepts_and_rejects_in_neovim(tmp_path: Path) -> None:
    environ = prepare(tmp_path, {"a.py": LINES}, WITH_PLUGIN, FLUX_APPROVAL="review")
    story = ROOT / "tests/editors/neovim/plugin_review.lua"
    done = run_neovim(environ, story, "--cmd", f"set rtp^={ROOT / 'editors/neovim'}")
    assert done.returncode == 0, done.stderr
