"""What many answers at a time need in memory, beside the vendor's own SDK."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.benchmarks.figures import Bound, Effort, Figure, in_turn, median
from tests.benchmarks.servers import base_url, clean_environment, model_server

MANY_STREAMS = str(Path(__file__).with_name("many_streams.py"))
STREAMS = 300
DELTAS, RATE = 40, 20
"""Two seconds for an answer, so that all of them are open at once."""


def streams(effort: Effort, folder: Path) -> list[Figure]:
    if sys.platform == "win32":
        return [Figure("300 streams at a time, peak memory", "MB", None, note="no getrusage here")]
    return [figure for vendor in ("anthropic", "openai") for figure in _streams(effort, folder, vendor)]


def _streams(effort: Effort, folder: Path, vendor: str) -> list[Figure]:
    grown_kb: dict[str, list[float]] = {"flux": [], "sdk": []}
    with model_server(deltas=DELTAS, rate=RATE) as (url, _):

        def peak_mb(kind: str) -> float:
            command = [sys.executable, MANY_STREAMS, kind, vendor, base_url(vendor, url), str(STREAMS)]
            environ = clean_environment(folder)
            done = subprocess.run(command, env=environ, cwd=folder, stdout=subprocess.PIPE, timeout=120, check=True)
            first_kb, peak_kb = map(int, done.stdout.split())
            grown_kb[kind].append((peak_kb - first_kb) / STREAMS)
            return peak_kb / 1024

        flux, sdk = in_turn(effort.of(3), lambda: peak_mb("flux"), lambda: peak_mb("sdk"))
    peer, bound = "the SDK's calls", Bound("ratio", "<=", 1.25)
    return [
        Figure(f"{STREAMS} streams at a time, {vendor}: peak memory", "MB", median(flux), median(sdk), peer, bound),
        Figure("  what each stream adds to it", "KB", median(grown_kb["flux"]), median(grown_kb["sdk"]), peer),
    ]
