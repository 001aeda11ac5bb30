"""`write_file`: a new file, or the whole new text of one that is there."""

from __future__ import annotations

from flux.core.messages import ToolSpec
from flux.edits.diff import changed_line_counts
from flux.edits.formats import WriteWhole
from flux.edits.plan import EditFile, EditPlan
from flux.tools.base import Arguments, Proposal
from flux.workspace.workspace import Workspace


class WriteFile:
    is_read_only = False
    spec = ToolSpec(
        "write_file",
        "Create a file, or replace the whole text of one. For a change in an existing file use edit_file.",
        {
            "type": "object",
            "properties": {"path": {"type": "string"}, "text": {"type": "string"}},
            "required": ["path", "text"],
        },
    )

    def title(self, arguments: Arguments) -> str:
        return f"write {arguments.text('path')}"

    async def call(self, arguments: Arguments, workspace: Workspace) -> Proposal:
        from flux.tools.file_changes import changes_of  # the edit engine is not loaded before there is an edit

        (change,) = await changes_of([WriteWhole(arguments.text("path"), arguments.text("text"))], workspace)
        if isinstance(change, EditFile):
            added, removed = changed_line_counts(change.snapshot.text, change.new_text())
            plan = EditPlan(f"Flux: write {change.path}", (change,))
            return Proposal(plan, f"Wrote {change.path}: +{added} -{removed} lines.")
        plan = EditPlan(f"Flux: create {change.path}", (change,))
        return Proposal(plan, f"Created {change.path}: {changed_line_counts('', arguments.text('text'))[0]} lines.")
