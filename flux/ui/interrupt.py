"""Ctrl-C as a wish to stop what runs, not the program; and the signals that end the program in order."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

PRESSES_TO_END = 3

ENDING = tuple(signal.Signals[name] for name in ("SIGTERM", "SIGHUP") if name in signal.Signals.__members__)
"""What tells a program to end: the system at its end, and a terminal that is closed. Windows has no SIGHUP."""


EXIT_S = 3.0
"""Seconds after which a process that was told to end does so, whatever a thread of it still waits for."""


def end_soon(status: int) -> None:
    """All is stored and shown: a search that is slow to stop, or a network disk, must not keep the process."""
    timer = threading.Timer(EXIT_S, os._exit, [status])
    timer.daemon = True
    timer.start()


async def until_told_to_end(work: Coroutine[Any, Any, int]) -> int:
    """The status of the work, which is cancelled by such a signal: then 128 and the signal's number."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    told: list[int] = []

    def end(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)  # a second one ends the process at once
        told.append(number)
        loop.call_soon_threadsafe(task.cancel)

    for name in ENDING:
        signal.signal(name, end)
    try:
        with _woken_by_signals(loop):
            return await task
    except asyncio.CancelledError:
        if not told:
            raise
        end_soon(128 + told[0])
        return 128 + told[0]


@contextmanager
def _woken_by_signals(loop: asyncio.AbstractEventLoop) -> Generator[None]:
    """A signal that comes just before the loop begins to wait is not left until something else wakes the loop.

    https://docs.python.org/3/library/signal.html#signal.set_wakeup_fd; on Windows the loop does so of itself.
    """
    if sys.platform == "win32":
        yield
        return
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        loop.add_reader(ours, lambda: ours.recv(4096))
        before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            loop.remove_reader(ours)


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
