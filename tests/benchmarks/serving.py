"""The figures of `flux serve`, beside a server that is pygls and nothing more."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.benchmarks.figures import Bound, Effort, Figure, in_turn, median, percentile_99
from tests.benchmarks.model_server import WORD
from tests.benchmarks.servers import (
    BARE_PYGLS,
    FLUX_SERVE,
    LanguageServer,
    clean_environment,
    language_server,
    model_server,
    wire_settings,
)

BATCH = 20
"""Changes that are sent before a barrier: so that what a request costs does not count."""
RATE = 200
"""Deltas for a second, about what the fastest providers send."""
LINE = "    total += price_of(item, count=3)  # so much\n"


def start(effort: Effort, folder: Path) -> list[Figure]:
    environ = clean_environment(folder)

    def started(command: Sequence[str]) -> float:
        began = time.perf_counter()
        with language_server(command, environ, folder) as server:
            server.initialize()
            return (time.perf_counter() - began) * 1000

    flux, bare = in_turn(effort.of(30), lambda: started(FLUX_SERVE), lambda: started(BARE_PYGLS))
    name = "serve: process start to `initialize` answered"
    return [Figure(name, "ms", median(flux), median(bare), "bare pygls", Bound("ratio", "<=", 1.15))]


def memory(effort: Effort, folder: Path) -> list[Figure]:
    if not Path("/proc/self/smaps_rollup").exists():
        return [Figure("serve: memory with a file open", "MB", None, note="no /proc/PID/smaps_rollup here")]
    # A provider is set up, as a user has it: what a model needs must not be loaded for that.
    environ = clean_environment(folder, ANTHROPIC_API_KEY="not-a-key")
    file = folder / "example.py"
    file.write_text(LINE * 200, encoding="utf-8")

    def used(command: Sequence[str], *, offers: bool) -> float:
        with language_server(command, environ, folder) as server:
            server.initialize()
            server.notify("initialized", {})
            server.open(file.as_uri(), LINE * 200)
            server.barrier()
            if offers:
                position = {"line": 3, "character": 0}
                params = {"textDocument": {"uri": file.as_uri()}, "range": {"start": position, "end": position}}
                server.request("textDocument/codeAction", {**params, "context": {"diagnostics": []}})
            time.sleep(1.0)  # what it does by itself after the start belongs to it
            return pss_mb(server.process.pid)

    opened, offered, bare = in_turn(
        effort.of(5),
        lambda: used(FLUX_SERVE, offers=False),
        lambda: used(FLUX_SERVE, offers=True),
        lambda: used(BARE_PYGLS, offers=False),
    )
    bound = Bound("measured", "<=", 45)
    return [
        Figure("serve: memory (PSS) with a file open", "MB", median(opened), median(bare), "bare pygls", bound),
        Figure("  and code actions offered", "MB", median(offered), median(bare), "bare pygls", bound),
    ]


def pss_mb(pid: int) -> float:
    """The process's share of the memory it has, in MB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1024


def change(effort: Effort, folder: Path) -> list[Figure]:
    figures: list[Figure] = []
    smallest = 0.0
    for lines, bound in ((1_000, None), (20_000, 0.15), (100_000, 0.06)):
        flux, bare = _change_ms(effort, folder, lines)
        smallest = smallest or flux
        must_be = Bound("ratio", "<=", bound) if bound else None
        figures.append(Figure(f"one change in {lines:,} lines, p50", "ms", flux, bare, "bare pygls", must_be))
    flat = Bound("ratio", "<=", 4.0)
    return [*figures, Figure("  in 100,000 lines beside 1,000", "ms", figures[-1].measured, smallest, "1,000", flat)]


def _change_ms(effort: Effort, folder: Path, lines: int) -> tuple[float, float]:
    environ = clean_environment(folder)
    uri = (folder / "long.py").as_uri()
    places = random.Random(lines)  # the same places for both
    version = 1

    def changed(server: LanguageServer) -> float:
        nonlocal version
        began = time.perf_counter()
        for _ in range(BATCH):
            version += 1
            position = {"line": places.randrange(lines), "character": 4}
            changes = [{"range": {"start": position, "end": position}, "text": "x"}]
            identifier = {"uri": uri, "version": version}
            server.notify("textDocument/didChange", {"textDocument": identifier, "contentChanges": changes})
        server.barrier()
        return (time.perf_counter() - began) * 1000 / BATCH

    with language_server(FLUX_SERVE, environ, folder) as flux, language_server(BARE_PYGLS, environ, folder) as bare:
        for server in (flux, bare):
            server.initialize()
            server.open(uri, LINE * lines)
            server.barrier()
        measured, floor = in_turn(effort.of(40), lambda: changed(flux), lambda: changed(bare))
    return median(measured), median(floor)


def request(effort: Effort, folder: Path) -> list[Figure]:
    """Requests while an answer comes in. The peer is idle, and so is Flux while the peer is measured."""
    streamed: list[float] = []
    idle: list[float] = []
    rates: list[float] = []
    with (
        model_server(deltas=100 * RATE, rate=RATE) as (url, _),
        language_server(FLUX_SERVE, clean_environment(folder, **wire_settings("anthropic", url)), folder) as flux,
        language_server(BARE_PYGLS, clean_environment(folder), folder) as bare,
    ):
        flux.initialize(turnEvents=True)
        bare.initialize()
        for number in range(effort.of(12) + 1):
            turn = flux.begin_command("flux.chat.send", {"text": "go on"})
            while flux.read().get("params", {}).get("type") != "text_delta":
                pass
            flux.notices.clear()
            began = time.perf_counter()
            times = round_trips_ms(lambda: flux.command("flux.turn.cancel", {"turn": "none of these"}))
            rates.append(_deltas(flux) / (time.perf_counter() - began))
            flux.command("flux.turn.cancel", {})
            flux.answer(turn)
            others = round_trips_ms(lambda: bare.request("bench/nothing", None))
            if number:
                streamed += times
                idle += others
    note = f"{median(rates):.0f} deltas/s came in meanwhile"
    bound = Bound("ratio", "<=", 2.0)
    return [
        Figure("a request while an answer streams, p50", "ms", median(streamed), median(idle), "idle pygls", note=note),
        Figure(
            "a request while an answer streams, p99",
            "ms",
            percentile_99(streamed),
            percentile_99(idle),
            "idle pygls",
            bound,
            note,
        ),
    ]


def menu(effort: Effort, folder: Path) -> list[Figure]:
    """Code actions in a long file, each after a change: at a cursor, and over all of it with many problems."""
    environ = clean_environment(folder, FLUX_PROVIDER="demo")
    text = "".join(
        f"def price_{number}(total):\n    # what one costs\n    if total:\n{LINE}\n" for number in range(4_000)
    )
    uri = (folder / "long.py").as_uri()
    figures: list[Figure] = []
    with language_server(FLUX_SERVE, environ, folder) as flux, language_server(BARE_PYGLS, environ, folder) as bare:
        for server in (flux, bare):
            server.initialize()
            server.open(uri, text)
            server.barrier()
        for name, problems in (("at a cursor with 1 problem", 1), ("with 500 problems", 500)):
            times, others = _menus_ms(effort.of(200), flux, bare, uri, problems)
            note = f"{name}: p50 {median(times):.1f} ms, of pygls {median(others):.1f} ms"
            figure = f"code actions in 20,000 lines, {name}, p99"
            bound = Bound("measured", "<=", 20)
            floor = percentile_99(others)
            figures.append(Figure(figure, "ms", percentile_99(times), floor, "pygls echo", bound, note))
    return figures


def _menus_ms(
    count: int, flux: LanguageServer, bare: LanguageServer, uri: str, problems: int
) -> tuple[list[float], list[float]]:
    places = random.Random(problems)
    last = 40 * (problems - 1)
    version = 2

    def asked(server: LanguageServer) -> float:
        nonlocal version
        version += 1
        at = places.randrange(20_000 - last)
        typed = {"range": _range(at, at), "text": " "}
        identifier = {"uri": uri, "version": version}
        server.notify("textDocument/didChange", {"textDocument": identifier, "contentChanges": [typed]})
        server.barrier()
        found = [
            {"range": _range(line, line), "message": f"{line} is not defined", "severity": 1, "source": "lint"}
            for line in range(at, at + last + 1, 40)
        ]
        params = {"textDocument": {"uri": uri}, "range": _range(at, at + last), "context": {"diagnostics": found}}
        began = time.perf_counter()
        server.request("textDocument/codeAction", params)
        return (time.perf_counter() - began) * 1000

    measured, floor = in_turn(count, lambda: asked(flux), lambda: asked(bare))
    return measured, floor


def _range(first: int, last: int) -> dict[str, object]:
    return {"start": {"line": first, "character": 0}, "end": {"line": last, "character": 0}}


def round_trips_ms(ask: Callable[[], object], count: int = 2000) -> list[float]:
    """How long each of so many requests took."""
    times: list[float] = []
    for _ in range(count):
        began = time.perf_counter()
        ask()
        times.append((time.perf_counter() - began) * 1000)
    return times


def _deltas(server: LanguageServer) -> int:
    texts = [notice["params"]["text"] for notice in server.notices if notice["params"].get("type") == "text_delta"]
    return sum(map(len, texts)) // len(WORD)


def deltas(effort: Effort, folder: Path) -> list[Figure]:
    """From the turn's first event in the client to its end there; the provider sends as fast as it is read."""
    count = effort.of(20_000)
    with (
        model_server(deltas=count) as (url, _),
        language_server(FLUX_SERVE, clean_environment(folder, **wire_settings("anthropic", url)), folder) as flux,
        language_server(BARE_PYGLS, clean_environment(folder), folder) as bare,
    ):
        flux.initialize(turnEvents=True)
        bare.initialize()

        def sent() -> float:
            flux.command("flux.chat.new", {})
            return _rate(flux, flux.begin_command("flux.chat.send", {"text": "go on"}), lambda: _deltas(flux))

        of_flux, of_bare = in_turn(
            effort.of(9),
            sent,
            lambda: _rate(bare, bare.begin_command("bench.deltas", count), lambda: len(bare.notices)),
        )
    bound = Bound("measured", ">=", 5_000)
    peer = "pygls, one message each"
    return [Figure("deltas through to the editor", "/s", median(of_flux), median(of_bare), peer, bound)]


def _rate(server: LanguageServer, request_id: int, count: Callable[[], int]) -> float:
    """Deltas for a second, from the first message that comes."""
    server.notices = [server.read()]
    began = time.perf_counter()
    server.answer(request_id)
    return count() / (time.perf_counter() - began)
