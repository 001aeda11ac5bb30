"""Our bytes through a vendor's SDK, and its raw answer back to our decoders; every fault becomes an error of our tree.

The SDK brings proxies, TLS and the connection pool. Its retries are off, its models and its reading of streams unused.
Its headers are replaced as a whole just before a request leaves: both SDKs add some that environment variables name,
also where everything is passed explicitly (anthropic 2.11.0 and openai 3.52.0, 2026-11-21).
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import flux
from flux.core.config import Settings, is_in_container
from flux.core.errors import (
    AuthenticationFailed,
    ConfigError,
    ProviderError,
    RequestRejected,
    StreamBroken,
    TimedOut,
)
from flux.core.keys import Key, KeyHolder, fetch_key
from flux.core.secret import Secret, redact
from flux.llm.base_provider import Delta, ModelRequest, RawDelta
from flux.llm.endpoints import Endpoint
from flux.llm.fitting import fit
from flux.llm.network_faults import IS_ON_NEW_CONNECTION, explain, retry_after_s, was_connection_stale
from flux.llm.wire.decoder import Decoder
from flux.llm.wire.faults import Complaint, make_error, read_complaint
from flux.llm.wire.history import taken_ids
from flux.llm.wire.json_values import Object, parse_object
from flux.llm.wire.ndjson import LineSplitter, parse_line

if TYPE_CHECKING:
    import httpx2

CONNECT_TIMEOUT_S = 10.0
DRAIN_TIMEOUT_S = 0.2
"""How long to wait for the end of the bytes behind the end of an answer, so that the connection can be used again."""
COMPLAINT_TIMEOUT_S = 5.0
MAX_COMPLAINT_BYTES = 1 << 16
ASK_S = 5.0
"""How long a server may take to say something of itself."""
MAX_ASKED_BYTES = 16 << 20
"""More than any list of models: OpenRouter's has 300 and half a megabyte."""
MIN_ANSWER_LIMIT = 64 << 20
ANSWER_BYTES_PER_TOKEN = 2 << 10
"""An answer may have so many bytes for each token that was asked for at most, and `MIN_ANSWER_LIMIT` in any case."""
PATIENCE = 10
"""So many times the bound on silence may pass with signs of life alone: comments, pings, a header's next byte."""

_RAW = {"X-Stainless-Raw-Response": "stream"}
"""The SDKs' own sign that they shall not read the answer's body. It does not reach the wire."""


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
class Where:
    """Where requests go, with which key, what goes along, and how long to wait for anything more of an answer."""

    endpoint: Endpoint
    base_url: str
    key: Key | None
    timeout_s: float
    headers: Mapping[str, Secret] = field(default_factory=dict[str, Secret])
    extra_body: Mapping[str, object] = field(default_factory=dict[str, object])
    tls: Tls = Tls()

    @classmethod
    def of(cls, settings: Settings, endpoint: Endpoint) -> Where:
        """Where the settings lead for this service. Raises ConfigError as `Settings.credentials`."""
        settings = settings.for_provider(endpoint.name)
        base_url, key = settings.credentials(endpoint)
        is_set = settings.source("timeout_s").kind != "default"
        timeout_s = settings.timeout_s if is_set else endpoint.timeout_s or settings.timeout_s
        return cls(
            endpoint,
            endpoint.full_base_url(base_url),
            key,
            timeout_s,
            settings.headers or {},
            settings.extra_body or {},
            Tls(settings.ca_bundle, settings.client_cert, settings.client_key),
        )

    @property
    def host(self) -> str:
        """With its port, where one is named."""
        return urlsplit(self.base_url).netloc

    @property
    def is_local(self) -> bool:
        name = urlsplit(self.base_url).hostname or ""
        return name in {"localhost", "::1"} or name.startswith("127.")

    @property
    def title(self) -> str:
        """What a person knows it by: the vendor, or the address of another server with the same API."""
        return self.endpoint.display_name if self.base_url == self.endpoint.default_base_url else self.host


@dataclass(frozen=True, slots=True)
class Sdk:
    """A vendor's SDK, imported and ready: its generic `post` and `get`, and the root of its errors."""

    post: Callable[[str, bytes, Mapping[str, str]], Awaitable[httpx2.Response]]
    get: Callable[[str, Mapping[str, str]], Awaitable[httpx2.Response]]
    close: Callable[[], Awaitable[None]]
    error: type[Exception]


OpenSdk = Callable[[Where, "HttpOptions"], Sdk]


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """How an SDK's HTTP client must behave. `headers` are all that a request has, besides its host and length."""

    timeout_s: float
    headers: Mapping[str, str] = field(repr=False)  # the key is among them
    local_hosts: tuple[str, ...]
    secrets: tuple[Secret, ...]
    verify: ssl.SSLContext | bool

    def timeout(self) -> httpx2.Timeout:
        import httpx2

        return httpx2.Timeout(self.timeout_s, connect=min(self.timeout_s, CONNECT_TIMEOUT_S))

    def client(self, kind: type[httpx2.AsyncClient]) -> httpx2.AsyncClient:
        """A client of the SDK's own kind. Proxies of the environment are used, but never for this machine."""
        return kind(
            timeout=self.timeout(),
            verify=self.verify,
            follow_redirects=False,  # the key would go along
            mounts={f"all://{host}": None for host in self.local_hosts},
            event_hooks={"request": [self._replace_headers], "response": [self._refuse]},
        )

    async def _replace_headers(self, request: httpx2.Request) -> None:
        request.headers = type(request.headers)(
            {
                "host": request.url.netloc.decode("ascii"),
                **self.headers,
                "content-type": "application/json",
                "content-length": str(len(request.content)),
            }
        )

        async def trace(event: str, _: Mapping[str, object]) -> None:
            if event == "connection.connect_tcp.started":
                request.extensions[IS_ON_NEW_CONNECTION] = True

        request.extensions["trace"] = trace

    async def _refuse(self, response: httpx2.Response) -> None:
        """Raises the error of an answer that is none. Its body may be endless or slow: a little of it is enough."""
        if 200 <= response.status_code < 300:
            return
        body = b""
        async with aclosing(response):
            with suppress(TimeoutError, *_transport_errors()):  # the status alone says much
                async with asyncio.timeout(COMPLAINT_TIMEOUT_S):
                    async for chunk in response.aiter_bytes():
                        body += chunk
                        if len(body) > MAX_COMPLAINT_BYTES:
                            break
        complaint = read_complaint(body)
        if response.has_redirect_location:
            complaint = Complaint(words=f"to {response.headers['location']}")
        # Servers repeat a wrong key, and SDKs log what is raised here.
        complaint = replace(complaint, words=redact(complaint.words, self.secrets))
        error = make_error(complaint, response.status_code, retry_after_s(response.headers, time.time()))
        error.status = response.status_code
        error.request_id = _request_id(response)
        raise error


class Transport:
    """One service, one key, one pool of connections. The SDK is imported in a thread at the first request."""

    def __init__(self, where: Where, headers: Mapping[str, str], open_sdk: OpenSdk) -> None:
        self._where = where
        self._headers = headers
        self._secrets: tuple[Secret, ...] = ()
        self._open_sdk = open_sdk
        self._opening = asyncio.Lock()
        self._sdk: Sdk | None = None
        self._retired: list[Sdk] = []

    async def stream(
        self, path: str, encode: Callable[[ModelRequest], bytes], decoder: type[Decoder], request: ModelRequest
    ) -> AsyncGenerator[Delta]:
        """The deltas of the answer to a request. Raises ProviderErrors. Closing it closes the connection."""
        request = fit(request)
        if self._where.extra_body:
            request = replace(request, extra_body=self._where.extra_body)
        sdk = await self._ready()
        response = await self._post(sdk, path, encode(request), request.model)
        fault: BaseException
        decoding = decoder(_request_id(response), taken_ids(request))
        try:
            _check_encoding(response)
            patience_s = PATIENCE * self._where.timeout_s
            limit = max(MIN_ANSWER_LIMIT, ANSWER_BYTES_PER_TOKEN * request.max_output_tokens)
            async with aclosing(response.aiter_bytes()) as chunks:
                async for delta in _decode(chunks, decoding, limit, patience_s, keeps_raw=request.keeps_raw):
                    yield delta
            return
        except (ProviderError, *_transport_errors()) as e:
            fault = e
            # What may still stand on the connection must not be read as the answer to the next request.
            await response.extensions["network_stream"].aclose()
        finally:
            await response.aclose()
        if not isinstance(fault, ProviderError):
            for delta in _rest(decoding):
                yield delta
            if decoding.is_finished:
                return
        raise self._located(fault, request.model, _request_id(response), has_begun=True)

    async def ask(self, path: str, body: bytes | None = None, *, model: str = "", timeout_s: float = ASK_S) -> Object:
        """The JSON object at a path, by POST where there is a body. Raises ProviderErrors.

        For what a server says of itself: a whole answer that must come soon.
        """
        sdk = await self._ready()
        fault: BaseException
        try:
            async with asyncio.timeout(timeout_s):
                response = await (sdk.get(path, _RAW) if body is None else sdk.post(path, body, _RAW))
                async with aclosing(response):
                    return parse_object((await _read(response)).decode("utf-8", "replace"))
        except TimeoutError:
            fault = TimedOut(f"nothing came for {timeout_s:g} seconds.")
        except ValueError as e:
            fault = RequestRejected(f"what came from {path} is not what was asked for: {e}.")
        except (ProviderError, sdk.error, *_transport_errors()) as e:
            fault = e
        raise self._located(fault, model, "", has_begun=False)

    async def lines(self, path: str, body: bytes, *, model: str = "") -> AsyncGenerator[Object]:
        """The JSON objects of an answer that is one on each line. Raises ProviderErrors."""
        sdk = await self._ready()
        response = await self._post(sdk, path, body, model)
        fault: BaseException
        try:
            splitter = LineSplitter()
            async with aclosing(response.aiter_bytes()) as chunks:
                async for chunk in chunks:
                    for line in splitter.feed(chunk):
                        yield parse_line(line)
            for line in splitter.end():
                yield parse_line(line)
            return
        except (ProviderError, *_transport_errors()) as e:
            fault = e
        finally:
            await response.aclose()
        raise self._located(fault, model, "", has_begun=True)

    async def close(self) -> None:
        """Let go of connections; a later request opens new ones."""
        self._retire()
        while self._retired:
            await self._retired.pop().close()

    def _retire(self) -> None:
        """The next request opens anew, with a key that is fetched anew. Those that run are not disturbed."""
        if self._sdk is not None:
            self._retired.append(self._sdk)
            self._sdk = None

    async def _ready(self) -> Sdk:
        async with self._opening:
            if self._sdk is None:
                key = await fetch_key(self._where.key) if self._where.key else None
                self._secrets = (*([key] if key else ()), *self._where.headers.values())
                self._sdk = await asyncio.to_thread(self._open, key)
            return self._sdk

    def _open(self, key: Secret | None) -> Sdk:
        import httpx2

        where = self._where
        headers = {"accept": "*/*", "accept-encoding": "identity", "user-agent": f"flux/{flux.__version__}"}
        headers |= self._headers
        if key is not None:
            scheme = "Bearer " if where.endpoint.key_header == "authorization" else ""
            headers[where.endpoint.key_header] = f"{scheme}{key.reveal()}"
        headers |= {name: value.reveal() for name, value in where.headers.items()}
        local_hosts = {"localhost", "127.0.0.1", "[::1]"} | ({where.host} if where.is_local else set[str]())
        verify = where.tls.context()
        try:
            options = HttpOptions(where.timeout_s, headers, tuple(sorted(local_hosts)), self._secrets, verify)
            return self._open_sdk(where, options)
        except (ImportError, ValueError, httpx2.InvalidURL) as e:
            words = redact(str(e))
        raise ConfigError(  # such as a SOCKS proxy, which needs a package that is not there
            f"{self._where.title} cannot be used with these proxy settings: {words}",
            hint="See the environment variables HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY.",
        )

    async def _post(self, sdk: Sdk, path: str, body: bytes, model: str) -> httpx2.Response:
        answer = await self._begin(sdk, path, body)
        if isinstance(answer, BaseException) and was_connection_stale(answer):
            answer = await self._begin(sdk, path, body)
        if isinstance(answer, BaseException):
            # Raised here and not in a handler: an SDK's errors carry requests and headers in their chain.
            raise self._located(answer, model, "", has_begun=False)
        return answer

    async def _begin(self, sdk: Sdk, path: str, body: bytes) -> httpx2.Response | BaseException:
        """The answer when it begins, or why there is none."""
        waited_s = PATIENCE * self._where.timeout_s
        waiting = asyncio.timeout(waited_s)
        try:
            async with waiting:
                return await sdk.post(path, body, _RAW)
        except (ProviderError, sdk.error, *_transport_errors()) as e:
            return _only_signs_of_life(waited_s) if waiting.expired() else e

    def _located(self, fault: BaseException, model: str, request_id: str, *, has_begun: bool) -> ProviderError:
        """The error with all that is known of where it happened, and without the key."""
        where = self._where
        is_contained = where.is_local and is_in_container()
        error = explain(
            fault,
            is_local=where.is_local,
            is_in_container=is_contained,
            timeout_s=where.timeout_s,
            has_begun=has_begun,
        )
        if isinstance(error, AuthenticationFailed) and isinstance(where.key, KeyHolder):
            self._retire()  # a command's key may live for an hour only
        error.message = redact(f"{where.title}: {error.message}", self._secrets)
        error.args = (error.message,)
        error.endpoint = where.endpoint.name
        error.model = model
        error.request_id = error.request_id or request_id
        error.__cause__ = error.__context__ = None
        return error


async def _decode(
    chunks: AsyncIterator[bytes], decoder: Decoder, limit: int, patience_s: float, *, keeps_raw: bool
) -> AsyncGenerator[Delta]:
    received = 0
    heard_at = time.monotonic()
    async for chunk in chunks:
        received += len(chunk)
        if keeps_raw:
            yield RawDelta(chunk)
        if received > limit:
            raise StreamBroken(
                f"the answer is longer than {limit >> 20} MB.", hint="The setting max_tokens bounds answers."
            )
        has_news = False
        for delta in decoder.feed(chunk):
            has_news = True
            yield delta
        if has_news:
            heard_at = time.monotonic()
        elif time.monotonic() - heard_at > patience_s:
            raise _only_signs_of_life(patience_s)
        if decoder.is_finished:
            await _drain(chunks)
            return
    for delta in decoder.end():
        yield delta


def _rest(decoder: Decoder) -> Iterator[Delta]:
    """What had come when the connection broke; the answer may have been complete, and only its last bytes missing."""
    with suppress(ProviderError):
        yield from decoder.end()


async def _read(response: httpx2.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_ASKED_BYTES:
            raise ValueError("it is far too long")
    return bytes(body)


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    with suppress(TimeoutError, *_transport_errors()):
        async with asyncio.timeout(DRAIN_TIMEOUT_S):
            async for chunk in chunks:
                if len(chunk) > MAX_COMPLAINT_BYTES:
                    return


def _check_encoding(response: httpx2.Response) -> None:
    """Raises RequestRejected for an answer in a compression that was not asked for and is not taken all the same."""
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding not in {"", "identity", "gzip", "x-gzip", "deflate"}:
        raise RequestRejected(
            f"the answer came compressed ({encoding}), which was not asked for.",
            hint="Look at what is between Flux and the service, such as a proxy.",
        )


def _only_signs_of_life(waited_s: float) -> TimedOut:
    return TimedOut(
        f"the service gave signs of life for {waited_s:g} seconds, and no answer.",
        hint=f"The setting timeout_s, times {PATIENCE}, says how long to wait.",
    )


def _transport_errors() -> tuple[type[Exception], ...]:
    import httpx2

    return (httpx2.HTTPError, OSError)


def _request_id(response: httpx2.Response) -> str:
    return response.headers.get("request-id") or response.headers.get("x-request-id") or ""
