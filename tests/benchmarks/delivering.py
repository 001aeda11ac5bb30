"""What an edit in many places costs until it is seen in the editor: the fake VS Code reports each place by itself."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from flux.edits.plan import EditFile, EditPlan
from flux.edits.text_edit import TextEdit
from flux.lsp.documents import Documents
from flux.lsp.uris import uri_of_path
from flux.lsp.workspace import LspWorkspace
from flux.workspace.disk import DiskWorkspace
from tests.benchmarks.figures import Bound, Effort, Figure, in_turn, median
from tests.support.fake_editors.in_process import DocumentReports, InProcessEditor, client_for
from tests.support.fake_editors.rules import VsCode

LINES = 5_000
FEW, MANY = 10, 100


def places(effort: Effort, folder: Path) -> list[Figure]:
    """One edit of a hundred places against one of ten."""
    few, many = in_turn(
        effort.of(10), lambda: asyncio.run(_edit(folder, FEW)), lambda: asyncio.run(_edit(folder, MANY))
    )
    bound = Bound("ratio", "<=", 1.5 * MANY / FEW)
    return [Figure(f"an edit in {MANY} places", "ms", median(many), median(few), f"in {FEW} places", bound)]


async def _edit(folder: Path, count: int) -> float:
    """Milliseconds of the processor."""
    client = client_for(VsCode, None)
    documents = Documents(uri_of_path(str(folder)), [], client.counting)
    editor = VsCode(DocumentReports(documents), client.counting.encoding)
    workspace = LspWorkspace(documents, InProcessEditor(editor, client), DiskWorkspace)
    uri = uri_of_path(str(folder / "a.py"))
    text = "".join(f"line_{number} = {number}  # as many lines have\n" for number in range(LINES))
    editor.open(uri, text)
    snapshot = await workspace.read(workspace.path("a.py"))
    starts = [text.index(f"line_{number * LINES // count} =") for number in range(count)]
    change = EditFile(snapshot, tuple(TextEdit(start, start + 4, "LINE") for start in starts))
    began = time.process_time()
    await workspace.apply(EditPlan("Flux: edit", (change,)))
    took = time.process_time() - began
    assert editor.texts()["a.py"].count("LINE") == count
    return took * 1000
