"""`search`: lines that hold a text or match an expression, unsaved changes included."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from flux.core.errors import InvalidArguments, ToolTimedOut, WorkspaceError
from flux.core.messages import ToolSpec
from flux.core.snapshot import FileSnapshot
from flux.core.text import line_content, split_lines
from flux.tools.base import Arguments, Finding
from flux.workspace.workspace import Workspace

MAX_MATCHES = 200
MAX_LINE = 300
TIME_LIMIT_S = 20.0

Matcher = Callable[[FileSnapshot], list[str]]


class Search:
    is_read_only = True
    spec = ToolSpec(
        "search",
        f"Find lines by a literal text or a regular expression. Returns path:line: text, at most {MAX_MATCHES} lines.",
        {
            "type": "object",
            "properties": {
                "pattern": {"type": "string"},
                "is_regex": {"type": "boolean"},
                "folder": {"type": "string", "description": "Search only below this folder"},
            },
            "required": ["pattern"],
        },
    )

    def title(self, arguments: Arguments) -> str:
        return f"search {arguments.text('pattern')!r}"

    async def call(self, arguments: Arguments, workspace: Workspace) -> Finding:
        pattern = arguments.text("pattern")
        if not pattern:
            raise InvalidArguments("`pattern` must not be empty.")
        matcher = _expression(pattern) if arguments.flag("is_regex") else _literal(pattern)
        found: list[str] = []
        files = 0
        try:
            async with asyncio.timeout(TIME_LIMIT_S):
                for path in await workspace.list_files(arguments.text("folder", "")):
                    try:
                        snapshot = await workspace.read(path)
                    except WorkspaceError:
                        continue  # binary, too large or gone meanwhile: nothing that could be shown
                    lines = await asyncio.to_thread(matcher, snapshot)
                    files += bool(lines)
                    found += lines
                    if len(found) > MAX_MATCHES:
                        found[MAX_MATCHES:] = [f"[more than {MAX_MATCHES} lines; narrow the search]"]
                        break
        except TimeoutError as e:
            raise ToolTimedOut("The search took too long; give a folder or a simpler pattern.") from e
        return Finding("\n".join(found) or "[no matches]", f"{len(found)} lines in {files} files")


def _literal(pattern: str) -> Matcher:
    def matching_lines(snapshot: FileSnapshot) -> list[str]:
        if pattern not in snapshot.text:
            return []
        return _lines_where(snapshot, lambda line: pattern in line)

    return matching_lines


def _expression(pattern: str) -> Matcher:
    # `regex`, unlike `re`, can be stopped: an expression of the model must not hang the server.
    import regex

    try:
        compiled = regex.compile(pattern)
    except regex.error as e:
        raise InvalidArguments(f"`pattern` is no regular expression: {e}") from e
    return lambda snapshot: _lines_where(snapshot, lambda line: compiled.search(line, timeout=2.0) is not None)


def _lines_where(snapshot: FileSnapshot, matches: Callable[[str], bool]) -> list[str]:
    found: list[str] = []
    for number, line in enumerate(split_lines(snapshot.text), 1):
        content = line_content(line)
        if matches(content):
            shown = content if len(content) <= MAX_LINE else content[:MAX_LINE] + " […]"
            found.append(f"{snapshot.path}:{number}: {shown}")
            if len(found) > MAX_MATCHES:
                break
    return found
