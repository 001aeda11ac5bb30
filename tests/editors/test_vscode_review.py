"""Review in a real VS Code: its own preview, code lenses, code actions, the list, and a reason for a rejection."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.code_server import run_story
from tests.support.editors import ROOT, prepare

STORY = ROOT / "tests/editors/vscode/review.js"
LINES = "".join(f"line_{n} = {n}\n" for n in range(1, 21))

pytestmark = [pytest.mark.editor, pytest.mark.timeout(400)]


def call(name: str, **arguments: object) -> dict[str, object]:
    return {"name": name, "arguments": arguments}


def edits(*numbers: int, to: str = "{}0") -> dict[str, object]:
    pairs = [(f"line_{n} = {n}\n", f"line_{n} = {to.format(n)}\n") for n in numbers]
    return call("edit_file", path="a.py", edits=[{"old_text": old, "new_text": new} for old, new in pairs])


FIRST = [
    edits(2, 8, 15),
    call("write_file", path="new.py", text="made = True\n"),
    call("delete_file", path="gone.py"),
    call("move_file", path="here.py", new_path="there.py"),
]
SCRIPT: list[dict[str, object]] = [
    {"text": "I propose it.", "tool_calls": FIRST},
    {"text": "Proposed."},
    {"tool_calls": [edits(4, 18)]},
    {"text": "Proposed again."},
    {"text": "I see.", "expect": ["The user rejected your proposed change at a.py line 18", "keep the old one"]},
]


def test_a_proposal_is_reviewed_in_vs_code(tmp_path: Path) -> None:
    files = {"a.py": LINES, "gone.py": "old = 1\n", "here.py": "moved = 1\n"}
    done = run_story(
        STORY,
        tmp_path,
        prepare(tmp_path, files, SCRIPT),
        {"flux.approval": "review"},
        FLUX_TEST_SHOTS=os.environ.get("FLUX_TEST_SHOTS") or str(tmp_path),
    )
    assert done.returncode == 0, done.stdout
