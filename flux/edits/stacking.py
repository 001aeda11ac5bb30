"""Proposals on top of each other: where what was laid on a file shows, and what of it a later change touches. Pure."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from flux.core.snapshot import WorkspacePath
from flux.edits.diff import text_edits_between
from flux.edits.plan import DeleteFile, EditFile, FileChange, RenameFile, paths_of
from flux.edits.text_edit import TextEdit

_END = sys.maxsize // 2


@dataclass(frozen=True, slots=True)
class _Region:
    """From `start` to `end` of the text of now stands what a hunk brought; where both are one, it removed something."""

    start: int
    end: int
    hunk_id: str


@dataclass(slots=True)
class Stack:
    """What was laid on the files so far. A new, removed or moved file is laid on the whole of it."""

    _regions: dict[WorkspacePath, list[_Region]] = field(default_factory=dict[WorkspacePath, list[_Region]])
    _texts: dict[WorkspacePath, str] = field(default_factory=dict[WorkspacePath, str])

    def lay(self, hunk_id: str, change: FileChange) -> None:
        """Note that the change is made on the text with all that was laid before."""
        there = self._regions.pop(change.path, [])
        edits = change.edits if isinstance(change, EditFile | RenameFile) else ()
        moved = _moved(there, edits)
        brought = _brought(hunk_id, edits) if isinstance(change, EditFile) else [_Region(0, _END, hunk_id)]
        for path in paths_of(change):
            self._regions[path] = [*moved, *brought]
            self._texts[path] = "" if isinstance(change, DeleteFile) else change.new_text()

    def under(self, change: FileChange) -> tuple[str, ...]:
        """The hunks that the change touches, so that it can only be made once they are."""
        regions = [region for path in paths_of(change) for region in self._regions.get(path, ())]
        if isinstance(change, EditFile) and regions:
            # The user may have typed since it was laid.
            typed = text_edits_between(self._texts[change.path], change.snapshot.text)
            regions = [
                one
                for one in _moved(regions, typed)
                if any(one.start <= edit.end and edit.start <= one.end for edit in change.edits)
            ]
        return tuple(dict.fromkeys(region.hunk_id for region in regions))


def moved_extent(start: int, end: int, edits: Sequence[TextEdit]) -> tuple[int, int]:
    """Where the text between two offsets stands once the edits (in order, apart) are made, with what they put there."""
    new_start, new_end = start, end
    for edit in edits:
        growth = len(edit.new_text) - (edit.end - edit.start)
        if edit.end < start:
            new_start += growth
        elif edit.start < start:
            new_start -= start - edit.start
        if edit.end < end:
            new_end += growth
        elif edit.start <= end:
            new_end += edit.start - end + len(edit.new_text)
    return new_start, new_end


def _moved(regions: Sequence[_Region], edits: Sequence[TextEdit]) -> list[_Region]:
    return [_Region(*moved_extent(one.start, one.end, edits), one.hunk_id) for one in regions]


def _brought(hunk_id: str, edits: Sequence[TextEdit]) -> list[_Region]:
    regions: list[_Region] = []
    growth = 0
    for edit in edits:
        start = edit.start + growth
        regions.append(_Region(start, start + len(edit.new_text), hunk_id))
        growth += len(edit.new_text) - (edit.end - edit.start)
    return regions
