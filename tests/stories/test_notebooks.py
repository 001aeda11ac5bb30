"""An open notebook in the five editors: its cells are read and edited in their documents, its file is left alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.stories.world import World, edit, steps, world
from tests.support.fake_editors.rules import EDITORS, Editor, Plain, VsCode
from tests.support.lsp_bench import bench
from tests.support.lsp_client import lsp_range

SAVED = '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}\n'
CELL = "vscode-notebook-cell:/nb.ipynb#{}"
CELLS = {
    CELL.format("a"): (1, "markdown", "# \U0001f40d Title e\u0301\n"),
    CELL.format("b"): (2, "python", "# \U0001f40d\nx = 1\n"),
    CELL.format("c"): (2, "python", "print(x)\n"),
}
SHOWN = (
    "# %% [1] markdown\n# \U0001f40d Title e\u0301\n# %% [2] python\n# \U0001f40d\nx = 1\n# %% [3] python\nprint(x)\n"
)


@pytest.mark.parametrize("rules", EDITORS, ids=lambda rules: rules.name)
async def test_cells_are_read_and_edited_around_typing(tmp_path: Path, rules: type[Editor]) -> None:
    async with world(tmp_path, rules, {"a.py": "one\n", "nb.ipynb": SAVED}) as made:
        made.client.open_notebook(made.uri("nb.ipynb"), CELLS)
        b, c = CELL.format("b"), CELL.format("c")
        if rules is not Plain:  # which knows no versions
            made.editor.before_edit.append(lambda: made.editor.insert(b, 0, "typed "))
        read = {"name": "read_file", "arguments": {"path": "nb.ipynb"}}
        script = [
            {"tool_calls": [read]},
            *steps(edit("nb.ipynb", "x = 1", "x = 2"), edit("nb.ipynb", "(x)", "(\u00fcx)")),
        ]
        turn = await made.finish(await made.begin(*script, uri=c))
        assert turn.refusals() == []
        assert turn.results()[0][1] == SHOWN
        assert turn.unsaved == ["nb.ipynb"]
        typed = "" if rules is Plain else "typed "
        assert made.editor.as_saved(b) == f"{typed}# \U0001f40d\nx = 2\n"
        assert made.editor.as_saved(c) == "print(\u00fcx)\n"
        await made.client.command("flux.turn.undo")
        assert made.editor.as_saved(b) == f"{typed}# \U0001f40d\nx = 1\n"
        assert made.editor.as_saved(c) == "print(x)\n"
        made.check()


async def test_what_is_more_than_the_text_of_cells_is_refused_and_the_file_left_alone(tmp_path: Path) -> None:
    async with world(tmp_path, EDITORS[0], {"a.py": "one\n", "nb.ipynb": SAVED}) as made:
        made.client.open_notebook(made.uri("nb.ipynb"), CELLS)
        calls = [
            edit("nb.ipynb", "x = 1\n# %% [3] python\nprint(x)\n", "x = 1\n"),
            {"name": "delete_file", "arguments": {"path": "nb.ipynb"}},
            {"name": "move_file", "arguments": {"path": "nb.ipynb", "new_path": "b.ipynb"}},
        ]
        turn = await made.run(*({"tool_calls": [call]} for call in calls), {"text": "Done."})
        assert ["cell" in refusal for refusal in turn.refusals()] == [True, True, True]
        assert [made.editor.as_saved(uri) for uri in CELLS] == [text for _, _, text in CELLS.values()]
        made.check()


async def test_a_selection_in_a_cell_is_told_where_it_stands(tmp_path: Path) -> None:
    async with bench(tmp_path, {"text": "Hello."}, disk={"nb.ipynb": SAVED}) as made:
        made.client.open_notebook(made.uri("nb.ipynb"), CELLS)
        arguments = {"text": "What?", "uri": CELL.format("c"), "range": lsp_range((0, 0), (0, 8))}
        await made.client.command("flux.chat.send", arguments)
        assert SHOWN in made.said()
        assert 'nb.ipynb line 7">\nprint(x)' in made.said()


WIDE = {
    CELL.format("a"): (1, "markdown", "# e\u0301 \U0001f40d\r\n"),
    CELL.format("b"): (2, "python", "s = '\U0001f40de\u0301'\r\nx = 1\r\n"),
    CELL.format("c"): (2, "python", "print('\U0001f40d', x)\n"),
}


@dataclass
class Notebook:
    """The cells of an open notebook, as its user sees them."""

    made: World
    cells: list[str] = field(default_factory=lambda: list(WIDE))

    @property
    def uri(self) -> str:
        return self.made.uri("nb.ipynb")

    def splice(self, start: int, count: int, *added: str, new: Mapping[str, str], gone: Sequence[str] = ()) -> None:
        """Cells go and come; those of `new` with their texts, those of `gone` for ever."""
        self.cells[start : start + count] = added
        for cell, text in new.items():
            self.made.client.notebooks[cell] = self.uri
            self.made.editor.open(cell, text)
        opened = [{"uri": cell, "languageId": "python", "version": 1, "text": text} for cell, text in new.items()]
        array = {"start": start, "deleteCount": count, "cells": [{"kind": 2, "document": cell} for cell in added]}
        closed = [{"uri": cell} for cell in gone]
        structure = {"array": array, "didOpen": opened, "didClose": closed}
        self.made.client.change_cells(self.uri, {"structure": structure})


each_encoding = pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])


@each_encoding
async def test_cells_that_come_go_and_move_are_seen_and_edited_in_their_own_documents(
    tmp_path: Path, encoding: str
) -> None:
    a, b, c, d = (CELL.format(name) for name in "abcd")
    async with world(tmp_path, VsCode, {"a.py": "one\n", "nb.ipynb": SAVED}, encoding=encoding) as made:
        made.client.open_notebook(made.uri("nb.ipynb"), WIDE)
        notebook = Notebook(made)
        notebook.splice(1, 0, d, new={d: "y = '\U0001f40d'\n"})
        made.editor.insert(b, len("s = '\U0001f40d"), "\U0001f40d")
        notebook.splice(0, 4, c, a, d, b, new={})
        notebook.splice(1, 1, new={}, gone=[a])
        # The one that becomes another is closed and opened at once, with the same name.
        notebook.splice(1, 1, d, new={d: "z = 'e\u0301'\r\n"}, gone=[d])
        run = {"executionOrder": 3, "success": True}
        data = {"kind": 2, "document": c, "metadata": {"tags": ["\U0001f40d"]}, "executionSummary": run}
        made.client.change_cells(notebook.uri, {"data": [data, {"kind": 1, "document": b}]})
        read = {"name": "read_file", "arguments": {"path": "nb.ipynb"}}
        calls = [edit("nb.ipynb", "e\u0301'\nx = 1", "e\u0301'\nx = 2"), edit("nb.ipynb", "z = ", "zz = ")]
        turn = await made.finish(await made.begin({"tool_calls": [read]}, *steps(*calls), uri=c))
        assert turn.refusals() == []
        assert turn.results()[0][1].replace("\r", "") == (
            "# %% [1] python\nprint('\U0001f40d', x)\n# %% [2] python\nz = 'e\u0301'\n"
            "# %% [3] markdown\ns = '\U0001f40d\U0001f40de\u0301'\nx = 1\n"
        )
        before = "s = '\U0001f40d\U0001f40de\u0301'\r\nx = 1\r\n"
        assert made.editor.as_saved(b) == before.replace("1", "2")
        assert made.editor.as_saved(d) == "zz = 'e\u0301'\r\n"
        await made.client.command("flux.turn.undo")
        assert [made.editor.as_saved(cell) for cell in (b, c, d)] == [before, WIDE[c][2], "z = 'e\u0301'\r\n"]
        made.check()


@each_encoding
async def test_a_cell_that_comes_while_another_is_edited_moves_nothing(tmp_path: Path, encoding: str) -> None:
    b, c, d = (CELL.format(name) for name in "bcd")
    async with world(tmp_path, VsCode, {"a.py": "one\n", "nb.ipynb": SAVED}, encoding=encoding) as made:
        made.client.open_notebook(made.uri("nb.ipynb"), WIDE)
        notebook = Notebook(made)

        def come_and_type() -> None:
            notebook.splice(1, 0, d, new={d: "import os  # \U0001f40d\n"})
            made.editor.insert(b, 0, "typed \U0001f40d ")

        made.editor.before_edit.append(come_and_type)
        calls = [edit("nb.ipynb", "x = 1", "x = 2"), edit("nb.ipynb", "x)", "x + 1)")]
        turn = await made.finish(await made.begin(*steps(*calls), uri=c))
        assert turn.refusals() == []
        assert made.editor.as_saved(b) == "typed \U0001f40d s = '\U0001f40de\u0301'\r\nx = 2\r\n"
        assert made.editor.as_saved(c) == "print('\U0001f40d', x + 1)\n"
        assert made.editor.as_saved(d) == "import os  # \U0001f40d\n"


async def test_after_a_change_that_could_not_be_read_a_notebook_is_not_edited(tmp_path: Path) -> None:
    async with world(tmp_path, VsCode, {"a.py": "one\n", "nb.ipynb": SAVED}) as made:
        made.client.open_notebook(made.uri("nb.ipynb"), WIDE)
        made.client.change_cells(made.uri("nb.ipynb"), {"structure": {"array": 3}})
        turn = await made.run(*steps(edit("nb.ipynb", "x = 1", "x = 2"), edit("a.py", "one", "two")))
        assert "does not know its text" in turn.refusals()[0]
        assert [made.editor.as_saved(cell) for cell in WIDE] == [text for _, _, text in WIDE.values()]
        made.client.notify(
            "notebookDocument/didClose",
            {"notebookDocument": {"uri": made.uri("nb.ipynb")}, "cellTextDocuments": [{"uri": cell} for cell in WIDE]},
        )
        made.client.open_notebook(made.uri("nb.ipynb"), WIDE)
        assert (await made.run(*steps(edit("nb.ipynb", "x = 1", "x = 2")))).refusals() == []
