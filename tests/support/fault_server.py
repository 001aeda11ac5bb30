"""A raw server on the loopback: keeps every byte of every request, and answers as the model's name says.

Speaks the four wires by path. A fault happens after the first words of an answer, unless it is one of a status. What
aimock cannot do: cache usage, faults in mid-stream, odd events, and the request exactly as it came.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

HTML = b"<!doctype html><html><head><title>Bad &amp; Gateway</title></head><body><h1>nginx</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came. `head` is the request line and the headers, undecoded."""

    head: bytes
    body: bytes

    @property
    def path(self) -> str:
        return self.head.split(b" ")[1].decode("ascii")

    @property
    def headers(self) -> dict[str, str]:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}

    @property
    def json(self) -> dict[str, object]:
        found = json.loads(self.body or b"{}")
        assert isinstance(found, dict)
        return found


@dataclass(slots=True)
class FaultServer:
    """`port` is where it listens; `hung_up` is set when a client has closed a connection before the answer's end."""

    port: int = 0
    received: list[Received] = field(default_factory=list[Received])
    connections: int = 0
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    faults: dict[str, str] = field(default_factory=dict[str, str])
    """For names of models that are no fault's own name."""
    _open: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)

    async def hang_up(self) -> None:
        """Closes every connection."""
        for writer in self._open.values():
            writer.transport.abort()
        if self._open:
            await asyncio.wait(self._open, timeout=5)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until somebody closes it."""
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        task.add_done_callback(self._open.pop)
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.LimitOverrunError):
            while True:
                request = await read_request(reader)
                if request is None:
                    writer.write(NO_TLS)
                    break
                self.received.append(request)
                if not await self._answer(request, reader, writer):
                    break
        writer.close()

    async def _answer(self, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answers; whether the connection stays open."""
        if request.head.startswith(b"HEAD "):
            writer.write(_head(200, {"content-length": "0"}))
            await writer.drain()
            return True
        if request.head.startswith(b"GET "):
            body = json.dumps({"object": "list", "data": [{"id": "ok"}, {"id": "ping"}]}).encode()
            writer.write(_head(200, {"content-type": "application/json", "content-length": str(len(body))}) + body)
            await writer.drain()
            return True
        model = str(request.json.get("model", ""))
        fault = self.faults.get(model, model)
        wire = wire_of(request.path)
        if fault in STATUS_FAULTS:
            status, headers, body = STATUS_FAULTS[fault]
            writer.write(_head(status, {**headers, "content-length": str(len(body))}) + body)
            await writer.drain()
            return True
        if fault == "forgets" and "previous_response_id" in request.json:
            body = _error("Previous response not found.", "invalid_request_error", "previous_response_not_found")
            writer.write(_head(400, {**_JSON, "content-length": str(len(body))}) + body)
            await writer.drain()
            return True
        if fault == "endless_error":
            writer.write(_head(500, {"content-type": "text/plain"}))
            await self._pour(writer, b"x" * 65536)
            return False
        if fault == "plain" or not request.json.get("stream"):
            body = json.dumps(PLAIN[wire]).encode()
            writer.write(_head(200, {"content-type": "application/json", "content-length": str(len(body))}) + body)
            await writer.drain()
            return True
        return await self._stream(wire, request, reader, writer)

    async def _stream(
        self, wire: str, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """An answer in events; faults come behind its first words."""
        fault = str(request.json.get("model", ""))
        ids = {"request-id": "req_123"} if wire == "anthropic" else {"x-request-id": "req_123"}
        first, rest = STREAMS[wire]
        if request.json.get("store") is True:
            rest = rest.replace('"id": "r"', f'"id": "resp_{len(self.received)}", "store": true')
        newline = "\r\n" if fault == "crlf" else "\n"
        writer.write(_head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked", **ids}))

        async def put(events: str) -> None:
            if not events:
                return  # a chunk of no length would be the end
            data = events.replace("\n", newline).encode()
            writer.write(b"%x\r\n%s\r\n" % (len(data), data))
            await writer.drain()

        await put(first)
        match fault:
            case "close":
                return False
            case "reset":
                with suppress(AttributeError, OSError):  # elsewhere it is a plain close
                    linger = struct.pack("ii", 1, 0)
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()
                return False
            case "stall":
                with suppress(ConnectionError):
                    if not await reader.read(1):
                        self.hung_up.set()
                return False
            case "endless":
                with suppress(ConnectionError):
                    await self._pour(writer, b"10000\r\n: %s\n\r\n" % (b"x" * 65533))
                return False
            case "eof":
                pass
            case _:
                await put(ODD[wire].get(fault, ""))
                await put(rest)
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    async def _pour(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        try:
            while True:
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            self.hung_up.set()
            raise


@asynccontextmanager
async def fault_server(tls: ssl.SSLContext | None = None, port: int = 0) -> AsyncGenerator[FaultServer]:
    """A server of one's own, on a free port where none is given."""
    server = FaultServer()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", port, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        await server.hang_up()


async def read_request(reader: asyncio.StreamReader) -> Received | None:
    """The next request; None where the client expects TLS. Raises IncompleteReadError where there is none any more."""
    head = await reader.readexactly(1)
    if head == b"\x16":
        return None
    head += await reader.readuntil(b"\r\n\r\n")
    request = Received(head.removesuffix(b"\r\n\r\n"), b"")
    return Received(request.head, await reader.readexactly(int(request.headers.get("content-length", "0"))))


NO_TLS = b"HTTP/1.1 400 Said\r\ncontent-length: 0\r\n\r\n"


def prefix(request: Received) -> tuple[bytes, bytes]:
    """What stands before the messages, and the messages without the closing bracket.

    The marks of Anthropic's cache, which move on with each request, are left out.
    """
    key = b'"input":[' if b'"input":[' in request.body else b'"messages":['
    head, _, rest = request.body.partition(key)
    messages = rest[: rest.rindex(b'],"stream"')]
    if b'"role":"system"' in messages:  # Chat Completions have the system prompt as a message
        head += messages[: messages.index(b"},") + 2]
    return head, messages.replace(b',"cache_control":{"type":"ephemeral"}', b"")


def wire_of(path: str) -> str:
    return next(
        wire
        for wire, end in (
            ("anthropic", "messages"),
            ("openai", "responses"),
            ("chat", "completions"),
            ("ollama", "api/chat"),
        )
        if path.endswith(end)
    )


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def _event(kind: str, **fields: object) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n"


def _chunk(delta: Mapping[str, object], **fields: object) -> str:
    return f"data: {json.dumps({'model': 'g', 'choices': [{'index': 0, 'delta': delta, **fields}]})}\n\n"


def _line(message: Mapping[str, object], **fields: object) -> str:
    return json.dumps({"model": "g", "message": {"role": "assistant", **message}, "done": False, **fields}) + "\n"


def _error(message: str, kind: str, code: str = "") -> bytes:
    return json.dumps({"type": "error", "error": {"type": kind, "code": code, "message": message}}).encode()


_JSON = {"content-type": "application/json"}
_HTML = {"content-type": "text/html"}

STATUS_FAULTS: dict[str, tuple[int, Mapping[str, str], bytes]] = {
    "too_long_anthropic": (
        400,
        _JSON,
        _error("prompt is too long: 210000 tokens > 200000 maximum", "invalid_request_error"),
    ),
    "too_long_openai": (400, _JSON, _error("Odd", "invalid_request_error", "context_length_exceeded")),
    "too_long_llama": (400, _JSON, _error("Odd", "exceed_context_size_error")),
    "bad_request": (400, _JSON, _error("tools.0: Odd", "invalid_request_error")),
    "unauthorized": (401, _JSON, _error("Incorrect key: KEY-OF-THE-TEST", "authentication_error")),
    "payment": (402, _JSON, _error("Odd", "billing_error")),
    "forbidden": (403, _JSON, _error("Odd", "permission_error")),
    "no_model": (404, _JSON, _error("model: Odd", "not_found_error")),
    "no_page": (404, _HTML, HTML),
    "timeout": (408, _JSON, b""),
    "conflict": (409, _JSON, b'{"detail": "Odd"}'),
    "too_large": (413, _HTML, HTML),
    "invalid": (422, _JSON, b'{"detail": [{"msg": "Odd one"}, {"msg": "and two"}]}'),
    "rate": (429, {**_JSON, "retry-after": "7"}, _error("Odd", "rate_limit_error")),
    "at_once": (429, {**_JSON, "retry-after": "0"}, _error("Odd", "rate_limit_error")),
    "rate_date": (
        429,
        {**_JSON, "retry-after": "Sat, 21 Nov 2026 10:00:30 GMT", "date": "Sat, 21 Nov 2026 10:00:00 GMT"},
        b"{}",
    ),
    "rate_ms": (429, {**_JSON, "retry-after-ms": "1500", "retry-after": "2"}, b"{}"),
    "quota": (429, _JSON, _error("Odd", "insufficient_quota", "insufficient_quota")),
    "server_error": (500, _JSON, _error("Odd", "api_error")),
    "html502": (502, _HTML, HTML),
    "unavailable": (503, {**_JSON, "retry-after": "3"}, b'{"error": "Odd"}'),
    "overloaded": (529, _JSON, _error("Overloaded", "overloaded_error")),
    "redirect": (307, {"location": "http://127.0.0.1:9/elsewhere"}, b""),
    "html200": (200, _HTML, HTML),
    "text200": (200, {"content-type": "text/plain"}, b"It works!"),
    "junk200": (200, _JSON, b'{"malformed'),
    "error200": (200, _JSON, _error("Odd", "overloaded_error")),
}
"""Status, headers and body by name; these come instead of an answer."""

_RESPONSE = {"id": "r", "object": "response", "model": "g", "status": "in_progress", "error": None, "output": []}
_COUNTS = {"input_tokens": 10, "output_tokens": 1, "cache_read_input_tokens": 900, "cache_creation_input_tokens": 90}

STREAMS: dict[str, tuple[str, str]] = {
    "anthropic": (
        _event("message_start", message={"type": "message", "model": "g", "content": [], "usage": _COUNTS})
        + _event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        + _event("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hello "}),
        _event("content_block_delta", index=0, delta={"type": "text_delta", "text": "wörld"})
        + _event("content_block_stop", index=0)
        + _event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 7})
        + _event("message_stop"),
    ),
    "openai": (
        _event("response.created", response=_RESPONSE)
        + _event("response.output_item.added", output_index=0, item={"type": "message", "id": "m", "content": []})
        + _event("response.output_text.delta", output_index=0, content_index=0, delta="Hello "),
        _event("response.output_text.delta", output_index=0, content_index=0, delta="wörld")
        + _event(
            "response.completed",
            response={
                **_RESPONSE,
                "status": "completed",
                "usage": {
                    "input_tokens": 1000,
                    "input_tokens_details": {"cached_tokens": 900, "cache_write_tokens": 90},
                    "output_tokens": 7,
                },
            },
        ),
    ),
    "chat": (
        _chunk({"role": "assistant", "content": ""}) + _chunk({"content": "Hello "}),
        _chunk({"content": "wörld"})
        + _chunk({}, finish_reason="stop")
        + 'data: {"choices": [], "usage": {"prompt_tokens": 1000, "completion_tokens": 7, '
        '"prompt_tokens_details": {"cached_tokens": 900, "cache_write_tokens": 90}}}\n\ndata: [DONE]\n\n',
    ),
    "ollama": (
        _line({"content": ""}) + _line({"content": "Hello "}),
        _line({"content": "wörld"})
        + _line({"content": ""}, done=True, done_reason="stop", prompt_eval_count=1000, eval_count=7),
    ),
}
"""The events up to the first words, and the rest."""

_ALIKE = {
    "comment": ": keepalive 1/3\n\n",
    "unknown": _event("shiny_new_event", foo=1),
    "bad_json": 'data: {"type": "co\n\n',
}
ODD: dict[str, dict[str, str]] = {
    "anthropic": {
        **_ALIKE,
        "ping": _event("ping"),
        "error_event": _event("error", error={"type": "overloaded_error", "message": "Odd"}),
    },
    "openai": {
        **_ALIKE,
        "ping": _event("response.in_progress", response=_RESPONSE) * 2,
        "error_event": _event("error", code="server_error", message="Odd"),
    },
    "chat": {
        **_ALIKE,
        "ping": "event: ping\ndata: {}\n\n",
        "error_event": f"data: {json.dumps({'error': {'message': 'Odd', 'type': 'server_error'}})}\n\n",
    },
    "ollama": {
        "ping": "\n",
        "unknown": _line({"content": ""}, shiny_new_field=1),
        "bad_json": '{"model": "g", "mess\n',
        "error_event": '{"error": "an error was encountered while running the model: Odd"}\n',
    },
}
"""What comes between the first words and the rest, by fault."""

PLAIN: dict[str, object] = {
    "anthropic": {
        "model": "g",
        "content": [{"type": "text", "text": "Hello wörld"}],
        "stop_reason": "end_turn",
        "usage": {**_COUNTS, "output_tokens": 7},
    },
    "openai": {
        **_RESPONSE,
        "status": "completed",
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "Hello wörld"}]}],
        "usage": {
            "input_tokens": 1000,
            "input_tokens_details": {"cached_tokens": 900, "cache_write_tokens": 90},
            "output_tokens": 7,
        },
    },
    "chat": {
        "model": "g",
        "choices": [{"message": {"content": "Hello wörld"}, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": 1000,
            "completion_tokens": 7,
            "prompt_tokens_details": {"cached_tokens": 900, "cache_write_tokens": 90},
        },
    },
    "ollama": {
        "model": "g",
        "message": {"role": "assistant", "content": "Hello wörld"},
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 1000,
        "eval_count": 7,
    },
}
