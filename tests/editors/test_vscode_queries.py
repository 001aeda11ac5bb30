"""The model asks VS Code's own TypeScript service, by the extension, and has it rename."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.editors.test_neovim import read_lines
from tests.editors.test_neovim_queries import call
from tests.support.code_server import run_story
from tests.support.editors import ROOT, prepare

STORY = ROOT / "tests/editors/vscode/queries.js"
FILES = {
    "a.js": "/** Of a circle. */\nexport function area(r) {\n  const unused = 1;\n  return r * r;\n}\n",
    "b.js": 'import { area } from "./a.js";\n\nconsole.log("😋😋", area(2), 1);\n',
    "jsconfig.json": '{"compilerOptions": {"checkJs": true, "module": "esnext"}}\n',
}

pytestmark = [pytest.mark.editor, pytest.mark.timeout(200)]


def run(folder: Path, new_name: str) -> subprocess.CompletedProcess[str]:
    at = {"path": "b.js", "line": 3, "name": "area"}
    looks = [
        *(call("language_server", query=query, **at) for query in ("definition", "references", "hover")),
        call("language_server", query="symbols", path="a.js"),
        call("diagnostics", path="a.js"),
    ]
    rename = call("rename_symbol", path="a.js", line=3, name="area", new_name=new_name)
    environ = prepare(folder, FILES, [])
    steps = [{"tool_calls": looks}, {"tool_calls": [rename]}, {"text": "Done."}]
    script = {"steps": steps, "record": str(folder / "record.jsonl")}
    (folder / "script.json").write_text(json.dumps(script), encoding="utf-8")
    bound = {"FLUX_TEST_BOUND_MS": "15000", "FLUX_TEST_SHOTS": str(folder)}
    return run_story(STORY, folder, environ, FLUX_TEST_EXPECTED="export function square(r)", **bound)


def test_typescript_is_asked_and_renames_in_an_unsaved_buffer(tmp_path: Path) -> None:
    done = run(tmp_path, "square")
    assert done.returncode == 0, done.stdout
    looked, renamed = (request["messages"][-1]["parts"] for request in read_lines(tmp_path / "record.jsonl")[1:3])
    definition, references, hover, symbols, problems = (part["content"] for part in looked)
    assert definition == "a.js:3: export function area(r) {"
    assert references.split("\n") == [
        "a.js:3: export function area(r) {",
        'b.js:1: import { area } from "./a.js";',
        'b.js:3: console.log("😋😋", area(2), 1);',
    ]
    assert "area(r: any): number" in hover  # of the function, or of its import while the project is being read
    assert "Of a circle." in hover
    assert symbols.startswith("a.js:3: function area")
    assert "'unused' is declared but its value is never read." in problems
    # What TypeScript finds in it while the project is being read may come behind.
    assert renamed[0]["content"].startswith("Renamed area to square in a.js, b.js.")


def test_another_name_fails_the_story_of_questions_in_vscode(tmp_path: Path) -> None:
    done = run(tmp_path, "circle")
    assert done.returncode != 0
    assert "FAIL it is renamed" in done.stdout
