"""Our bytes through a vendor's SDK, and its raw answer back to our decoders; every fault becomes an error of our tree.

The SDK brings proxies, TLS and the connections, which `flux.llm.pools` shares. Its retries are off, its models and its
reading of streams unused. Its headers are replaced as a whole just before a request leaves: both SDKs add some that
environment variables name, also where everything is passed explicitly (anthropic 2.11.0 and openai 3.52.0, 2026-11-21).
"""

from __future__ import annotations

import asyncio
import difflib
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import flux
from flux.core.config import Settings, is_in_container
from flux.core.errors import (
    AuthenticationFailed,
    ConfigError,
    ModelNotFound,
    ProviderError,
    RequestRejected,
    StreamBroken,
    TimedOut,
)
from flux.core.keys import Key, KeyHolder, fetch_key
from flux.core.secret import Secret, redact
from flux.llm.base_provider import Delta, ModelRequest, RawDelta, ReasoningDelta, ServedModel, TextDelta
from flux.llm.catalogue import Catalogue, Model, find_model
from flux.llm.endpoints import Endpoint
from flux.llm.exchange import Exchange
from flux.llm.fitting import fit
from flux.llm.keeping import Keeping
from flux.llm.network_faults import Bounds, Way, explain, was_connection_stale
from flux.llm.pools import (
    MAX_COMPLAINT_BYTES,
    OpenSdk,
    Outgoing,
    Pool,
    Sdk,
    Tls,
    opening_errors,
    request_id,
    sending,
    share,
    transport_errors,
)
from flux.llm.wire.decoder import Decoder
from flux.llm.wire.history import taken_ids
from flux.llm.wire.json_values import Object, parse_object, to_bytes
from flux.llm.wire.ndjson import LineSplitter, parse_line

if TYPE_CHECKING:
    import httpx2

DRAIN_TIMEOUT_S = 0.2
"""How long to wait for the end of the bytes behind the end of an answer, so that the connection can be used again."""
ASK_S = 5.0
"""How long a server may take to say something of itself."""
SUMMARY_S = 300.0
"""How long a service may take to summarize a conversation, which keeps nobody waiting."""
MAX_ASKED_BYTES = 16 << 20
"""More than any list of models: OpenRouter's has 300 and half a megabyte."""
MIN_ANSWER_LIMIT = 64 << 20
ANSWER_BYTES_PER_TOKEN = 2 << 10
"""An answer may have so many bytes for each token that was asked for at most, and `MIN_ANSWER_LIMIT` in any case."""
CONNECT_TIMEOUT_S = 10.0
"""For a connection, where the user has not said it; never longer than the bound on silence."""
ROUND_S = 0.016
"""Once an answer shows, what comes within so long is read together, which nobody sees: each round costs about as much
as a request of an editor, and editors do not wait for answers."""
DRIP_BYTES = 4096
"""A longer piece of an answer is not waited for more of."""
PATIENCE = 10
"""So many times the bound on silence may pass with signs of life alone: comments, pings, a header's next byte."""

ListModels = Callable[[], Awaitable[Sequence[ServedModel]]]

_RAW = {"X-Stainless-Raw-Response": "stream"}
"""The SDKs' own sign that they shall not read the answer's body. It does not reach the wire."""


@dataclass(frozen=True, slots=True)
class Where:
    """Where requests go, with which key, what goes along, how long to wait, and what is known of models there."""

    endpoint: Endpoint
    base_url: str
    key: Key | None
    bounds: Bounds
    headers: Mapping[str, Secret] = field(default_factory=dict[str, Secret])
    extra_body: Mapping[str, object] = field(default_factory=dict[str, object])
    tls: Tls = field(default_factory=Tls)
    find: Callable[[str], Model | None] = find_model
    key_words: str = ""
    """Where the key is set, for a person."""

    @classmethod
    def of(cls, settings: Settings, endpoint: Endpoint) -> Where:
        """Where the settings lead for this service. Raises ConfigError as `Settings.credentials`."""
        settings = settings.for_provider(endpoint.name)
        base_url, key = settings.credentials(endpoint)
        return cls(
            endpoint,
            endpoint.full_base_url(base_url),
            key,
            _bounds(settings, endpoint),
            settings.headers or {},
            settings.extra_body or {},
            Tls(settings.ca_bundle, settings.client_cert, settings.client_key),
            Catalogue(settings).find,
            settings.key_words(endpoint, key),
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

    @property
    def proxy(self) -> str:
        """The proxy that requests go through by the environment, without its password; empty where there is none."""
        url = urlsplit(self.base_url)
        if self.is_local or proxy_bypass(url.netloc):
            return ""
        proxies = getproxies()
        return redact(proxies.get(url.scheme) or proxies.get("all") or "")

    @property
    def way(self) -> Way:
        """How requests get there, for who has to mend it."""
        is_contained = self.is_local and is_in_container()
        start = self.endpoint.start_command
        return Way(self.bounds, self.is_local, is_contained, start, self.proxy, self.tls.ca_bundle)


class Transport:
    """One service, one key; the connections are shared. The SDK is imported in a thread at the first use."""

    def __init__(self, where: Where, headers: Mapping[str, str], open_sdk: OpenSdk, models: ListModels) -> None:
        """`models` lists what the service has, for a name that it does not know."""
        self._where = where
        self._models = models
        self._headers = headers
        self._open_sdk = open_sdk
        self._pool: Pool | None = None
        self._fetching = asyncio.Lock()
        self._outgoing: Outgoing | None = None
        self._secrets: tuple[Secret, ...] = ()

    def make_ready(self) -> None:
        """Begin to import the SDK, which takes half a second; the first request waits for it."""
        self._shared_pool().begin()

    async def stream(
        self, path: str, encode: Callable[[ModelRequest], bytes], decoder: type[Decoder], request: ModelRequest
    ) -> AsyncGenerator[Delta]:
        """The deltas of the answer to a request. Raises ProviderErrors. Closing it closes the connection."""
        request = self.fitted(request)
        began_s = asyncio.get_running_loop().time()
        body = encode(request)
        keeping = Keeping.of(request, self._where.base_url, path, self._where.headers, body)
        if keeping is not None and (kept := keeping.replayed(decoder("", taken_ids(request)))):
            for delta in kept:
                yield delta
            return
        exchange = Exchange()
        if request.exchanges is not None:
            request.exchanges.append(exchange)
        response = await self._post(path, body, request.model, exchange)
        fault: BaseException
        decoding = decoder(request_id(response), taken_ids(request))
        try:
            _check_encoding(response)
            limit = max(MIN_ANSWER_LIMIT, ANSWER_BYTES_PER_TOKEN * request.max_output_tokens)
            is_noted = request.exchanges is not None or keeping is not None
            noted = exchange if is_noted else None
            async with aclosing(_in_time(response.aiter_bytes(), self._where.bounds, began_s, noted)) as chunks:
                patience_s = PATIENCE * self._where.bounds.silence_s
                async for delta in _decode(chunks, decoding, limit, patience_s, keeps_raw=request.keeps_raw):
                    yield delta
                    if keeping is not None:
                        keeping.look_at(delta)
            if keeping is not None:
                keeping.keep(exchange)
            return
        except (ProviderError, *transport_errors()) as e:
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
        error = self._located(fault, request.model, request_id(response), has_begun=True)
        exchange.error = error.message
        raise error

    def fitted(self, request: ModelRequest) -> ModelRequest:
        """The request as it is encoded: as its model takes it, with the user's own fields."""
        request = fit(request, self._where.find)
        return replace(request, extra_body=self._where.extra_body) if self._where.extra_body else request

    async def count(self, path: str, body: bytes, names: Collection[str], model: str) -> int | None:
        """What a service counts in the named fields of a request's body; None where it says nothing."""
        found = parse_object(body.decode("utf-8"))
        asked = to_bytes({name: value for name, value in found.items() if name in names})
        counted = (await self.ask(path, asked, model=model)).get("input_tokens")
        return counted if isinstance(counted, int) and counted > 0 else None

    async def ask(
        self,
        path: str,
        body: bytes | None = None,
        *,
        model: str = "",
        timeout_s: float = ASK_S,
        exchanges: list[Exchange] | None = None,
    ) -> Object:
        """The JSON object at a path, by POST where there is a body. Raises ProviderErrors.

        For what comes as one whole answer, most of all what a server says of itself. What is sent and what comes is
        added to `exchanges`.
        """
        exchange = Exchange()
        if exchanges is not None:
            exchanges.append(exchange)
        sdk, outgoing = await self._ready()
        fault: BaseException
        try:
            async with asyncio.timeout(timeout_s):
                with sending(replace(outgoing, exchange=exchange)):
                    response = await (sdk.get(path, _RAW) if body is None else sdk.post(path, body, _RAW))
                async with aclosing(response):
                    return parse_object((await _read(response, exchange)).decode("utf-8", "replace"))
        except TimeoutError:
            fault = TimedOut(f"nothing came for {timeout_s:g} seconds.")
        except ValueError as e:
            fault = RequestRejected(f"what came from {path} is not what was asked for: {e}.")
        except (ProviderError, sdk.error, *transport_errors()) as e:
            fault = e
        error = self._located(fault, model, "", has_begun=False)
        exchange.error = error.message
        raise error

    async def lines(self, path: str, body: bytes, *, model: str = "") -> AsyncGenerator[Object]:
        """The JSON objects of an answer that is one on each line. Raises ProviderErrors."""
        response = await self._post(path, body, model, Exchange())
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
        except (ProviderError, *transport_errors()) as e:
            fault = e
        finally:
            await response.aclose()
        raise self._located(fault, model, "", has_begun=True)

    async def close(self) -> None:
        """Let go of the connections, which others may go on with; a later request opens new ones."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.release()

    async def _ready(self) -> tuple[Sdk, Outgoing]:
        """The SDK, and what each request of this service has of its own. Raises ConfigError."""
        where = self._where
        async with self._fetching:
            if self._outgoing is None:
                key = await fetch_key(where.key) if where.key else None
                self._secrets = (*([key] if key else ()), *where.headers.values())
                self._outgoing = Outgoing(self._all_headers(key), self._secrets, where.bounds)
            outgoing = self._outgoing
        try:
            return await self._shared_pool().sdk(), outgoing
        except opening_errors() as e:
            if isinstance(e, ConfigError):
                raise
            words = redact(str(e))
        raise ConfigError(  # such as a SOCKS proxy, which needs a package that is not there
            f"{where.title} cannot be used with these proxy settings: {words}",
            hint="See the environment variables HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY.",
        )

    def _shared_pool(self) -> Pool:
        where = self._where
        if self._pool is None or self._pool.loop is not asyncio.get_running_loop():
            local_hosts = {"localhost", "127.0.0.1", "[::1]"} | ({where.host} if where.is_local else set[str]())
            self._pool = share(self._open_sdk, where.base_url, where.tls, tuple(sorted(local_hosts)))
        return self._pool

    def _all_headers(self, key: Secret | None) -> Mapping[str, str]:
        where = self._where
        headers = {"accept": "*/*", "accept-encoding": "identity", "user-agent": f"flux/{flux.__version__}"}
        headers |= self._headers
        if key is not None:
            scheme = "Bearer " if where.endpoint.key_header == "authorization" else ""
            headers[where.endpoint.key_header] = f"{scheme}{key.reveal()}"
        return headers | {name: value.reveal() for name, value in where.headers.items()}

    async def _post(self, path: str, body: bytes, model: str, exchange: Exchange) -> httpx2.Response:
        sdk, outgoing = await self._ready()
        with sending(replace(outgoing, exchange=exchange)):
            answer = await self._begin(sdk, path, body)
            if isinstance(answer, BaseException) and was_connection_stale(answer):
                answer = await self._begin(sdk, path, body)
        if isinstance(answer, BaseException):
            # Raised here and not in a handler: an SDK's errors carry requests and headers in their chain.
            error = self._located(answer, model, "", has_begun=False)
            exchange.error = error.message
            if isinstance(error, ModelNotFound):
                error.hint = await self._who_has(model)
            raise error
        return answer

    async def _who_has(self, model: str) -> str:
        """What to do about a model's name that the service does not know."""
        served: Sequence[ServedModel] = ()
        with suppress(ProviderError, TimeoutError):
            async with asyncio.timeout(ASK_S):
                served = await self._models()
        near = difflib.get_close_matches(model, [one.name for one in served], 3, 0.4)
        row = self._where.find(model)
        told = [
            f"Near it: {', '.join(near)}." if near else "",
            f"{row.provider} has a model of this name." if row and row.provider != self._where.endpoint.name else "",
            "`flux models` lists what there is; the setting is model (FLUX_MODEL). Check the base URL too.",
        ]
        return " ".join(filter(None, told))

    def _check_key(self) -> str:
        where = self._where
        if where.key_words:
            return f"The key is from {where.key_words}. Check it, and what it may be used for."
        variable = where.endpoint.key_setting.upper() or "FLUX_API_KEY"
        return f"No key was sent. Set {variable}, or `flux auth set {where.endpoint.name}` keeps one."

    async def _begin(self, sdk: Sdk, path: str, body: bytes) -> httpx2.Response | BaseException:
        """The answer when it begins, or why there is none."""
        bounds = self._where.bounds
        waited_s = min(max(PATIENCE * bounds.silence_s, bounds.first_byte_s), bounds.total_s)
        waiting = asyncio.timeout(waited_s)
        try:
            async with waiting:
                return await sdk.post(path, body, _RAW)
        except (ProviderError, sdk.error, *transport_errors()) as e:
            if not waiting.expired():
                return e
            return bounds.too_long() if waited_s == bounds.total_s else _only_signs_of_life(waited_s)

    def _located(self, fault: BaseException, model: str, request_id: str, *, has_begun: bool) -> ProviderError:
        """The error with all that is known of where it happened, and without the key."""
        where = self._where
        error = explain(fault, where.way, has_begun=has_begun)
        if isinstance(error, AuthenticationFailed):
            if isinstance(where.key, KeyHolder):
                self._outgoing = None  # a command's key may live for an hour only
            error.hint = self._check_key()
        error.message = redact(f"{where.title}: {error.message}", self._secrets)
        error.args = (error.message,)
        error.endpoint = where.endpoint.name
        error.model = model
        error.request_id = error.request_id or request_id
        error.__cause__ = error.__context__ = None
        return error


def _bounds(settings: Settings, endpoint: Endpoint) -> Bounds:
    is_set = settings.source("timeout_s").kind != "default"
    silence_s = settings.timeout_s if is_set else endpoint.timeout_s or settings.timeout_s
    first_byte_s = settings.first_byte_timeout_s or silence_s
    connect_s = settings.connect_timeout_s or min(silence_s, CONNECT_TIMEOUT_S)
    return Bounds(silence_s, first_byte_s, connect_s, settings.total_timeout_s)


async def _in_time(
    chunks: AsyncGenerator[bytes], bounds: Bounds, began_s: float, noted: Exchange | None
) -> AsyncGenerator[bytes]:
    """The same, until `total_s` have passed since `began_s` on the loop's clock. Raises TimedOut."""
    loop = asyncio.get_running_loop()
    end_s = began_s + bounds.total_s
    async with aclosing(chunks):
        while True:
            if end_s - loop.time() > bounds.silence_s:  # a silence is over before
                chunk = await anext(chunks, None)
            else:
                bound = asyncio.timeout_at(end_s)
                try:
                    async with bound:
                        chunk = await anext(chunks, None)
                except TimeoutError:
                    if not bound.expired():  # the system's own
                        raise
                    raise bounds.too_long() from None
            if chunk is None:
                return
            if noted is not None:
                noted.add(chunk)
            yield chunk


async def _decode(
    chunks: AsyncIterator[bytes], decoder: Decoder, limit: int, patience_s: float, *, keeps_raw: bool
) -> AsyncGenerator[Delta]:
    received = 0
    heard_at = time.monotonic()
    has_shown = False
    waiting = _Waiting()
    async for chunk in chunks:
        had_to_wait = waiting.ended()
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
            has_shown |= isinstance(delta, TextDelta | ReasoningDelta)
            yield delta
        if has_news:
            heard_at = time.monotonic()
        elif time.monotonic() - heard_at > patience_s:
            raise _only_signs_of_life(patience_s)
        if decoder.is_finished:
            await _drain(chunks)
            return
        if has_shown and had_to_wait and len(chunk) < DRIP_BYTES:
            await asyncio.sleep(ROUND_S)
        waiting = _Waiting()
    for delta in decoder.end():
        yield delta


class _Waiting:
    """Whether one had to wait since it was made: the event loop went round then."""

    def __init__(self) -> None:
        self._is_over = False
        self._round = asyncio.get_running_loop().call_soon(self._go_round)

    def ended(self) -> bool:
        self._round.cancel()
        return self._is_over

    def _go_round(self) -> None:
        self._is_over = True


def _rest(decoder: Decoder) -> Iterator[Delta]:
    """What had come when the connection broke; the answer may have been complete, and only its last bytes missing."""
    with suppress(ProviderError):
        yield from decoder.end()


async def _read(response: httpx2.Response, exchange: Exchange) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        exchange.add(chunk)
        body += chunk
        if len(body) > MAX_ASKED_BYTES:
            raise ValueError("it is far too long")
    return bytes(body)


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    with suppress(TimeoutError, *transport_errors()):
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
