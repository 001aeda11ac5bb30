"""The tools that look: several files at once, long files, search beside ripgrep, problems, and the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from flux.core.diagnostics import Diagnostic, Severity
from flux.core.errors import InvalidArguments, SecretFile, WorkspaceError
from flux.core.text import Position, Range
from flux.tools.base import Arguments, Finding
from flux.tools.git import Git
from flux.tools.read_file import FIRST_LINES
from flux.tools.registry import builtin_tools
from flux.tools.search import Search
from flux.workspace.disk import DiskWorkspace
from flux.workspace.memory import MemoryWorkspace
from flux.workspace.overlay import OverlayWorkspace
from flux.workspace.workspace import Workspace

PROJECT = Path(__file__).parents[2]
FILES = {"a.py": "one\ntwo\nthree\n", "b.py": "two\n", ".env": "KEY=1\n"}


def find_ripgrep() -> str | None:
    """ripgrep where it is installed, or the one that comes with the VS Code that the editor tests install."""
    folders = (PROJECT / ".tools").glob("vscode/code-server/node_modules/**/@vscode/ripgrep-universal/bin/linux-x64")
    return shutil.which("rg") or next((str(folder / "rg") for folder in folders if os.name == "posix"), None)


RIPGREP = find_ripgrep()


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8", newline="")


async def look(name: str, workspace: Workspace | None = None, **arguments: object) -> str:
    outcome = await builtin_tools()[name].call(Arguments(arguments), workspace or MemoryWorkspace(FILES))
    assert isinstance(outcome, Finding)
    return outcome.text


async def test_several_files_come_in_one_call_each_after_its_name() -> None:
    found = await look("read_file", paths=["a.py", "b.py", "none.py", ".env"])
    parts = found.split("\n\n")
    assert parts[:2] == ["[a.py: 3 lines]\none\ntwo\nthree", "[b.py: 1 lines]\ntwo"]
    assert parts[2] == "[none.py: There is no file none.py.]"
    assert parts[3].startswith("[.env: .env may hold keys or passwords.")
    assert await look("read_file", paths="b.py") == "[b.py: 1 lines]\ntwo\n"
    with pytest.raises(InvalidArguments, match="20 files at a time"):
        await look("read_file", paths=[f"{number}.py" for number in range(21)])


async def test_several_long_files_share_the_room() -> None:
    workspace = MemoryWorkspace(dict.fromkeys(("a", "b", "c"), f"{'x' * 99}\n" * 1500))
    found = await look("read_file", workspace, paths=["a", "b", "c"])
    assert len(found) < 101_000
    for name in ("a", "b", "c"):
        assert f"[{name} lines 1-333 of 1500]\n" in found


async def test_a_long_file_asked_for_whole_is_its_beginning_and_an_outline_of_the_rest() -> None:
    text = "".join(f"def f{number}(x):\n    return {number}\n" for number in range(2000))
    workspace = MemoryWorkspace({"long.py": text})
    found = await look("read_file", workspace, path="long.py")
    assert found.startswith(f"[long.py lines 1-{FIRST_LINES} of 4000]\ndef f0(x):\n")
    assert (
        f"[… {4000 - FIRST_LINES} more lines; their outline, by start_line:\n301: def f150(x):\n303: def f151(x):"
        in found
    )
    assert len(found) < 20_000
    part = await look("read_file", workspace, path="long.py", start_line=301, end_line=302)
    assert part == "[long.py lines 301-302 of 4000]\ndef f150(x):\n    return 150\n"


async def test_a_line_of_a_megabyte_is_cut_and_says_so() -> None:
    workspace = MemoryWorkspace({"min.js": "x" * 1_000_000})
    assert "900000 more characters in this line" in await look("read_file", workspace, path="min.js")
    assert await look("search", workspace, pattern="xx") == f"min.js:1: {'x' * 300} […]"


@pytest.mark.parametrize(
    ("at", "around"), [(0, ("", 0, 295, " […]")), (500, ("[…] ", 100, 195, " […]")), (990, ("[…] ", 295, 0, ""))]
)
async def test_of_a_long_line_the_place_that_matches_is_shown(at: int, around: tuple[str, int, int, str]) -> None:
    head, before, after, tail = around
    workspace = MemoryWorkspace({"min.js": f"{'x' * at}place{'y' * (990 - at)}"})
    shown = f"min.js:1: {head}{'x' * before}place{'y' * after}{tail}"
    assert await look("search", workspace, pattern="place") == shown
    assert await look("search", workspace, pattern="pl.ce", is_regex=True) == shown


async def test_a_file_of_fifty_megabytes_is_refused_with_its_size(tmp_path: Path) -> None:
    with (tmp_path / "big.sql").open("wb") as file:
        file.write(b"SELECT 1;\n")
        file.truncate(50_000_000)
    workspace = DiskWorkspace([tmp_path])
    with pytest.raises(WorkspaceError, match="MB"):
        await look("read_file", workspace, path="big.sql")
    assert await look("search", workspace, pattern="SELECT") == "[no matches]"


async def test_search_shows_lines_around_matches() -> None:
    workspace = MemoryWorkspace({"a": "".join(f"{number}\n" for number in range(1, 10))})
    wanted = "a:1- 1\na:2: 2\na:3- 3\n--\na:6- 6\na:7: 7\na:8- 8"
    assert await look("search", workspace, pattern="[27]", is_regex=True, context=1) == wanted


async def test_a_search_that_takes_too_long_tells_what_it_found_by_then() -> None:
    workspace = MemoryWorkspace({"a": "aab\n", "b": "a" * 5000 + "c\n"})
    found = await look("search", workspace, pattern=r"(a|a)+b", is_regex=True)
    note = "[not all files were searched: it took too long; give a folder or a simpler pattern]"
    assert found == f"a:1: aab\n{note}"


async def test_a_folder_of_very_many_files_is_listed_in_part_and_says_so(tmp_path: Path) -> None:
    for number in range(12_000):
        os.close(os.open(tmp_path / f"{number:05}.txt", os.O_CREAT | os.O_WRONLY))
    workspace = DiskWorkspace([tmp_path])
    lines = (await look("list_files", workspace)).splitlines()
    assert (len(lines), lines[0], lines[-1]) == (1001, "00000.txt", "[11000 more; name a folder to see them]")


@pytest.mark.skipif(RIPGREP is None, reason="ripgrep is not installed")
@pytest.mark.parametrize(
    ("pattern", "is_regex"), [("two", False), ("t[wh]", True), ("(?<=t)wo", True), ("é", False), ("(a|b", False)]
)
async def test_search_finds_the_same_with_ripgrep_and_without(tmp_path: Path, pattern: str, is_regex: bool) -> None:
    write(
        tmp_path,
        FILES | {"skip/c.py": "two\n", ".gitignore": "skip/\n", "d.txt": "é (a|b\r\nTwo two\r\n", ".x/y": "two"},
    )
    write(
        tmp_path, {".ignore": "b.py\n", "src/.fluxignore": "e.py\n", "src/e.py": "two\n", "node_modules/f.js": "two\n"}
    )
    (tmp_path / "latin.txt").write_bytes("été two\n".encode("latin-1") * 3)
    below = DiskWorkspace([tmp_path])
    workspace = OverlayWorkspace(below)
    tools = builtin_tools()
    outcome = await tools["write_file"].call(Arguments({"path": "new.py", "text": "two thé (a|b\n"}), workspace)
    assert not isinstance(outcome, Finding)
    await workspace.apply(outcome.plan)
    arguments = Arguments({"pattern": pattern, "is_regex": is_regex})
    assert RIPGREP is not None
    with_it = await Search(RIPGREP).call(arguments, workspace)
    without = await Search(None).call(arguments, workspace)
    assert with_it == without
    assert with_it.text != "[no matches]"


async def test_problems_of_a_file_and_of_all_open_ones_gravest_first() -> None:
    workspace = MemoryWorkspace(FILES)
    assert "no file is open" in await look("diagnostics", workspace)
    workspace.open_buffer("a.py")
    assert await look("diagnostics", workspace) == "[none is shown]"
    at = Range(Position(1, 0), Position(1, 3))
    found = (Diagnostic(at, "unused", Severity.WARNING), Diagnostic(at, "undefined", source="ruff", code="F821"))
    workspace.report("a.py", *found)
    wanted = "a.py:2: error: undefined (ruff F821)\na.py:2: warning: unused"
    assert await look("diagnostics", workspace) == await look("diagnostics", workspace, path="a.py") == wanted


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with two commits."""
    run(tmp_path, "init", "-q", "-b", "trunk")
    write(tmp_path, {"a.py": "one\n", "b.py": "b\n", ".env": "KEY=old\n"})
    run(tmp_path, "add", "-f", ".")
    run(tmp_path, "commit", "-q", "-m", "first")
    write(tmp_path, {"a.py": "one\ntwo\n", ".env": "KEY=new\n"})
    run(tmp_path, "commit", "-q", "-a", "-m", "second")
    return tmp_path


def run(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, timeout=20)


async def test_the_repository_is_read(repository: Path) -> None:
    workspace = DiskWorkspace([repository])
    assert await look("git", workspace, action="status") == "on trunk\n"
    assert await look("git", workspace, action="diff") == "[nothing: no repository, or no change]"
    log = (await look("git", workspace, action="log", path="b.py")).splitlines()
    assert [line.partition(": ")[2] for line in log] == ["first"]
    shown = await look("git", workspace, action="show", commit="HEAD")
    assert "second" in shown
    assert "+two" in shown
    assert "KEY" not in shown
    blamed = (await look("git", workspace, action="blame", path="a.py", start_line=2)).splitlines()
    assert len(blamed) == 1
    assert blamed[0].endswith(" 2) two")


async def test_unsaved_text_counts_as_changed(repository: Path) -> None:
    workspace = DiskWorkspace([repository])
    write(repository, {"b.py": "saved\n"})
    proposed = OverlayWorkspace(workspace)
    outcome = await builtin_tools()["write_file"].call(Arguments({"path": "a.py", "text": "typed\n"}), proposed)
    assert not isinstance(outcome, Finding)
    await proposed.apply(outcome.plan)
    assert await look("git", proposed, action="status") == "on trunk\nM b.py\nM a.py (unsaved)\n"
    diff = await look("git", proposed, action="diff")
    assert "+saved" in diff
    assert "-one\n-two\n+typed\n" in diff
    assert "typed" not in await look("git", proposed, action="diff", path="b.py")


@pytest.mark.parametrize("commit", ["--output=x", "-p", "HEAD:.env", "HEAD..x --", "a b", "$(x)"])
async def test_what_is_no_commit_never_reaches_git(repository: Path, commit: str) -> None:
    with pytest.raises(WorkspaceError, match="no name of a commit"):
        await look("git", DiskWorkspace([repository]), action="show", commit=commit)
    assert not (repository / "x").exists()


async def test_git_tells_nothing_of_secret_files_and_refuses_what_it_does_not_know(repository: Path) -> None:
    workspace = DiskWorkspace([repository])
    for action in ("log", "show", "blame"):
        with pytest.raises(SecretFile):
            await look("git", workspace, action=action, path=".env")
    assert "KEY" not in await look("git", workspace, action="diff", path=".env")
    for arguments in ({"action": "push"}, {"action": "blame"}):
        with pytest.raises(InvalidArguments):
            await Git().call(Arguments(arguments), workspace)


async def test_a_bare_a_damaged_and_no_repository_and_a_submodule_end_in_an_answer(repository: Path) -> None:
    other = repository.parent / f"{repository.name}-other"
    other.mkdir()
    assert await look("git", DiskWorkspace([other]), action="log") == "[nothing]"
    run(other, "init", "-q", "--bare")
    assert await look("git", DiskWorkspace([other]), action="diff") == "[nothing: no repository, or no change]"
    with_module = repository.parent / f"{repository.name}-with-module"
    with_module.mkdir()
    run(with_module, "init", "-q")
    run(with_module, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(repository), "module")
    assert "A module" in await look("git", DiskWorkspace([with_module]), action="status")
    assert "module/a.py" in await look("list_files", DiskWorkspace([with_module]))
    (repository / ".git" / "index").write_bytes(b"\0damaged")
    with pytest.raises(WorkspaceError):
        await look("git", DiskWorkspace([repository]), action="diff")


async def test_several_repositories_are_told_apart(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    run(other, "init", "-q", "-b", "main")
    write(other, {"new.py": "n\n"})
    workspace = DiskWorkspace([repository, other])
    label = other.name
    found = await look("git", workspace, action="status")
    assert found == f"[{repository.name}]\non trunk\n\n[{label}]\non main\n? new.py\n"
