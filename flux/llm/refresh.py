"""Asks providers what their models are, for `flux models refresh`: windows, prices and abilities, where they say."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flux.core.config import Settings
from flux.core.errors import ConfigError, FluxError
from flux.llm.base_provider import BaseLLMProvider, ServedModel
from flux.llm.local_servers import find_running
from flux.llm.model_facts import Facts, facts_of
from flux.llm.refreshed import MAX_MODELS, MAX_NAME, Refreshed, keep
from flux.llm.registry import Registry

ASK_S = 60.0
"""For one provider, all in all: Ollama is asked of each of its models."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of asking a provider. `kept` None: it told nothing, or could not be asked (`problem` says why)."""

    provider: str
    kept: Refreshed | None = None
    problem: str = ""


async def refresh(registry: Registry, settings: Settings, only: str | None, today: str) -> Sequence[Asked]:
    """Ask every provider that is set up and every local server that runs, or `only` one, and keep what they tell.

    `today` is an ISO date. The registry's providers are closed. Raises ConfigError where there is no folder to keep it.
    """
    state = settings.state
    if state is None:
        raise ConfigError("There is no folder to keep it in.", hint="FLUX_STATE_FOLDER names one.")
    if only:
        names: Sequence[str] = (only,)
    else:
        running = await find_running(settings)
        names = tuple(dict.fromkeys((*registry.names(), *(server.endpoint.name for server in running))))
    try:
        async with asyncio.TaskGroup() as group:
            asking = [group.create_task(_ask(registry, name)) for name in names]
    finally:
        await registry.close()
    addresses = {entry.name: entry.address for entry in registry.entries()}
    return [
        _kept(state, task.result(), addresses.get(name) or name, today)
        for name, task in zip(names, asking, strict=True)
    ]


async def _ask(registry: Registry, name: str) -> tuple[str, Mapping[str, Facts], str]:
    try:
        return name, await ask_for_facts(registry.provider(name)), ""
    except TimeoutError:
        return name, {}, f"did not answer within {ASK_S:g} seconds"
    except FluxError as e:
        return name, {}, e.message


def _kept(state: Path, told: tuple[str, Mapping[str, Facts], str], source: str, today: str) -> Asked:
    name, facts, problem = told
    if problem or not facts:
        return Asked(name, problem=problem)
    return Asked(name, keep(state, name, facts, source, today))


async def ask_for_facts(provider: BaseLLMProvider) -> Mapping[str, Facts]:
    """The facts that the provider's server tells, by model. Raises ProviderErrors, and TimeoutError.

    Where its list has only names, it is asked of each, as long as that tells something.
    """
    async with asyncio.timeout(ASK_S):
        served = list(await provider.models())[:MAX_MODELS]
        if served and not any(facts_of(model).said() for model in served):
            served = await _each(provider, served)
    return {model.name: facts for model in served if (facts := facts_of(model)).said() and len(model.name) <= MAX_NAME}


async def _each(provider: BaseLLMProvider, served: Sequence[ServedModel]) -> list[ServedModel]:
    told: list[ServedModel] = []
    for model in served:
        found = await provider.look_up(model.name)
        if found is None or not facts_of(found).said():
            break
        told.append(found)
    return told
