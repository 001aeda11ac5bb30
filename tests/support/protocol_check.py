"""Holds every message of a server against LSP's own meta model, and against what the client said that it can take.

The model has which methods there are, who sends them, what they carry, and mostly which capability they need. What goes
over the wire beside LSP is held against `flux.lsp.methods` and `flux.lsp.results`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NotRequired, TypedDict, get_args

from lsprotocol import types

from flux.agent.events import TurnEvent
from flux.lsp.methods import COMMANDS, MESSAGES
from flux.lsp.names import APPROVE, COMMIT_MESSAGE, EDITOR_QUERY, SECRET, TURN_EVENT
from tests.support import meta_model
from tests.support.meta_model import METHODS
from tests.support.shapes import misfits

BASIC = {types.WINDOW_SHOW_MESSAGE, types.WINDOW_SHOW_MESSAGE_REQUEST}
"""Every client takes these: the capability that the model names is for what they may carry more."""
NEEDED: Mapping[str, str] = {
    **{
        name: method["clientCapability"]
        for name, method in METHODS.items()
        if method["messageDirection"] != "clientToServer" and "clientCapability" in method and name not in BASIC
    },
    types.WORKSPACE_CODE_LENS_REFRESH: "workspace.codeLens.refreshSupport",
    types.WORKSPACE_TEXT_DOCUMENT_CONTENT_REFRESH: "workspace.textDocumentContent",
    TURN_EVENT: "options.turnEvents",
    EDITOR_QUERY: "options.query",
    SECRET: "options.secrets",
    APPROVE: "options.approval",
    COMMIT_MESSAGE: "options.commitMessages",
}
"""What a client must have announced for a method of the server; `options` are its initialization options."""

CODE_ACTION_FIELDS: Mapping[str, str] = {
    "isPreferred": "isPreferredSupport",
    "disabled": "disabledSupport",
    "data": "dataSupport",
    "tags": "tagSupport",
}
TAKES_UNANNOUNCED: Mapping[str, set[str]] = {"Neovim": {"workspace.workspaceEdit.documentChanges"}}
"""What an editor was seen to take without saying so: `flux.lsp.clients` has the source."""


class _Error(TypedDict):
    """JSON-RPC 2.0, "Error object", which the model leaves to it."""

    code: int
    message: str
    data: NotRequired[Any]


_PROGRESS = types.WorkDoneProgressBegin | types.WorkDoneProgressReport | types.WorkDoneProgressEnd
_OWN = {message.name: message for message in MESSAGES}
_EVENTS = {event.type: event for event in get_args(TurnEvent)}


@dataclass
class ProtocolCheck:
    """What passes between a client and a server. `faults` are those of the server, in words."""

    faults: list[str] = field(default_factory=list)
    _announced: dict[str, Any] = field(default_factory=dict)
    _name: str = ""
    _asked: dict[Any, Mapping[str, Any]] = field(default_factory=dict)
    """The client's requests that are not answered yet, by id."""
    _tokens: set[Any] = field(default_factory=set)

    def sent(self, message: Mapping[str, Any]) -> None:
        """The client is about to send this."""
        params = message.get("params")
        if "method" in message and "id" in message:
            self._asked[message["id"]] = message
        if isinstance(params, dict):
            self._tokens |= {params[name] for name in ("workDoneToken", "partialResultToken") if name in params}
            if message["method"] == types.INITIALIZE and not self._announced:
                options = params.get("initializationOptions")
                self._announced = {**params["capabilities"], "options": options if isinstance(options, dict) else {}}
                self._name = params.get("clientInfo", {}).get("name", "")

    def received(self, message: Mapping[str, Any]) -> None:
        """The server sent this."""
        self.faults += [f"{_title(message)}: {fault}" for fault in self._faults(message)]

    def _faults(self, message: Mapping[str, Any]) -> Iterator[str]:
        if message.get("jsonrpc") != "2.0":
            yield "it does not say that it is JSON-RPC 2.0"
        if "method" not in message:
            yield from self._faults_of_answer(message)
            return
        method, params = message["method"], message.get("params")
        if (needed := NEEDED.get(method)) is not None:
            if not self._has(needed):
                yield f"the client did not announce {needed}"
        elif method not in METHODS:
            yield "no client can expect it"
        if wrong := self._misfits(message):
            yield from wrong
            return
        if method == EDITOR_QUERY and params["kind"] not in self._get("options.query"):
            yield f"the client did not announce to answer for {params['kind']}"
        if method == types.WINDOW_WORK_DONE_PROGRESS_CREATE:
            self._tokens.add(params["token"])
        if method == types.PROGRESS and params["token"] not in self._tokens:
            yield f"nobody began progress {params['token']!r}"
        if method == types.CLIENT_REGISTER_CAPABILITY:
            for registered in params["registrations"]:
                yield from self._faults_of_registration(registered)
        if method == types.WORKSPACE_APPLY_EDIT:
            yield from self._faults_of_edit(params["edit"])

    def _misfits(self, message: Mapping[str, Any]) -> list[str]:
        """What is not of its type in a request or a notification."""
        method, params = message["method"], message.get("params")
        if method == TURN_EVENT:
            return list(self._faults_of_event(params))
        if method in _OWN:
            return misfits(params, _OWN[method].params)
        wrong = list(_faults_of_message(message)) if method in METHODS else []
        if method == types.PROGRESS and not wrong:
            wrong = misfits(params["value"], _PROGRESS, "value")
        return wrong

    def _faults_of_registration(self, registered: Mapping[str, Any]) -> Iterator[str]:
        declared = METHODS.get(registered["method"], {})
        path = f"{declared.get('clientCapability', registered['method'])}.dynamicRegistration"
        if not self._has(path):
            yield f"the client did not announce {path}"
        if "registrationOptions" in declared:
            yield from meta_model.misfits(registered.get("registerOptions"), declared["registrationOptions"], "options")

    def _faults_of_answer(self, message: Mapping[str, Any]) -> Iterator[str]:
        if ("result" in message) == ("error" in message):
            yield "an answer has either a result or an error"
        if "error" in message:
            yield from misfits(message["error"], _Error, "error")
        if message.get("id") is None:
            if "error" not in message:
                yield "a result needs the id of its request"
            return
        asked = self._asked.pop(message["id"], None)
        if asked is None:
            yield "nothing was asked by this id"
        elif "result" in message:
            yield from self._faults_of_result(asked, message["result"])

    def _faults_of_result(self, asked: Mapping[str, Any], result: Any) -> Iterator[str]:
        method = asked["method"]
        if method == types.WORKSPACE_EXECUTE_COMMAND:
            wrong = misfits(result, COMMANDS[asked["params"]["command"]].result)
        elif method in _OWN:
            wrong = misfits(result, _OWN[method].result)
        else:
            wrong = meta_model.misfits(result, METHODS[method]["result"])
        if wrong:
            yield from wrong
            return
        match method:
            case types.INITIALIZE:
                yield from self._faults_of_capabilities(result["capabilities"])
            case types.TEXT_DOCUMENT_CODE_ACTION:
                for action in result or ():
                    yield from self._faults_of_action(action)
            case types.CODE_ACTION_RESOLVE:
                yield from self._faults_of_action(result)
            case _:
                pass

    def _faults_of_capabilities(self, given: Mapping[str, Any]) -> Iterator[str]:
        offered = self._get("general.positionEncodings") or ["utf-16"]
        if given.get("positionEncoding", "utf-16") not in [*offered, "utf-16"]:
            yield f"the client counts in {offered}, not in {given['positionEncoding']}"
        if "textDocumentContent" in given.get("workspace", {}) and not self._has("workspace.textDocumentContent"):
            yield "the client asks for no documents"
        actions = given.get("codeActionProvider")
        if isinstance(actions, dict):
            announced = self._get("textDocument.codeAction") or {}
            if "codeActionLiteralSupport" not in announced:
                yield "a client without codeActionLiteralSupport takes no CodeActionOptions"
            if "documentation" in actions and not announced.get("documentationSupport"):
                yield "the client did not announce textDocument.codeAction.documentationSupport"

    def _faults_of_action(self, action: Mapping[str, Any]) -> Iterator[str]:
        announced = self._get("textDocument.codeAction") or {}
        if isinstance(action.get("command"), str):  # a bare command
            return
        if "codeActionLiteralSupport" not in announced:
            yield f"{action['title']}: the client did not announce codeActionLiteralSupport"
        for name, support in CODE_ACTION_FIELDS.items():
            if name in action and not announced.get(support):
                yield f"{action['title']}: `{name}` without textDocument.codeAction.{support}"
        unknown = set(action.get("tags", ())) - set((announced.get("tagSupport") or {}).get("valueSet", ()))
        if unknown and announced.get("tagSupport"):
            yield f"{action['title']}: tags {unknown} that the client does not know"
        if "edit" in action:
            yield from self._faults_of_edit(action["edit"])

    def _faults_of_edit(self, edit: Mapping[str, Any]) -> Iterator[str]:
        root = "workspace.workspaceEdit"
        if "documentChanges" in edit and not self._has(f"{root}.documentChanges"):
            yield f"the client did not announce {root}.documentChanges"
        if "changeAnnotations" in edit and not self._has(f"{root}.changeAnnotationSupport"):
            yield f"the client did not announce {root}.changeAnnotationSupport"
        known = set(edit.get("changeAnnotations") or ())
        for change in edit.get("documentChanges") or ():
            kind = change.get("kind")
            if kind is not None and kind not in (self._get(f"{root}.resourceOperations") or ()):
                yield f"the client did not announce to {kind} files"
            for part in (change, *change.get("edits", ())):
                if "snippet" in part and not self._has(f"{root}.snippetEditSupport"):
                    yield f"the client did not announce {root}.snippetEditSupport"
                if "annotationId" in part and part["annotationId"] not in known:
                    yield f"there is no annotation {part['annotationId']!r}"

    def _faults_of_event(self, params: Mapping[str, Any]) -> Iterator[str]:
        kind = _EVENTS.get(params.get("type", ""))
        if kind is None:
            yield f"there is no event {params.get('type')!r}"
            return
        event = {name: value for name, value in params.items() if name not in {"type", "turn_id", "session_id"}}
        ids = {name: params.get(name) for name in ("turn_id", "session_id")}
        fields = kind.__dataclass_fields__
        yield from misfits({**event, **{name: ids[name] for name in ids if name in fields}}, kind)
        yield from (f"{name}: {value!r} is no id" for name, value in ids.items() if not isinstance(value, str))

    def _has(self, path: str) -> bool:
        if path in TAKES_UNANNOUNCED.get(self._name, ()):
            return True
        found = self._get(path)
        return found is not None and found is not False

    def _get(self, path: str) -> Any:
        found: Any = self._announced
        for key in path.split("."):
            found = found.get(key) if isinstance(found, dict) else None
        return found


def _faults_of_message(message: Mapping[str, Any]) -> Iterator[str]:
    method = METHODS[message["method"]]
    is_request = "result" in method
    if is_request != ("id" in message):
        yield "a request needs an id" if is_request else "a notification has no id"
    if method["messageDirection"] == "clientToServer":
        yield "it is the client's to send"
    if unknown := message.keys() - {"jsonrpc", "id", "method", "params"}:
        yield f"a message has no {unknown}"
    if "params" in method:
        yield from meta_model.misfits(message.get("params"), method["params"])
    elif message.get("params") is not None:  # what has no parameters may have them left out or null
        yield "it has no parameters"


def _title(message: Mapping[str, Any]) -> str:
    return message.get("method") or f"the answer to {message.get('id')!r}"
