"""`read_file`: the text of a file as the user has it now, unsaved changes included."""

from __future__ import annotations

from flux.core.errors import InvalidArguments
from flux.core.messages import ToolSpec
from flux.core.text import split_lines
from flux.tools.base import Arguments, Finding
from flux.workspace.workspace import Workspace

MAX_LINES = 2000
MAX_CHARACTERS = 100_000


class ReadFile:
    is_read_only = True
    spec = ToolSpec(
        "read_file",
        "Read a text file as the user has it open, unsaved changes included. Returns the bare text; a first line in "
        f"[brackets] says so when it is only a part. At most {MAX_LINES} lines a call.",
        {
            "type": "object",
            "properties": {
                "path": {"type": "string", "description": "Relative to the workspace folder"},
                "start_line": {"type": "integer", "description": "First line, from 1"},
                "end_line": {"type": "integer", "description": "Last line, included"},
            },
            "required": ["path"],
        },
    )

    def title(self, arguments: Arguments) -> str:
        return f"read {arguments.text('path')}"

    async def call(self, arguments: Arguments, workspace: Workspace) -> Finding:
        snapshot = await workspace.read(workspace.path(arguments.text("path")))
        lines = split_lines(snapshot.text)
        if lines[-1] == "":
            lines.pop()
        count = len(lines)
        first = arguments.integer("start_line", 1) or 1
        last = min(arguments.integer("end_line") or count, count)
        if first < 1 or (count and first > count) or (count and last < first):
            raise InvalidArguments(f"There are no lines {first} to {last}: {snapshot.path} has {count} lines.")
        shown = _bounded(lines[first - 1 : min(last, first - 1 + MAX_LINES)])
        text = "".join(shown)
        if len(shown) == count:
            return Finding(text, f"{count} lines")
        end = first + len(shown) - 1
        return Finding(f"[{snapshot.path} lines {first}-{end} of {count}]\n{text}", f"lines {first}-{end} of {count}")


def _bounded(lines: list[str]) -> list[str]:
    """As many lines as fit; a single line that is too long is cut, and says so."""
    size = 0
    for number, line in enumerate(lines):
        size += len(line)
        if size > MAX_CHARACTERS:
            if number:
                return lines[:number]
            return [f"{line[:MAX_CHARACTERS]} [… {len(line) - MAX_CHARACTERS} more characters in this line]\n"]
    return lines
