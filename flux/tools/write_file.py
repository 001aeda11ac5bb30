"""`write_file`: a new file, or the whole new text of one that is there."""

from __future__ import annotations

from flux.core.errors import FileMissing, NothingChanged
from flux.core.messages import ToolSpec
from flux.core.text import line_content, split_lines
from flux.edits.diff import changed_line_counts, text_edits_between
from flux.edits.plan import CreateFile, EditFile, EditPlan
from flux.tools.base import Arguments, Proposal
from flux.workspace.workspace import Workspace


class WriteFile:
    is_read_only = False
    spec = ToolSpec(
        "write_file",
        "Create a file, or replace the whole text of one. For a change in an existing file use edit_file.",
        {
            "type": "object",
            "properties": {"path": {"type": "string"}, "text": {"type": "string"}},
            "required": ["path", "text"],
        },
    )

    def title(self, arguments: Arguments) -> str:
        return f"write {arguments.text('path')}"

    async def call(self, arguments: Arguments, workspace: Workspace) -> Proposal:
        path = workspace.path(arguments.text("path"))
        text = arguments.text("text")
        try:
            snapshot = await workspace.read(path)
        except FileMissing:
            plan = EditPlan(f"Flux: create {path}", (CreateFile(path, text),))
            return Proposal(plan, f"Created {path}: {changed_line_counts('', text)[0]} lines.")
        new_text = _with_line_end(text, snapshot.line_end) if "\r" in snapshot.text else text
        if new_text == snapshot.text:
            raise NothingChanged(f"{path} has exactly this text already.")
        change = EditFile(snapshot, text_edits_between(snapshot.text, new_text))
        added, removed = changed_line_counts(snapshot.text, new_text)
        return Proposal(EditPlan(f"Flux: write {path}", (change,)), f"Wrote {path}: +{added} -{removed} lines.")


def _with_line_end(text: str, line_end: str) -> str:
    lines = split_lines(text)
    return line_end.join(line_content(line) for line in lines)
