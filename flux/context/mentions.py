"""What a message names by `@`: files, parts of them, folders, pictures, problems, changes, open files, definitions.

A word with `@` that is nothing of these (a decorator, an address) stays what it is. What looks like a path and is none
is told, with the nearest names; the message goes all the same.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from flux.context.definitions import Index, definitions_of
from flux.context.diagnostics import problems
from flux.context.git_changes import git_changes
from flux.context.images import is_image, read_image
from flux.context.item import ContextItem, cut
from flux.core.errors import FileMissing, IsFolder, OutsideWorkspace, ToolTimedOut, WorkspaceError
from flux.core.messages import Image
from flux.core.snapshot import WorkspacePath
from flux.core.text import LineIndex
from flux.workspace.paths import composed
from flux.workspace.workspace import Workspace

MAX_MENTIONS = 20
MAX_LISTED = 200
MAX_NOTICE = 400
"""Characters: enough for three names of files."""
_LINE_NUMBERS = r"(?::|#L)(?P<first>\d+)(?:-L?(?P<last>\d+)|:\d+)?"
_MENTION = re.compile(
    r"""(?<![\w@/.+-])@(?:"(?P<quoted>[^"\n]+)"(?P<lines>(?::|#L)\d+(?:-L?\d+)?)?|(?P<word>\S+?)(?=\s|$|[,;|、，]+@))"""
)
_LINES = re.compile(rf"(?P<name>.+?){_LINE_NUMBERS}")
_SYMBOL = re.compile(r"[^\W\d]\w+(?:(?:\.|::)[^\W\d]\w+)*")
_LOOKS_LIKE_A_PATH = re.compile(r"/|\.\w{1,8}$")
_BEHIND = ".:!?,;()[]{}<>*|~\"'`…—–。、，；：！？（）【】「」『』《》“”‘’«»"
"""What may stand behind a name and be no part of it."""
_PLAIN = re.compile(r"""(?:[^\s"'`<>({[,;]|(?<=/)[({[])+""")
_END = re.compile(r"[^\w./\\-]|(?<=[ -~])[^\W -~]")
"""Where a name may end within a word: at a mark, and where another script begins (`@a.pyを`)."""
MAX_READINGS = 12
MAX_BLANKS = 3


@dataclass(slots=True)
class Mentioned:
    """What the mentions of one message come to. `notices` are for the user."""

    items: list[ContextItem] = field(default_factory=list[ContextItem])
    images: list[Image] = field(default_factory=list[Image])
    notices: list[str] = field(default_factory=list[str])
    paths: list[WorkspacePath] = field(default_factory=list[WorkspacePath])
    """The files that went along, as far as they fit."""


@dataclass(frozen=True, slots=True)
class _Name:
    """What stands behind an `@`. `readings` are the names of files that it may be, the longest first.

    `plain` is what it is where none of them is a file.
    """

    readings: tuple[str, ...]
    plain: str


async def mentioned(text: str, workspace: Workspace, limit: int, index: Index | None = None) -> Mentioned:
    """All that the text names, each once, in its order; texts share `limit` characters evenly.

    Names of definitions are looked up in the `index`.
    """
    names = list({name.plain: name for name in _names(text)}.values())
    found = Mentioned()
    for number, name in enumerate(names[:MAX_MENTIONS]):
        left = limit - sum(len(item.text) for item in found.items)
        share = max(left, 0) // (min(len(names), MAX_MENTIONS) - number)
        if not await _add(found, name, workspace, share) and index is not None and _SYMBOL.fullmatch(name.plain):
            await _add_symbol(found, name.plain, workspace, index, share)
    if len(names) > MAX_MENTIONS:
        found.notices.append(f"Only the first {MAX_MENTIONS} of {len(names)} mentions were looked at.")
    found.notices = list(map(_bounded, found.notices))
    return found


def _bounded(notice: str) -> str:
    """What the user is told, without the middle of what they wrote at length."""
    half = MAX_NOTICE // 2
    return notice if len(notice) <= MAX_NOTICE else f"{notice[:half]} […] {notice[-half:]}"


def _names(text: str) -> Iterator[_Name]:
    for match in _MENTION.finditer(text):
        if match["quoted"]:
            name = match["quoted"] + (match["lines"] or "")
            yield _Name((name,), name)
            continue
        word = match["word"].rstrip(_BEHIND)
        plain = _PLAIN.match(word)
        if plain is not None:
            ends = [end.start() for end in _END.finditer(word)][:MAX_READINGS]
            shorter = (word[:end] for end in reversed(ends) if word[:end].rstrip("/") == word[:end] != "")
            readings = (*_with_blanks(match["word"], text[match.end() :]), match["word"], word, *shorter)
            yield _Name(tuple(dict.fromkeys(readings)), plain[0].rstrip(_BEHIND))


def _with_blanks(word: str, behind: str) -> Iterator[str]:
    """The word with those behind it in its line: a name with blanks need not be quoted where there is such a file."""
    words = behind.partition("\n")[0].partition("@")[0].split(" ")[1 : 1 + MAX_BLANKS]
    for count in range(len(words), 0, -1):
        yield " ".join([word, *words[:count]]).rstrip(_BEHIND)


async def _add(found: Mentioned, name: _Name, workspace: Workspace, limit: int) -> bool:
    """Whether the name is of something, or of nothing and that was told."""
    match name.plain:
        case "diagnostics":
            reports = [
                problems(buffer, await workspace.diagnostics(buffer.path)) for buffer in workspace.open_buffers()
            ]
            items = [report for report in reports if report is not None]
            found.items += items or [ContextItem("problems", "open files", "none")]
        case "diff":
            changes = await git_changes(workspace, limit)
            found.notices += changes.notices
            found.items += changes.items
            if not changes.items and not changes.notices:
                found.items.append(ContextItem("git_changes", "git", "none"))
        case "open":
            buffers = workspace.open_buffers()
            found.items += [
                cut(ContextItem("file", str(buffer.path), buffer.text), limit // len(buffers)) for buffer in buffers
            ]
        case _:
            return await _add_path(found, name, workspace, limit)
    return True


async def _add_symbol(found: Mentioned, name: str, workspace: Workspace, index: Index, limit: int) -> None:
    try:
        items = await definitions_of(name, workspace, index)
    except ToolTimedOut:
        found.notices.append(f"@{name} was not looked up: the project is still being read.")
    except WorkspaceError as e:
        found.notices.append(f"@{name} was not sent along: {e.message}")
    else:
        found.items += [cut(item, limit // len(items)) for item in items]


async def _add_path(found: Mentioned, name: _Name, workspace: Workspace, limit: int) -> bool:
    """The same for a path; what only may be one is left to others."""
    try:
        for reading in name.readings:
            if await _add_reading(found, reading, workspace, limit):
                return True
        wanted = _without_lines(name.plain)
        if not _LOOKS_LIKE_A_PATH.search(wanted):
            return False
        files = [str(path) for path in await workspace.list_files()]
        ends: list[str] = []
        for reading in name.readings:
            short = _without_lines(reading)
            end = f"/{composed(short)}"
            ends = ends or [file for file in files if composed(file).endswith(end)]
            if len(ends) == 1 and await _add_reading(found, ends[0] + reading.removeprefix(short), workspace, limit):
                return True
    except WorkspaceError as e:
        found.notices.append(f"@{name.plain} was not sent along: {e.message}")
        return True
    near = ends[:3] or _nearest(wanted, files)
    is_like_others = any(file.endswith(PurePosixPath(wanted).suffix) for file in files)
    if near or "/" in wanted or is_like_others:
        hint = f" Did you mean {' or '.join(map(_as_mention, near))}?" if near else ""
        found.notices.append(f"There is no file @{wanted}, so none was sent along.{hint}")
        return True
    return False


def _without_lines(name: str) -> str:
    lines = _LINES.fullmatch(name)
    return lines["name"] if lines else name


def _as_mention(file: str) -> str:
    """The name as it is to be written in a message."""
    return f'@"{file}"' if re.search(r"\s", file) else f"@{file}"


async def _add_reading(found: Mentioned, name: str, workspace: Workspace, limit: int) -> bool:
    """Whether there is something of that name, or of that name without line numbers; it is added then."""
    lines = _LINES.fullmatch(name)
    return await _add_named(found, name, None, workspace, limit) or (
        lines is not None and await _add_named(found, lines["name"], lines, workspace, limit)
    )


async def _add_named(
    found: Mentioned, name: str, lines: re.Match[str] | None, workspace: Workspace, limit: int
) -> bool:
    """Whether there is something of that name; it is added then."""
    try:
        path = workspace.path(name)
    except OutsideWorkspace:
        if PurePosixPath(name).is_absolute() or name.startswith(".."):
            raise
        return False  # such as `scope/package`, in several folders
    try:
        if is_image(name):
            found.images.append(await read_image(path, workspace))
            found.items.append(ContextItem("image", str(path), f"picture {len(found.images)} of this message"))
            return True
        snapshot = await workspace.read(path)
    except IsFolder:
        found.items.append(_listing(name, await workspace.list_files(name)))
        return True
    except FileMissing:
        return False
    item = ContextItem("file", str(path), snapshot.text)
    if lines is not None:
        first, last = int(lines["first"]), int(lines["last"] or lines["first"])
        item = _part(item, first, last)
        if not item.text:
            count = len(snapshot.text.splitlines())
            found.notices.append(f"There are no lines {first} to {last} in {path}, which has {count}.")
            return True
    if any((item.kind, item.origin) == (known.kind, known.origin) for known in found.items):
        return True
    found.paths.append(path)
    found.items.append(cut(item, limit))
    return True


def _part(item: ContextItem, first: int, last: int) -> ContextItem:
    """The lines `first` to `last`, numbered from 1; without a text where there are none."""
    index = LineIndex(item.text)
    text = "".join(index.line(number) for number in range(max(first, 1) - 1, min(last, index.line_count)))
    return replace(item, origin=f"{item.origin} lines {first}-{last}", text=text)


def _listing(name: str, paths: Sequence[WorkspacePath]) -> ContextItem:
    names = [str(path) for path in paths[:MAX_LISTED]]
    if len(paths) > MAX_LISTED:
        names.append(f"[{len(paths) - MAX_LISTED} more]")
    return ContextItem("folder", name, "\n".join(names))


def _nearest(wanted: str, files: Sequence[str]) -> list[str]:
    """Up to three files that may be meant: alike as a whole, or in their last part."""
    alike = difflib.get_close_matches(wanted, files, 3, 0.75)
    by_name = {PurePosixPath(file).name: file for file in reversed(files)}
    also = difflib.get_close_matches(PurePosixPath(wanted).name, list(by_name), 3, 0.75)
    return list(dict.fromkeys([*alike, *(by_name[name] for name in also)]))[:3]
