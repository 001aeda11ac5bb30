"""A language client in a few lines, over the standard input and output of a real `python -m flux serve`.

It answers what the server asks as an editor would: edits go to an editor of `fake_editors.rules` (VS Code where none
is named), whose buffers it reports. Everything it was told is kept. Every wait is bounded.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.protocol import default_converter

from tests.support.fake_editors import language_server
from tests.support.fake_editors.rules import Buffer, Change, Editor, EditRefused, VsCode
from tests.support.protocol_check import ProtocolCheck

BOUND_S = 40.0
"""A server may take a quarter of a minute to come up where twenty others do."""
CONVERTER = default_converter()
SERVE = (sys.executable, "-m", "flux", "serve")

CAPABILITIES: dict[str, Any] = {
    "workspace": {
        "applyEdit": True,
        "workspaceEdit": {"documentChanges": True, "resourceOperations": ["create", "delete"]},
    },
    "textDocument": {"codeAction": {"codeActionLiteralSupport": {"codeActionKind": {"valueSet": [""]}}}},
    "window": {"workDoneProgress": True, "showDocument": {"support": True}},
    "general": {"positionEncodings": ["utf-16"]},
}


class ResponseError(Exception):
    """The server answered with an error."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(error["message"])
        self.code: int = error["code"]
        self.data = error.get("data")


@dataclass
class Message:
    """What the server sent without being asked."""

    method: str
    params: Any
    id: Any = None
    """Of a request, by which it is answered."""


@dataclass
class LspClient:
    """A connection to a server process."""

    process: asyncio.subprocess.Process
    rules: type[Editor] = VsCode
    language: str = "python"
    folder: Path | None = None
    """Where its language server finds closed files."""
    bound_s: float = BOUND_S
    """How long the server may take to answer. A long measurement shares its machine, and may wait for longer."""
    messages: list[Message] = field(default_factory=list)
    notebooks: dict[str, str] = field(default_factory=dict)
    """The notebooks by the URIs of their cells."""
    answers: dict[str, Callable[[Any], Any]] = field(default_factory=dict)
    """What to answer to requests of the server, by method; the rest is answered as an editor would."""
    watchers: list[Callable[[Message], None]] = field(default_factory=list)
    """Called with each message as it comes, before it is answered."""
    check: ProtocolCheck = field(default_factory=ProtocolCheck)
    reads: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared, nothing more is read, and what the server writes stays in the pipe."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when nothing more can come from the server."""
    _waiting: dict[int, asyncio.Future[Any]] = field(default_factory=dict)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _next_id: int = 1

    # Talking.

    def send(self, message: Mapping[str, Any]) -> None:
        self.check.sent(message)
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.send_bytes(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    def send_bytes(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)

    def notify(self, method: str, params: object = None) -> None:
        self.send({"method": method, "params": params})

    def begin_request(self, method: str, params: object = None) -> tuple[int, asyncio.Future[Any]]:
        request_id, self._next_id = self._next_id, self._next_id + 1
        self._waiting[request_id] = asyncio.get_running_loop().create_future()
        self.send({"id": request_id, "method": method, "params": params})
        return request_id, self._waiting[request_id]

    async def request(self, method: str, params: object = None) -> Any:
        """The result. Raises ResponseError."""
        self.editor.flush()
        _, future = self.begin_request(method, params)
        async with asyncio.timeout(self.bound_s):
            return await future

    async def command(self, name: str, *arguments: object) -> Any:
        return await self.request("workspace/executeCommand", {"command": name, "arguments": list(arguments)})

    async def until(self, predicate: Callable[[], bool]) -> None:
        """Wait until something the server sends makes the predicate true."""
        async with asyncio.timeout(self.bound_s), self._news:
            await self._news.wait_for(predicate)

    def sent(self, method: str) -> list[Any]:
        return [message.params for message in self.messages if message.method == method]

    def events(self) -> list[dict[str, Any]]:
        return self.sent("flux/turnEvent")

    def shown(self) -> list[str]:
        """The URIs of the documents that were to be shown, without the chat's own."""
        return [asked["uri"] for asked in self.sent("window/showDocument") if "/chats/" not in asked["uri"]]

    # Editing.

    def __post_init__(self) -> None:
        self.editor = self.rules(self)
        self.editor.tell_moved = self.moved

    @property
    def buffers(self) -> dict[str, Buffer]:
        return self.editor.buffers

    def open(self, uri: str, text: str) -> None:
        self.editor.open(uri, text)

    def type(self, uri: str, line: int, column: int, text: str) -> None:
        self.editor.type(uri, line, column, text)

    def close(self, uri: str) -> None:
        self.editor.close(uri)

    # What the editor tells.

    def open_notebook(self, uri: str, cells: Mapping[str, tuple[int, str, str]]) -> None:
        """`cells` are (kind, language, text) by their URIs."""
        for cell, (_, _, text) in cells.items():
            self.notebooks[cell] = uri
            self.editor.open(cell, text)
        listed = [{"kind": kind, "document": cell} for cell, (kind, _, _) in cells.items()]
        texts = [
            {
                "uri": cell,
                "languageId": language,
                "version": self.buffers[cell].version,
                "text": self.buffers[cell].text,
            }
            for cell, (_, language, _) in cells.items()
        ]
        notebook = {"uri": uri, "notebookType": "jupyter-notebook", "version": 1, "cells": listed}
        self.notify("notebookDocument/didOpen", {"notebookDocument": notebook, "cellTextDocuments": texts})

    def change_cells(self, uri: str, cells: Mapping[str, object]) -> None:
        """What LSP calls the `cells` of a change, of which the client's own buffers know already."""
        self.notify(
            "notebookDocument/didChange",
            {"notebookDocument": {"uri": uri, "version": 2}, "change": {"cells": cells}},
        )

    def opened(self, uri: str, version: int, text: str) -> None:
        if uri in self.notebooks:
            return
        item = {"uri": uri, "languageId": self.language, "version": version, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": item})

    def changed(self, uri: str, version: int, changes: Sequence[Change]) -> None:
        document = {"uri": uri, "version": version}
        told = [CONVERTER.unstructure(change) for change in changes]
        if notebook := self.notebooks.get(uri):
            self.change_cells(notebook, {"textContent": [{"document": document, "changes": told}]})
            return
        self.notify("textDocument/didChange", {"textDocument": document, "contentChanges": told})

    def closed(self, uri: str) -> None:
        self.notify("textDocument/didClose", {"textDocument": {"uri": uri}})

    def moved(self, old: str, new: str) -> None:
        told = self.rules.capabilities["workspace"].get("fileOperations", {})
        if new and "didRename" in told:
            self.notify("workspace/didRenameFiles", {"files": [{"oldUri": old, "newUri": new}]})
        elif not new and "didDelete" in told:
            self.notify("workspace/didDeleteFiles", {"files": [{"uri": old}]})

    # Asking.

    async def code_actions(self, uri: str, start: tuple[int, int], end: tuple[int, int], **context: Any) -> Any:
        params = {
            "textDocument": {"uri": uri},
            "range": lsp_range(start, end),
            "context": {"diagnostics": [], "triggerKind": 1, **context},
        }
        return await self.request("textDocument/codeAction", params)

    async def run_action(self, actions: Sequence[Mapping[str, Any]], title: str) -> Any:
        """Run the action whose title begins so, as an editor does on its choice."""
        return await self.request("workspace/executeCommand", command_of(actions, title))

    # Listening.

    async def listen(self) -> None:
        assert self.process.stdout is not None
        with suppress(asyncio.IncompleteReadError):
            while True:
                await self.reads.wait()
                head = await self.process.stdout.readuntil(b"\r\n\r\n")
                length = next(int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:"))
                self._receive(json.loads(await self.process.stdout.readexactly(length)))
                async with self._news:
                    self._news.notify_all()
        self.ended.set()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ConnectionError("the server has ended"))

    def _receive(self, message: dict[str, Any]) -> None:
        self.check.received(message)
        if "method" not in message:
            future = self._waiting.pop(message["id"], None) if message["id"] is not None else None
            if future is None:
                self.messages.append(Message("", message))
            elif not future.done():
                if "error" in message:
                    future.set_exception(ResponseError(message["error"]))
                else:
                    future.set_result(message.get("result"))
            return
        self.messages.append(Message(message["method"], message.get("params"), message.get("id")))
        for watcher in self.watchers:
            watcher(self.messages[-1])
        if "id" not in message:
            return
        own = self.answers.get(message["method"])
        try:
            result = own(message["params"]) if own else self._answer(message)
        except EditRefused as e:
            self.send({"id": message["id"], "error": {"code": -32603, "message": str(e)}})
        else:
            if result is not NO_ANSWER:
                self.send({"id": message["id"], "result": result})
        if message["method"] == "workspace/applyEdit":
            self.editor.end_edit()

    def _answer(self, message: dict[str, Any]) -> Any:
        match message["method"]:
            case "workspace/applyEdit":
                asked = CONVERTER.structure(message["params"], types.ApplyWorkspaceEditParams)
                self.editor.begin_edit(asked.label or "")
                return CONVERTER.unstructure(self.editor.apply(asked.edit))
            case "workspace/configuration":
                return [None for _ in message["params"]["items"]]
            case "window/showMessageRequest":
                self.editor.questions.append(message["params"]["message"])
                return message["params"]["actions"][0] if self.editor.says_yes else None
            case "flux/editor/query":
                assert self.folder is not None
                return language_server.answer(self.editor, self.folder, message["params"])
            case "window/showDocument":
                self.editor.shown.append(message["params"]["uri"])
                return {"success": True}
            case _:
                return None


NO_ANSWER = object()


def command_of(actions: Sequence[Mapping[str, Any]], title: str) -> Mapping[str, Any]:
    """The command of the action whose title begins so."""
    [chosen] = [action for action in actions if action["title"].startswith(title)]
    return chosen if isinstance(chosen["command"], str) else chosen["command"]


def lsp_range(start: tuple[int, int], end: tuple[int, int]) -> dict[str, Any]:
    (a, b), (c, d) = start, end
    return {"start": {"line": a, "character": b}, "end": {"line": c, "character": d}}


def uri_of(path: Path) -> str:
    return path.as_uri()


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """A process environment without the user's own settings and keys; Flux's folders are below `folder`."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("FLUX_", "ANTHROPIC_", "OPENAI_", "COVERAGE"))
    }
    return {
        **clean,
        "FLUX_CONFIG_FOLDER": str(folder / "config"),
        "FLUX_STATE_FOLDER": str(folder / "state"),
        "FLUX_MAP_TOKENS": "0",  # a process more for each test; tests/agent/test_project_map.py has it
        **variables,
    }


@asynccontextmanager
async def connected(
    environ: Mapping[str, str], *, folder: Path, rules: type[Editor] = VsCode, command: Sequence[str] = SERVE
) -> AsyncIterator[LspClient]:
    """A client of a fresh server process, which is gone afterwards. Nothing is sent yet."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=dict(environ),
        cwd=folder,
    )
    client = LspClient(process, rules, folder=folder)
    client.reads.set()
    listening = asyncio.create_task(client.listen())
    try:
        yield client
    finally:
        client.reads.set()
        assert process.stdin is not None
        process.stdin.close()
        if process.returncode is None:
            try:
                async with asyncio.timeout(BOUND_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
                raise
        await listening
        assert client.check.faults == []


async def initialize(
    client: LspClient,
    folder: Path | None,
    *,
    name: str = "test",
    capabilities: Mapping[str, Any] = CAPABILITIES,
    process_id: int | None = None,
    **options: Any,
) -> dict[str, Any]:
    """The handshake; the server's answer. `process_id` is the editor's, ours by default; `options` initialize it."""
    folders = [{"uri": uri_of(folder), "name": folder.name}] if folder else None
    answer = await client.request(
        "initialize",
        {
            "processId": process_id or os.getpid(),
            "clientInfo": {"name": name},
            "rootUri": uri_of(folder) if folder else None,
            "workspaceFolders": folders,
            "capabilities": capabilities,
            "initializationOptions": options,
        },
    )
    client.editor.encoding = answer["capabilities"]["positionEncoding"]
    client.notify("initialized", {})
    return answer
