"""The files that Flux has beside others for a moment: their names, and the removal of what a killed process left.

A name says which process made the file, and on which machine: it is removed only where that process is certainly gone,
whoever's it was. What may be the only copy of a user's text has another name and is never removed here.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import sys
from contextlib import suppress
from functools import cache
from itertools import count
from pathlib import Path

from flux.core.living import lives
from flux.workspace.ignore import TEMPORARY_PREFIX, TEMPORARY_SUFFIX

_KEPT = "kept"
_NAME = re.compile(rf"{re.escape(TEMPORARY_PREFIX)}([0-9a-f]+)-(\d+)-\d+{re.escape(TEMPORARY_SUFFIX)}")


def temporary_name(target: Path) -> Path:
    """A name beside the target that no file has, for what is about to become the target."""
    return _free_name(target, _machine())


def kept_name(target: Path) -> Path:
    """A name beside the target that no file has, for the text that stood there before."""
    return _free_name(target, _KEPT)


def clear_leftovers(folder: Path) -> None:
    """Remove what processes that were killed were about to write into the folder. May be called at any time."""
    with suppress(OSError), os.scandir(folder) as entries:
        left = [Path(entry.path) for entry in entries if _is_leftover(entry)]
        for file in left:
            with suppress(OSError):
                file.unlink()


def _is_leftover(entry: os.DirEntry[str]) -> bool:
    found = _NAME.fullmatch(entry.name)
    return (
        found is not None
        and found[1] == _machine()
        and not lives(int(found[2]))
        and entry.is_file(follow_symlinks=False)
    )


def _free_name(target: Path, maker: str) -> Path:
    """Only this process makes files under the name."""
    names = (target.with_name(f"{TEMPORARY_PREFIX}{maker}-{os.getpid()}-{n}{TEMPORARY_SUFFIX}") for n in count())
    return next(name for name in names if not os.path.lexists(name))


@cache
def _machine() -> str:
    """A word for what numbers this process: machines that share a folder, and containers, number each their own."""
    known = [sys.platform, platform.node()]
    if sys.platform == "linux":
        try:
            known.append(os.readlink("/proc/self/ns/pid"))  # noqa: PTH115  not a path but a name
        except OSError:
            return _KEPT  # nobody can tell whose number it is, so nobody removes it
        with suppress(OSError):
            known.append(Path("/etc/machine-id").read_text(encoding="utf-8"))
    return hashlib.sha256("\n".join(known).encode()).hexdigest()[:12]
