"""OpenAI's models by the Responses API, also at Azure: the openai SDK as transport, our own codec."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from flux.core.config import Settings
from flux.core.errors import ModelNotFound, RequestRejected
from flux.llm.base_provider import BaseLLMProvider, Delta, ModelRequest, Response, ServedModel
from flux.llm.endpoints import OPENAI, Endpoint
from flux.llm.pools import HttpOptions, Sdk
from flux.llm.transport import SUMMARY_S, Transport, Where
from flux.llm.wire.compaction import OPENAI_PATH, ask_openai, read_openai
from flux.llm.wire.model_lists import read_models
from flux.llm.wire.openai_responses import COUNT_PATH, COUNTED, PATH, WIRE, ResponsesDecoder, encode_request
from flux.llm.wire.stored_responses import StoredRequest


class OpenAIProvider(BaseLLMProvider):
    """Raises ConfigError where there is no key, or none that may go to the base URL."""

    def __init__(self, settings: Settings, endpoint: Endpoint = OPENAI) -> None:
        self.name = endpoint.name
        self._is_stored = settings.stored_responses
        if settings.compaction == "provider" and not self._is_stored:
            self.summary_wire = WIRE
        self._transport = Transport(Where.of(settings, endpoint), {}, open_openai, self.models)

    def make_ready(self) -> None:
        self._transport.make_ready()

    def deltas(self, request: ModelRequest) -> AsyncGenerator[Delta]:
        if self._is_stored:
            return self._stored_deltas(request)
        return self._transport.stream(PATH, encode_request, ResponsesDecoder, request)

    def body(self, request: ModelRequest) -> bytes:
        fitted = self._transport.fitted(request)
        return StoredRequest().encode(fitted) if self._is_stored else encode_request(fitted)

    async def count_tokens(self, request: ModelRequest) -> int | None:
        body = encode_request(self._transport.fitted(request))
        return await self._transport.count(COUNT_PATH, body, COUNTED, request.model)

    async def summarized(self, request: ModelRequest) -> Response | None:
        if not self.summary_wire:
            return None
        body = ask_openai(self._transport.fitted(request))
        answer = await self._transport.ask(
            OPENAI_PATH, body, model=request.model, timeout_s=SUMMARY_S, exchanges=request.exchanges
        )
        return read_openai(answer)

    async def _stored_deltas(self, request: ModelRequest, *, may_continue: bool = True) -> AsyncGenerator[Delta]:
        sent = StoredRequest(may_continue)
        request = replace(request, answers=None)  # OpenAI may have forgotten what a kept answer names
        has_begun = False
        try:
            async with aclosing(self._transport.stream(PATH, sent.encode, ResponsesDecoder, request)) as deltas:
                async for delta in deltas:
                    has_begun = True
                    yield sent.seal(delta)
            return
        except (RequestRejected, ModelNotFound):
            if has_begun or not sent.has_continued:
                raise
        # The answer is no longer stored, or not for this key: everything is sent again.
        async with aclosing(self._stored_deltas(request, may_continue=False)) as deltas:
            async for delta in deltas:
                yield delta

    async def models(self) -> Sequence[ServedModel]:
        return read_models(await self._transport.ask("/models"), runs_here=False)

    async def close(self) -> None:
        await self._transport.close()


def open_openai(base_url: str, http: HttpOptions) -> Sdk:
    """The SDK, with nothing left for it to look up in the environment. Takes half a second: not on the event loop."""
    import openai

    client = openai.AsyncOpenAI(
        api_key="none",  # what is sent stands in `flux.llm.pools`
        admin_api_key="",
        organization="",
        project="",
        webhook_secret="",
        base_url=base_url,
        max_retries=0,
        timeout=None,  # stands there too
        http_client=http.client(openai.DefaultAsyncHttpxClient),
    )

    return Sdk.of(client, openai.OpenAIError)
