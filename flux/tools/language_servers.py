"""`language_server` and `rename_symbol`: what the editor's own language servers know, where a door can ask them."""

from __future__ import annotations

import re

from flux.core.errors import InvalidArguments
from flux.core.messages import ToolSpec
from flux.core.snapshot import FileSnapshot
from flux.core.text import LineIndex, line_around, line_content
from flux.tools.base import Arguments, Finding, Proposal
from flux.workspace.language_service import LanguageService, Places
from flux.workspace.workspace import Workspace

MAX_PLACES = 100
MAX_LINE = 300
MAX_HOVER = 4_000
QUERIES = ("definition", "references", "hover", "symbols")


class LanguageServer:
    """The tool over a service that can be asked for at least one of `QUERIES`."""

    is_read_only = True

    def __init__(self, service: LanguageService) -> None:
        self._service = service
        self._queries = [query for query in QUERIES if query in service.queries]
        self.spec = ToolSpec(
            "language_server",
            "Ask the editor's language servers, which know types and scopes, about the name on a line: where it is "
            "defined, where it is used, its type and documentation (hover). Or for the symbols of a `path`, or those "
            "of the project by `name`.",
            {
                "type": "object",
                "properties": {
                    "query": {"type": "string", "enum": self._queries},
                    "path": {"type": "string"},
                    "line": {"type": "integer", "description": "From 1"},
                    "name": {"type": "string", "description": "As it stands on the line"},
                },
                "required": ["query"],
            },
        )

    def title(self, arguments: Arguments) -> str:
        query = arguments.text("query")
        return f"{query} of {arguments.text('name', '') or arguments.text('path')}"

    async def call(self, arguments: Arguments, workspace: Workspace) -> Finding:
        match arguments.text("query"):
            case query if query not in self._queries:
                raise InvalidArguments(f"`query` must be one of {', '.join(self._queries)}.")
            case "symbols" if "path" in arguments:
                return _told(await self._service.symbols_of(await _file(arguments, workspace)))
            case "symbols":
                return _told(await self._service.symbols_named(arguments.text("name")))
            case "hover":
                text = await self._service.hover(*await _place(arguments, workspace))
                more = f"\n[… {len(text) - MAX_HOVER} more characters]" if len(text) > MAX_HOVER else ""
                return Finding(f"{text[:MAX_HOVER]}{more}" or "[nothing is known of it]")
            case "definition":
                return _told(await self._service.find("definition", *await _place(arguments, workspace)))
            case _:
                return _told(await self._service.find("references", *await _place(arguments, workspace)))


class RenameSymbol:
    """The tool over a service that renames."""

    is_read_only = False
    spec = ToolSpec(
        "rename_symbol",
        "Give what a name on a line stands for another name, wherever it is used, by the editor's language servers.",
        {
            "type": "object",
            "properties": {
                "path": {"type": "string"},
                "line": {"type": "integer", "description": "From 1"},
                "name": {"type": "string", "description": "As it stands on the line"},
                "new_name": {"type": "string"},
            },
            "required": ["path", "line", "name", "new_name"],
        },
    )

    def __init__(self, service: LanguageService) -> None:
        self._service = service

    def title(self, arguments: Arguments) -> str:
        return f"rename {arguments.text('name')} to {arguments.text('new_name')}"

    async def call(self, arguments: Arguments, workspace: Workspace) -> Proposal:
        new_name = arguments.text("new_name")
        plan = await self._service.rename(*await _place(arguments, workspace), new_name)
        names = ", ".join(str(change.path) for change in plan.changes)
        return Proposal(plan, f"Renamed {arguments.text('name')} to {new_name} in {names}.")


async def _file(arguments: Arguments, workspace: Workspace) -> FileSnapshot:
    return await workspace.read(workspace.path(arguments.text("path")))


async def _place(arguments: Arguments, workspace: Workspace) -> tuple[FileSnapshot, int]:
    """Where the name stands that is asked about. Raises InvalidArguments, which says on which lines it does."""
    name, line = arguments.text("name").strip().removesuffix("()"), arguments.integer("line")
    snapshot = await _file(arguments, workspace)
    if not name or line is None:
        raise InvalidArguments("`name` and `line` must say which name is meant, as it stands on that line.")
    index = LineIndex(snapshot.text)
    word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
    if 1 <= line <= index.line_count and (found := word.search(line_content(index.line(line - 1)))):
        # Of `a.b` it is `b` that is asked about.
        return snapshot, index.line_start(line - 1) + found.end() - len(re.split(r"\W", name)[-1])
    lines = sorted({index.position(found.start()).line + 1 for found in word.finditer(snapshot.text)})
    where = f"it is on line {', '.join(map(str, lines[:5]))}" if lines else "it is nowhere in this file"
    raise InvalidArguments(f"{name!r} is not on line {line} of {snapshot.path}; {where}.")


def _told(found: Places) -> Finding:
    lines = [f"{place.path}:{place.line}: {line_around(place.text, 0, MAX_LINE)}" for place in found.shown[:MAX_PLACES]]
    if len(found.shown) > MAX_PLACES:
        lines.append(f"[{len(found.shown) - MAX_PLACES} more]")
    if found.hidden:
        names = ", ".join(list(dict.fromkeys(found.hidden))[:10])
        lines.append(f"[{len(found.hidden)} in files that are ignored or outside the workspace: {names}]")
    return Finding("\n".join(lines) or "[none was found]", f"{len(found.shown)} places")
