"""Proposals in the five editors: a hunk rejected, a whole turn or nothing of it, one on top of another."""

from __future__ import annotations

from pathlib import Path

from tests.stories.test_stories import FILES, TEXT, change, changed, every_editor
from tests.stories.world import edit, steps, world
from tests.support.fake_editors.rules import Editor


@every_editor
async def test_one_of_three_hunks_is_rejected(tmp_path: Path, rules: type[Editor]) -> None:
    async with world(tmp_path, rules, FILES) as made:
        await made.client.request("flux/setSettings", {"approval": "review"})
        turn = await made.run(*steps(change("one"), change("eight"), change("four", "b.py")))
        assert (turn.status, turn.unsaved, turn.refusals()) == ("completed", [], [])
        made.check()
        made.type_line("a.py", "line four")

        waiting = (await made.client.command("flux.review.list"))["hunks"]
        assert [hunk["path"] for hunk in waiting] == ["a.py", "a.py", "b.py"]
        rejected = {"hunk": waiting[0]["hunk"], "reason": "The first line is not yours."}
        await made.client.command("flux.review.reject", rejected)
        made.check()
        await made.client.command("flux.review.accept", {})
        made.check({"a.py": changed(TEXT, "eight"), "b.py": changed(TEXT, "four")})
        assert (await made.client.command("flux.review.list"))["hunks"] == []


IN_THREE = (change("one"), change("four", "b.py"), change("eight", "c.py"))


@every_editor
async def test_of_three_files_one_is_stale_so_none_of_the_turn_is_made(tmp_path: Path, rules: type[Editor]) -> None:
    async with world(tmp_path, rules, FILES, opened=("a.py", "b.py", "c.py")) as made:
        await made.client.request("flux/setSettings", {"approval": "review"})
        await made.run(*steps(*IN_THREE))
        made.type("c.py", "line eight")
        turn = (await made.client.command("flux.review.list"))["hunks"][0]["turn"]
        came = await made.client.command("flux.review.accept", {"turn": turn})
        made.check()
        assert (came["accepted"], [one["path"] for one in came["refused"]]) == ([], ["a.py", "b.py", "c.py"])
        assert all("None of the 3 changes of this turn was made: c.py: " in one["reason"] for one in came["refused"])
        assert len((await made.client.command("flux.review.list"))["hunks"]) == 3


@every_editor
async def test_of_three_files_one_is_typed_into_as_the_turn_is_accepted_so_none_is_made(
    tmp_path: Path, rules: type[Editor]
) -> None:
    async with world(tmp_path, rules, FILES, opened=("a.py", "b.py", "c.py")) as made:
        await made.client.request("flux/setSettings", {"approval": "review"})
        await made.run(*steps(*IN_THREE))
        turn = (await made.client.command("flux.review.list"))["hunks"][0]["turn"]
        made.editor.before_edit.append(lambda: made.type("c.py", "line eight"))
        came = await made.client.command("flux.review.accept", {"turn": turn})
        assert (came["accepted"], [one["path"] for one in came["refused"]]) == ([], ["a.py", "b.py", "c.py"])
        assert all("c.py" in one["reason"] for one in came["refused"])
        made.check()
        assert len((await made.client.command("flux.review.list"))["hunks"]) == 3


@every_editor
async def test_a_proposal_on_top_of_another_is_made_after_it(tmp_path: Path, rules: type[Editor]) -> None:
    async with world(tmp_path, rules, FILES) as made:
        await made.client.request("flux/setSettings", {"approval": "review"})
        await made.run(*steps(change("one"), change("eight")))
        wanted = changed(TEXT, "one", "eight")
        line = next(line for line in wanted.splitlines() if line not in TEXT)
        turn = await made.run(*steps(edit("a.py", line, f"{line}, and more")))
        assert turn.refusals() == []
        made.check()
        made.type_line("a.py", "line four")
        *_, upper = (await made.client.command("flux.review.list"))["hunks"]
        came = await made.client.command("flux.review.accept", {"hunk": upper["hunk"]})
        assert "is not decided yet" in came["refused"][0]["reason"]
        made.check()
        await made.client.command("flux.review.accept", {})
        made.check({"a.py": wanted.replace(line, f"{line}, and more")})


@every_editor
async def test_files_are_neither_made_nor_moved_nor_removed_before_a_yes(tmp_path: Path, rules: type[Editor]) -> None:
    calls = [
        {"name": "write_file", "arguments": {"path": "new.py", "text": "n\n"}},
        {"name": "move_file", "arguments": {"path": "b.py", "new_path": "moved.py"}},
        {"name": "delete_file", "arguments": {"path": "c.py"}},
    ]
    async with world(tmp_path, rules, FILES) as made:
        await made.client.request("flux/setSettings", {"approval": "review"})
        await made.run(*steps(*calls))
        made.check()
        waiting = (await made.client.command("flux.review.list"))["hunks"]
        assert [hunk["path"] for hunk in waiting] == ["new.py", "b.py", "c.py"]
        await made.client.command("flux.review.reject", {})
        made.check()


@every_editor
async def test_a_hunk_is_accepted_and_one_rejected_from_the_menu_where_they_stand(
    tmp_path: Path, rules: type[Editor]
) -> None:
    async def choose(title: str, line: int) -> None:
        made.editor.flush()
        offered = await made.client.code_actions(made.uri("a.py"), (line, 0), (line, 0))
        chosen = next(action for action in offered if action["title"] == title)
        command = chosen if isinstance(chosen["command"], str) else chosen["command"]
        await made.client.request("workspace/executeCommand", command)

    async with world(tmp_path, rules, FILES) as made:
        await made.client.request("flux/setSettings", {"approval": "review"})
        await made.run(*steps(change("one"), change("eight")))
        made.type_line("a.py", "line four")
        await choose("Flux: accept this change", 8)
        made.check({"a.py": changed(TEXT, "eight")})
        await choose("Flux: reject this change", 0)
        made.check({"a.py": changed(TEXT, "eight")})
        assert (await made.client.command("flux.review.list"))["hunks"] == []
