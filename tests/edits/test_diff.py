"""Differences as edits, as a diff that `git apply` takes, and as counts."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import pytest
import rich
from hypothesis import given, settings
from hypothesis import strategies as st

from flux.edits.diff import changed_line_counts, closest_edits, text_edits_between, unified_diff
from flux.edits.text_edit import TextEdit, apply_edits

LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\r\n", "\n", "d\r", "é\x0c\u2028\n"]), max_size=30)
TEXTS = st.builds(lambda lines, last: "".join(lines) + last, LINES, st.sampled_from(["", "end", "a"]))


@given(TEXTS, TEXTS)
def test_the_edits_turn_one_text_into_the_other(before: str, after: str) -> None:
    edits = text_edits_between(before, after)
    assert apply_edits(before, edits) == after
    assert all(first.end < second.start for first, second in itertools.pairwise(edits))


@given(TEXTS, TEXTS)
def test_closer_edits_have_the_same_outcome(before: str, after: str) -> None:
    edits = closest_edits(f"<{before}>", TextEdit(1, 1 + len(before), after))
    assert apply_edits(f"<{before}>", edits) == f"<{after}>"
    assert all(first.end < second.start for first, second in itertools.pairwise(edits))


def test_the_line_that_goes_is_in_the_edit_and_not_the_end_of_the_one_above() -> None:
    text = "    return first(a, bravo)\n    return second(c, delta)\n"
    changed = TextEdit(0, len(text), "    return first(a, more, bravo)\n")
    assert closest_edits(text, changed) == (TextEdit(20, 20, "more, "), TextEdit(27, 55, ""))


def test_a_rewrite_of_many_lines_is_one_edit() -> None:
    old, new = ("".join(f"{word} {i}\n" for i in range(3_000)) for word in ("old", "new"))
    assert closest_edits(old, TextEdit(0, len(old), new)) == (
        TextEdit(0, len(old) - len(" 2999\n"), new.removesuffix(" 2999\n")),
    )


def test_a_kept_line_between_two_changes_is_in_no_edit() -> None:
    assert text_edits_between("a\nb\nc\n", "A\nb\nC\n") == (TextEdit(0, 2, "A\n"), TextEdit(4, 6, "C\n"))


def test_a_line_feed_made_crlf_changes_only_its_line() -> None:
    assert text_edits_between("a\nb\nc\n", "a\nb\r\nc\n") == (TextEdit(2, 4, "b\r\n"),)


def test_equal_texts_have_no_diff() -> None:
    assert unified_diff("a\n", "a\n", "f") == ""
    assert changed_line_counts("a\n", "a\n") == (0, 0)


def test_the_diff_shows_three_lines_around_a_change() -> None:
    before = "".join(f"{i}\n" for i in range(1, 21))
    after = before.replace("10\n", "ten\n")
    assert unified_diff(before, after, "src/n.txt") == (
        "--- a/src/n.txt\n+++ b/src/n.txt\n@@ -7,7 +7,7 @@\n 7\n 8\n 9\n-10\n+ten\n 11\n 12\n 13\n"
    )
    assert changed_line_counts(before, after) == (1, 1)


def test_a_missing_final_newline_is_said() -> None:
    assert unified_diff("a\nb", "a\nb\n", "f").endswith("-b\n\\ No newline at end of file\n+b\n")


def test_in_a_crlf_file_only_the_changed_line_is_marked() -> None:
    diff = unified_diff("a\r\nb\r\nc\r\n", "a\r\nB\r\nc\r\n", "f")
    assert diff.splitlines()[3:] == [" a", "-b", "+B", " c"]


def test_a_new_file_comes_from_nowhere_and_a_removed_one_goes_there() -> None:
    assert unified_diff(None, "a\n", "f") == "--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+a\n"
    assert unified_diff("a\n", None, "f") == "--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n"


@settings(max_examples=25)
@given(TEXTS.filter(bool), TEXTS.filter(bool))
def test_git_applies_the_diff_to_the_same_bytes(tmp_path_factory: pytest.TempPathFactory, a: str, b: str) -> None:
    diff = unified_diff(a, b, "f")
    if not diff:
        return
    folder = tmp_path_factory.mktemp("patch")
    (folder / "f").write_bytes(a.encode("utf-8"))
    command = ["git", "apply", "--whitespace=nowarn", "--unidiff-zero", "-"]
    subprocess.run(command, cwd=folder, input=diff.encode("utf-8"), check=True, capture_output=True, timeout=20)
    assert (folder / "f").read_bytes() == b.encode("utf-8")


def test_long_texts_without_a_single_unique_line_are_one_change_and_not_hours_of_work() -> None:
    before, after = "a\nb\n" * 50_000, "b\na\na\n" * 40_000
    assert apply_edits(before, text_edits_between(before, after)) == after


def test_a_function_moved_in_a_foreign_file_keeps_all_other_lines() -> None:
    source = Path(rich.__file__).with_name("table.py").read_text(encoding="utf-8")
    lines = source.splitlines(keepends=True)
    moved = "".join(lines[:100] + lines[140:] + lines[100:140])
    edits = text_edits_between(source, moved)
    assert apply_edits(source, edits) == moved
    assert changed_line_counts(source, moved) == (40, 40)
