"""Undo, redo and the return to a checkpoint in each of the five editors, while their user goes on typing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stories.test_stories import FILES, TEXT, change, changed, every_editor
from tests.stories.world import steps, world
from tests.support.fake_editors.rules import Editor
from tests.support.lsp_client import ResponseError


@every_editor
async def test_turns_go_back_and_forth_around_what_is_typed(tmp_path: Path, rules: type[Editor]) -> None:
    async with world(tmp_path, rules, FILES) as made:
        command = made.client.command
        await made.run(*steps(change("one"), change("four", "b.py")))
        made.type_line("a.py", "line four")
        await made.run(*steps(change("eight"), change("one", "c.py")))
        first = {"a.py": changed(TEXT, "one"), "b.py": changed(TEXT, "four")}
        both = {"a.py": changed(TEXT, "one", "eight"), "b.py": changed(TEXT, "four"), "c.py": changed(TEXT, "one")}
        made.check(both)
        await command("flux.turn.undo", {})
        made.check(first)
        made.type("a.py", "line five")
        made.editor.flush()
        await command("flux.turn.undo", {})
        made.check()
        await command("flux.turn.redo", {})
        made.type("a.py", "line three")
        made.editor.flush()
        await command("flux.turn.redo", {})
        made.check(both)
        await command("flux.checkpoint.restore", {"checkpoint": "1"})
        made.check()
        await command("flux.turn.redo", {})
        made.check(both)


@every_editor
async def test_the_hunk_that_was_typed_into_is_named_and_the_rest_goes(tmp_path: Path, rules: type[Editor]) -> None:
    async with world(tmp_path, rules, FILES) as made:
        await made.run(*steps(change("one"), change("eight"), change("four", "b.py")))
        made.type("a.py", "eight!")
        made.editor.flush()
        with pytest.raises(ResponseError, match=r"a\.py line 8"):
            await made.client.command("flux.turn.undo", {"partial": False})
        made.check({"a.py": changed(TEXT, "one", "eight"), "b.py": changed(TEXT, "four")})
        await made.client.command("flux.turn.undo", {})
        made.check({"a.py": changed(TEXT, "eight")})


@every_editor
async def test_files_that_were_made_moved_and_removed_come_back(tmp_path: Path, rules: type[Editor]) -> None:
    async with world(tmp_path, rules, FILES, opened=()) as made:
        calls = (
            {"name": "write_file", "arguments": {"path": "new.py", "text": "new\n"}},
            {"name": "delete_file", "arguments": {"path": "b.py"}},
            {"name": "move_file", "arguments": {"path": "c.py", "new_path": "d.py"}},
        )
        turn = await made.run(*steps(*calls))
        assert turn.refusals() == []

        def shown() -> dict[str, str]:
            """The files as the user would find them, saved or not."""
            found = {name: text for name, text in made.on_disk().items() if text}
            for uri in made.editor.buffers:
                found[uri.rsplit("/", 1)[-1]] = made.editor.as_saved(uri)
            return found

        after = {"a.py": TEXT, "d.py": TEXT, "new.py": "new\n"}
        assert shown() == after
        await made.client.command("flux.turn.undo", {})
        assert shown() == FILES
        await made.client.command("flux.turn.redo", {})
        assert shown() == after
