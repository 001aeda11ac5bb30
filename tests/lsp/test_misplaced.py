"""What an edit was made on, found from where it came to stand."""

from __future__ import annotations

from lsprotocol import types

from flux.core.text import Counting
from flux.lsp.misplaced import is_typed_beside, made_on, text_under

TEXT = "one\ntwo\nthree\nfour\nfive\n"
COUNTING = Counting("utf-16")


def edit(line: int, end: int, new: str) -> types.TextEdit:
    return types.TextEdit(types.Range(types.Position(line, 0), types.Position(line, end)), new)


def check(typed: str, *edits: types.TextEdit) -> None:
    """The text with something typed into it is found again from what the edits, for the other positions, made of it."""
    assert text_under(edits, TEXT, made_on(edits, typed, COUNTING), COUNTING) == typed


def test_what_was_typed_above_is_found() -> None:
    check(f"typed\n{TEXT}", edit(3, 4, "4"))
    check(f"typed 😋\nand more\n{TEXT}", edit(3, 4, "4"), edit(4, 4, "5\n6"))
    check("typed\none\ntwo\nthree\nfour\nfive\nmore\n", edit(3, 4, "4"))


def test_a_removed_line_above_is_found() -> None:
    check("two\nthree\nfour\nfive\n", edit(3, 4, "4"))


def test_what_cannot_be_told_is_not() -> None:
    assert text_under([edit(3, 4, "4")], TEXT, "something else\n", COUNTING) is None
    assert text_under([], TEXT, TEXT, COUNTING) is None


def test_a_line_that_is_gone_beside_one_that_came_is_not_taken_for_one_that_the_edit_removed() -> None:
    removal = types.TextEdit(types.Range(types.Position(3, 0), types.Position(4, 0)), "")
    assert text_under([removal], TEXT, TEXT.replace("three\n", "thtypedree\n"), COUNTING) is None
    assert text_under([removal], TEXT, TEXT.replace("three\n", "typed\n"), COUNTING) is None
    assert text_under([removal], TEXT, f"typed\n{TEXT}".replace("three\n", ""), COUNTING) == f"typed\n{TEXT}"


def test_typing_into_the_new_text_is_told_from_the_rest_of_the_old_one() -> None:
    made = TEXT.replace("four", "FOUR!")
    assert is_typed_beside(made, TEXT, ["four\n"], made.replace("FOUR!", "FOtypedUR!"))
    assert not is_typed_beside(made, TEXT, ["four\n"], made.replace("FOUR!", "FOUR!our"))
