"""Edits that leave a trace of what was typed under them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flux.core.text import Counting
from flux.edits.diff import text_edits_between
from flux.edits.text_edit import TextEdit
from flux.lsp.misplaced import explained, made_on
from flux.lsp.traceable import MOST_LINES, traceable

COUNTING = Counting("utf-16", "lf")
TEXTS = st.lists(st.sampled_from(["one", "two 😋", "three\r", "", "é", "six"]), max_size=8).map("\n".join)


@given(TEXTS, TEXTS)
def test_they_make_the_text_that_the_edits_make(before: str, after: str) -> None:
    sent = traceable(before, text_edits_between(before, after), COUNTING)
    assert made_on(sent, before, COUNTING) == after
    assert all(edit.range.start.line == edit.range.end.line or edit.new_text == "" for edit in sent)


@given(st.integers(0, 30), st.sampled_from(["", "ONE\n", "ONE\nTWO\n", "1\n2\n3\n4\n"]))
def test_what_is_typed_into_lines_that_they_replace_leaves_a_rest_of_them(place: int, new: str) -> None:
    text = "above\nhere 1\nhere 2 😋\nhere 3\nbelow\nand on\nto the end\n"
    start, end = text.index("here 1"), text.index("below")
    sent = traceable(text, [TextEdit(start, end, new)], COUNTING)
    at = start + 1 + place % (end - start - 2)
    under = f"{text[:at]}⟪typed⟫{text[at:]}"
    made = made_on(sent, under, COUNTING)
    assert len(made) > len(made_on(sent, text, COUNTING))
    assert explained(sent, text, made, COUNTING) is None


def test_an_edit_of_very_many_lines_is_sent_as_it_is() -> None:
    text = "line\n" * MOST_LINES
    assert len(traceable(text, [TextEdit(0, len(text), "")], COUNTING)) == 1
