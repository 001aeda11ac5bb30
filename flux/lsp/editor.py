"""What Flux asks of the connected editor, and tells it: requests with bounds, messages, progress.

Knows the protocol; what an editor can do is in `flux.lsp.clients`.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from flux.core.errors import ToolTimedOut, WorkspaceError, WriteRefused
from flux.lsp.clients import Client
from flux.lsp.names import APPROVE, EDITOR_QUERY, SECRET
from flux.lsp.protocol import FluxProtocol

if TYPE_CHECKING:
    from flux.agent.approval import Decision
    from flux.lsp.problems import EditorProblems

_T = TypeVar("_T")

logger = logging.getLogger(__name__)

ANSWER_S = 5.0
"""Seconds for an answer that takes an editor no time."""
SECRET_S = 60.0
"""Seconds for a key: the editor's store may ask its user to unlock it."""
QUERY_S = 15.0
"""Seconds for a language server, which may have to read a project first."""
USER_ANSWER_S = 600.0
"""Seconds for a user to answer; then it counts as no answer."""

_KINDS = {
    "error": types.MessageType.Error,
    "warning": types.MessageType.Warning,
    "info": types.MessageType.Info,
}


class LspEditor:
    """The editor at the other end of one connection."""

    def __init__(self, protocol: FluxProtocol) -> None:
        self._protocol = protocol

    @property
    def client(self) -> Client:
        return self._protocol.client

    async def apply_edit(self, label: str, edit: types.WorkspaceEdit) -> types.ApplyWorkspaceEditResult:
        """The editor's answer; the caller bounds the wait. Raises WriteRefused where it answers with an error."""
        try:
            answer: Any = await self._protocol.send_request_async(
                types.WORKSPACE_APPLY_EDIT, types.ApplyWorkspaceEditParams(edit, label)
            )
        except JsonRpcException as e:
            raise WriteRefused(e.message) from e
        if not isinstance(answer, types.ApplyWorkspaceEditResult):
            raise WriteRefused("its answer was empty.")
        return answer

    async def show_document(self, uri: str, *, takes_focus: bool) -> bool:
        params = types.ShowDocumentParams(uri, take_focus=takes_focus)
        answer = await self._ask(types.WINDOW_SHOW_DOCUMENT, params, ANSWER_S)
        return isinstance(answer, types.ShowDocumentResult) and answer.success

    async def refresh_document(self, uri: str) -> None:
        """Tell that the text of a document of ours is another now."""
        params = types.TextDocumentContentRefreshParams(uri)
        await self._ask(types.WORKSPACE_TEXT_DOCUMENT_CONTENT_REFRESH, params, ANSWER_S)

    async def refresh_lenses(self) -> None:
        """Tell that other code lenses are to be shown now, where the editor can be told."""
        if self.client.refreshes_lenses:
            await self._ask(types.WORKSPACE_CODE_LENS_REFRESH, None, ANSWER_S)

    async def problems(self, uri: str, version: int, wait_s: float) -> EditorProblems | None:
        from flux.lsp.problems import EditorProblems

        params = {"kind": "diagnostics", "uri": uri, "version": version, "waitMs": round(wait_s * 1000)}
        answer = await self._ask(EDITOR_QUERY, params, wait_s + ANSWER_S)
        if not isinstance(answer, dict):
            return None
        given = cast("dict[str, object]", answer)
        try:
            shown = self._protocol.read(given.get("diagnostics"), list[types.Diagnostic])
        except ValueError:
            logger.warning("The editor's diagnostics are not of their shape.")
            return None
        return EditorProblems(shown, str(given.get("when", "typed")))

    async def query(self, params: Mapping[str, object], part: str, shape: type[_T]) -> _T | None:
        """A part of the answer to `flux/editor/query`; None where nobody knows.

        Raises WorkspaceError where the editor cannot tell, ToolTimedOut where it does not within the bound.
        """
        try:
            async with asyncio.timeout(QUERY_S):
                answer = await self._request(EDITOR_QUERY, params)
            if answer is None:
                return None
            return self._protocol.read(cast("dict[str, object]", answer).get(part), shape)
        except TimeoutError as e:
            raise ToolTimedOut(f"The language servers did not answer within {QUERY_S:g} s.") from e
        except JsonRpcException as e:
            raise WorkspaceError(f"The editor could not tell: {e.message}") from e
        except (ValueError, AttributeError) as e:
            raise WorkspaceError("The editor's answer could not be read.") from e

    async def secret(self, setting: str) -> str:
        """The key that the editor keeps for a setting; empty where it keeps none, or does not give it."""
        answer = await self._ask(SECRET, {"setting": setting}, SECRET_S)
        value = cast("dict[str, object]", answer).get("value") if isinstance(answer, dict) else None
        return value if isinstance(value, str) else ""

    async def approve(self, title: str, paths: Sequence[str], diff: str) -> Decision:
        """What the user says in the editor's own dialogue."""
        answer = await self._ask(APPROVE, {"title": title, "paths": list(paths), "diff": diff}, USER_ANSWER_S)
        said = cast("dict[str, object]", answer).get("decision") if isinstance(answer, dict) else None
        return "yes" if said == "yes" else "always" if said == "always" else "no"

    async def confirm(self, question: str) -> bool:
        return await self.choose(question, ("Write", "Do not write")) == "Write"

    async def choose(self, question: str, answers: Sequence[str]) -> str | None:
        """The answer that the user picked; None where they picked none."""
        params = types.ShowMessageRequestParams(
            types.MessageType.Info, question, [types.MessageActionItem(answer) for answer in answers]
        )
        answer = await self._ask(types.WINDOW_SHOW_MESSAGE_REQUEST, params, USER_ANSWER_S)
        return answer.title if isinstance(answer, types.MessageActionItem) else None

    async def configuration(self, section: str) -> dict[str, object]:
        """The editor's settings of a section; empty where it has none or does not say."""
        if not self.client.has_configuration:
            return {}
        params = types.ConfigurationParams([types.ConfigurationItem(section=section)])
        answer = await self._ask(types.WORKSPACE_CONFIGURATION, params, ANSWER_S)
        values = cast("Sequence[object]", answer) if isinstance(answer, list | tuple) else ()
        return cast("dict[str, object]", values[0]) if values and isinstance(values[0], dict) else {}

    async def register(self, registrations: Sequence[types.Registration]) -> None:
        """Ask to be told of what an editor tells only then."""
        if registrations:
            await self._ask(types.CLIENT_REGISTER_CAPABILITY, types.RegistrationParams(registrations), ANSWER_S)

    async def create_progress(self, token: str) -> bool:
        """Whether progress may be reported under the token."""
        params = types.WorkDoneProgressCreateParams(token)
        return await self._ask(types.WINDOW_WORK_DONE_PROGRESS_CREATE, params, ANSWER_S) is not _NOTHING

    def report_progress(
        self,
        token: types.ProgressToken,
        value: types.WorkDoneProgressBegin | types.WorkDoneProgressReport | types.WorkDoneProgressEnd,
    ) -> None:
        self._protocol.notify(types.PROGRESS, types.ProgressParams(token, value))

    def show(self, message: str, kind: Literal["error", "warning", "info"] = "info") -> None:
        self._protocol.notify(types.WINDOW_SHOW_MESSAGE, types.ShowMessageParams(_KINDS[kind], message))

    def log(self, message: str) -> None:
        """A line for the editor's own log."""
        self._protocol.notify(types.WINDOW_LOG_MESSAGE, types.LogMessageParams(types.MessageType.Info, message))

    def notify(self, method: str, params: dict[str, object]) -> None:
        """A notification of Flux's own."""
        self._protocol.notify(method, params)

    async def _ask(self, method: str, params: object, bound_s: float) -> object:
        """The answer, or `_NOTHING` where there is an error or none in time."""
        try:
            async with asyncio.timeout(bound_s):
                return await self._request(method, params)
        except TimeoutError:
            logger.warning("The editor did not answer %s within %g s.", method, bound_s)
        except JsonRpcException as e:
            logger.warning("The editor refused %s: %s", method, e.message)
        return _NOTHING

    async def _request(self, method: str, params: object) -> object:
        """The answer. Where it is waited for no longer, the editor is told so: it may show something to its user."""
        request_id = str(uuid.uuid4())
        try:
            return await self._protocol.send_request_async(method, params, request_id)
        except asyncio.CancelledError:
            self._protocol.notify(types.CANCEL_REQUEST, types.CancelParams(request_id))
            raise


_NOTHING = object()
