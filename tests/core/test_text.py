"""The line index and the line buffer against a plain reference, over random Unicode in the three encodings of LSP."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flux.core.text import (
    Counting,
    LineBuffer,
    LineIndex,
    Position,
    PositionEncoding,
    column_to_units,
    line_content,
    main_line_end,
    split_lines,
    units_to_column,
)

ENCODINGS: tuple[PositionEncoding, ...] = get_args(PositionEncoding)
UNIT_BYTES = {"utf-8": 1, "utf-16": 2, "utf-32": 4}

# Everything that has been mistaken for a line end or for one unit, beside plain letters.
CHARACTERS = "ab\t é߿ࠀ한\u0301\ufeff\uffff𐀀😋\U0010ffff\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\ud800\udc00"
texts = st.lists(st.sampled_from([*CHARACTERS, "\n", "\r", "\r\n", "\n", "\r\n"]), max_size=40).map("".join)
places = st.tuples(st.integers(0, 12), st.integers(0, 30))


# The reference: slow, with encoded bytes for units and one regular expression for line ends.


def reference_lines(text: str) -> list[str]:
    return re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z", text) + ([""] if text == "" or text[-1] in "\r\n" else [])


def reference_offset(text: str, place: tuple[int, int], encoding: PositionEncoding) -> int:
    line, units = place
    lines = reference_lines(text)
    if line >= len(lines):
        return len(text)
    content = lines[line].rstrip("\r\n")
    fitting = [column for column in range(len(content) + 1) if _units(content[:column], encoding) <= units]
    return sum(map(len, lines[:line])) + fitting[-1]


def _units(text: str, encoding: PositionEncoding) -> int:
    codec = encoding if encoding == "utf-8" else f"{encoding}-le"
    if encoding == "utf-16":  # a lone surrogate is one unit; only the pairs of astral characters make two
        return sum(len(character.encode(codec, "surrogatepass")) for character in text) // 2
    return len(text.encode(codec, "surrogatepass")) // UNIT_BYTES[encoding]


@dataclass(frozen=True)
class Change:
    start: tuple[int, int]
    end: tuple[int, int]
    text: str


def reference_change(text: str, change: Change, encoding: PositionEncoding) -> str:
    start = reference_offset(text, change.start, encoding)
    end = reference_offset(text, change.end, encoding)
    return text[: min(start, end)] + change.text + text[max(start, end) :]


changes = st.builds(Change, places, places, texts)


def check_changes(before: str, made: list[Change], encoding: PositionEncoding, after: str) -> None:
    """The one place that drives the buffer: its text and its lines after every change."""
    buffer = LineBuffer(before, Counting(encoding))
    for change in made:
        buffer.replace(change.start, change.end, change.text)
    assert "".join(buffer.lines) == after
    assert buffer.text == after
    assert list(buffer.lines) == reference_lines(after)


@given(texts)
def test_lines_end_with_cr_lf_or_crlf_and_nothing_else(text: str) -> None:
    assert split_lines(text) == reference_lines(text)


@settings(max_examples=500)
@given(texts, st.lists(changes, max_size=6), st.sampled_from(ENCODINGS))
def test_the_buffer_is_what_plain_slicing_gives(text: str, made: list[Change], encoding: PositionEncoding) -> None:
    after = text
    for change in made:
        after = reference_change(after, change, encoding)
    check_changes(text, made, encoding, after)


@given(texts, st.sampled_from(ENCODINGS))
def test_every_offset_goes_out_in_units_and_comes_back(text: str, encoding: PositionEncoding) -> None:
    index = LineIndex(text)
    for offset in range(len(text) + 1):
        position = index.position(offset)
        line = index.line(position.line)
        units = column_to_units(line, position.column, encoding)
        assert units == _units(line[: position.column], encoding)
        if position.column <= len(line_content(line)):
            assert units_to_column(line, units, encoding) == position.column
            assert index.offset(position) == offset


@given(texts, places)
def test_a_position_past_the_end_is_the_end(text: str, place: tuple[int, int]) -> None:
    assert LineIndex(text).offset(Position(*place)) == reference_offset(text, place, "utf-32")


@given(texts, st.lists(changes, max_size=6), st.sampled_from(ENCODINGS))
def test_where_only_a_line_feed_ends_a_line_a_carriage_return_is_a_character(
    text: str, made: list[Change], encoding: PositionEncoding
) -> None:
    """The same as `any` on a text in which the carriage returns are some other character."""

    def other(text: str) -> str:
        return text.replace("\r", "R")

    buffer, reference = LineBuffer(text, Counting(encoding, "lf")), LineBuffer(other(text), Counting(encoding))
    for change in made:
        buffer.replace(change.start, change.end, change.text)
        reference.replace(change.start, change.end, other(change.text))
    assert [other(line) for line in buffer.lines] == list(reference.lines)
    assert other(buffer.text) == reference.text


def test_a_form_feed_does_not_begin_a_line() -> None:
    # pygls 2.1.1 gives 'a = 1\x0c9\nb = 2\n': its document splits lines by str.splitlines.
    check_changes("a = 1\x0c\nb = 2\n", [Change((1, 4), (1, 5), "9")], "utf-16", "a = 1\x0c\nb = 9\n")


def test_an_insertion_past_the_end_of_the_last_line_goes_to_its_end() -> None:
    # pygls 2.1.1 gives 'abXc': it clamps to one before the end on a line without a line end.
    check_changes("abc", [Change((0, 99), (0, 99), "X")], "utf-16", "abcX")


def test_a_position_inside_a_surrogate_pair_is_the_characters_beginning() -> None:
    check_changes("a😋b", [Change((0, 2), (0, 3), "X")], "utf-16", "aXb")


def test_a_deleted_character_between_cr_and_lf_joins_them_to_one_line_end() -> None:
    check_changes("a\rb\nc", [Change((1, 0), (1, 1), ""), Change((1, 0), (1, 0), "X")], "utf-8", "a\r\nXc")


def test_a_range_given_backwards_means_the_text_between() -> None:
    check_changes("one\ntwo\n", [Change((1, 3), (0, 3), "")], "utf-8", "one\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", "\n"), ("a", "\n"), ("a\r\nb\n", "\n"), ("a\r\nb\r\nc\n", "\r\n"), ("a\rb", "\r"), ("a\rb\r\n", "\r\n")],
)
def test_the_main_line_end_is_the_most_frequent_one(text: str, expected: str) -> None:
    assert main_line_end(text) == expected
