"""Files on disk as a workspace: bytes are kept, a file is replaced whole or not at all.

The doors without an editor use it alone; the language server for files that are not open. Knows no buffers.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from flux.core.diagnostics import Diagnostic
from flux.core.errors import (
    FileMissing,
    FluxError,
    NotText,
    OverlappingEdits,
    StaleSnapshot,
    WorkspaceError,
    WriteRefused,
)
from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.edits.plan import AppliedChange, AppliedPlan, DeleteFile, EditPlan, FileChange, rebase_change
from flux.workspace.encoding import DecodedText, check_size, decode, encode
from flux.workspace.ignore import TEMPORARY_PREFIX, TEMPORARY_SUFFIX, check_allowed, walk
from flux.workspace.paths import check_inside, resolve, resolve_folder, root_labels


class DiskWorkspace:
    """Folders on disk. A change is saved when it is applied; a cancelled `apply` may still complete.

    Raises FileMissing for a root that is no folder.
    """

    def __init__(self, roots: Sequence[str | Path]) -> None:
        self._roots = tuple(os.path.abspath(root) for root in roots)  # noqa: PTH100  keeps symbolic links
        for root in self._roots:
            if not Path(root).is_dir():
                raise FileMissing(f"{root} is not a folder.", path=root)
        if not self._roots:
            raise FileMissing("A workspace needs at least one folder.")
        self._is_writing = threading.Lock()

    @property
    def roots(self) -> Sequence[str]:
        return self._roots

    def path(self, text: str) -> WorkspacePath:
        return resolve(self._roots, text)

    async def read(self, path: WorkspacePath) -> FileSnapshot:
        return await asyncio.to_thread(self._read, path)

    async def list_files(self, folder: str = "") -> Sequence[WorkspacePath]:
        return await asyncio.to_thread(self._list_files, folder)

    def open_buffers(self) -> Sequence[FileSnapshot]:
        return ()

    def diagnostics(self, path: WorkspacePath) -> Sequence[Diagnostic]:
        return ()

    async def apply(self, plan: EditPlan) -> AppliedPlan:
        return await asyncio.to_thread(self._apply, plan)

    def _list_files(self, folder: str) -> list[WorkspacePath]:
        labels = root_labels(self._roots)
        if folder in ("", "."):
            roots = zip(self._roots, labels, strict=True)
            return [WorkspacePath(root, name, label) for root, label in roots for name in sorted(walk(root))]
        start = resolve_folder(self._roots, folder)
        check_allowed(start)
        if not start.absolute().is_dir():
            raise FileMissing(f"There is no folder {folder}.", path=folder)
        return [WorkspacePath(start.root, name, start.label) for name in sorted(walk(start.root, start.relative))]

    def _real_path(self, path: WorkspacePath) -> Path:
        real = check_inside(self._roots, path)
        check_allowed(path, real)
        return Path(real)

    def _read(self, path: WorkspacePath) -> FileSnapshot:
        return _snapshot(path, _read_bytes(self._real_path(path), path))

    def _apply(self, plan: EditPlan) -> AppliedPlan:
        with self._is_writing:
            staged = [self._stage(change) for change in plan.changes]
            targets = {os.path.normcase(file.target) for file in staged}
            if len(targets) < len(staged):
                raise OverlappingEdits("Two paths of one plan lead to the same file. Make them one change.")
            _replace_all(staged)
        return AppliedPlan(
            plan.label, tuple(AppliedChange(file.path, file.before, file.after, True) for file in staged)
        )

    def _stage(self, change: FileChange) -> _StagedFile:
        """What one change comes to on the file as it is now. Writes nothing."""
        path = change.path
        target = self._real_path(path)
        old_bytes = _read_bytes(target, path) if os.path.lexists(target) else None
        before = None if old_bytes is None else _snapshot(path, old_bytes)
        present = rebase_change(change, before)
        if before is not None:
            _check_writable(target, path)
        if isinstance(present, DeleteFile):
            return _StagedFile(path, target, before, None, old_bytes, None)
        form = before or FileSnapshot(path, "")
        text = DecodedText(present.new_text(), form.encoding, form.has_bom)
        new_bytes = encode(text, str(path))
        return _StagedFile(path, target, before, _snapshot(path, new_bytes), old_bytes, new_bytes)


@dataclass(frozen=True, slots=True)
class _StagedFile:
    """One file, checked and ready. The bytes are None where there is no file."""

    path: WorkspacePath
    target: Path  # with symbolic links followed, so that a link stays a link
    before: FileSnapshot | None
    after: FileSnapshot | None
    old_bytes: bytes | None
    new_bytes: bytes | None


def _snapshot(path: WorkspacePath, data: bytes) -> FileSnapshot:
    decoded = decode(data, str(path))
    return FileSnapshot(path, decoded.text, None, "disk", decoded.encoding, decoded.has_bom)


def _read_bytes(target: Path, path: WorkspacePath) -> bytes:
    try:
        status = target.stat()
        if stat.S_ISDIR(status.st_mode):
            raise FileMissing(f"{path} is a folder, not a file.", path=str(path), hint="List its files instead.")
        if not stat.S_ISREG(status.st_mode):
            raise NotText(f"{path} is a device or a pipe, not a text file.", path=str(path))
        check_size(status.st_size, str(path))
        return target.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as e:
        raise FileMissing(f"There is no file {path}.", path=str(path)) from e
    except OSError as e:
        raise WorkspaceError(f"{path} cannot be read: {e.strerror}.", path=str(path)) from e


def _check_writable(target: Path, path: WorkspacePath) -> None:
    """The mode is asked, not only the system: it lets root write everything, and a rename asks only the folder."""
    if not os.access(target, os.W_OK) or not target.stat().st_mode & 0o222:
        raise WriteRefused(
            f"{path} is read-only. Nothing was changed.", path=str(path), hint="Ask the user to make it writable."
        )


def _replace_all(staged: Sequence[_StagedFile]) -> None:
    """Write all files or, after an error, none: what was replaced is put back."""
    prepared: list[tuple[_StagedFile, Path | None]] = []
    made_folders: list[Path] = []
    done: list[_StagedFile] = []
    current = staged[0] if staged else None
    try:
        for file in staged:
            current = file
            made_folders += _missing_folders(file.target.parent)
            file.target.parent.mkdir(parents=True, exist_ok=True)
            prepared.append((file, None if file.new_bytes is None else _write_temporary(file.target, file.new_bytes)))
        for file, temporary in prepared:
            current = file
            if _bytes_now(file.target) != file.old_bytes:
                raise StaleSnapshot(f"{file.path} was changed while it was about to be written. Nothing was changed.")
            done.append(file)
            if temporary is None:
                file.target.unlink()
            else:
                os.replace(temporary, file.target)  # noqa: PTH105  one call, as the platform offers it
            if _bytes_now(file.target) != file.new_bytes:
                raise WriteRefused(
                    f"{file.path} did not read back as it was written; it is as before.", path=str(file.path)
                )
    except (OSError, FluxError) as e:
        left = [file for file in reversed(done) if not _put_back(file)]
        for _, temporary in prepared:
            if temporary is not None:
                temporary.unlink(missing_ok=True)
        for folder in reversed(made_folders):
            with suppress(OSError):
                folder.rmdir()
        if left:
            names = ", ".join(str(file.path) for file in left)
            raise WriteRefused(f"Writing failed ({e}), and {names} could not be put back as before.") from e
        if isinstance(e, FluxError):
            raise
        name = str(current.path) if current else ""
        raise WriteRefused(f"{name} cannot be written: {e.strerror}. Nothing was changed.", path=name) from e


def _bytes_now(target: Path) -> bytes | None:
    return target.read_bytes() if os.path.lexists(target) else None


def _put_back(file: _StagedFile) -> bool:
    try:
        if _bytes_now(file.target) == file.old_bytes:
            return True
        if file.old_bytes is None:
            file.target.unlink(missing_ok=True)
        else:
            os.replace(_write_temporary(file.target, file.old_bytes), file.target)  # noqa: PTH105
    except OSError:
        return False
    return True


def _missing_folders(folder: Path) -> list[Path]:
    return [parent for parent in (*reversed(folder.parents), folder) if not parent.exists()]


def _write_temporary(target: Path, data: bytes) -> Path:
    """A file beside the target with these bytes, flushed to the disk, with the target's mode and owner."""
    for number in count():
        temporary = target.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{number}{TEMPORARY_SUFFIX}")
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
            break
        except FileExistsError:
            continue
    else:
        raise AssertionError  # `count` does not end
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            _copy_mode(target, temporary)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _copy_mode(target: Path, temporary: Path) -> None:
    status = target.stat()
    if hasattr(os, "chown"):
        with suppress(PermissionError):
            os.chown(temporary, status.st_uid, status.st_gid)
    shutil.copystat(target, temporary)  # also what else the system keeps with a file, such as extended attributes
    os.utime(temporary)
