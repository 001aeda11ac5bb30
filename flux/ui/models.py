"""`flux models`: what the chosen provider has, what else runs here, what is newly told of them, and downloads."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import aclosing, suppress
from datetime import UTC, datetime

from flux.agent.sessions import usable_models
from flux.core.config import Settings
from flux.core.errors import ConfigError, ModelNotFound
from flux.llm.base_provider import BaseLLMProvider
from flux.llm.catalogue import Catalogue
from flux.llm.ollama_provider import OllamaProvider
from flux.llm.provider_factory import WAYS_TO_SET_UP, kind_of
from flux.llm.refresh import Asked, refresh
from flux.llm.registry import Registry, assign
from flux.llm.wire.ollama_models import PullProgress
from flux.ui.interrupt import CtrlC
from flux.ui.opening import open_settings, say
from flux.ui.render import model_line, one_line


def run_models(arguments: argparse.Namespace) -> int:
    """List models, ask anew what they are, or download one; the exit status. Raises ConfigError and ProviderErrors."""
    settings = open_settings(arguments, ask=None)
    if arguments.action == "pull":
        if not arguments.name:
            raise ConfigError("`flux models pull` needs a model's name.", hint="For example: flux models pull qwen3:8b")
        return asyncio.run(_pull(settings, arguments.name))
    if arguments.action == "refresh":
        return asyncio.run(_refresh(settings, arguments.name))
    asyncio.run(_list(settings))
    return 0


async def _list(settings: Settings) -> None:
    registry = Registry(settings)
    chat = assign(settings)
    try:
        provider = registry.provider(chat.provider)
        models = await usable_models(registry, settings, provider)
        current = f"{provider.name}/{chat.model or await _default_model(provider)}"
    except ConfigError:  # without its key a service is not asked
        models = Catalogue(settings.for_provider(chat.provider)).models(kind_of(settings, chat.provider))
        current = f"{chat.provider}/{chat.model}"
    finally:
        await registry.close()
    if not models:
        say("No provider lists a model, and Flux knows of none.")
    for number, model in enumerate(models, 1):
        print(model_line(number, model, current))


async def _default_model(provider: BaseLLMProvider) -> str:
    with suppress(ModelNotFound):
        return await provider.default_model()
    return ""


async def _refresh(settings: Settings, only: str | None) -> int:
    """Ask each provider that is set up, or one, what it tells of its models; 1 where one could not be asked."""
    registry = Registry(settings)
    asked = await refresh(registry, settings, only, datetime.now(UTC).date().isoformat())
    for answer in asked:
        print(_refreshed_line(answer))
    if not asked:
        raise ConfigError("No provider is set up.", key="provider", hint=WAYS_TO_SET_UP)
    return 1 if any(answer.problem for answer in asked) else 0


def _refreshed_line(answer: Asked) -> str:
    if answer.problem:
        return f"{answer.provider:<14} ! {one_line(answer.problem)}"
    kept = answer.kept
    if kept is None:
        return f"{answer.provider:<14} tells nothing of its models but their names"
    counts = f"{len(kept.models)} models, {kept.sized} with a window, {kept.priced} with a price"
    return f"{answer.provider:<14} {counts}, as of {kept.as_of}"


async def _pull(settings: Settings, model: str) -> int:
    provider = OllamaProvider(settings)
    pulling = asyncio.ensure_future(_show_progress(provider, model))
    try:
        with CtrlC(pulling.cancel):
            await pulling
    except asyncio.CancelledError:
        say(f"stopped; `flux models pull {model}` goes on from there")
        return 130
    finally:
        await provider.close()
    say(f"{model} is there")
    return 0


async def _show_progress(provider: OllamaProvider, model: str) -> None:
    """On a terminal one line that changes, else a line for each status."""
    told = ""
    async with aclosing(provider.pull(model)) as progress:
        async for at in progress:
            words = _words(at)
            if sys.stderr.isatty():
                print(f"\r\x1b[K{words}", end="", file=sys.stderr, flush=True)
            elif at.status != told:
                print(words, file=sys.stderr)
            told = at.status
    if sys.stderr.isatty():
        print(file=sys.stderr)


def _words(at: PullProgress) -> str:
    if not at.total_bytes:
        return one_line(at.status)
    share = at.completed_bytes * 100 // at.total_bytes
    return f"{one_line(at.status)}: {share} % of {at.total_bytes / 1e9:.1f} GB"
