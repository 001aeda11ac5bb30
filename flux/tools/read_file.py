"""`read_file`: the text of files as the user has them now, unsaved changes included."""

from __future__ import annotations

import asyncio

from flux.core.errors import InvalidArguments, WorkspaceError
from flux.core.messages import ToolSpec
from flux.core.snapshot import FileSnapshot
from flux.core.text import split_lines
from flux.tools.base import Arguments, Finding
from flux.tools.symbols import outline_text
from flux.workspace.index.definitions import Definition
from flux.workspace.index.plain import plain_outline
from flux.workspace.workspace import Workspace

MAX_LINES = 2000
FIRST_LINES = 300
"""Of a longer file that was asked for whole, where the rest has an outline."""
MAX_CHARACTERS = 100_000
MAX_FILES = 20


class ReadFile:
    is_read_only = True
    spec = ToolSpec(
        "read_file",
        "Read text files as the user has them open, unsaved changes included. Returns the bare text; a first line in "
        f"[brackets] says so when it is only a part. At most {MAX_LINES} lines; of a longer file asked for whole the "
        "beginning and an outline. With `paths` several whole files, each after its name.",
        {
            "type": "object",
            "properties": {
                "path": {"type": "string", "description": "Relative to the workspace folder"},
                "start_line": {"type": "integer", "description": "First line, from 1"},
                "end_line": {"type": "integer", "description": "Last line, included"},
                "paths": {"type": "array", "items": {"type": "string"}, "description": "In the place of path"},
            },
        },
    )

    def title(self, arguments: Arguments) -> str:
        return f"read {', '.join(_names(arguments))}"

    async def call(self, arguments: Arguments, workspace: Workspace) -> Finding:
        names = _names(arguments)
        if "paths" not in arguments:
            snapshot = await workspace.read(workspace.path(names[0]))
            return await _part(snapshot, arguments, MAX_CHARACTERS)
        room = MAX_CHARACTERS
        found: list[str] = []
        refused: list[str] = []
        for number, name in enumerate(names):
            try:
                snapshot = await workspace.read(workspace.path(name))
            except WorkspaceError as e:
                refused.append(f"[{name}: {e.message}]\n")
                continue
            finding = await _part(snapshot, Arguments({}), max(room // (len(names) - number), 1000))
            room -= len(finding.text)
            found.append(_under_heading(snapshot, finding.text))
        return Finding("\n".join([*found, *refused]), f"{len(names)} files")


def _under_heading(snapshot: FileSnapshot, text: str) -> str:
    """With how many lines there are of it in front, so that a program can tell the next file from a line of this."""
    part = "" if text == snapshot.text else ", a part"
    text = text.removesuffix("\n") + "\n" if text else ""
    return f"[{snapshot.path}: {len(split_lines(text)) - 1} lines{part}]\n{text}"


def _names(arguments: Arguments) -> list[str]:
    if "paths" not in arguments:
        return [arguments.text("path")]
    names = list(dict.fromkeys(arguments.texts("paths")))
    if len(names) > MAX_FILES:
        raise InvalidArguments(f"`paths` may have {MAX_FILES} files at a time, not {len(names)}.")
    return names


async def _part(snapshot: FileSnapshot, arguments: Arguments, room: int) -> Finding:
    """The lines that are asked for, as far as they fit into `room` characters."""
    lines = split_lines(snapshot.text)
    if lines[-1] == "":
        lines.pop()
    count = len(lines)
    first = arguments.integer("start_line", 1) or 1
    last = min(arguments.integer("end_line") or count, count)
    if first < 1 or (count and first > count) or (count and last < first):
        raise InvalidArguments(f"There are no lines {first} to {last}: {snapshot.path} has {count} lines.")
    rest: list[Definition] = []
    most = MAX_LINES
    if count > MAX_LINES and "start_line" not in arguments and "end_line" not in arguments:
        data = snapshot.text.encode("utf-8", "replace")
        outline = await asyncio.to_thread(plain_outline, str(snapshot.path), data)
        rest = [definition for definition in outline if definition.line > FIRST_LINES]
        most = FIRST_LINES if rest else MAX_LINES
    shown = _bounded(lines[first - 1 : min(last, first - 1 + most)], room)
    text = "".join(shown)
    if len(shown) == count:
        return Finding(text, f"{count} lines")
    end = first + len(shown) - 1
    if rest:
        text += f"[… {count - end} more lines; their outline, by start_line:\n{outline_text(rest)}]\n"
    return Finding(f"[{snapshot.path} lines {first}-{end} of {count}]\n{text}", f"lines {first}-{end} of {count}")


def _bounded(lines: list[str], room: int) -> list[str]:
    """As many lines as fit; a single line that is too long is cut, and says so."""
    size = 0
    for number, line in enumerate(lines):
        size += len(line)
        if size > room:
            if number:
                return lines[:number]
            return [f"{line[:room]} [… {len(line) - room} more characters in this line]\n"]
    return lines
