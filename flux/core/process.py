"""Running a program: bounded in time and output, ended together with all that it started; or beside us, for questions.

The only place of Flux that starts programs, beside GitPython in `flux.workspace.git`. Which variables a program gets is
the caller's business (`flux.core.config.program_environment`).
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

END_S = 2.0
"""Seconds for a program that was killed to be gone."""


CLOSE_S = 0.5
"""Seconds for a companion to end in order."""

_LOW_PRIORITY = 0
if sys.platform == "win32":
    _LOW_PRIORITY = subprocess.BELOW_NORMAL_PRIORITY_CLASS | subprocess.CREATE_NO_WINDOW


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
    reading = [asyncio.ensure_future(_read(each, limit_bytes)) for each in (process.stdout, process.stderr)]
    try:
        async with asyncio.timeout(timeout_s):
            output, errors = await asyncio.gather(*reading)
            return Done(await process.wait(), output, errors)
    finally:
        await _end(process, reading)


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


class Companion:
    """A program that runs beside us at low priority and answers each line with a line. For several threads.

    Its errors go nowhere. It is ended by `close`, and should end by itself with its standard input, which ends with us.
    """

    def __init__(self, command: Sequence[str], environ: Mapping[str, str]) -> None:
        """Raises OSError where it cannot be started."""
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(environ),
            start_new_session=True,  # Ctrl-C in the terminal is for us
            creationflags=_LOW_PRIORITY,
        )
        self._asking = threading.Lock()

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    @property
    def ended_well(self) -> bool:
        """Whether it has ended by itself and in order."""
        return self._process.poll() == 0

    def tell(self, line: bytes) -> None:
        """Send a line that it does not answer. Raises OSError where it has ended."""
        with self._asking:
            if self._process.stdin is not None:
                self._process.stdin.write(line + b"\n")
                self._process.stdin.flush()

    def ask(self, line: bytes, timeout_s: float) -> bytes:
        """The line that it answers; blocks. A program that does not answer in time is killed.

        Raises EOFError where it ended, also by that.
        """
        process = self._process
        if process.stdin is None or process.stdout is None:
            raise EOFError
        with self._asking:
            timer = threading.Timer(timeout_s, process.kill)
            timer.daemon = True
            timer.start()
            try:
                process.stdin.write(line + b"\n")
                process.stdin.flush()
                answer = process.stdout.readline()
            except (OSError, ValueError) as e:  # ValueError: closed meanwhile
                self._await_end()
                raise EOFError from e
            finally:
                timer.cancel()
            if not answer.endswith(b"\n"):
                self._await_end()
                raise EOFError
            return answer

    def close(self) -> None:
        """End it. It has a moment to end in order."""
        with suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        self._await_end()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _await_end(self) -> None:
        try:
            self._process.wait(CLOSE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


async def _read(stream: asyncio.StreamReader | None, limit_bytes: int) -> bytes:
    found = bytearray()
    while stream is not None and (data := await stream.read(1 << 16)):
        found += data
        if len(found) > limit_bytes:
            raise TooMuchOutput
    return bytes(found)


async def _end(process: asyncio.subprocess.Process, reading: Sequence[asyncio.Future[bytes]]) -> None:
    """Kill the group; also where the program itself has ended, since it may have left others behind.

    A pipe is closed once it is read to its end.
    """
    if sys.platform == "win32":
        if process.returncode is None:
            await asyncio.to_thread(_end_tree, process.pid)
    else:
        with suppress(ProcessLookupError, PermissionError):  # all of them have gone
            os.killpg(process.pid, signal.SIGKILL)
    with suppress(TimeoutError):
        async with asyncio.timeout(END_S):
            await asyncio.wait(reading)
            for stream in (process.stdout, process.stderr):
                while stream is not None and await stream.read(1 << 16):
                    pass
            await process.wait()


def _end_tree(pid: int) -> None:
    subprocess.run(["taskkill", "/F", "/T", "/PID", str(pid)], capture_output=True, check=False, timeout=END_S)
