"""A figure, what it is held against, and the table of them. Knows nothing of what is measured."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Bound:
    """What must be: the measured value, its ratio to the floor or its difference to it, at most or at least so much."""

    of: Literal["measured", "ratio", "difference"]
    sign: Literal["<=", ">="]
    value: float

    def __str__(self) -> str:
        what = {"measured": "", "ratio": " x", "difference": " more"}[self.of]
        return f"{'≤' if self.sign == '<=' else '≥'} {self.value:,g}{what}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line. `measured` None: it cannot be measured here, and `note` says why. No `bound`: shown, not judged."""

    name: str
    unit: str
    measured: float | None
    floor: float | None = None
    floor_name: str = ""
    bound: Bound | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return self.measured / self.floor if self.measured is not None and self.floor else None

    @property
    def verdict(self) -> Literal["ok", "short", ""]:
        """Whether it is as it must be; empty where nothing must be, or nothing was measured."""
        judged = self._judged()
        if self.bound is None or judged is None:
            return ""
        is_met = judged <= self.bound.value if self.bound.sign == "<=" else judged >= self.bound.value
        return "ok" if is_met else "short"

    def _judged(self) -> float | None:
        if self.bound is None or self.measured is None or self.bound.of == "measured":
            return self.measured
        if self.bound.of == "ratio":
            return self.ratio
        return None if self.floor is None else self.measured - self.floor

    def to_json(self) -> dict[str, object]:
        return {
            "figure": self.name,
            "unit": self.unit,
            "measured": self.measured,
            "floor": self.floor,
            "floor_name": self.floor_name,
            "ratio": self.ratio,
            "must_be": str(self.bound) if self.bound else None,
            "verdict": self.verdict,
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class Effort:
    """How often things are repeated. `share` 1.0 is what the documents report."""

    share: float = 1.0

    def of(self, full: int) -> int:
        return max(2, round(full * self.share))


def in_turn(rounds: int, *measures: Callable[[], float]) -> list[list[float]]:
    """The values of each measure, taken A B A B, after one of each that does not count."""
    values: list[list[float]] = [[] for _ in measures]
    for number in range(rounds + 1):
        for measure, kept in zip(measures, values, strict=True):
            value = measure()
            if number:
                kept.append(value)
    return values


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def percentile_99(values: Sequence[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]


def table(figures: Sequence[Figure]) -> str:
    """The figures as a Markdown table."""
    rows = [
        ("figure", "measured", "floor", "ratio", "must be", ""),
        ("---", "---:", "---:", "---:", "---:", "---"),
        *(_row(figure) for figure in figures),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    )


def _row(figure: Figure) -> tuple[str, ...]:
    unit = f" {figure.unit}" if figure.unit else ""
    measured = f"not measurable: {figure.note}" if figure.measured is None else f"{_short(figure.measured)}{unit}"
    floor = "" if figure.floor is None else f"{_short(figure.floor)}{unit} ({figure.floor_name})"
    ratio = "" if figure.ratio is None else _short(figure.ratio)
    return figure.name, measured, floor, ratio, str(figure.bound or ""), figure.verdict


def _short(value: float) -> str:
    """Three digits, thousands apart."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
