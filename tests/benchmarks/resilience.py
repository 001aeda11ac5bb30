"""What the retry loop and the breaker add to a request that goes well."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from pathlib import Path

from flux.llm.base_provider import BaseLLMProvider, Delta, Finished, ModelRequest, Started, TextDelta
from flux.llm.resilience.breaker import BreakingProvider, Circuits
from flux.llm.resilience.retry import RetryingProvider
from tests.benchmarks.figures import Bound, Effort, Figure, in_turn, median

CALLS = 200
ANSWER: tuple[Delta, ...] = (Started("m"), *[TextDelta("word ")] * 20, Finished("stop"))


class Bare(BaseLLMProvider):
    """Answers at once, out of memory."""

    name = "bare"

    async def deltas(self, request: ModelRequest) -> AsyncGenerator[Delta]:
        for delta in ANSWER:
            yield delta


def calls(effort: Effort, folder: Path) -> list[Figure]:
    """A call with twenty pieces of text, with both around it and without; a median of rounds of 200."""
    bare = Bare()
    wrapped = RetryingProvider(BreakingProvider(bare, "http://127.0.0.1", Circuits()), 3)
    of_both, of_none = in_turn(effort.of(50), lambda: _call_us(wrapped), lambda: _call_us(bare))
    name, bound = "a call with retry and breaker", Bound("difference", "<=", 50)
    return [Figure(name, "µs", median(of_both), median(of_none), "the same without", bound)]


def _call_us(provider: BaseLLMProvider) -> float:
    async def ask() -> float:
        request = ModelRequest("m", ())
        began = time.perf_counter()
        for _ in range(CALLS):
            await provider.complete(request)
        return (time.perf_counter() - began) / CALLS * 1e6

    return asyncio.run(ask())
