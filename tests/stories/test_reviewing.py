"""A proposal of several hunks, of which the user rejects one: nothing is written before, and only the rest after."""

from __future__ import annotations

from pathlib import Path

from tests.stories.test_stories import FILES, TEXT, change, changed, every_editor
from tests.stories.world import steps, world
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
