"""`flux models`: what the chosen provider has, what else runs on this machine, and downloads for Ollama."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import aclosing

from flux.agent.sessions import usable_models
from flux.core.config import Settings
from flux.core.errors import ConfigError
from flux.llm.catalogue import models_of
from flux.llm.ollama_provider import OllamaProvider
from flux.llm.registry import Registry, assign
from flux.llm.wire.ollama_models import PullProgress
from flux.ui.interrupt import CtrlC
from flux.ui.opening import open_settings, say
from flux.ui.render import model_line, one_line


def run_models(arguments: argparse.Namespace) -> int:
    """List models, or download one; the exit status. Raises ConfigError and ProviderErrors."""
    settings = open_settings(arguments, ask=None)
    if arguments.action == "pull":
        if not arguments.name:
            raise ConfigError("`flux models pull` needs a model's name.", hint="For example: flux models pull qwen3:8b")
        return asyncio.run(_pull(settings, arguments.name))
    asyncio.run(_list(settings))
    return 0


async def _list(settings: Settings) -> None:
    registry = Registry(settings)
    chat = assign(settings)
    try:
        provider = registry.provider(chat.provider)
        models = await usable_models(registry, settings, provider)
        current = f"{provider.name}/{chat.model or await provider.default_model()}"
    except ConfigError:  # without its key a service is not asked
        models, current = models_of(chat.provider), f"{chat.provider}/{chat.model}"
    finally:
        await registry.close()
    if not models:
        say("No provider lists a model, and Flux knows of none.")
    for number, model in enumerate(models, 1):
        print(model_line(number, model, current))


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
