"""An open notebook in the five editors: its cells are read and edited in their documents, its file is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stories.world import edit, steps, world
from tests.support.fake_editors.rules import EDITORS, Editor, Plain
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
