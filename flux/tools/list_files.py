"""`list_files`: what is in the workspace, without ignored and secret files."""

from __future__ import annotations

from flux.core.messages import ToolSpec
from flux.tools.base import Arguments, Finding
from flux.workspace.ignore import MAX_LISTED
from flux.workspace.workspace import Workspace

MAX_FILES = 1000


class ListFiles:
    is_read_only = True
    spec = ToolSpec(
        "list_files",
        "List the files below a folder, all of the workspace by default, without what .gitignore leaves out.",
        {"type": "object", "properties": {"folder": {"type": "string"}}},
    )

    def title(self, arguments: Arguments) -> str:
        return f"list {arguments.text('folder', '') or 'files'}"

    async def call(self, arguments: Arguments, workspace: Workspace) -> Finding:
        folder = arguments.text("folder", "").strip()
        paths = await workspace.list_files("" if folder in {".", "./"} else folder)
        lines = [str(path) for path in paths[:MAX_FILES]]
        if len(paths) > MAX_FILES:
            at_least = "at least " if len(paths) >= MAX_LISTED else ""
            lines.append(f"[{at_least}{len(paths) - MAX_FILES} more; name a folder to see them]")
        return Finding("\n".join(lines) or "[no files]", f"{len(paths)} files")
