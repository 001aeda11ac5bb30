"""One message of the user: what they look at, then their own words.

The user's words are the last part of the message, alone, so that they can be shown and searched without the context.
Each item is a part of its own, so that it can be told what it is, and be left out later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from flux.context.buffers import MAX_CHARACTERS, current_file
from flux.context.definitions import Index
from flux.context.diagnostics import problems
from flux.context.git_changes import git_changes
from flux.context.item import ContextItem, Focus, cut, rendered
from flux.context.mentions import mentioned
from flux.context.rules import not_known, project_rules, rules_near, user_rules
from flux.context.selection import selected_text
from flux.context.shown import UNCHANGED, Memory
from flux.core.errors import WorkspaceError
from flux.core.messages import Message, Text
from flux.core.snapshot import WorkspacePath
from flux.workspace.workspace import Workspace

DrawMap = Callable[[Collection[WorkspacePath]], Awaitable[ContextItem | None]]
"""Makes the map of the project for a message with which these files go along."""


@dataclass(frozen=True, slots=True)
class UserMessage:
    """What is sent, and what the user must be told of it."""

    message: Message
    notices: Sequence[str] = ()


async def user_message(
    text: str,
    workspace: Workspace,
    focus: Focus | None = None,
    *,
    is_first: bool = False,
    notes: Sequence[str] = (),
    limit: int = 2 * MAX_CHARACTERS,
    draw_map: DrawMap | None = None,
    index: Index | None = None,
    own_rules: Path | None = None,
    known_rules: Mapping[str, str] | None = None,
    memory: Memory | None = None,
    pinned: Sequence[WorkspacePath] = (),
) -> UserMessage:
    """The message to send. The first of a session also has the uncommitted changes.

    `notes` tell the model what happened since its last answer (an undo, a cancelled turn). Rules, changes, the file in
    focus and what the text names by `@` share `limit` characters; a map of the project comes on top. The user's own
    rules are in the folder `own_rules`; those of folders nearer to a file go along with it. Of rules that the
    conversation has (`known_rules`) those go along that have changed, of files that `memory` knows from it only what is
    new, also of those that are `pinned`. Raises the errors of `Workspace.read` for the file in focus.
    """
    memory = memory or Memory()
    notices: list[str] = []
    known = known_rules or {}
    users = await asyncio.to_thread(user_rules, own_rules, limit // 8)
    projects = await project_rules(workspace, limit // 4)
    items = not_known((*users.items, *projects.items), known)
    rule_count = len(items)
    if is_first:
        notices += (*users.notices, *projects.notices)
        changes = await git_changes(workspace, limit // 4)
        items += changes.items
        notices += changes.notices
    head = ""
    if focus is not None:
        snapshot = await workspace.read(focus.path)
        head = f"Current file: {focus.path}\n"
        left = limit - sum(len(item.text) for item in items)
        items.append(current_file(snapshot, focus, min(left, MAX_CHARACTERS)))
        if focus.selection is not None and (selected := selected_text(snapshot, focus.selection)):
            items.append(cut(selected, max(limit - sum(len(item.text) for item in items), 0)))
        if found := problems(snapshot, focus.diagnostics or await workspace.diagnostics(focus.path)):
            items.append(found)
    named = await mentioned(text, workspace, limit - sum(len(item.text) for item in items), index)
    notices += (notice for notice in named.notices if notice not in notices)
    seen = {*named.paths, focus.path} if focus else set(named.paths)
    near = await rules_near(workspace, sorted(seen), limit // 8)
    notices += near.notices
    items[rule_count:rule_count] = not_known(near.items, known)
    items += [item for item in named.items if item not in items]
    pins = [item for item in await _whole_files(pinned, workspace) if item not in items]
    told = memory.told([*items, *pins])
    items = [*told[: len(items)], *(item for item in told[len(items) :] if item.text != UNCHANGED)]
    if draw_map is not None:
        drawn = await draw_map(sorted(seen))
        items += [drawn] if drawn else []
    items += [ContextItem("note", "flux", note) for note in notes]
    if not items:
        return UserMessage(Message("user", (*named.images, Text(text))), notices)
    context = (Text(f"<context>\n{head}"), *map(rendered, items), Text("</context>\n"))
    return UserMessage(Message("user", (*named.images, *context, Text(text))), notices)


async def _whole_files(paths: Sequence[WorkspacePath], workspace: Workspace) -> Sequence[ContextItem]:
    """These files; what cannot be read is left out."""
    items: list[ContextItem] = []
    for path in paths:
        with suppress(WorkspaceError):
            snapshot = await workspace.read(path)
            items.append(ContextItem("file", str(path), snapshot.text[:MAX_CHARACTERS]))
    return items
