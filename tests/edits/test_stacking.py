"""Where proposals show that were laid on a file one after the other, and what a later one touches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.edits.diff import text_edits_between
from flux.edits.plan import CreateFile, DeleteFile, EditFile, FileChange, RenameFile
from flux.edits.stacking import Stack, moved_extent
from flux.edits.text_edit import TextEdit, apply_edits

LINES = "".join(f"{n}\n" for n in range(1, 11))


def path(name: str) -> WorkspacePath:
    return WorkspacePath("/w", name)


def change(before: str, after: str, name: str = "a") -> EditFile:
    return EditFile(FileSnapshot(path(name), before), text_edits_between(before, after))


def check(laid: list[tuple[str, FileChange]], later: FileChange, *expected: str) -> None:
    """A later change builds on these of the hunks that were laid, in their order."""
    stack = Stack()
    for hunk_id, its in laid:
        stack.lay(hunk_id, its)
    assert stack.under(later) == expected


TWO = LINES.replace("2\n", "two\nand more\n")
TWO_EIGHT = TWO.replace("8\n", "")


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (TWO_EIGHT.replace("and more", "and less"), ("p",)),
        (TWO_EIGHT.replace("9", "nine"), ("q",)),
        (TWO_EIGHT.replace("5", "five"), ()),
        (TWO_EIGHT.replace("two", "2").replace("7", "7a"), ("p", "q")),
    ],
)
def test_a_change_builds_on_what_it_touches(after: str, expected: tuple[str, ...]) -> None:
    check([("p", change(LINES, TWO)), ("q", change(TWO, TWO_EIGHT))], change(TWO_EIGHT, after), *expected)


def test_what_was_typed_since_moves_what_was_laid() -> None:
    typed = "".join(f"typed {n}\n" for n in range(20)) + TWO
    check([("p", change(LINES, TWO))], change(typed, typed.replace("two", "2")), "p")
    check([("p", change(LINES, TWO))], change(typed, typed.replace("typed 3", "mine")))


def test_a_new_a_removed_and_a_moved_file_are_touched_as_a_whole() -> None:
    old = FileSnapshot(path("a"), LINES)
    check([("p", CreateFile(path("a"), LINES))], change(LINES, TWO), "p")
    check([("p", DeleteFile(old))], CreateFile(path("a"), "new\n"), "p")
    check([("p", RenameFile(old, path("b")))], change(LINES, TWO, "b"), "p")
    check([("p", RenameFile(old, path("b")))], CreateFile(path("a"), "new\n"), "p")
    check([("p", change(LINES, TWO))], DeleteFile(FileSnapshot(path("a"), TWO)), "p")
    check([("p", change(LINES, TWO))], change(LINES, TWO, "other"))


@given(st.data())
def test_a_place_moves_with_its_text(data: st.DataObject) -> None:
    text = data.draw(st.text("ab\n", min_size=1, max_size=30))
    at = sorted(data.draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=8, unique=True)))
    edits = [TextEdit(a, b, data.draw(st.text("xy", max_size=3))) for a, b in zip(at[::2], at[1::2], strict=False)]
    start, end = sorted(data.draw(st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))))
    new_start, new_end = moved_extent(start, end, edits)
    # What stands before and after the place is what the edits before and after it make.
    before = [edit for edit in edits if edit.end < start]
    after = [edit for edit in edits if edit.start > end]
    touching = [edit for edit in edits if edit not in before and edit not in after]
    first = min([start, *(edit.start for edit in touching)])
    last = max([end, *(edit.end for edit in touching)])
    made = apply_edits(text, edits)
    assert made[:new_start] == apply_edits(text[:first], before)
    assert made[new_end:] == apply_edits(
        text[last:], [TextEdit(e.start - last, e.end - last, e.new_text) for e in after]
    )
