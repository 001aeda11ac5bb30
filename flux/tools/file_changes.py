"""From what a model asks for, in whichever form, to changes of files: placed by the edit engine, or refused.

Knows neither arguments nor approval: `edit_file` and `write_file` read the one, the turn asks for the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import assert_never

from flux.core.errors import EditError, FileMissing, NothingChanged, OverlappingEdits
from flux.core.snapshot import FileSnapshot
from flux.core.text import LineIndex, line_content, split_lines
from flux.edits.diff import text_edits_between
from flux.edits.formats import FileRequest, InsertAfter, Move, Remove, ReplaceIn, Replacement, WriteWhole
from flux.edits.match import place_edit
from flux.edits.plan import CreateFile, DeleteFile, EditFile, FileChange, RenameFile
from flux.edits.text_edit import TextEdit, apply_edits, sorted_edits
from flux.tools.syntax import check_still_parses
from flux.workspace.workspace import Workspace


async def changes_of(requests: Sequence[FileRequest], workspace: Workspace) -> tuple[FileChange, ...]:
    """One change for each file, in the order in which the files are first named.

    All edits refer to the files as they are now. Raises EditError where one cannot be placed, and the errors of
    `Workspace.read`.
    """
    by_path: dict[str, list[FileRequest]] = {}
    for request in requests:
        by_path.setdefault(str(workspace.path(request.path)), []).append(request)
    return tuple([await _change_of(path, asked, workspace) for path, asked in by_path.items()])


async def _change_of(name: str, requests: Sequence[FileRequest], workspace: Workspace) -> FileChange:
    path = workspace.path(name)
    match requests:
        case [WriteWhole(text=text)]:
            try:
                snapshot = await workspace.read(path)
            except FileMissing:
                return CreateFile(path, text)
            return _rewritten(snapshot, text)
        case [Remove()]:
            return DeleteFile(await workspace.read(path))
        case [ReplaceIn(replacements=(Replacement(old_text="", new_text=text),))]:
            try:
                snapshot = await workspace.read(path)
            except FileMissing:
                return CreateFile(path, text)
            return await _edited(snapshot, requests, workspace)
        case _:
            return await _edited(await workspace.read(path), requests, workspace)


async def _edited(snapshot: FileSnapshot, requests: Sequence[FileRequest], workspace: Workspace) -> FileChange:
    edits: list[TextEdit] = []
    moved_to = ""
    is_lenient = False
    for request in requests:
        match request:
            case ReplaceIn(replacements=replacements):
                placed = _placed(snapshot.text, replacements)
                edits += itertools.chain.from_iterable(placed)
                is_lenient = is_lenient or not all(
                    map(_is_by_the_letter, itertools.repeat(snapshot.text), replacements, placed)
                )
            case InsertAfter(line=line, text=text):
                edits.append(_insertion(snapshot, line, text))
            case Move(new_path=new_path):
                moved_to = new_path
            case WriteWhole() | Remove():
                raise OverlappingEdits(
                    f"{snapshot.path} is to be replaced or removed, and edited too. Send one of them."
                )
            case _:
                assert_never(request)
    in_order = sorted_edits(edits)
    if moved_to:
        return RenameFile(snapshot, workspace.path(moved_to), in_order)
    change = EditFile(snapshot, in_order)
    if is_lenient:
        check_still_parses(str(snapshot.path), snapshot.text, change.new_text())
    return change


def _placed(text: str, replacements: Sequence[Replacement]) -> list[tuple[TextEdit, ...]]:
    """The edits that each of the replacements comes to."""
    edits: list[tuple[TextEdit, ...]] = []
    for number, replacement in enumerate(replacements, 1):
        try:
            edits.append(place_edit(text, replacement.old_text, replacement.new_text, replacement.is_for_all))
        except EditError as error:
            if len(replacements) > 1:
                error.message = f"Edit {number} of {len(replacements)} was refused, so none was made: {error.message}"
            raise
    return edits


def _is_by_the_letter(text: str, replacement: Replacement, edits: Sequence[TextEdit]) -> bool:
    """Whether the edits put the new text where the old one stood, and nothing was found or indented another way.

    Line ends are never what makes a quotation lenient: the engine sees them all as line feeds.
    """
    before, old, new = map(_with_line_feeds, (text, replacement.old_text, replacement.new_text))
    count = -1 if replacement.is_for_all else 1
    return old in before and _with_line_feeds(apply_edits(text, edits)) == before.replace(old, new, count)


def _insertion(snapshot: FileSnapshot, line: int, text: str) -> TextEdit:
    index = LineIndex(snapshot.text)
    count = index.line_count if index.line(index.line_count - 1) else index.line_count - 1
    if line > count:
        raise EditError(f"There is no line {line}: {snapshot.path} has {count} lines.")
    body = _with_line_end(text if text.endswith("\n") else f"{text}\n", snapshot.line_end)
    if line < index.line_count:
        return TextEdit(index.line_start(line), index.line_start(line), body)
    end = len(snapshot.text)  # behind a last line without an end of its own
    return TextEdit(end, end, snapshot.line_end + body.removesuffix(snapshot.line_end))


def _rewritten(snapshot: FileSnapshot, text: str) -> EditFile:
    if "\r" in snapshot.text:
        text = _with_line_end(text, snapshot.line_end)
    if text == snapshot.text:
        raise NothingChanged(f"{snapshot.path} has exactly this text already.")
    return EditFile(snapshot, text_edits_between(snapshot.text, text))


def _with_line_feeds(text: str) -> str:
    return _with_line_end(text, "\n")


def _with_line_end(text: str, line_end: str) -> str:
    return line_end.join(line_content(line) for line in split_lines(text))
