"""The index of one root: built file by file, brought up to date by what changed, with unsaved texts laid over it.

It is first a rough one (`names`), by the look of lines and without uses, then a whole one (`full`), from syntax trees.
"""

from __future__ import annotations

import re
import time
from array import array
from collections import deque
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Literal

from flux.workspace.index.definitions import MAX_FILE_BYTES, is_source, names_used, signature
from flux.workspace.index.languages import code_places, outline
from flux.workspace.index.plain import is_indexed, plain_outline
from flux.workspace.index.ranking import Ranking
from flux.workspace.index.store import Entry, Store
from flux.workspace.index.tree import UNSURE, Changes, Stamp, Tree, reliable, stamp_of

State = Literal["", "names", "full"]

FIRST_LOOK_FROM = 40
"""Where so many files are to be read, there is a rough index before the whole one."""
SAVED_TOGETHER = 5_000
"""What was read is written when nobody waits, and at the latest after so many files."""
MAX_USERS = 400
"""Files that are looked through for the uses of one name."""

Use = tuple[str, int, str]
"""A file, a line from 1, and its text."""


class Project:
    """The index of the files below `root`. Not for several threads."""

    def __init__(self, root: str, store: Store) -> None:
        self.state: State = ""
        self._tree = Tree(root)
        self._store = store
        self._ranking = Ranking()
        self._digests: dict[str, str] = {}
        self._pending: deque[str] = deque()
        self._rough: deque[str] = deque()
        self._fresh: dict[str, Entry] = {}
        self._restamped: dict[str, Stamp] = {}
        self._changes = Changes()
        self._overlay: dict[str, bytes | None] = {}
        self._load()

    @property
    def ranking(self) -> Ranking:
        return self._ranking

    @property
    def is_cut(self) -> bool:
        """Whether there are more files than are looked into."""
        return self._tree.is_cut

    @property
    def is_whole(self) -> bool:
        """Whether all files are read that were seen to be new or changed."""
        return not self._pending

    def refresh(self) -> None:
        """See what changed on the disk since the last time; `step` reads it.

        Does nothing while there is still something to be read.
        """
        if self._pending:
            return
        changes = self._tree.scan(time.time_ns())
        for path in changes.gone:
            self._digests.pop(path, None)
            if path not in self._overlay:
                self._ranking.remove(path)
        self._changes.gone += changes.gone
        self._changes.folders.update(changes.folders)
        self._pending.extend(changes.changed)
        self._settle()

    def look_first(self) -> None:
        """Let `step` take a first look at all that is to be read, where that is much and nothing is known yet."""
        if not self.state and not self._rough and len(self._pending) > FIRST_LOOK_FROM:
            self._rough = deque(self._pending)

    def step(self) -> None:
        """Read one file, if there is one to be read."""
        if self._rough:
            self._look_at(self._rough.popleft())
            if not self._rough:
                self.state = "names"
        elif self._pending:
            self._read(self._pending.popleft())
            if len(self._fresh) >= SAVED_TOGETHER:
                self.save()
        self._settle()

    def lay_over(self, texts: Mapping[str, str | None]) -> None:
        """Let these texts, and no others, stand over the disk; None: the file is gone."""
        wanted = {
            path: None if text is None else text.encode("utf-8", "replace")
            for path, text in texts.items()
            if is_indexed(path)
        }
        for path in self._overlay.keys() - wanted.keys():
            del self._overlay[path]
            self._put_back(path)
        for path, data in wanted.items():
            if path in self._overlay and self._overlay[path] == data:
                continue
            self._overlay[path] = data
            if data is None or not is_source(data):
                self._ranking.remove(path)
            else:
                self._ranking.put(path, outline(path, data), names_used(data))

    def uses(self, name: str, limit: int) -> tuple[list[Use], bool]:
        """The lines of code that have the name, by file and line, and whether there are more than `limit`."""
        found: list[Use] = []
        users = self._ranking.users(name)
        for path in users[:MAX_USERS]:
            data = self._text(path)
            if data is not None:
                found += _uses_in(path, data, name)
            if len(found) > limit:
                break
        return found[:limit], len(found) > limit or len(users) > MAX_USERS

    def save(self) -> None:
        """Write what is new to the disk, if anything is."""
        changes = self._changes
        if self._fresh or self._restamped or changes.gone or changes.folders:
            self._store.save(changes.folders, self._fresh, self._restamped, changes.gone)
            self._changes = Changes()
            self._fresh, self._restamped = {}, {}

    def close(self) -> None:
        self.save()
        self._store.close()

    def _load(self) -> None:
        folders, files = self._store.load()
        if not folders:
            return
        self._tree.folders = folders
        for path, entry in files:
            self._tree.stamps[path] = entry.stamp
            self._digests[path] = entry.digest
            self._ranking.put(path, entry.definitions, entry.names)
        if self._tree.stamps:
            self.state = "names"  # what was known is of use while the rest is brought up to date

    def _settle(self) -> None:
        if not self._pending:
            self.state = "full"

    def _look_at(self, path: str) -> None:
        data = self._on_disk(path)
        if data is not None and path not in self._overlay:
            self._ranking.put(path, plain_outline(path, data), array("I"))

    def _read(self, path: str) -> None:
        now = time.time_ns()
        found = stamp_of(self._tree.root, path)
        if found is None:
            return
        stamp = self._tree.stamps[path] = reliable(found, now)
        data = self._bytes_of(path, found[1]) or b""
        digest = blake2b(data, digest_size=8).hexdigest()
        if self._digests.get(path) == digest:
            if stamp != UNSURE:
                self._restamped[path] = stamp
            return
        self._digests[path] = digest
        definitions, names = outline(path, data), names_used(data)
        self._fresh[path] = Entry(stamp, digest, definitions, names)
        if path not in self._overlay:
            self._ranking.put(path, definitions, names)

    def _put_back(self, path: str) -> None:
        data = self._on_disk(path) if path in self._tree.stamps else None
        if data is None:
            self._ranking.remove(path)
        else:
            self._ranking.put(path, outline(path, data), names_used(data))

    def _text(self, path: str) -> bytes | None:
        return self._overlay[path] if path in self._overlay else self._on_disk(path)

    def _on_disk(self, path: str) -> bytes | None:
        """The file's bytes where it is source, empty where it is not, None where it cannot be read."""
        found = stamp_of(self._tree.root, path)
        return self._bytes_of(path, found[1]) if found else None

    def _bytes_of(self, path: str, size: int) -> bytes | None:
        """As `_on_disk`, of a file with so many bytes."""
        if size > MAX_FILE_BYTES:
            return b""
        try:
            with open(f"{self._tree.root}/{path}", "rb") as file:  # noqa: PTH123  a Path for each file takes its time
                data = file.read()
        except OSError:
            return None
        return data if is_source(data) else b""


def _uses_in(path: str, data: bytes, name: str) -> Iterator[Use]:
    is_code = code_places(path, data)
    seen = 0
    line, at = 1, 0
    for match in re.finditer(rb"(?<![\w$])" + re.escape(name.encode("utf-8")) + rb"(?![\w$])", data):
        line, at = line + data.count(b"\n", at, match.start()), match.start()
        if line == seen or not is_code(match.start(), match.end()):
            continue
        seen = line
        begin, end = data.rfind(b"\n", 0, at) + 1, data.find(b"\n", at)
        yield path, line, signature(data[begin : end if end >= 0 else len(data)])
