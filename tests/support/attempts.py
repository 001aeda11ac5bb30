"""A provider whose requests end as a list says, and a clock that only keeps what was waited for."""

from __future__ import annotations

from flux.core.errors import ProviderError
from flux.llm.base_provider import BaseLLMProvider, Delta, Finished, ModelRequest, Started, TextDelta

ANSWER = (Started("m"), TextDelta("Hello"), Finished("stop"))

Attempt = tuple[Delta | ProviderError, ...]


class Attempts(BaseLLMProvider):
    """Answers the n-th request with the n-th attempt: deltas, and where one is an error, raises it."""

    def __init__(self, *attempts: Attempt, name: str = "attempts") -> None:
        self.name = name
        self.left = list(attempts)
        self.requests: list[ModelRequest] = []

    async def deltas(self, request: ModelRequest):
        self.requests.append(request)
        for step in self.left.pop(0):
            if isinstance(step, ProviderError):
                raise step
            yield step


class Pauses:
    """Waits for nothing, and is a clock that is later by all that was waited for."""

    def __init__(self) -> None:
        self.waited: list[float] = []
        self.now_s = 0.0

    async def __call__(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now_s += seconds

    def clock(self) -> float:
        return self.now_s
