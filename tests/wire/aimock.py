"""Starting aimock, where tests/editors/install_aimock.sh has put it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROGRAM = HERE.parent.parent / ".tools/aimock/node_modules/@copilotkit/aimock/dist/cli.js"


def missing() -> str:
    """Why aimock cannot run; empty where it can."""
    if shutil.which("node") is None:
        return "no Node.js (20.15 or newer)"
    return "" if PROGRAM.exists() else f"no aimock at {PROGRAM}: run tests/editors/install_aimock.sh"


@contextmanager
def aimock() -> Iterator[str]:
    """A running aimock's address. Without aimock the test is skipped; with FLUX_REQUIRE_EDITORS=1 it fails."""
    if reason := missing():
        if os.environ.get("FLUX_REQUIRE_EDITORS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["node", str(PROGRAM), "-h", "127.0.0.1", "-p", str(port), "-f", str(HERE / "fixtures.json")]
    with subprocess.Popen([*command, "--validate-on-load", "--strict", "--log-level", "warn"]) as process:
        try:
            _wait_for(port, process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if process.poll() is not None:
            pytest.fail(f"aimock ended with {process.returncode} before it listened")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)  # a process of others tells nobody when it is ready
    pytest.fail("aimock did not listen within 20 seconds")
