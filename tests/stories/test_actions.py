"""What happens to a user of each of five editors who chooses a code action, over a real server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.stories.world import Step, Turn, World, edit, steps, world
from tests.support.fake_editors.rules import EDITORS, Editor
from tests.support.fake_editors.texts import path_of, position_of
from tests.support.lsp_client import ResponseError, command_of

every_editor = pytest.mark.parametrize("rules", EDITORS, ids=[rules.__name__ for rules in EDITORS])

TEXT = "# flux: double it\nr = 1\n\n\ndef area(r):\n    return r\n"
DONE = "r = 2\n\n\ndef area(r):\n    return r\n"
COMMENT = "Flux: do what this comment says"
DOUBLING = edit("a.py", "# flux: double it\nr = 1\n", "r = 2\n")


async def menu(made: World, begin: str, end: str = "", **context: Any) -> Any:
    """The code actions from the one text of a.py to the other, or at a cursor before it."""
    made.editor.flush()
    first, last = place(made, begin), place(made, end or begin)
    return await made.client.code_actions(made.uri("a.py"), first, last, **context)


def place(made: World, before: str) -> tuple[int, int]:
    text = made.text("a.py")
    at = position_of(text, text.index(before), made.editor.encoding, made.editor.line_ends)
    return at.line, at.character


async def script(made: World, *script: Step) -> Path:
    """Let the model answer so; the file with what it is asked."""
    path, record = made.folder.parent / "action.json", made.folder.parent / "asked.jsonl"
    path.write_text(json.dumps({"steps": script, "record": str(record)}), encoding="utf-8")
    await made.client.request("flux/setSettings", {"script": str(path)})
    return record


async def choose(made: World, actions: Any, title: str) -> Turn:
    start = len(made.client.events())
    _, running = made.client.begin_request("workspace/executeCommand", command_of(actions, title))
    return await made.finish((start, running))


@every_editor
async def test_a_comment_is_done_and_gone_around_what_is_typed_meanwhile(tmp_path: Path, rules: type[Editor]) -> None:
    async with world(tmp_path, rules, {"a.py": TEXT}) as made:
        made.type("a.py", "return")
        await script(made, *steps(DOUBLING))
        actions = await menu(made, "flux:")
        made.editor.before_edit.append(lambda: made.type_line("a.py", "def area"))
        turn = await choose(made, actions, COMMENT)
        assert (turn.status, turn.unsaved, turn.refusals()) == ("completed", ["a.py"], [])
        made.check({"a.py": DONE})


@every_editor
async def test_typing_at_the_place_while_the_edit_travels_refuses_it(tmp_path: Path, rules: type[Editor]) -> None:
    async with world(tmp_path, rules, {"a.py": TEXT}) as made:
        await script(made, *steps(DOUBLING))
        actions = await menu(made, "flux:")
        made.editor.before_edit.append(lambda: made.type("a.py", " = 1"))
        turn = await choose(made, actions, COMMENT)
        assert turn.unsaved == []
        assert turn.refusals()
        made.check()


@every_editor
async def test_what_was_listed_for_another_text_is_refused_before_a_model_is_asked(
    tmp_path: Path, rules: type[Editor]
) -> None:
    async with world(tmp_path, rules, {"a.py": TEXT}) as made:
        record = await script(made, *steps(DOUBLING))
        actions = await menu(made, "flux:")
        made.type_line("a.py", "def area")
        made.editor.flush()
        with pytest.raises(ResponseError, match="has changed since"):
            await made.client.request("workspace/executeCommand", command_of(actions, COMMENT))
        assert not record.exists()
        made.check()


@every_editor
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
async def test_a_selection_and_a_problem_behind_characters_of_every_width_are_told_as_they_are(
    tmp_path: Path, rules: type[Editor], encoding: str
) -> None:
    text = "s = '😋'; t = 'e\u0301한'; bad = 1\r\nlast = 1\r\n"
    async with world(tmp_path, rules, {"a.py": text}, encoding=encoding) as made:
        own = tmp_path / "config" / "actions" / "say.toml"
        own.parent.mkdir(parents=True)
        own.write_text('title = "say"\nprompt = "It is <${selection}>, with <${problems}>."\n', encoding="utf-8")
        record = await script(made, *steps(edit("a.py", "bad = 1", "good = '😋'")), *steps())
        made.type("a.py", "t = 'e")
        (line, first), (_, last) = (
            place(made, "bad"),
            place(made, " = 1\r\n" if "\r\n" in made.text("a.py") else " = 1\n"),
        )
        at = {"start": {"line": line, "character": first}, "end": {"line": line, "character": last}}
        problem = {"range": at, "message": "bad is bad", "severity": 1}
        turn = await choose(made, await menu(made, "bad", diagnostics=[problem]), "Flux: fix: bad is bad")
        assert (turn.status, turn.refusals()) == ("completed", [])
        made.check({"a.py": "s = '😋'; t = 'e\u0301한'; good = '😋'\r\nlast = 1\r\n"})
        await choose(made, await menu(made, "good", "\r\n" if "\r\n" in made.text("a.py") else "\n"), "Flux: say")
        asked = [json.loads(one) for one in record.read_text(encoding="utf-8").splitlines()]
        assert "It is <good = '😋'>, with <>." in asked[-1]["messages"][-1]["parts"][-1]["text"]
        assert "line 1: error: bad is bad" in "".join(part["text"] for part in asked[0]["messages"][-1]["parts"])


@every_editor
async def test_an_explanation_is_a_document_and_changes_nothing(tmp_path: Path, rules: type[Editor]) -> None:
    async with world(tmp_path, rules, {"a.py": TEXT}) as made:
        await script(made, {"text": "It is an area."})
        turn = await choose(made, await menu(made, "return"), "Flux: explain area")
        assert (turn.status, turn.unsaved) == ("completed", [])
        await made.client.until(lambda: bool(made.editor.shown))
        [uri] = made.editor.shown
        assert path_of(uri).read_text(encoding="utf-8") == "It is an area.\n"
        made.check()


@every_editor
async def test_an_entry_has_what_the_editor_announced_and_no_more(tmp_path: Path, rules: type[Editor]) -> None:
    announced = rules.capabilities["textDocument"]["codeAction"]
    async with world(tmp_path, rules, {"a.py": TEXT}) as made:
        comment, *others = await menu(made, "flux:")
        source = await made.client.code_actions(made.uri("a.py"), (0, 0), (0, 0), only=["source"])
        if not announced:
            assert {frozenset(action) for action in (comment, *others)} == {
                frozenset({"title", "command", "arguments"})
            }
        assert ("isPreferred" in comment) is ("isPreferredSupport" in announced)
        assert not any("isPreferred" in action for action in others)
        assert ("tags" in comment) is ("tagSupport" in announced)
        assert bool(source) is ("disabledSupport" in announced)
        assert all(set(action) == {"title", "kind", "disabled"} for action in source)
