"""Undo, redo and checkpoints in the editor: over all that Flux changed in the first folder, also before a restart.

What cannot be taken back is named, and the user asked whether the rest shall go. What goes back and how is in
`flux.agent.timeline`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from flux.agent.timeline import Checkpoint, Gone, Timeline
from flux.core.errors import PiecesRefused
from flux.lsp import results
from flux.lsp.methods import CheckpointRestore, TurnRedo, TurnUndo

if TYPE_CHECKING:
    from flux.lsp.server import FluxServer

REST = "Do the rest"
NOTHING = "Change nothing"
TURN_END_S = 0.5
"""Seconds that a turn may take from its last event until it is over; an undo that comes then is not too early."""


class EditorTimeline:
    """Back and forth for one connection."""

    def __init__(self, server: FluxServer) -> None:
        self._server = server
        self._timeline = Timeline(server.sessions.store, server.files, busy=server.turns.session_ids)
        self._going = asyncio.Lock()

    async def undo(self, given: TurnUndo) -> results.WentBack:
        return await self._go(lambda partial: self._timeline.undo(given.turn, partial=partial), given.partial)

    async def redo(self, given: TurnRedo) -> results.WentBack:
        return await self._go(lambda partial: self._timeline.redo(partial=partial), given.partial)

    async def restore(self, given: CheckpointRestore) -> results.WentBack:
        return await self._go(lambda partial: self._timeline.restore(given.checkpoint, partial=partial), given.partial)

    async def mark(self, name: str) -> results.Checkpoint:
        """Name this point, in the session that is at work here."""
        await self._server.turns.settle(TURN_END_S)
        async with self._going:  # the text shows an undo before the journal has it
            session = await self._server.sessions.chat()
            return _to_json(self._timeline.mark(session.id, name))

    def list(self) -> results.Checkpoints:
        return {"checkpoints": [_to_json(point) for point in self._timeline.checkpoints()]}

    async def _go(self, way: Callable[[bool], Awaitable[Gone]], partial: bool | None) -> results.WentBack:
        await self._server.turns.settle(TURN_END_S)
        try:
            async with self._going:
                gone = await way(partial is True)
        except PiecesRefused as e:
            if partial is not None or not e.has_rest:
                raise
            if await self._server.editor.choose(f"Flux: {e.message}", (REST, NOTHING)) != REST:
                raise
            async with self._going:
                gone = await way(True)
        if gone.notice:
            self._server.editor.show(f"Flux: {gone.notice}", "warning")
        changes = gone.applied.changes
        return {
            "paths": [str(change.new_path) for change in changes],
            "unsaved": [str(change.new_path) for change in changes if not change.is_saved],
            "refused": [
                {"path": str(piece.path), "line": piece.line, "diff": piece.diff, "reason": piece.reason}
                for piece in gone.refused
            ],
        }


def _to_json(point: Checkpoint) -> results.Checkpoint:
    return {
        "checkpoint": point.name or point.turn_id,
        "number": point.number,
        "name": point.name,
        "turn": point.turn_id,
        "title": point.title,
        "at": point.at,
    }
