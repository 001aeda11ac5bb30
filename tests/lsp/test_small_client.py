"""The client of docs/how-to: a hundred lines, and complete."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.lsp_client import BOUND_S, environment

CLIENT = Path(__file__).parent.parent.parent / "docs/how-to/small_client.py"
TEXT = "# 😋 area\r\ndef area(r):\r\n    return 3 * r\r\n\r\n\r\nprint('é', area(2), area(3))\r\n"


def test_the_client_of_the_how_to_page_chats_and_takes_an_edit(tmp_path: Path) -> None:
    assert len(CLIENT.read_text(encoding="utf-8").splitlines()) <= 100
    file = tmp_path / "area.py"
    file.write_bytes(TEXT.encode())
    done = subprocess.run(
        [sys.executable, str(CLIENT), str(file), "rename area to size in this file"],
        capture_output=True,
        env=environment(tmp_path, FLUX_PROVIDER="demo", PYTHONUTF8="1"),
        timeout=4 * BOUND_S,
        check=True,
    )
    streamed, _, shown = done.stdout.decode("utf-8").partition("\n--- done · ")
    assert "[edit area.py]" in streamed
    assert "offline demo model" in streamed
    _, _, text = shown.replace("\r\n", "\n").partition("\n")
    assert text == TEXT.replace("\r\n", "\n").replace("area", "size")
    assert file.read_bytes() == TEXT.encode()
