"""A language server that lives in the test: it hears what a real editor tells, and asks it for edits.

It has no ideas of its own. Knows nothing of which editor it is, nor how that is driven.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.support.fake_editors.desk import Report
from tests.support.fake_editors.rules import EditRefused

BOUND_S = 10.0


class Listener:
    def __init__(self) -> None:
        self.announced: Mapping[str, Any] = {}
        """The parameters of `initialize`."""
        self.told: list[Report] = []
        """What became of documents, in the order in which it was told."""
        self._writer: asyncio.StreamWriter | None = None
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._news = asyncio.Condition()
        self._has_ended = asyncio.Event()
        self._next_id = 1

    @property
    def is_initialized(self) -> bool:
        return self._writer is not None

    async def request(self, method: str, params: object) -> Any:
        """The editor's answer. Raises EditRefused."""
        assert self._writer is not None
        request_id, self._next_id = self._next_id, self._next_id + 1
        self._waiting[request_id] = asyncio.get_running_loop().create_future()
        self._send(self._writer, {"id": request_id, "method": method, "params": params})
        async with asyncio.timeout(BOUND_S):
            return await self._waiting[request_id]

    async def until(self, predicate: Callable[[], bool], bound_s: float = BOUND_S) -> None:
        """Wait until something that the editor tells makes the predicate true."""
        async with asyncio.timeout(bound_s), self._news:
            await self._news.wait_for(predicate)

    async def listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:"))
                self._receive(json.loads(await reader.readexactly(length)), writer)
                async with self._news:
                    self._news.notify_all()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self._has_ended.set()

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            async with asyncio.timeout(BOUND_S):
                await self._has_ended.wait()

    def _receive(self, message: Mapping[str, Any], writer: asyncio.StreamWriter) -> None:
        params = message.get("params")
        match message:
            case {"method": "initialize", "id": request_id}:
                self.announced = params or {}
                encoding = self.announced["capabilities"]["general"]["positionEncodings"][0]
                capabilities = {"positionEncoding": encoding, "textDocumentSync": {"openClose": True, "change": 2}}
                self._send(writer, {"id": request_id, "result": {"capabilities": capabilities}})
            case {"method": "initialized"}:
                self._writer = writer
            case {"method": method, "id": request_id}:
                empty = {"models": []} if method == "workspace/executeCommand" else None
                self._send(writer, {"id": request_id, "result": empty})
            case {"method": "textDocument/didOpen"}:
                document = message["params"]["textDocument"]
                self.told.append(Report("opened", document["uri"], document["version"], document["text"]))
            case {"method": "textDocument/didChange"}:
                document, changes = message["params"]["textDocument"], message["params"]["contentChanges"]
                self.told.append(
                    Report("changed", document["uri"], document["version"], tuple(map(change_of, changes)))
                )
            case {"method": "textDocument/didClose"}:
                self.told.append(Report("closed", message["params"]["textDocument"]["uri"]))
            case {"id": int(request_id), "error": error}:
                self._waiting.pop(request_id).set_exception(EditRefused(error["message"]))
            case {"id": int(request_id)}:
                self._waiting.pop(request_id).set_result(message.get("result"))
            case _:
                pass

    def _send(self, writer: asyncio.StreamWriter, message: Mapping[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))


def change_of(change: Mapping[str, Any]) -> tuple[str, str]:
    """Where, as `line:column-line:column` or `all`, and what stands there now."""
    if "range" not in change:
        return "all", change["text"]
    start, end = change["range"]["start"], change["range"]["end"]
    place = f"{start['line']}:{start['character']}-{end['line']}:{end['character']}"
    return place, change["text"]


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[Listener, int]]:
    """A listener and its port."""
    listener = Listener()
    server = await asyncio.start_server(listener.listen, "127.0.0.1", 0)
    try:
        yield listener, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await listener.close()
