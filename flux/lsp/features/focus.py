"""Where the user is: an editor's URI and range as a place in the workspace."""

from __future__ import annotations

from lsprotocol import types

from flux.context.item import Focus
from flux.core.diagnostics import Diagnostic
from flux.core.errors import OutsideWorkspace
from flux.lsp.convert import EditorText
from flux.lsp.uris import path_of_uri
from flux.lsp.workspace import LspWorkspace


async def focus_of(
    workspace: LspWorkspace, uri: str, selected: types.Range | None, diagnostics: tuple[Diagnostic, ...] = ()
) -> Focus:
    """The file and the selection. Raises OutsideWorkspace for what is no file of it, and the errors of `read`."""
    document = workspace.documents.get(uri)
    name = path_of_uri(uri)
    path = workspace.path_of(document) if document else None
    if path is None and name is None:
        raise OutsideWorkspace(f"{uri} is not a file.", path=uri, hint="Save it in a folder of the workspace first.")
    path = path or workspace.path(name or "")
    if document is not None:
        workspace.documents.use(document)
    if selected is None:
        return Focus(path, None, diagnostics)
    snapshot = await workspace.read(path)
    selection = EditorText(snapshot.text, workspace.documents.counting).range(selected)
    return Focus(path, selection, diagnostics)
