"""An editor as a probe sees it, the real one and its fake alike: files that a user types into and a server edits.

What the editor tells its server is kept, and read as a server would: `mirror` is the text that it must be by now.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.protocol import default_converter

from tests.support.fake_editors.rules import Change, Editor
from tests.support.fake_editors.texts import with_edits

CONVERTER = default_converter()


@dataclass(frozen=True)
class Report:
    """What an editor told of a document: `opened` with its text, `changed` as (place, text) each, or `closed`."""

    kind: str
    uri: str
    version: int | None = None
    what: str | tuple[tuple[str, str], ...] = ""


class Desk(ABC):
    """Files are named below `folder`, which is the workspace. `rules` are those of the fake."""

    rules: type[Editor]
    folder: Path

    @abstractmethod
    def announced(self) -> Mapping[str, Any]:
        """Its `initialize`."""

    @abstractmethod
    def reports(self) -> Sequence[Report]:
        """All that it told so far."""

    # The user.

    @abstractmethod
    async def show(self, name: str) -> None:
        """Open the file, which is on the disk; return when the server was told."""

    @abstractmethod
    async def press(self, name: str, line: int, column: int, keys: str) -> None:
        """Go there in the open file and press the keys; return when the buffer has them."""

    async def type(self, name: str, line: int, column: int, keys: str) -> None:
        """The same, and the server was told."""
        await self.press(name, line, column, keys)
        await self.settled(name)

    @abstractmethod
    async def undo(self, name: str) -> None: ...

    @abstractmethod
    async def text(self, name: str) -> str:
        """What the open buffer has, as the user sees it and would save it."""

    @abstractmethod
    async def apply(self, edit: Mapping[str, Any]) -> Any:
        """The answer to `workspace/applyEdit`. Raises EditRefused."""

    async def decline(self, edit: Mapping[str, Any]) -> Any:
        """The same, where the user says no if the editor asks."""
        return await self.apply(edit)

    @abstractmethod
    async def settled(self, name: str) -> None:
        """Return when the editor has told all of the file, or fail."""

    def uri(self, name: str) -> str:
        return (self.folder / name).as_uri()

    async def open(self, name: str, text: str) -> None:
        self.write(name, text)
        await self.show(name)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_bytes(text.encode())

    def on_disk(self) -> dict[str, str]:
        return {path.name: path.read_bytes().decode() for path in sorted(self.folder.iterdir()) if path.is_file()}

    def mirror(self, name: str) -> tuple[int, str] | None:
        """The version and the text that the server has; None where it has none."""
        found: tuple[int, str] | None = None
        for report in self.reports():
            if report.uri != self.uri(name):
                continue
            if report.kind == "closed":
                found = None
            elif isinstance(report.what, str):
                found = (report.version or 0, report.what)
            else:
                assert found is not None, report
                found = (report.version or 0, self._changed(found[1], report.what))
        return found

    def _changed(self, text: str, changes: Sequence[tuple[str, str]]) -> str:
        encoding = self.announced()["capabilities"]["general"]["positionEncodings"][0]
        for place, new in changes:
            if place == "all":
                text = new
            else:
                text = with_edits(text, [types.TextEdit(range_of(place), new)], encoding, self.rules.line_ends)
        return text


def range_of(place: str) -> types.Range:
    """`line:column-line:column`."""
    start, end = (types.Position(*map(int, half.split(":"))) for half in place.split("-"))
    return types.Range(start, end)


class FakeDesk(Desk):
    """The fake at its desk."""

    def __init__(self, rules: type[Editor], folder: Path) -> None:
        self.rules = rules
        self.folder = folder
        self.editor = rules(self, rules.capabilities["general"]["positionEncodings"][0])
        self._told: list[Report] = []

    def announced(self) -> Mapping[str, Any]:
        return {"capabilities": self.rules.capabilities, "clientInfo": {"name": self.rules.name}}

    def reports(self) -> Sequence[Report]:
        return self._told

    async def show(self, name: str) -> None:
        self.editor.open(self.uri(name), (self.folder / name).read_bytes().decode())

    async def press(self, name: str, line: int, column: int, keys: str) -> None:
        self.editor.press(self.uri(name), line, column, keys)

    async def undo(self, name: str) -> None:
        self.editor.undo(self.uri(name))

    async def text(self, name: str) -> str:
        return self.editor.as_saved(self.uri(name))

    async def apply(self, edit: Mapping[str, Any]) -> Any:
        answer = self.editor.apply(CONVERTER.structure(edit, types.WorkspaceEdit))
        return CONVERTER.unstructure(answer)

    async def decline(self, edit: Mapping[str, Any]) -> Any:
        self.editor.says_yes = False
        try:
            return await self.apply(edit)
        finally:
            self.editor.says_yes = True

    async def settled(self, name: str) -> None:
        self.editor.flush()

    # What the editor tells.

    def opened(self, uri: str, version: int, text: str) -> None:
        self._told.append(Report("opened", uri, version, text))

    def changed(self, uri: str, version: int, changes: Sequence[Change]) -> None:
        told = tuple((_place(change), change.text) for change in changes)
        self._told.append(Report("changed", uri, version, told))

    def closed(self, uri: str) -> None:
        self._told.append(Report("closed", uri))


def _place(change: Change) -> str:
    if isinstance(change, types.TextDocumentContentChangeWholeDocument):
        return "all"
    start, end = change.range.start, change.range.end
    return f"{start.line}:{start.character}-{end.line}:{end.character}"
