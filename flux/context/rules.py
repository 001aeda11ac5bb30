"""AGENTS.md: what the project asks of an assistant. Shown to the model as data, with its origin."""

from __future__ import annotations

from flux.context.item import ContextItem
from flux.core.errors import WorkspaceError
from flux.workspace.workspace import Workspace

FILE_NAME = "AGENTS.md"
MAX_CHARACTERS = 20_000


async def project_rules(workspace: Workspace) -> tuple[ContextItem, ...]:
    """The AGENTS.md of each root, as far as there is one that can be read."""
    items: list[ContextItem] = []
    roots = workspace.roots
    for root in roots:
        try:
            snapshot = await workspace.read(workspace.path(f"{root}/{FILE_NAME}"))
        except WorkspaceError:
            continue
        text = snapshot.text
        if len(text) > MAX_CHARACTERS:
            text = f"{text[:MAX_CHARACTERS]}\n[… {len(text) - MAX_CHARACTERS} more characters]"
        items.append(ContextItem("rules", str(snapshot.path), text))
    return tuple(items)
