"""Moved and removed files, and the problems that come up with an edit, in a real Neovim with the plugin."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.editors.test_neovim import edit, read_lines
from tests.support.editors import ROOT, prepare, run_neovim

STORY = ROOT / "tests/editors/neovim/files.lua"
FILES = {"a.py": "one = 'ü 😋'; bad = 1\ntwo = 2\n", "closed.py": "closed = 1\n", "gone.py": "gone = 1\n"}
TOLD = "Edited a.py: +1 -1 lines.\nNew problems in a.py since this:\nline 2: error: bad word (lint)\n    worse = 'bad'"

pytestmark = pytest.mark.editor


def call(name: str, **arguments: str) -> dict[str, object]:
    return {"name": name, "arguments": arguments}


def test_files_move_go_and_come_back_and_new_problems_are_told(tmp_path: Path) -> None:
    steps = [
        {"tool_calls": [edit("two = 2", "worse = 'bad'")]},
        {"text": "Edited."},
        {"tool_calls": [call("move_file", path="a.py", new_path="sub/b.py")]},
        {"text": "Moved."},
        {
            "tool_calls": [
                call("move_file", path="closed.py", new_path="moved.py"),
                call("delete_file", path="gone.py"),
            ]
        },
        {"text": "Moved and removed."},
    ]
    record = tmp_path / "record.jsonl"
    environ = prepare(tmp_path, FILES, [])
    (tmp_path / "script.json").write_text(json.dumps({"steps": steps, "record": str(record)}), encoding="utf-8")
    done = run_neovim(environ, STORY, "--cmd", f"set rtp^={ROOT / 'editors/neovim'}")
    assert done.returncode == 0, done.stderr
    (result,) = read_lines(record)[1]["messages"][-1]["parts"]
    assert result["content"] == TOLD
