"""`move_file`: another name or folder for a file."""

from __future__ import annotations

from flux.core.errors import NothingChanged
from flux.core.messages import ToolSpec
from flux.edits.plan import EditPlan, RenameFile
from flux.tools.base import Arguments, Proposal
from flux.workspace.workspace import Workspace


class MoveFile:
    is_read_only = False
    spec = ToolSpec(
        "move_file",
        "Rename or move a file to where none is.",
        {
            "type": "object",
            "properties": {"path": {"type": "string"}, "new_path": {"type": "string"}},
            "required": ["path", "new_path"],
        },
    )

    def title(self, arguments: Arguments) -> str:
        return f"move {arguments.text('path')} to {arguments.text('new_path')}"

    async def call(self, arguments: Arguments, workspace: Workspace) -> Proposal:
        path, new_path = (workspace.path(arguments.text(name)) for name in ("path", "new_path"))
        if path == new_path:
            raise NothingChanged(f"{path} is its name already.")
        change = RenameFile(await workspace.read(path), new_path)
        return Proposal(EditPlan(f"Flux: move {path} to {new_path}", (change,)), f"Moved {path} to {new_path}.")
