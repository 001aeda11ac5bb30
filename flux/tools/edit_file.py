"""`edit_file`: replace pieces of a file. The engine in `flux.edits` finds the places or refuses with the reason."""

from __future__ import annotations

from flux.core.errors import EditError
from flux.core.messages import ToolSpec
from flux.edits.diff import changed_line_counts
from flux.edits.match import place_edit
from flux.edits.plan import EditFile, EditPlan
from flux.edits.text_edit import TextEdit, sorted_edits
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
        return f"edit {arguments.text('path')}"

    async def call(self, arguments: Arguments, workspace: Workspace) -> Proposal:
        snapshot = await workspace.read(workspace.path(arguments.text("path")))
        # Models that learnt another tool of this kind put the one edit beside the path; that is no less clear.
        wanted = arguments.objects("edits") if "edits" in arguments else [arguments]
        placed: list[TextEdit] = []
        for number, edit in enumerate(wanted, 1):
            try:
                placed += place_edit(
                    snapshot.text, edit.text("old_text"), edit.text("new_text"), edit.flag("replace_all")
                )
            except EditError as error:
                if len(wanted) > 1:
                    error.message = f"Edit {number} of {len(wanted)} was refused, so none was made: {error.message}"
                raise
        change = EditFile(snapshot, sorted_edits(placed))
        added, removed = changed_line_counts(snapshot.text, change.new_text())
        plan = EditPlan(f"Flux: edit {snapshot.path}", (change,))
        return Proposal(plan, f"Edited {snapshot.path}: +{added} -{removed} lines.")
