"""Editors in the same process, each with the rules of a real one for `workspace/applyEdit` (see flux/lsp/clients.py).

They keep their own text and count positions by themselves, so that what the server sends is really read.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lsprotocol import types

from flux.lsp.clients import Client
from flux.lsp.documents import Documents

UNIT_BYTES = {"utf-8": 1, "utf-16": 2, "utf-32": 4}


def offset_of(text: str, position: types.Position, encoding: str) -> int:
    """Where an LSP position is in the text, counted in encoded bytes."""
    lines = re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z", text) or [""]
    if position.line >= len(lines):
        return len(text)
    content = lines[position.line].rstrip("\r\n")
    codec = encoding if encoding == "utf-8" else f"{encoding}-le"
    head = content.encode(codec)[: position.character * UNIT_BYTES[encoding]]
    return sum(map(len, lines[: position.line])) + len(head.decode(codec, "ignore"))  # half a character is none


def with_edits(text: str, edits: Sequence[types.TextEdit], encoding: str) -> str:
    for edit in reversed(_in_order(edits)):
        start, end = (offset_of(text, place, encoding) for place in (edit.range.start, edit.range.end))
        text = text[:start] + edit.new_text + text[end:]
    return text


def _in_order(edits: Sequence[types.TextEdit]) -> list[types.TextEdit]:
    return sorted(edits, key=lambda edit: (edit.range.start.line, edit.range.start.character))


def _path(uri: str) -> Path:
    return Path(unquote(urlsplit(uri).path))


@dataclass
class Buffer:
    version: int
    text: str
    undo: list[str] = field(default_factory=list)


class FakeEditor:
    """Strict as VS Code: every version must fit or nothing is done. The other editors change single steps."""

    announced = Client(
        "Visual Studio Code",
        applies_edits=True,
        takes_document_changes=True,
        creates_files=True,
        deletes_files=True,
        shows_documents=True,
    )

    def __init__(self, documents: Documents, client: Client | None = None) -> None:
        self.documents = documents
        self.client = client or self.announced
        self.buffers: dict[str, Buffer] = {}
        self.labels: list[str] = []
        self.shown: list[str] = []
        self.questions: list[str] = []
        self.says_yes = True
        self.least_changed_version = 0
        self.before_edit: list[Callable[[], None]] = []
        """What the user does just before each edit arrives, one after the other."""
        self.after_edit: list[Callable[[], None]] = []

    # What the user does.

    def open(self, uri: str, text: str, version: int = 1) -> None:
        self.buffers[uri] = Buffer(version, text)
        self.documents.open(types.TextDocumentItem(uri, "plaintext", version, text))

    def type(self, uri: str, line: int, column: int, text: str) -> None:
        at = types.Position(line, column)
        self._change(uri, [types.TextEdit(types.Range(at, at), text)])

    def close(self, uri: str) -> None:
        del self.buffers[uri]
        self.documents.close(uri)

    def undo(self, uri: str) -> None:
        text = self.buffers[uri].undo.pop()
        self.buffers[uri].text = text
        self.buffers[uri].version += 1
        change = types.TextDocumentContentChangeWholeDocument(text)
        self.documents.change(types.VersionedTextDocumentIdentifier(self.buffers[uri].version, uri), [change])

    def texts(self) -> dict[str, str]:
        """The buffers by file name."""
        return {_path(uri).name: buffer.text for uri, buffer in self.buffers.items()}

    # What Flux asks of it.

    async def apply_edit(self, label: str, edit: types.WorkspaceEdit) -> types.ApplyWorkspaceEditResult:
        self.labels.append(label)
        if self.before_edit:
            self.before_edit.pop(0)()
        await asyncio.sleep(0)
        result = self.apply(edit)
        await asyncio.sleep(0)
        if self.after_edit:
            self.after_edit.pop(0)()
        return result

    async def show_document(self, uri: str, *, takes_focus: bool) -> bool:
        self.shown.append(uri)
        return True

    async def confirm(self, question: str) -> bool:
        self.questions.append(question)
        return self.says_yes

    # Its rules.

    def apply(self, edit: types.WorkspaceEdit) -> types.ApplyWorkspaceEditResult:
        for change in edit.document_changes or ():
            if isinstance(change, types.TextDocumentEdit) and self._is_outdated(change):
                return types.ApplyWorkspaceEditResult(applied=False)
        self._make(edit.document_changes or ())
        return types.ApplyWorkspaceEditResult(applied=True)

    def _is_outdated(self, change: types.TextDocumentEdit) -> bool:
        buffer = self.buffers.get(change.text_document.uri)
        version = change.text_document.version
        return buffer is not None and version is not None and buffer.version != version

    def _make(self, changes: Sequence[object]) -> None:
        for change in changes:
            match change:
                case types.CreateFile(uri=uri):
                    assert not _path(uri).exists()
                    _path(uri).write_text("", encoding="utf-8")
                case types.DeleteFile(uri=uri):
                    _path(uri).unlink(missing_ok=True)
                    if uri in self.buffers:
                        self.close(uri)
                case types.TextDocumentEdit():
                    self._open_closed(change.text_document.uri)
                    self._change(change.text_document.uri, change.edits)
                case _:
                    raise AssertionError(change)

    def _open_closed(self, uri: str) -> None:
        if uri not in self.buffers:
            self.open(uri, _path(uri).read_bytes().decode("utf-8"), version=7)

    def _change(self, uri: str, edits: Sequence[types.TextEdit]) -> None:
        buffer = self.buffers[uri]
        buffer.undo.append(buffer.text)
        buffer.text = with_edits(buffer.text, edits, self.documents.counting.encoding)
        buffer.version = max(buffer.version + 1, self.least_changed_version)
        changes = [
            types.TextDocumentContentChangePartial(edit.range, edit.new_text) for edit in reversed(_in_order(edits))
        ]
        self._report(uri, buffer.version, changes)

    def _report(self, uri: str, version: int, changes: list[types.TextDocumentContentChangePartial]) -> None:
        self.documents.change(types.VersionedTextDocumentIdentifier(version, uri), changes)


class FakeNeovim(FakeEditor):
    """Looks at the first version only, skips an outdated edit but says yes, and reports 10 ms later, all in one."""

    announced = Client(
        "Neovim",
        applies_edits=True,
        takes_document_changes=True,
        deletes_files=True,
        checks_first_version_only=True,
        ignores_version_zero=True,
        creates_by_editing=True,
        ends_with_line_end=True,
    )

    def __init__(self, documents: Documents, client: Client | None = None) -> None:
        super().__init__(documents, client)
        self.least_changed_version = 3  # versions are its count of changes, but 0 when a buffer is opened
        self._pending: dict[str, list[types.TextDocumentContentChangePartial]] = {}

    def apply(self, edit: types.WorkspaceEdit) -> types.ApplyWorkspaceEditResult:
        for index, change in enumerate(edit.document_changes or ()):
            if not (isinstance(change, types.TextDocumentEdit) and index == 0 and self._is_outdated(change)):
                self._make([change])
        return types.ApplyWorkspaceEditResult(applied=True)

    def _is_outdated(self, change: types.TextDocumentEdit) -> bool:
        buffer = self.buffers.get(change.text_document.uri)
        return buffer is not None and 0 < (change.text_document.version or 0) < buffer.version

    def _open_closed(self, uri: str) -> None:
        if uri not in self.buffers and not _path(uri).exists():
            self.open(uri, "\n")  # a new buffer has one empty line, and a line end
        super()._open_closed(uri)

    def _report(self, uri: str, version: int, changes: list[types.TextDocumentContentChangePartial]) -> None:
        if uri not in self._pending:
            self._pending[uri] = []
            asyncio.get_running_loop().call_later(0.01, self._flush, uri)
        self._pending[uri] += changes

    def _flush(self, uri: str) -> None:
        changes = self._pending.pop(uri)
        if uri in self.buffers:
            super()._report(uri, self.buffers[uri].version, changes)


class FakeHelix(FakeEditor):
    """Makes the changes one after the other and stops at the first that does not fit, leaving those before."""

    def apply(self, edit: types.WorkspaceEdit) -> types.ApplyWorkspaceEditResult:
        for index, change in enumerate(edit.document_changes or ()):
            if isinstance(change, types.TextDocumentEdit) and self._is_outdated(change):
                return types.ApplyWorkspaceEditResult(False, f"outdated {change.text_document.uri}", index)
            self._make([change])
        return types.ApplyWorkspaceEditResult(applied=True)


class FakePlainEditor(FakeEditor):
    """Knows the `changes` form only, and no versions; neither makes nor removes files."""

    announced = Client("plain", applies_edits=True)

    def apply(self, edit: types.WorkspaceEdit) -> types.ApplyWorkspaceEditResult:
        assert edit.document_changes is None
        for uri, edits in (edit.changes or {}).items():
            self._open_closed(uri)
            self._change(uri, edits)
        return types.ApplyWorkspaceEditResult(applied=True)


class FakeLiar(FakeEditor):
    """Says yes and does nothing."""

    def apply(self, edit: types.WorkspaceEdit) -> types.ApplyWorkspaceEditResult:
        return types.ApplyWorkspaceEditResult(applied=True)


class FakeRefuser(FakeEditor):
    """Its user says no, as eglot's may."""

    def apply(self, edit: types.WorkspaceEdit) -> types.ApplyWorkspaceEditResult:
        return types.ApplyWorkspaceEditResult(False, "the user said no")


class FakeTypist(FakeEditor):
    """Reports the edit and what its user typed right after it in one message, as a rewritten whole."""

    def _report(self, uri: str, version: int, changes: list[types.TextDocumentContentChangePartial]) -> None:
        self.buffers[uri].text += "typed at the end\n"
        change = types.TextDocumentContentChangeWholeDocument(self.buffers[uri].text)
        self.documents.change(types.VersionedTextDocumentIdentifier(version, uri), [change])
