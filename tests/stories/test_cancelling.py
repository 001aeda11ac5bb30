"""A turn cancelled at every point: after each message of the server, in each editor. It is whole, and told."""

from __future__ import annotations

from pathlib import Path

from tests.stories.test_stories import FILES, TEXT, change, changed, every_editor
from tests.stories.world import Turn, World, steps, world
from tests.support.fake_editors.rules import Editor
from tests.support.lsp_client import Message


async def cancelled_after(made: World, number: int) -> tuple[Turn, bool]:
    """A turn that is cancelled as soon as the server has sent so many messages; and whether it sent as many."""
    left = number

    def count(message: Message) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            made.client.begin_request("workspace/executeCommand", {"command": "flux.turn.cancel", "arguments": [{}]})

    begun = await made.begin(*steps(change("four"), change("two", "b.py")))
    made.client.watchers.append(count)
    turn = await made.finish(begun)
    made.client.watchers.remove(count)
    return turn, left <= 0


@every_editor
async def test_a_turn_cancelled_at_every_point_is_done_wholly_or_not_at_all(
    tmp_path: Path, rules: type[Editor]
) -> None:
    done = {"a.py": changed(TEXT, "four"), "b.py": changed(TEXT, "two")}
    statuses: list[str] = []
    async with world(tmp_path, rules, FILES, opened=list(FILES)) as made:
        for number in range(1, 60):
            turn, is_reached = await cancelled_after(made, number)
            statuses.append(turn.status)
            is_done = bool(turn.unsaved)
            assert turn.unsaved in ([], ["a.py", "b.py"]), number
            made.check(done if is_done else {})
            if is_done:
                await made.client.command("flux.turn.undo", {})
                made.check()
            if not is_reached:
                break
    assert statuses[-1] == "completed"
    assert statuses.count("cancelled") > 5
