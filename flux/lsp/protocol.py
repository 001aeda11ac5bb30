"""JSON-RPC as Flux speaks it: pygls' protocol with our buffers, clear answers to bad messages, real cancellation.

What is overridden and why stands at each method. Knows no feature.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, TypeVar, cast

from lsprotocol import types
from pygls.capabilities import ServerCapabilitiesBuilder
from pygls.exceptions import (
    JsonRpcException,
    JsonRpcInternalError,
    JsonRpcInvalidParams,
    JsonRpcInvalidRequest,
    JsonRpcServerNotInitialized,
)
from pygls.protocol import JsonRPCRequestMessage, JsonRPCResponseMessage, LanguageServerProtocol, lsp_method

from flux.core.errors import FluxError, InvalidArguments, refused_by_system
from flux.lsp.clients import Client, client_of
from flux.lsp.documents import Documents
from flux.lsp.names import ACTION_HELP, COMMAND_NAMES, DOCUMENT_SCHEME
from flux.lsp.streams import LARGEST_BODY
from flux.lsp.uris import uri_of_path

if TYPE_CHECKING:
    from flux.lsp.server import FluxServer

_T = TypeVar("_T")

logger = logging.getLogger(__name__)

PARSE_ERROR = -32700
REQUEST_FAILED = -32803
"""LSP 3.17: a valid request that could not be done."""
LARGEST = 2**31 - 1
"""LSP 3.17, `uinteger`."""


class FluxProtocol(LanguageServerProtocol):
    """One connection to one editor."""

    _server: FluxServer  # pyright: ignore[reportIncompatibleVariableOverride] -- pygls passes the server that made us
    client = Client()
    documents: Documents
    """Not before `initialize`."""

    def __init__(self, server: FluxServer, converter: Any) -> None:
        converter.register_structure_hook(JsonRPCResponseMessage, _plain_response)
        super().__init__(server, converter)

    def receive(self, body: bytes) -> None:
        """Handle one message. Nothing in it can raise.

        pygls decodes inside its reading loop and answers nothing where a message does not fit its type, so that the
        editor waits for ever.
        """
        try:
            data: object = json.loads(body)
        except (ValueError, RecursionError) as e:
            self._lose(PARSE_ERROR, f"The message is not JSON: {e}")
            return
        if not isinstance(data, dict):
            self._lose(JsonRpcInvalidRequest.CODE, "A message must be a JSON object.")
            return
        message = cast("dict[str, Any]", data)  # keys of a JSON object are strings
        if not isinstance(message.get("id"), str | int | None) or not isinstance(message.get("method", ""), str):
            self._lose(JsonRpcInvalidRequest.CODE, "The id of a message is a string or a number, its method a string.")
            return
        try:
            if "method" not in message and message.get("id") not in self._result_types:
                logger.warning("An answer to nothing that was asked: %.100r", message)
                return
            self._check_order(message)
            self.handle_message(self._typed(message))
        except JsonRpcException as e:
            logger.warning("%s: %s", message.get("method", "a message"), e.message)
            self._fail(message, e)
        except Exception as e:  # what else has come with this message must still be handled
            logger.exception("A message failed.")
            self._fail(message, JsonRpcInternalError(_mistake(e)))

    def _fail(self, message: dict[str, Any], error: JsonRpcException) -> None:
        """Tell who is concerned that nothing comes of the message."""
        if "method" in message and "id" in message:
            self._answer_error(message["id"], error.code, error.message)
        elif "id" in message:
            self._handle_response(message["id"], None, error.to_response_error())
        elif message["method"] in _TELLING_TEXT:
            self._lose_text(_uri_in(message.get("params")))

    def refuse(self, size: int) -> None:
        """A message of so many bytes was passed over."""
        millions = f"{size / 1e6:,.0f} million bytes"
        self._server.editor.show(f"Flux: a message of {millions} was passed over; it takes up to {LARGEST_BODY:,}.")
        self._lose(JsonRpcInvalidRequest.CODE, f"A message of {millions} is too large.")

    def _lose(self, code: int, why: str) -> None:
        """A message that nobody can read, so that it may have been anything."""
        logger.warning("%s", why)
        self._answer_error(None, code, why)
        self._lose_text("")

    def _lose_text(self, uri: str) -> None:
        """What the message said of a document, of any without `uri`, is missing from the text that is known."""
        if self._workspace is None:
            return
        if uri:
            self.documents.distrust(uri)
        else:
            self.documents.distrust_all()

    def _check_order(self, message: dict[str, Any]) -> None:
        """pygls answers nothing at all after `shutdown`, and crashes in handlers before `initialize`."""
        if self._shutdown and message.get("method") != types.EXIT and "method" in message:
            raise JsonRpcInvalidRequest("The server is shutting down.")
        if self._workspace is None and message.get("method") not in {types.INITIALIZE, types.EXIT}:
            raise JsonRpcServerNotInitialized("The first message must be `initialize`.")
        if message.get("jsonrpc") != self.VERSION:
            raise JsonRpcInvalidRequest('A message says `jsonrpc: "2.0"`.')

    def _typed(self, message: dict[str, Any]) -> Any:
        method = message.get("method")
        if isinstance(method, str) and "id" in message and self.get_message_type(method) is None:
            # Our own requests keep their parameters as JSON; pygls would make named tuples of them, and fails without.
            return JsonRPCRequestMessage(message["id"], method, self.VERSION, message.get("params"))
        try:
            return self.structure_message(message)
        except JsonRpcInvalidParams as e:
            wrong = JsonRpcInvalidParams(f"The parameters of {method} are not of its shape.")
            if not self._repair(method, message.get("params")):
                raise wrong from e
        try:
            return self.structure_message(message)
        except JsonRpcInvalidParams as e:
            raise wrong from e

    def read(self, given: object, shape: type[_T]) -> _T:
        """A value of LSP out of JSON. Raises ValueError where it is not of that shape."""
        try:
            return self._converter.structure(given, shape)
        except Exception as e:
            raise ValueError(f"not of the shape {shape}") from e

    def _repair(self, method: object, params: Any) -> bool:
        """Make parameters fit that a newer or careless editor sends; whether there was something to make fit."""
        if method == types.INITIALIZE and isinstance(params, dict):
            given = cast("dict[str, Any]", params)
            known = self._known_capabilities(given.get("capabilities"))
            is_other, given["capabilities"] = known != given.get("capabilities"), known
            return is_other
        # Who means "the end" by the largest number there is must not lose a change for that.
        return clamp_numbers(params)

    def _known_capabilities(self, given: object) -> dict[str, Any]:
        """The capabilities without those whose values our types do not know: a later LSP must not lock us out."""

        def fits(capabilities: dict[str, Any]) -> bool:
            try:
                self._converter.structure(capabilities, types.ClientCapabilities)
            except Exception:  # noqa: BLE001 -- cattrs raises what the types raise
                return False
            return True

        known: dict[str, Any] = {}
        for section, values in cast("dict[str, Any]", given).items() if isinstance(given, dict) else ():
            if isinstance(values, dict):
                parts = cast("dict[str, Any]", values).items()
                known[section] = {name: value for name, value in parts if fits({section: {name: value}})}
            elif fits({section: values}):
                known[section] = values
        return known

    def _handle_response(self, msg_id: Any, result: Any = None, error: types.ResponseError | None = None) -> None:
        """pygls fails on an answer that comes after we stopped waiting for it."""
        future = self._request_futures.get(msg_id)
        if future is not None and future.done():
            del self._request_futures[msg_id]
            return
        super()._handle_response(msg_id, result, error)

    def _handle_cancel_notification(self, msg_id: Any) -> None:
        """pygls would cancel what we wait for ourselves, by the id of a request of ours."""
        if isinstance(msg_id, str | int) and msg_id not in self._result_types:
            super()._handle_cancel_notification(msg_id)

    def _answer_error(self, msg_id: Any, code: int, message: str) -> None:
        # As JSON: lsprotocol leaves out an id that is null, which JSON-RPC wants where the request had none to be read.
        self._send_data({"jsonrpc": self.VERSION, "id": msg_id, "error": {"code": code, "message": message}})

    def _send_handler_result(self, future: Any, *, msg_id: Any) -> None:
        """pygls sends the traceback to the editor; a person there is told what to do, and the log has the rest."""
        self._request_futures.pop(msg_id, None)
        if future.cancelled():
            self._answer_error(msg_id, types.LSPErrorCodes.RequestCancelled.value, "The request was cancelled.")
            return
        match future.exception():
            case None:
                self._send_response(msg_id, result=future.result())
            case InvalidArguments() as e:
                self._answer_error(msg_id, JsonRpcInvalidParams.CODE, str(e))
            case FluxError() as e:
                self._answer_error(msg_id, REQUEST_FAILED, str(e))
            case JsonRpcException() as e:
                self._answer_error(msg_id, e.code, e.message)
            case OSError() as e:
                logger.warning("A request failed.", exc_info=e)
                self._answer_error(msg_id, REQUEST_FAILED, refused_by_system(e))
            case e:
                logger.error("A request failed.", exc_info=e)
                self._answer_error(msg_id, JsonRpcInternalError.CODE, _mistake(e))

    @lsp_method(types.INITIALIZE)
    def lsp_initialize(  # pyright: ignore[reportIncompatibleMethodOverride] -- pygls takes plain functions as well
        self, params: types.InitializeParams
    ) -> types.InitializeResult:
        """As in pygls, but with our documents, and once only."""
        if self._workspace is not None:
            raise JsonRpcInvalidRequest("`initialize` was sent before; a server is initialized once.")
        self._server.process_id = params.process_id
        self.client_capabilities = params.capabilities
        options = params.initialization_options
        given = cast("dict[str, object]", options) if isinstance(options, dict) else {}
        self.client = client_of(
            params,
            takes_turn_events=given.get("turnEvents") is True,
            asks_for_approval=given.get("approval") is True,
            queries=_strings(given.get("query")),
            takes_commit_messages=given.get("commitMessages") is True,
        )
        root_uri = params.root_uri or (uri_of_path(params.root_path) if params.root_path else None)
        self.documents = Documents(root_uri, params.workspace_folders or [], self.client.counting)
        self._workspace = self.documents
        self._server.begin(given)
        known: Any = self.fm  # which pygls leaves untyped
        self.server_capabilities = ServerCapabilitiesBuilder(
            self.client_capabilities,
            {*known.features, *known.builtin_features},
            known.feature_options,
            list(COMMAND_NAMES),
            types.TextDocumentSyncKind.Incremental,
            types.NotebookDocumentSyncOptions([types.NotebookDocumentFilterWithNotebook(notebook="*")]),
            types.PositionEncodingKind(self.client.counting.encoding),
        ).build()
        if not self.client.takes_code_actions:
            # LSP 3.17, `codeActionProvider`: options are for clients with codeActionLiteralSupport.
            self.server_capabilities.code_action_provider = True
        if self.client.reads_documents and self.server_capabilities.workspace is not None:
            # pygls 2.1.1 leaves this out.
            content = types.TextDocumentContentOptions([DOCUMENT_SCHEME])
            self.server_capabilities.workspace.text_document_content = content
        offered = self.server_capabilities.code_action_provider
        if self.client.shows_action_help and isinstance(offered, types.CodeActionOptions):
            command = types.Command("Flux: what these do, and how to make your own", ACTION_HELP)
            kinds = ("quickfix", "refactor.rewrite", "source")
            offered.documentation = [types.CodeActionKindDocumentation(kind, command) for kind in kinds]
        return types.InitializeResult(self.server_capabilities, self.server_info)

    @lsp_method(types.EXIT)
    def lsp_exit(self, *args: object) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """pygls leaves the process from inside the handler."""
        self._server.end(0 if self._shutdown else 1)

    @lsp_method(types.SHUTDOWN)
    def lsp_shutdown(self, *args: object) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """pygls cancels every request; our turns also have to leave their conversations in order."""
        self._shutdown = True
        self._server.turns.cancel()

    @lsp_method(types.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, params: types.DidOpenTextDocumentParams
    ) -> None:
        self.documents.open(params.text_document)

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, params: types.DidChangeTextDocumentParams
    ) -> None:
        """All changes of a message at once, so that the version is right for each who looks."""
        self.documents.change(params.text_document, params.content_changes)

    @lsp_method(types.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, params: types.DidCloseTextDocumentParams
    ) -> None:
        self.documents.close(params.text_document.uri)

    @lsp_method(types.WORKSPACE_EXECUTE_COMMAND)
    async def lsp_workspace__execute_command(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, params: types.ExecuteCommandParams
    ) -> Any:
        """pygls runs the command as a task of its own, which `$/cancelRequest` does not reach."""
        return await self._server.run_command(params)

    @lsp_method(types.WINDOW_WORK_DONE_PROGRESS_CANCEL)
    def lsp_work_done_progress_cancel(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, params: types.WorkDoneProgressCancelParams
    ) -> None:
        self._server.turns.cancel_token(params.token)


def _strings(given: object) -> list[str]:
    return [item for item in cast("list[object]", given) if isinstance(item, str)] if isinstance(given, list) else []


_TELLING_TEXT = {
    types.TEXT_DOCUMENT_DID_OPEN,
    types.TEXT_DOCUMENT_DID_CHANGE,
    types.NOTEBOOK_DOCUMENT_DID_OPEN,
    types.NOTEBOOK_DOCUMENT_DID_CHANGE,
}


def _mistake(error: BaseException) -> str:
    return f"Flux made a mistake ({type(error).__name__}); its log has the details."


def _uri_in(params: Any) -> str:
    """The document that is meant; empty where it cannot be told."""
    given = cast("dict[str, Any]", params) if isinstance(params, dict) else {}
    document = given.get("textDocument", given.get("notebookDocument"))
    uri = cast("dict[str, Any]", document).get("uri") if isinstance(document, dict) else None
    return uri if isinstance(uri, str) else ""


def _plain_response(message: dict[str, Any], kind: type[JsonRPCResponseMessage]) -> JsonRPCResponseMessage:
    """The result of a request of our own stays JSON; pygls would make named tuples of it."""
    return kind(**message)


def clamp_numbers(value: Any) -> bool:
    """Make every number in the JSON value that LSP does not allow the largest one it does; whether there was one."""
    if not isinstance(value, dict | list):
        return False
    items = cast("dict[str, Any] | list[Any]", value)
    has_changed = False
    for key, item in list(items.items()) if isinstance(items, dict) else list(enumerate(items)):
        if isinstance(item, int) and item > LARGEST:
            cast("Any", items)[key] = LARGEST
            has_changed = True
        else:
            has_changed = clamp_numbers(item) or has_changed
    return has_changed
