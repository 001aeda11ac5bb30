"""The same providers for programs without an event loop: what is asynchronous runs on one loop in a thread of its own.

The thread begins with the first call and ends with the program, after all connections are closed. It may be used from
several threads at a time; a wait ends with KeyboardInterrupt, and what was waited for is cancelled.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import AsyncGenerator, Coroutine, Generator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Generic, Self, TypeVar, Unpack

from flux.core.config import Settings
from flux.llm import provider_factory
from flux.llm.base_provider import BaseLLMProvider, Delta, ModelRequest, Options, Response, ServedModel
from flux.llm.plain_messages import PlainMessages
from flux.llm.pools import close_all

CLOSE_S = 5.0
"""Seconds for everything to be closed at the end of the program."""

INTERRUPTIBLE_S = 0.2
"""Seconds until an interrupt is seen at the latest."""

_T = TypeVar("_T")


class _Background:
    """One event loop in a daemon thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="flux-blocking", daemon=True)
        self.has_ended = False
        self.thread.start()

    def end(self) -> None:
        self.has_ended = True
        with suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(_close(), self.loop).result(CLOSE_S)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(CLOSE_S)
        if not self.thread.is_alive():
            self.loop.close()


class _Work(Generic[_T]):
    """A coroutine on the loop's thread, for which another waits.

    It waits for a bare lock, as an interrupt may come in the middle of what takes and gives back any other: a future
    would then stay locked, and cancelling it would hang.
    """

    def __init__(self, waited: Coroutine[Any, Any, _T], loop: asyncio.AbstractEventLoop) -> None:
        self.is_done = threading.Lock()
        self.is_done.acquire()
        self._waited = waited
        self._loop = loop
        self._task: asyncio.Task[_T] | None = None

    def begin(self) -> None:
        self._task = self._loop.create_task(self._waited)
        self._task.add_done_callback(self._end)

    def cancel(self) -> None:
        if self._task is None:
            self._waited.close()
        else:
            self._task.cancel()

    def result(self) -> _T:
        assert self._task is not None, "is not done"
        return self._task.result()

    def _end(self, task: asyncio.Task[_T]) -> None:
        if not task.cancelled():
            task.exception()  # looked at, also where nobody waits any more
        self.is_done.release()


_starting = threading.Lock()
_background: _Background | None = None


def run(waited: Coroutine[Any, Any, _T]) -> _T:
    """What the coroutine returns or raises. Raises RuntimeError on the event loop's own thread, which would hang."""
    background = _started()
    if background.has_ended:
        waited.close()
        raise RuntimeError("The program is ending: everything was closed.")
    if threading.current_thread() is background.thread:
        waited.close()
        raise RuntimeError("flux.llm.blocking cannot be used inside its own event loop: use flux.llm there.")
    work = _Work(waited, background.loop)
    try:
        background.loop.call_soon_threadsafe(work.begin)
        while not work.is_done.acquire(timeout=INTERRUPTIBLE_S):
            pass  # on Windows an interrupt is only seen between two waits
    except BaseException:
        background.loop.call_soon_threadsafe(work.cancel)
        raise
    return work.result()


def iterate(items: AsyncGenerator[_T]) -> Generator[_T]:
    """The items one by one, as they come. Closing it closes the generator behind it."""
    try:
        while True:
            try:
                item = run(_next(items))
            except StopAsyncIteration:
                return
            yield item
    finally:
        if not _started().has_ended:  # an iterator that is left over when the program ends was closed with all else
            run(items.aclose())


class Provider:
    """A provider whose methods wait. Safe to use from several threads at a time."""

    def __init__(self, inner: BaseLLMProvider) -> None:
        self.inner = inner
        self.name = inner.name

    def complete(self, asked: ModelRequest | PlainMessages, **options: Unpack[Options]) -> Response:
        """As `BaseLLMProvider.complete`."""
        return run(self.inner.complete(asked, **options))

    def stream(self, asked: ModelRequest | PlainMessages, **options: Unpack[Options]) -> Generator[Delta]:
        """As `BaseLLMProvider.stream`. Close it, or read it to its end: the connection is in use until then."""
        return iterate(self.inner.stream(asked, **options))

    def models(self) -> Sequence[ServedModel]:
        """As `BaseLLMProvider.models`."""
        return run(self.inner.models())

    def supports_tools(self, model: str = "") -> bool | None:
        return self.inner.supports_tools(model)

    def supports_thinking(self, model: str = "") -> bool | None:
        return self.inner.supports_thinking(model)

    def supports_images(self, model: str = "") -> bool | None:
        return self.inner.supports_images(model)

    def supports_code_execution(self, model: str = "") -> bool | None:
        return self.inner.supports_code_execution(model)

    def close(self) -> None:
        """Let go of connections. May be called twice."""
        run(self.inner.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def create_provider(config: Settings | Mapping[str, object], provider: str | None = None) -> Provider:
    """As `flux.llm.create_provider`."""
    return Provider(provider_factory.create_provider(config, provider))


def _started() -> _Background:
    global _background  # noqa: PLW0603 -- one loop for the process, made when it is first needed
    with _starting:
        # In a forked process the thread is dead though nobody ended it.
        if _background is None or not (_background.has_ended or _background.thread.is_alive()):
            _background = _Background()
            atexit.register(_background.end)
        return _background


async def _next(items: AsyncGenerator[_T]) -> _T:
    return await anext(items)


async def _close() -> None:
    current = asyncio.current_task()
    tasks = [task for task in asyncio.all_tasks() if task is not current]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()
    await close_all()
