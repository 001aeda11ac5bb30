"""A provider that tries a request again where it failed for a reason that may pass: the one loop that does so.

An answer of which anything was shown is never asked for again: it would be another one. Each wait is told before it
begins. Which faults may pass, `flux.core.errors` says; the SDKs' own retries are off.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from flux.core.errors import ConnectionFailed, Overloaded, RateLimited, TransientProviderError
from flux.llm.base_provider import (
    BaseLLMProvider,
    Delta,
    ModelRequest,
    TryingAgain,
    is_of_the_answer,
)
from flux.llm.wrapped_provider import WrappedProvider

FIRST_WAIT_S = 2.0
"""Before the second attempt; twice as long before each later one."""
LONGEST_WAIT_S = 60.0
"""Where the service asks for more patience than that, the user is told instead."""
JITTER = 0.25
"""A wait is up to so much longer or shorter, or many clients would come back at the same moment."""


class RetryingProvider(WrappedProvider):
    """`attempts` in all. `pause` waits so many seconds, `chance` gives a number from 0 to 1."""

    def __init__(
        self,
        inner: BaseLLMProvider,
        attempts: int,
        *,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(inner)
        self._attempts = attempts
        self._pause = pause
        self._chance = chance

    async def deltas(self, request: ModelRequest) -> AsyncGenerator[Delta]:
        attempt = 1
        while True:
            is_shown = False
            try:
                async with aclosing(self.inner.stream(request)) as deltas:
                    async for delta in deltas:
                        is_shown = is_shown or is_of_the_answer(delta)
                        yield delta
                return
            except TransientProviderError as e:
                wait_s = self._wait_s(e, attempt)
                if is_shown or attempt == self._attempts or wait_s is None:
                    raise
                reason = e.message
            attempt += 1
            yield TryingAgain(" ".join(reason.split()).removesuffix("."), wait_s, attempt)
            await self._pause(wait_s)

    def _wait_s(self, error: TransientProviderError, attempt: int) -> float | None:
        """How long to wait after this attempt, None where waiting is of no use, or takes too long."""
        if isinstance(error, ConnectionFailed) and error.is_lasting:
            return None
        if isinstance(error, RateLimited | Overloaded) and (asked_s := error.retry_after_s) is not None:
            return asked_s if asked_s <= LONGEST_WAIT_S else None
        wait_s = min(FIRST_WAIT_S * 2 ** (attempt - 1), LONGEST_WAIT_S)
        return wait_s * (1 + JITTER * (2 * self._chance() - 1))
