"""The model asks pyright, a real language server, through Neovim with the plugin, and has it rename."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.editors.test_neovim import read_lines
from tests.support.editors import ROOT, need, prepare, run_neovim

STORY = ROOT / "tests/editors/neovim/queries.lua"
PYRIGHT = Path(sys.executable).parent / "pyright-langserver"
A = "'😋'\ndef area(r: int) -> int:\n    return r * r\n"
B = "from a import area\n\nprint('😋😋', area(2), 1)\n"
EXPECTED = "# ünsaved 😋\n" + A.replace("area", "square")

pytestmark = pytest.mark.editor


def call(name: str, /, **arguments: object) -> dict[str, object]:
    return {"name": name, "arguments": arguments}


def run(folder: Path, new_name: str) -> subprocess.CompletedProcess[str]:
    need(PYRIGHT, "install the package with its tests")
    at = {"path": "b.py", "line": 3, "name": "area"}
    looks = [
        *(call("language_server", query=query, **at) for query in ("definition", "references", "hover")),
        call("language_server", query="symbols", path="a.py"),
        call("language_server", query="hover", path="a.py", line=4, name="r"),
    ]
    rename = call("rename_symbol", path="a.py", line=3, name="area", new_name=new_name)
    steps = [{"tool_calls": looks}, {"tool_calls": [rename]}, {"text": "Done."}]
    environ = prepare(folder, {"a.py": A, "b.py": B}, [], FLUX_TEST_PYRIGHT=str(PYRIGHT), FLUX_TEST_EXPECTED=EXPECTED)
    script = {"steps": steps, "record": str(folder / "record.jsonl")}
    (folder / "script.json").write_text(json.dumps(script), encoding="utf-8")
    return run_neovim(environ, STORY, "--cmd", f"set rtp^={ROOT / 'editors/neovim'}")


def test_pyright_is_asked_and_renames_in_an_unsaved_buffer(tmp_path: Path) -> None:
    done = run(tmp_path, "square")
    assert done.returncode == 0, done.stderr
    looked, renamed = (request["messages"][-1]["parts"] for request in read_lines(tmp_path / "record.jsonl")[1:3])
    definition, references, hover, symbols, parameter = (part["content"] for part in looked)
    assert definition == "a.py:3: def area(r: int) -> int:"
    assert references.split("\n") == [
        "a.py:3: def area(r: int) -> int:",
        "b.py:1: from a import area",
        "b.py:3: print('😋😋', area(2), 1)",
    ]
    assert "def area(r: int) -> int" in hover
    assert symbols.startswith("a.py:3: function area")
    assert "(parameter) r: int" in parameter
    assert renamed[0]["content"].startswith("Renamed area to square in ")
    assert (tmp_path / "workspace/a.py").read_text(encoding="utf-8") == A


def test_another_name_fails_the_story_of_questions(tmp_path: Path) -> None:
    done = run(tmp_path, "circle")
    assert done.returncode != 0
    assert "FAIL the rename is in the buffer" in done.stderr


def test_a_rename_is_for_the_text_that_was_asked_about_also_where_the_user_types_meanwhile(tmp_path: Path) -> None:
    story = STORY.with_name("rename_meanwhile.lua")
    done = run_neovim(prepare(tmp_path, {"a.py": A}, []), story, "--cmd", f"set rtp^={ROOT / 'editors/neovim'}")
    assert done.returncode == 0, done.stderr
