"""Which files may have a match, by ripgrep where it is installed: so that a search need not read all of them.

It only narrows: what a match is, which files are searched and what unsaved text says is the caller's own business.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from flux.core.config import program_environment
from flux.core.process import TooMuchOutput, run

LIMIT_BYTES = 4 << 20
_OPTIONS = (
    "--no-config",
    "--files-with-matches",
    "--null",
    "--color=never",
    "--hidden",
    "--no-messages",
    "--no-require-git",
    # What only ripgrep would leave out, Flux does not.
    "--no-ignore-dot",
    "--no-ignore-global",
    "--no-ignore-parent",
    "--glob=!.git",
    "--max-filesize=50M",
)


@cache
def find_ripgrep() -> str | None:
    """The program, None where it is not installed."""
    return shutil.which("rg")


async def candidates(
    program: str, roots: Sequence[str], pattern: str, *, is_regex: bool, timeout_s: float
) -> set[Path] | None:
    """The files on the disk below the roots that may match; None where that cannot be told in this way."""
    if not pattern.isascii():  # in an older encoding other letters are other bytes
        return None
    command = [program, *_OPTIONS, *(() if is_regex else ("--fixed-strings",)), "--regexp", pattern, "--", *roots]
    try:
        done = await run(command, program_environment(), timeout_s=timeout_s, limit_bytes=LIMIT_BYTES)
    except (OSError, TimeoutError, TooMuchOutput):
        return None
    if done.status not in {0, 1}:  # 2: an expression of another dialect, or a file that cannot be read
        return None
    # A root that is not there, as of a workspace in memory, is status 2 too.
    names = done.output.decode("utf-8", "surrogateescape").split("\0")
    return await asyncio.to_thread(lambda: {Path(name) for name in names if name})
