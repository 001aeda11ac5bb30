"""Processes that are killed while they write, and what they leave beside the file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LEAVE = """
import sys
from pathlib import Path
from flux.workspace.temporary import kept_name, temporary_name
target = Path(sys.argv[1])
temporary_name(target).write_text("half of", encoding="utf-8")
kept_name(target).write_text("what stood there", encoding="utf-8")
print(flush=True)
sys.stdin.read()
"""


def leave(folder: Path, *, is_ended: bool = True) -> subprocess.Popen[bytes]:
    """A process that has two such files in the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", LEAVE, str(folder / "a.txt")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == b""
    if is_ended:
        end(process)
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate(timeout=30)
