"""`edit_file`: replace pieces of a file. The engine in `flux.edits` finds the places or refuses with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from flux.core.errors import InvalidArguments
from flux.core.messages import ToolSpec
from flux.edits.diff import changed_line_counts
from flux.edits.formats import FileRequest, ReplaceIn, Replacement, read_editor_command, read_edits
from flux.edits.plan import CreateFile, DeleteFile, EditFile, EditPlan, FileChange, RenameFile
from flux.tools.base import Arguments, Proposal
from flux.workspace.workspace import Workspace


class EditFileTool:
    is_read_only = False
    spec = ToolSpec(
        "edit_file",
        "Change a file. Each edit replaces old_text, quoted exactly as read_file showed it and long enough to be "
        "unique, by new_text. All edits of a call refer to the file as it is now and are made together or not at all.",
        {
            "type": "object",
            "properties": {
                "path": {"type": "string"},
                "edits": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "old_text": {"type": "string"},
                            "new_text": {"type": "string"},
                            "replace_all": {"type": "boolean", "description": "Every occurrence, not a unique one"},
                        },
                        "required": ["old_text", "new_text"],
                    },
                },
            },
            "required": ["path", "edits"],
        },
    )

    def title(self, arguments: Arguments) -> str:
        paths = dict.fromkeys(request.path for request in _requests(arguments))
        return f"edit {', '.join(paths)}"

    async def call(self, arguments: Arguments, workspace: Workspace) -> Proposal:
        from flux.tools.file_changes import changes_of  # the edit engine is not loaded before there is an edit

        changes = await changes_of(_requests(arguments), workspace)
        names = ", ".join(str(change.path) for change in changes)
        return Proposal(EditPlan(f"Flux: edit {names}", changes), " ".join(_summary(change) for change in changes))


def _requests(arguments: Arguments) -> Sequence[FileRequest]:
    """What the call asks for: edits of one file, or one of the forms that models learnt elsewhere."""
    for name in ("patch", "diff", "input"):
        if name in arguments:
            requests = read_edits(arguments.text(name))
            if not requests:
                raise InvalidArguments(f"`{name}` is neither a patch nor a diff. Use `path` and `edits`.")
            path = arguments.text("path", "")
            return [replace(request, path=path) if path and not request.path else request for request in requests]
    if "command" in arguments:
        return [read_editor_command(arguments.values)]
    path = arguments.text("path")
    # One edit may stand beside the path; that is no less clear.
    edits = arguments.objects("edits") if "edits" in arguments else [arguments]
    return [ReplaceIn(path, tuple(_replacement(edit) for edit in edits))]


def _replacement(edit: Arguments) -> Replacement:
    old = next((name for name in ("old_text", "old_string", "old_str") if name in edit), "old_text")
    new = next((name for name in ("new_text", "new_string", "new_str") if name in edit), "new_text")
    return Replacement(edit.text(old), edit.text(new), edit.flag("replace_all"))


def _summary(change: FileChange) -> str:
    match change:
        case EditFile():
            added, removed = changed_line_counts(change.snapshot.text, change.new_text())
            return f"Edited {change.path}: +{added} -{removed} lines."
        case CreateFile():
            return f"Created {change.path}: {changed_line_counts('', change.text)[0]} lines."
        case DeleteFile():
            return f"Removed {change.path}."
        case RenameFile():
            return f"Moved {change.path} to {change.new_path}."
    assert_never(change)
