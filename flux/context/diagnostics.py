"""Problems that compilers and linters reported, with the lines they speak of."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from flux.context.item import ContextItem
from flux.core.diagnostics import Diagnostic, Severity
from flux.core.snapshot import FileSnapshot
from flux.core.text import LineIndex, line_around, line_content
from flux.edits.plan import AppliedChange
from flux.workspace.workspace import Workspace

MAX_PROBLEMS = 50
MAX_NEW_PROBLEMS = 20
MAX_LINE = 300
"""Of a longer line so many characters around the problem are shown."""


def problems(snapshot: FileSnapshot, diagnostics: Sequence[Diagnostic]) -> ContextItem | None:
    """One line a problem, gravest first, each followed by the line of the file; None where there are none."""
    if not diagnostics:
        return None
    return ContextItem("problems", str(snapshot.path), "\n".join(_lines(snapshot, diagnostics, MAX_PROBLEMS)))


async def problems_after(workspace: Workspace, changes: Sequence[AppliedChange], timeout_s: float) -> str:
    """What to tell the model of the errors and warnings that came up with its changes; empty where there are none.

    Waits for them up to the bound.
    """
    async with asyncio.TaskGroup() as group:
        told = [group.create_task(_told_after(workspace, change, timeout_s)) for change in changes if change.after]
    return "\n".join(text for text in (task.result() for task in told) if text)


async def _told_after(workspace: Workspace, change: AppliedChange, timeout_s: float) -> str:
    report = await workspace.diagnostics_after(change, timeout_s)
    if report is None or change.after is None:
        return ""
    if report.waits_for_saving:
        return f"Problems in {change.new_path}: none before saving, for who reports them looks at saved files only."
    grave = [problem for problem in report.new if problem.severity <= Severity.WARNING]
    if not grave:
        return ""
    return "\n".join([f"New problems in {change.new_path} since this:", *_lines(change.after, grave, MAX_NEW_PROBLEMS)])


def _lines(snapshot: FileSnapshot, diagnostics: Sequence[Diagnostic], limit: int) -> Iterator[str]:
    index = LineIndex(snapshot.text)
    ordered = sorted(diagnostics, key=lambda problem: (problem.severity, problem.range))
    for problem in ordered[:limit]:
        number = problem.range.start.line
        name = " ".join(word for word in (problem.source, problem.code) if word)
        yield f"line {number + 1}: {problem.severity.name.lower()}: {problem.message}{f' ({name})' if name else ''}"
        if number < index.line_count:
            yield f"    {line_around(line_content(index.line(number)), problem.range.start.column, MAX_LINE)}"
    if len(ordered) > limit:
        yield f"[{len(ordered) - limit} more]"
