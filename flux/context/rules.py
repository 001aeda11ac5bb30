"""AGENTS.md: what the project asks of an assistant. Shown to the model as data, with its origin."""

from __future__ import annotations

from flux.context.item import ContextItem
from flux.core.errors import WorkspaceError
from flux.workspace.workspace import Workspace

FILE_NAME = "AGENTS.md"
MAX_CHARACTERS = 20_000


async def project_rules(workspace: Workspace, limit: int = MAX_CHARACTERS) -> tuple[ContextItem, ...]:
    """The AGENTS.md of each root, as far as there is one that can be read; `limit` characters in all."""
    items: list[ContextItem] = []
    limit = min(limit, MAX_CHARACTERS) // len(workspace.roots)
    for root in workspace.roots:
        try:
            snapshot = await workspace.read(workspace.path(f"{root}/{FILE_NAME}"))
        except WorkspaceError:
            continue
        text = snapshot.text
        if len(text) > limit:
            text = f"{text[:limit]}\n[… {len(text) - limit} more characters]"
        items.append(ContextItem("rules", str(snapshot.path), text))
    return tuple(items)
