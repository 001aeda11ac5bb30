"""What the user wants to stay in the conversation, whatever is left out: files in their newest text, and turns."""

from __future__ import annotations

from collections.abc import Sequence

from flux.agent.session_store import SessionStore
from flux.agent.store.fitted import Pin
from flux.context.item import Focus
from flux.context.pruning import Kept
from flux.core.errors import OutsideWorkspace, SessionError
from flux.core.snapshot import WorkspacePath
from flux.workspace.workspace import Workspace


class Pins:
    """Of one session. They are stored with it."""

    def __init__(self, store: SessionStore, session_id: str, workspace: Workspace) -> None:
        self._store = store
        self._session_id = session_id
        self._workspace = workspace

    def all(self) -> Sequence[Pin]:
        return self._store.fitted.pins(self._session_id)

    async def add(self, path: str = "") -> Pin:
        """Pin a file, the last turn where none is named. Raises what `Workspace.read` does, and SessionError."""
        if path:
            snapshot = await self._workspace.read(self._workspace.path(path))
            pin = Pin("file", str(snapshot.path))
        else:
            asked = [stored for stored in self._store.messages(self._session_id) if stored.message.role == "user"]
            if not asked:
                raise SessionError("There is no turn to pin yet.", hint="Name a file: /pin src/a.py")
            pin = Pin("turn", asked[-1].turn_id)
        if pin not in self.all():
            self._store.fitted.pin(self._session_id, pin)
        return pin

    def remove(self, path: str = "") -> Sequence[Pin]:
        """Pin it no more, nothing any more where no file is named; what was unpinned. Raises OutsideWorkspace."""
        name = str(self._workspace.path(path)) if path else ""
        gone = [pin for pin in self.all() if name in {"", pin.name}]
        for pin in gone:
            self._store.fitted.unpin(self._session_id, pin)
        return gone

    def files(self) -> Sequence[WorkspacePath]:
        """The pinned files, as far as they are in a folder that is open."""
        paths: list[WorkspacePath] = []
        for pin in self.all():
            try:
                paths += [self._workspace.path(pin.name)] if pin.kind == "file" else []
            except OutsideWorkspace:
                continue
        return paths

    def kept(self, focus: Focus | None) -> Kept:
        """What pruning leaves alone: all of this, and the file that the user is in."""
        pins = self.all()
        names = {pin.name for pin in pins if pin.kind == "file"} | ({str(focus.path)} if focus else set[str]())
        turns = {pin.name for pin in pins if pin.kind == "turn"}
        if not turns:
            return Kept(frozenset(names))
        asked = (one for one in self._store.messages(self._session_id) if one.turn_id in turns)
        return Kept(frozenset(names), frozenset(one.message for one in asked if one.message.role == "user"))
