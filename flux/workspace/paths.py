"""Names of files as people and models write them, turned into paths inside a workspace folder, or refused.

`locate` looks at names only; `resolve` also asks the file system: for symbolic links that lead out, for the spelling
where case is ignored, or where an accent may be a character of its own (macOS) or not. Does not convert `file:` URIs,
nor know which files are secret.
"""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

from flux.core.errors import OutsideWorkspace, WriteRefused
from flux.core.snapshot import WorkspacePath

_IS_WINDOWS = sys.platform == "win32"
_WINDOWS_ABSOLUTE = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_WINDOWS_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)\s*(\..*)?", re.IGNORECASE)


def root_labels(roots: Sequence[str]) -> tuple[str, ...]:
    """The name of each folder in front of its files, made unique; empty for a single folder."""
    if len(roots) == 1:
        return ("",)
    labels: list[str] = []
    for root in roots:
        name = Path(root).name or "root"
        label, number = name, 2
        while label in labels:
            label, number = f"{name}-{number}", number + 1
        labels.append(label)
    return tuple(labels)


def resolve(roots: Sequence[str], text: str) -> WorkspacePath:
    """The file that `text` names: relative to a folder, `LABEL/relative` with several folders, or absolute.

    The file need not exist. Raises OutsideWorkspace also where a symbolic link leads out of every folder.
    """
    path = _as_on_disk(locate(roots, text, _is_on_disk))
    check_inside(roots, path)
    return path


def resolve_folder(roots: Sequence[str], text: str) -> WorkspacePath:
    """Like `resolve`, for a folder; `relative` is `.` for a workspace folder itself."""
    path = _as_on_disk(locate_folder(roots, text, _is_on_disk))
    check_inside(roots, path)
    return path


def locate(roots: Sequence[str], text: str, exists: Callable[[WorkspacePath], bool]) -> WorkspacePath:
    """The file that `text` names, by its name alone.

    `exists` is asked only to find the folder of a name without label. Raises OutsideWorkspace.
    """
    root, label, relative = _split(roots, text, exists)
    if not relative.strip():
        raise OutsideWorkspace(f"{text!r} names no file.", path=text, hint="Name a file in a folder.")
    return WorkspacePath(root, relative, label)


def locate_folder(roots: Sequence[str], text: str, exists: Callable[[WorkspacePath], bool]) -> WorkspacePath:
    """Like `locate`, for a folder; `relative` is `.` for a workspace folder itself."""
    root, label, relative = _split(roots, text, exists)
    return WorkspacePath(root, relative or ".", label)


def check_inside(roots: Sequence[str], path: WorkspacePath) -> str:
    """The file's real place with all symbolic links followed. Raises OutsideWorkspace where it is in no folder."""
    real = os.path.realpath(path.absolute())
    if any(_is_below(real, os.path.realpath(root)) for root in roots):
        return real
    raise OutsideWorkspace(
        f"{path} is a symbolic link, or below one, that leads out of the workspace.",
        path=str(path),
        hint="Flux reads and writes only inside the folders that are open.",
    )


def check_is_no_link(path: WorkspacePath) -> None:
    """Raises WriteRefused for a symbolic link: its text is another file's, and moved it may lead elsewhere."""
    if path.absolute().is_symlink():
        raise WriteRefused(
            f"{path} is a symbolic link to another file. Flux neither moves nor removes links.",
            path=str(path),
            hint="Name the file that it leads to, or ask the user.",
        )


def composed(name: str) -> str:
    """The one form of a name of those that look the same: with each accent in the character that it stands on."""
    return unicodedata.normalize("NFC", name)


def spelled_as_on_disk(path: WorkspacePath, alike: Callable[[str], str]) -> WorkspacePath:
    """The one spelling under which snapshots, buffers and secret names are compared.

    Names mean the same file where `alike` makes the same of them and none is there as it is written.
    """
    folder = Path(path.root)
    parts: list[str] = []
    for part in path.relative.split("/"):
        names = _names_in(folder)
        same = [name for name in names if alike(name) == alike(part)]
        parts.append(part if part in names or not same else min(same))
        folder /= parts[-1]
    return WorkspacePath(path.root, "/".join(parts), path.label)


def is_windows_trick(relative: str) -> bool:
    """Whether Windows would open something else than this name says: a device, a stream, a name cut at its end."""
    parts = relative.split("/")
    return any(":" in part or part != part.rstrip(". ") or _WINDOWS_DEVICE.fullmatch(part) for part in parts)


def _split(roots: Sequence[str], text: str, exists: Callable[[WorkspacePath], bool]) -> tuple[str, str, str]:
    """(root, label, relative); `relative` is empty for the root itself."""
    _check_characters(text)
    name = text.replace("\\", "/") if _IS_WINDOWS else text
    labels = root_labels(roots)
    if Path(name).is_absolute():
        return _split_absolute(roots, labels, name, text)
    parts = [part for part in name.split("/") if part not in ("", ".")]
    _check_parts(parts, text)
    if len(roots) == 1:
        return roots[0], "", "/".join(parts)
    if not parts:
        return roots[0], labels[0], ""
    if parts[0] in labels:
        root = roots[labels.index(parts[0])]
        return root, parts[0], "/".join(parts[1:])
    relative = "/".join(parts)
    holders = [i for i, root in enumerate(roots) if exists(WorkspacePath(root, relative))]
    if len(holders) != 1:
        raise OutsideWorkspace(
            f"{text!r} is in {len(holders) or 'none'} of the workspace's {len(roots)} folders.",
            path=text,
            hint=f"Begin with the folder's name: {', '.join(f'{label}/…' for label in labels)}",
        )
    return roots[holders[0]], labels[holders[0]], relative


def _check_characters(text: str) -> None:
    try:
        os.fsencode(text)
    except UnicodeEncodeError as e:
        raise OutsideWorkspace(f"{text!r} cannot be a file name.", path=text) from e
    if not text.strip() or "\0" in text:
        raise OutsideWorkspace(f"{text!r} cannot be a file name.", path=text)
    if not _IS_WINDOWS and _WINDOWS_ABSOLUTE.match(text):
        raise _outside(text)


def _check_parts(parts: Sequence[str], text: str) -> None:
    if ".." in parts:
        raise OutsideWorkspace(
            f"{text!r} goes up by `..`.", path=text, hint="Name the file from the workspace folder, without `..`."
        )
    if _IS_WINDOWS and parts and is_windows_trick("/".join(parts)):
        raise OutsideWorkspace(f"{text!r} is no ordinary file name on Windows.", path=text)


def _split_absolute(roots: Sequence[str], labels: Sequence[str], name: str, text: str) -> tuple[str, str, str]:
    path = Path(name)
    _check_parts(path.parts[1:], text)
    for folder in (path, *path.parents):
        for root, label in zip(roots, labels, strict=True):
            if _is_same_folder(folder, Path(root)):
                return (
                    root,
                    label,
                    path.relative_to(folder).as_posix().removeprefix(".")
                    if path == folder
                    else (path.relative_to(folder).as_posix()),
                )
    raise _outside(text)


def _outside(text: str) -> OutsideWorkspace:
    return OutsideWorkspace(
        f"{text!r} is outside the workspace.",
        path=text,
        hint="Flux reads and writes only inside the folders that are open.",
    )


def _is_same_folder(folder: Path, root: Path) -> bool:
    if folder == root:
        return True
    try:
        return folder.samefile(root)
    except OSError:
        return False


def _is_below(path: str, folder: str) -> bool:
    path, folder = os.path.normcase(path), os.path.normcase(folder)
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _as_on_disk(path: WorkspacePath) -> WorkspacePath:
    if _ignores_case(path):
        return spelled_as_on_disk(path, lambda name: composed(name).casefold())
    return path if path.relative.isascii() else spelled_as_on_disk(path, composed)


def _names_in(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208
    except OSError:  # none there, or it may not be listed
        return []


def _is_on_disk(path: WorkspacePath) -> bool:
    return os.path.lexists(_as_on_disk(path).absolute())


def _ignores_case(path: WorkspacePath) -> bool:
    """Whether the existing file is found under another spelling too."""
    other = path.relative.swapcase()
    try:
        return other != path.relative and path.absolute().samefile(Path(path.root, other))
    except OSError:
        return False
