"""Chats by command: gone on with, forked, said anew, kept, queued, steered, cancelled; and what is asked first."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable
from typing import Any

from tests.stories.stage import Stage, Story
from tests.stories.world import edit, steps
from tests.support.fake_editors.rules import VsCode
from tests.support.lsp_client import NO_ANSWER

SAID = "😋 e\u0301 한"
ENDLESS = {"text": "word 😋 " * 4000, "chunk": 7, "delay_s": 0.01}


async def say(on: Stage, text: str, **more: object) -> str:
    return await on.turn("flux.chat.send", {"text": text, **more})


async def present(on: Stage) -> str:
    return (await on.command("flux.chat.list"))["present"]


async def fresh(on: Stage, *answers: Any) -> None:
    await on.script(*answers)
    await on.command("flux.chat.new")


def words(on: Stage, request: int = -1) -> list[str]:
    """What the user and the model said, as the model was sent it."""
    return [word for word in ("one", "One.", "two", "Two.", "three") if f'"text": "{word} {SAID}"' in on.asked(request)]


async def a_chat_goes_on(on: Stage, name: str) -> None:
    await fresh(on, {"text": f"One. {SAID}"}, *steps(edit(name, "one = 1", "one = 2")))
    await say(on, f"one {SAID}", uri=on.made.uri(name))
    await on.sees(f"One. {SAID}")
    assert on.made.typed[name][0] in on.asked(0)  # the file as it is in the buffer
    await say(on, f"two {SAID}")
    assert words(on) == ["one", "One.", "two"]
    on.now(name, "one = 1", "one = 2")


async def a_chat_is_forked_and_a_message_said_anew(on: Stage, name: str) -> None:
    await fresh(on, *({"text": f"{word} {SAID}"} for word in ("One.", "Two.", "Three.", "Four.")))
    for word in ("one", "two"):
        await say(on, f"{word} {SAID}")
    origin = await present(on)
    forked = await on.command("flux.session.fork", message="2")
    assert (forked["origin"], forked["session"]) == (origin, await present(on))
    await say(on, f"three {SAID}")
    assert words(on) == ["one", "One.", "three"]
    await on.turn("flux.chat.send", {"text": f"two {SAID}", "replaces": "1", "session": origin})
    assert words(on) == ["two"]
    kept = await on.command("flux.session.resume", session=origin)
    assert [one["text"] for one in kept["messages"] if one["role"] == "user"] == [f"one {SAID}", f"two {SAID}"]


async def a_chat_is_renamed_found_exported_and_deleted(on: Stage, name: str) -> None:
    await fresh(on, {"text": f"One. {SAID}"})
    await say(on, f"one {SAID} zebra")
    session = await present(on)
    renamed = await on.command("flux.session.rename", session=session, title=f"Title {SAID}")
    assert renamed["title"] == f"Title {SAID}"
    found = await on.command("flux.session.search", words="zebra")
    assert [one["session"] for one in found["found"]] == [session]
    text = (await on.command("flux.session.export", session=session))["text"]
    assert [part in text for part in (f"Title {SAID}", f"one {SAID} zebra", f"One. {SAID}")] == [True] * 3
    await on.command("flux.session.delete", session=session)
    assert session not in {one["session"] for one in (await on.command("flux.chat.list"))["sessions"]}


async def a_message_waits_for_the_end_of_the_turn(on: Stage, name: str) -> None:
    first, say_yes = await begin_held(on, name, *steps(edit(name, "one = 1", "one = 2")), {"text": "Second."})
    second = on.start("flux.chat.send", {"text": f"two {SAID}", "meanwhile": "queue"})
    await waits(on, "for the turn before it")
    on.made.type(name, "def todo")
    say_yes()
    await on.ended(2, first, second)
    assert words(on, 1) == ["one"]
    assert words(on, 2) == ["one", "two"]
    await on.sees("Second.")
    await never_mind(on)
    on.now(name, "one = 1", "one = 2")


async def a_message_steers_the_turn(on: Stage, name: str) -> None:
    first, say_yes = await begin_held(on, name, *steps(edit(name, "one = 1", "one = 2")))
    second = on.start("flux.chat.send", {"text": f"two {SAID}", "meanwhile": "steer"})
    await waits(on, "to go along with the running turn")
    on.made.type(name, "def todo")
    say_yes()
    await on.ended(2, first, second)
    assert words(on, 1) == ["one", "two"]
    await never_mind(on)
    on.now(name, "one = 1", "one = 2")


async def begin_held(on: Stage, name: str, *answers: Any) -> tuple[Future[Any], Callable[[], None]]:
    """A turn that waits for the user's yes to its edit, and the yes."""
    client = on.made.client
    await client.request("flux/setSettings", {"approval": "ask"})
    await fresh(on, *answers)
    client.answers[on.question] = lambda _: NO_ANSWER
    running = on.start("flux.chat.send", {"text": f"one {SAID}", "uri": on.made.uri(name)})
    await on.until(lambda: bool(on.since(on.question)))
    [asked] = [one for one in client.messages if one.method == on.question][-1:]
    yes = {"decision": "yes"} if on.rules is VsCode else {"title": "Apply"}
    return running, lambda: client.send({"id": asked.id, "result": yes})


async def waits(on: Stage, what_for: str) -> None:
    """A message of the story waits, and its user sees it."""
    await on.until(lambda: f"waits {what_for}" in on.progress("begin"))


async def a_turn_is_cancelled_and_the_chat_goes_on(on: Stage, name: str) -> None:
    await fresh(on, ENDLESS, {"text": "Second."})
    first = on.start("flux.chat.send", {"text": f"one {SAID}"})
    await on.until(lambda: bool(on.progress("report")))  # the model was asked
    assert len((await on.command("flux.turn.cancel"))["cancelled"]) == 1
    await on.ended(1, first)
    assert on.ends()[-1].startswith("cancelled")
    await say(on, f"two {SAID}")
    await on.sees("Second.")
    assert words(on)[0] == "one"


async def a_turn_is_cancelled_at_its_progress(on: Stage, name: str) -> None:
    await fresh(on, ENDLESS)
    first = on.start("flux.chat.send", {"text": f"one {SAID}"})
    await on.until(lambda: bool(on.progress("begin")))
    on.made.client.notify("window/workDoneProgress/cancel", on.made.client.sent("window/workDoneProgress/create")[-1])
    await on.ended(1, first)
    assert on.ends()[-1].startswith("cancelled")


async def progress_says_what_happens_and_what_it_came_to(on: Stage, name: str) -> None:
    usage = {"usage": {"input_tokens": 1000, "output_tokens": 20}}
    read = {"name": "read_file", "arguments": {"path": name}}
    await fresh(on, {"tool_calls": [read, read]}, *steps(edit(name, "one = 1", "one = 2")), {**steps()[1], **usage})
    ending = await on.turn("flux.edit", {"uri": on.made.uri(name), "instruction": "Go."})
    said = on.progress("report")
    assert [f"{doing} {name}" in said for doing in ("reading", "editing", "changed")] == [True] * 3
    assert ending.startswith(f"done · unsaved: {name}")
    on.now(name, "one = 1", "one = 2")


async def ask_first(on: Stage, says: str | None) -> None:
    """From now on the user is asked before each change, and answers so; None: closes the dialogue."""
    client = on.made.client
    await client.request("flux/setSettings", {"approval": "ask"})
    picked = {"yes": "Apply", "always": "Always in This Session", "no": "Do Not", None: None}[says]
    answer = {"decision": says} if on.rules is VsCode else {"title": picked}
    client.answers[on.question] = lambda _: answer if says else None


async def never_mind(on: Stage) -> int:
    """The user is asked no longer; how often they were."""
    await on.made.client.request("flux/setSettings", {"approval": "auto"})
    del on.made.client.answers[on.question]
    return len(on.since(on.question))


async def a_user_who_is_asked_says_yes(on: Stage, name: str) -> None:
    await allowed(on, name, "yes", asked=2)


async def a_user_who_is_asked_says_always(on: Stage, name: str) -> None:
    await allowed(on, name, "always", asked=1)


async def allowed(on: Stage, name: str, says: str, *, asked: int) -> None:
    await fresh(on, *steps(edit(name, "one = 1", "one = 2")), *steps(edit(name, "one = 2", "one = 3")))
    await ask_first(on, says)
    for _ in range(2):
        await say(on, SAID, uri=on.made.uri(name))
    assert await never_mind(on) == asked
    on.now(name, "one = 1", "one = 3")


async def a_user_who_is_asked_says_no(on: Stage, name: str) -> None:
    await refused(on, name, "no")


async def a_user_who_is_asked_closes_the_dialogue(on: Stage, name: str) -> None:
    await refused(on, name, None)


async def refused(on: Stage, name: str, says: str | None) -> None:
    await fresh(on, *steps(edit(name, "one = 1", "one = 2")))
    await ask_first(on, says)
    assert "unsaved" not in await say(on, SAID, uri=on.made.uri(name))
    assert await never_mind(on) == 1
    assert any(report.startswith("refused") for report in on.progress("report"))


async def what_was_typed_stays_where_a_turn_is_taken_back(on: Stage, name: str) -> None:
    await fresh(on, *steps(edit(name, "one = 1", "one = 2"), edit(name, "'😋', ", "'한', ")))
    await say(on, SAID, uri=on.made.uri(name))
    on.made.type(name, "'한'")
    on.made.editor.flush()
    assert (await on.command("flux.turn.undo"))["unsaved"] == [name]
    on.made.type_line(name, "def todo")
    on.made.editor.flush()
    assert (await on.command("flux.turn.redo"))["unsaved"] == [name]
    on.now(name, "one = 1", "one = 2")
    on.now(name, "'😋', ", "'한', ")


STORIES: tuple[Story, ...] = (
    a_chat_goes_on,
    a_chat_is_forked_and_a_message_said_anew,
    a_chat_is_renamed_found_exported_and_deleted,
    a_message_waits_for_the_end_of_the_turn,
    a_message_steers_the_turn,
    a_turn_is_cancelled_and_the_chat_goes_on,
    a_turn_is_cancelled_at_its_progress,
    progress_says_what_happens_and_what_it_came_to,
    a_user_who_is_asked_says_yes,
    a_user_who_is_asked_says_always,
    a_user_who_is_asked_says_no,
    a_user_who_is_asked_closes_the_dialogue,
    what_was_typed_stays_where_a_turn_is_taken_back,
)
