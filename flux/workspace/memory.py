"""The fake workspace: files and open buffers in memory, with the rules of the real ones.

It ships, for tests and for trying a turn without touching a file. A buffer is changed as an editor changes it, unsaved
and with a version; `type_into` plays the user who types meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from flux.core.diagnostics import Diagnostic, ProblemReport
from flux.core.errors import FileMissing, IsFolder, NotText, SecretFile, WriteRefused
from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.edits.match import edit_text
from flux.edits.plan import (
    AppliedChange,
    AppliedPlan,
    CreateFile,
    DeleteFile,
    EditPlan,
    FileChange,
    RenameFile,
    rebase_change,
    taken,
)
from flux.workspace.encoding import DecodedText, check_size, decode, encode, encode_anew
from flux.workspace.ignore import check_allowed, is_listed
from flux.workspace.paths import locate, locate_folder


class MemoryWorkspace:
    """A workspace made of `files`: names as `path` takes them, to texts, or to bytes as they would be on disk."""

    def __init__(self, files: Mapping[str, str | bytes], roots: Sequence[str] = ("/memory",)) -> None:
        self._roots = tuple(str(Path(root).absolute()) for root in roots)
        self._saved: dict[WorkspacePath, bytes] = {}
        self._buffers: dict[WorkspacePath, FileSnapshot] = {}
        self._diagnostics: dict[WorkspacePath, tuple[Diagnostic, ...]] = {}
        self._reports: dict[WorkspacePath, ProblemReport] = {}
        self._read_only: set[WorkspacePath] = set()
        for name, content in files.items():
            self._saved[self.path(name)] = content if isinstance(content, bytes) else content.encode("utf-8")

    @property
    def roots(self) -> Sequence[str]:
        return self._roots

    def path(self, text: str) -> WorkspacePath:
        return locate(self._roots, text, self._exists)

    async def read(self, path: WorkspacePath) -> FileSnapshot:
        return self._read(path)

    async def read_bytes(self, path: WorkspacePath, limit: int) -> bytes:
        check_allowed(path)
        if path not in self._saved:
            raise FileMissing(f"There is no file {path}.", path=str(path))
        check_size(len(self._saved[path]), str(path), limit)
        return self._saved[path]

    async def list_files(self, folder: str = "") -> Sequence[WorkspacePath]:
        names = sorted({*self._saved, *self._buffers}, key=lambda path: (self._roots.index(path.root), path.relative))
        listed = [path for path in names if is_listed(path.relative, lambda name, path=path: self._text(path, name))]
        if folder in ("", "."):
            return listed
        start = locate_folder(self._roots, folder, self._exists)
        check_allowed(start)
        inside = [path for path in names if path.root == start.root and start.absolute() in path.absolute().parents]
        if not inside:
            raise FileMissing(f"There is no folder {folder}.", path=folder)
        return [path for path in inside if path in listed]

    def open_buffers(self) -> Sequence[FileSnapshot]:
        return tuple(reversed(self._buffers.values()))

    def unsaved(self) -> Mapping[WorkspacePath, FileSnapshot | None]:
        """All that can be read as text: nothing of it is on a disk."""
        shown = {buffer.path: buffer for buffer in self.open_buffers()}
        for path in self._saved:
            with suppress(NotText, SecretFile):
                shown.setdefault(path, self._read(path))
        return dict(shown)

    async def diagnostics(self, path: WorkspacePath) -> Sequence[Diagnostic]:
        return self._diagnostics.get(path, ())

    async def diagnostics_after(self, change: AppliedChange, timeout_s: float) -> ProblemReport | None:
        return self._reports.pop(change.new_path, None)

    async def apply(self, plan: EditPlan) -> AppliedPlan:
        changes = [self._stage(change) for change in plan.changes]
        for change in changes:
            if change.new_path != change.path:
                self._write(change.path, None)
            self._write(change.new_path, change.after)
        return AppliedPlan(plan.label, tuple(changes))

    def hurry(self, plan: EditPlan) -> None:
        """Nothing: it is made at once."""

    async def clear_leftovers(self, beside: Iterable[WorkspacePath]) -> None:
        """Nothing: what is in memory goes with its process."""

    def open_buffer(self, name: str, text: str | None = None) -> FileSnapshot:
        """Open the file in the pretended editor, with unsaved `text` where it is given. The latest is the first."""
        path = self.path(name)
        shown = FileSnapshot(path, text) if text is not None else self._read(path)
        self._buffers.pop(path, None)
        self._buffers[path] = replace(shown, version=1, origin="buffer")
        return self._buffers[path]

    def type_into(self, name: str, old: str, new: str) -> None:
        """The user replaces the only occurrence of `old` in the file: in its buffer if it is open, else on disk."""
        path = self.path(name)
        now = self._read(path)
        self._write(path, _with_text(now, edit_text(now.text, old, new)))

    def report(self, name: str, *diagnostics: Diagnostic) -> None:
        """Another tool reports these for the file, in place of earlier ones."""
        self._diagnostics[self.path(name)] = diagnostics

    def report_after_change(self, name: str, report: ProblemReport) -> None:
        """Another tool reports this after the next change of the file."""
        self._reports[self.path(name)] = report

    def make_read_only(self, name: str) -> None:
        self._read_only.add(self.path(name))

    def saved_bytes(self, name: str) -> bytes | None:
        """What is on the pretended disk, None where nothing is."""
        return self._saved.get(self.path(name))

    def _exists(self, path: WorkspacePath) -> bool:
        wanted = path.absolute()
        places = (path.absolute() for path in (*self._saved, *self._buffers))
        return any(wanted == place or wanted in place.parents for place in places)

    def _text(self, beside: WorkspacePath, name: str) -> str | None:
        path = replace(beside, relative=name)
        return self._read(path).text if path in self._saved or path in self._buffers else None

    def _read(self, path: WorkspacePath) -> FileSnapshot:
        check_allowed(path)
        if path in self._buffers:
            return self._buffers[path]
        if path not in self._saved:
            if self._exists(path):
                raise IsFolder(f"{path} is a folder, not a file.", path=str(path), hint="List its files instead.")
            raise FileMissing(f"There is no file {path}.", path=str(path))
        decoded = decode(self._saved[path], str(path))
        return FileSnapshot(path, decoded.text, None, "disk", decoded.encoding, decoded.has_bom)

    def _stage(self, change: FileChange) -> AppliedChange:
        path = change.path
        check_allowed(path)
        before = self._read(path) if path in self._buffers or path in self._saved else None
        present = rebase_change(change, before)
        if path in self._read_only:
            raise WriteRefused(f"{path} is read-only. Nothing was changed.", path=str(path))
        if isinstance(present, DeleteFile):
            return AppliedChange(path, before, None, is_saved=True)
        if isinstance(present, CreateFile):
            old = FileSnapshot(path, "", encoding=present.encoding, has_bom=present.has_bom, mode=present.mode)
        else:
            old = present.snapshot
        after = _with_text(old, present.new_text())
        if isinstance(present, RenameFile):
            check_allowed(present.new_path)
            if present.new_path in self._buffers or present.new_path in self._saved:
                raise taken(present.new_path)
            after = replace(after, path=present.new_path)
        return AppliedChange(path, before, after, is_saved=after.origin == "disk")

    def _write(self, path: WorkspacePath, after: FileSnapshot | None) -> None:
        if after is None:
            self._buffers.pop(path, None)
            self._saved.pop(path, None)
        elif after.origin == "buffer":
            self._buffers[path] = after
        else:
            self._saved[path] = _bytes_of(after)


def _with_text(before: FileSnapshot, text: str) -> FileSnapshot:
    """The file with another text, as an editor or the disk would have it."""
    after = replace(before, text=text, version=None if before.version is None else before.version + 1)
    if before.origin == "buffer":
        _bytes_of(after)  # half a character is refused here too
        return after
    _, decoded = encode_anew(DecodedText(text, before.encoding, before.has_bom), str(before.path))
    return replace(after, text=decoded.text, encoding=decoded.encoding, has_bom=decoded.has_bom)


def _bytes_of(snapshot: FileSnapshot) -> bytes:
    return encode(DecodedText(snapshot.text, snapshot.encoding, snapshot.has_bom), str(snapshot.path))
