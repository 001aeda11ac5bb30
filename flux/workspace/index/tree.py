"""Which files of a folder are looked into, and which of them changed since: by their stamps, without reading them.

A folder is listed again only where its own stamp changed, so that a look at a project that is known costs a `stat` for
each file and folder. Knows nothing of what is in the files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from flux.workspace.ignore import MAX_LISTED, Folder, list_folder, walk_folders
from flux.workspace.index.plain import is_indexed

MAX_ENTRIES = 10_000
"""A folder with more entries holds data; it is not looked into."""
MAX_FILES = 20_000
"""So many files are looked into, the first by their paths."""
MAX_FOLDERS = 30_000

JUST_NOW_NS = 2_000_000_000
"""A file written so shortly ago may be written again without a new stamp (FAT counts in 2 s): it is not relied on."""

Stamp = tuple[int, int]
"""A modification time in nanoseconds and a size; (0, 0) is never the stamp of a file that was just looked at."""

UNSURE: Stamp = (0, 0)
_RULES = frozenset((".gitignore", ".fluxignore"))


@dataclass(frozen=True, slots=True)
class KnownFolder:
    """A folder as it was listed. `files` are those that are looked into, `rules` those with ignore patterns."""

    stamp: int
    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    rules: tuple[tuple[str, Stamp], ...] = ()
    is_cut: bool = False


@dataclass(slots=True)
class Changes:
    """What a scan found: files to be read again, files that are gone, folders listed anew or gone (None)."""

    changed: list[str] = field(default_factory=list[str])
    gone: list[str] = field(default_factory=list[str])
    folders: dict[str, KnownFolder | None] = field(default_factory=dict[str, KnownFolder | None])


class Tree:
    """The files below a root. `stamps` are those of the files as they were last read: who reads one sets its own."""

    def __init__(self, root: str, most: int = MAX_LISTED) -> None:
        """Of no more than `most` files, in the order of the walk, it is seen whether they are looked into."""
        self.root = root
        self._most = most
        self.folders: dict[str, KnownFolder] = {}
        self.stamps: dict[str, Stamp] = {}
        self.is_cut = False

    def scan(self, now_ns: int) -> Changes:
        """Look at the disk. The changed files are in the order of their paths."""
        changes = Changes()
        if not self.folders or self._has_other_rules():
            self._list_all(now_ns, changes)
        else:
            self._list_changed(now_ns, changes)
        files = sorted(file for folder in self.folders.values() for file in folder.files)
        self.is_cut = len(files) > MAX_FILES or any(folder.is_cut for folder in self.folders.values())
        present = set(files[:MAX_FILES])
        for file in files[:MAX_FILES]:
            found = stamp_of(self.root, file)
            if found is None:
                present.discard(file)
            elif self.stamps.get(file) != found:
                changes.changed.append(file)
        changes.gone += sorted(self.stamps.keys() - present)
        for file in changes.gone:
            del self.stamps[file]
        return changes

    def _list_all(self, now_ns: int, changes: Changes) -> None:
        changes.folders.update(dict.fromkeys(self.folders))
        self.folders.clear()
        self._take(walk_folders(self.root, limit=MAX_ENTRIES), now_ns, changes)

    def _list_changed(self, now_ns: int, changes: Changes) -> None:
        for prefix in sorted(self.folders):
            known = self.folders.get(prefix)
            if known is None or known.stamp == _folder_stamp(self.root, prefix):
                continue
            listed = list_folder(self.root, prefix, MAX_ENTRIES)
            for gone in set(known.folders).difference(listed.folders):
                self._forget(f"{gone}/", changes)
            self._take(iter((listed,)), now_ns, changes)
            for new in set(listed.folders).difference(known.folders):
                self._take(walk_folders(self.root, new, MAX_ENTRIES), now_ns, changes)

    def _take(self, listed: Iterator[Folder], now_ns: int, changes: Changes) -> None:
        count = 0
        for folder in listed:
            count += len(folder.files)
            is_new = folder.prefix not in self.folders
            if is_new and (len(self.folders) >= MAX_FOLDERS or count > self._most) and "" in self.folders:
                self.folders[""] = changes.folders[""] = replace(self.folders[""], is_cut=True)
                return
            stamp = _folder_stamp(self.root, folder.prefix)
            known = KnownFolder(
                stamp if stamp < now_ns - JUST_NOW_NS else 0,
                tuple(file for file in folder.files if is_indexed(file)),
                folder.folders,
                tuple(
                    (file, stamp_of(self.root, file) or UNSURE)
                    for file in folder.files
                    if PurePosixPath(file).name in _RULES
                ),
                folder.is_cut or (not folder.prefix and not is_new and self.folders[""].is_cut),
            )
            self.folders[folder.prefix] = changes.folders[folder.prefix] = known

    def _forget(self, prefix: str, changes: Changes) -> None:
        for known in [known for known in self.folders if known.startswith(prefix)]:
            del self.folders[known]
            changes.folders[known] = None

    def _has_other_rules(self) -> bool:
        return any(
            stamp_of(self.root, file) != stamp for folder in self.folders.values() for file, stamp in folder.rules
        )


def stamp_of(root: str, path: str) -> Stamp | None:
    """The file's stamp now, None where there is no file."""
    try:
        status = os.stat(f"{root}/{path}")  # noqa: PTH116  for thousands of files a Path for each is half of the time
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size)


def reliable(stamp: Stamp, now_ns: int) -> Stamp:
    """The stamp to keep for a file read at `now_ns`."""
    return stamp if stamp[0] < now_ns - JUST_NOW_NS else UNSURE


def _folder_stamp(root: str, prefix: str) -> int:
    found = stamp_of(root, prefix)
    return found[0] if found else -1
