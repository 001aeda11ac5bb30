"""A fake editor in the process of the test: what the workspace asks of an editor, answered by its rules."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal

from lsprotocol import types
from pygls.protocol import default_converter

from flux.core.errors import WriteRefused
from flux.core.text import PositionEncoding
from flux.lsp.clients import Client, client_of
from flux.lsp.documents import Documents
from flux.lsp.problems import EditorProblems
from tests.support.fake_editors.rules import Change, Editor, EditRefused


def client_for(editor: type[Editor], encoding: PositionEncoding | None = None) -> Client:
    """What Flux makes of the editor's `initialize`; `encoding` in place of the editor's own first choice."""
    announced = dict(editor.capabilities)
    if encoding is not None:
        announced["general"] = {"positionEncodings": [encoding]}
    capabilities = default_converter().structure(announced, types.ClientCapabilities)
    info = types.ClientInfo(editor.name)
    return client_of(types.InitializeParams(capabilities=capabilities, client_info=info), takes_turn_events=False)


class DocumentReports:
    """Reports that arrive at once."""

    def __init__(self, documents: Documents) -> None:
        self.documents = documents

    def opened(self, uri: str, version: int, text: str) -> None:
        self.documents.open(types.TextDocumentItem(uri, "plaintext", version, text))

    def changed(self, uri: str, version: int, changes: Sequence[Change]) -> None:
        self.documents.change(types.VersionedTextDocumentIdentifier(version, uri), changes)

    def closed(self, uri: str) -> None:
        self.documents.close(uri)


class InProcessEditor:
    """`flux.lsp.asking.Editor` over an editor's rules."""

    def __init__(self, editor: Editor, client: Client) -> None:
        self.editor = editor
        self.client = client
        self.messages: list[str] = []

    def show(self, message: str, kind: Literal["error", "warning", "info"] = "info") -> None:
        self.messages.append(message)

    async def apply_edit(self, label: str, edit: types.WorkspaceEdit) -> types.ApplyWorkspaceEditResult:
        self.editor.begin_edit(label)
        await asyncio.sleep(0)
        try:
            result = self.editor.apply(edit)
        except EditRefused as e:
            raise WriteRefused(str(e)) from e
        await asyncio.sleep(0)
        self.editor.end_edit()
        return result

    async def show_document(self, uri: str, *, takes_focus: bool) -> bool:
        self.editor.shown.append(uri)
        return True

    async def confirm(self, question: str) -> bool:
        self.editor.questions.append(question)
        return self.editor.says_yes

    async def problems(self, uri: str, version: int, wait_s: float) -> EditorProblems | None:
        return None
