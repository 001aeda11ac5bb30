"""Placing a model's edit: exact, unique, minimal, and refused with what the model needs to ask again."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest
import rich
from hypothesis import given
from hypothesis import strategies as st

from flux.core.errors import AmbiguousMatch, EditError, NoMatch, NothingChanged
from flux.edits.match import edit_text, place_edit
from flux.edits.text_edit import TextEdit, apply_edits

MIXED = st.text(alphabet="ab \n\r\t\ufeffé😀", max_size=30)


def check(before: str, old: str, new: str, after: str, replace_all: bool = False) -> None:
    """The one place that calls the engine for an edit that is made."""
    assert edit_text(before, old, new, replace_all) == after


def check_refused(before: str, old: str, new: str, kind: type[EditError], says: str) -> None:
    """Refused with this kind, and the model is told this."""
    with pytest.raises(kind) as error:
        edit_text(before, old, new)
    assert type(error.value) is kind
    assert says in str(error.value)
    assert str(error.value).count("\n") < 40


def test_replaces_the_only_occurrence() -> None:
    check(
        dedent("""\
        def area(r):
            return 3 * r
        """),
        old="3 * r",
        new="pi * r**2",
        after=dedent("""\
        def area(r):
            return pi * r**2
        """),
    )


def test_two_occurrences_are_refused_with_both_lines_named() -> None:
    with pytest.raises(AmbiguousMatch) as error:
        edit_text("a = 1\nb = 1\n", "= 1", "= 2")
    assert error.value.lines == (1, 2)
    assert "lines 1, 2" in str(error.value)


def test_overlapping_occurrences_are_two() -> None:
    check_refused("aaa", "aa", "b", AmbiguousMatch, "2 times")


def test_a_hundred_occurrences_are_named_within_bounds() -> None:
    with pytest.raises(AmbiguousMatch) as error:
        edit_text("x\n" * 100, "x", "y")
    assert error.value.lines == tuple(range(1, 101))
    assert str(error.value).endswith("every one.")
    assert "and 60 more" in str(error.value)


def test_every_occurrence_is_replaced_when_asked() -> None:
    check("a\na\n", "a\n", "b\na\nb\n", "b\na\nb\nb\na\nb\n", replace_all=True)


def test_equal_texts_change_nothing_also_when_only_their_line_ends_differ() -> None:
    check_refused("a\n", "a\n", "a\r\n", NothingChanged, "same")


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("asked_line_end", ["\n", "\r\n"])
def test_the_files_line_end_is_found_and_kept_whatever_the_model_writes(line_end: str, asked_line_end: str) -> None:
    def in_style(text: str, end: str) -> str:
        return text.replace("\n", end)

    check(
        in_style("one\ntwo\nthree\n", line_end),
        in_style("one\ntwo\n", asked_line_end),
        in_style("one\nnew\n2\n", asked_line_end),
        in_style("one\nnew\n2\nthree\n", line_end),
    )


def test_in_a_mixed_file_new_lines_end_as_their_neighbours_and_kept_lines_as_they_were() -> None:
    check(
        "a\r\nb\r\nc\nd\ne\r\n",
        "a\nb\nc\nd\n",
        "a\nb2\nb3\nc\nd2\nd3\n",
        "a\r\nb2\r\nb3\r\nc\nd2\nd3\ne\r\n",
    )


def test_a_line_broken_in_two_ends_as_that_line_does() -> None:
    check("a\nbc\r\nd\n", "bc", "b\nc", "a\nb\r\nc\r\nd\n")


def test_a_missing_final_newline_stays_missing() -> None:
    check("a\r\nb", "b", "c\nd", "a\r\nc\r\nd")


def test_a_file_of_one_line_takes_the_line_end_of_the_new_text() -> None:
    check("a", "a", "b\r\nc", "b\r\nc")


@pytest.mark.parametrize("old", ["a", "\ufeffa"])
@pytest.mark.parametrize("new", ["b", "\ufeffb"])
def test_the_byte_order_mark_survives(old: str, new: str) -> None:
    check("\ufeffa\n", old, new, "\ufeffb\n")


def test_an_empty_file_is_filled_by_an_empty_old_text() -> None:
    check("", "", "a\r\nb\n", "a\r\nb\n")


@pytest.mark.parametrize("old", ["", " ", "\n"])
def test_a_blank_old_text_names_no_place(old: str) -> None:
    check_refused("a\n b\n", old, "x", NoMatch, "write_file")


def test_text_absent_from_an_empty_file_is_refused_as_such() -> None:
    check_refused("", "a", "b", NoMatch, "the file is empty")


def test_only_changed_lines_are_in_the_edits() -> None:
    text = "".join(f"line {i}\n" for i in range(100))
    edits = place_edit(text, text, text.replace("line 7\n", "line seven\n").replace("line 90\n", ""))
    assert [(text[edit.start : edit.end], edit.new_text) for edit in edits] == [
        ("line 7\n", "line seven\n"),
        ("line 90\n", ""),
    ]


def test_a_lone_carriage_return_that_would_become_half_of_a_line_end_is_refused() -> None:
    check_refused("a\rb\n", "b", "", EditError, "carriage returns")


def test_a_stale_line_is_shown_as_it_is_in_the_file() -> None:
    text = "def f():\n    x = 1\n    y = 22\n    return x\n"
    with pytest.raises(NoMatch) as error:
        edit_text(text, "    x = 1\n    y = 2\n    return x\n", "    return 1\n")
    assert error.value.nearest == (2,)
    assert str(error.value) == dedent("""\
        old_text is stale: most of it is as in the file, but line 3, which the edit changes, is not. \
Nothing was changed. The most similar lines, as they are in the file (> marks a line that differs from old_text):
              2 |     x = 1
        >     3 |     y = 22
              4 |     return x
        Quote old_text exactly from these lines, without the numbers, or read the file again.""")


def test_another_indentation_is_that_of_the_file() -> None:
    check("if a:\n\tfoo(1)\n", "    foo(1)", "    foo(2)", "if a:\n\tfoo(2)\n")


def test_a_single_misspelt_line_is_found_by_its_words() -> None:
    text = "class A:\n    def render_lines(self, options):\n        pass\n"
    check_refused(
        text, "def render_linez(self, options):", "x", NoMatch, "    2 |     def render_lines(self, options):"
    )


def test_a_few_characters_are_found_by_their_longest_part() -> None:
    check_refused("def area(r):\n    return 3 * r\n", "4 * r", "5", NoMatch, ">     2 |     return 3 * r")


def test_an_edit_made_twice_is_told_to_be_made_already() -> None:
    once = edit_text("x = compute(1)\ny = 2\n", "compute(1)", "compute(other=3)")
    check_refused(once, "compute(1)", "compute(other=3)", NoMatch, "already applied")


def test_nothing_alike_says_how_long_the_file_is() -> None:
    check_refused("a\nb\n", "quite different", "x", NoMatch, "3 lines")


def test_a_refusal_about_a_long_block_with_long_lines_stays_short() -> None:
    lines = [f"value_{i} = {'x' * 5000}" for i in range(300)]
    text = "\n".join(lines)
    lines[200] = "changed"
    with pytest.raises(NoMatch) as error:
        edit_text(text, "\n".join(lines), "x")
    assert "  201 | value_200" in str(error.value)
    assert str(error.value).count("\n") < 40
    assert len(str(error.value)) < 15_000


@given(MIXED, MIXED, MIXED, st.booleans())
def test_random_text_is_edited_or_refused_and_nothing_else(text: str, old: str, new: str, replace_all: bool) -> None:
    try:
        edits = place_edit(text, old, new, replace_all)
    except EditError:
        return
    assert edit_text(text, old, new, replace_all) == apply_edits(text, edits) != text


@given(st.text("abc\n", max_size=40), st.integers(0, 40), st.integers(1, 6), st.text("abc\n", max_size=6))
def test_what_is_there_once_by_the_letter_is_replaced_by_the_letter(
    text: str, start: int, length: int, new: str
) -> None:
    """But for a line end in front of `old` alone, which would join two lines."""
    old = text[start : start + length]
    if old == new or (old.startswith("\n") and not new.startswith("\n")) or not old.strip():
        return
    if len(re.findall(f"(?={re.escape(old)})", text)) == 1:
        check(text, old, new, text.replace(old, new))


@given(st.data())
def test_what_the_edit_did_is_taken_back_by_its_inverse(data: st.DataObject) -> None:
    text = data.draw(MIXED)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    try:
        edits = place_edit(text, text[start:end], data.draw(MIXED))
    except EditError:
        return
    shift, inverse = 0, list[TextEdit]()
    for edit in edits:
        inverse.append(
            TextEdit(edit.start + shift, edit.start + shift + len(edit.new_text), text[edit.start : edit.end])
        )
        shift += len(edit.new_text) - (edit.end - edit.start)
    assert apply_edits(apply_edits(text, edits), inverse) == text


SOURCES = sorted(Path(rich.__file__).parent.glob("*.py"))[::7]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_every_definition_of_a_foreign_file_is_edited_alone_or_refused(source: Path, line_end: str) -> None:
    """The reference is the plain replacement on the text with line feeds."""
    plain = source.read_text(encoding="utf-8")
    text = plain.replace("\n", line_end)
    lines = plain.splitlines(keepends=True)
    for i in range(0, len(lines) - 3, 5):
        old = "".join(lines[i : i + 3])
        if not old.strip():
            continue
        new = f"{lines[i]}# a new line\n{lines[i + 2]}"
        if len(re.findall(f"(?={re.escape(old)})", plain)) == 1:
            check(text, old, new, plain.replace(old, new).replace("\n", line_end))
        else:
            check_refused(text, old, new, AmbiguousMatch, "times")
