"""Undo, redo and checkpoints by command, over a real `flux serve`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support.lsp_bench import Bench, bench, edit
from tests.support.lsp_client import NO_ANSWER, ResponseError

TEXT = "".join(f"{n}\n" for n in range(1, 11))
STEPS = [
    {"tool_calls": [edit("a.py", "2\n", "two\n"), edit("a.py", "9\n", "nine\n")]},
    {"text": "Done."},
    {"tool_calls": [edit("a.py", "5\n", "five\n")]},
    {"text": "Done."},
]


def text(**changed: str) -> str:
    return "".join(changed.get(f"_{n}", str(n)) + "\n" for n in range(1, 11))


async def two_turns(made: Bench) -> list[str]:
    """Each in a session of its own; their ids."""
    ask = {"uri": made.uri("a.py"), "instruction": "Go."}
    return [(await made.client.command("flux.edit", ask))["turn"] for _ in range(2)]


async def check(made: Bench, command: str, arguments: dict[str, Any], after: str) -> None:
    result = await made.client.command(command, arguments)
    assert (result["paths"], result["unsaved"], result["refused"]) == (["a.py"], ["a.py"], [])
    assert made.buffers() == {"a.py": after}


async def test_there_and_back_over_sessions_and_checkpoints(tmp_path: Path) -> None:
    async with bench(tmp_path, *STEPS, buffers={"a.py": TEXT}) as made:
        first, second = await two_turns(made)
        await check(made, "flux.turn.undo", {}, text(_2="two", _9="nine"))
        await check(made, "flux.turn.undo", {}, TEXT)
        await check(made, "flux.turn.redo", {}, text(_2="two", _9="nine"))
        point = await made.client.command("flux.checkpoint.set", {"name": "good"})
        assert (point["name"], point["number"]) == ("good", 3)
        await check(made, "flux.turn.redo", {}, text(_2="two", _9="nine", _5="five"))
        await check(made, "flux.checkpoint.restore", {"checkpoint": "good"}, text(_2="two", _9="nine"))
        await check(made, "flux.checkpoint.restore", {"checkpoint": first}, TEXT)
        listed = (await made.client.command("flux.checkpoint.list", {}))["checkpoints"]
        assert [(point["checkpoint"], point["turn"]) for point in listed] == [
            (first, first),
            (second, second),
            ("good", ""),
        ]
        with pytest.raises(ResponseError, match="Did you mean good"):
            await made.client.command("flux.checkpoint.restore", {"checkpoint": "goood"})
        with pytest.raises(ResponseError, match="`partial` must be true or false"):
            await made.client.command("flux.turn.undo", {"partial": "yes"})


async def test_a_point_that_is_named_while_an_undo_goes_is_the_one_behind_it(tmp_path: Path) -> None:
    async with bench(tmp_path, *STEPS, buffers={"a.py": TEXT}) as made:
        await two_turns(made)
        for name, given in (("flux.turn.undo", {}), ("flux.checkpoint.set", {"name": "then"})):
            params = {"command": name, "arguments": [given]}
            _, answered = made.client.begin_request("workspace/executeCommand", params)
        async with asyncio.timeout(15):
            await answered
        then = text(_2="two", _9="nine")
        assert made.buffers() == {"a.py": then}
        await check(made, "flux.turn.redo", {}, text(_2="two", _9="nine", _5="five"))
        await check(made, "flux.checkpoint.restore", {"checkpoint": "then"}, then)


@pytest.mark.parametrize("says_yes", [True, False])
async def test_what_the_user_changed_is_named_and_the_rest_goes_on_a_yes(tmp_path: Path, says_yes: bool) -> None:
    async with bench(tmp_path, *STEPS, buffers={"a.py": TEXT}) as made:
        await two_turns(made)
        await made.client.command("flux.turn.undo", {})
        made.client.type(made.uri("a.py"), 8, 4, " is mine")
        made.client.editor.says_yes = says_yes
        if says_yes:
            result = await made.client.command("flux.turn.undo", {})
            (refused,) = result["refused"]
            assert (refused["path"], refused["line"]) == ("a.py", 9)
            assert "-nine\n+9\n" in refused["diff"]
        else:
            with pytest.raises(ResponseError, match=r"a\.py line 9: the text there has changed since"):
                await made.client.command("flux.turn.undo", {})
        asked = made.client.sent("window/showMessageRequest")[-1]
        assert "a.py line 9" in asked["message"]
        assert made.buffers() == {"a.py": text(_9="nine is mine", **({} if says_yes else {"_2": "two"}))}


async def test_by_argument_the_rest_goes_or_stays_unasked(tmp_path: Path) -> None:
    async with bench(tmp_path, *STEPS, buffers={"a.py": TEXT}) as made:
        first, _ = await two_turns(made)
        made.client.type(made.uri("a.py"), 8, 4, " is mine")
        with pytest.raises(ResponseError, match="cannot be taken back"):
            await made.client.command("flux.turn.undo", {"turn": first, "partial": False})
        await made.client.command("flux.turn.undo", {"turn": first, "partial": True})
        assert made.buffers() == {"a.py": text(_5="five", _9="nine is mine")}
        assert made.client.sent("window/showMessageRequest") == []


async def test_after_a_restart_of_the_server_all_of_it_is_still_there(tmp_path: Path) -> None:
    async with bench(tmp_path, *STEPS, buffers={"a.py": TEXT}) as made:
        await two_turns(made)
        await made.client.command("flux.turn.undo", {})
    saved = text(_2="two", _9="nine")
    async with bench(tmp_path, buffers={"a.py": saved}) as made:
        await check(made, "flux.turn.redo", {}, text(_2="two", _9="nine", _5="five"))
        await check(made, "flux.checkpoint.restore", {"checkpoint": "1"}, TEXT)


@pytest.mark.parametrize("is_made", [True, False])
async def test_a_change_that_a_killed_turn_had_sent_is_taken_back_without_its_session(
    tmp_path: Path, is_made: bool
) -> None:
    async with bench(tmp_path, *STEPS, buffers={"a.py": TEXT}) as made:
        made.client.answers["workspace/applyEdit"] = lambda _: NO_ANSWER
        ask = {"uri": made.uri("a.py"), "instruction": "Go."}
        _, running = made.client.begin_request("workspace/executeCommand", {"command": "flux.edit", "arguments": [ask]})
        await made.client.until(lambda: made.client.sent("workspace/applyEdit") != [])
        made.client.process.kill()
        with pytest.raises(ConnectionError):
            await running
    left = text(_2="two", _9="nine") if is_made else TEXT
    async with bench(tmp_path, buffers={"a.py": left}) as made:
        if is_made:
            await check(made, "flux.turn.undo", {}, TEXT)
            told = made.client.sent("window/showMessage")[-1]["message"]
            assert "Flux ended in the middle of the last turn" in told
            assert "It was changed before that: a.py." in told
            await check(made, "flux.turn.redo", {}, left)
        else:
            with pytest.raises(ResponseError, match="There is no change of Flux to take back"):
                await made.client.command("flux.turn.undo", {})
            assert made.buffers() == {"a.py": TEXT}


async def test_an_undo_right_at_the_end_of_a_turn_is_not_too_early_and_one_in_it_is_refused(tmp_path: Path) -> None:
    slow = {"text": "thinking " * 100, "chunk": 6, "delay_s": 0.02}
    async with bench(tmp_path, *STEPS, slow, buffers={"a.py": TEXT}, options={"turnEvents": True}) as made:
        chat = {"text": "Go.", "uri": made.uri("a.py")}
        client = made.client
        _, running = client.begin_request(
            "workspace/executeCommand", {"command": "flux.chat.send", "arguments": [chat]}
        )
        await client.until(lambda: any(event["type"] == "turn_end" for event in client.events()))
        await client.command("flux.turn.undo", {})
        assert made.buffers() == {"a.py": TEXT}
        await running
        await client.command("flux.chat.send", chat)
        _, running = client.begin_request(
            "workspace/executeCommand", {"command": "flux.chat.send", "arguments": [chat]}
        )
        await client.until(lambda: client.events()[-1]["type"] == "text_delta")
        with pytest.raises(ResponseError, match="A turn is at work on these changes"):
            await client.command("flux.turn.undo", {})
        await client.command("flux.turn.cancel", {})
        await running
