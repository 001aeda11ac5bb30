"""`python -m tests.benchmarks [--quick] [NAME ...]`: the table on standard output, and `build/bench.json`."""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.benchmarks import (
    asking,
    codecs,
    delivering,
    edits,
    fitting,
    mapping,
    prompts,
    resilience,
    serving,
    steps,
    storing,
    streaming,
)
from tests.benchmarks.figures import Effort, Figure, table

BENCHMARKS: Mapping[str, Callable[[Effort, Path], list[Figure]]] = {
    "start": serving.start,
    "memory": serving.memory,
    "change": serving.change,
    "request": serving.request,
    "menu": serving.menu,
    "deltas": serving.deltas,
    "streams": streaming.streams,
    "first-request": asking.first_request,
    "first-event": asking.first_event,
    "decode": codecs.decode,
    "encode": codecs.request,
    "tokens": prompts.tokens,
    "calls": resilience.calls,
    "counting": fitting.counting,
    "pruning": fitting.pruning,
    "session-cost": fitting.session_cost,
    "preparing": steps.preparing,
    "between-steps": steps.between_steps,
    "map": mapping.project_map,
    "sessions": storing.session_list,
    "usage": storing.usage_sums,
    "edits": edits.placing,
    "places": delivering.places,
}


def main() -> int:
    """Measure, print, write; 0 also where a figure is short, which the table says."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8")
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some only, of {', '.join(BENCHMARKS)}")
    parser.add_argument("--quick", action="store_true", help="few repetitions: to see that it runs, not to be believed")
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"), help="where the JSON goes")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(BENCHMARKS):
        parser.error(f"There is no {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}.")
    figures: list[Figure] = []
    for name in [name for name in BENCHMARKS if name in (arguments.names or BENCHMARKS)]:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            figures += BENCHMARKS[name](Effort(0.05 if arguments.quick else 1.0), Path(folder).resolve())
    machine = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    print(table(figures))
    print(f"\n{machine}{_load()}{'; quick: not to be believed' if arguments.quick else ''}")
    for note in dict.fromkeys(figure.note for figure in figures if figure.note):
        print(f"- {note}")
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    result = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine,
        "is_quick": arguments.quick,
        "figures": [figure.to_json() for figure in figures],
    }
    arguments.json.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


def _load() -> str:
    """How busy the machine was, where it can be asked."""
    return f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""


if __name__ == "__main__":
    sys.exit(main())
