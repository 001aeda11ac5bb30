"""A turn cancelled at every point: after each message of the server, in each editor. It is whole, and told."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from flux.lsp.quiet import LABEL
from tests.stories.test_stories import FILES, TEXT, change, changed, every_editor
from tests.stories.world import Turn, World, edit, steps, world
from tests.support.fake_editors.rules import Editor, Eglot
from tests.support.lsp_client import NO_ANSWER, Message

SILENT_S = 0.1


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


@every_editor
async def test_an_edit_that_is_answered_after_its_turn_was_cancelled_is_taken_back(
    tmp_path: Path, rules: type[Editor]
) -> None:
    """The editor's user may look at an edit for long. Nobody waits for that, and it is told that it is not known."""
    async with world(tmp_path, rules, FILES, opened=list(FILES)) as made:
        client = made.client
        held: list[Message] = []
        took_s: list[float] = []

        def answer(params: Any) -> Any:
            return client._answer({"method": "workspace/applyEdit", "params": params})

        def hold(params: Any) -> Any:
            if params["label"] == LABEL:
                return answer(params)
            held.append(client.messages[-1])
            return NO_ANSWER

        for word in ("one", "two", "three"):  # the best time of three, on a machine that is busy
            client.answers["workspace/applyEdit"] = hold
            begun = await made.begin(*steps(change("four"), change("two", "b.py")))
            await client.until(lambda: bool(held))
            del client.answers["workspace/applyEdit"]
            cancelled_s = time.perf_counter()
            await client.command("flux.turn.cancel", {})
            turn = await made.finish(begun)
            took_s.append(time.perf_counter() - cancelled_s)
            assert (turn.status, turn.unsaved) == ("cancelled", [])
            assert "has not answered the change of a.py" in client.sent("window/showMessage")[-1]["message"]
            # Until it answers, what it does is not known: no other edit goes there, and elsewhere all is as ever.
            refusals = (await made.run(*steps(change("one"), edit("c.py", f"line {word}", word)))).refusals()
            assert len(refusals) == 2
            assert all("has not answered an earlier change of a.py" in refusal for refusal in refusals)
            assert (await made.run(*steps(edit("c.py", f"line {word}", word)))).unsaved == ["c.py"]
            late = held.pop()
            answered = answer(late.params)
            # Of typing Emacs tells so late that nobody knows on which text it made the edit.
            is_unclear = rules is Eglot and word == "three"
            if is_unclear or rules is not Eglot:
                made.type("a.py", "line five")
            made.editor.flush()
            client.send({"id": late.id, "result": answered})
            told = "the editor made a change in a.py (line 4" if is_unclear else "after you had cancelled"
            await client.until(lambda told=told: told in client.sent("window/showMessage")[-1]["message"])
            if not is_unclear:
                made.check({"c.py": TEXT.replace("line ", "", len(took_s))})
        assert min(took_s) < SILENT_S, took_s
