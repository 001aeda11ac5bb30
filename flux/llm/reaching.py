"""Whether a service's address answers at all, by which way, and what its clock says; asked without a key.

It costs nothing. Knows nothing of models and of what the service would say to a request.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime

import flux
from flux.core.errors import ConfigError
from flux.core.secret import redact
from flux.llm.network_faults import Bounds, explain
from flux.llm.pools import transport_errors
from flux.llm.transport import CONNECT_TIMEOUT_S, Where


@dataclass(frozen=True, slots=True)
class Reached:
    """How an address answered. `tls` is its version, empty where there is none; `proxy` has no password in it.

    `clock_behind_s`: so many seconds this machine's clock is behind the service's; None where it does not say.
    """

    seconds: float
    tls: str
    proxy: str
    clock_behind_s: float | None


async def reach(where: Where, timeout_s: float = CONNECT_TIMEOUT_S) -> Reached:
    """Ask the address for its head alone; whatever its status is, it answers. Raises ProviderErrors and ConfigError."""
    import httpx2

    proxy = where.proxy
    try:
        client = httpx2.AsyncClient(
            verify=where.tls.context(),
            follow_redirects=False,
            trust_env=not where.is_local,
            timeout=timeout_s,
            headers={"user-agent": f"flux/{flux.__version__}"},
        )
    except (ImportError, ValueError, httpx2.InvalidURL) as e:
        if isinstance(e, ConfigError):
            raise
        raise ConfigError(f"The proxy {proxy} cannot be used: {redact(str(e))}") from None
    begin = time.time()
    fault: BaseException
    try:
        async with client, client.stream("HEAD", where.base_url) as response:
            end = time.time()
            tls = response.extensions["network_stream"].get_extra_info("ssl_object")
            behind = _behind(response.headers.get("date", ""), (begin + end) / 2)
            return Reached(end - begin, tls.version() if tls else "", proxy, behind)
    except transport_errors() as e:
        fault = e
    way = replace(where.way, bounds=Bounds(timeout_s, timeout_s, timeout_s, timeout_s))
    error = explain(fault, way, has_begun=False)
    error.message = redact(error.message)
    raise error from None


def _behind(date: str, now_s: float) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() - now_s
    except (ValueError, OverflowError):
        return None
