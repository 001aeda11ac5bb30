"""`diagnostics`: the problems that the editor shows, for a file or for all open ones."""

from __future__ import annotations

from flux.core.messages import ToolSpec
from flux.tools.base import Arguments, Finding
from flux.workspace.workspace import Workspace

MAX_PROBLEMS = 100


class Diagnostics:
    is_read_only = True
    spec = ToolSpec(
        "diagnostics",
        "Errors and warnings of compilers and linters that the editor shows now, of one file or of all open files.",
        {"type": "object", "properties": {"path": {"type": "string"}}},
    )

    def title(self, arguments: Arguments) -> str:
        return f"problems in {arguments.text('path', '') or 'open files'}"

    async def call(self, arguments: Arguments, workspace: Workspace) -> Finding:
        if name := arguments.text("path", "").strip():
            paths = [(await workspace.read(workspace.path(name))).path]
        else:
            paths = [buffer.path for buffer in workspace.open_buffers()]
        if not paths:
            return Finding("[no file is open in an editor that tells of problems; a linter or the tests can be run]")
        found = sorted(
            [
                (problem.severity, path, problem.range, problem)
                for path in paths
                for problem in await workspace.diagnostics(path)
            ],
            key=lambda item: item[:3],
        )
        lines: list[str] = []
        for severity, path, place, problem in found[:MAX_PROBLEMS]:
            source = " ".join(word for word in (problem.source, problem.code) if word)
            told = f"{path}:{place.start.line + 1}: {severity.name.lower()}: {problem.message}"
            lines.append(f"{told} ({source})" if source else told)
        if len(found) > MAX_PROBLEMS:
            lines.append(f"[{len(found) - MAX_PROBLEMS} more, less grave]")
        return Finding("\n".join(lines) or "[none is shown]", f"{len(found)} problems")
