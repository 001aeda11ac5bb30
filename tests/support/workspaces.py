"""Workspaces to run one suite over: a world in which a workspace stands, and what can happen to it from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from flux.edits.plan import EditFile, EditPlan, FileChange
from flux.edits.text_edit import TextEdit
from flux.workspace.disk import DiskWorkspace
from flux.workspace.memory import MemoryWorkspace
from flux.workspace.workspace import Workspace

Files = Mapping[str, str | bytes]


class World(Protocol):
    """A workspace with one folder, seen from outside."""

    @property
    def workspace(self) -> Workspace: ...

    def type_into(self, name: str, old: str, new: str) -> None:
        """The user changes the file, which Flux does not know of."""
        ...

    def make_read_only(self, name: str) -> None: ...

    def saved_bytes(self, name: str) -> bytes | None:
        """What is on the disk, real or not; None where nothing is."""
        ...


class DiskWorld:
    """Real files below a folder of the test."""

    def __init__(self, folder: Path, files: Files) -> None:
        self._folder = folder
        for name, content in files.items():
            self._write(name, content if isinstance(content, bytes) else content.encode("utf-8"))
        self.workspace: Workspace = DiskWorkspace([folder])

    def type_into(self, name: str, old: str, new: str) -> None:
        self._write(name, (self._folder / name).read_bytes().replace(old.encode("utf-8"), new.encode("utf-8")))

    def make_read_only(self, name: str) -> None:
        (self._folder / name).chmod(0o444)

    def saved_bytes(self, name: str) -> bytes | None:
        path = self._folder / name
        return path.read_bytes() if path.exists() else None

    def _write(self, name: str, data: bytes) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


class MemoryWorld:
    """The shipped fake."""

    def __init__(self, files: Files) -> None:
        self.memory = MemoryWorkspace(files)
        self.workspace: Workspace = self.memory

    def type_into(self, name: str, old: str, new: str) -> None:
        self.memory.type_into(name, old, new)

    def make_read_only(self, name: str) -> None:
        self.memory.make_read_only(name)

    def saved_bytes(self, name: str) -> bytes | None:
        return self.memory.saved_bytes(name)


async def edit_of(workspace: Workspace, name: str, old: str, new: str) -> EditFile:
    """A change of the file's only `old` to `new`, computed on the text as it is now."""
    snapshot = await workspace.read(workspace.path(name))
    start = snapshot.text.index(old)
    return EditFile(snapshot, (TextEdit(start, start + len(old), new),))


def plan(*changes: FileChange) -> EditPlan:
    return EditPlan("test", changes)
