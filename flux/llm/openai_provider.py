"""OpenAI's models by the Responses API, also at Azure: the openai SDK as transport, our own codec."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence

from flux.core.config import Settings
from flux.llm.base_provider import BaseLLMProvider, Delta, ModelRequest, ServedModel
from flux.llm.endpoints import OPENAI, Endpoint
from flux.llm.transport import HttpOptions, Sdk, Transport, Where
from flux.llm.wire.model_lists import read_models
from flux.llm.wire.openai_responses import PATH, ResponsesDecoder, encode_request


class OpenAIProvider(BaseLLMProvider):
    """Raises ConfigError where there is no key, or none that may go to the base URL."""

    def __init__(self, settings: Settings, endpoint: Endpoint = OPENAI) -> None:
        self.name = endpoint.name
        self._transport = Transport(Where.of(settings, endpoint), {}, open_openai)

    def deltas(self, request: ModelRequest) -> AsyncGenerator[Delta]:
        return self._transport.stream(PATH, encode_request, ResponsesDecoder, request)

    async def models(self) -> Sequence[ServedModel]:
        return read_models(await self._transport.ask("/models"), runs_here=False)

    async def close(self) -> None:
        await self._transport.close()


def open_openai(where: Where, http: HttpOptions) -> Sdk:
    """The SDK, with nothing left for it to look up in the environment. Takes half a second: not on the event loop."""
    import httpx2
    import openai

    client = openai.AsyncOpenAI(
        api_key="none",  # what is sent stands in `http`
        admin_api_key="",
        organization="",
        project="",
        webhook_secret="",
        base_url=where.base_url,
        max_retries=0,
        timeout=http.timeout(),
        http_client=http.client(openai.DefaultAsyncHttpxClient),
    )

    async def post(path: str, body: bytes, headers: Mapping[str, str]) -> httpx2.Response:
        return await client.post(path, cast_to=httpx2.Response, content=body, options={"headers": headers})

    async def get(path: str, headers: Mapping[str, str]) -> httpx2.Response:
        return await client.get(path, cast_to=httpx2.Response, options={"headers": headers})

    return Sdk(post, get, client.close, openai.OpenAIError)
