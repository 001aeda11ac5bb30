"""`delete_file`: a file less. Its text is kept for undo."""

from __future__ import annotations

from flux.core.messages import ToolSpec
from flux.edits.plan import DeleteFile, EditPlan
from flux.tools.base import Arguments, Proposal
from flux.workspace.workspace import Workspace


class DeleteFileTool:
    is_read_only = False
    spec = ToolSpec(
        "delete_file",
        "Remove a file.",
        {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
    )

    def title(self, arguments: Arguments) -> str:
        return f"delete {arguments.text('path')}"

    async def call(self, arguments: Arguments, workspace: Workspace) -> Proposal:
        snapshot = await workspace.read(workspace.path(arguments.text("path")))
        plan = EditPlan(f"Flux: delete {snapshot.path}", (DeleteFile(snapshot),))
        return Proposal(plan, f"Deleted {snapshot.path}.")
