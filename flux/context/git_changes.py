"""What the user has changed since the last commit."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from flux.context.item import ContextItem
from flux.core.errors import WorkspaceError
from flux.workspace.git import uncommitted_changes
from flux.workspace.workspace import Workspace, unsaved_below

MAX_CHARACTERS = 8_000


@dataclass(frozen=True, slots=True)
class GitChanges:
    """`items` are for the model, one for each repository with changes. `notices` tell the user what cannot be had."""

    items: tuple[ContextItem, ...]
    notices: tuple[str, ...]


async def git_changes(workspace: Workspace, limit: int = MAX_CHARACTERS) -> GitChanges:
    """Status and diff of each root that is in a repository, in `limit` characters. Unsaved text counts as changed."""
    items: list[ContextItem] = []
    notices: list[str] = []
    limit = min(limit, MAX_CHARACTERS) // len(workspace.roots)
    for root in workspace.roots:
        try:
            text = await asyncio.to_thread(uncommitted_changes, root, limit, unsaved_below(workspace, root))
        except WorkspaceError as e:
            notices.append(f"Uncommitted changes were not sent along: {e.message}")
        else:
            items += [ContextItem("git_changes", root, text)] if text else []
    return GitChanges(tuple(items), tuple(notices))
