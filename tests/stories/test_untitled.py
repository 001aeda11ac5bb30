"""A document that was never saved, in the five editors: asked about, edited around typing, and taken back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stories.world import edit, steps, world
from tests.support.fake_editors.rules import EDITORS, Editor, Plain

URI = "untitled:Untitled-1"
TEXT = "# e\u0301 \U0001f40d\r\n\U0001f40d one\r\nx \U0001f40d two\r\n"


@pytest.mark.parametrize("rules", EDITORS, ids=lambda rules: rules.name)
async def test_a_document_that_was_never_saved_is_edited_in_its_buffer(tmp_path: Path, rules: type[Editor]) -> None:
    async with world(tmp_path, rules, {"a.py": "one\n"}) as made:
        made.editor.open(URI, TEXT)
        if rules is not Plain:  # which knows no versions
            made.editor.before_edit.append(lambda: made.editor.insert(URI, 0, "typed "))
        reads = [{"name": "read_file", "arguments": {"path": "untitled:/Untitled-1"}}]
        calls = [{"tool_calls": reads}, *steps(edit("untitled:/Untitled-1", "two", "2\u00fc"))]
        turn = await made.finish(await made.begin(*calls, uri=URI))
        assert turn.refusals() == []
        assert turn.unsaved == ["untitled:/Untitled-1"]
        typed = "" if rules is Plain else "typed "
        assert made.editor.as_saved(URI) == typed + TEXT.replace("two", "2\u00fc")
        await made.client.command("flux.turn.undo")
        assert made.editor.as_saved(URI) == f"{typed}{TEXT}"
        made.check()


async def test_what_was_never_saved_is_neither_made_moved_nor_removed(tmp_path: Path) -> None:
    async with world(tmp_path, EDITORS[0], {"a.py": "one\n"}) as made:
        made.editor.open(URI, TEXT)
        calls = [
            {"name": "delete_file", "arguments": {"path": "untitled:/Untitled-1"}},
            {"name": "move_file", "arguments": {"path": "untitled:/Untitled-1", "new_path": "b.py"}},
            {"name": "write_file", "arguments": {"path": "untitled:/Untitled-9", "text": "x"}},
        ]
        turn = await made.run(*({"tool_calls": [call]} for call in calls), {"text": "Done."})
        assert ["was never saved" in refusal for refusal in turn.refusals()] == [True, True, True]
        assert made.editor.as_saved(URI) == TEXT
        made.check()
