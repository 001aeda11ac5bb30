"""The model asks the editor's own language servers, in each editor's encoding: places, and a rename as one plan."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.stories.world import Step, World, world
from tests.support.fake_editors.language_server import QUERIES
from tests.support.fake_editors.rules import EDITORS, Editor, Helix, Plain, VsCode
from tests.support.lsp_bench import bench

FILES = {
    "a.py": "# e\u0301 \U0001f40d\r\ndef area(r):  # \U0001f40d area\r\n    return r\r\n",
    "b.py": "from a import area\n\n'\U0001f40d\U0001f40d', area(2); x = area\n",
    ".env": "area = 'secret'\n",
    "ignored.py": "area = 1\n",
    ".gitignore": "ignored.py\n",
}

each_editor = pytest.mark.parametrize("rules", EDITORS, ids=lambda rules: rules.name)


def tool(name: str, /, **arguments: object) -> Step:
    return {"text": "", "tool_calls": [{"name": name, "arguments": arguments}]}


async def ask(made: World, **arguments: object) -> str:
    (told,) = (await made.run(tool("language_server", **arguments), {"text": "Done."})).results()
    return told[1]


@each_editor
async def test_what_the_servers_know_is_told_with_its_lines(tmp_path: Path, rules: type[Editor]) -> None:
    async with world(tmp_path, rules, FILES, opened=("a.py", "b.py"), query=list(QUERIES)) as made:
        at = {"path": "b.py", "line": 3, "name": "area"}
        assert await ask(made, query="definition", **at) == "a.py:2: def area(r):  # \U0001f40d area"
        assert (await ask(made, query="references", **at)).split("\n") == [
            "a.py:2: def area(r):  # \U0001f40d area",
            "b.py:1: from a import area",
            "b.py:3: '\U0001f40d\U0001f40d', area(2); x = area",
            "[1 in files that are ignored or outside the workspace: ignored.py]",
        ]
        assert await ask(made, query="hover", **at) == "what area is"
        assert await ask(made, query="symbols", path="a.py") == "a.py:2: function area"
        assert await ask(made, query="symbols", name="are") == "a.py:2: function area"
        assert await ask(made, query="hover", path="b.py", line=2, name="area") == (
            "'area' is not on line 2 of b.py; it is on line 1, 3."
        )
        made.check()


@each_editor
async def test_a_rename_is_one_step_in_the_buffers_around_what_is_typed(tmp_path: Path, rules: type[Editor]) -> None:
    files = {name: text for name, text in FILES.items() if name in {"a.py", "b.py"}}
    async with world(tmp_path, rules, files, opened=("a.py", "b.py"), query=list(QUERIES)) as made:
        if rules is not Plain:  # which knows no versions: test_typing.py has it
            made.editor.before_edit.append(lambda: made.type_line("a.py", "# e"))
        rename = tool("rename_symbol", path="b.py", line=3, name="area", new_name="circle")
        turn = await made.run(rename, {"text": "Done."})
        changed = {name: text.replace("area", "circle") for name, text in files.items()}
        if turn.refusals():  # all or nothing: what was typed came between, and the model is told
            changed = {}
            assert "circle" not in made.text("b.py")
        else:
            assert turn.results() == [(False, "Renamed area to circle in a.py, b.py.")]
            assert sorted(turn.unsaved) == ["a.py", "b.py"]
        made.check(changed)
        if changed:
            await made.client.command("flux.turn.undo")
            made.check()


@pytest.mark.parametrize("rules", [VsCode, Helix], ids=lambda rules: rules.name)
async def test_what_is_not_announced_is_no_tool(tmp_path: Path, rules: type[Editor]) -> None:
    async with world(tmp_path, rules, FILES, query=["hover", "diagnostics"]) as made:
        renamed = tool("rename_symbol", path="a.py", line=2, name="area", new_name="x")
        looked = tool("language_server", query="definition", path="a.py", line=2, name="area")
        told = (await made.run(renamed, looked, {"text": "Done."})).refusals()
        assert told[0].startswith("There is no tool 'rename_symbol'.")
        assert told[1] == "`query` must be one of hover."
        made.check()
    (tmp_path / "none").mkdir()
    async with world(tmp_path / "none", rules, FILES) as made:
        looked = tool("language_server", query="hover", path="a.py", line=2, name="area")
        (told,) = (await made.run(looked, {"text": "Done."})).refusals()
        assert "There is no tool 'language_server'." in told
        assert "language_server," not in told.partition("are:")[2]
        assert made.client.sent("flux/editor/query") == []


async def check_rename(tmp_path: Path, answer: object, told: str) -> None:
    """A rename that the editor answers so is refused whole, with what is told."""
    async with world(tmp_path, VsCode, FILES, query=list(QUERIES)) as made:
        made.client.answers["flux/editor/query"] = lambda _: answer
        rename = tool("rename_symbol", path="a.py", line=2, name="area", new_name="circle")
        (refused,) = (await made.run(rename, {"text": "Done."})).refusals()
        assert told in refused
        made.check()


def edits_of(uri: str, version: int | None) -> Mapping[str, Any]:
    place = {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 4}}
    return {"textDocument": {"uri": uri, "version": version}, "edits": [{"range": place, "newText": "circle"}]}


async def test_a_rename_that_reaches_where_flux_may_not_is_refused_whole(tmp_path: Path) -> None:
    folder = tmp_path / "one" / "workspace"
    for number, (changes, told) in enumerate(
        [
            ([edits_of((folder / "a.py").as_uri(), None), edits_of((folder / ".env").as_uri(), None)], "may hold keys"),
            ([edits_of((tmp_path / "outside.py").as_uri(), None)], "outside"),
            ([edits_of((folder / "a.py").as_uri(), 7)], "was changed meanwhile"),
            ([{"kind": "rename", "oldUri": "file:///a", "newUri": "file:///b"}], "could not be read"),
            ([], "rename nothing there"),
        ]
    ):
        folder.parent.mkdir()
        await check_rename(folder.parent, {"documentChanges": changes}, told)
        folder.parent.rename(tmp_path / f"done-{number}")


async def test_what_is_proposed_and_not_made_yet_is_not_asked_about(tmp_path: Path) -> None:
    options = {"query": list(QUERIES), "settings": {"approval": "review"}}
    async with world(tmp_path, VsCode, FILES, **options) as made:
        change = {"path": "a.py", "old_text": "return r", "new_text": "return r * r"}
        told = await made.run(
            tool("edit_file", **change),
            tool("language_server", query="hover", path="a.py", line=2, name="area"),
            {"text": "Done."},
        )
        (refused,) = told.refusals()
        assert refused.startswith("The language servers do not know a.py as it is proposed.")
        made.check()


async def test_a_chat_goes_on_without_the_tools_where_nobody_answers_for_them(tmp_path: Path) -> None:
    async with bench(tmp_path, {"text": "One."}, options={"query": list(QUERIES)}) as made:
        session = (await made.client.command("flux.chat.send", {"text": "Hi."}))["session"]
        assert (await made.client.command("flux.context.show", {}))["rewrites"] == []
    async with bench(tmp_path, {"text": "Two."}, {"text": "Three."}) as made:
        await made.client.command("flux.session.resume", {"session": session})
        for _ in range(2):
            await made.client.command("flux.chat.send", {"text": "And?"})
        names = [set(request["tools"]) for request in made.requests()]
        assert names[0] - names[1] == {"language_server", "rename_symbol"}
        assert names[1] == names[2]
        shown = await made.client.command("flux.context.show", {})
        assert [rewrite["reason"] for rewrite in shown["rewrites"]] == [
            "The session goes on without language_server, rename_symbol."
        ]
        assert "without language_server" in shown["text"]
