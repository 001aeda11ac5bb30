"""`git`: what the repository knows of the files; it is only read."""

from __future__ import annotations

import asyncio

from flux.core.errors import InvalidArguments
from flux.core.messages import ToolSpec
from flux.core.snapshot import WorkspacePath
from flux.tools.base import Arguments, Finding
from flux.workspace.git import blame, history, show, status, uncommitted_changes
from flux.workspace.paths import root_labels
from flux.workspace.workspace import Workspace, unsaved_below

MAX_CHARACTERS = 30_000
MAX_COMMITS = 100
ACTIONS = ("status", "diff", "log", "show", "blame")


class Git:
    is_read_only = True
    spec = ToolSpec(
        "git",
        "Read the repository: status and diff (against the last commit, unsaved text included), log, show (a commit), "
        "blame (of a file's lines).",
        {
            "type": "object",
            "properties": {
                "action": {"type": "string", "enum": list(ACTIONS)},
                "path": {"type": "string"},
                "commit": {"type": "string"},
                "start_line": {"type": "integer"},
                "end_line": {"type": "integer"},
            },
            "required": ["action"],
        },
    )

    def title(self, arguments: Arguments) -> str:
        return f"git {arguments.text('action')} {arguments.text('path', '')}".strip()

    async def call(self, arguments: Arguments, workspace: Workspace) -> Finding:
        action = arguments.text("action")
        if action not in ACTIONS:
            raise InvalidArguments(f"`action` must be one of {', '.join(ACTIONS)}, not {action!r}.")
        name = arguments.text("path", "").strip()
        path = workspace.path(name) if name and name != "." else None
        root = path.root if path else workspace.roots[0]
        if path is None and len(workspace.roots) > 1:
            labels = root_labels(workspace.roots)
            parts = [await self._of(action, root, None, arguments, workspace) for root in workspace.roots]
            labelled = [f"[{label}]\n{part}" for label, part in zip(labels, parts, strict=True) if part]
            return _finding("\n".join(labelled), action)
        return _finding(await self._of(action, root, path, arguments, workspace), action)

    async def _of(
        self, action: str, root: str, path: WorkspacePath | None, arguments: Arguments, workspace: Workspace
    ) -> str:
        relative = path.relative if path else ""
        unsaved = unsaved_below(workspace, root)
        commit = arguments.text("commit", "").strip()
        match action:
            case "status":
                return await asyncio.to_thread(status, root, unsaved, MAX_CHARACTERS)
            case "diff":
                return await asyncio.to_thread(uncommitted_changes, root, MAX_CHARACTERS, unsaved, relative)
            case "log":
                return await asyncio.to_thread(history, root, relative, commit, MAX_COMMITS, MAX_CHARACTERS)
            case "show":
                return await asyncio.to_thread(show, root, commit or "HEAD", relative, MAX_CHARACTERS)
            case _:
                if path is None:
                    raise InvalidArguments("`blame` needs a `path`.")
                await workspace.read(path)  # a secret file, and one that is not there, are refused as everywhere
                first = arguments.integer("start_line", 1) or 1
                last = arguments.integer("end_line")
                return await asyncio.to_thread(blame, root, relative, first, last, MAX_CHARACTERS)


def _finding(text: str, action: str) -> Finding:
    if not text:
        return Finding(
            "[nothing: no repository, or no change]" if action in {"status", "diff"} else "[nothing]", "none"
        )
    return Finding(text, f"{len(text.splitlines())} lines")
