"""Connections, shared by all who ask one address with the same TLS settings; each request has its own key.

What a request has of its own (headers with the key, bound on silence) is held in its context and put on it just before
it leaves, in the place of all headers that an SDK made. So a client that several tenants use knows the key of none. A
pool lives as long as one of its users, on the event loop that it was opened on.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import aclosing, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from flux.core.errors import ConfigError
from flux.core.secret import Secret, redact
from flux.llm.exchange import Exchange
from flux.llm.network_faults import IS_ON_NEW_CONNECTION, Bounds, retry_after_s
from flux.llm.wire.faults import Complaint, make_error, read_complaint

if TYPE_CHECKING:
    import anthropic
    import httpx2
    import openai

COMPLAINT_TIMEOUT_S = 5.0
MAX_COMPLAINT_BYTES = 1 << 16
MAX_CONNECTIONS = 1000
MAX_KEPT_CONNECTIONS = 100
"""As both SDKs have it; httpx2's own bound of 100 would let the 101st stream wait."""


@dataclass(frozen=True, slots=True)
class Tls:
    """Who is believed besides the system's own authorities, and what is shown to who asks: PEM files."""

    ca_bundle: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None

    def context(self) -> ssl.SSLContext | bool:
        """What httpx2 calls `verify`. By itself it believes the operating system, or SSL_CERT_FILE and SSL_CERT_DIR.

        Raises ConfigError where a file cannot be used.
        """
        import httpx2

        if self == Tls():
            return True
        context = httpx2.create_ssl_context()
        file = self.ca_bundle
        try:
            if self.ca_bundle:
                context.load_verify_locations(self.ca_bundle)
            file = self.client_cert
            if self.client_cert:
                # Without a password: one that is asked for on the terminal would hold up everything.
                context.load_cert_chain(self.client_cert, self.client_key, password="")
        except (OSError, ValueError) as e:  # of ssl too
            raise ConfigError(f"{file} cannot be used for TLS: {e.strerror if isinstance(e, OSError) else e}") from None
        return context


@dataclass(frozen=True, slots=True)
class Sdk:
    """A vendor's SDK, imported and ready: its generic `post` and `get`, and the root of its errors."""

    post: Callable[[str, bytes, Mapping[str, str]], Awaitable[httpx2.Response]]
    get: Callable[[str, Mapping[str, str]], Awaitable[httpx2.Response]]
    close: Callable[[], Awaitable[None]]
    error: type[Exception]

    @classmethod
    def of(cls, client: anthropic.AsyncAnthropic | openai.AsyncOpenAI, error: type[Exception]) -> Self:
        """Of a client of either vendor: both are made by the same generator."""
        import httpx2

        async def post(path: str, body: bytes, headers: Mapping[str, str]) -> httpx2.Response:
            return await client.post(path, cast_to=httpx2.Response, content=body, options={"headers": headers})

        async def get(path: str, headers: Mapping[str, str]) -> httpx2.Response:
            return await client.get(path, cast_to=httpx2.Response, options={"headers": headers})

        return cls(post, get, client.close, error)


OpenSdk = Callable[[str, "HttpOptions"], Sdk]
"""Opens an SDK at a base URL."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What one request has of its own. `headers` are all that it has, besides its host, length and type.

    `bounds` says how long to wait for what, `exchange` notes what leaves and what comes.
    """

    headers: Mapping[str, str] = field(repr=False)  # the key is among them
    secrets: tuple[Secret, ...]
    bounds: Bounds
    exchange: Exchange | None = None


_outgoing: ContextVar[Outgoing] = ContextVar("flux_outgoing")
"""Of the request that this task is sending; there is none outside `sending`, so that no request leaves without."""


@contextmanager
def sending(outgoing: Outgoing) -> Generator[None]:
    """Requests that begin inside have what `outgoing` says, and nothing else."""
    token = _outgoing.set(outgoing)
    try:
        yield
    finally:
        _outgoing.reset(token)


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """How an SDK's HTTP client must behave."""

    local_hosts: tuple[str, ...]
    verify: ssl.SSLContext | bool

    def client(self, kind: type[httpx2.AsyncClient]) -> httpx2.AsyncClient:
        """A client of the SDK's own kind. Proxies of the environment are used, but never for this machine."""
        import httpx2

        return kind(
            verify=self.verify,
            limits=httpx2.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_KEPT_CONNECTIONS),
            follow_redirects=False,  # the key would go along
            mounts={f"all://{host}": None for host in self.local_hosts},
            event_hooks={"request": [_dress], "response": [_refuse]},
        )


Key = tuple[OpenSdk, str, Tls]


class Pool:
    """The connections to one address. `share` makes them; each user calls `release` once."""

    def __init__(self, key: Key, local_hosts: tuple[str, ...]) -> None:
        self.key = key
        self.loop = asyncio.get_running_loop()
        self.users = 0
        self._local_hosts = local_hosts
        self._opening: asyncio.Future[Sdk] | None = None

    def begin(self) -> asyncio.Future[Sdk]:
        """Import and open the SDK in a thread the first time, and again after `close` or where it could not be done."""
        if self._opening is None or (self._opening.done() and self._opening.exception()):
            self._opening = self.loop.run_in_executor(None, self._open)
            # asyncio logs an error that nobody asked for, as where the request that it was begun for never came.
            self._opening.add_done_callback(lambda opening: opening.exception())
        return self._opening

    async def sdk(self) -> Sdk:
        """What `begin` opens. Raises what opening raises."""
        opening = self.begin()
        await asyncio.wait([opening])  # who is cancelled meanwhile does not take it from the others
        return opening.result()

    async def close(self) -> None:
        """Close every connection; a later request opens new ones."""
        opening, self._opening = self._opening, None
        if opening is not None and opening.done() and not opening.exception():
            await opening.result().close()

    async def release(self) -> None:
        """One user less; the last one closes it."""
        self.users -= 1
        if not self.users:
            _pools.get(self.loop, {}).pop(self.key, None)
            await self.close()

    def _open(self) -> Sdk:
        open_sdk, base_url, tls = self.key
        return open_sdk(base_url, HttpOptions(self._local_hosts, tls.context()))


_pools: dict[asyncio.AbstractEventLoop, dict[Key, Pool]] = {}


def share(open_sdk: OpenSdk, base_url: str, tls: Tls, local_hosts: tuple[str, ...]) -> Pool:
    """The pool of the running loop for that address, with one user more."""
    for ended in [loop for loop in _pools if loop.is_closed()]:
        del _pools[ended]
    pools = _pools.setdefault(asyncio.get_running_loop(), {})
    key = (open_sdk, base_url, tls)
    pool = pools.get(key)
    if pool is None:
        pool = pools[key] = Pool(key, local_hosts)
    pool.users += 1
    return pool


async def close_all() -> None:
    """Close every connection of the running loop, whoever uses it: for the end of a program."""
    for pool in list(_pools.get(asyncio.get_running_loop(), {}).values()):
        await pool.close()


async def _dress(request: httpx2.Request) -> None:
    own = _outgoing.get()
    request.headers = type(request.headers)(
        {
            "host": request.url.netloc.decode("ascii"),
            **own.headers,
            "content-type": "application/json",
            "content-length": str(len(request.content)),
        }
    )
    request.extensions["timeout"] = {
        **dict.fromkeys(("write", "pool"), own.bounds.silence_s),
        "read": own.bounds.first_byte_s,
        "connect": own.bounds.connect_s,
    }

    async def trace(event: str, _: Mapping[str, object]) -> None:
        if event == "connection.connect_tcp.started":
            request.extensions[IS_ON_NEW_CONNECTION] = True

    request.extensions["trace"] = trace
    if own.exchange is not None:
        own.exchange.begin(request.method, str(request.url), request.headers, request.content, own.secrets)


async def _refuse(response: httpx2.Response) -> None:
    """Raises the error of an answer that is none. Its body may be endless or slow: a little of it is enough."""
    own = _outgoing.get()
    # Looked up again where the body is read.
    response.request.extensions["timeout"]["read"] = own.bounds.silence_s
    if own.exchange is not None:
        own.exchange.answered(response.status_code, response.headers)
    if 200 <= response.status_code < 300:
        return
    body = b""
    async with aclosing(response):
        with suppress(TimeoutError, *transport_errors()):  # the status alone says much
            async with asyncio.timeout(COMPLAINT_TIMEOUT_S):
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > MAX_COMPLAINT_BYTES:
                        break
    if own.exchange is not None:
        own.exchange.add(body)
    complaint = read_complaint(body)
    if response.has_redirect_location:
        complaint = Complaint(words=f"to {response.headers['location']}")
    # Servers repeat a wrong key, and SDKs log what is raised here.
    complaint = replace(complaint, words=redact(complaint.words, own.secrets))
    error = make_error(complaint, response.status_code, retry_after_s(response.headers, time.time()))
    error.status = response.status_code
    error.request_id = request_id(response)
    raise error


def opening_errors() -> tuple[type[Exception], ...]:
    """What comes where no client can be made with the proxies of the environment."""
    import httpx2

    return (ImportError, ValueError, httpx2.InvalidURL)


def transport_errors() -> tuple[type[Exception], ...]:
    """What comes where a connection fails."""
    import httpx2

    return (httpx2.HTTPError, OSError)


def request_id(response: httpx2.Response) -> str:
    """The service's own name for a request, empty where it gives none."""
    return response.headers.get("request-id") or response.headers.get("x-request-id") or ""
