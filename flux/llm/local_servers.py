"""What serves models on this machine: every known server's own port is looked at, all at once and not for long."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from flux.core.config import Settings
from flux.core.errors import ConfigError, ProviderError
from flux.llm.base_provider import BaseLLMProvider, ServedModel
from flux.llm.compatible_provider import CompatibleProvider
from flux.llm.endpoints import LLAMA_CPP, LM_STUDIO, MLX, OLLAMA, VLLM, Endpoint
from flux.llm.ollama_provider import OllamaProvider
from flux.llm.plain_http import open_plain

LOOK_S = 1.0
"""A server that has a model and cannot say so within this time is too busy to be chosen by itself."""

LOCAL: tuple[Endpoint, ...] = (OLLAMA, LM_STUDIO, LLAMA_CPP, VLLM, MLX)
"""In the order in which they are preferred. llama.cpp and MLX have one port: MLX is what does not say who it is."""

_OWNERS = {LLAMA_CPP.name: "llamacpp", VLLM.name: "vllm"}


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that answered. `models` may be empty; those that are loaded come first where that is told."""

    endpoint: Endpoint
    base_url: str
    models: tuple[ServedModel, ...]

    def __str__(self) -> str:
        return f"{self.endpoint.display_name} at {self.base_url}"


async def find_running(settings: Settings, *, within_s: float = LOOK_S) -> Sequence[RunningServer]:
    """The servers that answer, in the order of `LOCAL`. Addresses and keys that the user has set for one are used."""
    async with asyncio.TaskGroup() as group:
        looks = [group.create_task(look_at(settings, endpoint, within_s=within_s)) for endpoint in LOCAL]
    return [found for look in looks if (found := look.result()) is not None]


async def look_at(settings: Settings, endpoint: Endpoint, *, within_s: float = LOOK_S) -> RunningServer | None:
    """The server of this kind, None where none answers in time."""
    try:
        base_url = settings.credentials(endpoint).base_url
        async with asyncio.timeout(within_s):
            await _knock(base_url)
            provider = _plainly(settings, endpoint)
            try:
                models = await provider.models()
            finally:
                await provider.close()
    except (ConfigError, ProviderError, TimeoutError, OSError):
        return None
    owners = {model.owner for model in models}
    if owners & (set(_OWNERS.values()) - {_OWNERS.get(endpoint.name, "")}):
        return None
    if (owner := _OWNERS.get(endpoint.name)) and owner not in owners:
        return None
    return RunningServer(endpoint, base_url, tuple(models))


def _plainly(settings: Settings, endpoint: Endpoint) -> BaseLLMProvider:
    """A provider that only lists models, without a vendor's SDK, whose import alone would take too long."""
    if endpoint.wire == "ollama":
        return OllamaProvider(settings, endpoint)
    return CompatibleProvider(settings, endpoint, open_plain)


async def _knock(base_url: str) -> None:
    """Raises OSError where nothing listens: before the HTTP client is imported for nothing."""
    url = urlsplit(base_url)
    port = url.port or (443 if url.scheme == "https" else 80)
    # `localhost` has two addresses, and on Windows one that refuses takes two seconds to do so.
    _, writer = await asyncio.open_connection(url.hostname, port, happy_eyeballs_delay=0.1)
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
