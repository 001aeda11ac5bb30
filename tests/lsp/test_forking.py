"""Going on from an earlier message by command, and sessions that are at work side by side. Over a real `flux serve`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.support.lsp_bench import Bench, bench, edit

TEXT = "one\ntwo\nthree\n"


async def say(made: Bench, text: str, **more: object) -> Any:
    return await made.client.command("flux.chat.send", {"text": text, **more})


async def test_a_session_goes_on_from_before_a_message_and_its_changes_go_back_by_its_turns(tmp_path: Path) -> None:
    steps = [{"text": "A"}, {"tool_calls": [edit("a.py", "two", "2")]}, {"text": "Edited."}, {"text": "B2"}]
    async with bench(tmp_path, *steps, buffers={"a.py": TEXT}) as made:
        first = await say(made, "a")
        turn = await say(made, "edit it")
        forked = await made.client.command("flux.session.fork", {"message": "2"})
        assert (forked["origin"], forked["changed"], forked["turns"]) == (first["session"], ["a.py"], [turn["turn"]])
        assert [one["text"] for one in forked["messages"]] == ["a", "A"]
        assert "stays: a.py" in forked["notice"]
        assert made.buffers() == {"a.py": "one\n2\nthree\n"}
        for each in forked["turns"]:
            await made.client.command("flux.turn.undo", {"turn": each})
        assert made.buffers() == {"a.py": TEXT}
        assert (await say(made, "b2"))["session"] == forked["session"]
        assert len(made.requests()[-1]["messages"]) == 3
        listed = await made.client.command("flux.chat.list", {})
        assert {one["session"]: one["title"] for one in listed["sessions"]} == {
            first["session"]: "a",
            forked["session"]: "b2",
        }


async def test_an_earlier_message_is_edited_in_one_command(tmp_path: Path) -> None:
    async with bench(tmp_path, *({"text": text} for text in ("A", "B", "B2"))) as made:
        first = await say(made, "a")
        second = await say(made, "b")
        edited = await say(made, "b2", replaces=second["turn"])
        assert (edited["text"], edited["session"] != first["session"]) == ("B2", True)
        said = [part["text"] for message in made.requests()[-1]["messages"] for part in message["parts"][-1:]]
        assert said == ["a", "A", "b2"]
        resumed = await made.client.command("flux.session.resume", {"session": first["session"]})
        assert [one["text"] for one in resumed["messages"]] == ["a", "A", "b", "B"]


async def test_two_sessions_work_at_a_time_on_one_file(tmp_path: Path) -> None:
    """Their events carry their session, and their edits come one after the other."""
    slow = {"chunk": 4, "delay_s": 0.01}
    steps = [
        {"text": "I change it. " * 8, "tool_calls": [edit("a.py", "one", "1")], **slow},
        {"text": "So do I now. " * 8, "tool_calls": [edit("a.py", "three", "3")], **slow},
        *({"text": "Done."} for _ in range(2)),
    ]
    async with bench(tmp_path, *steps, buffers={"a.py": TEXT}, options={"turnEvents": True}) as made:
        ids = [(await made.client.command("flux.chat.new", {}))["session"] for _ in range(2)]
        turns = await asyncio.gather(*(say(made, "Go.", session=id_, uri=made.uri("a.py")) for id_ in ids))
        assert [turn["session"] for turn in turns] == ids
        assert [turn["status"] for turn in turns] == ["completed", "completed"]
        assert made.buffers() == {"a.py": "1\ntwo\n3\n"}
        events = made.client.events()
        assert [{e["turn_id"] for e in events if e["session_id"] == t["session"]} for t in turns] == [
            {turn["turn"]} for turn in turns
        ]
        ends = [at for at, event in enumerate(events) if event["type"] == "turn_end"]
        starts = [at for at, event in enumerate(events) if event["type"] == "turn_start"]
        assert max(starts) < min(ends)


async def test_one_of_two_sessions_is_cancelled_alone(tmp_path: Path) -> None:
    slow = {"text": "thinking about it " * 50, "chunk": 6, "delay_s": 0.02}
    async with bench(tmp_path, slow, slow, options={"turnEvents": True}) as made:
        ids = [(await made.client.command("flux.chat.new", {}))["session"] for _ in range(2)]
        running = [asyncio.create_task(say(made, "Go.", session=id_)) for id_ in ids]
        await made.client.until(lambda: {e["session_id"] for e in made.client.events()} == set(ids))
        cancelled = await made.client.command("flux.turn.cancel", {"session": ids[0]})
        assert len(cancelled["cancelled"]) == 1
        assert (await running[0])["status"] == "cancelled"
        assert not running[1].done()
        await made.client.command("flux.turn.cancel", {})
        assert (await running[1])["status"] == "cancelled"
