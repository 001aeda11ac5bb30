"""The index behind the map of the project: over 2,800 files of other people's Python, beside what it is made of."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from flux.context.repo_map import repository_map
from flux.workspace.disk import DiskWorkspace
from flux.workspace.index.client import SymbolIndex
from tests.benchmarks.figures import Bound, Effort, Figure, in_turn, median, percentile_99
from tests.benchmarks.servers import BOUND_S, FLUX_SERVE, LanguageServer, clean_environment, language_server
from tests.benchmarks.serving import round_trips_ms

FILES = 2_800
TOKENS = 1_000


def project_map(effort: Effort, folder: Path) -> list[Figure]:
    """Times from the start of the index's process to an answer; the process is the only thing that is cold."""
    project = folder / "project"
    size = _copy_sources(project, max(200, int(FILES * effort.share)))
    kept = folder / "kept"
    peaks: list[float] = []

    def cold() -> float:
        shutil.rmtree(kept, ignore_errors=True)
        return asyncio.run(_timed(project, kept, _whole, peaks))

    full, floor = in_turn(effort.of(3), cold, lambda: _floor_s(project))
    names, warm, changed = in_turn(
        effort.of(3),
        lambda: asyncio.run(_timed(project, None, _first)),
        lambda: asyncio.run(_timed(project, kept, _whole)),
        lambda: asyncio.run(_changed_s(project, kept)),
    )
    note = f"the map is of {FILES * effort.share:,.0f} Python files, {size / 1e6:.1f} MB, the index at low priority"
    peak = max(peaks) if peaks else None
    return [
        Figure("map: names usable", "s", median(names), bound=Bound("measured", "<=", 0.6), note=note),
        Figure("map: full", "s", median(full), median(floor), "tree-sitter and tags", Bound("ratio", "<=", 1.3), note),
        Figure("map: warm start", "s", median(warm), bound=Bound("measured", "<=", 0.4), note=note),
        Figure("map: one file changed", "s", median(changed), bound=Bound("measured", "<=", 0.1), note=note),
        Figure("map: peak memory", "MB", peak, bound=Bound("measured", "<=", 80), note=note if peak else "no /proc"),
        *_while_building(effort, folder, project),
    ]


def _copy_sources(folder: Path, count: int) -> int:
    """Copy so many Python files of what is installed here; their bytes in all."""
    installed = Path(sysconfig.get_paths()["purelib"])
    files = sorted(file for file in installed.rglob("*.py") if 500 < file.stat().st_size < 300_000)[:count]
    for file in files:
        target = folder / file.relative_to(installed)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    return sum(file.stat().st_size for file in files)


def _floor_s(project: Path) -> float:
    command = [sys.executable, "-m", "tests.benchmarks.tags_floor", str(project)]
    return float(subprocess.run(command, capture_output=True, check=True, timeout=BOUND_S).stdout)


async def _timed(
    project: Path,
    kept: Path | None,
    until: Callable[[SymbolIndex, DiskWorkspace], Awaitable[None]],
    peaks: list[float] | None = None,
) -> float:
    index, workspace = SymbolIndex(kept), DiskWorkspace([project])
    began = time.perf_counter()
    try:
        await until(index, workspace)
        taken = time.perf_counter() - began
        if peaks is not None and (peak := _peak_of_children_mb()):
            peaks.append(peak)
        return taken
    finally:
        index.close()


async def _whole(index: SymbolIndex, workspace: DiskWorkspace) -> None:
    drawn = await repository_map(workspace, index, _tokens, TOKENS, within_s=BOUND_S)
    assert drawn is not None
    assert "still being read" not in drawn.text


async def _first(index: SymbolIndex, workspace: DiskWorkspace) -> None:
    """The first map that has anything."""
    while await repository_map(workspace, index, _tokens, TOKENS) is None:  # noqa: ASYNC110  it answers, it does not tell
        await asyncio.sleep(0.01)


async def _changed_s(project: Path, kept: Path) -> float:
    """From a change of one file to a map that has it, in a process that knows the rest."""
    index, workspace = SymbolIndex(kept), DiskWorkspace([project])
    file = sorted(project.rglob("*.py"))[FILES // 50]
    before = file.read_bytes()
    try:
        await _whole(index, workspace)
        file.write_bytes(before + b"\n\ndef changed_by_the_benchmark(): ...\n")
        began = time.perf_counter()
        drawn = await repository_map(
            workspace, index, _tokens, TOKENS, text="changed_by_the_benchmark", within_s=BOUND_S
        )
        taken = time.perf_counter() - began
        assert drawn is not None
        assert "changed_by_the_benchmark" in drawn.text
        return taken
    finally:
        file.write_bytes(before)
        index.close()


def _tokens(text: str) -> int:
    """So that only the map is timed."""
    return len(text) // 4


def _peak_of_children_mb() -> float | None:
    """The most memory that one of this process's children ever had."""
    peaks: list[float] = []
    for tasks in Path("/proc/self/task").glob("*/children"):
        for pid in tasks.read_text(encoding="ascii").split():
            status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
            peaks += [int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM:")]
    return max(peaks, default=None)


def _while_building(effort: Effort, folder: Path, project: Path) -> list[Figure]:
    """A request's time while a folder that was added is indexed, and while a server's first message is prepared.

    The first message waits for the index too, and most of Flux is loaded for it.
    """
    idle: list[float] = []
    building: list[float] = []
    beginning: list[float] = []
    for number in range(effort.of(3)):
        home, small = folder / f"home-{number}", folder / f"small-{number}"
        home.mkdir()
        small.mkdir()
        environ = clean_environment(home, FLUX_PROVIDER="demo")
        with language_server(FLUX_SERVE, environ, small) as server:
            _make_ready(server)
            server.command("flux.chat.send", {"text": "hello"})
            idle += _round_trips(server)
            added = {"uri": project.as_uri(), "name": "project"}
            server.notify("workspace/didChangeWorkspaceFolders", {"event": {"added": [added], "removed": []}})
            server.command("flux.chat.new", {})
            server.begin_command("flux.chat.send", {"text": "hello"})
            building += _round_trips(server)
        with language_server(FLUX_SERVE, environ, project) as server:
            _make_ready(server)
            server.begin_command("flux.chat.send", {"text": "hello"})
            beginning += _round_trips(server)
    floor = percentile_99(idle)
    return [
        Figure(
            "a request while the map is built, p99",
            "ms",
            percentile_99(building),
            floor,
            "idle",
            Bound("ratio", "<=", 2.0),
        ),
        Figure("and a server's first message prepared, p99", "ms", percentile_99(beginning), floor, "idle"),
    ]


def _make_ready(server: LanguageServer) -> None:
    server.initialize()
    server.notify("initialized", {})
    server.command("flux.turn.cancel", {"turn": "none of these"})  # what is imported for it is there then


def _round_trips(server: LanguageServer) -> list[float]:
    return round_trips_ms(lambda: server.command("flux.turn.cancel", {"turn": "none of these"}), 2000)
