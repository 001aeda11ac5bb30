"""From what went wrong on the way to an error of our tree: nothing listens, no such host, TLS, a stall, a cut.

Knows no SDK: theirs wrap httpx2's errors, which wrap the system's, and the whole chain is looked through.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path

from flux.core.errors import ConnectionFailed, ProviderError, StreamBroken, TimedOut

_ANY_SERVER = "for example `ollama serve`, `lms server start`, `llama-server` or `vllm serve`"
IS_ON_NEW_CONNECTION = "flux_is_on_new_connection"
"""Among the extensions of a request: a connection was opened for it."""

_FROM_A_CONTAINER = (
    "Flux runs in a container, whose localhost is the container itself: a server on the host is at "
    "host.docker.internal (docs/how-to/run-in-a-container.md)."
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long the parts of a request may take, in seconds: each is a setting of its own.

    `silence_s`: for anything more to come. `first_byte_s`: until anything comes at all, once the request has left.
    `connect_s`: for a connection, with TLS. `total_s`: from the request to the end of its answer.
    """

    silence_s: float
    first_byte_s: float
    connect_s: float
    total_s: float

    def too_long(self) -> TimedOut:
        """The error for an answer that is not complete within `total_s`."""
        return TimedOut(
            f"the answer was not complete within {self.total_s:g} seconds.", hint=_LONGER.format("total_timeout_s")
        )


@dataclass(frozen=True, slots=True)
class Way:
    """What is known of the way to a service, for the one who has to mend it.

    `start_command` starts the service, where it is on this machine; `proxy` is what requests go through, without a
    password; `ca_bundle` has authorities that are believed besides.
    """

    bounds: Bounds
    is_local: bool = False
    is_in_container: bool = False
    start_command: str = ""
    proxy: str = ""
    ca_bundle: Path | None = None

    @property
    def check_address(self) -> str:
        """What to look at where there is no way through."""
        if not self.proxy:
            return "Check the base URL, your network and your proxy."
        return (
            f"Requests go through the proxy {self.proxy}, as HTTPS_PROXY, HTTP_PROXY or ALL_PROXY says; NO_PROXY names "
            "hosts that need none. Check it, the base URL and your network."
        )

    @property
    def check_tls(self) -> str:
        """What to look at where the other side is not believed."""
        besides = f", and those in {self.ca_bundle}" if self.ca_bundle else ""
        return (
            "Believed are your system's authorities, or those of SSL_CERT_FILE and SSL_CERT_DIR in their place"
            f"{besides}. Where your network inspects TLS, name its certificates in FLUX_CA_BUNDLE; a local server may "
            "want http://."
        )

    @property
    def start_it(self) -> str:
        """What to do where nothing listens on this machine."""
        how = f"`{self.start_command}`" if self.start_command else _ANY_SERVER
        hint = f"Start the server ({how}), or change the base URL."
        return f"{_FROM_A_CONTAINER} {hint}" if self.is_in_container else hint


_LONGER = "The setting {} says how long to wait."


def explain(fault: BaseException, way: Way, *, has_begun: bool) -> ProviderError:
    """The error for what an SDK or httpx2 raised. `has_begun`: the answer's headers had come."""
    chain = list(_chain(fault))
    names = {type(link).__name__ for link in chain}
    for link in chain:
        if isinstance(link, ProviderError):
            return link  # our own, on its way through the SDK
    if any("Timeout" in name for name in names):
        return _timed_out(names, way, has_begun=has_begun)
    for link in chain:
        match link:
            case ssl.SSLError():
                is_cut = isinstance(link, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError)
                words = f"no secure connection: {_reason(link)}."
                return ConnectionFailed(words, hint=way.check_tls, is_lasting=not is_cut)
            case socket.gaierror():
                return ConnectionFailed(f"the host was not found: {_reason(link)}.", hint=way.check_address)
            case ConnectionRefusedError():
                words = "the proxy does not answer." if way.proxy else "nothing listens there."
                hint = way.start_it if way.is_local else way.check_address
                return ConnectionFailed(words, hint=hint, is_lasting=way.is_local)  # until somebody starts it
            case _:
                pass
    if has_begun:
        return StreamBroken("the connection broke before the answer was complete.")
    words = next((str(link) for link in chain[1:] if str(link)), type(chain[-1]).__name__)
    return ConnectionFailed(f"no connection: {words}.", hint=way.check_address)


def _timed_out(names: Set[str], way: Way, *, has_begun: bool) -> ProviderError:
    bounds = way.bounds
    silence = _LONGER.format("timeout_s")
    if "ConnectTimeout" in names:
        hint = f"{_LONGER.format('connect_timeout_s')} {way.check_address}"
        return ConnectionFailed(f"no connection within {bounds.connect_s:g} seconds.", hint=hint)
    if "PoolTimeout" in names:
        return ConnectionFailed(f"no connection was free for {bounds.silence_s:g} seconds.", hint=silence)
    if "WriteTimeout" in names:
        return TimedOut(f"the service took no more of the request for {bounds.silence_s:g} seconds.", hint=silence)
    if has_begun:
        return TimedOut(f"nothing came for {bounds.silence_s:g} seconds.", hint=silence)
    return TimedOut(
        f"no answer began within {bounds.first_byte_s:g} seconds.",
        hint=f"{_LONGER.format('first_byte_timeout_s')} Where it is unset, timeout_s does.",
    )


def was_connection_stale(fault: BaseException) -> bool:
    """Whether a connection that was kept open from an earlier request could not be used for this one.

    Servers close what is idle for long, maybe just as the next request leaves; that request was not looked at. Or an
    earlier answer was longer than its server said, and the rest of it stands where an answer should.
    """
    for link in _chain(fault):
        if type(link).__name__ in {"RemoteProtocolError", "ReadError", "WriteError"}:
            extensions = getattr(getattr(link, "request", None), "extensions", {})
            return not extensions.get(IS_ON_NEW_CONNECTION, False)
    return False


def retry_after_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """How long the server asks to wait, None where it does not say. `now_s`: Unix time, for servers without a clock."""
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            wait_s = float(headers[name]) * unit_s
        except (KeyError, ValueError):
            continue
        return wait_s if 0 <= wait_s < float("inf") else None
    try:
        until_s = parsedate_to_datetime(headers["retry-after"]).timestamp()
    except (KeyError, ValueError, OverflowError):
        return None
    with suppress(KeyError, ValueError, OverflowError):
        now_s = parsedate_to_datetime(headers["date"]).timestamp()  # the server's own clock, which may be off
    return max(until_s - now_s, 0.0)


def _chain(fault: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = fault
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__


def _reason(link: OSError) -> str:
    return str(getattr(link, "verify_message", "") or link.strerror or link).removesuffix(".")
