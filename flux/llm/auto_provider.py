"""The provider `auto`: the first that answers, in an order that the user may set; looked for when it is first needed.

By default models on this machine come first, then the services whose keys are set. Which one it is, and why, is said
before its first answer.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from flux.core.config import Settings
from flux.core.errors import ConfigError, ModelNotFound
from flux.llm.base_provider import BaseLLMProvider, Delta, ModelRequest, Response, ServedModel, Waiting
from flux.llm.catalogue import find_model
from flux.llm.endpoints import ENDPOINTS, Endpoint
from flux.llm.local_servers import LOCAL, RunningServer, find_running, look_at

DEFAULT_ORDER = "local, keys"

Create = Callable[[Settings, str], BaseLLMProvider]
"""Makes the provider of a name."""


class AutoProvider(BaseLLMProvider):
    """Has the name `auto` until it is known which provider it is. Raises ConfigError for an order of unknown names.

    `create` makes a provider by its name, `default_model` is what one asks for where the user has set no model.
    """

    def __init__(
        self, settings: Settings, names: Sequence[str], create: Create, default_model: Callable[[str], str]
    ) -> None:
        self.name = "auto"
        self._settings = settings
        self._order = _read_order(settings.auto_order or DEFAULT_ORDER, names)
        self._create = create
        self._default_model = default_model
        self._looking = asyncio.Lock()
        self._chosen: BaseLLMProvider | None = None
        self._model = ""
        self._reason = ""

    async def deltas(self, request: ModelRequest) -> AsyncGenerator[Delta]:
        chosen = await self._choose()
        reason, self._reason = self._reason, ""
        if reason:
            yield Waiting(reason)
        async with aclosing(chosen.stream(request)) as deltas:
            async for delta in deltas:
                yield delta

    async def models(self) -> Sequence[ServedModel]:
        return await (await self._choose()).models()

    async def look_up(self, model: str) -> ServedModel | None:
        return await (await self._choose()).look_up(model)

    async def default_model(self) -> str:
        chosen = await self._choose()
        return self._model or await chosen.default_model()

    def body(self, request: ModelRequest) -> bytes:
        return self._chosen.body(request) if self._chosen else b""

    async def count_tokens(self, request: ModelRequest) -> int | None:
        return await (await self._choose()).count_tokens(request)

    async def summarized(self, request: ModelRequest) -> Response | None:
        return await (await self._choose()).summarized(request)

    async def close(self) -> None:
        if self._chosen is not None:
            await self._chosen.close()

    async def _choose(self) -> BaseLLMProvider:
        async with self._looking:
            if self._chosen is None:
                name, self._model, self._reason = await self._first_that_answers()
                self._chosen = self._create(self._settings, name)
                self.name, self.unknown_window_tokens = name, self._chosen.unknown_window_tokens
                self.window_advice, self.summary_wire = self._chosen.window_advice, self._chosen.summary_wire
        return self._chosen

    async def _first_that_answers(self) -> tuple[str, str, str]:
        """Its name, its model where it runs here, and why it is this one."""
        seen: list[str] = []
        for word in self._order:
            if word == "local":
                running = await find_running(self._settings)
                for server in running:
                    if server.models:
                        return self._local(server)
                seen += [f"{server} has no model" for server in running] or ["no server answers on this machine"]
            elif word == "keys":
                if row := next((row for row in ENDPOINTS if self._has_key(row)), None):
                    return row.name, self._model_of(row.name), self._by_key(row)
                seen.append("no provider's own key is set")
            elif endpoint := next((row for row in LOCAL if row.name == word), None):
                server = await look_at(self._settings, endpoint)
                if server is not None and server.models:
                    return self._local(server)
                seen.append(f"{word} does not answer" if server is None else f"{server} has no model")
            else:
                self._create(self._settings, word)  # says so where it lacks a key or an address
                reason = f"Using {word}, as the setting auto_order has it and nothing before it answers."
                return word, self._model_of(word), reason
        raise ModelNotFound(  # of the world and not of the settings: a fallback may answer instead
            f"auto found no provider: {'; '.join(seen)}.",
            hint="Start a local server that has a model, or set a provider's key.",
        )

    def _local(self, server: RunningServer) -> tuple[str, str, str]:
        names = [model.name for model in server.models]
        # MLX also lists what it would have to load first; its own name is that of the model that it was started with.
        model = self._settings.model if self._settings.model in names else server.endpoint.default_model or names[0]
        return server.endpoint.name, model, f"Using {model} of {server}, which is the first that answers."

    def _model_of(self, provider: str) -> str:
        """The model that the user has set where it is this provider's, else the provider's own."""
        row = find_model(self._settings.model)
        return self._settings.model if row and row.provider == provider else self._default_model(provider)

    def _has_key(self, row: Endpoint) -> bool:
        return bool(row.key_setting) and bool(getattr(self._settings, row.key_setting))

    def _by_key(self, row: Endpoint) -> str:
        where = self._settings.source(row.key_setting)
        return (
            f"Using {row.display_name}, as {row.key_setting.upper()} is set in {where} and nothing before it answers."
        )


def _read_order(order: str, names: Sequence[str]) -> Sequence[str]:
    words = [word.lower() for word in re.split(r"[,\s]+", order) if word]
    for word in words:
        if word not in {"local", "keys", *names} or word == "auto":
            raise ConfigError(
                f"auto_order names {word}, which is no provider. It takes local, keys, and: {', '.join(names)}",
                key="auto_order",
            )
    return words
