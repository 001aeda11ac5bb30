"""Where the user is: an editor's URI and range as a place in the workspace."""

from __future__ import annotations

from lsprotocol import types

from flux.context.item import Focus
from flux.core.diagnostics import Diagnostic
from flux.core.errors import OutsideWorkspace
from flux.core.text import LineIndex, Range
from flux.lsp.convert import EditorText, all_offsets_of
from flux.lsp.notebooks import open_notebook
from flux.lsp.uris import path_of_uri
from flux.lsp.workspace import LspWorkspace


async def focus_of(
    workspace: LspWorkspace, uri: str, selected: types.Range | None, diagnostics: tuple[Diagnostic, ...] = ()
) -> Focus:
    """The file and the selection. Raises OutsideWorkspace for what is no file of it, and the errors of `read`."""
    document = workspace.documents.get(uri)
    cells_notebook = workspace.documents.notebook_of(uri)
    name = path_of_uri(cells_notebook.uri if cells_notebook else uri)
    path = workspace.path_of(document) if document else None
    if path is None and name is None:
        raise OutsideWorkspace(f"{uri} is not a file.", path=uri, hint="Save it in a folder of the workspace first.")
    path = path or workspace.path(name or "")
    if document is not None:
        workspace.documents.use(document)
    if selected is None:
        return Focus(path, None, diagnostics)
    snapshot = await workspace.read(path)
    notebook = open_notebook(workspace.documents, path)
    if notebook is not None and cells_notebook is not None and document is not None:
        in_cell = all_offsets_of(document.text, (selected,), workspace.documents.counting)[0]
        index, start = LineIndex(snapshot.text), notebook.offset(document)
        return Focus(path, Range(*(index.position(start + offset) for offset in in_cell)), diagnostics)
    selection = EditorText(snapshot.text, workspace.documents.counting).range(selected)
    return Focus(path, selection, diagnostics)
