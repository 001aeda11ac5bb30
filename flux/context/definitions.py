"""A definition that the user names by `@`, whole: from its first line to the next one of its depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from flux.context.item import ContextItem
from flux.core.snapshot import WorkspacePath
from flux.core.text import LineIndex
from flux.workspace.index.client import Place
from flux.workspace.index.definitions import Definition
from flux.workspace.workspace import Workspace

MAX_SHOWN = 3
WITHIN_S = 2.0
"""So long a message waits for the project to be read, where it names a symbol."""


class Index(Protocol):
    """What is needed of `flux.workspace.index.client`."""

    async def definitions(self, workspace: Workspace, *names: str, within_s: float = ...) -> Sequence[Place]: ...

    async def outline(self, workspace: Workspace, path: WorkspacePath) -> Sequence[Definition]: ...


async def definitions_of(name: str, workspace: Workspace, index: Index) -> tuple[ContextItem, ...]:
    """The definitions of `name`, or of `Outer.name` those inside of such a one; the first few whole, others by place.

    Empty where there is none. Raises ToolTimedOut where the project is not read yet, and what reading a file does.
    """
    outer, _, last = name.replace("::", ".").rpartition(".")
    places = await index.definitions(workspace, last, within_s=WITHIN_S)
    items: list[ContextItem] = []
    others: list[str] = []
    for place in places:
        outline = await index.outline(workspace, place.path)
        at = next((i for i, found in enumerate(outline) if found.line == place.definition.line), None)
        if at is None or (outer and outer.rpartition(".")[2] not in _outer_names(outline, at)):
            continue
        if len(items) == MAX_SHOWN:
            others.append(f"{place.path}:{place.definition.line}: {place.definition.text}")
            continue
        lines = LineIndex((await workspace.read(place.path)).text)
        end = end_of(outline, at, lines.line_count)
        text = "".join(lines.line(number) for number in range(place.definition.line - 1, end)).rstrip() + "\n"
        last = place.definition.line + text.count("\n") - 1
        items.append(ContextItem("definition", f"{place.path} lines {place.definition.line}-{last}", text))
    if others:
        items.append(ContextItem("definitions", f"others of {name}", "\n".join(others[:50])))
    return tuple(items)


def end_of(outline: Sequence[Definition], at: int, line_count: int) -> int:
    """The last line, from 1, that belongs to a definition: what follows is no deeper than it."""
    after = (found.line - 1 for found in outline[at + 1 :] if found.level <= outline[at].level)
    return max(next(after, line_count), outline[at].line)


def _outer_names(outline: Sequence[Definition], at: int) -> set[str]:
    names: set[str] = set()
    level = outline[at].level
    for found in reversed(outline[:at]):
        if found.level < level:
            names.add(found.name)
            level = found.level
    return names
