"""One replacement, cut down to what it changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux.edits.text_edit import TextEdit, apply_edits, cut_to_change


def check(text: str, edit: TextEdit, cut: TextEdit) -> None:
    assert cut_to_change(text, edit) == cut
    assert apply_edits(text, [cut]) == apply_edits(text, [edit])


def test_what_is_equal_at_both_ends_stays() -> None:
    check("one two three", TextEdit(0, 13, "one 2 three"), TextEdit(4, 7, "2"))


@pytest.mark.parametrize(
    ("text", "new", "cut"),
    [
        ("a\r\nb", "a\rb", TextEdit(1, 3, "\r")),
        ("a\rb", "a\r\nb", TextEdit(1, 2, "\r\n")),
        ("a\r\nb\n", "c\r\nb\n", TextEdit(0, 1, "c")),
        ("a\nb\n", "c\r\nb\n", TextEdit(0, 2, "c\r\n")),
        ("a\r\nb\n", "c\nb\n", TextEdit(0, 3, "c\n")),
    ],
)
def test_a_line_end_of_two_characters_is_not_parted_before_or_after(text: str, new: str, cut: TextEdit) -> None:
    check(text, TextEdit(0, len(text), new), cut)


TEXTS = st.text("ab\r\n", max_size=8)


@given(TEXTS, TEXTS)
def test_the_outcome_is_the_same_and_no_end_is_inside_a_line_end(old: str, new: str) -> None:
    cut = cut_to_change(old, TextEdit(0, len(old), new))
    assert apply_edits(old, [cut]) == new
    ends = ((old, cut.start), (old, cut.end), (new, cut.start), (new, cut.start + len(cut.new_text)))
    assert not any(at > 0 and text[at - 1 : at + 1] == "\r\n" for text, at in ends)
