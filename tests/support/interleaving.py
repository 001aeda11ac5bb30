"""What other code does is seen, and held up, where the interpreter itself tells of it (PEP 578): no patching."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Watcher = Callable[[str, tuple[object, ...]], None]

_watchers: list[Watcher] = []
_is_hooked: list[bool] = []


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Call it with the name and the arguments of each audit event, in the thread of the event and before its deed."""
    if not _is_hooked:
        sys.addaudithook(_tell)  # for ever: a hook cannot be taken away
        _is_hooked.append(True)
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


def _tell(event: str, arguments: tuple[object, ...]) -> None:
    for watcher in _watchers:
        watcher(event, arguments)
