"""The forms in which models were trained to write edits, read into one: what to replace by what, file by file.

Unified diffs, the `*** Begin Patch` form, SEARCH/REPLACE blocks, whole files in fences, and the arguments of
Anthropic's text-editor tool. Reading decides nothing about places: line numbers in a form are left aside, and `match`
finds each block or refuses it. Knows no files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from flux.core.errors import EditError


@dataclass(frozen=True, slots=True)
class Replacement:
    """Put `new_text` where `old_text` stands, or everywhere. An empty `old_text` is a new file's text."""

    old_text: str
    new_text: str
    is_for_all: bool = False


@dataclass(frozen=True, slots=True)
class ReplaceIn:
    """Replacements in one file, made together. `path` is empty where the form named none."""

    path: str
    replacements: tuple[Replacement, ...]


@dataclass(frozen=True, slots=True)
class WriteWhole:
    """The whole text of a file, new or not."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Remove:
    path: str


@dataclass(frozen=True, slots=True)
class Move:
    """A file gets another name; changes to its text stand beside it as `ReplaceIn` under the old name."""

    path: str
    new_path: str


@dataclass(frozen=True, slots=True)
class InsertAfter:
    """Put `text` behind a line, numbered from 1; 0 is the beginning of the file."""

    path: str
    line: int
    text: str


FileRequest = ReplaceIn | WriteWhole | Remove | Move | InsertAfter


def read_edits(text: str) -> tuple[FileRequest, ...]:
    """What a text in one of the forms asks for, in its order; empty where it has none of them.

    Raises EditError where a form begins and is not whole, as in an answer that was cut off.
    """
    readers: Sequence[tuple[str, Callable[[str], Iterator[FileRequest]]]] = (
        ("*** Begin Patch", _read_patch),
        ("<<<<<<<", _read_blocks),
        ("\n@@ ", _read_diff),
        ("```", _read_fences),
    )
    for mark, read in readers:
        if mark in f"\n{text}" and (found := tuple(read(text.replace("\r\n", "\n")))):
            return found
    return ()


def read_editor_command(arguments: Mapping[str, object]) -> FileRequest:
    """What a call of Anthropic's text-editor tool (`text_editor_20250728` and before) asks for.

    `create`, `str_replace` and `insert`; `view` is no edit. Raises EditError for other commands and missing arguments.
    """

    def text(name: str, *others: str) -> str:
        value = next((arguments[key] for key in (name, *others) if key in arguments), None)
        if not isinstance(value, str):
            raise EditError(f"The command {command!r} needs `{name}`, a string.")
        return value

    command = arguments.get("command")
    match command:
        case "create":
            return WriteWhole(text("path"), text("file_text"))
        case "str_replace":
            new_text = text("new_str") if arguments.get("new_str") is not None else ""
            return ReplaceIn(text("path"), (Replacement(text("old_str"), new_text),))
        case "insert":
            line = arguments.get("insert_line")
            if not isinstance(line, int) or isinstance(line, bool) or line < 0:
                raise EditError("The command 'insert' needs `insert_line`, a whole number from 0 on.")
            return InsertAfter(text("path"), line, text("insert_text", "new_str"))
        case _:
            raise EditError(f"There is no command {command!r}.", hint="There are: create, str_replace, insert.")


# The *** Begin Patch form.


def _read_patch(text: str) -> Iterator[FileRequest]:
    begin = text.index("*** Begin Patch")
    end = text.find("\n*** End Patch", begin)
    if end < 0:
        raise EditError("The patch has no `*** End Patch`: it was cut off, so nothing was changed.")
    for part in re.split(r"^\*\*\* (?=(?:Add|Update|Delete) File: )", text[begin:end], flags=re.MULTILINE)[1:]:
        head, _, body = part.partition("\n")
        kind, _, path = head.partition(" File: ")
        path = path.strip()
        match kind:
            case "Add":
                lines = [line[1:] for line in body.split("\n") if line.startswith("+")]
                yield WriteWhole(path, "".join(f"{line}\n" for line in lines))
            case "Delete":
                yield Remove(path)
            case _:
                yield from _read_update(path, body)


def _read_update(path: str, body: str) -> Iterator[FileRequest]:
    lines = body.split("\n")
    replacements = tuple(_hunk_replacement(hunk) for hunk in _hunks(lines) if _changes(hunk))
    if replacements:
        yield ReplaceIn(path, replacements)
    if lines[0].startswith("*** Move to: "):
        yield Move(path, lines[0].removeprefix("*** Move to: ").strip())


def _hunks(lines: Sequence[str]) -> Iterator[list[str]]:
    """The lines of each hunk, with their marks; a line without a mark is context whose blank was lost."""
    hunk: list[str] = []
    for line in lines:
        if line.startswith("@@"):
            yield hunk
            hunk = []
        elif not line.startswith(("***", "\\ No newline")):
            hunk.append(line)
    yield hunk


def _changes(hunk: Sequence[str]) -> bool:
    return any(line.startswith(("+", "-")) for line in hunk)


def _hunk_replacement(hunk: Sequence[str]) -> Replacement:
    lines = list(hunk)
    while lines and not lines[-1]:  # what separates the hunk from what follows
        lines.pop()
    old = [line[1:] for line in lines if not line.startswith("+")]
    new = [line[1:] for line in lines if not line.startswith("-")]
    return Replacement("".join(f"{line}\n" for line in old), "".join(f"{line}\n" for line in new))


# Unified diffs.

_DIFF_FILE = re.compile(r"^--- (?P<old>\S.*)\n\+\+\+ (?P<new>\S.*)\n", re.MULTILINE)


def _read_diff(text: str) -> Iterator[FileRequest]:
    files = list(_DIFF_FILE.finditer(text))
    if not files:
        yield from _read_diff_body("", text[text.index("@@") :])
    for number, file in enumerate(files):
        end = files[number + 1].start() if number + 1 < len(files) else len(text)
        old, new = _diff_path(file["old"]), _diff_path(file["new"])
        if new == "/dev/null":
            yield Remove(old)
        elif old == "/dev/null":
            added = [line[1:] for line in text[file.end() : end].split("\n") if line.startswith("+")]
            yield WriteWhole(new, "".join(f"{line}\n" for line in added))
        else:
            yield from _read_diff_body(old, text[file.end() : end])
            if old != new:
                yield Move(old, new)


def _read_diff_body(path: str, body: str) -> Iterator[FileRequest]:
    hunks = [_without_headers(hunk) for hunk in _hunks(body.split("\n"))]
    replacements = tuple(_hunk_replacement(hunk) for hunk in hunks if _changes(hunk))
    if replacements:
        yield ReplaceIn(path, replacements)


def _without_headers(hunk: Sequence[str]) -> list[str]:
    """Up to the fence or the `diff --git` of the next file."""
    kept: list[str] = []
    for line in hunk:
        if line.startswith(("```", "~~~", "diff --git ", "index ")):
            break
        kept.append(line)
    return kept


def _diff_path(name: str) -> str:
    path = name.partition("\t")[0].strip()
    return path[2:] if path.startswith(("a/", "b/")) else path


# SEARCH/REPLACE blocks.

_BLOCK = re.compile(
    r"^<{5,9} ?(?:SEARCH|ORIGINAL|HEAD)?[ \t]*\n(?P<old>.*?)^={5,9}[ \t]*\n"
    r"(?P<new>.*?)^>{5,9} ?(?:REPLACE|UPDATED)?[^\n]*$",
    re.MULTILINE | re.DOTALL,
)
_BLOCK_BEGIN = re.compile(r"^<{5,9} ?(?:SEARCH|ORIGINAL|HEAD)?[ \t]*$", re.MULTILINE)


def _read_blocks(text: str) -> Iterator[FileRequest]:
    blocks = list(_BLOCK.finditer(text))
    if len(blocks) != len(_BLOCK_BEGIN.findall(text)):
        raise EditError("A SEARCH/REPLACE block is not whole: it was cut off, so nothing was changed.")
    path = ""
    gathered: list[Replacement] = []
    for block in blocks:
        named = _path_above(text[: block.start()])
        if named and named != path:
            if gathered:
                yield ReplaceIn(path, tuple(gathered))
            path, gathered = named, []
        gathered.append(Replacement(block["old"], block["new"]))
    if gathered:
        yield ReplaceIn(path, tuple(gathered))


_PATH = re.compile(r"^[#*`\s]*(?P<path>[\w./\\@+~-][\w ./\\@+~-]*\.\w+|[\w./\\@+-]*/[\w.@+-]+)[*`:\s]*$")


def _path_above(text: str) -> str:
    """The file named in the line above, beyond the beginning of a fence; empty where there is none."""
    for line in reversed(text.rstrip("\n").split("\n")[-3:]):
        if line.startswith((">>>>>", "=====")):
            return ""
        if not line.strip() or line.startswith(("```", "~~~")):
            continue
        found = _PATH.match(line)
        return found["path"].strip() if found else ""
    return ""


# Whole files in fences.

_FENCE = re.compile(
    r"^(?P<fence>`{3,}|~{3,})(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=fence)[ \t]*$", re.MULTILINE | re.DOTALL
)


def _read_fences(text: str) -> Iterator[FileRequest]:
    """Only of fences that name their file: in the line above, or behind the language."""
    for fence in _FENCE.finditer(text):
        in_info = _PATH.match(fence["info"].rpartition(" ")[2].rpartition(":")[2].rpartition("=")[2].strip("\"'"))
        path = in_info["path"] if in_info else _path_above(text[: fence.start()])
        if path:
            yield WriteWhole(path, fence["body"])
