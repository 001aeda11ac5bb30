"""Any server with OpenAI's Chat Completions API: the openai SDK as transport, our own codec. Works without a key."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial

from flux.core.config import Settings
from flux.llm.base_provider import BaseLLMProvider, Delta, ModelRequest
from flux.llm.endpoints import COMPATIBLE, Endpoint
from flux.llm.openai_provider import open_openai
from flux.llm.transport import Transport, Where
from flux.llm.wire.chat_completions import PATH, ChatDecoder, Quirks, encode_request


class CompatibleProvider(BaseLLMProvider):
    """Raises ConfigError where there is no base URL, or a key that must not go there."""

    def __init__(self, settings: Settings, endpoint: Endpoint = COMPATIBLE) -> None:
        self.name = endpoint.name
        quirks = Quirks(endpoint.max_tokens_name, endpoint.takes_stream_options, endpoint.wants_thoughts_back)
        self._encode = partial(encode_request, quirks=quirks)
        self._transport = Transport(Where.of(settings, endpoint), {}, open_openai)

    def stream(self, request: ModelRequest) -> AsyncGenerator[Delta]:
        return self._transport.stream(PATH, self._encode, ChatDecoder, request)

    async def close(self) -> None:
        await self._transport.close()
