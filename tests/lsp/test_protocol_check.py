"""The check of what a server sends finds what is planted, and finds nothing in messages that are right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.lsp_client import CAPABILITIES
from tests.support.protocol_check import ProtocolCheck

AT = {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 1}}
EDIT = {"range": AT, "newText": "x"}
DOCUMENT = {"uri": "file:///a.py", "version": 3}
COMMAND = {"title": "Do", "command": "flux.action.run", "arguments": [{"id": "1"}]}
OPTIONS = {"turnEvents": True}

Json = Mapping[str, Any]


def found(message: Json, *, asked: Json | None = None, capabilities: Json = CAPABILITIES, name: str = "") -> list[str]:
    check = ProtocolCheck()
    params = {"capabilities": capabilities, "initializationOptions": OPTIONS, "clientInfo": {"name": name}}
    check.sent({"id": 1, "method": "initialize", "params": params})
    if asked is not None:
        check.sent({"id": 2, **asked})
    check.received({"jsonrpc": "2.0", **message})
    return check.faults


def edit(**changes: Any) -> Json:
    return {"id": 9, "method": "workspace/applyEdit", "params": {"edit": changes}}


def document_change(*edits: Json) -> Json:
    return {"textDocument": DOCUMENT, "edits": list(edits)}


def answer(result: Any) -> Json:
    return {"id": 2, "result": result}


def asked(method: str, **params: Any) -> Json:
    return {"method": method, "params": params}


ACTIONS = asked("textDocument/codeAction")
CANCEL = asked("workspace/executeCommand", command="flux.turn.cancel")


@pytest.mark.parametrize(
    "message",
    [
        edit(documentChanges=[document_change(EDIT)]),
        edit(documentChanges=[{"kind": "create", "uri": "file:///b.py", "options": {"ignoreIfExists": True}}]),
        edit(changes={"file:///a.py": [EDIT]}),
        {"method": "window/logMessage", "params": {"type": 3, "message": "Hm."}},
        {"id": 3, "method": "window/workDoneProgress/create", "params": {"token": "flux-1"}},
        {"method": "flux/turnEvent", "params": {"turn_id": "t", "session_id": "s", "type": "text_delta", "text": "a"}},
    ],
)
def test_what_is_right_is_let_pass(message: Json) -> None:
    assert found(message) == []


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        ({"id": 3, "method": "workspace/codeLens/refresh"}, "did not announce workspace.codeLens.refreshSupport"),
        ({"method": "flux/novelty", "params": {}}, "no client can expect it"),
        ({"method": "window/logMessage", "params": {"type": 9, "message": "Hm."}}, "9 is no MessageType"),
        ({"method": "window/logMessage", "params": {"type": 3, "text": "Hm."}}, "LogMessageParams has no such field"),
        ({"method": "window/logMessage", "params": {"type": 3}}, "LogMessageParams needs it"),
        ({"id": 3, "method": "window/logMessage", "params": {"type": 3, "message": ""}}, "a notification has no id"),
        ({"method": "textDocument/didOpen", "params": {"textDocument": {}}}, "it is the client's to send"),
        ({"id": 3, "method": "workspace/configuration", "params": {"items": [{"part": "x"}]}}, "has no such field"),
        ({"method": "window/logMessage", "params": {"type": 3, "message": ""}, "more": 1}, "a message has no {'more'}"),
        ({"id": 3, "method": "window/workDoneProgress/create", "params": {"token": -(2**31) - 1}}, "is no integer"),
        (edit(changes={"file:///a.py": [{**EDIT, "range": {**AT, "end": {"line": -1, "character": 0}}}]}), "-1 is no"),
        (edit(documentChanges=[document_change({"range": AT, "snippet": {"kind": "no", "value": ""}})]), "'no' is not"),
        ({**edit(), "params": {"edit": {}, "metadata": {"isRefactoring": True}}}, "metadata: it is only proposed"),
        ({"method": "$/progress", "params": {"token": "no", "value": {"kind": "end"}}}, "nobody began progress 'no'"),
        (edit(documentChanges=[document_change({**EDIT, "range": None})]), "None is no Range"),
        (edit(documentChanges=[document_change({**EDIT, "annotationId": "a"})]), "there is no annotation 'a'"),
        (edit(documentChanges=[{"kind": "rename", "oldUri": "a", "newUri": "b"}]), "did not announce to rename files"),
        (edit(changeAnnotations={"a": {"label": "A"}}), "did not announce workspace.workspaceEdit.changeAnnotation"),
        (
            {"method": "flux/turnEvent", "params": {"turn_id": "t", "session_id": "s", "type": "text_delta"}},
            "TextStreamed needs it",
        ),
        ({"id": 7, "result": None}, "nothing was asked by this id"),
        ({"id": None, "result": 3}, "a result needs the id"),
        ({"id": 1, "result": {}, "error": {"code": 1, "message": ""}}, "either a result or an error"),
        ({"id": 1, "error": {"code": "1", "message": ""}}, "error.code: '1' is no integer"),
        ({"id": 1, "result": {"capabilities": {"positionEncoding": "utf-8"}}}, "the client counts in ['utf-16']"),
        (
            {"id": 3, "method": "client/registerCapability", "params": {"registrations": [
                {"id": "1", "method": "textDocument/codeLens"}
            ]}},
            "did not announce textDocument.codeLens.dynamicRegistration",
        ),
        (
            {"id": 3, "method": "client/registerCapability", "params": {"registrations": [
                {"id": "1", "method": "workspace/didChangeWatchedFiles", "registerOptions": {"watchers": [{"kind": 1}]}}
            ]}},
            "options.watchers[0].globPattern: FileSystemWatcher needs it",
        ),
    ],
)  # fmt: skip
def test_a_planted_fault_is_found(message: Json, fault: str) -> None:
    assert any(fault in one for one in found(message)), found(message)


@pytest.mark.parametrize(
    ("question", "result", "fault"),
    [
        (ACTIONS, [{"title": "Do", "command": 3}], "3 is no"),
        (ACTIONS, [{"title": "Do", "isPreferred": True}], "`isPreferred` without textDocument.codeAction.isPreferred"),
        (ACTIONS, [{"title": "Do", "tags": [1]}], "`tags` without textDocument.codeAction.tagSupport"),
        (
            ACTIONS,
            [{"title": "Do", "edit": {"documentChanges": [{"kind": "delete", "uri": 3}]}}],
            "3 is no DocumentUri",
        ),
        (CANCEL, {"cancelled": "all"}, "'all' is no list"),
        (CANCEL, {"cancelled": [], "turn": "t"}, "CancelledTurns has no such field"),
        (asked("shutdown"), True, "True is no null"),
    ],
)
def test_a_fault_in_an_answer_is_found(question: Json, result: Any, fault: str) -> None:
    assert any(fault in one for one in found(answer(result), asked=question)), found(answer(result), asked=question)


def test_a_client_without_literals_gets_commands_alone() -> None:
    plain = {"workspace": {"applyEdit": True}}
    assert found(answer([COMMAND]), asked=ACTIONS, capabilities=plain) == []
    faults = found(answer([{"title": "Do", "command": COMMAND}]), asked=ACTIONS, capabilities=plain)
    assert "did not announce codeActionLiteralSupport" in faults[0]


def test_document_changes_go_unannounced_to_neovim_alone() -> None:
    message = edit(documentChanges=[document_change(EDIT)])
    announced = {"workspace": {"applyEdit": True}}
    assert found(message, capabilities=announced, name="Neovim") == []
    assert "workspaceEdit.documentChanges" in found(message, capabilities=announced)[0]
