"""A proposal in pieces that a user takes or leaves one by one. Pure: writes nothing, and knows no user.

The hunks of one file are computed on one snapshot. They stand apart by lines that stay, so any of them can be made
without the others, in any order. A new, removed or moved file is one hunk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from flux.core.errors import NothingChanged, OverlappingEdits
from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.core.text import line_content, main_line_end, split_lines
from flux.edits.diff import text_edits_between, unified_diff
from flux.edits.plan import CreateFile, DeleteFile, EditFile, EditPlan, FileChange
from flux.edits.text_edit import TextEdit, apply_edits, sorted_edits

KEPT_BETWEEN = 3
"""Changes with fewer lines than this between them are one hunk."""
_CONTEXT_LINES = 3


@dataclass(frozen=True, slots=True)
class Hunk:
    """One piece. `id` names it for the user; the offsets of `change` refer to its own snapshot.

    `builds_on` names hunks of other proposals that are in the snapshot's text and that it touches.
    """

    id: str
    change: FileChange
    builds_on: tuple[str, ...] = ()

    @property
    def path(self) -> WorkspacePath:
        return self.change.path

    @property
    def line(self) -> int:
        """Where it begins in the snapshot, from 1."""
        match self.change:
            case EditFile(snapshot, edits):
                return len(split_lines(snapshot.text[: edits[0].start]))
            case _:
                return 1

    @property
    def before(self) -> tuple[str, ...]:
        """The lines that it replaces, without their ends; none where it only adds."""
        match self.change:
            case EditFile(snapshot, edits):
                return _lines(snapshot.text[slice(*_extent(edits))])
            case CreateFile():
                return ()
            case change:
                return _lines(change.snapshot.text)

    @property
    def after(self) -> tuple[str, ...]:
        """The lines that it brings, without their ends; none where it only removes."""
        match self.change:
            case EditFile(snapshot, edits):
                return _lines(_made(snapshot.text, edits))
            case DeleteFile():
                return ()
            case change:
                return _lines(change.new_text())

    @property
    def diff(self) -> str:
        """A unified diff of this hunk alone."""
        match self.change:
            case EditFile(snapshot, edits):
                return _edit_diff(snapshot, edits)
            case CreateFile(path, text):
                return unified_diff(None, text, str(path)) or f"--- /dev/null\n+++ b/{path}\n"
            case DeleteFile(snapshot):
                return unified_diff(snapshot.text, None, str(snapshot.path)) or f"--- a/{self.path}\n+++ /dev/null\n"
            case change:
                moved = f"rename from {change.path}\nrename to {change.new_path}\n"
                return moved + unified_diff(change.snapshot.text, change.new_text(), str(change.new_path))


def split_plan(plan: EditPlan, name: str) -> tuple[Hunk, ...]:
    """All of the plan as hunks, file by file and top down. Their ids are `name.1`, `name.2` and so on."""
    pieces = [piece for change in plan.changes for piece in _pieces(change)]
    return tuple(Hunk(f"{name}.{number}", piece) for number, piece in enumerate(pieces, 1))


def plan_of(label: str, hunks: Iterable[Hunk]) -> EditPlan:
    """The plan that makes these hunks, in whatever order they come. Raises OverlappingEdits for one given twice."""
    changes: dict[WorkspacePath, FileChange] = {}
    for hunk in hunks:
        there = changes.get(hunk.path)
        changes[hunk.path] = hunk.change if there is None else _joined(there, hunk.change)
    return EditPlan(label, tuple(changes.values()))


def hunks_left(hunks: Iterable[Hunk], made: Sequence[Hunk]) -> tuple[Hunk, ...]:
    """The others, for the text with those in `made` in it. Exact: what the user typed is for `rebase` to find."""
    ids = {hunk.id for hunk in made}
    edits: dict[WorkspacePath, list[TextEdit]] = {}
    for hunk in made:
        if isinstance(hunk.change, EditFile):
            edits.setdefault(hunk.path, []).extend(hunk.change.edits)
    return tuple(_shifted(hunk, edits.get(hunk.path, ())) for hunk in hunks if hunk.id not in ids)


def amended(hunk: Hunk, lines: Sequence[str]) -> Hunk:
    """The hunk with other lines in place of those that it brings, in the file's own line ends.

    Raises NothingChanged where the file would stay as it is, and for a hunk that brings no text: a removal, a move.
    """
    change = hunk.change
    match change:
        case EditFile(snapshot, edits):
            start, end = _extent(edits)
            before = snapshot.text[start:end]
            text = _as_ended(lines, snapshot.line_end, _made(snapshot.text, edits) or before)
            if text == before:
                raise NothingChanged(f"{hunk.path} would stay as it is.")
            return replace(hunk, change=EditFile(snapshot, (TextEdit(start, end, text),)))
        case CreateFile():
            text = _as_ended(lines, main_line_end(change.text), change.text)
            return replace(hunk, change=replace(change, text=text))
        case _:
            raise NothingChanged("There is no text to edit in this change.")


def hunks_made(hunks: Sequence[Hunk], text: str) -> tuple[Hunk, ...] | None:
    """Which hunks of one edited file were made, where `text` is their snapshot's with some of them; None: another text.

    Where two choices come to one text, either is the answer.
    """
    edits = [(hunk, hunk.change.edits) for hunk in hunks if isinstance(hunk.change, EditFile)]
    edits.sort(key=lambda pair: pair[1][0].start)
    first = hunks[0].change
    old = first.snapshot.text if isinstance(first, EditFile) else ""
    choices: dict[int, tuple[Hunk, ...]] = {0: ()}
    at = 0
    for hunk, its in edits:
        start, end = _extent(its)
        further: dict[int, tuple[Hunk, ...]] = {}
        kept, before, after = old[at:start], old[start:end], _made(old, its)
        for place, chosen in choices.items():
            if text.startswith(kept, place):
                begin = place + len(kept)
                if text.startswith(before, begin):
                    further.setdefault(begin + len(before), chosen)
                if text.startswith(after, begin):
                    further.setdefault(begin + len(after), (*chosen, hunk))
        choices, at = further, end
    return next((chosen for place, chosen in choices.items() if text[place:] == old[at:]), None)


def _pieces(change: FileChange) -> Iterator[FileChange]:
    if not isinstance(change, EditFile):
        yield change
        return
    text = change.snapshot.text
    piece: list[TextEdit] = []
    for edit in text_edits_between(text, change.new_text()):
        if piece and len(split_lines(text[piece[-1].end : edit.start])) > KEPT_BETWEEN:
            yield EditFile(change.snapshot, tuple(piece))
            piece = []
        piece.append(edit)
    if piece:
        yield EditFile(change.snapshot, tuple(piece))


def _joined(one: FileChange, other: FileChange) -> EditFile:
    if not (isinstance(one, EditFile) and isinstance(other, EditFile) and one.snapshot == other.snapshot):
        raise OverlappingEdits(f"Two proposals change {one.path}. Decide them one after the other.")
    return EditFile(one.snapshot, sorted_edits((*one.edits, *other.edits)))


def _shifted(hunk: Hunk, made: Sequence[TextEdit]) -> Hunk:
    change = hunk.change
    if not made or not isinstance(change, EditFile):
        return hunk
    growth = sum(len(e.new_text) - (e.end - e.start) for e in made if e.end <= change.edits[0].start)
    snapshot = replace(change.snapshot, text=apply_edits(change.snapshot.text, made))
    edits = tuple(TextEdit(e.start + growth, e.end + growth, e.new_text) for e in change.edits)
    return replace(hunk, change=EditFile(snapshot, edits))


def _extent(edits: Sequence[TextEdit]) -> tuple[int, int]:
    return edits[0].start, edits[-1].end


def _made(text: str, edits: Sequence[TextEdit]) -> str:
    """What stands in the extent of the edits once they are made."""
    start, end = _extent(edits)
    return apply_edits(text[start:end], [TextEdit(e.start - start, e.end - start, e.new_text) for e in edits])


def _as_ended(lines: Sequence[str], line_end: str, like: str) -> str:
    """The lines as a text whose last line has an end where the last of `like` has one."""
    has_end = not like or like.endswith(("\n", "\r"))
    return line_end.join(lines) + (line_end if lines and has_end else "")


def _lines(text: str) -> tuple[str, ...]:
    lines = split_lines(text)
    return tuple(line_content(line) for line in (lines if lines[-1] else lines[:-1]))


def _edit_diff(snapshot: FileSnapshot, edits: Sequence[TextEdit]) -> str:
    """Of the lines around the hunk only: a diff of the whole file for each of its hunks would be quadratic."""
    text = snapshot.text
    start, end = _extent(edits)
    first, last = start, end
    for _ in range(_CONTEXT_LINES):
        first = text.rfind("\n", 0, max(first - 1, 0)) + 1
        last = text.find("\n", last) + 1 or len(text)
    new_text = text[first:start] + _made(text, edits) + text[end:last]
    return unified_diff(text[first:last], new_text, str(snapshot.path), text.count("\n", 0, first))
