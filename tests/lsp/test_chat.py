"""Chat and edit commands: answers, events, cancelling, undo, typing meanwhile. Over a real `flux serve`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_editors.texts import path_of
from tests.support.lsp_bench import Bench, bench, edit
from tests.support.lsp_client import LspClient, ResponseError, lsp_range

SLOW = {"text": "thinking about it " * 200, "chunk": 6, "delay_s": 0.02}
TEXT = "one\ntwo\nthree\n"


def begin(client: LspClient, name: str, arguments: dict[str, Any]) -> tuple[int, asyncio.Future[Any]]:
    return client.begin_request("workspace/executeCommand", {"command": name, "arguments": [arguments]})


async def test_a_chat_goes_on_until_a_new_one_begins(tmp_path: Path) -> None:
    async with bench(tmp_path, *({"text": f"answer {n}"} for n in range(1, 5))) as made:
        send = made.client.command
        first = await send("flux.chat.send", {"text": "question 1"})
        second = await send("flux.chat.send", {"text": "question 2"})
        assert (first["text"], second["text"], first["session"] == second["session"]) == ("answer 1", "answer 2", True)
        new = await send("flux.chat.new", {})
        third = await send("flux.chat.send", {"text": "question 3"})
        assert (third["session"] == new["session"], third["session"] == first["session"]) == (True, False)
        again = await send("flux.chat.send", {"text": "question 4", "session": first["session"]})
        assert again["session"] == first["session"]
        assert [len(request["messages"]) for request in made.requests()] == [1, 3, 1, 5]
        listed = await send("flux.chat.list", {})
        assert [s["title"] for s in listed["sessions"]] == ["question 1", "question 3"]
        assert listed["present"] == first["session"]
        with pytest.raises(ResponseError, match="The session 'zzz' is not there"):
            await send("flux.chat.send", {"text": "x", "session": "zzz"})


async def test_a_chat_of_another_day_goes_on(tmp_path: Path) -> None:
    async with bench(tmp_path, {"text": "answer 1"}) as made:
        first = await made.client.command("flux.chat.send", {"text": "question 1"})
    async with bench(tmp_path, {"text": "answer 2"}) as made:
        arguments = {"text": "question 2", "session": first["session"]}
        second = await made.client.command("flux.chat.send", arguments)
        assert (second["session"], second["text"]) == (first["session"], "answer 2")
        assert len(made.requests()[-1]["messages"]) == 3


async def test_the_selection_goes_along(tmp_path: Path) -> None:
    async with bench(tmp_path, {"text": "Yes."}, buffers={"a.py": "# 😋\none\ntwo\n"}) as made:
        arguments = {"text": "Why?", "uri": made.uri("a.py"), "range": lsp_range((1, 0), (1, 3))}
        await made.client.command("flux.chat.send", arguments)
        assert '<selection from="a.py line 2">\none\n</selection>' in made.said()
        assert '<file from="a.py">\n# 😋\none\ntwo\n</file>' in made.said()


async def test_a_message_is_sent_also_from_a_buffer_that_is_no_file(tmp_path: Path) -> None:
    async with bench(tmp_path, {"text": "Yes."}) as made:
        result = await made.client.command("flux.chat.send", {"text": "Are you there?", "uri": "git:/a.py?HEAD"})
        assert result["text"] == "Yes."
        assert "without the current file" in made.client.sent("window/logMessage")[0]["message"]


async def test_two_folders_with_equal_names_are_kept_apart(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.py").write_text("other\n", encoding="utf-8")
    calls = [edit("workspace/a.py", "one", "1"), edit("other/a.py", "other", "2")]
    steps = [{"tool_calls": [edit("a.py", "one", "1")]}, {"text": "Hm."}, {"tool_calls": calls}, {"text": "Done."}]
    async with bench(tmp_path, *steps, disk={"a.py": "one\n"}) as made:
        added = {"added": [{"uri": other.as_uri(), "name": "other"}], "removed": []}
        made.client.notify("workspace/didChangeWorkspaceFolders", {"event": added})
        unclear = await made.client.command("flux.chat.send", {"text": "Edit a.py."})
        assert (unclear["status"], unclear["paths"]) == ("completed", [])
        clear = await made.client.command("flux.chat.send", {"text": "Edit both."})
        assert clear["unsaved"] == ["workspace/a.py", "other/a.py"]
        assert [buffer.text for buffer in made.client.buffers.values()] == ["1\n", "2\n"]


async def test_flux_edit_edits(tmp_path: Path) -> None:
    async with bench(
        tmp_path, {"tool_calls": [edit("a.py", "two", "2")]}, {"text": "Done."}, buffers={"a.py": TEXT}
    ) as made:
        result = await made.client.command("flux.edit", {"uri": made.uri("a.py"), "instruction": "Use a digit."})
        assert made.buffers() == {"a.py": "one\n2\nthree\n"}
        assert made.on_disk() == {}
        assert (result["status"], result["unsaved"], result["text"]) == ("completed", ["a.py"], "Done.")
        assert "Use a digit." in made.said(0)


async def test_events_tell_the_whole_turn_with_text_joined(tmp_path: Path) -> None:
    words = "".join(f"word{n} " for n in range(2000))
    steps = [
        {"text": words, "chunk": 5, "reasoning": "Hm.", "tool_calls": [edit("a.py", "two", "2")]},
        {"text": "Done."},
    ]
    async with bench(tmp_path, *steps, buffers={"a.py": TEXT}, options={"turnEvents": True}) as made:
        result = await made.client.command("flux.chat.send", {"text": "Go.", "uri": made.uri("a.py")})
        events = made.client.events()
        kinds = [event["type"] for event in events]
        assert {event["turn_id"] for event in events} == {result["turn"]}
        assert {event["session_id"] for event in events} == {result["session"]}
        assert (kinds[0], kinds[1], kinds[-1]) == ("turn_start", "reasoning_delta", "turn_end")
        texts = [event["text"] for event in events if event["type"] == "text_delta"]
        assert "".join(texts) == f"{words}Done."
        assert len(texts) < 200
        in_order = [kind for kind in kinds if kind in {"tool_call", "approval", "edit_applied", "tool_result"}]
        assert in_order == ["tool_call", "approval", "approval", "edit_applied", "tool_result"]
        assert made.client.sent("window/showMessage") == []


@pytest.mark.parametrize("way", ["command", "command by id", "progress", "request"])
async def test_a_turn_is_cancelled_in_each_way_and_the_chat_goes_on(tmp_path: Path, way: str) -> None:
    steps = [SLOW, {"text": "I am here."}]
    async with bench(tmp_path, *steps, options={"turnEvents": True}) as made:
        client = made.client
        request_id, running = begin(client, "flux.chat.send", {"text": "Go."})
        await client.until(lambda: any(event["type"] == "text_delta" for event in client.events()))
        turn = client.events()[0]["turn_id"]
        match way:
            case "progress":
                client.notify("window/workDoneProgress/cancel", {"token": client.sent("$/progress")[0]["token"]})
            case "request":
                client.notify("$/cancelRequest", {"id": request_id})
            case "command":
                assert await client.command("flux.turn.cancel", {}) == {"cancelled": [turn]}
            case _:
                assert await client.command("flux.turn.cancel", {"turn": "another"}) == {"cancelled": []}
                assert await client.command("flux.turn.cancel", {"turn": turn}) == {"cancelled": [turn]}
        if way == "request":
            with pytest.raises(ResponseError, match="cancelled") as error:
                await asyncio.wait_for(running, 5)
            assert error.value.code == -32800
        else:
            assert (await asyncio.wait_for(running, 5))["status"] == "cancelled"
        assert client.events()[-1]["type"] == "turn_end"
        assert client.events()[-1]["status"] == "cancelled"
        assert client.sent("$/progress")[-1]["value"] == {"kind": "end", "message": "cancelled"}
        result = await client.command("flux.chat.send", {"text": "Are you there?"})
        assert (result["status"], result["text"]) == ("completed", "I am here.")
        assert await client.command("flux.turn.cancel", {}) == {"cancelled": []}


async def test_a_second_message_meanwhile_is_refused(tmp_path: Path) -> None:
    async with bench(tmp_path, SLOW) as made:
        _, running = begin(made.client, "flux.chat.send", {"text": "Go."})
        await made.client.until(lambda: len(made.client.sent("$/progress")) > 1)
        with pytest.raises(ResponseError, match="at work on another message"):
            await made.client.command("flux.chat.send", {"text": "And?"})
        await made.client.command("flux.turn.cancel", {})
        await running


async def test_typing_during_a_turn_is_kept_and_the_edit_made_on_it(tmp_path: Path) -> None:
    steps = [{**SLOW, "text": "thinking " * 20, "tool_calls": [edit("a.py", "two", "2")]}, {"text": "Done."}]
    async with bench(tmp_path, *steps, buffers={"a.py": TEXT}) as made:
        _, running = begin(made.client, "flux.edit", {"uri": made.uri("a.py"), "instruction": "Use a digit."})
        for n in range(5):
            await made.client.until(lambda n=n: len(made.client.sent("$/progress")) > n or running.done())
            made.client.type(made.uri("a.py"), 0, 0, f"typed {n}\n")
        result = await running
        assert result["status"] == "completed"
        typed = "".join(f"typed {n}\n" for n in range(4, -1, -1))
        assert made.buffers() == {"a.py": f"{typed}one\n2\nthree\n"}


async def check_undone(made: Bench, turn: dict[str, str], *, after: str) -> None:
    result = await made.client.command("flux.turn.undo", turn)
    assert result == {"paths": ["a.py"], "unsaved": ["a.py"], "refused": []}
    assert made.buffers() == {"a.py": after}


async def test_a_turn_is_taken_back_around_what_the_user_typed_since(tmp_path: Path) -> None:
    steps = [{"tool_calls": [edit("a.py", "two", "2")]}, {"text": "Done."}, {"text": "Nothing to do."}]
    async with bench(tmp_path, *steps, buffers={"a.py": TEXT}) as made:
        first = await made.client.command("flux.edit", {"uri": made.uri("a.py"), "instruction": "Use a digit."})
        second = await made.client.command("flux.edit", {"uri": made.uri("a.py"), "instruction": "Again."})
        made.client.type(made.uri("a.py"), 0, 0, "typed\n")
        with pytest.raises(ResponseError, match="changed anything"):
            await made.client.command("flux.turn.undo", {"turn": second["turn"]})
        await check_undone(made, {"turn": first["turn"]}, after=f"typed\n{TEXT}")
        with pytest.raises(ResponseError, match="no change of Flux to take back"):
            await made.client.command("flux.turn.undo", {})


async def test_an_impatient_editor_is_answered_at_once_and_told_the_rest(tmp_path: Path) -> None:
    steps = [
        {"text": "Hm. ", "tool_calls": [edit("a.py", "two", "2")]},
        {"text": "Done."},
        {"text": "I am here."},
        {"error": {"kind": "Overloaded", "message": "Too much."}},
    ]
    async with bench(tmp_path, *steps, buffers={"a.py": TEXT}, name="Eglot") as made:
        client = made.client
        assert await client.command("flux.edit", {"uri": made.uri("a.py"), "instruction": "Use a digit."}) == {
            "status": "started"
        }
        await client.until(lambda: any(p["value"]["kind"] == "end" for p in client.sent("$/progress")))
        assert made.buffers() == {"a.py": "one\n2\nthree\n"}
        assert await client.command("flux.chat.send", {"text": "Hello?"}) == {"status": "started"}
        await client.until(lambda: bool(client.shown()))
        assert path_of(client.shown()[0]).read_text(encoding="utf-8") == "I am here.\n"
        assert await client.command("flux.chat.send", {"text": "And?"}) == {"status": "started"}
        await client.until(lambda: bool(client.sent("window/showMessage")))
        assert client.sent("window/showMessage") == [{"type": 1, "message": "Flux: Too much."}]


async def test_tokens_and_models(tmp_path: Path) -> None:
    usage = {"input_tokens": 100, "output_tokens": 10}
    async with bench(tmp_path, {"text": "Hi.", "usage": usage}, {"text": "Hi.", "usage": usage}) as made:
        first = await made.client.command("flux.chat.send", {"text": "Hi."})
        await made.client.command("flux.chat.new")
        await made.client.command("flux.chat.send", {"text": "Hi."})
        one = await made.client.command("flux.usage", {"session": first["session"]})
        both = await made.client.command("flux.usage")
        assert (one["usage"]["inputTokens"], both["usage"]["inputTokens"]) == (100, 200)
        by_session = await made.client.command("flux.usage", {"by": "session"})
        assert [(one["requests"], one["usage"]["inputTokens"]) for one in by_session["groups"]] == [(1, 100), (1, 100)]
        with pytest.raises(ResponseError, match="by day, model, provider, role, session"):
            await made.client.command("flux.usage", {"by": "week"})
        assert await made.client.command("flux.budget.show") == {"limits": []}
        models = await made.client.command("flux.model.list")
        assert (models["provider"], models["present"]) == ("scripted", "scripted")
        switch = await made.client.command("flux.model.set", {"model": "other-1"})
        assert switch == {"provider": "scripted", "model": "other-1", "notice": ""}
        assert (await made.client.command("flux.model.list"))["present"] == "other-1"


async def test_a_limit_of_money_is_shown_and_raised(tmp_path: Path) -> None:
    usage = {"input_tokens": 10_000, "output_tokens": 10}
    async with bench(tmp_path, {"text": "Hi.", "usage": usage}, options={"settings": {"budget_day": 0.25}}) as made:
        await made.client.command("flux.chat.send", {"text": "Hi."})
        (limit,) = (await made.client.command("flux.budget.show"))["limits"]
        assert (limit["period"], limit["limit"]) == ("day", 0.25)
        raised = await made.client.command("flux.budget.raise", {"period": "day", "amount": "2"})
        assert raised == {"text": "$2.00 more may be spent today."}
        (limit,) = (await made.client.command("flux.budget.show"))["limits"]
        assert limit["limit"] == 2.25
        with pytest.raises(ResponseError, match="no amount"):
            await made.client.command("flux.budget.raise", {"period": "day", "amount": "much"})


async def test_the_doctor_tells_of_provider_folders_and_editor(tmp_path: Path) -> None:
    async with bench(tmp_path, {"text": "Hi."}) as made:
        report = await made.client.command("flux.doctor")
        states = {(one["area"], one["name"]): one["state"] for one in report["findings"]}
        assert (report["healthy"], states["provider scripted", "address"], states["editor", "editor"]) == (
            True,
            "ok",
            "ok",
        )


async def test_the_doctors_report_is_a_document_in_an_editor_that_does_not_wait(tmp_path: Path) -> None:
    async with bench(tmp_path, {"text": "Hi."}, name="Eglot") as made:
        client = made.client
        assert await client.command("flux.doctor") == {"status": "started"}
        await client.until(lambda: bool(client.shown()))
        text = path_of(client.shown()[0]).read_text(encoding="utf-8")
        assert "provider scripted" in text
        assert "Eglot: it takes edits" in text
