"""What goes along with the user's words: rules, changes, files, notes, and once a conversation the map of the project.

Knows what the conversation shows already, and how much room the model has. Sends and stores nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from flux.agent.conversation import Conversation
from flux.agent.next_request import NextRequest
from flux.agent.pins import Pins
from flux.agent.undecided import Undecided
from flux.context.builder import DrawMap, UserMessage, user_message
from flux.context.item import ContextItem, Focus
from flux.context.repo_map import has_map, repository_map
from flux.context.rules import known_rules
from flux.core.errors import WorkspaceError
from flux.core.snapshot import WorkspacePath
from flux.workspace.index.client import SymbolIndex
from flux.workspace.workspace import Workspace

MAP_WAIT_S = 0.5
"""So long a message waits for files to be read for the map of the project. What is not there then comes with a later
message, or is the first look."""

MAP_TRIES = 3
"""The first so many messages ask for a map; a project that has none by then has nothing to tell."""

MAP_SHARE = 8
"""The map has at most this part of the room: 1 / 8."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Of one session. `index` None: there is no map. `own_rules` is the folder with the user's own rules."""

    conversation: Conversation
    pins: Pins
    index: SymbolIndex | None
    own_rules: Path | None

    async def message(
        self,
        text: str,
        focus: Focus | None,
        workspace: Workspace,
        desk: NextRequest,
        undecided: Undecided | None,
        notes: Sequence[str],
    ) -> UserMessage:
        """The user's message with all that goes along."""
        messages = self.conversation.messages
        build = partial(
            user_message,
            text,
            workspace,
            is_first=not messages,
            notes=notes,
            # Characters: half of the room, at about four a token.
            limit=max(desk.room_tokens * 2, 1000),
            draw_map=self._map_drawer(workspace, desk, text),
            index=self.index,
            own_rules=self.own_rules,
            known_rules=known_rules(messages),
            memory=self.conversation.memory,
            pinned=self.pins.files(),
        )
        try:
            return await build(await undecided.focus(focus) if undecided and focus else focus)
        except WorkspaceError as e:
            # The user's words must not be lost because the file beside them cannot be shown.
            built = await build(None)
            return replace(built, notices=(f"Sent without the current file: {e.message}", *built.notices))

    def _map_drawer(self, workspace: Workspace, desk: NextRequest, text: str) -> DrawMap | None:
        """What draws the map of the project for a message; None where the conversation has one, or is to have none."""
        index, limit = self.index, min(desk.settings.map_tokens, desk.room_tokens // MAP_SHARE)
        messages = self.conversation.messages
        asked = sum(message.role == "user" for message in messages)
        if index is None or not desk.preface.tools or limit <= 0 or asked >= MAP_TRIES or has_map(messages):
            return None

        async def draw(shown: Collection[WorkspacePath]) -> ContextItem | None:
            return await repository_map(
                workspace, index, desk.model.counter.count, limit, text=text, shown=shown, within_s=MAP_WAIT_S
            )

        return draw
