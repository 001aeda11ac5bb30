"""The editing stories in a real Neovim, and that they fail for a wrong edit."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.editors import ROOT, prepare, run_neovim

pytestmark = pytest.mark.editor

TEXT = "one\ntwo\nthree\n"
FILES = ("a.py", "b.py", "c.py")


def run(folder: Path, new: str) -> subprocess.CompletedProcess[str]:
    def answer(*names: str) -> list[dict[str, object]]:
        calls = [
            {"name": "edit_file", "arguments": {"path": name, "old_text": "two\n", "new_text": new}} for name in names
        ]
        return [{"tool_calls": calls}, {"text": "Done."}]

    script = [*answer("a.py") * 3, *answer(*FILES)]
    for name in FILES:
        (folder / name).write_bytes(TEXT.encode())
    environ = prepare(folder, dict.fromkeys(FILES, TEXT), script)
    return run_neovim(environ, ROOT / "tests/editors/neovim/stories.lua")


def test_the_editing_stories_in_neovim(tmp_path: Path) -> None:
    done = run(tmp_path, "TWO\n")
    assert done.returncode == 0, done.stderr


def test_a_wrong_edit_fails_the_stories(tmp_path: Path) -> None:
    done = run(tmp_path, "wrong\n")
    assert done.returncode != 0
    assert "FAIL one file is edited: one wrong three" in done.stderr
