"""What tells the program to end, in the moments in which that is easily missed."""

from __future__ import annotations

import subprocess
import sys

import pytest

WAITING = """
import asyncio, os, signal, threading, time
from flux.ui.interrupt import until_told_to_end

reads, _ = os.pipe()
reader = threading.Thread(target=os.read, args=(reads, 1), daemon=True)

def tell():
    time.sleep(1)  # the loop waits by then
    signal.pthread_kill(reader.ident, signal.SIGTERM)

async def work():
    reader.start()
    threading.Thread(target=tell, daemon=True).start()
    await asyncio.Event().wait()
    return 0

os._exit(asyncio.run(until_told_to_end(work())))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals for one thread")
def test_a_signal_that_comes_to_another_thread_ends_a_loop_that_waits() -> None:
    done = subprocess.run([sys.executable, "-c", WAITING], timeout=30, check=False, capture_output=True)
    assert done.returncode == 143, done.stderr.decode()
