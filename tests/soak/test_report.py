"""That the page on reliability is what the recorded runs say, and that a run is recorded whole."""

from __future__ import annotations

from pathlib import Path

from tests.soak.report import PAGE, page
from tests.soak.results import record, recorded


def test_the_page_is_fresh() -> None:
    """To refresh it: `python -m tests.soak.report` in the project's folder."""
    assert PAGE.read_text(encoding="utf-8") == page(recorded())


def test_a_recorded_run_stands_in_the_page_with_its_command(tmp_path: Path) -> None:
    figures = {"tries": 12345, "a | b": "0.5 s"}
    made = record("trial", "python -m trial", "7", figures, ["Odd."], runs=3, seconds=1.26, folder=tmp_path)
    assert recorded(tmp_path) == [made]
    shown = page([made])
    for words in ("## Trial", "3 runs in 1.3 s, seed 7", "`python -m trial`", "| tries | 12,345 |", "- Odd."):
        assert words in shown
    assert "| a \\| b | 0.5 s |" in shown
