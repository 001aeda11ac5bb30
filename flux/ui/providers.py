"""`flux providers`: which are set up, and whether they answer."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence

from flux.core.errors import ConfigError
from flux.llm.provider_factory import WAYS_TO_SET_UP
from flux.llm.registry import Check, Entry, Registry
from flux.ui.opening import open_settings
from flux.ui.render import one_line


def show_providers(arguments: argparse.Namespace) -> int:
    """List the providers or ask each whether it is there; 1 where one that was asked is not. Raises ConfigError."""
    registry = Registry(open_settings(arguments, ask=None))
    names: Sequence[str] = arguments.names or registry.names()
    if not names:
        raise ConfigError("No provider is set up.", key="provider", hint=WAYS_TO_SET_UP)
    if arguments.action == "check":
        return asyncio.run(_check(registry, names))
    for entry in registry.entries():
        if entry.name in names:
            print(_line(entry))
    return 0


async def _check(registry: Registry, names: Sequence[str]) -> int:
    try:
        checks = await asyncio.gather(*(registry.check(name) for name in names))
    finally:
        await registry.close()
    for check in checks:
        print(_result(check))
    return 0 if all(check.is_reached for check in checks) else 1


def _line(entry: Entry) -> str:
    if entry.problem:
        return f"{entry.name:<14} ! {one_line(entry.problem)}"
    parts = [entry.model, entry.address, entry.key, f"for {', '.join(entry.roles)}" if entry.roles else ""]
    return f"{entry.name:<14} {'  '.join(one_line(part) for part in parts if part)}"


def _result(check: Check) -> str:
    mark = "ok" if check.is_reached else "! "
    return f"{mark} {check.name:<14} {one_line(check.words)} ({check.seconds:.1f} s)"
