"""Problems that compilers and linters reported, with the lines they speak of."""

from __future__ import annotations

from collections.abc import Sequence

from flux.context.item import ContextItem
from flux.core.diagnostics import Diagnostic
from flux.core.snapshot import FileSnapshot
from flux.core.text import LineIndex, line_content

MAX_PROBLEMS = 50


def problems(snapshot: FileSnapshot, diagnostics: Sequence[Diagnostic]) -> ContextItem | None:
    """One line a problem, gravest first, each followed by the line of the file; None where there are none."""
    if not diagnostics:
        return None
    index = LineIndex(snapshot.text)
    lines: list[str] = []
    ordered = sorted(diagnostics, key=lambda problem: (problem.severity, problem.range))
    for problem in ordered[:MAX_PROBLEMS]:
        number = problem.range.start.line
        name = " ".join(word for word in (problem.source, problem.code) if word)
        lines.append(
            f"line {number + 1}: {problem.severity.name.lower()}: {problem.message}{f' ({name})' if name else ''}"
        )
        if number < index.line_count:
            lines.append(f"    {line_content(index.line(number))}")
    if len(ordered) > MAX_PROBLEMS:
        lines.append(f"[{len(ordered) - MAX_PROBLEMS} more]")
    return ContextItem("problems", str(snapshot.path), "\n".join(lines))
