"""Programs are bounded, and none outlives the call that started it."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from pathlib import Path

import pytest

from flux.core.process import Companion, Done, TooMuchOutput, run

NEEDED = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}

# Starts a child that would write a file a second from now, tells that it runs, and waits.
PARENT = """
import subprocess, sys
child = "import pathlib, sys, time; print('up', flush=True); time.sleep(1); pathlib.Path(sys.argv[1]).touch()"
process = subprocess.Popen([sys.executable, "-c", child, sys.argv[1]], stdout=subprocess.PIPE)
process.stdout.readline()
open(sys.argv[2], "w").close()
process.wait()
"""


async def python(code: str, *arguments: str, timeout_s: float = 20, limit_bytes: int = 1 << 20) -> Done:
    return await run(
        [sys.executable, "-c", code, *arguments], NEEDED | {"A": "1"}, timeout_s=timeout_s, limit_bytes=limit_bytes
    )


async def test_output_errors_and_status_are_those_of_the_program() -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    done = await python(code)
    assert (done.status, done.output.split(), done.errors.split()) == (3, [b"out"], [b"err"])


async def test_the_environment_is_exactly_what_was_given_and_there_is_nothing_to_read() -> None:
    done = await python("import os, sys; print(sorted(set(os.environ) & {'A', 'PATH', 'HOME'}), sys.stdin.read())")
    assert done.output.split() == [b"['A']"]


async def test_a_program_that_writes_without_end_is_ended() -> None:
    with pytest.raises(TooMuchOutput):
        await python("while True: print('x' * 1000)", limit_bytes=10_000)
    gc.collect()  # tells of a pipe that was left open


async def test_a_program_that_does_not_end_is_ended_in_time() -> None:
    with pytest.raises(TimeoutError):
        await python("import time; time.sleep(60)", timeout_s=0.2)


async def gone(late: Path) -> bool:
    """Whether the child that would write `late` was ended: it had its second, and more."""
    for _ in range(30):
        await asyncio.sleep(0.05)  # the absence of an event can only be waited for
    return not late.exists()


async def test_cancelling_ends_what_the_program_started_too(tmp_path: Path) -> None:
    late, up = tmp_path / "late", tmp_path / "up"
    running = asyncio.create_task(python(PARENT, str(late), str(up)))
    async with asyncio.timeout(20):
        while not up.exists():  # noqa: ASYNC110 -- another process's file
            await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.wait([running])
    assert await gone(late)


ECHO = "import sys\nfor line in sys.stdin: print(line.upper(), end='', flush=True)\n"


def companion(code: str) -> Companion:
    return Companion([sys.executable, "-c", code], NEEDED)


def test_a_companion_answers_each_line_with_a_line_and_ends_with_its_input() -> None:
    program = companion(ECHO)
    assert [program.ask(b"one", 10.0), program.ask(b"two", 10.0)] == [b"ONE\n", b"TWO\n"]
    assert program.is_running
    program.close()
    assert program.ended_well


def test_a_companion_that_ends_or_does_not_answer_is_gone_and_says_so() -> None:
    for code in ("input()", "import time\ninput()\ntime.sleep(60)"):
        program = companion(code)
        with pytest.raises(EOFError):
            program.ask(b"one", 1.0)
        assert not program.is_running
        with pytest.raises(EOFError):
            program.ask(b"two", 1.0)
        program.close()
