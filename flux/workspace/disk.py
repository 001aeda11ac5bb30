"""Files on disk as a workspace: bytes are kept, a file is replaced whole or not at all.

The doors without an editor use it alone; the language server for files that are not open. Knows no buffers.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import sys
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from flux.core.diagnostics import Diagnostic, ProblemReport
from flux.core.errors import (
    FileMissing,
    FluxError,
    IsFolder,
    NotText,
    OverlappingEdits,
    StaleSnapshot,
    WorkspaceError,
    WriteRefused,
)
from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.edits.plan import (
    AppliedChange,
    AppliedPlan,
    CreateFile,
    DeleteFile,
    EditPlan,
    FileChange,
    RenameFile,
    paths_of,
    rebase_change,
    taken,
)
from flux.workspace.encoding import MAX_TEXT_BYTES, DecodedText, check_size, decode, encode_anew
from flux.workspace.ignore import check_allowed, walk
from flux.workspace.locking import alone_in
from flux.workspace.paths import check_inside, check_is_no_link, resolve, resolve_folder, root_labels
from flux.workspace.temporary import clear_leftovers, kept_name, temporary_name

_WRITING = threading.Lock()
"""One plan at a time in this process, whichever workspace it is for: between looking and writing nothing may come."""


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

    @property
    def roots(self) -> Sequence[str]:
        return self._roots

    def path(self, text: str) -> WorkspacePath:
        return resolve(self._roots, text)

    async def read(self, path: WorkspacePath) -> FileSnapshot:
        return await asyncio.to_thread(self._read, path)

    async def read_bytes(self, path: WorkspacePath, limit: int) -> bytes:
        return (await asyncio.to_thread(lambda: _read_bytes(self._real_path(path), path, limit)))[0]

    async def list_files(self, folder: str = "") -> Sequence[WorkspacePath]:
        return await asyncio.to_thread(self._list_files, folder)

    def open_buffers(self) -> Sequence[FileSnapshot]:
        return ()

    def unsaved(self) -> Mapping[WorkspacePath, FileSnapshot | None]:
        return {}

    async def diagnostics(self, path: WorkspacePath) -> Sequence[Diagnostic]:
        return ()

    async def diagnostics_after(self, change: AppliedChange, timeout_s: float) -> ProblemReport | None:
        return None

    async def apply(self, plan: EditPlan) -> AppliedPlan:
        return await asyncio.to_thread(self._apply, plan)

    def hurry(self, plan: EditPlan) -> None:
        """Nothing: writing is not interrupted, and does not take long."""

    async def clear_leftovers(self, beside: Iterable[WorkspacePath]) -> None:
        await asyncio.to_thread(self._clear_leftovers, frozenset(beside))

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
        return _as_on_disk(self._real_path(path), path)[0]

    def _clear_leftovers(self, beside: Collection[WorkspacePath]) -> None:
        folders: set[Path] = set()
        for path in beside:
            with suppress(FluxError):  # it leads out of the folders by now
                folders.add(self._real_path(path).parent)
        for folder in folders:
            clear_leftovers(folder)

    def _apply(self, plan: EditPlan) -> AppliedPlan:
        with _WRITING, ExitStack() as locks:
            for folder in sorted({_folder_of(path) for change in plan.changes for path in paths_of(change)}):
                locks.enter_context(alone_in(folder))
            staged = [self._stage(change) for change in plan.changes]
            steps = [step for file in staged for step in file.steps]
            if len({os.path.normcase(step.target) for step in steps}) < len(steps):
                raise OverlappingEdits("Two paths of one plan lead to the same file. Make them one change.")
            _make_all(steps)
        return AppliedPlan(plan.label, tuple(file.applied for file in staged))

    def _stage(self, change: FileChange) -> _StagedChange:
        """What one change comes to on the file as it is now. Writes nothing."""
        path = change.path
        target = self._real_path(path)
        before, old_bytes = _as_on_disk(target, path) if os.path.lexists(target) else (None, None)
        present = rebase_change(change, before)
        if before is not None:
            _check_writable(target, path)
        if isinstance(present, DeleteFile | RenameFile):
            check_is_no_link(path)
        if isinstance(present, DeleteFile):
            return _StagedChange(AppliedChange(path, before, None, True), (_Step(path, target, old_bytes, None),))
        new_path = paths_of(present)[-1]
        form = present if isinstance(present, CreateFile) else present.snapshot
        new_bytes, text = encode_anew(DecodedText(present.new_text(), form.encoding, form.has_bom), str(path))
        applied = AppliedChange(path, before, _snapshot(new_path, text, form.mode), True)
        if isinstance(present, RenameFile):
            new_target = self._real_path(new_path)
            if os.path.lexists(new_path.absolute()):
                raise taken(new_path)
            there = _Step(new_path, new_target, None, new_bytes, like=target)
            return _StagedChange(applied, (there, _Step(path, target, old_bytes, None)))
        mode = present.mode if isinstance(present, CreateFile) else None
        return _StagedChange(applied, (_Step(path, target, old_bytes, new_bytes, mode=mode),))


def _folder_of(path: WorkspacePath) -> Path:
    """The folder that the file is in or will be, or the nearest one above that is there."""
    return next(folder for folder in Path(os.path.realpath(path.absolute())).parents if folder.is_dir())


@dataclass(frozen=True, slots=True)
class _StagedChange:
    """One change, checked and ready."""

    applied: AppliedChange
    steps: tuple[_Step, ...]


@dataclass(frozen=True, slots=True)
class _Step:
    """One file to be written or removed. The bytes are None where there is no file.

    Mode and owner are those of `like`, or of the file that is replaced; `mode` is for a file that comes back.
    """

    path: WorkspacePath
    target: Path  # with symbolic links followed, so that a link stays a link
    old_bytes: bytes | None
    new_bytes: bytes | None
    like: Path | None = None
    mode: int | None = None


def is_mode_of_new_files(mode: int | None) -> bool:
    """Whether a file that this process makes has these permission bits by itself; so too where they are not known."""
    if mode is None or sys.platform == "win32":
        return True
    mask = os.umask(0o077)  # there is no other way to read it
    os.umask(mask)
    return mode == 0o666 & ~mask


def _as_on_disk(target: Path, path: WorkspacePath) -> tuple[FileSnapshot, bytes]:
    data, mode = _read_bytes(target, path)
    return _snapshot(path, decode(data, str(path)), mode), data


def _snapshot(path: WorkspacePath, decoded: DecodedText, mode: int | None) -> FileSnapshot:
    return FileSnapshot(path, decoded.text, None, "disk", decoded.encoding, decoded.has_bom, mode)


def _read_bytes(target: Path, path: WorkspacePath, limit: int = MAX_TEXT_BYTES) -> tuple[bytes, int]:
    """What is in the file, and its permission bits."""
    try:
        status = target.stat()
        if stat.S_ISDIR(status.st_mode):
            raise IsFolder(f"{path} is a folder, not a file.", path=str(path), hint="List its files instead.")
        if not stat.S_ISREG(status.st_mode):
            raise NotText(f"{path} is a device or a pipe, not a text file.", path=str(path))
        check_size(status.st_size, str(path), limit)
        with target.open("rb") as file:
            data = file.read(limit + 1)
        check_size(len(data), str(path), limit)  # it may have grown meanwhile
        return data, status.st_mode & 0o777
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


def _make_all(steps: Sequence[_Step]) -> None:
    """Make all steps or, after an error, none: what was done is put back.

    What is removed or replaced stays beside its place under a temporary name until all is done, so that it can come
    back as it was.
    """
    prepared: list[tuple[_Step, Path | None]] = []
    made_folders: list[Path] = []
    done: list[tuple[_Step, Path | None]] = []
    current = steps[0] if steps else None
    for folder in {step.target.parent for step in steps}:
        clear_leftovers(folder)
    try:
        for step in steps:
            current = step
            made_folders += _missing_folders(step.target.parent)
            step.target.parent.mkdir(parents=True, exist_ok=True)
            like = step.like or step.target
            temporary = temporary_name(step.target)
            data = step.new_bytes
            prepared.append((step, None if data is None else _write_beside(temporary, data, like, step.mode)))
        for step, temporary in prepared:
            current = step
            if _bytes_now(step.target) != step.old_bytes:
                raise StaleSnapshot(f"{step.path} was changed while it was about to be written. Nothing was changed.")
            done.append((step, _make(step, temporary)))
            if _bytes_now(step.target) != step.new_bytes:
                raise WriteRefused(
                    f"{step.path} did not read back as it was written: another program may write it too.",
                    path=str(step.path),
                    hint="Read it again.",
                )
    except (OSError, FluxError) as e:
        left = [step for step, aside in reversed(done) if not _put_back(step, aside)]
        for _, temporary in prepared:
            if temporary is not None:
                temporary.unlink(missing_ok=True)
        for folder in reversed(made_folders):
            with suppress(OSError):
                folder.rmdir()
        if left:
            names = ", ".join(str(step.path) for step in left)
            raise WriteRefused(
                f"Writing failed, and {names} could not be put back as before: {e}",
                hint="Read it again: what another program wrote meanwhile stays.",
            ) from e
        if isinstance(e, FluxError):
            raise
        name = str(current.path) if current else ""
        raise WriteRefused(f"{name} cannot be written: {e.strerror}. Nothing was changed.", path=name) from e
    for _, aside in done:
        if aside is not None:
            with suppress(OSError):
                aside.unlink()


def _make(step: _Step, temporary: Path | None) -> Path | None:
    """Do the step; where a removed file was put aside."""
    if temporary is None:
        aside = kept_name(step.target)
        step.target.rename(aside)
        return aside
    if step.old_bytes is None:
        try:
            _put_where_nothing_is(temporary, step.target)
        except FileExistsError as e:
            raise taken(step.path) from e
    else:
        os.replace(temporary, step.target)  # noqa: PTH105  one call, as the platform offers it
    return None


def _put_where_nothing_is(temporary: Path, target: Path) -> None:
    """Rename, but raise FileExistsError where a file came meanwhile: a plain rename would replace it on POSIX."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        os.close(os.open(target, os.O_CREAT | os.O_EXCL))
        os.replace(temporary, target)  # noqa: PTH105
    else:
        temporary.unlink()


def _bytes_now(target: Path) -> bytes | None:
    return target.read_bytes() if os.path.lexists(target) else None


def _put_back(step: _Step, aside: Path | None) -> bool:
    """Whether the file is as before. What another program has written since stays."""
    try:
        if aside is not None:
            _put_where_nothing_is(aside, step.target)
        elif (now := _bytes_now(step.target)) not in {step.old_bytes, step.new_bytes}:
            return False
        elif step.old_bytes is None:
            step.target.unlink(missing_ok=True)
        elif now != step.old_bytes:
            os.replace(_write_beside(kept_name(step.target), step.old_bytes, step.target), step.target)  # noqa: PTH105
    except OSError:
        return False
    return True


def _missing_folders(folder: Path) -> list[Path]:
    return [parent for parent in (*reversed(folder.parents), folder) if not parent.exists()]


def _write_beside(temporary: Path, data: bytes, like: Path, mode: int | None = None) -> Path:
    """Makes the file with these bytes, flushed to the disk, with mode and owner of `like` if it exists."""
    try:
        # Nobody else may open it before it is as private as what it stands for.
        bits = 0o600 if mode is not None or like.exists() else 0o666
        with open(temporary, "xb", opener=lambda path, flags: os.open(path, flags, bits)) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if like.exists():
            _copy_mode(like, temporary)
        elif mode is not None:
            temporary.chmod(mode)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _copy_mode(like: Path, temporary: Path) -> None:
    status = like.stat()
    if hasattr(os, "chown"):
        with suppress(PermissionError):
            os.chown(temporary, status.st_uid, status.st_gid)
    shutil.copystat(like, temporary)  # also what else the system keeps with a file, such as extended attributes
    os.utime(temporary)
