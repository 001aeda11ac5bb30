"""A server on the loopback that answers GET with what is set for each path: for lists of models."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.support.fault_server import FaultServer, Received


@dataclass(slots=True)
class Lists(FaultServer):
    """Answers with what is set for each path."""

    pages: dict[str, object] = field(default_factory=dict[str, object])

    async def _answer(self, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        found = self.pages.get(request.path)
        body = json.dumps(found if found is not None else {"error": "Unexpected endpoint"}).encode()
        status = 404 if found is None else 200
        writer.write(b"HTTP/1.1 %d Said\r\ncontent-type: application/json\r\n" % status)
        writer.write(b"content-length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        return True


@asynccontextmanager
async def list_server() -> AsyncGenerator[Lists]:
    server = Lists()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    yield server
    listening.close()
    await server.hang_up()
