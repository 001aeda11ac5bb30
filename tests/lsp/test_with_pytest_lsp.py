"""`flux serve` with the clients of pytest-lsp, which hold every message against what the client announced.

No code actions here: lsprotocol 2025.0.0 reads a CodeAction with a command as a bare Command.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_lsp
from lsprotocol import types
from pygls.protocol import default_converter
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities

from tests.support.fake_editors.texts import with_edits
from tests.support.lsp_bench import bench
from tests.support.lsp_client import environment

FOLDERS = tempfile.TemporaryDirectory()
TEXT = "# unsaved\ndef area(r):\n    return 3 * r\n"
CALL = {"name": "edit_file", "arguments": {"path": "a.py", "old_text": "3 * r", "new_text": "3 * r**2"}}


NEOVIMS = ("0.6", "0.7", "0.8", "0.9", "0.10", "0.11")
RECORDED = ("visual-studio-code", *(f"neovim@v{version}" for version in NEOVIMS), "emacs")
"""All that pytest-lsp has."""


@pytest_lsp.fixture(
    params=RECORDED,
    config=ClientServerConfig([sys.executable, "-m", "flux", "serve"], server_env=environment(Path(FOLDERS.name))),
)
async def client(request: pytest.FixtureRequest, lsp_client: LanguageClient, tmp_path: Path) -> AsyncIterator[None]:
    script = tmp_path / "script.json"
    script.write_text(json.dumps([{"tool_calls": [CALL]}, {"text": "Done."}]), encoding="utf-8")
    lsp_client.feature(types.CLIENT_REGISTER_CAPABILITY)(lambda params: None)
    await lsp_client.initialize_session(
        types.InitializeParams(
            capabilities=client_capabilities(request.param),
            workspace_folders=[types.WorkspaceFolder(tmp_path.as_uri(), "test")],
            initialization_options={"settings": {"provider": "scripted", "script": str(script)}},
        )
    )
    yield
    await lsp_client.shutdown_session()


async def test_flux_edit_edits_the_buffer_of_a_recorded_client(client: LanguageClient, tmp_path: Path) -> None:
    asked: list[types.ApplyWorkspaceEditParams] = []
    uri = (tmp_path / "a.py").as_uri()
    client.text_document_did_open(types.DidOpenTextDocumentParams(types.TextDocumentItem(uri, "python", 1, TEXT)))

    @client.feature(types.WORKSPACE_APPLY_EDIT)
    def apply_edit(params: types.ApplyWorkspaceEditParams) -> types.ApplyWorkspaceEditResult:
        asked.append(params)
        changed = types.TextDocumentContentChangeWholeDocument(edited(params.edit, uri))
        client.text_document_did_change(
            types.DidChangeTextDocumentParams(types.VersionedTextDocumentIdentifier(2, uri), [changed])
        )
        return types.ApplyWorkspaceEditResult(applied=True)

    result = await client.workspace_execute_command_async(
        types.ExecuteCommandParams("flux.edit", [{"uri": uri, "instruction": "Correct the formula."}])
    )
    assert (result["status"], result["error"]) == ("completed", "")
    [params] = asked
    assert edited(params.edit, uri) == TEXT.replace("3 * r", "3 * r**2")
    assert not (tmp_path / "a.py").exists()


@pytest.mark.parametrize("name", RECORDED)
async def test_what_a_recorded_client_is_sent_it_said_that_it_can_take(tmp_path: Path, name: str) -> None:
    """By our own check, which is stricter, and has code actions."""
    announced = default_converter().unstructure(client_capabilities(name))
    async with bench(
        tmp_path, {"tool_calls": [CALL]}, {"text": "Done."}, buffers={"a.py": TEXT}, capabilities=announced
    ) as made:
        assert await made.client.code_actions(made.uri("a.py"), (1, 0), (2, 0))
        await made.client.command("flux.edit", {"uri": made.uri("a.py"), "instruction": "Correct the formula."})


def edited(edit: types.WorkspaceEdit, uri: str) -> str:
    """The text with the edit, in whichever form the client takes it."""
    if edit.changes is not None:
        return with_edits(TEXT, edit.changes[uri], "utf-16")
    [change] = edit.document_changes or ()
    assert isinstance(change, types.TextDocumentEdit)
    assert change.text_document.version == 1
    return with_edits(TEXT, [edit for edit in change.edits if isinstance(edit, types.TextEdit)], "utf-16")
