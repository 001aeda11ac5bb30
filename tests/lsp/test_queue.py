"""Messages that are sent while a turn runs, by command: queued, steered, taken back. Over a real `flux serve`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.lsp_bench import Bench, Step, bench, edit
from tests.support.lsp_client import NO_ANSWER, ResponseError

CREATE = "window/workDoneProgress/create"
QUESTION = "window/showMessageRequest"
HELD = {"text": "I change it.", "tool_calls": [edit("a.py", "3", "4")]}


@asynccontextmanager
async def held(tmp_path: Path, *steps: Step, **options: Any) -> AsyncIterator[Bench]:
    """The first turn waits for a yes to its edit until `go_on`, however slow the machine is."""
    given = {"settings": {"approval": "ask"}, **options}
    answers = {QUESTION: lambda _: NO_ANSWER}
    async with bench(tmp_path, HELD, *steps, buffers={"a.py": "3\n"}, options=given, answers=answers) as made:
        yield made


async def is_held(made: Bench) -> None:
    await made.client.until(lambda: bool(made.client.sent(QUESTION)))


def go_on(made: Bench) -> None:
    [question] = [message for message in made.client.messages if message.method == QUESTION]
    made.client.send({"id": question.id, "result": question.params["actions"][0]})


def say(made: Bench, text: str, **more: object) -> asyncio.Future[Any]:
    arguments = {"text": text, **more}
    params = {"command": "flux.chat.send", "arguments": [arguments]}
    return made.client.begin_request("workspace/executeCommand", params)[1]


async def is_told(made: Bench, kind: str, **values: object) -> dict[str, Any]:
    """The first event of that kind with these values, once it has come."""

    def found() -> list[dict[str, Any]]:
        return [e for e in made.client.events() if e["type"] == kind and values.items() <= e.items()]

    await made.client.until(lambda: bool(found()))
    return found()[0]


def asked(made: Bench) -> list[str]:
    messages = made.requests()[-1]["messages"]
    return [message["parts"][-1]["text"] for message in messages if message["role"] == "user"]


async def test_a_queued_message_has_its_turn_and_a_steered_one_is_taken_along(tmp_path: Path) -> None:
    async with held(tmp_path, {"text": "As you say."}, {"text": "C"}, turnEvents=True) as made:
        first = say(made, "a")
        await is_held(made)
        steered, queued = say(made, "rather b", meanwhile="steer"), say(made, "c", meanwhile="queue")
        await is_told(made, "queue", text="rather b")
        waiting = await is_told(made, "queue", text="c")
        with pytest.raises(ResponseError, match="at work on another message"):
            await made.client.command("flux.chat.send", {"text": "d"})
        go_on(made)
        results = await asyncio.gather(first, steered, queued)
        assert [each["status"] for each in results] == ["completed", "steered", "completed"]
        assert asked(made) == ["a", "rather b", "c"]
        taken = await is_told(made, "queue", state="steered")
        assert (taken["turn_id"], taken["text"]) == (results[0]["turn"], "rather b")
        started = await is_told(made, "turn_start", turn_id=results[2]["turn"])
        assert started["message_id"] == waiting["message_id"]


async def test_each_progress_that_is_made_begins_and_ends_also_where_messages_are_steered_queued_or_taken_back(
    tmp_path: Path,
) -> None:
    async with held(tmp_path, {"text": "As you say."}, {"text": "C"}, turnEvents=True) as made:
        client = made.client
        first = say(made, "a")
        await is_held(made)
        waiting: list[asyncio.Future[Any]] = []
        for text, meanwhile in (("b", "steer"), ("c", "queue"), ("d", "queue"), ("e", "queue")):
            waiting.append(say(made, text, meanwhile=meanwhile))
            await is_told(made, "queue", text=text)
        await client.command("flux.chat.withdraw", {})
        # The button beside what waits takes the message back.
        client.notify("window/workDoneProgress/cancel", client.sent(CREATE)[3])
        await is_told(made, "queue", text="d", state="withdrawn")
        go_on(made)
        results = await asyncio.gather(first, *waiting)
        assert [each["status"] for each in results] == ["completed", "steered", "completed", "withdrawn", "withdrawn"]
        kinds: dict[str, list[str]] = {made["token"]: [] for made in client.sent(CREATE)}
        for told in client.sent("$/progress"):
            kinds[told["token"]].append(told["value"]["kind"])
        assert [(each[:1], each[-1:]) for each in kinds.values()] == [(["begin"], ["end"])] * 5


async def test_two_first_messages_at_once_are_of_one_session(tmp_path: Path) -> None:
    async with bench(tmp_path, {"text": "A"}, {"text": "B"}) as made:
        results = await asyncio.gather(*(say(made, text, meanwhile="queue") for text in ("a", "b")))
        assert [each["status"] for each in results] == ["completed"] * 2
        assert len({each["session"] for each in results}) == 1
        assert asked(made) == ["a", "b"]


async def test_what_waits_is_taken_back_by_id_by_nothing_and_by_the_request_itself(tmp_path: Path) -> None:
    async with held(tmp_path, {"text": "A"}, {"text": "C"}, {"text": "E"}, turnEvents=True) as made:
        first = say(made, "a")
        await is_held(made)
        one, two = (say(made, text, meanwhile="queue") for text in ("b", "c"))
        waiting = await is_told(made, "queue", text="b")
        await is_told(made, "queue", text="c")
        params = {"command": "flux.chat.send", "arguments": [{"text": "d", "meanwhile": "queue"}]}
        request_id, three = made.client.begin_request("workspace/executeCommand", params)
        four = say(made, "e", meanwhile="queue")
        await is_told(made, "queue", text="e")
        by_id = {"message": waiting["message_id"]}
        assert await made.client.command("flux.chat.withdraw", by_id) == {"text": "b"}
        made.client.notify("$/cancelRequest", {"id": request_id})
        with pytest.raises(ResponseError, match="cancelled"):
            await asyncio.wait_for(three, 5)
        assert (await asyncio.wait_for(one, 5))["status"] == "withdrawn"
        go_on(made)
        assert [(await each)["text"] for each in (first, two, four)] == ["I change it.\n\nA", "C", "E"]
        with pytest.raises(ResponseError, match="No such message waits"):
            await made.client.command("flux.chat.withdraw", by_id)


async def test_who_sees_no_events_is_told_what_was_not_sent(tmp_path: Path) -> None:
    async with held(tmp_path) as made:
        first = say(made, "a")
        await is_held(made)
        waiting = say(made, "and b", meanwhile="queue")
        await made.client.command("flux.chat.list", {})
        assert len((await made.client.command("flux.turn.cancel", {}))["cancelled"]) == 1
        assert [each["status"] for each in await asyncio.gather(first, waiting)] == ["cancelled", "returned"]
        shown = [each["message"] for each in made.client.sent("window/showMessage")]
        assert shown == ["Flux: not sent, as the turn before it came to no end: and b"]


async def test_a_word_that_is_none_is_refused_by_name(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        with pytest.raises(ResponseError, match="`meanwhile` is one of refuse, queue, steer, not 'later'"):
            await made.client.command("flux.chat.send", {"text": "a", "meanwhile": "later"})
