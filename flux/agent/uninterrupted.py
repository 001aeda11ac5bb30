"""Work that cannot be called back once it has begun: a change on its way to an editor."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

_T = TypeVar("_T")


async def to_its_end(work: Coroutine[Any, Any, _T], hurry: Callable[[], None] = lambda: None) -> _T:
    """The result of the work. Who is cancelled meanwhile is so only after the work has ended, well or not.

    The work is told so by `hurry`. What it failed for is the cause of the CancelledError then.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        hurry()
        while not task.done():
            with suppress(asyncio.CancelledError):  # the user may well press the keys twice
                await asyncio.wait([task])
        if task.cancelled():
            raise
        raise asyncio.CancelledError from task.exception()
