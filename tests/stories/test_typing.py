"""Typing under an edit that is on its way, more than once, in each editor: none is lost, and no edit is misplaced."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.stories.test_stories import FILES, TEXT, change, changed, every_editor
from tests.stories.world import Turn, World, steps, world
from tests.support.fake_editors.rules import Editor, Eglot, Plain
from tests.support.lsp_client import Message


async def check_is_made(made: World, *words: str) -> Turn:
    """A turn that changes these lines of a.py does, with what is typed meanwhile beside it."""
    turn = await made.run(*steps(*(change(word) for word in words)))
    assert (turn.status, turn.unsaved, turn.refusals()) == ("completed", ["a.py"], [])
    made.check({"a.py": changed(TEXT, *words)})
    return turn


@every_editor
async def test_two_typings_above_before_the_edit_arrives(tmp_path: Path, rules: type[Editor]) -> None:
    async with world(tmp_path, rules, {"a.py": TEXT}) as made:

        def type_twice() -> None:
            made.type_line("a.py", "line two")
            made.type_line("a.py", "line one")

        made.editor.before_edit.append(type_twice)
        await check_is_made(made, "four", "seven")


@every_editor
async def test_typing_before_the_edit_and_again_before_it_is_taken_back(tmp_path: Path, rules: type[Editor]) -> None:
    async with world(tmp_path, rules, {"a.py": TEXT}) as made:
        made.editor.before_edit += [
            lambda: made.type_line("a.py", "line two"),
            lambda: made.type_line("a.py", "line one"),
            lambda: made.type_line("a.py", "line one"),
        ]
        await check_is_made(made, "five")


@every_editor
async def test_typing_inside_what_the_misplaced_edit_wrote(tmp_path: Path, rules: type[Editor]) -> None:
    async with world(tmp_path, rules, {"a.py": TEXT}) as made:

        def type_inside() -> None:
            if "NE four" in made.text("a.py"):
                made.editor.flush()
                made.type("a.py", "NE four")
                made.editor.flush()

        made.editor.before_edit.append(lambda: made.type_line("a.py", "line one"))
        made.editor.after_edit.append(type_inside)
        turn = await made.run(*steps(change("four")))
        # Where it is taken back, what was typed comes to stand before what it replaced.
        assert turn.refusals() == []
        made.check({"a.py": changed(TEXT, "four")})
        assert any("taken back" in label for label in made.editor.labels) == (rules is Plain)


async def test_a_user_of_emacs_who_types_just_as_an_edit_arrives_there_is_told_where(tmp_path: Path) -> None:
    async with world(tmp_path, Eglot, {"a.py": TEXT}) as made:
        # It has told all that was typed before, and the edit is on its way.
        made.editor.before_edit += [lambda: None, lambda: made.type("a.py", "ne four")]
        turn = await made.run(*steps(change("four")))
        assert "the user typed meanwhile, so that it cannot be told what it did" in turn.refusals()[0]
        shown = [each["message"] for each in made.client.sent("window/showMessage")]
        assert ["a.py (line 4: LINE four!" in message for message in shown] == [True]
        made.editor.undo(made.uri("a.py"))
        made.check()


@every_editor
async def test_typing_in_all_of_three_files_before_their_edit_arrives(tmp_path: Path, rules: type[Editor]) -> None:
    async with world(tmp_path, rules, FILES, opened=list(FILES)) as made:

        def type_in_all() -> None:
            for name in FILES:
                made.type_line(name, "line two")
                made.type_line(name, "line one")

        made.editor.before_edit += [type_in_all, lambda: made.type_line("b.py", "line one")]
        turn = await made.run(*steps(*(change("four", name) for name in FILES)))
        assert (turn.status, turn.unsaved, turn.refusals()) == ("completed", sorted(FILES), [])
        made.check({name: changed(TEXT, "four") for name in FILES})


@every_editor
async def test_typing_in_a_file_that_is_edited_and_moved(tmp_path: Path, rules: type[Editor]) -> None:
    async with world(tmp_path, rules, {"a.py": TEXT}) as made:
        made.editor.before_edit.append(lambda: made.type_line("a.py", "line one"))
        move = {"name": "move_file", "arguments": {"path": "a.py", "new_path": "moved.py"}}
        turn = await made.run(*steps(change("four"), move))
        if rules in {Eglot, Plain}:
            assert "is open, and the editor takes no such change" in turn.refusals()[-1]
            return
        assert (turn.status, turn.unsaved, turn.refusals()) == ("completed", ["moved.py"], [])
        made.typed["moved.py"] = made.typed.pop("a.py")
        made.files = {"moved.py": TEXT}
        made.check({"moved.py": changed(TEXT, "four")})


@every_editor
async def test_an_undo_that_is_sent_at_the_very_end_of_a_turn_finds_it(tmp_path: Path, rules: type[Editor]) -> None:
    async with world(tmp_path, rules, {"a.py": TEXT}) as made:
        sent: list[asyncio.Future[Any]] = []

        def undo_at_the_end(message: Message) -> None:
            if message.method == "flux/turnEvent" and message.params["type"] == "turn_end":
                params = {"command": "flux.turn.undo", "arguments": [{}]}
                sent.append(made.client.begin_request("workspace/executeCommand", params)[1])

        made.client.watchers.append(undo_at_the_end)
        await made.run(*steps(change("four")))
        await made.client.until(sent[0].done)
        assert sent[0].result()["paths"] == ["a.py"]
        made.check()
