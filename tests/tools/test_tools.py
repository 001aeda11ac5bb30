"""The tools on a workspace in memory, and on other people's sources on disk."""

from __future__ import annotations

from pathlib import Path

import pygls
import pytest

from flux.core.errors import FileMissing, FluxError, InvalidArguments, NothingChanged, ToolTimedOut
from flux.tools.base import Arguments, Finding, Proposal
from flux.tools.registry import builtin_tools
from flux.workspace.disk import DiskWorkspace
from flux.workspace.memory import MemoryWorkspace
from flux.workspace.workspace import Workspace

FILES = {
    "a.py": "one\ntwo\nthree\n",
    "src/b.py": "def two():\r\n    return 2\r\n",
    "src/c.txt": "Two hearts\n",
}


async def look(name: str, workspace: Workspace | None = None, **arguments: object) -> str:
    """The one place that calls a looking tool."""
    outcome = await builtin_tools()[name].call(Arguments(arguments), workspace or MemoryWorkspace(FILES))
    assert isinstance(outcome, Finding)
    return outcome.text


async def change(name: str, files: dict[str, str], **arguments: object) -> str:
    """The new text of `a` after a changing tool; the one place that calls one."""
    workspace = MemoryWorkspace(files)
    outcome = await builtin_tools()[name].call(Arguments(arguments), workspace)
    assert isinstance(outcome, Proposal)
    await workspace.apply(outcome.plan)
    return (await workspace.read(workspace.path("a"))).text


async def test_a_whole_file_is_its_bare_text() -> None:
    assert await look("read_file", path="a.py") == "one\ntwo\nthree\n"


async def test_a_part_says_which() -> None:
    assert await look("read_file", path="a.py", start_line=2, end_line=2) == "[a.py lines 2-2 of 3]\ntwo\n"


@pytest.mark.parametrize("lines", [{"start_line": 4}, {"start_line": 3, "end_line": 2}, {"start_line": -1}])
async def test_lines_that_are_not_there_are_refused_with_the_count(lines: dict[str, int]) -> None:
    with pytest.raises(InvalidArguments, match="has 3 lines"):
        await look("read_file", path="a.py", **lines)


async def test_a_long_file_and_a_long_line_are_cut_and_say_so() -> None:
    workspace = MemoryWorkspace({"long": "x\n" * 5000, "wide": "y" * 300_000, "empty": ""})
    assert (await look("read_file", workspace, path="long")).startswith("[long lines 1-2000 of 5000]\n")
    assert "200000 more characters in this line" in await look("read_file", workspace, path="wide")
    assert await look("read_file", workspace, path="empty") == ""


async def test_files_are_listed_below_a_folder() -> None:
    assert await look("list_files") == "a.py\nsrc/b.py\nsrc/c.txt"
    assert await look("list_files", folder="src") == "src/b.py\nsrc/c.txt"
    assert await look("list_files", folder=".") == "a.py\nsrc/b.py\nsrc/c.txt"


async def test_search_finds_lines_by_text_and_by_expression() -> None:
    assert await look("search", pattern="two") == "a.py:2: two\nsrc/b.py:1: def two():"
    assert await look("search", pattern="(?i)^two", is_regex=True) == "a.py:2: two\nsrc/c.txt:1: Two hearts"
    assert await look("search", pattern=r"2$", is_regex=True) == "src/b.py:2:     return 2"
    assert await look("search", pattern="two", folder="src") == "src/b.py:1: def two():"
    assert await look("search", pattern="nowhere") == "[no matches]"


async def test_more_lines_than_are_shown_are_told() -> None:
    found = (await look("search", MemoryWorkspace({"a.py": "here\n" * 300}), pattern="here")).splitlines()
    assert (len(found), found[199:]) == (201, ["a.py:200: here", "[more than 200 lines; narrow the search]"])


@pytest.mark.parametrize(("pattern", "error"), [("", InvalidArguments), ("(", InvalidArguments)])
async def test_a_pattern_that_is_none_is_refused(pattern: str, error: type[FluxError]) -> None:
    with pytest.raises(error):
        await look("search", pattern=pattern, is_regex=True)


async def test_an_expression_that_would_never_end_is_stopped() -> None:
    workspace = MemoryWorkspace({"a": "a" * 5000 + "b\n"})
    with pytest.raises(ToolTimedOut):
        await look("search", workspace, pattern=r"(a|a)+$", is_regex=True)


async def test_search_over_a_real_package_agrees_with_a_plain_loop() -> None:
    root = Path(pygls.__file__).parent
    found = await look("search", DiskWorkspace([str(root)]), pattern="class ")
    expected = [
        f"{file.relative_to(root).as_posix()}:{number}: {line}"
        for file in sorted(root.rglob("*.py"))
        for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), 1)
        if "class " in line
    ]
    assert len(expected) > 20
    assert set(found.splitlines()) == set(expected[:200]) | set(found.splitlines()[200:])


async def test_several_edits_of_a_call_are_one_change() -> None:
    edits = [{"old_text": "1", "new_text": "one"}, {"old_text": "3", "new_text": "three"}]
    assert await change("edit_file", {"a": "1\n2\n3\n"}, path="a", edits=edits) == "one\n2\nthree\n"


async def test_one_edit_may_stand_beside_the_path() -> None:
    assert await change("edit_file", {"a": "1\n"}, path="a", old_text="1", new_text="2") == "2\n"


async def test_one_refused_edit_refuses_all_and_says_which() -> None:
    edits = [{"old_text": "1", "new_text": "one"}, {"old_text": "9", "new_text": "nine"}]
    with pytest.raises(FluxError, match="Edit 2 of 2 was refused, so none was made"):
        await change("edit_file", {"a": "1\n"}, path="a", edits=edits)


async def test_an_edit_keeps_the_line_ends_of_the_file() -> None:
    edits = [{"old_text": "1\n2", "new_text": "1\n1.5\n2"}]
    assert await change("edit_file", {"a": "1\r\n2\r\n"}, path="a", edits=edits) == "1\r\n1.5\r\n2\r\n"


async def test_writing_a_file_keeps_its_line_ends_too() -> None:
    assert await change("write_file", {"a": "1\r\n2\r\n"}, path="a", text="1\n3\n") == "1\r\n3\r\n"
    assert await change("write_file", {}, path="a", text="new\n") == "new\n"
    with pytest.raises(NothingChanged):
        await change("write_file", {"a": "1\r\n"}, path="a", text="1\n")


async def files_after(name: str, **arguments: str) -> list[str]:
    workspace = MemoryWorkspace(FILES)
    outcome = await builtin_tools()[name].call(Arguments(arguments), workspace)
    assert isinstance(outcome, Proposal)
    await workspace.apply(outcome.plan)
    return [str(path) for path in await workspace.list_files()]


async def test_a_file_is_moved_and_another_removed() -> None:
    assert await files_after("move_file", path="a.py", new_path="src/a.py") == ["src/a.py", "src/b.py", "src/c.txt"]
    assert await files_after("delete_file", path="a.py") == ["src/b.py", "src/c.txt"]
    with pytest.raises(NothingChanged):
        await files_after("move_file", path="a.py", new_path="./a.py")
    for name in ("move_file", "delete_file"):
        with pytest.raises(FileMissing):
            await files_after(name, path="none.py", new_path="some.py")


def test_every_tool_has_a_schema_whose_required_names_exist() -> None:
    for name, tool in builtin_tools().items():
        assert tool.spec.name == name
        assert set(tool.spec.parameters.get("required", [])) <= set(tool.spec.parameters["properties"])
        assert tool.spec.description
