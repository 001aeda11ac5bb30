"""What a server can do wrong on a socket, declared: how it answers, and what may come of it.

`AT_POINTS` are faults inside a recorded answer, from a byte or an event of it on; `INSTEAD` come in an answer's place.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Literal

from tests.soak.codec import AS_IT_CAME, BROKEN, CALLS, OVERLOADED, REJECTED, WHOLE, Outcomes, on_every_wire
from tests.support.fault_server import HTML, STREAMS
from tests.support.recorded import (
    ERROR_EVENTS,
    Recorded,
    with_broken_json,
    with_event_twice,
    without_event,
)
from tests.support.replay_server import TLS, Answer, Exchange, briefly, replay_server

TIMED_OUT = "TimedOut"
LIMITED = "RateLimited"
NO_CONNECTION = "ConnectionFailed"
AFRESH = "answered on a new connection"
"""The same as whole: the connection had been closed, and the request was sent again."""

_Place = tuple[str, Mapping[str, str]]

MAX_SILENCE_S = 0.5
"""The setting `timeout_s` for faults that last until it has passed."""


@dataclass(frozen=True, slots=True)
class PointFault:
    """A row of the table. `outcomes` by wire: what may come of it where the answer is not settled yet."""

    name: str
    at: Literal["byte", "event"]
    answer: Callable[[Recorded, int], Answer]
    outcomes: Mapping[str, Outcomes]
    timeout_s: float = 5.0


def _cut(recorded: Recorded, at: int) -> Answer:
    async def answer(exchange: Exchange) -> bool:
        await exchange.begin()
        await exchange.chunk(recorded.data[:at])
        return False

    return answer


def _reset(recorded: Recorded, at: int) -> Answer:
    async def answer(exchange: Exchange) -> bool:
        await exchange.begin()
        await exchange.chunk(recorded.data[:at])
        return exchange.reset()

    return answer


def _stall(recorded: Recorded, at: int) -> Answer:
    async def answer(exchange: Exchange) -> bool:
        await exchange.begin()
        await exchange.chunk(recorded.data[:at])
        return await exchange.until_hung_up()

    return answer


def _drip(recorded: Recorded, at: int) -> Answer:
    async def answer(exchange: Exchange) -> bool:
        await exchange.begin()
        for byte in recorded.data[:at]:
            await exchange.chunk(bytes([byte]))
        await exchange.chunk(recorded.data[at:])
        await exchange.raw(b"0\r\n\r\n")
        return True

    return answer


def _clean_end(recorded: Recorded, at: int) -> Answer:
    return _streams(recorded.data[:at])


def _http_1_0(recorded: Recorded, at: int) -> Answer:
    async def answer(exchange: Exchange) -> bool:
        await exchange.begin(headers=exchange.kind, version="1.0")
        await exchange.raw(recorded.data[:at])
        return False

    return answer


def _short_length(recorded: Recorded, at: int) -> Answer:
    async def answer(exchange: Exchange) -> bool:
        await exchange.begin(headers={**exchange.kind, "content-length": str(at)})
        await exchange.raw(recorded.data)
        return True

    return answer


def _long_length(recorded: Recorded, at: int) -> Answer:
    async def answer(exchange: Exchange) -> bool:
        await exchange.begin(headers={**exchange.kind, "content-length": str(len(recorded.data) + 100)})
        await exchange.raw(recorded.data[:at])
        return False

    return answer


def _no_chunk(recorded: Recorded, at: int) -> Answer:
    async def answer(exchange: Exchange) -> bool:
        await exchange.begin()
        await exchange.chunk(recorded.data[:at])
        await exchange.raw(b"ZZ\r\n\xff\0\r\n")
        return False

    return answer


def _error_event(recorded: Recorded, at: int) -> Answer:
    start, _ = recorded.events[at]
    return _streams(recorded.data[:start] + ERROR_EVENTS[recorded.wire])


def _streams(data: bytes) -> Answer:
    async def answer(exchange: Exchange) -> bool:
        return await exchange.stream(data)

    return answer


_ENDS = {**on_every_wire(BROKEN, WHOLE), "chat": (BROKEN, WHOLE, CALLS)}
_UNNUMBERED = {
    "anthropic": (BROKEN, WHOLE, CALLS, AS_IT_CAME),
    "openai": (BROKEN, WHOLE, CALLS),
    "chat": (BROKEN, WHOLE, CALLS, AS_IT_CAME),
    "ollama": (BROKEN, WHOLE, CALLS, AS_IT_CAME),
}

_STALLS = {**on_every_wire(TIMED_OUT, WHOLE), "chat": (TIMED_OUT, WHOLE, CALLS)}

AT_POINTS: tuple[PointFault, ...] = (
    PointFault("cut", "byte", _cut, _ENDS),
    PointFault("reset", "byte", _reset, _ENDS),
    PointFault("stall", "byte", _stall, _STALLS, timeout_s=MAX_SILENCE_S),
    PointFault("slow drip, byte by byte", "byte", _drip, on_every_wire(WHOLE)),
    PointFault("clean end too early", "byte", _clean_end, _ENDS),
    PointFault("HTTP/1.0, closed too early", "byte", _http_1_0, _ENDS),
    PointFault("Content-Length too short", "byte", _short_length, _ENDS),
    PointFault("Content-Length too long, closed", "byte", _long_length, _ENDS),
    PointFault("garbage for a chunk", "byte", _no_chunk, _ENDS),
    PointFault("error event", "event", _error_event, {**on_every_wire(OVERLOADED), "ollama": (REJECTED,)}),
    PointFault("broken JSON", "event", lambda r, at: _streams(with_broken_json(r, at)), on_every_wire(BROKEN)),
    PointFault("event twice", "event", lambda r, at: _streams(with_event_twice(r, at)), _UNNUMBERED),
    PointFault("event missing", "event", lambda r, at: _streams(without_event(r, at)), _UNNUMBERED),
)


@dataclass(frozen=True, slots=True)
class Instead:
    """A fault in the place of an answer. `answers` are to the same message, where it is sent again."""

    name: str
    answers: Sequence[Answer]
    outcome: str
    status: int | None = None
    retry_after_s: float | None = None
    words: str = ""
    timeout_s: float = 5.0
    is_heavy: bool = False


def says(status: int, body: bytes, **headers: str) -> Answer:
    """A whole answer of that status; headers as `retry_after`."""

    async def answer(exchange: Exchange) -> bool:
        return await exchange.whole(status, {n.replace("_", "-"): value for n, value in headers.items()}, body)

    return answer


def _raw(data: bytes) -> Answer:
    async def answer(exchange: Exchange) -> bool:
        await exchange.raw(data)
        return False

    return answer


async def _closes(exchange: Exchange) -> bool:
    return False


async def _resets(exchange: Exchange) -> bool:
    return exchange.reset()


async def _informs_first(exchange: Exchange) -> bool:
    await exchange.raw(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n")
    return await briefly(exchange)


async def _plain_type(exchange: Exchange) -> bool:
    body = "".join(STREAMS[exchange.wire]).encode()
    return await exchange.whole(200, {"content-type": "text/plain"}, body)


def _gzip(status: int) -> Answer:
    """A gigabyte in a megabyte."""

    async def answer(exchange: Exchange) -> bool:
        head, block = _bomb()
        headers = {"content-encoding": "gzip", **exchange.kind}
        await exchange.begin(status, headers)
        return await _pour(exchange, head, block, times=1024)

    return answer


@cache
def _bomb() -> tuple[bytes, bytes]:
    """The beginning of a gzip stream, and a block of it that stands for a megabyte, and may be repeated."""
    packer = zlib.compressobj(9, wbits=31)
    head = packer.compress(b":" * (1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return head, packer.compress(b"x" * (1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)


def _pours(piece: bytes, status: int = 200) -> Answer:
    """A gigabyte of the same, in chunks of 64 KB or more."""

    async def answer(exchange: Exchange) -> bool:
        await exchange.begin(status)
        block = piece * max(1, (1 << 16) // len(piece))
        return await _pour(exchange, b"", b"%x\r\n%s\r\n" % (len(block), block), times=1 << 14)

    return answer


async def _pours_words(exchange: Exchange) -> bool:
    end = "\n" if exchange.wire == "ollama" else "\n\n"
    begin, _, words = STREAMS[exchange.wire][0].rstrip("\n").rpartition(end)
    await exchange.begin()
    await exchange.chunk(f"{begin}{end}".encode())
    block = f"{words.replace('Hello ', 'Hello ' * 1000)}{end}".encode()
    return await _pour(exchange, b"", b"%x\r\n%s\r\n" % (len(block), block), times=1 << 18)


async def _pour(exchange: Exchange, head: bytes, block: bytes, times: int) -> bool:
    await exchange.raw(head)
    for _ in range(times):
        await exchange.raw(block)
    return False


def _drips(begin: bytes, piece: bytes) -> Answer:
    """The same few bytes again and again, for ever, each before the bound on silence has passed."""

    async def answer(exchange: Exchange) -> bool:
        await exchange.raw(begin)
        while True:
            await exchange.raw(piece)
            await asyncio.sleep(MAX_SILENCE_S / 5)

    return answer


def _comment(exchange: Exchange) -> bytes:
    """What carries no news: Ollama's lines have no comments, and may be blank."""
    return b"\n" if exchange.wire == "ollama" else b": x\n"


async def _pours_comments(exchange: Exchange) -> bool:
    return await _pours(_comment(exchange))(exchange)


async def _drips_comments(exchange: Exchange) -> bool:
    return await _drips(_EVENTS_BEGIN, _comment(exchange))(exchange)


_EVENTS_BEGIN = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nrequest-id: req_123\r\n\r\n"
_LIMIT = "longer than 64 MB"
_LIFE = "gave signs of life for 5 seconds"

INSTEAD: tuple[Instead, ...] = (
    Instead("HTML page with 502", [says(502, HTML, content_type="text/html")], OVERLOADED, 502),
    Instead("429", [says(429, b"{}")], LIMITED, 429),
    Instead("429 with Retry-After", [says(429, b"{}", retry_after="7")], LIMITED, 429, 7.0),
    Instead("529", [says(529, b"{}")], OVERLOADED, 529),
    Instead("529 with Retry-After", [says(529, b"{}", retry_after="3")], OVERLOADED, 529, 3.0),
    Instead("HTML page with 200", [says(200, HTML, content_type="text/html")], REJECTED, words="a web page came"),
    Instead("events as text/plain", [_plain_type], WHOLE),
    Instead("JSON that is no answer", [says(200, b"{}", content_type="application/json")], BROKEN),
    Instead("empty body", [says(200, b"")], BROKEN),
    Instead("connection closed under the request", [_closes], AFRESH),
    Instead("connection reset under the request", [_resets], AFRESH),
    Instead("closed under the request again", [_closes, _closes], NO_CONNECTION),
    Instead("what is no HTTP", [_raw(b"\x15\x03\x01 What?\r\n\r\n")] * 2, NO_CONNECTION),
    Instead("a header without end", [_raw(b"HTTP/1.1 200 OK\r\nx: " + b"x" * (1 << 20))] * 2, NO_CONNECTION),
    Instead("early 100 and 103", [_informs_first], WHOLE),
    Instead(
        "100 for ever",
        [_drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n")],
        TIMED_OUT,
        words=_LIFE,
        timeout_s=MAX_SILENCE_S,
    ),
    Instead(
        "headers byte by byte, for ever",
        [_drips(b"HTTP/1.1 200 OK\r\nx: ", b"x")],
        TIMED_OUT,
        words=_LIFE,
        timeout_s=MAX_SILENCE_S,
    ),
    Instead(
        "comments or blank lines for ever",
        [_drips_comments],
        TIMED_OUT,
        words=_LIFE,
        timeout_s=MAX_SILENCE_S,
    ),
    Instead("compressed with br", [says(200, b"\x0b\x02\x80", content_encoding="br")], REJECTED, words="(br)"),
    Instead("compressed with zstd", [says(200, b"(\xb5/\xfd", content_encoding="zstd")], REJECTED, words="(zstd)"),
    Instead("1 GB in 1 MB of gzip", [_gzip(200)], BROKEN, words=_LIMIT, is_heavy=True),
    Instead("1 GB in 1 MB of gzip, with 500", [_gzip(500)], OVERLOADED, 500, is_heavy=True),
    Instead("1 GB of comments or blank lines", [_pours_comments], BROKEN, words=_LIMIT, timeout_s=60.0, is_heavy=True),
    Instead("1 GB of words", [_pours_words], BROKEN, words=_LIMIT, is_heavy=True),
    Instead("1 GB in one line", [_pours(b"d")], BROKEN, words=_LIMIT, is_heavy=True),
    Instead("1 GB of JSON", [_pours(b"[")], BROKEN, words=_LIMIT, is_heavy=True),
    Instead("1 GB with 500", [_pours(b"x", 500)], OVERLOADED, 500, is_heavy=True),
)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A fault on the way to a server. `place` gives the base URL, and what the environment has meanwhile."""

    name: str
    place: Callable[[], AbstractAsyncContextManager[tuple[str, Mapping[str, str]]]]
    outcome: str
    words: str = ""
    status: int | None = None


def _tls(certificate: str, scheme: str = "https") -> Callable[[], AbstractAsyncContextManager[_Place]]:
    """A server with that certificate, whose authority is trusted; without one, it speaks no TLS."""

    @asynccontextmanager
    async def place() -> AsyncGenerator[_Place]:
        async with replay_server(certificate) as server:
            yield f"{scheme}://127.0.0.1:{server.port}", {"SSL_CERT_FILE": str(TLS / "authority.pem")}

    return place


def _proxy(scheme: str, status: int) -> Callable[[], AbstractAsyncContextManager[_Place]]:
    """A proxy that answers so itself, on the way to a host of that scheme."""

    @asynccontextmanager
    async def place() -> AsyncGenerator[_Place]:
        async with replay_server() as proxy:
            proxy.next_answers += [says(status, HTML, content_type="text/html")] * 2
            yield f"{scheme}://model.invalid", {f"{scheme.upper()}_PROXY": proxy.base_url, "NO_PROXY": "127.0.0.1"}

    return place


@asynccontextmanager
async def _redirecting() -> AsyncGenerator[_Place]:
    async with replay_server() as other, replay_server() as server:
        server.next_answers.append(says(307, b"", location=f"{other.base_url}/v1/messages"))
        yield server.base_url, {}
        assert other.accepted == 0, "the key went along"


@asynccontextmanager
async def _nobody() -> AsyncGenerator[_Place]:
    async with replay_server() as gone:
        pass
    yield gone.base_url, {}


@asynccontextmanager
async def _nowhere() -> AsyncGenerator[_Place]:
    yield "http://no-such-host.invalid", {"NO_PROXY": "*"}


_INSECURE = "no secure connection"

ELSEWHERE: tuple[Elsewhere, ...] = (
    Elsewhere("nothing listens", _nobody, NO_CONNECTION, "nothing listens there"),
    Elsewhere("no such host", _nowhere, NO_CONNECTION, "the host was not found"),
    Elsewhere("redirect to another host", _redirecting, REJECTED, "redirects", 307),
    Elsewhere("TLS: a certificate that is right", _tls("right"), WHOLE),
    Elsewhere("TLS: signed by itself", _tls("self_signed"), NO_CONNECTION, _INSECURE),
    Elsewhere("TLS: another host's name", _tls("wrong_name"), NO_CONNECTION, _INSECURE),
    Elsewhere("TLS: expired", _tls("expired"), NO_CONNECTION, _INSECURE),
    Elsewhere("TLS asked of a server without", _tls(""), NO_CONNECTION, _INSECURE),
    Elsewhere("no TLS asked of a server with it", _tls("right", "http"), NO_CONNECTION),
    Elsewhere("proxy answers 407, http", _proxy("http", 407), NO_CONNECTION, "the proxy wants a name", 407),
    Elsewhere("proxy answers 407, https", _proxy("https", 407), NO_CONNECTION),
    Elsewhere("proxy answers 502, http", _proxy("http", 502), OVERLOADED, status=502),
    Elsewhere("proxy answers 502, https", _proxy("https", 502), NO_CONNECTION),
)
