"""One Flux at a time writes into a folder: between looking at a file and replacing it nothing of another may come.

The folder itself is locked, so no file is left behind, and the system takes the lock back from a process that dies.
Windows cannot lock a folder, and some network file systems nothing: there it goes on without.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from flux.core.errors import WriteRefused

LOCK_S = 5.0
_AGAIN_S = 0.005

if sys.platform == "win32":

    @contextmanager
    def alone_in(folder: Path) -> Generator[None]:
        """Hold the folder. Raises WriteRefused where another Flux holds it for five seconds."""
        yield

else:
    import fcntl

    @contextmanager
    def alone_in(folder: Path) -> Generator[None]:
        """Hold the folder. Raises WriteRefused where another Flux holds it for five seconds."""
        try:
            descriptor = os.open(folder, os.O_RDONLY)
        except OSError:  # it may be written and not read
            yield
            return
        try:
            _lock(descriptor, folder)
            yield
        finally:
            os.close(descriptor)

    def _lock(descriptor: int, folder: Path) -> None:
        end = time.monotonic() + LOCK_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > end:
                    raise WriteRefused(f"Another Flux is writing into {folder}.", hint="Try again.") from None
                time.sleep(_AGAIN_S)
            except OSError:
                return
            else:
                return
