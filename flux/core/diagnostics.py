"""A problem that a compiler or linter reported, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from flux.core.text import Range


class Severity(IntEnum):
    """As LSP numbers them (3.17, DiagnosticSeverity)."""

    ERROR = 1
    WARNING = 2
    INFORMATION = 3
    HINT = 4


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """Where and what. `range` is in code points of the snapshot it was reported for."""

    range: Range
    message: str
    severity: Severity = Severity.ERROR
    source: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class ProblemReport:
    """What came up in a file with a change of it. `waits_for_saving`: who reports looks at saved files only."""

    new: tuple[Diagnostic, ...] = ()
    waits_for_saving: bool = False
