"""`search`: lines that hold a text or match an expression, unsaved changes included."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

from flux.core.errors import InvalidArguments, ToolTimedOut, WorkspaceError
from flux.core.messages import ToolSpec
from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.core.text import line_around, line_content, split_lines
from flux.tools.base import Arguments, Finding
from flux.workspace.ignore import MAX_LISTED
from flux.workspace.ripgrep import candidates
from flux.workspace.workspace import Workspace

MAX_MATCHES = 200
MAX_CONTEXT = 10
MAX_LINE = 300
TIME_LIMIT_S = 20.0

Matcher = Callable[[str], int]
"""Where a line matches first; -1 where it does not."""


class Search:
    """The tool. `ripgrep` is the program that narrows a search to files; None: all are read."""

    is_read_only = True
    spec = ToolSpec(
        "search",
        f"Find lines by a literal text or a regular expression. Returns path:line: text, at most {MAX_MATCHES} lines; "
        "lines of `context` have - in the place of the second colon.",
        {
            "type": "object",
            "properties": {
                "pattern": {"type": "string"},
                "is_regex": {"type": "boolean"},
                "folder": {"type": "string", "description": "Search only below this folder"},
                "context": {"type": "integer", "description": f"Lines to show around each, at most {MAX_CONTEXT}"},
            },
            "required": ["pattern"],
        },
    )

    def __init__(self, ripgrep: str | None = None) -> None:
        self._ripgrep = ripgrep

    def title(self, arguments: Arguments) -> str:
        return f"search {arguments.text('pattern')!r}"

    async def call(self, arguments: Arguments, workspace: Workspace) -> Finding:
        pattern = arguments.text("pattern")
        if not pattern:
            raise InvalidArguments("`pattern` must not be empty.")
        is_regex = arguments.flag("is_regex")
        matches = _expression(pattern) if is_regex else _literal(pattern)
        context = min(max(arguments.integer("context", 0) or 0, 0), MAX_CONTEXT)
        found: list[str] = []
        lines = files = 0
        try:
            async with asyncio.timeout(TIME_LIMIT_S):
                paths = await workspace.list_files(arguments.text("folder", ""))
                for path in await self._narrowed(paths, workspace, pattern, is_regex=is_regex):
                    try:
                        snapshot = await workspace.read(path)
                    except WorkspaceError:
                        continue  # binary, too large or gone meanwhile: nothing that could be shown
                    if not is_regex and pattern not in snapshot.text:
                        continue
                    places = await asyncio.to_thread(_matching, snapshot.text, matches, MAX_MATCHES + 1 - lines)
                    files += bool(places)
                    lines += len(places)
                    found += _shown(snapshot, dict(islice(places.items(), MAX_MATCHES + len(places) - lines)), context)
                    if lines > MAX_MATCHES:
                        found.append(f"[more than {MAX_MATCHES} lines; narrow the search]")
                        break
                if len(paths) >= MAX_LISTED:
                    found.append(f"[only the first {MAX_LISTED:,} files were searched; give a folder]")
        except TimeoutError as e:
            if not found:
                raise ToolTimedOut("The search took too long; give a folder or a simpler pattern.") from e
            found.append("[not all files were searched: it took too long; give a folder or a simpler pattern]")
        return Finding("\n".join(found) or "[no matches]", f"{min(lines, MAX_MATCHES)} lines in {files} files")

    async def _narrowed(
        self, paths: Sequence[WorkspacePath], workspace: Workspace, pattern: str, *, is_regex: bool
    ) -> Sequence[WorkspacePath]:
        """Those of the files that may match, as far as that is known without reading them."""
        if self._ripgrep is None:
            return paths
        found = await candidates(self._ripgrep, workspace.roots, pattern, is_regex=is_regex, timeout_s=TIME_LIMIT_S / 2)
        if found is None:
            return paths
        unsaved = workspace.unsaved()
        return [path for path in paths if path in unsaved or path.absolute() in found]


def _literal(pattern: str) -> Matcher:
    return lambda line: line.find(pattern)


def _expression(pattern: str) -> Matcher:
    # `regex`, unlike `re`, can be stopped: an expression of the model must not hang the server.
    import regex

    try:
        compiled = regex.compile(pattern)
    except regex.error as e:
        raise InvalidArguments(f"`pattern` is no regular expression: {e}") from e

    def place(line: str) -> int:
        found = compiled.search(line, timeout=2.0)
        return found.start() if found else -1

    return place


def _matching(text: str, matches: Matcher, limit: int) -> dict[int, int]:
    """The numbers, from 0, of the first lines that match, and where each does."""
    found: dict[int, int] = {}
    for number, line in enumerate(split_lines(text)):
        if (at := matches(line_content(line))) >= 0:
            found[number] = at
            if len(found) == limit:
                break
    return found


def _shown(snapshot: FileSnapshot, places: Mapping[int, int], context: int) -> Iterator[str]:
    """The lines with their places; with `context` also those around them, and `--` where lines between are left out."""
    lines = split_lines(snapshot.text)
    last = -1
    for number in places:
        first = max(number - context, last + 1)
        if context and last >= 0 and first > last + 1:
            yield "--"
        for index in range(first, min(number + context + 1, len(lines))):
            content = line_content(lines[index])
            if index == len(lines) - 1 and not lines[index]:
                continue  # what stands after the final newline is no line
            shown = line_around(content, places.get(index, 0), MAX_LINE)
            yield f"{snapshot.path}:{index + 1}{':' if index in places else '-'} {shown}"
            last = index
