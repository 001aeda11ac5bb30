"""The documents that the editor has open, as it has them: our own buffers under pygls' workspace.

pygls' document breaks lines where LSP does not, clamps positions wrongly and copies the whole text at every keystroke
(2.1.1); nothing of it runs here. Knows versions and the order of use, and tells who waits for a change. Does not know
what is on the disk.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote

from lsprotocol import types
from pygls.workspace import TextDocument, Workspace

from flux.core.text import Counting, LineBuffer
from flux.lsp.uris import path_of_uri

logger = logging.getLogger(__name__)

ContentChange = types.TextDocumentContentChangePartial | types.TextDocumentContentChangeWholeDocument


UNTITLED_ROOT = os.path.join(os.path.abspath(os.devnull), "untitled")  # noqa: PTH100, PTH118 -- a name and no folder
"""Where documents that were never saved are, as far as the rest of Flux sees: no file can be there."""


CELLS_ROOT = UNTITLED_ROOT.removesuffix("untitled") + "cells"
"""The same for the cells of notebooks, which the rest of Flux sees as parts of their notebook."""


class Document(TextDocument):
    """One open document. `path` is its absolute path with symbolic links resolved, empty where it is not a file.

    One that was never saved has its name below `UNTITLED_ROOT`.
    """

    def __init__(self, uri: str, text: str, version: int, language_id: str, counting: Counting) -> None:
        super().__init__(uri, "", version, language_id)
        path = path_of_uri(uri)
        self.path: str = os.path.realpath(path) if path else _untitled_path(uri)
        self.version: int = version
        self.language_id: str = language_id
        self.buffer = LineBuffer(text, counting)
        self.followers: list[Callable[[ContentChange], None]] = []
        """Called with each change that was made."""
        self.is_known = True
        """False where a message about it was lost, so that the editor's text may be another."""
        self._counting = counting

    @property
    def text(self) -> str:
        return self.buffer.text

    @property
    def source(self) -> str:
        return self.buffer.text

    @property
    def lines(self) -> Sequence[str]:
        return self.buffer.lines

    def apply_change(self, change: ContentChange) -> None:
        if isinstance(change, types.TextDocumentContentChangePartial):
            start, end = change.range.start, change.range.end
            self.buffer.replace((start.line, start.character), (end.line, end.character), change.text)
        else:
            self.buffer = LineBuffer(change.text, self._counting)
            self.is_known = True
        for follow in list(self.followers):
            follow(change)


def _untitled_path(uri: str) -> str:
    scheme, _, name = uri.partition(":")
    plain = unquote(name).strip("/").replace("/", "-").replace("\\", "-")
    return f"{UNTITLED_ROOT}{os.sep}{plain}" if scheme == "untitled" and plain not in {"", ".", ".."} else ""


class Documents(Workspace):
    """All open documents, least recently used first inside.

    Odd messages do not stop it: what an editor says is logged where it is against the protocol, and believed.
    """

    def __init__(self, root_uri: str | None, folders: Sequence[types.WorkspaceFolder], counting: Counting) -> None:
        self._folder_paths: list[str] = []
        super().__init__(root_uri, types.TextDocumentSyncKind.Incremental, folders, counting.encoding)
        self.counting = counting
        self._open: dict[str, Document] = {}
        self._cell_numbers = itertools.count(1)
        self._unknown_notebooks: set[str] = set()
        self._waiting: dict[asyncio.Future[None], Callable[[], bool]] = {}

    def __iter__(self) -> Iterator[Document]:
        """The open documents, most recently used first."""
        return reversed(list(self._open.values()))

    def get(self, uri: str) -> Document | None:
        """The open document of a URI, also where it is written otherwise than when it was opened."""
        if document := self._open.get(uri):
            return document
        path = path_of_uri(uri)
        return self.at_path(path) if path else None

    def at_path(self, path: str) -> Document | None:
        """The open document of an absolute path, the most recently used where it is open under several names."""
        wanted = os.path.normcase(os.path.realpath(path))
        return next(
            (document for document in self if document.path and os.path.normcase(document.path) == wanted), None
        )

    def folder_paths(self) -> Sequence[str]:
        """The open folders, absolute; without one those of the open files, else the process's own. Never empty."""
        if not self._folder_paths:
            named = [path_of_uri(folder.uri) for folder in self.folders.values()] or [path_of_uri(self.root_uri or "")]
            given = [path for path in named if path and Path(path).is_dir()]
            parents = sorted({str(Path(document.path).parent) for document in self._open.values() if document.path})
            self._folder_paths = given or [path for path in parents if Path(path).is_dir()] or [str(Path.cwd())]
        return self._folder_paths

    def open(self, item: types.TextDocumentItem) -> None:
        if item.uri in self._open:
            logger.warning("%s was opened twice; the later text counts.", item.uri)
        self._open.pop(item.uri, None)
        self._open[item.uri] = Document(item.uri, item.text, item.version, item.language_id, self.counting)
        self._folder_paths = []
        self._tell()

    def change(self, identifier: types.VersionedTextDocumentIdentifier, changes: Sequence[ContentChange]) -> None:
        """Make the changes in their order. Waiters see the text after each: editors join what happened closely."""
        document = self.get(identifier.uri)
        if document is None:
            logger.warning("%s was changed but not open.", identifier.uri)
            document = self._begin_unknown(identifier.uri)
        if identifier.version < document.version:
            logger.warning("%s went back from version %d to %d.", document.uri, document.version, identifier.version)
        document.version = identifier.version
        self.use(document)
        for change in changes:
            document.apply_change(change)
            self._tell()

    def close(self, uri: str) -> None:
        document = self.get(uri)
        if document is None:
            logger.warning("%s was closed but not open.", uri)
            return
        del self._open[document.uri]
        self._folder_paths = []
        self._tell()

    def distrust(self, uri: str) -> None:
        """The text of this document or notebook is not known until all of it is told."""
        if any(uri == notebook.uri for notebook in self.notebook_documents.values()):
            self._unknown_notebooks.add(uri)
        else:
            (self.get(uri) or self._begin_unknown(uri)).is_known = False

    def distrust_all(self) -> None:
        """A message that may have been about any document was lost."""
        self._unknown_notebooks.update(notebook.uri for notebook in self.notebook_documents.values())
        for document in self:
            document.is_known = False

    def use(self, document: Document) -> None:
        """The user is in this document now."""
        if document.uri in self._open:
            self._open[document.uri] = self._open.pop(document.uri)

    async def until(self, predicate: Callable[[], bool], timeout_s: float) -> bool:
        """Wait for an open, a change or a close after which `predicate` holds; whether it did within the bound."""
        if predicate():
            return True
        future = asyncio.get_running_loop().create_future()
        self._waiting[future] = predicate
        try:
            async with asyncio.timeout(timeout_s):
                await future
        except TimeoutError:
            return False
        finally:
            self._waiting.pop(future, None)
        return True

    def _begin_unknown(self, uri: str) -> Document:
        """A document that the editor has open and did not open for us: what is on the disk need not be its text."""
        document = self._open[uri] = Document(uri, "", 0, "", self.counting)
        document.is_known = False
        self._folder_paths = []
        return document

    def _tell(self) -> None:
        for future, predicate in list(self._waiting.items()):
            if not future.done() and predicate():
                future.set_result(None)

    # What pygls itself calls or offers.

    def add_folder(self, folder: types.WorkspaceFolder) -> None:
        super().add_folder(folder)
        self._folder_paths = []

    def remove_folder(self, folder_uri: str) -> None:
        super().remove_folder(folder_uri)
        self._folder_paths = []

    @property
    def text_documents(self) -> dict[str, TextDocument]:
        return dict(self._open)

    def get_text_document(self, doc_uri: str) -> TextDocument:
        return self.get(doc_uri) or super().get_text_document(doc_uri)

    def put_text_document(self, text_document: types.TextDocumentItem, notebook_uri: str | None = None) -> None:
        self.open(text_document)
        if notebook_uri is not None:
            name = os.path.basename(unquote(notebook_uri))  # noqa: PTH119 -- a URI
            self._open[text_document.uri].path = f"{CELLS_ROOT}{os.sep}{name} cell {next(self._cell_numbers)}"

    def update_notebook_document(self, params: types.DidChangeNotebookDocumentParams) -> None:
        """As in pygls, but with all changes of a cell at once, so that its version is right for each who looks."""
        cells = params.change.cells
        texts = (cells.text_content if cells else None) or ()
        if cells is not None:
            cells.text_content = None
            if cells.structure is not None:
                # A cell that is another now (code that became text) is closed and opened in one message.
                opened = {cell.uri for cell in cells.structure.did_open or ()}
                cells.structure.did_close = [one for one in cells.structure.did_close or () if one.uri not in opened]
        try:
            super().update_notebook_document(params)
        except KeyError:
            logger.warning("%s was changed but not open.", params.notebook_document.uri)
            self.distrust(params.notebook_document.uri)
            return
        for text in texts:
            self.change(text.document, text.changes)

    def put_notebook_document(self, params: types.DidOpenNotebookDocumentParams) -> None:
        super().put_notebook_document(params)
        self._forget_unknown(params.notebook_document.uri)

    def remove_notebook_document(self, params: types.DidCloseNotebookDocumentParams) -> None:
        super().remove_notebook_document(params)
        self._forget_unknown(params.notebook_document.uri)

    def _forget_unknown(self, notebook_uri: str) -> None:
        self._unknown_notebooks.discard(notebook_uri)
        self._open.pop(notebook_uri, None)

    def is_known_notebook(self, notebook: types.NotebookDocument) -> bool:
        """Whether no message about its cells was lost."""
        cells = (self.get(cell.document) for cell in notebook.cells)
        return notebook.uri not in self._unknown_notebooks and all(cell is None or cell.is_known for cell in cells)

    def notebook_at(self, path: str) -> types.NotebookDocument | None:
        """The open notebook of an absolute path."""
        wanted = os.path.normcase(os.path.realpath(path))
        for notebook in self.notebook_documents.values():
            if (found := path_of_uri(notebook.uri)) and os.path.normcase(os.path.realpath(found)) == wanted:
                return notebook
        return None

    def notebook_of(self, cell_uri: str) -> types.NotebookDocument | None:
        """The open notebook that has the cell."""
        notebooks = self.notebook_documents.values()
        return next((n for n in notebooks if any(cell.document == cell_uri for cell in n.cells)), None)

    def remove_text_document(self, doc_uri: str) -> None:
        self.close(doc_uri)

    def update_text_document(
        self, text_doc: types.VersionedTextDocumentIdentifier, change: types.TextDocumentContentChangeEvent
    ) -> None:
        self.change(text_doc, [change])
