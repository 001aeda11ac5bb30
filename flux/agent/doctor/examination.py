"""All that is looked at, at the same time and within a bound. A look that takes too long is a finding itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from flux.agent.doctor.finding import Finding, Report, of_error
from flux.agent.doctor.machine import look_at_machine, look_at_settings
from flux.agent.doctor.providers import ProviderCheck
from flux.agent.doctor.storage import circuits_elsewhere, look_at_state
from flux.agent.doctor.trial import Trials
from flux.agent.session_store import SessionStore
from flux.core.config import Loaded, Settings
from flux.core.errors import ConfigError
from flux.core.secret import redact
from flux.llm.provider_factory import WAYS_TO_SET_UP
from flux.llm.registry import Registry, assign

WITHIN_S = 30.0
WITHIN_DEEP_S = 90.0
"""With trials of models."""

log = logging.getLogger(__name__)

_Look = tuple[str, AsyncGenerator[Finding]]
"""What is looked at, and the look."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is to be looked at. `loaded` is an error where the settings cannot be read; the rest is looked at then too.

    `door` is what the door knows of itself: the terminal, the editor. `open_store` gives the store that counts what
    trials cost; None: nothing that costs money is tried.
    """

    folder: Path
    state: Path | None
    loaded: Loaded | ConfigError
    door: Sequence[Finding] = ()
    open_store: Callable[[], SessionStore] | None = None


async def examine(case: Case, within_s: float | None = None) -> Report:
    """What was found, always within the bound and whatever is wrong."""
    bound_s = within_s or (WITHIN_DEEP_S if case.open_store else WITHIN_S)
    loaded = case.loaded
    if isinstance(loaded, ConfigError):
        return await _look([of_error("settings", "files", loaded)], (), case, bound_s)
    registry = Registry(loaded.settings)
    try:
        trials = None
        if case.open_store is not None:
            trials = Trials(loaded.settings, await asyncio.to_thread(case.open_store))
        elsewhere = await asyncio.to_thread(circuits_elsewhere, case.state)
        names = _names(registry, loaded.settings)
        checks = [ProviderCheck(registry, loaded.settings, name, elsewhere) for name in names]
        found = [*look_at_settings(loaded, case.folder), *([] if checks else [_NO_PROVIDER])]
        return await _look(found, [(check.area, _check(check, trials)) for check in checks], case, bound_s)
    finally:
        await registry.close()


async def _look(found: Sequence[Finding], providers: Sequence[_Look], case: Case, bound_s: float) -> Report:
    looks: Sequence[_Look] = [
        *providers,
        ("state", _all_of(asyncio.to_thread(look_at_state, case.state))),
        ("machine", _all_of(look_at_machine(case.folder))),
    ]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_within(area, look, bound_s)) for area, look in looks]
    return Report((*found, *(finding for task in tasks for finding in task.result()), *case.door))


async def _within(area: str, look: AsyncGenerator[Finding], bound_s: float) -> list[Finding]:
    """What the look finds within the bound, and a finding in place of what it did not come to."""
    found: list[Finding] = []
    try:
        async with asyncio.timeout(bound_s), aclosing(look):
            async for finding in look:
                found.append(finding)
    except TimeoutError:
        found.append(Finding(area, "time", "problem", f"It was not wholly looked at within {bound_s:g} seconds."))
    except Exception as e:  # the fence: a provider of the user's own may raise anything, and the rest is told
        log.exception("a look at %s failed", area)
        found.append(Finding(area, "look", "problem", redact(f"Looking at it failed: {type(e).__name__}: {e}")))
    return found


async def _all_of(look: Awaitable[Sequence[Finding]]) -> AsyncGenerator[Finding]:
    for finding in await look:
        yield finding


async def _check(check: ProviderCheck, trials: Trials | None) -> AsyncGenerator[Finding]:
    async with aclosing(check.run()) as found:
        async for finding in found:
            yield finding
    if trials is not None:
        for candidate in check.candidates:
            for finding in await trials.run(check.area, candidate):
                yield finding


def _names(registry: Registry, settings: Settings) -> Sequence[str]:
    try:
        chat = [assign(settings).provider]
    except ConfigError:
        chat = []
    return list(dict.fromkeys((*registry.names(), *chat)))


_NO_PROVIDER = Finding(
    "settings", "provider", "problem", "No provider is set up, and no key was found.", WAYS_TO_SET_UP
)
