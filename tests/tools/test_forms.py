"""`edit_file` in the forms that models learnt elsewhere, and what a lenient edit may not break."""

from __future__ import annotations

import pytest

from flux.core.errors import EditError, InvalidArguments
from flux.tools.base import Arguments, Proposal
from flux.tools.registry import builtin_tools
from flux.workspace.memory import MemoryWorkspace

FILES = {
    "a.py": "def f():\n    return 1\n",
    "crlf.py": "def g():\r\n    return 1\r\n",
    "b.txt": "one\ntwo",
    "c.json": '{\n  "a": 1\n}\n',
}


async def check(after: dict[str, str], **arguments: object) -> None:
    """The one place that calls the tool for an edit that is made; `after` has what changed."""
    workspace = MemoryWorkspace(FILES)
    outcome = await builtin_tools()["edit_file"].call(Arguments(arguments), workspace)
    assert isinstance(outcome, Proposal)
    await workspace.apply(outcome.plan)
    texts = {str(path): (await workspace.read(path)).text for path in await workspace.list_files()}
    assert texts == {name: text for name, text in {**FILES, **after}.items() if text}


async def check_refused(error: type[Exception], says: str, **arguments: object) -> None:
    with pytest.raises(error, match=says):
        await builtin_tools()["edit_file"].call(Arguments(arguments), MemoryWorkspace(FILES))


async def test_a_patch_over_several_files_is_one_change() -> None:
    patch = (
        "*** Begin Patch\n*** Update File: a.py\n@@\n-    return 1\n+    return 2\n*** Add File: new.txt\n+hi\n"
        "*** Delete File: c.json\n*** End Patch"
    )
    await check({"a.py": "def f():\n    return 2\n", "new.txt": "hi\n", "c.json": ""}, patch=patch)


async def test_a_file_is_moved_and_edited_at_once() -> None:
    patch = "*** Begin Patch\n*** Update File: a.py\n*** Move to: z.py\n@@\n-    return 1\n+    return 2\n*** End Patch"
    await check({"a.py": "", "z.py": "def f():\n    return 2\n"}, input=patch)


async def test_a_diff_without_a_name_takes_the_path_beside_it() -> None:
    await check({"b.txt": "one\n2"}, path="b.txt", diff="@@ -1,2 +1,2 @@\n one\n-two\n+2\n")


async def test_the_editor_tools_commands() -> None:
    await check({"a.py": "def f():\n    return 3\n"}, command="str_replace", path="a.py", old_str="1", new_str="3")
    await check({"b.txt": "zero\none\ntwo"}, command="insert", path="b.txt", insert_line=0, insert_text="zero")
    await check({"b.txt": "one\ntwo\nthree"}, command="insert", path="b.txt", insert_line=2, insert_text="three\n")
    await check({"new.py": "x\n"}, command="create", path="new.py", file_text="x\n")


async def test_other_names_of_the_two_texts() -> None:
    await check({"a.py": "def f():\n    return 4\n"}, path="a.py", old_string="return 1", new_string="return 4")


async def test_what_is_no_patch_is_refused_with_the_form_to_use() -> None:
    await check_refused(InvalidArguments, "Use `path` and `edits`", patch="please change a.py")
    await check_refused(EditError, "There is no line 9", command="insert", path="b.txt", insert_line=9, insert_text="x")


async def test_a_lenient_edit_that_breaks_the_file_is_refused_and_an_exact_one_is_not() -> None:
    broken = {"old_text": "def  f():\nreturn 1", "new_text": "def  f():\nreturn (1"}
    await check_refused(EditError, r"no longer\s+parses", path="a.py", edits=[broken])
    await check({"a.py": "def f():\n    return (1\n"}, path="a.py", old_text="return 1", new_text="return (1")


async def test_lines_that_were_given_the_indentation_of_their_place_are_lenient() -> None:
    await check_refused(EditError, r"no longer\s+parses", path="a.py", old_text="return 1", new_text="x = (1\nreturn x")


async def test_an_edit_quoted_exactly_but_for_line_ends_is_exact() -> None:
    old, new = "def g():\n    return 1", "def g():\n    return (1"
    await check({"crlf.py": "def g():\r\n    return (1\r\n"}, path="crlf.py", old_text=old, new_text=new)
