"""Where a model's `old_text` stands in a file, and the edits that put `new_text` there.

Locate leniently, prove strictly, write minimally. A text is looked for as it came, then with blanks at line ends, with
indentation and with typography set aside, then without what models put around code, at last with elided or misquoted
lines. At each step one place is taken, several are refused at once, and where there is none the next step is tried.
What is written is merged into the file's own lines: see `merging`. The errors say what the model needs to ask again.

Line ends are seen as line feeds; what is written takes those of the lines around it. Knows no files.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from flux.core.errors import EditError, NoMatch, NothingChanged
from flux.core.text import main_line_end, with_line_feeds
from flux.edits.diff import text_edits_between
from flux.edits.line_table import LEVELS, LineTable, line_table
from flux.edits.merging import LineEdit, merge
from flux.edits.misquote import mark_left_out, merge_elided, merge_misquoted
from flux.edits.refusing import ambiguous, left_out, not_found, nothing_changed, unclear_indentation
from flux.edits.text_edit import TextEdit, apply_edits
from flux.edits.wrapping import Texts, unwrapped

_BYTE_ORDER_MARK = "\ufeff"
_LINE_END = re.compile(r"\r\n|\r|\n")


def edit_text(text: str, old_text: str, new_text: str, replace_all: bool = False) -> str:
    """`text` with its only occurrence of `old_text` (or every one) replaced by `new_text`.

    Raises what `place_edit` raises.
    """
    return apply_edits(text, place_edit(text, old_text, new_text, replace_all))


def place_edit(text: str, old_text: str, new_text: str, replace_all: bool = False) -> tuple[TextEdit, ...]:
    """The edits that replace the only occurrence of `old_text` (or every one), in order and not touching.

    An empty `old_text` fills an empty file. `replace_all` takes the text by the letter only. Raises NoMatch,
    AmbiguousMatch or NothingChanged; EditError where lone carriage returns and line feeds meet so that the line ends
    cannot be kept apart.
    """
    bom_length = 1 if text.startswith(_BYTE_ORDER_MARK) else 0
    if bom_length:
        old_text, new_text = old_text.removeprefix(_BYTE_ORDER_MARK), new_text.removeprefix(_BYTE_ORDER_MARK)
    body = text[bom_length:]
    edits = _place_in_body(body, with_line_feeds(old_text), new_text, replace_all)
    return tuple(TextEdit(edit.start + bom_length, edit.end + bom_length, edit.new_text) for edit in edits)


def _place_in_body(body: str, old: str, new_text: str, replace_all: bool) -> tuple[TextEdit, ...]:
    new = with_line_feeds(new_text)
    view = _View.of(body)
    if old == new:
        raise nothing_changed(view.text, old)
    if not body and not old:
        return (TextEdit(0, 0, new_text),)
    if not old or (not old.strip() and not replace_all):
        raise NoMatch(
            "old_text is empty or blank, which names no place in a file that has text.",
            hint="Quote the lines to change in old_text, or use write_file to replace the whole file.",
        )
    table = line_table(view.text)
    if mark := mark_left_out(table, old.split("\n"), new.split("\n")):
        raise left_out(view.text, old, mark)
    if replace_all:
        changes = [
            TextEdit(place + change.start, place + change.end, change.new_text)
            for place in _places_apart(view.text, old)
            for change in text_edits_between(old, new)
        ]
    else:
        changes = _located(table, old, new)
    if not changes:
        raise not_found(table, old, new)
    edits = _joined(_as_in_file(body, view, change, new_text) for change in changes)
    if view.has_lone_returns and with_line_feeds(apply_edits(body, edits)) != apply_edits(view.text, changes):
        raise EditError(
            "The file mixes line feeds and lone carriage returns at this place, so its line ends cannot be kept.",
            hint="Ask the user to make the file's line ends uniform first.",
        )
    return edits


def _located(table: LineTable, old: str, new: str) -> Sequence[TextEdit]:
    """The edits of the table's text; empty where there is no certain place for them."""
    found = _by_the_letter(table, old, new) or _by_lines(table, old, new)
    if found:
        return found
    variants: list[Texts] = []
    for texts in unwrapped(old, new):
        if texts[0] == texts[1]:
            raise nothing_changed(table.text, texts[0])
        variants.append(texts)
    for find, tried in (
        (_by_the_letter, variants),
        (_by_lines, variants),
        (_by_most_lines, [(old, new), *variants]),
    ):
        for texts in tried:
            if found := find(table, *texts):
                return found
    return []


def _by_most_lines(table: LineTable, old: str, new: str) -> Sequence[TextEdit]:
    """With lines elided or misquoted that the edit keeps."""
    old_lines, new_lines = _blocks(old, new)
    edits = merge_elided(table, old_lines, new_lines, lambda block: _only_start(table, block))
    if edits is None:
        edits = merge_misquoted(table, old_lines, new_lines)
    return _as_text_edits(table, edits) if edits else []


def _by_the_letter(table: LineTable, old: str, new: str) -> Sequence[TextEdit]:
    places = _places(table.text, old)
    if len(places) > 1:
        raise ambiguous(table, places)
    if not places:
        return []
    (place,) = places
    whole_lines = _as_whole_lines(table, place, old, new)
    if whole_lines:
        return _as_text_edits(table, whole_lines)
    return [
        TextEdit(place + change.start, place + change.end, change.new_text) for change in text_edits_between(old, new)
    ]


def _as_whole_lines(table: LineTable, place: int, old: str, new: str) -> list[LineEdit] | None:
    """The edits where whole lines are meant though the letter says a little less or more; None where it is exact.

    A text that stands behind pure indentation or before pure blanks is whole lines quoted without those: pasted, its
    further lines would lose their indentation. A line end in front that only `old` has would join two lines.
    """
    text = table.text
    is_stray = old.startswith("\n") and old.strip("\n") and new and not new.startswith("\n")
    if is_stray and text[text.rfind("\n", 0, place) + 1 : place].strip():
        by_lines = _only_start(table, _blocks(old, new)[0])
        if by_lines is not None:  # and that line end is a blank line elsewhere
            raise ambiguous(table, [place + 1, sum(len(line) + 1 for line in table.lines[: by_lines + 1])])
        old, place = old[1:], place + 1
    elif not _has_blanks_around(text, place, old):
        return None
    old_lines, new_lines = _blocks(old, new)
    start = text.count("\n", 0, place)
    end = start + len(old_lines)
    if old.endswith("\n") and new and not new.endswith("\n") and not "".join(table.lines[end : end + 1]).strip():
        old_lines = [*old_lines, ""]  # its last line end is that of the blank line that goes
    if start + len(old_lines) > len(table.lines):
        return None
    return merge(table.lines, start, old_lines, new_lines)


def _has_blanks_around(text: str, place: int, old: str) -> bool:
    """Whether the text stands between pure blanks, at least one of them, and the ends of its lines."""
    before = text[text.rfind("\n", 0, place) + 1 : place]
    end = place + len(old)
    line_end = text.find("\n", end)
    behind = "" if old.endswith("\n") else text[end : line_end if line_end >= 0 else len(text)]
    return bool(before or behind) and not before.strip() and not behind.strip()


def _by_lines(table: LineTable, old: str, new: str) -> Sequence[TextEdit]:
    for old_lines, new_lines in _readings(old, new):
        start = _only_start(table, old_lines)
        if start is not None:
            edits = merge(table.lines, start, old_lines, new_lines)
            if edits is None:
                raise unclear_indentation(table, start, old_lines)
            return _as_text_edits(table, edits)
    return []


def _only_start(table: LineTable, block: Sequence[str]) -> int | None:
    """The one place of a block at the strictest level that has any; raises AmbiguousMatch where it has several."""
    for level in LEVELS:
        starts = table.starts(level, block)
        if len(starts) > 1:
            offsets = [sum(len(line) + 1 for line in table.lines[:start]) for start in starts]
            raise ambiguous(table, offsets, f" but for {level.name}")
        if starts:
            return starts[0]
    return None


def _blocks(old: str, new: str) -> tuple[list[str], list[str]]:
    """Both texts as lines; a line end at the end of `old` is the end of its last line, and no line more.

    As by the letter: lines become none where their last line end is quoted too, else an empty one.
    """
    if not old.endswith("\n"):
        return old.split("\n"), new.split("\n")
    return old[:-1].split("\n"), new.removesuffix("\n").split("\n") if new else []


def _readings(old: str, new: str) -> Iterator[tuple[list[str], list[str]]]:
    """The blocks that may be meant: with a blank line that only `old` ends with, without it, without blank edges."""
    old_lines, new_lines = _blocks(old, new)
    if old.endswith("\n") and new and not new.endswith("\n"):
        yield [*old_lines, ""], new_lines
    yield old_lines, new_lines
    trimmed = _without_blank_edges(old_lines)
    if trimmed and trimmed != old_lines:
        yield trimmed, _without_blank_edges(new_lines)


def _without_blank_edges(lines: Sequence[str]) -> list[str]:
    telling = [i for i, line in enumerate(lines) if line.strip()]
    return list(lines[telling[0] : telling[-1] + 1]) if telling else []


def _as_text_edits(table: LineTable, edits: Iterable[LineEdit]) -> list[TextEdit]:
    """Edits of characters, of those line edits that change something. Raises NothingChanged where none does."""
    starts = [0, *itertools.accumulate(len(line) + 1 for line in table.lines)]
    changes: list[TextEdit] = []
    for edit in edits:
        if list(table.lines[edit.start : edit.end]) == list(edit.lines):
            continue
        if edit.end < len(table.lines):
            new_text = "".join(f"{line}\n" for line in edit.lines)
            changes.append(TextEdit(starts[edit.start], starts[edit.end], new_text))
            continue
        # The last line has no end of its own: the one before it is taken away or added with it.
        lines = "\n".join(edit.lines)
        if edit.start < edit.end and edit.lines:
            changes.append(TextEdit(starts[edit.start], len(table.text), lines))
        elif edit.lines:
            changes.append(TextEdit(len(table.text), len(table.text), f"\n{lines}"))
        else:
            changes.append(TextEdit(max(starts[edit.start] - 1, 0), len(table.text), ""))
    if not changes:
        raise NothingChanged("The file has the new lines already, so nothing would change.")
    return changes


@dataclass(frozen=True, slots=True)
class _View:
    """A text with line feeds only, and the way back to offsets in the text as it is."""

    text: str
    crlf_places: Sequence[int]  # offsets in `text` of the line feeds that are two characters in the file
    has_lone_returns: bool

    @staticmethod
    def of(text: str) -> _View:
        if "\r" not in text:
            return _View(text, (), has_lone_returns=False)
        crlf_places = [match.start() - i for i, match in enumerate(re.finditer("\r\n", text))]
        return _View(with_line_feeds(text), crlf_places, text.count("\r") > len(crlf_places))

    def file_offset(self, offset: int) -> int:
        return offset + bisect_left(self.crlf_places, offset)


def _places(text: str, old: str) -> list[int]:
    """Where `old` begins. Occurrences that overlap are named too where there are no two apart."""
    apart = list(_places_apart(text, old))
    if len(apart) == 1 and (overlapping := text.find(old, apart[0] + 1)) >= 0:
        return [*apart, overlapping]
    return apart


def _places_apart(text: str, old: str) -> Iterator[int]:
    place = text.find(old)
    while place >= 0:
        yield place
        place = text.find(old, place + len(old))


def _as_in_file(body: str, view: _View, change: TextEdit, new_text: str) -> TextEdit:
    start, end = view.file_offset(change.start), view.file_offset(change.end)
    line_end = "\n"
    if "\n" in change.new_text and ("\r" in body or "\n" not in body):
        line_end = _line_end_around(body, start, end) or main_line_end(new_text)
    return TextEdit(start, end, change.new_text.replace("\n", line_end))


def _line_end_around(body: str, start: int, end: int) -> str:
    """The first line end that is replaced; without one, for a new line that of the line before, else the line's own."""
    if inside := _LINE_END.search(body, start, end):
        return inside.group()
    behind = _LINE_END.search(body, end)
    last = max(body.rfind("\n", 0, start), body.rfind("\r", 0, start))
    is_new_line = start == end and last == start - 1
    if behind and not is_new_line:
        return behind.group()
    if last < 0:
        return behind.group() if behind else ""
    return "\r\n" if body[last - 1 : last + 1] == "\r\n" else body[last]


def _joined(edits: Iterator[TextEdit]) -> tuple[TextEdit, ...]:
    joined: list[TextEdit] = []
    for edit in edits:
        if joined and joined[-1].end == edit.start:
            joined[-1] = TextEdit(joined[-1].start, edit.end, joined[-1].new_text + edit.new_text)
        else:
            joined.append(edit)
    return tuple(joined)
