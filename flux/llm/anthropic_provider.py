"""Anthropic's models by the Messages API: the anthropic SDK as transport, our own codec."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from flux.core.config import Settings
from flux.llm.base_provider import BaseLLMProvider, Delta, ModelRequest, Response, ServedModel
from flux.llm.endpoints import ANTHROPIC, Endpoint
from flux.llm.pools import HttpOptions, Sdk
from flux.llm.transport import SUMMARY_S, Transport, Where
from flux.llm.wire.anthropic_messages import (
    COUNT_PATH,
    COUNTED,
    PATH,
    VERSION,
    WIRE,
    AnthropicDecoder,
    encode_request,
)
from flux.llm.wire.compaction import ANTHROPIC_BETA, ANTHROPIC_PATH, ask_anthropic, read_anthropic
from flux.llm.wire.model_lists import read_models


class AnthropicProvider(BaseLLMProvider):
    """Raises ConfigError where there is no key, or none that may go to the base URL."""

    def __init__(self, settings: Settings, endpoint: Endpoint = ANTHROPIC) -> None:
        self.name = endpoint.name
        where = Where.of(settings, endpoint)
        headers = {"anthropic-version": VERSION}
        if settings.compaction == "provider":
            self.summary_wire = WIRE
            headers["anthropic-beta"] = ANTHROPIC_BETA
        self._transport = Transport(where, headers, open_anthropic, self.models)

    def make_ready(self) -> None:
        self._transport.make_ready()

    def deltas(self, request: ModelRequest) -> AsyncGenerator[Delta]:
        return self._transport.stream(PATH, encode_request, AnthropicDecoder, request)

    def body(self, request: ModelRequest) -> bytes:
        return encode_request(self._transport.fitted(request))

    async def count_tokens(self, request: ModelRequest) -> int | None:
        return await self._transport.count(COUNT_PATH, self.body(request), COUNTED, request.model)

    async def summarized(self, request: ModelRequest) -> Response | None:
        if not self.summary_wire:
            return None
        body = ask_anthropic(self._transport.fitted(request))
        answer = await self._transport.ask(
            ANTHROPIC_PATH, body, model=request.model, timeout_s=SUMMARY_S, exchanges=request.exchanges
        )
        return read_anthropic(answer)

    async def models(self) -> Sequence[ServedModel]:
        return read_models(await self._transport.ask("/v1/models?limit=1000"), runs_here=False)

    async def close(self) -> None:
        await self._transport.close()


def open_anthropic(base_url: str, http: HttpOptions) -> Sdk:
    """The SDK, with nothing left for it to look up in the environment. Takes a second: not on the event loop."""
    import anthropic

    client = anthropic.AsyncAnthropic(
        api_key="none",  # what is sent stands in `flux.llm.pools`
        base_url=base_url,
        max_retries=0,
        timeout=None,  # stands there too
        open_telemetry=False,
        http_client=http.client(anthropic.DefaultAsyncHttpxClient),
    )

    return Sdk.of(client, anthropic.AnthropicError)
