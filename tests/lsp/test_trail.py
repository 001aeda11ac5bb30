"""On which text an editor made an edit, seen in the changes that it reports; and what of the outcome is the user's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lsprotocol import types

from flux.core.text import Counting
from flux.edits.text_edit import TextEdit, apply_edits
from flux.lsp.trail import ContentChange, Trail
from tests.support.fake_editors.texts import last_first, offset_of, position_of, with_edits

TEXT = "one\ntwo\nthree\nfour\nfive\n"
COUNTING = Counting("utf-16")


def edit(line: int, end: int, new: str, end_line: int | None = None) -> types.TextEdit:
    """Of a line up to a column, or from its begin to that of another line."""
    start = types.Position(line, 0)
    return types.TextEdit(types.Range(start, types.Position(line if end_line is None else end_line, end)), new)


def made(*edits: types.TextEdit) -> list[types.TextDocumentContentChangePartial]:
    """As an editor reports edits that it makes, the last first."""
    return [types.TextDocumentContentChangePartial(edit.range, edit.new_text) for edit in last_first(edits)]


def typed(line: int, column: int, text: str) -> ContentChange:
    at = types.Position(line, column)
    return types.TextDocumentContentChangePartial(types.Range(at, at), text)


def check(
    edits: Sequence[types.TextEdit], changes: Sequence[ContentChange], *, made_on: str | None, users: str
) -> Trail:
    """Edits sent for TEXT, then these reports: on which text they were made, and what is left without them."""
    trail = Trail(TEXT, COUNTING)
    trail.send(edits)
    text = TEXT
    for change in changes:
        trail.follow(change)
        if isinstance(change, types.TextDocumentContentChangePartial):
            text = with_edits(text, [types.TextEdit(change.range, change.text)], "utf-16")
        else:
            text = change.text
    trail.explain()
    assert trail.made_on == made_on
    assert apply_edits(text, trail.way_back()) == users
    return trail


FOUR = edit(3, 4, "FOUR")


def test_an_edit_on_the_text_that_it_was_for() -> None:
    check([FOUR], made(FOUR), made_on=TEXT, users=TEXT)


def test_two_typings_above_before_the_edit_arrives() -> None:
    text = f"a\nb\n{TEXT}"
    check([FOUR], [typed(0, 0, "b\n"), typed(0, 0, "a\n"), *made(FOUR)], made_on=text, users=text)


def test_what_the_user_removed_right_after_a_removed_line_does_not_keep_it_from_being_taken_back() -> None:
    gone = edit(2, 0, "", end_line=3)
    removed = types.TextDocumentContentChangePartial(types.Range(types.Position(2, 0), types.Position(2, 4)), "")
    trail = check([gone], [*made(gone), removed], made_on=TEXT, users="one\ntwo\nthree\n\nfive\n")
    back = edit(2, 0, "three\n", end_line=2)
    trail.send([back])
    for change in made(back):
        trail.follow(change)
    assert trail.way_back() == ()


@pytest.mark.parametrize("there", [edit(2, 0, "", end_line=3), edit(2, 5, "THREE"), edit(2, 0, "x\ny\n", end_line=3)])
def test_what_the_user_removes_of_a_text_that_was_put_back_stays_removed(there: types.TextEdit) -> None:
    trail = check([there], made(there), made_on=TEXT, users=TEXT)
    text = with_edits(TEXT, [there], "utf-16")
    (way,) = trail.way_back()
    places = (position_of(text, at, "utf-16") for at in (way.start, way.end))
    back = types.TextEdit(types.Range(*places), way.new_text)
    trail.send([back])
    for change in made(back):
        trail.follow(change)
    trail.follow(types.TextDocumentContentChangePartial(types.Range(types.Position(2, 0), types.Position(2, 3)), ""))
    assert trail.way_back() == ()


def test_several_edits_in_one_report_of_many_changes() -> None:
    edits = [edit(1, 3, "TWO"), FOUR]
    text = f"a\n{TEXT}"
    check(edits, [typed(0, 0, "a\n"), *made(*edits)], made_on=text, users=text)


def test_an_edit_that_is_made_again_on_its_own_outcome_in_part() -> None:
    edits = [edit(1, 3, "TWO"), edit(3, 5, "FOURX")]
    check(edits, made(*edits), made_on=TEXT, users=TEXT)


def test_typing_before_the_edit_and_after_it() -> None:
    changes = [typed(0, 0, "a\n"), *made(FOUR), typed(5, 0, "b\n"), typed(0, 0, "c\n")]
    check([FOUR], changes, made_on=f"a\n{TEXT}", users="c\na\none\ntwo\nthree\nfour\nb\nfive\n")


def test_typing_inside_what_the_misplaced_edit_wrote_stays() -> None:
    changes = [typed(0, 0, "a\n"), *made(FOUR), typed(3, 2, "typed")]
    check([FOUR], changes, made_on=f"a\n{TEXT}", users="a\none\ntwo\nthretypede\nfour\nfive\n")


def test_typing_over_the_very_place_stays() -> None:
    changes = [typed(3, 2, "typed"), *made(FOUR)]
    check([FOUR], changes, made_on=TEXT.replace("four", "fotypedur"), users=TEXT.replace("four", "fotypedur"))


def test_removing_a_part_of_what_the_misplaced_edit_wrote() -> None:
    removed = types.TextDocumentContentChangePartial(types.Range(types.Position(3, 2), types.Position(4, 2)), "")
    check([FOUR], [typed(0, 0, "a\n"), *made(FOUR), removed], made_on=f"a\n{TEXT}", users="a\none\ntwo\nthreur\nfive\n")


def test_an_undo_of_the_user_takes_the_edit_back() -> None:
    text = f"a\n{TEXT}"
    undone = types.TextDocumentContentChangeWholeDocument(text)
    trail = check([FOUR], [typed(0, 0, "a\n"), *made(FOUR), undone], made_on=text, users=text)
    assert trail.way_back() == ()


def test_what_the_user_did_as_the_edit_would_have_before_the_editor_made_it_is_the_users() -> None:
    gone = edit(3, 0, "", end_line=4)
    trail = check([gone], [typed(3, 0, "a\n"), *made(gone), *made(gone)], made_on=TEXT, users=TEXT)
    trail.answer()
    trail.follow(typed(3, 0, "a\n"))
    trail.follow(made(gone)[0])
    assert trail.made_on == TEXT
    assert trail.way_back() == (TextEdit(14, 14, "four\n"),)


def test_what_an_editor_that_goes_by_versions_can_not_have_made_was_done_by_the_user() -> None:
    gone = edit(1, 0, "", end_line=2)
    trail = Trail(TEXT, COUNTING)
    trail.send([gone], only_on=TEXT)
    for change in (typed(1, 0, "a\n"), removed(1, 0, 2, 0)):  # which on the text between is what was sent
        trail.follow(change)
    assert (trail.made_on, trail.way_back()) == (None, ())


def test_a_way_back_that_came_to_a_wrong_place_is_taken_back_with_the_edit() -> None:
    trail = Trail(TEXT, COUNTING)
    trail.send([FOUR])
    for change in (typed(0, 0, "a\n"), *made(FOUR)):
        trail.follow(change)
    back = edit(3, 4, "three")
    trail.send([back])
    for change in (typed(0, 0, "b\n"), *made(back)):
        trail.follow(change)
    now = "b\na\none\nthree\nFOURe\nfour\nfive\n"
    assert apply_edits(now, trail.way_back()) == f"b\na\n{TEXT}"


def removed(line: int, start: int, end_line: int, end: int) -> ContentChange:
    place = types.Range(types.Position(line, start), types.Position(end_line, end))
    return types.TextDocumentContentChangePartial(place, "")


def test_what_the_user_removes_of_words_that_an_edit_left_as_they_were_stays_removed() -> None:
    two_lines = edit(2, 0, "THREE three\nFOUR\n", end_line=4)
    changes = [*made(two_lines), removed(2, 6, 2, 9)]
    check([two_lines], changes, made_on=TEXT, users=TEXT.replace("three", "ee"))


def test_a_way_back_told_of_in_parts_is_no_undo_of_the_user_though_one_part_makes_an_earlier_text() -> None:
    def within(column: int, end: int, new: str) -> types.TextEdit:
        return types.TextEdit(types.Range(types.Position(3, column), types.Position(3, end)), new)

    trail = Trail(TEXT, COUNTING)
    sent, back = within(1, 3, "O"), within(1, 2, "hr")
    trail.send([sent])
    for change in (typed(0, 0, "a\n"), *made(sent)):
        trail.follow(change)
    trail.send([back])
    for change in (removed(3, 0, 4, 0), *made(back)):  # the user removed the line, so it came to the one below
        trail.follow(change)
    again = [within(0, 0, "hr"), within(1, 3, "o")]
    trail.send(again)
    for change in made(*again):
        trail.follow(change)
    assert trail.way_back() == ()


def test_an_edit_of_another_line_end_than_was_sent() -> None:
    sent = types.TextEdit(FOUR.range, "FO\r\nUR")
    check([sent], [typed(0, 0, "a\n"), *made(edit(3, 4, "FO\nUR"))], made_on=f"a\n{TEXT}", users=f"a\n{TEXT}")


def test_one_report_of_typing_and_the_edit() -> None:
    whole = types.TextDocumentContentChangeWholeDocument
    check([FOUR], [whole("a\none\ntwo\nFOURe\nfour\nfive\n")], made_on=f"a\n{TEXT}", users=f"a\n{TEXT}")
    after = whole(TEXT.replace("four", "FOtypedUR"))
    check([FOUR], [after], made_on=TEXT, users=TEXT.replace("four", "fourtyped"))


def test_an_edit_that_goes_by_versions_was_made_on_no_other_text() -> None:
    trail = Trail(TEXT, COUNTING)
    trail.send([FOUR], only_on=TEXT)
    trail.follow(types.TextDocumentContentChangeWholeDocument(f"a\n{TEXT}".replace("three", "FOURe")))
    trail.explain()
    assert trail.made_on is None


@pytest.mark.parametrize("changes", [[], [typed(0, 0, "a\n")]])
def test_what_was_not_reported_is_not_seen(changes: list[ContentChange]) -> None:
    trail = Trail(TEXT, COUNTING)
    trail.send([FOUR])
    for change in changes:
        trail.follow(change)
    trail.explain()
    assert trail.made_on is None
    assert not trail.is_without_effect()


def test_an_edit_without_effect_on_the_text_as_it_is() -> None:
    trail = Trail(TEXT, COUNTING)
    trail.send([edit(9, 0, "")])
    assert trail.is_without_effect()


PLACES = st.tuples(st.integers(0, 30), st.text("ab😋é\n", max_size=3))


@given(st.lists(PLACES, max_size=4), st.lists(PLACES, max_size=4), st.integers(0, 4), st.text("xy\n", max_size=4))
def test_typing_anywhere_before_and_after_an_edit_is_all_that_is_left_without_it(
    before: list[tuple[int, str]], after: list[tuple[int, str]], line: int, new: str
) -> None:
    """The marks of the user, one character each and each its own, are what is compared."""
    trail = Trail(TEXT, COUNTING)
    sent = edit(line, 3, new)
    trail.send([sent])
    text, marks = TEXT, iter(map(chr, range(0x4E00, 0x5000)))

    def put(change: ContentChange) -> None:
        nonlocal text
        assert isinstance(change, types.TextDocumentContentChangePartial)
        text = with_edits(text, [types.TextEdit(change.range, change.text)], "utf-16")
        trail.follow(change)

    def type_marks(places: list[tuple[int, str]]) -> None:
        for at, more in places:
            place = position_of(text, min(at, len(text)), "utf-16")
            put(types.TextDocumentContentChangePartial(types.Range(place, place), next(marks) + more))

    type_marks(before)
    users = text
    put(*made(sent))
    type_marks(after)
    left = apply_edits(text, trail.way_back())
    if trail.made_on is not None:
        marks_of = [sorted(c for c in each if "\u4e00" <= c < "\u5000") for each in (text + users, left)]
        assert sorted(set(marks_of[0])) == marks_of[1]
        if not after:
            assert left == users


UNIQUE = "abcde\nfghij\nklmno\npqrst\n\nuvwxyz\n"
"""Each letter once, so that what became of it is known."""
MARKS = "".join(map(chr, range(0x4E00, 0x4E40)))
ROUNDS = st.lists(st.lists(st.tuples(st.floats(0, 1), st.sampled_from(["", "\n", "cut"])), max_size=3), max_size=6)


@dataclass
class TypedInto:
    """The text of an editor without versions, which tells a trail of all that is done to it."""

    trail: Trail
    text: str = UNIQUE
    marks: str = ""
    line_ends: int = 0
    cut: str = ""

    def put(self, change: types.TextDocumentContentChangePartial) -> None:
        self.text = with_edits(self.text, [types.TextEdit(change.range, change.text)], "utf-16")
        self.trail.follow(change)

    def type(self, where: float, what: str) -> None:
        """At a part of the text, a mark and what follows it; or up to three characters of its line are cut."""
        at = int(where * len(self.text))
        gone = self.text[at : at + 3].split("\n")[0] if what == "cut" else ""
        new = "" if what == "cut" else MARKS[len(self.marks)] + what
        self.cut, self.marks, self.line_ends = self.cut + gone, self.marks + new[:1], self.line_ends + len(new[1:])
        self.put(types.TextDocumentContentChangePartial(self.range(at, at + len(gone)), new))

    def make(self, edits: Sequence[types.TextEdit]) -> None:
        """As an editor makes them: where they are in the text by now, the last first."""
        for change in made(*[types.TextEdit(self.clipped(edit.range), edit.new_text) for edit in edits]):
            self.put(change)

    def way_back(self) -> list[types.TextEdit]:
        return [types.TextEdit(self.range(edit.start, edit.end), edit.new_text) for edit in self.trail.way_back()]

    def range(self, start: int, end: int) -> types.Range:
        return types.Range(position_of(self.text, start, "utf-16"), position_of(self.text, end, "utf-16"))

    def clipped(self, there: types.Range) -> types.Range:
        """Up to the ends of its lines."""
        return self.range(offset_of(self.text, there.start, "utf-16"), offset_of(self.text, there.end, "utf-16"))


@given(st.integers(0, 4), st.integers(1, 3), st.text("XY😋\n", max_size=4), ROUNDS)
@example(0, 2, "X", [[], [(0.0, "")], [(0.0, "cut")]])  # an edit only moved what an earlier one had put in
@example(3, 3, "XXX", [[], [(0.875, "")], [(0.98, "cut")]])  # a cut made the first text, which it was not an undo to
@example(0, 1, "", [[(0.0, "\n")], [(1.0, "cut")]])
@settings(max_examples=500)
def test_typing_between_an_edit_and_each_of_its_ways_back_is_all_that_is_left_in_the_end(
    line: int, lines: int, new: str, rounds: list[list[tuple[float, str]]]
) -> None:
    """The user types before each of them is made, and not any more in the end."""
    there = TypedInto(Trail(UNIQUE, COUNTING))
    sent = [edit(line, 0, new, end_line=line + lines)]
    for typings in [*rounds, [], []]:
        there.trail.send(sent)
        for typing in typings:
            there.type(*typing)
        before = there.text
        there.make(sent)
        there.trail.answer()
        if there.trail.made_on is None:
            assert there.text == before
            return  # it says that it does not know
        sent = there.way_back()
        if not sent:
            break
    assert not sent
    letters = [letter for letter in there.text if letter != "\n" and letter not in there.cut]
    assert [letter for letter in letters if letter not in MARKS] == [c for c in UNIQUE if c not in f"\n{there.cut}"]
    assert sorted(letter for letter in letters if letter in MARKS) == [c for c in there.marks if c not in there.cut]
    assert there.text.count("\n") == UNIQUE.count("\n") + there.line_ends
