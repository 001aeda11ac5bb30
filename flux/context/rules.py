"""What project and user ask of an assistant. Shown to the model as data, each with its origin.

`AGENTS.md` of a folder and `.flux/rules/*.md` of a root, and the user's own. What stands nearer to a file comes later
and wins. Knows no trust: as text these take effect without a question.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from flux.context.item import ContextItem, read_rendered
from flux.core.errors import FileMissing, WorkspaceError
from flux.core.messages import Message, Text
from flux.core.snapshot import WorkspacePath
from flux.workspace.workspace import Workspace

FILE_NAME = "AGENTS.md"
RULES_FOLDER = ".flux/rules"
MAX_CHARACTERS = 20_000
MAX_RULES = 50
KIND = "rules"


@dataclass(frozen=True, slots=True)
class Rules:
    """`items` are for the model. `notices` tell the user which files of rules could not be read."""

    items: tuple[ContextItem, ...] = ()
    notices: tuple[str, ...] = ()


async def project_rules(workspace: Workspace, limit: int = MAX_CHARACTERS) -> Rules:
    """AGENTS.md and the rules of each root, as far as they can be read; `limit` characters in all."""
    names: list[str] = []
    for root in workspace.roots:
        names.append(f"{root}/{FILE_NAME}")
        try:
            listed = await workspace.list_files(f"{root}/{RULES_FOLDER}")
        except WorkspaceError:
            continue
        rules = [str(path.absolute()) for path in listed if path.relative.endswith(".md")]
        names += rules[:MAX_RULES]
    return await _read(workspace, names, limit, {})


async def rules_near(workspace: Workspace, paths: Collection[WorkspacePath], limit: int = MAX_CHARACTERS) -> Rules:
    """AGENTS.md of the folders that these files lie in, below their roots, outermost first.

    `limit` characters in all.
    """
    folders: dict[str, str] = {}
    for path in paths:
        for folder in reversed([*PurePosixPath(path.relative).parents][:-1]):
            folders[f"{path.root}/{folder}/{FILE_NAME}"] = f"for {folder}/, before rules farther away"
    return await _read(workspace, list(folders), limit, folders)


def user_rules(folder: Path | None, limit: int = MAX_CHARACTERS) -> Rules:
    """The user's own: AGENTS.md and `rules/*.md` in their configuration folder. Blocks; `limit` characters in all."""
    if folder is None:
        return Rules()
    files = [folder / FILE_NAME, *sorted((folder / "rules").glob("*.md"))[:MAX_RULES]]
    texts: list[tuple[str, str]] = []
    notices: list[str] = []
    for file in files:
        origin = f"the user's own {file.relative_to(folder).as_posix()}"
        try:
            texts.append((origin, file.read_text(encoding="utf-8-sig")))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, UnicodeDecodeError) as e:
            notices.append(f"Rules were not sent along, {origin}: {e}")
    return Rules(tuple(_items(texts, limit)), tuple(notices))


def known_rules(messages: Iterable[Message]) -> Mapping[str, str]:
    """The rules that a conversation has, by their origin, as they were shown last."""
    parts = (part for message in messages if message.role == "user" for part in message.parts if isinstance(part, Text))
    items = (read_rendered(part) for part in parts if part.text.startswith(f"<{KIND} "))
    return {item.origin: item.text for item in items if item}


def not_known(items: Iterable[ContextItem], known: Mapping[str, str]) -> list[ContextItem]:
    """The rules that a conversation does not have, or not as they are now."""
    return [item for item in items if known.get(item.origin, "").rstrip("\n") != item.text.rstrip("\n")]


async def _read(workspace: Workspace, names: Sequence[str], limit: int, remarks: dict[str, str]) -> Rules:
    texts: list[tuple[str, str]] = []
    notices: list[str] = []
    for name in names:
        try:
            snapshot = await workspace.read(workspace.path(name))
        except FileMissing:
            continue
        except WorkspaceError as e:
            notices.append(f"Rules were not sent along: {e.message}")
            continue
        remark = remarks.get(name)
        texts.append((f"{snapshot.path} ({remark})" if remark else str(snapshot.path), snapshot.text))
    return Rules(await asyncio.to_thread(lambda: tuple(_items(texts, limit))), tuple(notices))


def _items(texts: Sequence[tuple[str, str]], limit: int) -> Iterator[ContextItem]:
    """The texts, each with what of the room those before it left."""
    room = min(limit, MAX_CHARACTERS)
    for number, (origin, text) in enumerate(texts):
        share = max(room // (len(texts) - number), 0)
        kept = text if len(text) <= share else f"{text[:share]}\n[… {len(text) - share} more characters]"
        room -= min(len(text), share)
        if text.strip():
            yield ContextItem(KIND, origin, kept)
