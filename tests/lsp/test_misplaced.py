"""What an edit was made on, found from what an editor told of it and of typing as one."""

from __future__ import annotations

from lsprotocol import types

from flux.core.text import Counting
from flux.lsp.misplaced import explained, made_on, text_under

TEXT = "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\n"
COUNTING = Counting("utf-16")


def edit(line: int, end: int, new: str) -> types.TextEdit:
    return types.TextEdit(types.Range(types.Position(line, 0), types.Position(line, end)), new)


FOUR = edit(3, 4, "FOUR!")
MADE = TEXT.replace("four", "FOUR!")


def check(typed: str, *edits: types.TextEdit) -> None:
    """The text with something typed into it is found again from what the edits, for the other positions, made of it."""
    assert text_under(edits, TEXT, made_on(edits, typed, COUNTING), COUNTING) == typed


def check_unknown(now: str, *edits: types.TextEdit) -> None:
    """It may be that something was typed where the edits were made."""
    assert explained(edits, TEXT, now, COUNTING) is None


def test_what_was_typed_above_is_found() -> None:
    check(f"typed\n{TEXT}", edit(3, 4, "4"))
    check(f"typed 😋\nand more\n{TEXT}", edit(3, 4, "4"), edit(4, 4, "5\n6"))
    check(f"typed\n{TEXT}more\n", edit(3, 4, "4"))


def test_a_removed_line_above_is_found() -> None:
    check(TEXT.removeprefix("one\n"), edit(3, 4, "4"))


def test_what_cannot_be_told_is_not() -> None:
    assert text_under([edit(3, 4, "4")], TEXT, "something else\n", COUNTING) is None
    assert text_under([], TEXT, TEXT, COUNTING) is None


def test_a_line_that_is_gone_beside_one_that_came_is_not_taken_for_one_that_the_edit_removed() -> None:
    removal = types.TextEdit(types.Range(types.Position(3, 0), types.Position(4, 0)), "")
    assert text_under([removal], TEXT, TEXT.replace("three\n", "thtypedree\n"), COUNTING) is None
    assert text_under([removal], TEXT, TEXT.replace("three\n", "typed\n"), COUNTING) is None
    assert text_under([removal], TEXT, f"typed\n{TEXT}".replace("three\n", ""), COUNTING) == f"typed\n{TEXT}"


def test_typing_lines_away_from_an_edit_leaves_it_in_its_place() -> None:
    for now in (f"typed\n{MADE}", MADE.replace("six", "sitypedx"), MADE.replace("one\n", ""), f"{MADE}typed"):
        assert explained([FOUR], TEXT, now, COUNTING) == (TEXT, MADE)


def test_a_line_that_stayed_beside_typing_is_not_taken_for_typed_where_it_ends_like_that_line() -> None:
    text = "one\n end\nline two end\nthree\nfour\n"
    removal = edit(2, 0, "")
    removal.range.end = types.Position(3, 0)
    assert explained([removal], text, text.replace("one\n end", "one\ntyped end"), COUNTING) is None


def test_typing_into_what_an_edit_wrote_is_apart_from_what_it_replaced() -> None:
    assert explained([FOUR], TEXT, MADE.replace("FOUR!", "FOtypedUR!"), COUNTING) == (TEXT, MADE)


def test_a_rest_of_the_old_line_behind_the_new_text_shows_that_something_was_typed_under_it() -> None:
    check_unknown(MADE.replace("FOUR!", "FOUR!our"), FOUR)
    check_unknown(MADE.replace("FOUR!", "FOUR!r"), FOUR)


def test_a_line_that_was_typed_right_above_and_came_under_the_edit_is_never_taken_for_one_in_its_place() -> None:
    for line in ("typed\n", "typed and longer\n"):
        check_unknown(made_on([FOUR], TEXT.replace("four", f"{line}four"), COUNTING), FOUR)


def test_an_edit_at_the_end_is_not_found_where_that_end_is_as_before() -> None:
    text = "one\ntwo\nthree\nfour\nfive\nsix"
    last = types.TextEdit(types.Range(types.Position(5, 0), types.Position(5, 3)), "")
    assert explained([last], text, text.replace("one", "oe"), COUNTING) is None
