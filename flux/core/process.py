"""Running a program: bounded in time and output, ended together with all that it started.

The only place of Flux that starts programs, beside GitPython in `flux.workspace.git`. Which variables a program gets is
the caller's business (`flux.core.config.program_environment`).
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

END_S = 2.0
"""Seconds for a program that was killed to be gone."""


class TooMuchOutput(Exception):
    """The program wrote more than it might, and was ended for that."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a program ended by itself."""

    status: int
    output: bytes
    errors: bytes


async def run(
    command: Sequence[str], environ: Mapping[str, str], *, timeout_s: float, limit_bytes: int = 1 << 20
) -> Done:
    """Run a program to the end of its output, with nothing to read, in an environment of exactly `environ`.

    Raises OSError where it cannot be started, TimeoutError, and TooMuchOutput. Whatever ends the call, the program and
    those that it started are gone after it.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(environ),
        start_new_session=True,  # a group of its own, which is ended as one
    )
    try:
        async with asyncio.timeout(timeout_s):
            output, errors = await asyncio.gather(
                _read(process.stdout, limit_bytes), _read(process.stderr, limit_bytes)
            )
            return Done(await process.wait(), output, errors)
    finally:
        await _end(process)


def run_module(module: str, *arguments: str, timeout_s: float) -> None:
    """Run a module of Flux's own in another process, and wait for its end; what it prints is seen by nobody.

    Waiting leaves the interpreter to other threads. Raises OSError where it cannot be started or fails, and
    TimeoutError.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", module, *arguments],  # -P: the current folder may be anybody's
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=timeout_s,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"{module} was not done after {timeout_s:g} seconds") from None
    if done.returncode != 0:
        last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise OSError(f"{module} failed: {last or done.returncode}")


async def _read(stream: asyncio.StreamReader | None, limit_bytes: int) -> bytes:
    found = bytearray()
    while stream is not None and (data := await stream.read(1 << 16)):
        found += data
        if len(found) > limit_bytes:
            raise TooMuchOutput
    return bytes(found)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill the group; also where the program itself has ended, since it may have left others behind."""
    if sys.platform == "win32":
        if process.returncode is None:
            await asyncio.to_thread(_end_tree, process.pid)
    else:
        with suppress(ProcessLookupError, PermissionError):  # all of them have gone
            os.killpg(process.pid, signal.SIGKILL)
    with suppress(TimeoutError):
        async with asyncio.timeout(END_S):
            await process.wait()


def _end_tree(pid: int) -> None:
    subprocess.run(["taskkill", "/F", "/T", "/PID", str(pid)], capture_output=True, check=False, timeout=END_S)
