"""What the user has changed since the last commit."""

from __future__ import annotations

import asyncio

from flux.context.item import ContextItem
from flux.core.errors import WorkspaceError
from flux.workspace.git import uncommitted_changes
from flux.workspace.workspace import Workspace, unsaved_below

MAX_CHARACTERS = 8_000


async def git_changes(workspace: Workspace, limit: int = MAX_CHARACTERS) -> tuple[ContextItem, ...]:
    """Status and diff of each root that is a repository; nothing where it is none or git cannot be asked.

    Unsaved text counts as changed.

    `limit` characters in all.
    """
    items: list[ContextItem] = []
    limit = min(limit, MAX_CHARACTERS) // len(workspace.roots)
    for root in workspace.roots:
        try:
            text = await asyncio.to_thread(uncommitted_changes, root, limit, unsaved_below(workspace, root))
        except WorkspaceError:
            continue
        if text:
            items.append(ContextItem("git_changes", root, text))
    return tuple(items)
