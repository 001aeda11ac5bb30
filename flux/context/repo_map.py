"""The repository map: the definitions that matter most to where the user is, as an outline within a number of tokens.

The same files, open files and words give the same text in every process. Knows no parser; it asks the index.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Protocol

from flux.context.item import ContextItem
from flux.core.messages import Message, Text
from flux.core.snapshot import WorkspacePath
from flux.workspace.index.client import Place, Ranked
from flux.workspace.workspace import Workspace

TOKENS_OF_A_LINE = 6
"""Few lines of an outline have less: so many definitions are asked for as could fit at most."""

NEAR_BUFFERS = 10
"""So many open files count as what the user is at, the most recently used ones."""

KIND = "repository_map"
_WORD = re.compile(r"[A-Za-z_$][\w$]+")


class Index(Protocol):
    """What the map needs of `flux.workspace.index.client`."""

    async def ranked(
        self,
        workspace: Workspace,
        limit: int,
        *,
        near: Collection[WorkspacePath] = (),
        words: Collection[str] = (),
        shown: Collection[WorkspacePath] = (),
        within_s: float = 0.0,
    ) -> Ranked: ...


async def repository_map(
    workspace: Workspace,
    index: Index,
    count_tokens: Callable[[str], int],
    limit_tokens: int,
    *,
    text: str = "",
    shown: Collection[WorkspacePath] = (),
    within_s: float = 0.0,
) -> ContextItem | None:
    """The map, at most `limit_tokens` long as `count_tokens` counts; None where there is nothing to tell yet.

    `text` is the user's message, `shown` are the files that go along with it whole. Waits for files that are still to
    be read up to `within_s`; where they are not all read by then the map says so.
    """
    near = dict.fromkeys([*shown, *(buffer.path for buffer in workspace.open_buffers()[:NEAR_BUFFERS])])
    ranked = await index.ranked(
        workspace,
        max(limit_tokens // TOKENS_OF_A_LINE, 1),
        near=list(near),
        words=set(_WORD.findall(text)),
        shown=shown,
        within_s=within_s,
    )
    if not ranked.places:
        return None
    outline = await asyncio.to_thread(_fitting, ranked, count_tokens, limit_tokens)
    return ContextItem(KIND, "definitions used most, by file; not all", outline) if outline else None


def has_map(messages: Iterable[Message]) -> bool:
    """Whether one of the messages has a map."""
    return any(
        isinstance(part, Text) and part.text.startswith(f"<{KIND} ") for message in messages for part in message.parts
    )


def _fitting(ranked: Ranked, count_tokens: Callable[[str], int], limit_tokens: int) -> str:
    """The outline of as many of the first places as fit."""
    least, most = 0, len(ranked.places)
    best = ""
    while least < most:
        middle = (least + most + 1) // 2
        text = rendered(ranked.places[:middle]) + _note(ranked)
        if count_tokens(text) <= limit_tokens:
            least, best = middle, text
        else:
            most = middle - 1
    return best


def rendered(places: Sequence[Place]) -> str:
    """The places by file and line, each below what it lies in."""
    files: dict[WorkspacePath, set[tuple[int, int, str]]] = {}
    for place in places:
        lines = files.setdefault(place.path, set())
        lines.update((definition.line, depth, definition.text) for depth, definition in enumerate(place.chain, 1))
    return "".join(
        f"{path}\n" + "".join(f"{'  ' * depth}{text}\n" for _, depth, text in sorted(lines))
        for path, lines in sorted(files.items(), key=lambda item: str(item[0]))
    )


def _note(ranked: Ranked) -> str:
    if ranked.state != "full":
        return "[the project is still being read: names at first sight]\n"
    return "[of a part of the files: there are too many]\n" if ranked.is_cut else ""
