"""That the harness works, and judges as it says. Nothing is timed here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.figures import Bound, Figure, in_turn

PROJECT = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", *arguments],
        cwd=PROJECT,
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )


def test_a_run_prints_a_table_and_writes_the_same_figures(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    done = run("--quick", "--json", str(file), "tokens", "deltas")
    assert done.returncode == 0, done.stderr
    figures = json.loads(file.read_text(encoding="utf-8"))["figures"]
    assert [figure["figure"] for figure in figures] == ["deltas through to the editor", "tools and system prompt"]
    assert all(figure["measured"] > 0 and figure["figure"] in done.stdout for figure in figures)
    assert figures[1]["verdict"] == "ok"


def test_an_unknown_name_is_refused() -> None:
    done = run("--quick", "speed")
    assert done.returncode == 2
    assert "There is no speed" in done.stderr


def check(bound: Bound, measured: float | None, verdict: str) -> None:
    assert Figure("f", "ms", measured, 2.0, "floor", bound).verdict == verdict


def test_a_figure_is_judged_by_what_its_bound_is_of() -> None:
    check(Bound("measured", "<=", 3), 3.0, "ok")
    check(Bound("measured", ">=", 3), 2.9, "short")
    check(Bound("ratio", "<=", 1.5), 3.0, "ok")
    check(Bound("ratio", "<=", 1.4), 3.0, "short")
    check(Bound("difference", "<=", 1), 3.0, "ok")
    check(Bound("difference", "<=", 0.9), 3.0, "short")
    check(Bound("measured", "<=", 3), None, "")


def test_measures_take_turns_and_their_first_values_do_not_count() -> None:
    order: list[str] = []

    def measure(name: str) -> float:
        order.append(name)
        return float(len(order))

    assert in_turn(2, lambda: measure("a"), lambda: measure("b")) == [[3.0, 5.0], [4.0, 6.0]]
    assert order == ["a", "b", "a", "b", "a", "b"]
