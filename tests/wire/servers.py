"""Starting other people's servers, where the install scripts of this folder have put them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TOOLS = HERE.parent.parent / ".tools"


def python_of(name: str) -> str:
    """The interpreter of an environment below .tools.

    Without it the test is skipped; with FLUX_REQUIRE_EDITORS=1 it fails, but for MLX where it has perhaps no build.
    """
    program = TOOLS / name / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if program.exists():
        return str(program)
    reason = f"no {name} at {program}: run tests/wire/install_{name}.sh"
    if os.environ.get("FLUX_REQUIRE_EDITORS") == "1" and (name != "mlx" or sys.platform == "linux"):
        pytest.fail(reason)
    pytest.skip(reason)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(
    command: Sequence[str], url: str, log: Path, environ: Mapping[str, str] | None = None, *, within_s: float = 60.0
) -> Iterator[None]:
    """Runs a server until the end of the block, from when `url` answers on."""
    with (
        log.open("wb") as out,
        subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **(environ or {})}
        ) as process,
    ):
        try:
            _wait_for(url, process, log, within_s)
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path, within_s: float) -> None:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if process.poll() is not None:
            pytest.fail(f"the server ended with {process.returncode}: {log.read_text(errors='replace')[-2000:]}")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)  # a process of others tells nobody when it is ready
    pytest.fail(f"nothing answered at {url} within {within_s} seconds: {log.read_text(errors='replace')[-2000:]}")
