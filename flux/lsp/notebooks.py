"""A notebook as one text, its cells one after the other, and edits of that text as edits of its cells' documents.

The editor has the notebook open and tells of its cells (`notebookDocument/did*`); its file is never written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lsprotocol import types

from flux.core.errors import StaleSnapshot, WriteRefused
from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.edits.plan import EditFile, rebase_change
from flux.edits.text_edit import TextEdit, sorted_edits
from flux.lsp.documents import CELLS_ROOT, Document, Documents
from flux.lsp.target import text_unknown


@dataclass(frozen=True, slots=True)
class Cell:
    """Where the text of one cell's document stands in that of the notebook."""

    document: Document
    start: int

    @property
    def path(self) -> WorkspacePath:
        return WorkspacePath(CELLS_ROOT, self.document.path.removeprefix(CELLS_ROOT)[1:])


@dataclass(frozen=True, slots=True)
class OpenNotebook:
    """The notebook as it is now."""

    snapshot: FileSnapshot
    cells: Sequence[Cell]

    def offset(self, document: Document) -> int:
        """Where the text of a cell's document begins."""
        return next(cell.start for cell in self.cells if cell.document is document)

    def rebased(self, change: EditFile) -> EditFile:
        """The change, which is for the notebook as it was, for it as it is now. Raises StaleSnapshot.

        A cell that comes or goes gives all cells behind it other numbers, which is no change of theirs.
        """
        before, now = (replace(each, text=_NUMBER.sub(_blank, each.text)) for each in (change.snapshot, self.snapshot))
        placed = rebase_change(EditFile(before, change.edits), now)
        assert isinstance(placed, EditFile), "an edit stays one"
        for edit, moved in zip(sorted_edits(change.edits), placed.edits, strict=True):
            if change.snapshot.text[edit.start : edit.end] != self.snapshot.text[moved.start : moved.end]:
                raise StaleSnapshot(f"{change.path}: cells have other numbers now.", hint="Read the notebook again.")
        return EditFile(self.snapshot, placed.edits)

    def in_cells(self, change: EditFile) -> list[EditFile]:
        """The change, which is for the notebook as it is now, cell by cell.

        Raises WriteRefused where it is about more than texts of cells: nothing else of a notebook is edited.
        """
        by_cell: dict[int, list[TextEdit]] = {}
        for edit in change.edits:
            number = next((n for n, cell in enumerate(self.cells) if _is_within(edit, cell)), None)
            if number is None:
                raise WriteRefused(
                    f"An edit of {change.path} must stay inside one cell; cells are neither added nor removed.",
                    path=str(change.path),
                    hint="Leave the lines that begin with `# %% [` as they are, or ask the user to do it.",
                )
            start = self.cells[number].start
            by_cell.setdefault(number, []).append(TextEdit(edit.start - start, edit.end - start, edit.new_text))
        made: list[EditFile] = []
        for number, edits in by_cell.items():
            cell = self.cells[number]
            snapshot = FileSnapshot(cell.path, cell.document.text, cell.document.version, "buffer")
            made.append(EditFile(snapshot, tuple(edits)))
        return made


def open_notebook(documents: Documents, path: WorkspacePath) -> OpenNotebook | None:
    """The notebook that the editor has open at the path, None where there is none.

    Raises TextUnknown where a message about it was lost.
    """
    notebook = documents.notebook_at(str(path.absolute()))
    if notebook is None:
        return None
    if not documents.is_known_notebook(notebook):
        raise text_unknown(path)
    text = ""
    cells: list[Cell] = []
    for number, cell in enumerate(notebook.cells, 1):
        document = documents.get(cell.document)
        if document is None:
            continue
        kind = "markdown" if cell.kind is types.NotebookCellKind.Markup else document.language_id
        text += f"# %% [{number}] {kind}\n"
        cells.append(Cell(document, len(text)))
        text += document.text if document.text.endswith("\n") else f"{document.text}\n"
    return OpenNotebook(FileSnapshot(path, text, notebook.version, "buffer"), cells)


_NUMBER = re.compile(r"(?<=^# %% \[)\d+", re.MULTILINE)


def _blank(number: re.Match[str]) -> str:
    return "#" * len(number[0])


def _is_within(edit: TextEdit, cell: Cell) -> bool:
    return cell.start <= edit.start and edit.end <= cell.start + len(cell.document.text)
