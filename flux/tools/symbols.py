"""`symbols`: where a name is defined and used, or what a file defines; from the index, unsaved changes included."""

from __future__ import annotations

from collections.abc import Iterable

from flux.core.errors import InvalidArguments
from flux.core.messages import ToolSpec
from flux.tools.base import Arguments, Finding
from flux.workspace.index.client import SymbolIndex
from flux.workspace.index.definitions import Definition
from flux.workspace.workspace import Workspace

MAX_DEFINITIONS = 50
MAX_USES = 100
MAX_OUTLINE = 400


class Symbols:
    """The tool over an index."""

    is_read_only = True
    spec = ToolSpec(
        "symbols",
        "Where a name is defined and used, as path:line: text, or with `path` the outline of a file. Comments and "
        "strings do not count as uses.",
        {
            "type": "object",
            "properties": {"name": {"type": "string", "description": "Exact, unqualified"}, "path": {"type": "string"}},
        },
    )

    def __init__(self, index: SymbolIndex) -> None:
        self._index = index

    def title(self, arguments: Arguments) -> str:
        return f"outline {arguments.text('path')}" if "path" in arguments else f"symbol {arguments.text('name')}"

    async def call(self, arguments: Arguments, workspace: Workspace) -> Finding:
        if "path" in arguments:
            return await self._outline(arguments.text("path"), workspace)
        name = arguments.text("name").strip().replace("::", ".").rpartition(".")[2].removesuffix("()")
        if not name:
            raise InvalidArguments("`name` must be a name, or give `path` for a file's outline.")
        return await self._symbol(name, workspace)

    async def _symbol(self, name: str, workspace: Workspace) -> Finding:
        places = await self._index.definitions(workspace, name)
        uses, is_more = await self._index.uses(workspace, name, MAX_USES)
        defined = {(place.path, place.definition.line) for place in places}
        used = [use for use in uses if (use.path, use.line) not in defined]
        if not places and not used:
            near = await self._index.similar_names(workspace, name)
            hint = f" Names like it: {', '.join(near)}." if near else ""
            return Finding(f"[{name} is neither defined nor used in the indexed files.{hint}]", "not found")
        lines = ["Definitions:" if places else "[no definition in the indexed files]"]
        lines += [
            f"{place.path}:{place.definition.line}: {place.definition.text}" for place in places[:MAX_DEFINITIONS]
        ]
        if len(places) > MAX_DEFINITIONS:
            lines.append(f"[{len(places) - MAX_DEFINITIONS} more definitions]")
        lines += ["Uses:", *(f"{use.path}:{use.line}: {use.text}" for use in used)] if used else ["[no other use]"]
        if is_more:
            lines.append(f"[more than {MAX_USES} uses; search in a folder shows the rest]")
        return Finding("\n".join(lines), f"{len(places)} definitions, {len(used)}{'+' if is_more else ''} uses")

    async def _outline(self, name: str, workspace: Workspace) -> Finding:
        path = workspace.path(name)
        await workspace.read(path)  # what cannot be read is refused with its reason
        found = await self._index.outline(workspace, path)
        if not found:
            return Finding(f"[no definitions in {path}]", "no definitions")
        return Finding(outline_text(found), f"{len(found)} definitions")


def outline_text(found: Iterable[Definition]) -> str:
    """An outline with line numbers, bounded."""
    lines = [f"{definition.line}: {'  ' * definition.level}{definition.text}" for definition in found]
    if len(lines) > MAX_OUTLINE:
        lines[MAX_OUTLINE:] = [f"[{len(lines) - MAX_OUTLINE} more]"]
    return "\n".join(lines)
