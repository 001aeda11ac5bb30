"""What the user moves and removes in each of the five editors while Flux knows the file by its old name.

Some editors tell of it (VS Code of all, Helix of moved files), others only close the document. Either way nothing comes
up again where the user took a file away, and nothing lands in another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.stories.test_stories import FILES, TEXT, change, changed, every_editor
from tests.stories.world import Step, World, steps, world
from tests.support.fake_editors.rules import Editor, Plain, VsCode
from tests.support.lsp_bench import bench
from tests.support.lsp_client import ResponseError


def tells(rules: type[Editor], operation: str) -> bool:
    return operation in rules.capabilities["workspace"].get("fileOperations", {})


def write(path: str) -> dict[str, object]:
    return {"name": "write_file", "arguments": {"path": path, "text": "made again\n"}}


def one_by_one(*calls: Mapping[str, object]) -> list[Step]:
    """Each call in an answer of its own, and a last word."""
    return [*({"tool_calls": [call]} for call in calls), {"text": "Done."}]


def shown(made: World) -> dict[str, str]:
    """All files and documents as the user finds them, without what they typed."""
    found = dict(made.on_disk())
    for uri in made.editor.buffers:
        found[uri.removeprefix(f"{made.uri('')}/")] = made.editor.as_saved(uri)
    return found


@every_editor
async def test_an_undo_finds_a_file_that_was_moved_or_names_it(tmp_path: Path, rules: type[Editor]) -> None:
    async with world(tmp_path, rules, FILES) as made:
        await made.run(*steps(change("four"), change("eight")))
        made.editor.move(made.uri("a.py"), made.uri("new/moved.py"))
        made.editor.insert(made.uri("new/moved.py"), 0, "typed\n")
        after = {"b.py": TEXT, "c.py": TEXT, "new/moved.py": f"typed\n{changed(TEXT, 'four', 'eight')}"}
        assert shown(made) == after
        if tells(rules, "didRename"):
            await made.client.command("flux.turn.undo", {})
            assert shown(made) == {**after, "new/moved.py": f"typed\n{TEXT}"}
            await made.client.command("flux.turn.redo", {})
        else:
            with pytest.raises(ResponseError, match=r"a\.py line 1: it is no longer there"):
                await made.client.command("flux.turn.undo", {})
        assert shown(made) == after


@every_editor
async def test_a_turn_neither_makes_a_moved_file_again_nor_edits_another(tmp_path: Path, rules: type[Editor]) -> None:
    """The move comes while the turn works on another file."""
    async with world(tmp_path, rules, FILES) as made:
        made.editor.before_edit.append(lambda: made.editor.move(made.uri("a.py"), made.uri("moved.py")))
        calls = [change("one", "b.py"), change("one"), write("a.py")]
        turn = await made.run(*one_by_one(*calls), at="b.py")
        refusals = turn.refusals()
        assert "There is no file a.py" in refusals[0] or "a.py is no longer there" in refusals[0]
        after = {"b.py": changed(TEXT, "one"), "c.py": TEXT, "moved.py": TEXT}
        if tells(rules, "didRename"):
            assert all("The user moved a.py to moved.py." in refusal for refusal in refusals)
            assert (len(refusals), shown(made)) == (2, after)
        else:  # nobody knows that it is the same file
            assert (len(refusals), shown(made)) == (1, {**after, "a.py": "made again\n"})


@every_editor
async def test_an_edit_that_meets_the_move_of_its_file_is_refused(tmp_path: Path, rules: type[Editor]) -> None:
    async with world(tmp_path, rules, FILES) as made:
        made.editor.before_edit.append(lambda: made.editor.move(made.uri("a.py"), made.uri("moved.py")))
        turn = await made.run(*steps(change("one")))
        assert len(turn.refusals()) == 1
        assert made.on_disk() == {"b.py": TEXT, "c.py": TEXT, "moved.py": TEXT}
        assert made.editor.as_saved(made.uri("moved.py")) == TEXT


@every_editor
async def test_what_the_user_removed_stays_removed(tmp_path: Path, rules: type[Editor]) -> None:
    async with world(tmp_path, rules, FILES) as made:
        made.editor.before_edit.append(lambda: made.editor.remove(made.uri("a.py")))
        calls = [change("one", "b.py"), change("one"), write("a.py")]
        turn = await made.run(*one_by_one(*calls), at="b.py")
        after = {"b.py": changed(TEXT, "one"), "c.py": TEXT}
        if tells(rules, "didDelete"):
            assert all("The user removed a.py." in refusal for refusal in turn.refusals())
            assert (len(turn.refusals()), shown(made)) == (2, after)
        else:
            assert (len(turn.refusals()), shown(made)) == (1, {**after, "a.py": "made again\n"})


async def test_a_file_that_flux_moved_itself_is_not_taken_for_moved_by_the_user(tmp_path: Path) -> None:
    """VS Code tells of what a server moved and removed too."""
    async with world(tmp_path, VsCode, FILES) as made:
        move = {"name": "move_file", "arguments": {"path": "a.py", "new_path": "d.py"}}
        remove = {"name": "delete_file", "arguments": {"path": "b.py"}}
        turn = await made.run(*one_by_one(change("one"), move, remove, write("a.py"), write("b.py")))
        assert turn.refusals() == []
        await made.client.command("flux.turn.undo", {})
        assert shown(made) == FILES


async def test_a_move_that_the_editor_did_not_make_for_flux_is_the_users_when_they_make_it(tmp_path: Path) -> None:
    """Something stands in the way of the first one."""
    async with world(tmp_path, VsCode, FILES) as made:
        in_the_way = made.folder / "d.py"
        made.editor.before_edit.append(lambda: None)
        made.editor.before_edit.append(lambda: in_the_way.write_text("", encoding="utf-8"))
        move = {"name": "move_file", "arguments": {"path": "a.py", "new_path": "d.py"}}
        turn = await made.run(*one_by_one(change("one"), move))
        assert len(turn.refusals()) == 1
        in_the_way.unlink()
        made.editor.move(made.uri("a.py"), made.uri("d.py"))
        await made.client.command("flux.turn.undo", {})
        assert shown(made) == {"b.py": TEXT, "c.py": TEXT, "d.py": TEXT}


async def test_a_whole_folder_and_what_is_pinned_in_it_move(tmp_path: Path) -> None:
    async with world(tmp_path, VsCode, {"a.py": TEXT}) as made:
        await made.run(*steps(write("old/x.py")))
        await made.client.command("flux.chat.new", {})
        await made.client.command("flux.context.pin", {"path": "old/x.py"})
        made.editor.close(made.uri("old/x.py"))
        (made.folder / "old/x.py").write_text("made again\n", encoding="utf-8")
        made.editor.move(made.uri("old"), made.uri("new"))
        assert await made.client.command("flux.context.pin", {"path": "new/x.py"}) == {
            "pins": [{"kind": "file", "name": "new/x.py"}]
        }
        await made.client.command("flux.turn.undo", {})
        assert shown(made) == {"a.py": TEXT}


async def test_another_file_at_the_place_of_a_removed_one_is_not_the_removed_one(tmp_path: Path) -> None:
    async with world(tmp_path, VsCode, FILES) as made:
        remove = {"name": "delete_file", "arguments": {"path": "a.py"}}
        assert (await made.run(*one_by_one(change("one"), remove))).refusals() == []
        (made.folder / "a.py").write_text("another\n", encoding="utf-8")
        made.editor.move(made.uri("a.py"), made.uri("e.py"))
        await made.client.command("flux.turn.undo", {})
        assert shown(made) == {**FILES, "e.py": "another\n"}


async def test_the_model_is_told_of_a_file_that_it_was_shown(tmp_path: Path) -> None:
    async with bench(
        tmp_path, {"text": "Hi."}, {"text": "Well."}, disk=FILES, capabilities=VsCode.capabilities
    ) as made:
        made.client.open(made.uri("a.py"), TEXT)
        await made.client.command("flux.chat.send", {"text": "Look.", "uri": made.uri("a.py")})
        made.client.editor.move(made.uri("a.py"), made.uri("moved.py"))
        made.client.editor.move(made.uri("c.py"), made.uri("other.py"))
        await made.client.command("flux.chat.send", {"text": "And?"})
        assert "The user moved a.py to moved.py." in made.said()
        assert "c.py" not in made.said()


async def test_only_what_an_editor_can_tell_is_announced(tmp_path: Path) -> None:
    async with bench(tmp_path, capabilities=VsCode.capabilities) as made:
        everything = {"filters": [{"pattern": {"glob": "**/*"}, "scheme": "file"}]}
        assert made.answer["capabilities"]["workspace"]["fileOperations"] == {
            "didRename": everything,
            "didDelete": everything,
        }
    async with bench(tmp_path, capabilities=Plain.capabilities) as made:
        assert made.answer["capabilities"]["workspace"]["fileOperations"] == {}
