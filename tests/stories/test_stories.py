"""What happens to a user whose editor is one of five while Flux edits: the same stories in each, over a real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stories.world import edit, steps, world
from tests.support.fake_editors.rules import EDITORS, Editor, Eglot
from tests.support.lsp_client import ResponseError

every_editor = pytest.mark.parametrize("rules", EDITORS, ids=[rules.__name__ for rules in EDITORS])

TEXT = "".join(f"line {word}\n" for word in ("one", "two", "three", "four", "five", "six", "seven", "eight"))
FILES = {"a.py": TEXT, "b.py": TEXT, "c.py": TEXT}


def changed(text: str, *words: str) -> str:
    """The text with the lines of these words changed as `change` asks."""
    for word in words:
        text = text.replace(f"line {word}\n", f"LINE {word}!\n")
    return text


def change(word: str, path: str = "a.py") -> dict[str, object]:
    return edit(path, f"line {word}\n", f"LINE {word}!\n")


@every_editor
async def test_one_file(tmp_path: Path, rules: type[Editor]) -> None:
    async with world(tmp_path, rules, {"a.py": TEXT}) as made:
        made.type("a.py", "line one")
        turn = await made.run(*steps(change("four")))
        assert (turn.status, turn.unsaved, turn.refusals()) == ("completed", ["a.py"], [])
        made.check({"a.py": changed(TEXT, "four")})


@every_editor
async def test_several_edits_of_a_file_and_a_closed_one(tmp_path: Path, rules: type[Editor]) -> None:
    async with world(tmp_path, rules, {"a.py": TEXT, "b.py": TEXT}) as made:
        turn = await made.run(*steps(change("four"), change("two", "b.py"), change("two"), change("eight")))
        assert (turn.status, turn.unsaved, turn.refusals()) == ("completed", ["a.py", "b.py"], [])
        made.check({"a.py": changed(TEXT, "two", "four", "eight"), "b.py": changed(TEXT, "two")})


@every_editor
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
async def test_crlf_and_characters_of_every_width(tmp_path: Path, rules: type[Editor], encoding: str) -> None:
    text = "s = '😋'\r\nt = 'e\u0301😋' + '한' # é\r\nlast = 1\r\n"
    async with world(tmp_path, rules, {"a.py": text, "b.py": text}, encoding=encoding) as made:
        made.type("a.py", "😋'")
        turn = await made.run(
            *steps(
                edit("a.py", "'e\u0301😋' + '한'", "'한😋' +\n    'e\u0301'"),
                edit("b.py", "'e\u0301😋' + '한'", "'한😋' +\n    'e\u0301'"),
            )
        )
        after = "s = '😋'\r\nt = '한😋' +\r\n    'e\u0301' # é\r\nlast = 1\r\n"
        assert (turn.status, turn.refusals()) == ("completed", [])
        made.check({"a.py": after, "b.py": after})


@every_editor
async def test_typing_elsewhere_while_the_model_talks_is_kept(tmp_path: Path, rules: type[Editor]) -> None:
    async with world(tmp_path, rules, {"a.py": TEXT}) as made:
        begun = await made.begin({"text": "Hm. " * 20, "chunk": 4, "delay_s": 0.01, **steps(change("four"))[0]}, {})
        for word in ("one", "three", "eight"):
            count = len(made.client.messages)
            await made.client.until(lambda count=count: len(made.client.messages) > count)
            made.type_line("a.py", f"line {word}")
        turn = await made.finish(begun)
        assert (turn.status, turn.unsaved, turn.refusals()) == ("completed", ["a.py"], [])
        made.check({"a.py": changed(TEXT, "four")})


@every_editor
@pytest.mark.parametrize("where", ["line one", "line three", "line eight"])
async def test_typing_elsewhere_while_the_edit_travels_is_kept(tmp_path: Path, rules: type[Editor], where: str) -> None:
    async with world(tmp_path, rules, {"a.py": TEXT}) as made:
        made.editor.before_edit.append(lambda: made.type_line("a.py", where))
        made.editor.after_edit.append(lambda: made.type("a.py", "line two"))
        turn = await made.run(*steps(change("four")))
        assert (turn.status, turn.unsaved, turn.refusals()) == ("completed", ["a.py"], [])
        made.check({"a.py": changed(TEXT, "four")})


@every_editor
async def test_typing_at_the_place_of_the_edit_refuses_it_and_the_model_is_told(
    tmp_path: Path, rules: type[Editor]
) -> None:
    async with world(tmp_path, rules, {"a.py": TEXT}) as made:
        made.editor.before_edit.append(lambda: made.type("a.py", "ne four"))
        turn = await made.run(*steps(change("four")))
        assert (turn.status, turn.unsaved) == ("completed", [])
        assert "changed" in turn.refusals()[0]
        made.check()


@every_editor
async def test_typing_in_the_new_text_right_after_the_edit(tmp_path: Path, rules: type[Editor]) -> None:
    async with world(tmp_path, rules, {"a.py": TEXT}) as made:
        made.editor.after_edit.append(lambda: made.type("a.py", "NE four"))
        turn = await made.run(*steps(change("four")))
        assert turn.unsaved == ["a.py"]
        made.check({"a.py": changed(TEXT, "four")})


@every_editor
async def test_of_three_files_with_one_stale_all_are_taken_back_or_none(tmp_path: Path, rules: type[Editor]) -> None:
    async with world(tmp_path, rules, FILES, opened=list(FILES)) as made:
        await made.run(*steps(change("four"), change("four", "b.py"), change("four", "c.py")))
        after = {name: changed(text, "four") for name, text in FILES.items()}
        made.check(after)
        # Flux's undo is one plan over all, and the user types in the second file at the place of its edit.
        made.editor.before_edit.append(lambda: made.type("b.py", "NE four"))
        with pytest.raises(ResponseError, match=r"b\.py"):
            await made.client.command("flux.turn.undo", {})
        made.check(after)


@every_editor
async def test_three_files_change_also_where_the_user_types_in_one_meanwhile(
    tmp_path: Path, rules: type[Editor]
) -> None:
    async with world(tmp_path, rules, FILES, opened=list(FILES)) as made:
        await made.run(*steps(change("four"), change("four", "b.py"), change("four", "c.py")))
        made.editor.before_edit.append(lambda: made.type_line("b.py", "line two"))
        undone = await made.client.command("flux.turn.undo", {})
        assert sorted(undone["unsaved"]) == sorted(FILES)
        made.check()


@every_editor
async def test_the_undo_of_a_turn_keeps_what_was_typed_since(tmp_path: Path, rules: type[Editor]) -> None:
    async with world(tmp_path, rules, {"a.py": TEXT}) as made:
        await made.run(*steps(change("four"), change("two")))
        made.type("a.py", "line one")
        made.type_line("a.py", "line seven")
        assert await made.client.command("flux.turn.undo", {}) == {
            "paths": ["a.py"],
            "unsaved": ["a.py"],
            "refused": [],
        }
        made.check()


@every_editor
async def test_one_undo_of_the_editor_takes_an_edit_back(tmp_path: Path, rules: type[Editor]) -> None:
    async with world(tmp_path, rules, {"a.py": TEXT}) as made:
        await made.run(*steps(change("four")))
        made.editor.undo(made.uri("a.py"))
        made.check()
        await made.run(*steps(change("four")))
        made.check({"a.py": changed(TEXT, "four")})


@every_editor
async def test_a_document_closed_in_mid_turn_is_edited_as_a_closed_file(tmp_path: Path, rules: type[Editor]) -> None:
    async with world(tmp_path, rules, FILES, opened=list(FILES)) as made:
        made.editor.before_edit.append(lambda: made.editor.close(made.uri("a.py")))
        turn = await made.run(*steps(change("four"), change("two", "b.py")))
        assert (turn.status, turn.unsaved, turn.refusals()) == ("completed", ["a.py", "b.py"], [])
        made.check({"a.py": changed(TEXT, "four"), "b.py": changed(TEXT, "two")})


@every_editor
@pytest.mark.parametrize("answer", ["yes", "no"])
async def test_a_new_file(tmp_path: Path, rules: type[Editor], answer: str) -> None:
    async with world(tmp_path, rules, {"a.py": TEXT}) as made:
        made.editor.says_yes = answer == "yes"
        new = {"name": "write_file", "arguments": {"path": "new.py", "text": "new = 1\n"}}
        turn = await made.run(*steps(new))
        if not made.editor.questions:
            if rules is not Eglot or answer == "yes":
                assert (turn.unsaved, made.on_disk().get("new.py", "")) == (["new.py"], "")
                assert made.text("new.py") == "new = 1\n"
        elif answer == "yes":
            assert (turn.refusals(), turn.unsaved) == ([], [])
            made.check(disk={"new.py": "new = 1\n"})
        else:
            assert "did not let Flux write" in turn.refusals()[0]
            made.check()


async def test_a_user_of_eglot_who_says_no(tmp_path: Path) -> None:
    async with world(tmp_path, Eglot, {"a.py": TEXT}) as made:
        made.editor.says_yes = False
        turn = await made.run(*steps(change("four")))
        assert (turn.status, turn.unsaved) == ("completed", [])
        assert "or said no" in turn.refusals()[0]
        made.check()
