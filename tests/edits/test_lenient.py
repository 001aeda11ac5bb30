"""Edits that are not quoted to the letter: made as meant where that is certain, refused with help where it is not."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux.core.errors import AmbiguousMatch, EditError, NoMatch, NothingChanged
from flux.edits.match import edit_text, place_edit
from flux.edits.text_edit import TextEdit, apply_edits

FILE = dedent("""\
    class Circle:
        def area(self):
            # the usual formula
            r = self.radius
            return 3 * r * r

        def edge(self):
            r = self.radius
            return 6 * r
    """)
LINES = st.lists(st.sampled_from(["", "a", "  a", "\tb", "b ", "if x:", "    c = 1", "}"]), max_size=12)


def check(before: str, old: str, new: str, after: str) -> None:
    """The one place that calls the engine for an edit that is made."""
    assert edit_text(before, old, new) == after


def check_refused(before: str, old: str, new: str, kind: type[EditError], *says: str) -> None:
    """Refused with this kind, and the model is told all this in at most 40 lines."""
    with pytest.raises(EditError) as error:
        edit_text(before, old, new)
    assert type(error.value) is kind
    assert [part for part in says if part not in str(error.value)] == []
    assert str(error.value).count("\n") < 40


def test_cut_indentation_is_put_back_on_every_new_line() -> None:
    check(
        FILE,
        "r = self.radius\nreturn 3 * r * r",
        "r = self.radius\nif r:\n    return pi * r * r",
        FILE.replace("        return 3 * r * r", "        if r:\n            return pi * r * r"),
    )


def test_blanks_are_written_as_the_tabs_of_the_file() -> None:
    check(
        "if a:\n\tif b:\n\t\tc()\n",
        "if a:\n    if b:\n        c()\n",
        "if a:\n    if b:\n        d()\n            # deeper\n",
        "if a:\n\tif b:\n\t\td()\n\t\t\t# deeper\n",
    )


def test_kept_lines_stay_the_files_bytes() -> None:
    check("a = “x”  \r\nb = 1\r\n", 'a = "x"\nb = 1', 'a = "x"\nb = 2', "a = “x”  \r\nb = 2\r\n")


def test_a_blank_line_that_only_old_text_ends_with_goes_also_when_the_first_line_lost_its_indentation() -> None:
    check("if a:\n    b()\n    c()\n\nd()\n", "b()\n    c()\n", "b()\n    e()", "if a:\n    b()\n    e()\nd()\n")


def test_a_line_that_lost_its_indentation_is_removed_whole() -> None:
    check("if a:\n    b()\n    c()\n", "b()\n", "", "if a:\n    c()\n")


@pytest.mark.parametrize("form", ["{:>5} | {}", "{}: {}", "{:>6}\t{}", "{:>6}→{}", "{}|{}"])
def test_line_numbers_are_taken_off(form: str) -> None:
    old = ["        r = self.radius", "        return 6 * r"]
    numbered = "\n".join(form.format(number, line) for number, line in enumerate(old, 8))
    check(FILE, numbered, "        return 0", FILE.replace("\n".join(old), "        return 0"))


def test_a_misquoted_comment_that_the_edit_keeps_stays_as_in_the_file() -> None:
    old = "    def area(self):\n        # the usual form\n        r = self.radius\n        return 3 * r * r\n"
    check(FILE, old, old.replace("3", "pi"), FILE.replace("3", "pi"))


def test_a_changed_line_that_differs_is_stale_however_alike() -> None:
    old = "        # the usual formula\n        r = self.radius\n        return 3 * R * r\n"
    check_refused(FILE, old, old.replace("3", "pi"), NoMatch, "stale", ">     5 |         return 3 * r * r")


def test_lines_that_both_texts_leave_out_stay() -> None:
    check(
        FILE,
        "    def area(self):\n        # ... existing code ...\n        return 3 * r * r\n",
        "    def area(self):\n        # ... existing code ...\n        return pi * r * r\n",
        FILE.replace("3", "pi"),
    )


@pytest.mark.parametrize(
    "mark", ["# ... rest of code ...", "# ... existing code ...", "// rest of the file unchanged", "..."]
)
def test_lines_that_new_text_alone_leaves_out_are_asked_for(mark: str) -> None:
    old = "        # the usual formula\n        r = self.radius\n        return 3 * r * r"
    check_refused(FILE, old, f"        # a formula\n        {mark}", EditError, "leaves lines out", mark, "line 3")


def test_dots_that_are_code_are_written() -> None:
    check(
        "class P:\n    x: int\n",
        "    x: int\n",
        "    x: int\n\n    def f(self) -> int:\n        ...\n",
        "class P:\n    x: int\n\n    def f(self) -> int:\n        ...\n",
    )


def test_a_mark_that_the_file_has_is_text() -> None:
    check(
        "# ... rest of code ...\na\nb\n",
        "a\n",
        "# ... rest of code ...\n",
        "# ... rest of code ...\n# ... rest of code ...\nb\n",
    )


def test_several_places_are_named_with_their_definitions() -> None:
    check_refused(
        FILE, "r = self.radius", "r = 1", AmbiguousMatch, "lines 4, 8", "in def area(self)", "in def edge(self)"
    )


def test_places_that_differ_in_indentation_only_are_refused_when_quoted_as_neither() -> None:
    check_refused(
        "if a:\n    b()\n    c()\nelse:\n        b()\n        c()\n",
        "  b()\n  c()",
        "  d()",
        AmbiguousMatch,
        "lines 2, 5",
    )


def test_equal_texts_are_told_where_they_stand() -> None:
    check_refused(FILE, "return 6 * r", "return 6 * r", NothingChanged, "line 9")


ODD = {
    "a million blanks": (" " * 1_000_000, "          x", "y"),
    "old_text of a million blanks": ("foo\n", " " * 1_000_000 + "fo", "d"),
    "a line of a megabyte": ("ab " * 333_333 + "\nfoo\n", "ab " * 200 + "c", "d"),
    "many blank lines": ("\n" * 100_000 + "foo\n", "\n" * 300 + "fo o\n", "d"),
    "lines that repeat": ("a\nb\n" * 20_000, "a\nb\n" * 200 + "c", "d"),
    "dots without end": ("foo\n", "foo", f"# {'.' * 100_000}"),
    "fences without end": ("foo\n", "```\n" * 10_000, "x"),
    "surrogates and controls": ("\udc80\x00\x0c\u2028a\n", "\udc80\x00 a", "b\x85"),
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.timeout(20)
def test_odd_texts_are_edited_or_refused_within_bounds(name: str) -> None:
    told = ""
    try:
        place_edit(*ODD[name])
    except EditError as error:
        told = str(error)
    assert told.count("\n") < 40
    assert len(told) < 20_000


def inverse_of(text: str, edits: Sequence[TextEdit]) -> list[TextEdit]:
    shift, inverse = 0, list[TextEdit]()
    for edit in edits:
        start = edit.start + shift
        inverse.append(TextEdit(start, start + len(edit.new_text), text[edit.start : edit.end]))
        shift += len(edit.new_text) - (edit.end - edit.start)
    return inverse


@given(LINES, LINES, LINES)
def test_any_lenient_edit_is_taken_back_by_its_inverse(file: list[str], old: list[str], new: list[str]) -> None:
    text = "\n".join(file)
    try:
        edits = place_edit(text, "\n".join(old), "\n".join(new))
    except EditError:
        return
    after = apply_edits(text, edits)
    assert after != text
    assert apply_edits(after, inverse_of(text, edits)) == text


@given(LINES, st.data())
def test_lines_that_are_not_quoted_never_change(file: list[str], data: st.DataObject) -> None:
    marked = [f"{line}#{i}" for i, line in enumerate(file)]
    start = data.draw(st.integers(0, len(marked)))
    end = data.draw(st.integers(start, len(marked)))
    old = [line.lstrip() for line in marked[start:end]]
    new = data.draw(LINES)
    try:
        after = edit_text("\n".join(marked), "\n".join(old), "\n".join(new))
    except EditError:
        return
    lines = after.split("\n")
    assert lines[:start] == marked[:start]
    assert lines[len(lines) - (len(marked) - end) :] == marked[end:]


@given(LINES, LINES, LINES, LINES, LINES)
def test_two_edits_give_the_same_text_in_either_order_or_one_is_refused(
    file: list[str], old: list[str], new: list[str], other_old: list[str], other_new: list[str]
) -> None:
    """Both placed on one text, as the calls of one turn are."""
    text = "\n".join(file)
    try:
        one = place_edit(text, "\n".join(old), "\n".join(new))
        other = place_edit(text, "\n".join(other_old), "\n".join(other_new))
        after = apply_edits(text, [*one, *other])
    except EditError:
        return
    assert after == apply_edits(text, [*other, *one])
