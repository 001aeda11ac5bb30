"""What a model is told of an edit that is refused: the kind, the place, and the file's own lines to quote from.

Written to be corrected at the next try, in at most 40 lines. Places no edits.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence

from flux.core.errors import AmbiguousMatch, EditError, NoMatch, NothingChanged
from flux.edits.line_table import FOLDED, LineTable, indent_of
from flux.edits.merging import lines_that_must_agree
from flux.edits.nearest import clipped, differs_in_blanks_only, nearest_places, show_places

_MAX_NAMED_LINES = 40
_MAX_SHOWN_PLACES = 8
_TELLING_LENGTH = 8
_MOST_LINES_UP = 2000
_DEFINITION = re.compile(
    r"\s*(?:(?:export|default|public|private|protected|static|abstract|final|pub(?:\([a-z]+\))?|async)\s+)*"
    r"(?:def|class|function|func|fn|impl|struct|interface|module|namespace|trait|enum)\b[^:{]*"
)


def nothing_changed(text: str, old: str) -> NothingChanged:
    """Both texts are the same; said with the lines where they stand, if they do."""
    lines = line_numbers(text, _places(text, old)) if old.strip() else []
    where = f" That text stands in {_named(lines)}." if lines else ""
    return NothingChanged(f"old_text and new_text are the same, so nothing would change.{where}")


def ambiguous(table: LineTable, places: Sequence[int], but: str = "") -> AmbiguousMatch:
    """The text at several places; `places` are offsets, `but` what they differ in."""
    lines = line_numbers(table.text, places)
    shown = "\n".join(_shown(table.lines, line - 1) for line in lines[:_MAX_SHOWN_PLACES])
    return AmbiguousMatch(
        f"old_text is in the file {len(lines)} times{but}, beginning in {_named(lines)}. Nothing was changed.\n{shown}",
        lines=lines,
        hint="Quote more lines around the one that is meant, or set replace_all to change every one.",
    )


def unclear_indentation(table: LineTable, start: int, block: Sequence[str]) -> NoMatch:
    """The block is found, but how the new lines are indented is not certain."""
    shown = show_places(table.lines, block, [start])
    return NoMatch(
        "old_text is in the file with another indentation, and how new_text is to be indented is not clear. "
        f"Nothing was changed. The lines as they are in the file:\n{shown}",
        nearest=[start + 1],
        hint="Quote old_text and new_text with the file's own indentation.",
    )


def left_out(text: str, old: str, mark: str) -> EditError:
    """`new_text` has a mark for lines that it leaves out, which would be written or lost."""
    lines = line_numbers(text, _places(text, old))
    where = f" old_text stands in {_named(lines)}." if lines else ""
    return EditError(
        f'new_text leaves lines out ("{clipped(mark.strip())}") that old_text has. Nothing was changed.{where}',
        hint="Write every line that is to be there, or quote in both texts only the lines around the change.",
    )


def not_found(table: LineTable, old: str, new: str) -> NoMatch:
    """The text is nowhere, or not certainly enough: already changed, stale, misquoted or absent."""
    if not table.text:
        return NoMatch("old_text is not in the file: the file is empty.", hint="Use an empty old_text to fill it.")
    if (line := _line_of_applied(table, old, new)) is not None:
        return NoMatch(
            f"old_text is not in the file, but new_text is, in line {line}: the edit seems to be already applied.\n"
            f"{_shown(table.lines, line - 1)}",
            nearest=[line],
            hint="Go on, or read the file again if something else is meant.",
        )
    wanted, written = old.strip("\n").split("\n"), new.strip("\n").split("\n")
    places = nearest_places(table.lines, wanted)
    if not places:
        return NoMatch(
            f"old_text is not in the file, and no line is like it. The file has {len(table.lines)} lines. "
            "Nothing was changed.",
            hint="Read the file again and quote old_text from it.",
        )
    return NoMatch(
        f"{_reason(table.lines, wanted, written, places[0])} Nothing was changed. The most similar lines, as they are "
        f"in the file (> marks a line that differs from old_text):\n{show_places(table.lines, wanted, places)}",
        nearest=[place + 1 for place in places],
        hint="Quote old_text exactly from these lines, without the numbers, or read the file again.",
    )


def line_numbers(text: str, places: Sequence[int]) -> list[int]:
    """The 1-based lines of some offsets."""
    line_feeds = [match.start() for match in re.finditer("\n", text)]
    return [bisect_left(line_feeds, place) + 1 for place in places]


def _reason(lines: Sequence[str], wanted: Sequence[str], new: Sequence[str], place: int) -> str:
    """What is wrong with the quoted lines, as far as the nearest place tells."""
    if differs_in_blanks_only(lines, wanted, place):
        return "old_text is not in the file. It differs from the first of these places in white space only."
    found = [FOLDED.key(line) for line in lines[place : place + len(wanted)]]
    quoted = [FOLDED.key(line) for line in wanted]
    differing = [i for i, (a, b) in enumerate(zip(found, quoted, strict=False)) if a != b]
    agreeing = sum(1 for i, key in enumerate(quoted[: len(found)]) if key and i not in differing)
    if not differing or 2 * agreeing < sum(1 for key in quoted if key):
        return "old_text is not in the file."
    stale = sorted(lines_that_must_agree(wanted, new).intersection(differing))
    if stale:
        named = _named([place + i + 1 for i in stale])
        return f"old_text is stale: most of it is as in the file, but {named}, which the edit changes, is not."
    return f"old_text misquotes {_named([place + i + 1 for i in differing])}, which the edit keeps."


def _line_of_applied(table: LineTable, old: str, new: str) -> int | None:
    """The line where the new text stands once, indentation aside; a short one, or a part of `old`, says nothing."""
    if len(new.strip()) < _TELLING_LENGTH or new in old:
        return None
    places = _places(table.text, new)
    if len(places) == 1:
        return line_numbers(table.text, places)[0]
    block = new.strip("\n").split("\n")
    starts = table.starts(FOLDED, block) if not places and len(block) > 1 else []
    return starts[0] + 1 if len(starts) == 1 else None


def _places(text: str, part: str) -> list[int]:
    return [match.start() for match in re.finditer(re.escape(part), text)] if part else []


def _named(lines: Sequence[int]) -> str:
    """`line 3`, or `lines 3, 5 and 60 more`."""
    more = f" and {len(lines) - _MAX_NAMED_LINES} more" if len(lines) > _MAX_NAMED_LINES else ""
    return f"line{'s' if len(lines) > 1 else ''} {', '.join(map(str, lines[:_MAX_NAMED_LINES]))}{more}"


def _shown(lines: Sequence[str], number: int) -> str:
    """A line with the definition that it stands in."""
    around = _definition_around(lines, number)
    return f"  {number + 1:>5} | {clipped(lines[number])}{f'   (in {around})' if around else ''}"


def _definition_around(lines: Sequence[str], number: int) -> str:
    """The head of the innermost definition above that is indented less; empty where there is none near."""
    depth = len(indent_of(lines[number]))
    for line in reversed(lines[max(0, number - _MOST_LINES_UP) : number]):
        if not depth:
            return ""
        if line.strip() and len(indent_of(line)) < depth:
            depth = len(indent_of(line))
            if match := _DEFINITION.match(line[:200]):
                return match.group().strip()
    return ""
