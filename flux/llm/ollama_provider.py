"""Models that Ollama serves, by its own API: what is there, how large a window each gets, downloads, and chat.

Its door that is compatible with OpenAI ignores the context length and shortens prompts in silence; this one says it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial

from flux.core.config import Settings
from flux.core.errors import ModelNotFound, StreamBroken
from flux.llm.base_provider import BaseLLMProvider, Delta, ModelRequest, ServedModel, Waiting
from flux.llm.endpoints import OLLAMA, Endpoint
from flux.llm.fitting import without_images
from flux.llm.plain_http import open_plain
from flux.llm.transport import Transport, Where
from flux.llm.wire.ollama_chat import PATH, OllamaDecoder, Options, encode_request
from flux.llm.wire.ollama_models import (
    ModelCard,
    PullProgress,
    PullReader,
    encode_name,
    is_same_model,
    read_card,
    read_list,
    read_loaded,
)

WINDOW_TOKENS = 32_768
"""The window that is asked for where nobody has chosen one: it grows the memory that a model takes, and its wait."""
USEFUL_TOKENS = 8_192
"""Below this a window that others chose is not kept: Flux's instructions, tools and one file hardly fit."""

LOAD_S = 30.0
"""How long the server may take to tell of a model: it may be busy loading another."""


class OllamaProvider(BaseLLMProvider):
    """Raises ConfigError for a key that must not go to the base URL; by default there is none."""

    unknown_window_tokens = USEFUL_TOKENS

    def __init__(self, settings: Settings, endpoint: Endpoint = OLLAMA) -> None:
        where = Where.of(settings, endpoint)
        self.name = endpoint.name
        self.window_advice = endpoint.window_advice
        self._is_local = where.is_local
        self._wanted_tokens = settings.context_window
        self._keep_alive = settings.ollama_keep_alive
        self._pulls_missing = settings.pull_models
        self._transport = Transport(where, {}, open_plain, self.models)
        self._cards: dict[str, ModelCard] = {}

    async def deltas(self, request: ModelRequest) -> AsyncGenerator[Delta]:
        try:
            card = await self._card(request.model)
        except ModelNotFound:
            if not self._pulls_missing:
                raise
            async with aclosing(self.pull(request.model)) as progress:
                async for words in _in_steps(request.model, progress):
                    yield Waiting(words)
            card = await self._card(request.model)
        request, encode = self._made_for(card, request)
        answer = self._transport.stream(PATH, encode, OllamaDecoder, request)
        async with aclosing(answer) as deltas:
            async for delta in deltas:
                yield delta

    def body(self, request: ModelRequest) -> bytes:
        card = self._cards.get(request.model)
        if card is None:  # the server was not asked of it
            return b""
        request, encode = self._made_for(card, request)
        return encode(self._transport.fitted(request))

    def _made_for(self, card: ModelCard, request: ModelRequest) -> tuple[ModelRequest, Callable[[ModelRequest], bytes]]:
        """The request as the model takes it, and what makes its bytes."""
        if _has(card, "vision") is False:
            request = replace(request, messages=tuple(map(without_images, request.messages)))
        window = request.window_tokens or self._window(card, 0)
        options = Options(min(window, card.trained_tokens or window), _thinks(card) is True, self._keep_alive)
        return request, partial(encode_request, options=options)

    async def is_running(self) -> bool:
        """Whether an Ollama answers there. Raises ProviderErrors where something else does, or nothing can."""
        return "version" in await self._transport.ask("/api/version")

    async def is_installed(self, model: str) -> bool:
        """Whether the model is on the server's machine. Raises ProviderErrors."""
        return any(is_same_model(served.name, model) for served in await self.models())

    async def models(self) -> Sequence[ServedModel]:
        loaded = read_loaded(await self._transport.ask("/api/ps"))
        listed = read_list(await self._transport.ask("/api/tags"), loaded)
        return listed if self._is_local else [replace(model, runs_here=False) for model in listed]

    async def look_up(self, model: str) -> ServedModel | None:
        card = await self._card(model)
        loaded = read_loaded(await self._transport.ask("/api/ps", model=model))
        tokens = next((tokens for name, tokens in loaded.items() if is_same_model(name, model)), None)
        return ServedModel(
            model,
            window_tokens=self._window(card, tokens or 0),
            takes_tools=_has(card, "tools"),
            takes_images=_has(card, "vision"),
            thinks=_thinks(card),
            is_loaded=tokens is not None,
            runs_here=self._is_local and card.runs_here,
        )

    async def pull(self, model: str) -> AsyncGenerator[PullProgress]:
        """Download a model, or what is new of it; how far it is, until it is there. Raises ProviderErrors.

        Closing it stops the download; what has come is kept by the server, and the next one goes on from there.
        """
        reader = PullReader()
        async with aclosing(self._transport.lines("/api/pull", encode_name(model), model=model)) as lines:
            async for line in lines:
                yield reader.read(line)
        if not reader.is_done:
            raise StreamBroken(f"The download of {model} ended before it was complete.", model=model)
        self._cards.pop(model, None)

    async def close(self) -> None:
        await self._transport.close()

    async def _card(self, model: str) -> ModelCard:
        if model not in self._cards:
            try:
                shown = await self._transport.ask("/api/show", encode_name(model), model=model, timeout_s=LOAD_S)
            except ModelNotFound as e:
                e.hint = (
                    f"`flux models pull {model}` downloads it; with FLUX_PULL_MODELS=true that is done by itself. "
                    "`flux models` lists what is there."
                )
                raise
            self._cards[model] = read_card(shown)
        return self._cards[model]

    def _window(self, card: ModelCard, loaded_tokens: int) -> int:
        """The window to ask for: the user's, the packer's, the one it is loaded with, else a usual one.

        Never more than the model was made for. Another one than it is loaded with makes the server load it anew.
        """
        if self._wanted_tokens:
            tokens = self._wanted_tokens
        elif (card.set_tokens or 0) >= USEFUL_TOKENS:
            tokens = card.set_tokens or 0
        elif loaded_tokens >= USEFUL_TOKENS:
            tokens = loaded_tokens
        else:
            tokens = WINDOW_TOKENS if card.trained_tokens else USEFUL_TOKENS
        return min(tokens, card.trained_tokens or tokens)


def _has(card: ModelCard, ability: str) -> bool | None:
    return None if card.abilities is None else ability in card.abilities


def _thinks(card: ModelCard) -> bool | None:
    return _has(card, "thinking")


async def _in_steps(model: str, progress: AsyncGenerator[PullProgress]) -> AsyncGenerator[str]:
    """The progress in so few words that all of it can be shown."""
    told = ""
    async for at in progress:
        tenths = at.completed_bytes * 10 // at.total_bytes if at.total_bytes else 0
        words = f"{tenths * 10} % of {at.total_bytes / 1e9:.1f} GB" if at.total_bytes else "it begins"
        if words != told:
            told = words
            yield f"Downloading {model}: {words}"
