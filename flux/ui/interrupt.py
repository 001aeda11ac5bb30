"""Ctrl-C as a wish to stop what runs, not the program."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

PRESSES_TO_END = 3


class CtrlC:
    """While it holds, Ctrl-C calls `stop` in the event loop; the third press ends the program, if all else fails.

    `stop` says whether something is being stopped. `also` are other signals that do the same.
    """

    def __init__(self, stop: Callable[[], bool], *also: signal.Signals) -> None:
        self._stop = stop
        self._signals = (signal.SIGINT, *also)
        self._before: dict[signal.Signals, object] = {}
        self._presses = 0

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()

        def press(_number: int, _frame: FrameType | None) -> None:
            self._presses += 1
            if self._presses >= PRESSES_TO_END:
                raise KeyboardInterrupt
            loop.call_soon_threadsafe(self._stopped)

        for name in self._signals:
            self._before[name] = signal.signal(name, press)

    def _stopped(self) -> None:
        if not self._stop():
            self._presses = 0  # there was nothing to stop

    def __exit__(self, *_: object) -> None:
        for name, handler in self._before.items():
            with suppress(TypeError, ValueError):
                signal.signal(name, handler)  # pyright: ignore[reportArgumentType] -- what signal.signal gave us
