"""A proposal in pieces: each fits without the others, all of them are the proposal, and the order does not matter."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux.core.errors import NothingChanged, OverlappingEdits
from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.edits.diff import text_edits_between
from flux.edits.hunks import Hunk, amended, hunks_left, hunks_made, plan_of, split_plan
from flux.edits.plan import CreateFile, DeleteFile, EditFile, EditPlan
from flux.edits.text_edit import apply_edits

PATH = WorkspacePath(str(Path("project").absolute()), "a.py")
OTHER = WorkspacePath(str(Path("project").absolute()), "b.py")
OLD = "".join(f"{n}\n" for n in range(1, 21))
NEW = OLD.replace("2\n3\n", "two\n3\n", 1).replace("4\n", "four\n", 1).replace("18\n", "", 1) + "21\n"


def split(old: str, new: str) -> tuple[Hunk, ...]:
    change = EditFile(FileSnapshot(PATH, old), text_edits_between(old, new))
    return split_plan(EditPlan("test", (change,)), "t")


def made(old: str, hunks: tuple[Hunk, ...]) -> str:
    """The text with these hunks in it."""
    plan = plan_of("test", hunks)
    if not plan.changes:
        return old
    (change,) = plan.changes
    assert isinstance(change, EditFile)
    assert change.snapshot.text == old
    return change.new_text()


def test_changes_that_are_close_are_one_hunk_and_others_are_not() -> None:
    assert [(hunk.id, hunk.line, hunk.before, hunk.after) for hunk in split(OLD, NEW)] == [
        ("t.1", 2, ("2", "3", "4"), ("two", "3", "four")),
        ("t.2", 18, ("18", "19", "20"), ("19", "20", "21")),
    ]


def test_the_diff_of_a_hunk_shows_this_one_alone_at_its_lines() -> None:
    assert split(OLD, NEW)[1].diff == ("--- a/a.py\n+++ b/a.py\n@@ -15,6 +15,6 @@\n 15\n 16\n 17\n-18\n 19\n 20\n+21\n")


def test_a_new_and_a_removed_file_are_one_hunk_each() -> None:
    plan = EditPlan("test", (CreateFile(PATH, "x\ny\n"), DeleteFile(FileSnapshot(OTHER, "gone\n"))))
    new, gone = split_plan(plan, "t")
    assert (new.id, new.before, new.after) == ("t.1", (), ("x", "y"))
    assert new.diff == "--- /dev/null\n+++ b/a.py\n@@ -0,0 +1,2 @@\n+x\n+y\n"
    assert (gone.id, gone.before, gone.after) == ("t.2", ("gone",), ())
    assert gone.diff == "--- a/b.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-gone\n"
    assert plan_of("test", [gone, new]).changes == plan.changes[::-1]


def test_hunks_of_two_proposals_for_one_file_are_no_plan() -> None:
    with pytest.raises(OverlappingEdits, match=r"a\.py"):
        plan_of("test", [*split("1\n", "2\n"), *split("x\n", "y\n")])


def test_a_hunk_is_amended_in_the_line_ends_of_its_file() -> None:
    old = OLD.replace("\n", "\r\n")
    first, second = split(old, NEW.replace("\n", "\r\n"))
    other = amended(first, ["zwei", "", "3", "4"])
    assert (other.id, other.after) == (first.id, ("zwei", "", "3", "4"))
    assert made(old, (other,)) == old.replace("2\r\n", "zwei\r\n\r\n", 1)
    assert made(old, (other, amended(second, []))) == made(old, (other,)).replace("18\r\n19\r\n20\r\n", "")
    with pytest.raises(NothingChanged):
        amended(first, first.before)


def test_an_amended_last_line_has_an_end_only_where_it_had_one() -> None:
    (hunk,) = split("a", "b")
    assert made("a", (amended(hunk, ["c", "d"]),)) == "c\nd"
    (new,) = split_plan(EditPlan("test", (CreateFile(PATH, "x\n"),)), "t")
    assert amended(new, ["y"]).change == CreateFile(PATH, "y\n")
    (gone,) = split_plan(EditPlan("test", (DeleteFile(FileSnapshot(PATH, "x\n")),)), "t")
    with pytest.raises(NothingChanged):
        amended(gone, ["y"])


texts = st.lists(st.sampled_from(["a\n", "b\n", "c\r\n", "\n", "d\r", "e"]), max_size=30).map("".join)


@given(texts, texts)
def test_all_hunks_are_the_plan_in_whatever_order(old: str, new: str) -> None:
    hunks = split(old, new)
    assert made(old, hunks) == new
    assert made(old, hunks[::-1]) == new


@given(texts, texts, st.data())
def test_some_hunks_and_then_the_others_are_the_plan(old: str, new: str, data: st.DataObject) -> None:
    hunks = split(old, new)
    chosen = tuple(hunk for hunk in hunks if data.draw(st.booleans()))
    text = made(old, chosen)
    left = hunks_left(hunks, chosen)
    assert [hunk.id for hunk in left] == [hunk.id for hunk in hunks if hunk not in chosen]
    assert made(text, left) == new
    assert [(hunk.before, hunk.after) for hunk in left] == [
        (hunk.before, hunk.after) for hunk in hunks if hunk not in chosen
    ]


@given(texts, texts)
def test_hunks_made_one_by_one_in_any_order_are_the_plan(old: str, new: str) -> None:
    for order in itertools.islice(itertools.permutations(range(len(split(old, new)))), 20):
        left, text = split(old, new), old
        for number in order:
            chosen = next(hunk for hunk in left if hunk.id == f"t.{number + 1}")
            text, left = made(text, (chosen,)), hunks_left(left, (chosen,))
        assert (text, left) == (new, ())


@given(texts, texts, st.data())
def test_which_hunks_were_made_is_seen_by_the_text(old: str, new: str, data: st.DataObject) -> None:
    hunks = split(old, new)
    if not hunks:
        return
    chosen = tuple(hunk for hunk in hunks if data.draw(st.booleans()))
    seen = hunks_made(hunks, made(old, chosen))
    assert seen is not None
    assert made(old, seen) == made(old, chosen)
    assert hunks_made(hunks, "something else\n") is None


@given(texts, texts)
def test_the_diffs_of_hunks_name_the_lines_that_they_change(old: str, new: str) -> None:
    for hunk in split(old, new):
        with_it = made(old, (hunk,))
        assert apply_edits(old, text_edits_between(old, with_it)) == with_it
        marks = [line[:1] for line in hunk.diff.splitlines()[2:]]
        assert "+" in marks or "-" in marks
