"""The seconds until a request is tried again, told one after the other to a door that can show them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Countdown:
    """Tells the whole seconds that are left, at once and each second until none is, or until `stop`."""

    def __init__(self, wait_s: float, tell: Callable[[int], None]) -> None:
        """For the running loop."""
        self._loop = asyncio.get_running_loop()
        self._until_s = self._loop.time() + wait_s
        self._tell = tell
        self._next: asyncio.TimerHandle | None = None
        self._go_on()

    def stop(self) -> None:
        if self._next is not None:
            self._next.cancel()

    def _go_on(self) -> None:
        left_s = round(self._until_s - self._loop.time())
        self._tell(left_s)
        self._next = self._loop.call_at(self._until_s - left_s + 1, self._go_on) if left_s > 0 else None
