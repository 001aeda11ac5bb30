"""A provider around another: what all of them pass on. Knows nothing of what they add."""

from __future__ import annotations

from collections.abc import Sequence

from flux.llm.base_provider import BaseLLMProvider, ModelRequest, Response, ServedModel


class WrappedProvider(BaseLLMProvider):
    """Answers as `inner` where a subclass does not."""

    def __init__(self, inner: BaseLLMProvider) -> None:
        self.inner = inner
        self.name = inner.name
        self.unknown_window_tokens = inner.unknown_window_tokens
        self.window_advice = inner.window_advice
        self.summary_wire = inner.summary_wire
        self.defaults = inner.defaults

    def make_ready(self) -> None:
        self.inner.make_ready()

    async def models(self) -> Sequence[ServedModel]:
        return await self.inner.models()

    async def look_up(self, model: str) -> ServedModel | None:
        return await self.inner.look_up(model)

    def body(self, request: ModelRequest) -> bytes:
        return self.inner.body(request)

    async def count_tokens(self, request: ModelRequest) -> int | None:
        return await self.inner.count_tokens(request)

    async def summarized(self, request: ModelRequest) -> Response | None:
        return await self.inner.summarized(request)

    async def default_model(self) -> str:
        return await self.inner.default_model()

    async def close(self) -> None:
        await self.inner.close()
