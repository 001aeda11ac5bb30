"""Flux on a machine that fails it, and told to end in every state of a turn."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.soak.endings import DOORS, ENDINGS, check
from tests.soak.machine import TROUBLES, NotHere

AT_ONCE = 4
"""They wait more than they work."""


@pytest.mark.timeout(400)  # many processes, on a machine that may be busy
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has none of these signals")
@pytest.mark.parametrize("door", DOORS)
async def test_it_ends_in_time_and_in_order_whatever_its_turn_is_doing(door: str, tmp_path: Path) -> None:
    free = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with free:
            await check(endings[number], tmp_path / str(number))

    endings = [ending for ending in ENDINGS if ending.door == door]
    faults = await asyncio.gather(*map(one, range(len(endings))), return_exceptions=True)
    found = [f"{ending}: {fault!r}" for ending, fault in zip(endings, faults, strict=True) if fault]
    assert not found, "\n".join(found)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell, its limits and mounts")
@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.__name__)
async def test_a_machine_in_trouble(trouble: Callable[[Path], Awaitable[None]], tmp_path: Path) -> None:
    try:
        await trouble(tmp_path)
    except NotHere as reason:
        pytest.skip(str(reason))
