"""A server on the loopback that answers each request as it was told to, byte by byte, with whatever fault.

Where `fault_server` chooses a fault by the model's name, this one is given a function; what it was not told to answer
otherwise it answers whole and briefly. Lists of models and what Ollama tells of one are always answered.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.fault_server import NO_TLS, STREAMS, Received, read_request, wire_of

TLS = Path(__file__).parent / "tls"
IDS = {"request-id": "req_123", "x-request-id": "req_123"}
"""Headers of every answer that has any."""


_OF_A_MODEL = b'{"capabilities": ["completion", "tools"], "model_info": {"llama.context_length": 131072}}'
_NO_MODELS = b'{"data": [], "models": []}'


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request, and the ways to answer it."""

    request: Received
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def wire(self) -> str:
        return wire_of(self.request.path)

    @property
    def kind(self) -> Mapping[str, str]:
        """The header that says what a stream of this wire is."""
        return {"content-type": "application/x-ndjson" if self.wire == "ollama" else "text/event-stream"}

    async def raw(self, data: bytes) -> None:
        """Bytes as they are; returns when they have left."""
        self.writer.write(data)
        await self.writer.drain()

    async def begin(self, status: int = 200, headers: Mapping[str, str] | None = None, version: str = "1.1") -> None:
        """The status and the headers; a stream of events in chunks, unless the headers say otherwise."""
        said = {**self.kind, "transfer-encoding": "chunked"} if headers is None else headers
        lines = [f"{name}: {value}" for name, value in {**IDS, **said}.items()]
        await self.raw("\r\n".join([f"HTTP/{version} {status} Said", *lines, "", ""]).encode("latin-1"))

    async def chunk(self, data: bytes) -> None:
        if data:  # a chunk of no length would be the end
            await self.raw(b"%x\r\n%s\r\n" % (len(data), data))

    async def stream(self, data: bytes) -> bool:
        """A whole answer in events; the connection stays open."""
        await self.begin()
        await self.chunk(data)
        await self.raw(b"0\r\n\r\n")
        return True

    async def whole(self, status: int, headers: Mapping[str, str], body: bytes) -> bool:
        """A whole answer of known length; the connection stays open."""
        await self.begin(status, {**headers, "content-length": str(len(body))})
        await self.raw(body)
        return True

    def reset(self) -> bool:
        """Closes the connection with an error, as a machine does that goes down."""
        linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()
        return False

    async def until_hung_up(self) -> bool:
        """Says nothing more, until the client closes the connection."""
        with suppress(ConnectionError):
            await self.reader.read(1)
        return False


Answer = Callable[[Exchange], Awaitable[bool]]
"""Answers a request; whether the connection stays open."""


@dataclass(slots=True)
class ReplayServer:
    """`next_answers` are for the next requests, in order. `greet` takes a connection in the place of all that."""

    port: int = 0
    is_secure: bool = False
    next_answers: list[Answer] = field(default_factory=list[Answer])
    received: list[Received] = field(default_factory=list[Received])
    accepted: int = 0
    connections: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)

    @property
    def base_url(self) -> str:
        return f"http{'s' if self.is_secure else ''}://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until somebody closes it."""
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self.connections[task] = writer
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.LimitOverrunError, ssl.SSLError):
                while await self._answer(reader, writer):
                    pass
        finally:
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()
            del self.connections[task]

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        request = await read_request(reader)
        if request is None:
            writer.write(NO_TLS)
            return False
        exchange = Exchange(request, reader, writer)
        if request.path == "/api/show" or request.head.startswith(b"GET "):
            told = _OF_A_MODEL if request.path == "/api/show" else _NO_MODELS
            return await exchange.whole(200, {"content-type": "application/json"}, told)
        self.received.append(request)
        answer = self.next_answers.pop(0) if self.next_answers else briefly
        return await answer(exchange)

    async def hang_up(self) -> None:
        """Closes every connection, and waits until they are gone."""
        for writer in self.connections.values():
            writer.transport.abort()
        if self.connections:
            await asyncio.wait(self.connections, timeout=5)


async def briefly(exchange: Exchange) -> bool:
    """A short answer of words alone, as it should be."""
    return await exchange.stream("".join(STREAMS[exchange.wire]).encode())


@asynccontextmanager
async def replay_server(certificate: str = "") -> AsyncGenerator[ReplayServer]:
    """A server of one's own, on a free port; with TLS where a certificate of `tests/support/tls` is named."""
    secure = None
    if certificate:
        secure = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        secure.load_cert_chain(TLS / f"{certificate}.pem")
    server = ReplayServer(is_secure=secure is not None)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=secure)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        await server.hang_up()
