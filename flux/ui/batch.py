"""`flux batch`: many requests from a file, their answers in another, and a line that says how far it is."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from flux.agent.batch import BadLine, Batch, Line, Progress, Results, read_lines
from flux.agent.sessions import Sessions
from flux.core.errors import ConfigError, WriteRefused
from flux.ui.interrupt import CtrlC, end_soon, until_told_to_end
from flux.ui.opening import open_settings, open_store, say
from flux.ui.render import one_line


def run_batch(arguments: argparse.Namespace) -> int:
    """Ask all that has no answer yet; 0 where all have one then, 130 for Ctrl-C. Raises ConfigError, WriteRefused."""
    if arguments.concurrency < 1:
        raise ConfigError("--concurrency is at least 1.")
    file: Path = arguments.file
    try:
        found = list(read_lines(file.read_text(encoding="utf-8-sig")))
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigError(f"{file} cannot be read: {e}") from e
    bad = [one for one in found if isinstance(one, BadLine)]
    for one in bad:
        say(f"line {one.number} is left out: {one_line(one.reason)}")
    output: Path = arguments.output or file.with_name(f"{file.stem}.results.jsonl")
    if output.resolve() == file.resolve():
        raise ConfigError("The results need a file of their own.", hint="-o names it.")
    sessions = Sessions(open_settings(arguments, ask=None), open_store())
    lines = [one for one in found if isinstance(one, Line)]
    status = asyncio.run(until_told_to_end(_run(sessions, lines, output, arguments.concurrency)))
    return status or (1 if bad else 0)


async def _run(sessions: Sessions, lines: Sequence[Line], output: Path, concurrency: int) -> int:
    shown = _ProgressLine()
    progress, status = Progress(len(lines)), 1
    try:
        with Results(output) as results:
            batch = Batch(sessions, results, shown.show)
            running = asyncio.ensure_future(batch.run(lines, concurrency))
            try:
                with CtrlC(running.cancel):
                    await running
                status = 0 if batch.progress.is_complete else 1
            except asyncio.CancelledError:
                if not running.cancelled():  # it was not Ctrl-C
                    running.cancel()
                    await asyncio.wait([running])
                    raise
                status = 130
            finally:
                progress = batch.progress
                shown.end()
    except OSError as e:
        raise WriteRefused(f"{output} cannot be used: {e.strerror}") from e
    finally:
        await sessions.close()
        end_soon(status)
    if progress.stopped:
        say(f"stopped: {progress.stopped}")
    say(f"{progress}. The answers are in {output}")
    if status:
        say("The same command goes on with what has no answer.")
    return status


class _ProgressLine:
    """On a terminal one line that changes; elsewhere only what went wrong."""

    def __init__(self) -> None:
        self._is_moving = sys.stderr.isatty()
        self._is_begun = False

    def show(self, progress: Progress, notice: str) -> None:
        if notice:
            self.end()
            say(one_line(notice))
        if self._is_moving:
            print(f"\r\x1b[K{progress}, {progress.in_flight} at work", end="", file=sys.stderr, flush=True)
            self._is_begun = True

    def end(self) -> None:
        """Leave the line as it is, and begin another."""
        if self._is_begun:
            print(file=sys.stderr)
            self._is_begun = False
