"""Edits as an editor gets them."""

from __future__ import annotations

from lsprotocol import types

from flux.core.text import Counting
from flux.edits.text_edit import TextEdit
from flux.lsp.convert import EditorText

TEXT = "def one(a):\n    return a\n\n\ndef two(b):\n    return b\n"


def check(new: str, *edits: tuple[int, int, int, int, str]) -> None:
    """The whole text made new comes to the editor as these edits: first line and character, last ones, new text."""
    expected = [
        types.TextEdit(types.Range(types.Position(*place[:2]), types.Position(*place[2:])), text)
        for *place, text in edits
    ]
    assert EditorText(TEXT, Counting()).edits([TextEdit(0, len(TEXT), new)]) == expected


def test_changes_in_one_line_are_one_edit() -> None:
    check(TEXT.replace("def one(a):", "async def one(self, a):"), (0, 0, 0, 8, "async def one(self, "))


def test_a_changed_line_above_one_that_goes_are_two() -> None:
    check(TEXT.replace("def two(b):\n    return b", "def three(b):"), (4, 5, 4, 7, "hree"), (5, 0, 6, 0, ""))


def test_edits_come_in_order() -> None:
    given = [TextEdit(31, 34, "six"), TextEdit(4, 7, "four")]
    assert [edit.new_text for edit in EditorText(TEXT, Counting()).edits(given)] == ["four", "six"]
