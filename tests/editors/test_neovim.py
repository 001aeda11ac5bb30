"""A real Neovim 0.12, headless, on a real `python -m flux serve` with the scripted provider.

Skipped, with the reason, where there is no Neovim; with FLUX_REQUIRE_EDITORS=1 that is a failure. Neovim is taken from
FLUX_TEST_NVIM, else from .tools/neovim, where install_neovim.sh puts it.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.editors import ROOT, Script, prepare, run_neovim

STORIES = ROOT / "tests/editors/neovim"

pytestmark = pytest.mark.editor

BEFORE = "def area(r):\n    return 3 * r\n"
EXPECTED = "# ünsaved 😋\ndef area(r):\n    return 3.14159 * r**2\n"


def edit(old: str, new: str, path: str = "a.py") -> dict[str, object]:
    return {"name": "edit_file", "arguments": {"path": path, "old_text": old, "new_text": new}}


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
    {"tool_calls": [edit("def circle_area", "def disc_area")]},
    {"text": "Renamed again."},
    {"tool_calls": [edit("two = 2", "two = 22", "closed.py")]},
    {"text": "Edited."},
    {
        "tool_calls": [
            {"name": "write_file", "arguments": {"path": "sub/new.py", "text": "one = 1\ntwo = 2\n"}},
        ]
    },
    {"text": "Made."},
    {"text": "# What it does\n\nIt computes an area."},
]


def check(folder: Path, script: Script, bound_s: float = 10) -> subprocess.CompletedProcess[str]:
    """Run the story in a fresh folder."""
    bound_ms = str(int(bound_s * 1000))
    files = {"a.py": BEFORE, "closed.py": "one = 1\ntwo = 2\n"}
    environ = prepare(folder, files, script, FLUX_TEST_EXPECTED=EXPECTED, FLUX_TEST_BOUND_MS=bound_ms)
    return run_neovim(environ, STORIES / "story.lua")


def test_the_main_job_in_neovim(tmp_path: Path) -> None:
    done = check(tmp_path, SCRIPT)
    assert done.returncode == 0, done.stderr


def test_a_wrong_edit_fails_the_story(tmp_path: Path) -> None:
    wrong = [{"text": "", "tool_calls": [edit("3 * r", "4 * r")]}, *SCRIPT[1:]]
    done = check(tmp_path, wrong, bound_s=3)
    assert done.returncode != 0
    assert "FAIL a code action edits the buffer" in done.stderr


FILES = {
    "unix.txt": "one\ntwo\nthree\n",
    "dos.txt": "one\r\ntwo\r\nthree\r\n",
    "mixed.txt": "one\r\ntwo\nthr\ree\r\n",
    "empty.txt": "",
    "other line ends.txt": "a = 1\x0c\nb\u2028 = 2\x85x\n",
    "no line end.txt": "one\ntwo",
}
ROUNDS = 8
"""As in sync.lua."""


def test_random_edits_in_neovim_arrive_as_neovim_has_them(tmp_path: Path) -> None:
    texts, record = tmp_path / "texts.jsonl", tmp_path / "record.jsonl"
    script = {"steps": [{"text": "Seen."}] * (ROUNDS * len(FILES)), "record": str(record)}
    environ = prepare(tmp_path, FILES, [], FLUX_TEST_TEXTS=str(texts))
    (tmp_path / "script.json").write_text(json.dumps(script), encoding="utf-8")
    done = run_neovim(environ, STORIES / "sync.lua")
    assert done.returncode == 0, done.stderr
    has, was_shown = read_lines(texts), read_lines(record)
    assert len(has) == len(was_shown) == ROUNDS * len(FILES)
    for theirs, request in zip(has, was_shown, strict=True):
        name, text = theirs["name"], theirs["text"]
        said = "".join(part.get("text", "") for part in request["messages"][-1]["parts"])
        shown = said.split(f'<file from="{name}">\n', 1)[1].rsplit("</file>", 1)[0]
        # Neovim 0.12.4 itself reports a last line end too many with 'noeol' and where a whole buffer was deleted
        # (seen by replaying its messages with plain slices); so these are not compared.
        assert shown.rstrip("\n") == text.rstrip("\n"), theirs


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
