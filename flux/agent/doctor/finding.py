"""What was found out, as values, and all of it as a report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Literal

from flux.core.errors import FluxError

State = Literal["ok", "warning", "problem"]
"""`warning`: it works, and not as well as it could. `problem`: something does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `area` is what it belongs to, `hint` what to do, where something is to be done."""

    area: str
    name: str
    state: State
    text: str
    hint: str = ""


def of_error(area: str, name: str, error: FluxError, state: State = "problem") -> Finding:
    """What a FluxError says, as a finding."""
    return Finding(area, name, state, error.message, error.hint)


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found, area by area."""

    findings: tuple[Finding, ...]

    @property
    def is_healthy(self) -> bool:
        """Whether nothing is a problem."""
        return not self.count("problem")

    def count(self, state: State) -> int:
        return sum(finding.state == state for finding in self.findings)

    def summary(self) -> str:
        problems, warnings = self.count("problem"), self.count("warning")
        if not problems and not warnings:
            return f"All is well: {len(self.findings)} things were looked at."
        counts = [
            f"{n} {word}{'s' if n > 1 else ''}" for n, word in ((problems, "problem"), (warnings, "warning")) if n
        ]
        return f"{' and '.join(counts)} in {len(self.findings)} things that were looked at."

    def lines(self) -> Iterator[tuple[State, str]]:
        """The report for a person, line by line; the first line of an area has its name."""
        width = max((len(finding.name) for finding in self.findings), default=0)
        for area, found in groupby(self.findings, lambda finding: finding.area):
            yield "ok", area
            for finding in found:
                yield (
                    finding.state,
                    f"  {_MARKS[finding.state]} {finding.name:<{width}}  {' '.join(finding.text.split())}",
                )
                if finding.hint:
                    yield finding.state, f"     {'':<{width}} → {' '.join(finding.hint.split())}"
        yield ("ok" if self.is_healthy else "problem"), self.summary()

    def to_json(self) -> dict[str, object]:
        found: Sequence[dict[str, object]] = [asdict(finding) for finding in self.findings]
        text = "\n".join(line for _, line in self.lines())
        return {"healthy": self.is_healthy, "summary": self.summary(), "findings": found, "text": text}


_MARKS: dict[State, str] = {"ok": "ok", "warning": "! ", "problem": "✗ "}
