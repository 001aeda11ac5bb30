"""The forms in which models write edits, read into one. The diffs are real ones, made by git and difflib."""

from __future__ import annotations

import difflib
from pathlib import Path

import pygls
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux.core.errors import EditError
from flux.edits.formats import (
    FileRequest,
    InsertAfter,
    Move,
    Remove,
    ReplaceIn,
    Replacement,
    WriteWhole,
    read_editor_command,
    read_edits,
)
from flux.edits.match import edit_text


def check(text: str, *expected: FileRequest) -> None:
    """The one place that reads a form; line ends of either kind give the same."""
    assert read_edits(text) == expected
    assert read_edits(text.replace("\n", "\r\n")) == expected


def test_a_patch_updates_adds_moves_and_deletes() -> None:
    check(
        """\
*** Begin Patch
*** Update File: src/a.py
*** Move to: src/b.py
@@ class A:
     def f(self):
-        return 1
+        return 2
@@
-gone
*** Add File: new.txt
+one
+
+two
*** Delete File: old.py
*** End Patch""",
        ReplaceIn(
            "src/a.py",
            (
                Replacement("    def f(self):\n        return 1\n", "    def f(self):\n        return 2\n"),
                Replacement("gone\n", ""),
            ),
        ),
        Move("src/a.py", "src/b.py"),
        WriteWhole("new.txt", "one\n\ntwo\n"),
        Remove("old.py"),
    )


def test_a_diff_of_git_is_read_file_by_file() -> None:
    check(
        """\
diff --git a/a.py b/a.py
index 1..2 100644
--- a/a.py
+++ b/a.py
@@ -1,2 +1,2 @@
 x
-y
+z
diff --git a/gone.py b/gone.py
--- a/gone.py
+++ /dev/null
@@ -1 +0,0 @@
-x
diff --git a/new.py b/new.py
--- /dev/null
+++ b/new.py
@@ -0,0 +1 @@
+x
""",
        ReplaceIn("a.py", (Replacement("x\ny\n", "x\nz\n"),)),
        Remove("gone.py"),
        WriteWhole("new.py", "x\n"),
    )


def test_search_and_replace_blocks_belong_to_the_file_above_them() -> None:
    check(
        """\
I change two things.

src/a.py
```python
<<<<<<< SEARCH
a = 1
=======
a = 2
>>>>>>> REPLACE
```

<<<<<<< SEARCH
b = 1
=======
>>>>>>> REPLACE

**docs/b.md**
<<<<<<< SEARCH
=======
New.
>>>>>>> REPLACE
""",
        ReplaceIn("src/a.py", (Replacement("a = 1\n", "a = 2\n"), Replacement("b = 1\n", ""))),
        ReplaceIn("docs/b.md", (Replacement("", "New.\n"),)),
    )


def test_a_whole_file_is_taken_only_where_its_fence_names_it() -> None:
    check("a/b.py\n```python\nprint(1)\n```\n\n```text\nno file\n```\n", WriteWhole("a/b.py", "print(1)\n"))
    check("```python title=c.py\nprint(2)\n```\n", WriteWhole("c.py", "print(2)\n"))
    check("Run this:\n```sh\nmake\n```\n")


@pytest.mark.parametrize(
    "cut",
    [
        "*** Begin Patch\n*** Update File: a\n-x\n+y\n",
        "a.py\n<<<<<<< SEARCH\nx\n=======\ny\n",
        "a.py\n<<<<<<< SEARCH\nx\n",
    ],
)
def test_a_form_that_was_cut_off_changes_nothing(cut: str) -> None:
    with pytest.raises(EditError, match="cut off"):
        read_edits(cut)


def test_the_commands_of_the_editor_tool() -> None:
    assert read_editor_command({"command": "create", "path": "a", "file_text": "x"}) == WriteWhole("a", "x")
    assert read_editor_command({"command": "str_replace", "path": "a", "old_str": "x"}) == ReplaceIn(
        "a", (Replacement("x", ""),)
    )
    assert read_editor_command({"command": "insert", "path": "a", "insert_line": 2, "new_str": "x"}) == InsertAfter(
        "a", 2, "x"
    )
    for bad in ({"command": "fly"}, {"command": "create", "path": "a"}, {"command": "insert", "path": "a"}, {}):
        with pytest.raises(EditError):
            read_editor_command(bad)


def test_a_unified_diff_of_a_real_file_is_placed_by_its_context_alone() -> None:
    before = Path(pygls.__file__).with_name("uris.py").read_text(encoding="utf-8")
    after = before.replace("import re\n", "import re\nimport sys\n").replace("return None", "return ''")
    diff = "".join(difflib.unified_diff(before.splitlines(True), after.splitlines(True), "a/uris.py", "b/uris.py", n=5))
    (request,) = read_edits(diff)
    assert isinstance(request, ReplaceIn)
    text = before
    for replacement in request.replacements:
        text = edit_text(text, replacement.old_text, replacement.new_text)
    assert text == after


@given(st.text(st.sampled_from("*<>=-+@ `\nab/.SEARCHREPLACE"), max_size=300))
def test_any_text_gives_requests_or_an_edit_error(text: str) -> None:
    try:
        requests = read_edits(text)
    except EditError:
        return
    assert all(isinstance(request, ReplaceIn | WriteWhole | Remove | Move) for request in requests)
