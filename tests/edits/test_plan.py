"""Plans, and edits moved onto a text that the user changed meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flux.core.errors import FileMissing, OverlappingEdits, StaleSnapshot
from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.edits.plan import (
    CreateFile,
    DeleteFile,
    EditFile,
    EditPlan,
    RenameFile,
    change_diff,
    rebase,
    rebase_change,
)
from flux.edits.text_edit import TextEdit, apply_edits

PATH = WorkspacePath(str(Path("project").absolute()), "a.py")
TEXT = "one\ntwo\nthree\nfour\nfive\n"
EDIT_OF_THREE = TextEdit(8, 13, "3")


def check(typed: str, after: str, edits: tuple[TextEdit, ...] = (EDIT_OF_THREE,), text: str = TEXT) -> None:
    """The edits computed on `text` and made on `typed` give `after`."""
    assert apply_edits(typed, rebase(edits, text, typed)) == after


def check_refused(typed: str, edit: TextEdit = EDIT_OF_THREE, text: str = TEXT) -> None:
    with pytest.raises(StaleSnapshot):
        rebase((edit,), text, typed)


def test_on_the_same_text_edits_stay() -> None:
    check(TEXT, "one\ntwo\n3\nfour\nfive\n")


def test_typing_above_and_below_is_kept() -> None:
    check("zero\none\ntwo\nthree\nfour\nfive 5\n", "zero\none\ntwo\n3\nfour\nfive 5\n")


def test_typing_in_the_line_above_is_kept() -> None:
    check("one\ntwo and more\nthree\nfour\nfive\n", "one\ntwo and more\n3\nfour\nfive\n")


@pytest.mark.parametrize(
    "typed",
    [
        "one\ntwo\nthirty\nfour\nfive\n",  # the very word
        "one\ntwo\nxthree\nfour\nfive\n",  # directly before
        "one\ntwo\nthree!\nfour\nfive\n",  # directly behind
        "one\ntwo\nfour\nfive\n",  # removed
        "",  # everything removed
        "one\ntwo\nthree\nthree\nfour\nfive\n",  # doubled: which is the one?
    ],
)
def test_a_change_under_or_at_the_edit_is_refused(typed: str) -> None:
    check_refused(typed)


def test_one_of_equal_neighbouring_lines_removed_is_refused_for_all_of_them() -> None:
    check_refused("x\nx\n", TextEdit(2, 3, "y"), "x\nx\nx\n")


def test_edits_on_both_sides_of_the_typing_move_apart() -> None:
    edits = (TextEdit(0, 3, "1"), TextEdit(19, 23, "5"))
    check("one\ntwo\nthree\nand a half\nfour\nfive\n", "1\ntwo\nthree\nand a half\nfour\n5\n", edits)


@given(st.lists(st.sampled_from(["a", "b", "c", ""]), max_size=12), st.data())
def test_an_edit_that_is_moved_replaces_the_same_text_between_the_same_neighbours(
    lines: list[str], data: st.DataObject
) -> None:
    """Typing at one place away from the edit: either refused, or both changes are there in full."""
    text = "\n".join(lines)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    at = data.draw(st.integers(0, len(text)))
    until = data.draw(st.integers(at, len(text)))
    word = data.draw(st.sampled_from(["", "a", "b\n", "typed"]))
    assume(until < start or at > end)
    typed = apply_edits(text, [TextEdit(at, until, word)])
    edit = TextEdit(start, end, "EDIT")
    try:
        moved = rebase((edit,), text, typed)
    except StaleSnapshot:
        return
    assert apply_edits(typed, moved) == apply_edits(text, [TextEdit(at, until, word), edit])


def test_two_changes_of_one_file_are_no_plan() -> None:
    with pytest.raises(OverlappingEdits, match=r"a\.py"):
        EditPlan("twice", (CreateFile(PATH, "a"), CreateFile(PATH, "b")))


def test_a_change_that_no_longer_fits_names_the_file() -> None:
    edit = EditFile(FileSnapshot(PATH, TEXT), (EDIT_OF_THREE,))
    for change, now in (
        (edit, FileSnapshot(PATH, "")),
        (CreateFile(PATH, "x"), FileSnapshot(PATH, "")),
        (DeleteFile(FileSnapshot(PATH, "x")), FileSnapshot(PATH, "xy")),
        (DeleteFile(FileSnapshot(PATH, "x")), None),
    ):
        with pytest.raises(StaleSnapshot, match=r"a\.py"):
            rebase_change(change, now)
    with pytest.raises(FileMissing, match=r"a\.py"):
        rebase_change(edit, None)


def test_a_change_is_made_on_the_text_as_it_is_now() -> None:
    now = FileSnapshot(PATH, f"zero\n{TEXT}", version=3)
    change = rebase_change(EditFile(FileSnapshot(PATH, TEXT), (EDIT_OF_THREE,)), now)
    assert change == EditFile(now, (TextEdit(13, 18, "3"),))


def test_a_move_is_shown_as_git_shows_it() -> None:
    other = WorkspacePath(PATH.root, "b.py")
    assert change_diff(RenameFile(FileSnapshot(PATH, "one\n"), other)) == (
        "diff --git a/a.py b/b.py\nsimilarity index 100%\nrename from a.py\nrename to b.py\n"
    )
    assert change_diff(RenameFile(FileSnapshot(PATH, "one\n"), other, (TextEdit(0, 3, "1"),))) == (
        "diff --git a/a.py b/b.py\nrename from a.py\nrename to b.py\n--- a/a.py\n+++ b/b.py\n@@ -1 +1 @@\n-one\n+1\n"
    )


def test_a_move_counts_for_both_of_its_names() -> None:
    move = RenameFile(FileSnapshot(PATH, TEXT), WorkspacePath(PATH.root, "b.py"))
    with pytest.raises(OverlappingEdits, match=r"b\.py"):
        EditPlan("twice", (move, CreateFile(WorkspacePath(PATH.root, "b.py"), "")))
