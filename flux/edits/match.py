"""Where a model's `old_text` stands in a file, and the edits that put `new_text` there.

Search and comparison see every line end as a line feed. What is written is only what differs between `old_text` and
`new_text`, with the line ends of the lines around it; every other character of the file stays as it is. A place is
certain or it is refused; the errors say what the model needs to ask again. Knows no files.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flux.core.errors import AmbiguousMatch, EditError, NoMatch, NothingChanged
from flux.core.text import main_line_end
from flux.edits.diff import text_edits_between
from flux.edits.nearest import differs_in_blanks_only, nearest_places, show_places
from flux.edits.text_edit import TextEdit, apply_edits

_BYTE_ORDER_MARK = "\ufeff"
_LINE_END = re.compile(r"\r\n|\r|\n")
_MAX_NAMED_LINES = 40
_TELLING_LENGTH = 8


def edit_text(text: str, old_text: str, new_text: str, replace_all: bool = False) -> str:
    """`text` with its only occurrence of `old_text` (or every one) replaced by `new_text`.

    Raises what `place_edit` raises.
    """
    return apply_edits(text, place_edit(text, old_text, new_text, replace_all))


def place_edit(text: str, old_text: str, new_text: str, replace_all: bool = False) -> tuple[TextEdit, ...]:
    """The edits that replace the only occurrence of `old_text` (or every one), in order and not touching.

    An empty `old_text` fills an empty file. Raises NoMatch, AmbiguousMatch or NothingChanged; EditError where lone
    carriage returns and line feeds meet so that the line ends cannot be kept apart.
    """
    bom_length = 1 if text.startswith(_BYTE_ORDER_MARK) else 0
    if bom_length:
        old_text, new_text = old_text.removeprefix(_BYTE_ORDER_MARK), new_text.removeprefix(_BYTE_ORDER_MARK)
    body = text[bom_length:]
    edits = _place_in_body(body, _with_line_feeds(old_text), new_text, replace_all)
    return tuple(TextEdit(edit.start + bom_length, edit.end + bom_length, edit.new_text) for edit in edits)


def _place_in_body(body: str, old: str, new_text: str, replace_all: bool) -> tuple[TextEdit, ...]:
    new = _with_line_feeds(new_text)
    if old == new:
        raise NothingChanged("old_text and new_text are the same, so nothing would change.")
    if not body and not old:
        return (TextEdit(0, 0, new_text),)
    if not old or (not old.strip() and not replace_all):
        raise NoMatch(
            "old_text is empty or blank, which names no place in a file that has text.",
            hint="Quote the lines to change in old_text, or use write_file to replace the whole file.",
        )
    view = _View.of(body)
    places = _places(view.text, old)
    if not places:
        raise _no_match(view.text, old, new)
    if len(places) > 1 and not replace_all:
        raise _ambiguous(view.text, places)
    if replace_all:
        places = list(_places_apart(view.text, old))
    changes = text_edits_between(old, new)
    edits = _joined(_as_in_file(body, view, place, change, new_text) for place in places for change in changes)
    if view.has_lone_returns and _with_line_feeds(apply_edits(body, edits)) != _replaced(view.text, old, new, places):
        raise EditError(
            "The file mixes line feeds and lone carriage returns at this place, so its line ends cannot be kept.",
            hint="Ask the user to make the file's line ends uniform first.",
        )
    return edits


@dataclass(frozen=True, slots=True)
class _View:
    """A text with line feeds only, and the way back to offsets in the text as it is."""

    text: str
    crlf_places: Sequence[int]  # offsets in `text` of the line feeds that are two characters in the file
    has_lone_returns: bool

    @staticmethod
    def of(text: str) -> _View:
        crlf_places = [match.start() - i for i, match in enumerate(re.finditer("\r\n", text))]
        return _View(_with_line_feeds(text), crlf_places, text.count("\r") > len(crlf_places))

    def file_offset(self, offset: int) -> int:
        return offset + bisect_left(self.crlf_places, offset)


def _with_line_feeds(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


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


def _replaced(text: str, old: str, new: str, places: Sequence[int]) -> str:
    return apply_edits(text, [TextEdit(place, place + len(old), new) for place in places])


def _as_in_file(body: str, view: _View, place: int, change: TextEdit, new_text: str) -> TextEdit:
    start, end = view.file_offset(place + change.start), view.file_offset(place + change.end)
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


def _ambiguous(text: str, places: Sequence[int]) -> AmbiguousMatch:
    lines = _line_numbers(text, places)
    named = ", ".join(map(str, lines[:_MAX_NAMED_LINES]))
    more = f" and {len(lines) - _MAX_NAMED_LINES} more" if len(lines) > _MAX_NAMED_LINES else ""
    return AmbiguousMatch(
        f"old_text is in the file {len(lines)} times, beginning in lines {named}{more}. Nothing was changed.",
        lines=lines,
        hint="Quote more lines around the one that is meant, or set replace_all to change every one.",
    )


def _line_numbers(text: str, places: Sequence[int]) -> list[int]:
    line_feeds = [match.start() for match in re.finditer("\n", text)]
    return [bisect_left(line_feeds, place) + 1 for place in places]


def _no_match(text: str, old: str, new: str) -> NoMatch:
    if not text:
        return NoMatch("old_text is not in the file: the file is empty.", hint="Use an empty old_text to fill it.")
    if _is_telling(new, old) and text.count(new) == 1:
        (line,) = _line_numbers(text, [text.find(new)])
        return NoMatch(
            f"old_text is not in the file, but new_text is, in line {line}: the edit seems to be already applied.",
            nearest=[line],
            hint="Go on, or read the file again if something else is meant.",
        )
    lines, wanted = text.split("\n"), old.strip("\n").split("\n")
    places = nearest_places(lines, wanted)
    if not places:
        return NoMatch(
            f"old_text is not in the file, and no line is like it. The file has {len(lines)} lines. "
            "Nothing was changed.",
            hint="Read the file again and quote old_text from it.",
        )
    reason = ""
    if differs_in_blanks_only(lines, wanted, places[0]):
        reason = " It differs from the first of these places in white space only."
    return NoMatch(
        f"old_text is not in the file.{reason} Nothing was changed. The most similar lines, as they are in the file "
        f"(> marks a line that differs from old_text):\n{show_places(lines, wanted, places)}",
        nearest=[place + 1 for place in places],
        hint="Quote old_text exactly from these lines, without the numbers, or read the file again.",
    )


def _is_telling(new: str, old: str) -> bool:
    """Whether finding `new` says that the edit was made: a short text or a part of `old` may stand anywhere."""
    return len(new.strip()) >= _TELLING_LENGTH and new not in old
