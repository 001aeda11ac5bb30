"""The editor's own language servers, asked by `flux/editor/query`: Flux's places in, Flux's places and edits out.

What is answered is for a text: a file that the user changes meanwhile is refused, and asked about anew. Secret files
are not shown, ignored ones and those outside the workspace by their names alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import PurePath
from typing import Literal

from lsprotocol import types

from flux.core.errors import FluxError, NothingChanged, OutsideWorkspace, StaleSnapshot, WorkspaceError
from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.core.text import LineIndex, line_content
from flux.edits.plan import EditFile, EditPlan
from flux.edits.text_edit import TextEdit
from flux.lsp.convert import EditorText, all_offsets_of
from flux.lsp.editor import LspEditor
from flux.lsp.uris import path_of_uri, uri_of_path
from flux.lsp.workspace import LspWorkspace
from flux.workspace.ignore import check_allowed, is_listed_on_disk
from flux.workspace.language_service import Place, Places

TOLD_S = 2.0
"""Seconds for an editor that tells of typing late to tell the text that an answer is for."""
MOST_FILES = 200
"""So many files of an answer are looked into."""


class EditorLanguageService:
    """`LanguageService` over an editor that announces what it answers."""

    def __init__(self, editor: LspEditor, files: LspWorkspace) -> None:
        self._editor = editor
        self._files = files

    @property
    def queries(self) -> Set[str]:
        return self._editor.client.queries

    async def find(self, query: Literal["definition", "references"], at: FileSnapshot, offset: int) -> Places:
        about = await self._place(query, at, offset)
        found = await self._editor.query(about, "locations", list[types.Location])
        return await self._places([(location, "") for location in found or ()])

    async def hover(self, at: FileSnapshot, offset: int) -> str:
        return (await self._editor.query(await self._place("hover", at, offset), "text", str) or "").strip()

    async def symbols_of(self, snapshot: FileSnapshot) -> Places:
        return await self._symbols(await self._file("symbols", snapshot))

    async def symbols_named(self, words: str) -> Places:
        return await self._symbols({"kind": "symbols", "words": words})

    async def rename(self, at: FileSnapshot, offset: int, new_name: str) -> EditPlan:
        about = {**await self._place("rename", at, offset), "newName": new_name}
        versions = {document.uri: document.version for document in self._files.documents}
        found = await self._editor.query(about, "documentChanges", list[types.TextDocumentEdit])
        by_uri: dict[str, list[types.TextDocumentEdit]] = {}
        for change in found or ():
            by_uri.setdefault(change.text_document.uri, []).append(change)
        if not by_uri:
            raise NothingChanged("The language servers rename nothing there.")
        changes = tuple([await self._edit_file(uri, edits, versions.get(uri)) for uri, edits in by_uri.items()])
        return EditPlan(f"Flux: rename to {new_name}", changes)

    async def _edit_file(
        self, uri: str, edits: Sequence[types.TextDocumentEdit], asked_version: int | None
    ) -> EditFile:
        """Raises OutsideWorkspace and SecretFile: a rename is made whole or not at all.

        `asked_version` is for an editor that does not say which version of an open file its edits are for.
        """
        path = self._path(uri)
        if document := self._files.documents.get(uri):
            told = edits[0].text_document.version
            version = asked_version if told is None else told
            # An editor may answer for what its user typed a moment before it tells of that.
            await self._files.documents.until(lambda: version is None or document.version >= version, TOLD_S)
            if document.version != version:
                raise StaleSnapshot(f"{path} was changed meanwhile.", hint="Ask again.")
        snapshot = await self._files.read(path)
        flat = [edit for change in edits for edit in change.edits]
        places = all_offsets_of(snapshot.text, (edit.range for edit in flat), self._editor.client.counting)
        made: set[TextEdit] = set()
        for (start, end), edit in zip(places, flat, strict=True):
            if isinstance(edit, types.SnippetTextEdit):
                raise WorkspaceError("The rename would put a snippet into the file, which Flux does not make.")
            made.add(TextEdit(start, end, edit.new_text))  # several servers may answer alike
        return EditFile(snapshot, tuple(sorted(made)))

    async def _symbols(self, about: Mapping[str, object]) -> Places:
        found = await self._editor.query(about, "symbols", list[types.SymbolInformation])
        return await self._places([(symbol.location, _words(symbol)) for symbol in found or ()])

    async def _file(self, query: str, snapshot: FileSnapshot) -> dict[str, object]:
        """The question's file. Raises StaleSnapshot where the editor has another text than the snapshot."""
        document = self._files.documents.at_path(str(snapshot.path.absolute()))
        if (await self._files.read(snapshot.path)).text != snapshot.text:
            raise StaleSnapshot(
                f"The language servers do not know {snapshot.path} as it is proposed.",
                hint="Ask again once the user has accepted the change, or use `symbols` and `search`.",
            )
        if document is None:
            return {"kind": query, "uri": uri_of_path(str(snapshot.path.absolute())), "version": None}
        return {"kind": query, "uri": document.uri, "version": document.version}

    async def _place(self, query: str, at: FileSnapshot, offset: int) -> dict[str, object]:
        about = await self._file(query, at)
        place = EditorText(at.text, self._editor.client.counting).place(offset)
        return {**about, "position": {"line": place.line, "character": place.character}}

    def _path(self, uri: str) -> WorkspacePath:
        name = path_of_uri(uri)
        if name is None:
            raise OutsideWorkspace(f"{uri} is no file of the workspace.")
        path = self._files.path(name)
        check_allowed(path)
        return path

    async def _places(self, found: Iterable[tuple[types.Location, str]]) -> Places:
        """With the lines that stand there now, but for places that have a text of their own."""
        shown: list[Place] = []
        hidden: list[str] = []
        texts: dict[str, _Text | None] = {}
        for location, own in found:
            if location.uri not in texts:
                texts[location.uri] = await self._text(location.uri) if len(texts) < MOST_FILES else None
            text = texts[location.uri]
            if text is None:
                hidden.append(PurePath(path_of_uri(location.uri) or location.uri).name)
                continue
            line = text.places.range(location.range).start.line
            shown.append(Place(str(text.path), line + 1, own or line_content(text.index.line(line)).strip()))
        return Places(tuple(dict.fromkeys(shown)), hidden)

    async def _text(self, uri: str) -> _Text | None:
        """The file of an answer; None where it is not to be shown."""
        try:
            path = self._path(uri)
            if not await asyncio.to_thread(is_listed_on_disk, path.root, path.relative):
                return None
            text = (await self._files.read(path)).text
        except FluxError:
            return None
        return _Text(path, LineIndex(text), EditorText(text, self._editor.client.counting))


class _Text:
    def __init__(self, path: WorkspacePath, index: LineIndex, places: EditorText) -> None:
        self.path = path
        self.index = index
        self.places = places


def _words(symbol: types.SymbolInformation) -> str:
    kind = symbol.kind.name.lower()
    return f"{kind} {symbol.container_name}.{symbol.name}" if symbol.container_name else f"{kind} {symbol.name}"
