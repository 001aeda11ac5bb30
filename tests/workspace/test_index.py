"""The index of definitions and uses: what it reads, what it leaves out, and that it keeps up with the files."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from flux.core.errors import ToolTimedOut
from flux.core.snapshot import WorkspacePath
from flux.workspace.disk import DiskWorkspace
from flux.workspace.index.client import SymbolIndex
from flux.workspace.index.definitions import MAX_FILE_BYTES
from flux.workspace.index.languages import outline
from flux.workspace.index.plain import plain_outline
from flux.workspace.index.project import FIRST_LOOK_FROM, Project
from flux.workspace.index.store import Store
from flux.workspace.index.tree import MAX_ENTRIES
from flux.workspace.index.worker import NICE, Worker
from flux.workspace.memory import MemoryWorkspace
from flux.workspace.overlay import OverlayWorkspace

PYTHON = "class Shape:\n    def area(\n        self,\n    ) -> float:\n        return 0.0\n\n\nLIMIT = 3\n"


def write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))


def opened(folder: Path, kept: Path | None = None) -> Project:
    """The index of a folder, with all files read."""
    project = Project(str(folder), Store(kept, str(folder), "test"))
    brought_up_to_date(project)
    return project


def brought_up_to_date(project: Project) -> None:
    project.refresh()
    while not project.is_whole:
        project.step()


def names(project: Project, count: int = 50) -> list[str]:
    return [ranked.chain[-1].name for ranked in project.ranking.best(count, (), (), ())]


def check(path: str, text: str, *wanted: str) -> None:
    """The outline as `line level kind name: text`, by the grammar."""
    found = outline(path, text.encode("utf-8"))
    assert [f"{d.line} {d.level} {d.kind} {d.name}: {d.text}" for d in found] == list(wanted)


def test_a_definition_is_told_with_its_whole_signature_on_one_line() -> None:
    check(
        "a.py",
        PYTHON,
        "1 0 class Shape: class Shape:",
        "2 1 function area: def area( self, ) -> float:",
        "8 0 constant LIMIT: LIMIT = 3",
    )


@pytest.mark.parametrize(
    ("path", "text", "wanted"),
    [
        ("a.js", "const f = () => 1;\nclass A { m() {} }\n", "f A m"),
        ("a.ts", "export interface I { f(): void }\nenum E { A }\ntype T = string;\n", "I f E T"),
        ("a.tsx", "export const View = () => <b/>;\n", "View"),
        ("a.go", "package a\nfunc (s *S) M() {}\ntype S struct { a int }\n", "M S"),
        ("a.rs", "pub struct S {}\nimpl<T> Tr for G<T> { fn g() {} }\n", "S G g"),
        ("a.java", "public class A { A() {} interface I {} record R(int a) {} }", "A A I R"),
        ("a.c", "#define X 1\nstatic int *f(int a) { return 0; }\ntypedef struct { int x; } T;\n", "X f T"),
        ("a.cpp", "namespace n { class C { void m(); }; void C::k() {} }\n", "n C m k"),
        ("a.cs", "namespace A.B { class C { int P {get;} void M(int a){} } }", "A.B C P M"),
        ("a.rb", "module A\n  class B < C\n    def self.g; end\n  end\nend\n", "A B g"),
        ("a.php", "<?php class C { function m() {} } function f() {}", "C m f"),
        ("a.lua", "local function f() end\nfunction M.g(a) end\nfunction M:n() end", "f g n"),
        ("a.sh", "f() { ls; }\nfunction g { x; }\n", "f g"),
        ("a.html", '<div id="top"><p class="x">t</p></div>', "top"),
        ("a.css", ".a, #b { color: red }\n", ".a, #b"),
        ("a.json", '{"a": {"b": 1}, "c": 2}', "a c"),
        ("a.yaml", "a: 1\nb:\n  c: 2\n", "a b"),
        ("a.toml", "a = 1\n[x.y]\nb = 2\n[[z]]\n", "a x.y z"),
        ("a.md", "# One\n\ntext\n\n## Two\n\nThree\n=====\n", "One Two Three"),
        ("a.kt", "class A {\n  fun f(x: Int): Int = 1\n}\n", "A f"),
        ("a.ex", "defmodule A.B do\n  def f(x) do\n  end\nend", "A.B f"),
        ("a.sql", "CREATE TABLE IF NOT EXISTS users (\n id int)\n", "users"),
        ("a.clj", "(defn total [x] x)\n", "total"),
    ],
)
def test_each_language_has_its_definitions(path: str, text: str, wanted: str) -> None:
    assert " ".join(definition.name for definition in outline(path, text.encode("utf-8"))) == wanted


def test_every_class_and_function_is_found_that_python_itself_finds() -> None:
    """In the standard library's files, and where `def` and `class` stand in all places that are no definition."""
    sources = [file.read_bytes() for file in sorted(Path(ast.__file__).parent.glob("*.py"))[::4]]
    sources.append(
        b"@a\n@b(class_=1)\nasync  def  f(): 'def g(): class H'; return {'def': lambda: 0}  # def i\n"
        b"if x:\n\tclass C(D, metaclass=E):\n\t\tdef\\\n m(self): ...\n# class J\ndefault = classes = undef = 0\n"
    )
    for data in sources:
        kinds = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        wanted = {(node.lineno, node.name) for node in ast.walk(ast.parse(data)) if isinstance(node, kinds)}
        found = {(d.line, d.name) for d in outline("a.py", data) if d.kind != "constant"}
        assert found == wanted


def test_a_file_full_of_comments_about_definitions_is_read_at_once() -> None:
    began = time.monotonic()
    assert outline("a.py", b"# def and class\nx = 1\n" * 20_000)[-1].name == "x"
    assert time.monotonic() - began < 5.0


def test_without_a_grammar_lines_that_look_like_definitions_are_taken() -> None:
    found = plain_outline("a.py", b"class A:\n    async def f(self):\n        x = 1\n\ndef g():\n    pass\n")
    assert [(d.line, d.level, d.name) for d in found] == [(1, 0, "A"), (2, 1, "f"), (5, 0, "g")]


def test_what_is_used_in_many_files_comes_before_what_is_used_in_one(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "def rare(): pass\n\n\ndef common(): pass\n", "b.py": "common(rare)\n"})
    write(tmp_path, {"c.py": "common()\n"})
    assert names(opened(tmp_path)) == ["common", "rare"]


def test_what_the_open_files_use_comes_first(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "def far(): pass\n", "b.py": "def nigh(): pass\n", "here.py": "nigh()\n"})
    write(tmp_path, {f"use{number}.py": "far()\n" for number in range(5)})
    project = opened(tmp_path)
    assert names(project)[0] == "far"
    assert project.ranking.best(1, ["here.py"], (), ())[0].chain[-1].name == "nigh"
    assert project.ranking.best(1, (), ["nigh"], ())[0].chain[-1].name == "nigh"
    assert [ranked.path for ranked in project.ranking.best(9, (), (), ["a.py"])] == ["b.py"]


def test_a_changed_a_new_and_a_removed_file_are_seen(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "def a1(): pass\n", "sub/b.py": "def b1(): pass\n"})
    project = opened(tmp_path)
    write(tmp_path, {"a.py": "def a2(): pass\n", "sub/c.py": "def c1(): pass\n", "new/d.py": "def d1(): pass\n"})
    (tmp_path / "sub" / "b.py").unlink()
    brought_up_to_date(project)
    assert sorted(names(project)) == ["a2", "c1", "d1"]


def test_a_change_that_keeps_length_and_time_is_seen_where_it_came_at_once(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "def a1(): pass\n"})
    project = opened(tmp_path)
    stamp = (tmp_path / "a.py").stat().st_mtime_ns
    write(tmp_path, {"a.py": "def a2(): pass\n"})
    os.utime(tmp_path / "a.py", ns=(stamp, stamp))
    brought_up_to_date(project)
    assert names(project) == ["a2"]


def test_other_ignore_rules_are_seen(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "def a1(): pass\n", "out/b.py": "def b1(): pass\n", ".gitignore": "none\n"})
    project = opened(tmp_path)
    write(tmp_path, {".gitignore": "out/\n"})
    brought_up_to_date(project)
    assert names(project) == ["a1"]


def test_the_next_process_reads_nothing_that_is_unchanged(tmp_path: Path) -> None:
    folder, kept = tmp_path / "project", tmp_path / "kept"
    write(folder, {f"f{number}.py": f"def f{number}(): pass\n" for number in range(9)})
    for file in [*folder.iterdir(), folder]:
        os.utime(file, (1_700_000_000, 1_700_000_000))
    first = opened(folder, kept)
    wanted = first.ranking.best(50, (), (), ())
    first.close()
    again = Project(str(folder), Store(kept, str(folder), "test"))
    again.refresh()
    assert again.is_whole
    assert again.ranking.best(50, (), (), ()) == wanted
    again.close()


def test_the_same_files_give_the_same_order_however_they_came(tmp_path: Path) -> None:
    files = {f"m{number % 7}/f{number}.py": f"def f{number}(): f{number * 7 % 60}()\n" for number in range(60)}
    write(tmp_path, dict.fromkeys(reversed(files), "def old(): pass\n"))
    grown = opened(tmp_path)
    for name, text in reversed(files.items()):
        write(tmp_path, {name: text})
        brought_up_to_date(grown)
    assert grown.ranking.best(50, ["m1/f1.py"], ["f2"], ()) == opened(tmp_path).ranking.best(
        50, ["m1/f1.py"], ["f2"], ()
    )


def test_a_damaged_store_is_made_anew(tmp_path: Path) -> None:
    folder, kept = tmp_path / "project", tmp_path / "kept"
    write(folder, {"a.py": "def a1(): pass\n"})
    opened(folder, kept).close()
    for file in kept.iterdir():
        file.write_bytes(b"no database" * 1000)
    assert names(opened(folder, kept)) == ["a1"]


def test_names_are_there_before_all_is_read(tmp_path: Path) -> None:
    write(tmp_path, {f"f{number}.py": f"def f{number}(): pass\n" for number in range(FIRST_LOOK_FROM + 1)})
    project = Project(str(tmp_path), Store(None, str(tmp_path), "test"))
    project.refresh()
    project.look_first()
    while not project.state:
        project.step()
    assert project.state == "names"
    assert len(names(project, 100)) == FIRST_LOOK_FROM + 1


def test_who_asks_again_and_again_does_not_keep_the_files_from_being_read(tmp_path: Path) -> None:
    write(tmp_path, {f"f{number}.py": f"def f{number}(): pass\n" for number in range(3 * FIRST_LOOK_FROM)})
    worker = Worker(None)
    question = {"ask": "ranked", "roots": [str(tmp_path)], "texts": [{}], "within_s": 0.0, "count": 500}
    for _ in range(500):
        answer = worker.answer({**question, "near": [], "words": [], "shown": []})
        if answer["state"] == "full":
            break
    assert len(answer["found"]) == 3 * FIRST_LOOK_FROM


def test_uses_are_lines_of_code_and_neither_comments_nor_strings(tmp_path: Path) -> None:
    text = 'area = 1  # area\n"""area"""\nprint(f"{area}", "area")\narea_of = 2\n'
    write(tmp_path, {"a.py": text, "b.txt": "area\n", "c.kt": "// area\nfun area() = 1\n"})
    uses, is_more = opened(tmp_path).uses("area", 10)
    assert [(path, line) for path, line, _ in uses] == [("a.py", 1), ("a.py", 3), ("c.kt", 1), ("c.kt", 2)]
    assert not is_more
    assert len(opened(tmp_path).uses("area", 1)[0]) == 1


def test_an_unsaved_text_stands_over_the_disk_and_goes_again(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "def saved(): pass\n", "b.py": "def other(): pass\n"})
    project = opened(tmp_path)
    project.lay_over({"a.py": "def typed(): saved()\n", "new.py": "def fresh(): pass\n", "b.py": None})
    assert sorted(names(project)) == ["fresh", "typed"]
    assert project.uses("saved", 9)[0] == [("a.py", 1, "def typed(): saved()")]
    project.lay_over({})
    assert sorted(names(project)) == ["other", "saved"]


def test_a_line_of_a_megabyte_and_a_generated_file_of_fifty_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, {"min.js": "function f(){}" * 80_000, "bundle.js": "function g(){}\n" + "function h(){}" * 5_000})
    write(tmp_path, {"a.js": "function kept() {}\n", "bin.py": b"def f(): \0\n"})
    with (tmp_path / "big.py").open("wb") as file:
        file.write(b"def big(): pass\n")
        file.truncate(50_000_000)
    write(tmp_path, {"long.py": "def long(): pass\n" * (MAX_FILE_BYTES // 17 + 1)})
    began = time.monotonic()
    assert names(opened(tmp_path)) == ["kept"]
    assert time.monotonic() - began < 5.0


def test_a_folder_of_very_many_files_is_not_looked_into_and_that_is_known(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "def a1(): pass\n"})
    (tmp_path / "data").mkdir()
    for number in range(MAX_ENTRIES + 1):
        os.close(os.open(tmp_path / "data" / f"{number}.py", os.O_CREAT | os.O_WRONLY))
    project = opened(tmp_path)
    assert names(project) == ["a1"]
    assert project.is_cut


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no symbolic links here")
def test_links_in_a_circle_and_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    write(folder, {"a.py": "def a1(): pass\n"})
    write(tmp_path, {"outside.py": "def outside(): pass\n"})
    (folder / "again").symlink_to(folder, target_is_directory=True)
    (folder / "self.py").symlink_to("self.py")
    (folder / "out.py").symlink_to(tmp_path / "outside.py")
    assert names(opened(folder)) == ["a1"]


def test_a_file_that_changes_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "def a1(): pass\n"})
    project = Project(str(tmp_path), Store(None, str(tmp_path), "test"))
    project.refresh()  # seen, and changed before it is read
    write(tmp_path, {"a.py": "def a2(): pass\n" * 2})
    project.step()
    write(tmp_path, {"a.py": "def a3(): pass\n" * 2})
    brought_up_to_date(project)
    assert set(names(project)) == {"a3"}
    (tmp_path / "a.py").unlink()
    brought_up_to_date(project)
    assert names(project) == []


async def test_the_process_answers_over_several_folders_with_their_names(tmp_path: Path) -> None:
    write(tmp_path / "one", {"src/a.py": "def shared(): pass\n"})
    write(tmp_path / "two", {"src/a.py": "def shared(): pass\n\n\nshared()\n"})
    workspace = DiskWorkspace([tmp_path / "one", tmp_path / "two"])
    index = SymbolIndex(tmp_path / "kept")
    try:
        found = await index.definitions(workspace, "shared")
        assert [str(place.path) for place in found] == ["one/src/a.py", "two/src/a.py"]
        uses, is_more = await index.uses(workspace, "shared", 10)
        assert [f"{use.path}:{use.line}" for use in uses] == ["one/src/a.py:1", "two/src/a.py:1", "two/src/a.py:4"]
        assert not is_more
        assert (await index.ranked(workspace, 5)).state == "full"
        assert await index.similar_names(workspace, "shard") == ["shared"]
    finally:
        index.close()
    with pytest.raises(ToolTimedOut):
        await index.definitions(workspace, "shared")


@pytest.mark.skipif(sys.platform == "win32", reason="there it is started at low priority, which POSIX cannot")
def test_the_process_leaves_the_processor_to_others(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "flux.workspace.index.worker", "-"]
    question = {"id": 1, "ask": "near", "name": "x", "roots": [str(tmp_path)], "texts": [{}], "within_s": 0}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(question).encode() + b"\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == 1
        own = os.getpriority(os.PRIO_PROCESS, 0)
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == min(own + NICE, 19)
        process.stdin.close()
        assert process.wait(20) == 0


async def test_buffers_and_proposals_are_seen_by_the_process(tmp_path: Path) -> None:
    workspace = MemoryWorkspace({"a.py": "def saved(): pass\n"})
    workspace.open_buffer("a.py", "def typed(): pass\n")
    index = SymbolIndex()
    try:
        assert [d.name for d in await index.outline(workspace, workspace.path("a.py"))] == ["typed"]
        assert not await index.definitions(OverlayWorkspace(workspace), "saved")
    finally:
        index.close()


async def test_a_process_that_is_gone_is_started_again(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "def a1(): pass\n"})
    workspace, index = DiskWorkspace([tmp_path]), SymbolIndex()
    try:
        for _ in range(2):
            found = await index.definitions(workspace, "a1")
            assert [place.path for place in found] == [WorkspacePath(str(tmp_path), "a.py")]
            companion = index._companion
            assert companion is not None
            companion._process.kill()
    finally:
        index.close()
