"""Changes and hunks as JSON, for the session store: what is needed to make them later, or to take them back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.edits.hunks import Hunk
from flux.edits.plan import AppliedChange, CreateFile, DeleteFile, EditFile, FileChange, RenameFile
from flux.edits.text_edit import TextEdit

_KINDS: Mapping[type[FileChange], str] = {CreateFile: "create", DeleteFile: "delete", RenameFile: "rename"}


def change_to_json(change: AppliedChange) -> dict[str, Any]:
    """The change as a JSON object, with the whole text before and after."""
    return asdict(change)


def change_from_json(value: dict[str, Any]) -> AppliedChange:
    """The inverse of `change_to_json`."""
    before, after = (_snapshot(value[side]) if value[side] else None for side in ("before", "after"))
    return AppliedChange(WorkspacePath(**value["path"]), before, after, value["is_saved"])


def hunks_to_json(hunks: Sequence[Hunk]) -> dict[str, Any]:
    """Hunks of one file, at least one, as a JSON object; the text that they are for stands there once."""
    change = hunks[0].change
    if isinstance(change, EditFile):
        edits = [(hunk, hunk.change.edits) for hunk in hunks if isinstance(hunk.change, EditFile)]
        listed = [
            {"id": hunk.id, "builds_on": hunk.builds_on, "edits": [asdict(edit) for edit in its]} for hunk, its in edits
        ]
        return {"kind": "edit", "snapshot": asdict(change.snapshot), "hunks": listed}
    first = hunks[0]
    return {"kind": _KINDS[type(change)], "id": first.id, "builds_on": first.builds_on, "change": asdict(change)}


def hunks_from_json(value: dict[str, Any]) -> tuple[Hunk, ...]:
    """The inverse of `hunks_to_json`."""
    if value["kind"] == "edit":
        snapshot = _snapshot(value["snapshot"])
        listed = cast("list[dict[str, Any]]", value["hunks"])
        return tuple(Hunk(item["id"], EditFile(snapshot, _edits(item["edits"])), _builds_on(item)) for item in listed)
    return (Hunk(value["id"], _whole_change(value["kind"], value["change"]), _builds_on(value)),)


def _builds_on(value: dict[str, Any]) -> tuple[str, ...]:
    return tuple(value.get("builds_on", ()))  # older Fluxes did not store it


def _whole_change(kind: str, fields: dict[str, Any]) -> FileChange:
    if kind == "create":
        path = WorkspacePath(**fields.pop("path"))
        return CreateFile(path, **fields)
    snapshot = _snapshot(fields["snapshot"])
    if kind == "delete":
        return DeleteFile(snapshot)
    return RenameFile(snapshot, WorkspacePath(**fields["new_path"]), _edits(fields["edits"]))


def _snapshot(fields: dict[str, Any]) -> FileSnapshot:
    path = WorkspacePath(**fields.pop("path"))
    return FileSnapshot(path, **fields)


def _edits(edits: Sequence[dict[str, Any]]) -> tuple[TextEdit, ...]:
    return tuple(TextEdit(**edit) for edit in edits)
