"""Any server with OpenAI's Chat Completions API: the openai SDK as transport, our own codec. Works without a key."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from functools import partial

from flux.core.config import Settings
from flux.core.errors import ProviderError
from flux.llm.base_provider import BaseLLMProvider, Delta, ModelRequest, ServedModel
from flux.llm.endpoints import COMPATIBLE, Endpoint
from flux.llm.openai_provider import open_openai
from flux.llm.pools import OpenSdk
from flux.llm.transport import Transport, Where
from flux.llm.wire.chat_completions import PATH, ChatDecoder, Quirks, encode_request
from flux.llm.wire.model_lists import is_llama_cpp, read_lm_studio, read_models, read_props


class CompatibleProvider(BaseLLMProvider):
    """Raises ConfigError where there is no base URL, or a key that must not go there."""

    def __init__(self, settings: Settings, endpoint: Endpoint = COMPATIBLE, open_sdk: OpenSdk = open_openai) -> None:
        self.name = endpoint.name
        quirks = Quirks(
            endpoint.max_tokens_name,
            endpoint.takes_stream_options,
            endpoint.wants_thoughts_back,
            endpoint.wants_details_back,
        )
        self._encode = partial(encode_request, quirks=quirks)
        where = Where.of(settings, endpoint)
        self.unknown_window_tokens = endpoint.unknown_window_tokens or None
        self.window_advice = endpoint.window_advice
        self._has_own_list = endpoint.has_lm_studio_list
        self._is_local = where.is_local
        self._root = where.base_url.removesuffix("/v1")
        self._transport = Transport(where, {}, open_sdk, self.models)

    def deltas(self, request: ModelRequest) -> AsyncGenerator[Delta]:
        return self._transport.stream(PATH, self._encode, ChatDecoder, request)

    def body(self, request: ModelRequest) -> bytes:
        return self._encode(self._transport.fitted(request))

    async def models(self) -> Sequence[ServedModel]:
        if self._has_own_list:
            return await self._lm_studio()
        return read_models(await self._transport.ask("/models"), runs_here=self._is_local)

    async def look_up(self, model: str) -> ServedModel | None:
        if self._has_own_list:
            return _find(model, await self._lm_studio())
        listed = await self._transport.ask("/models", model=model)
        models = read_models(listed, runs_here=self._is_local)
        if not is_llama_cpp(listed) or len(models) != 1:
            return _find(model, models)
        # It serves one model, by whatever name it is asked for.
        return read_props(await self._transport.ask(f"{self._root}/props", model=model), replace(models[0], name=model))

    async def _lm_studio(self) -> Sequence[ServedModel]:
        try:
            listed = await self._transport.ask(f"{self._root}/api/v1/models")
        except ProviderError as error:
            if error.status != 404:
                raise
            listed = await self._transport.ask(f"{self._root}/api/v0/models")
        return read_lm_studio(listed, runs_here=self._is_local)

    async def close(self) -> None:
        await self._transport.close()


def _find(name: str, models: Sequence[ServedModel]) -> ServedModel | None:
    return next((model for model in models if model.name == name), None)
