"""A chat in a document, in each of the five editors: what the user types meanwhile, above and below, stays as typed."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types

from tests.stories.test_stories import TEXT, change, changed, every_editor
from tests.stories.world import World, steps, world
from tests.support.fake_editors.rules import Editor, Eglot, Helix
from tests.support.lsp_client import BOUND_S, ResponseError

SLOW = {"text": "Words 😋 é and more. " * 12, "chunk": 8, "delay_s": 0.04}
COMMENT = re.compile(r"<!-- Flux chat \w+: .* -->")


async def opened(made: World) -> None:
    """The empty chat.md is a chat now."""
    made.editor.flush()
    await made.client.command("flux.chat.openBuffer", {"uri": made.uri("chat.md")})
    await made.client.until(lambda: COMMENT.search(made.text("chat.md")) is not None)
    await made.client.command("flux.chat.list", {})
    made.editor.flush()


async def script(made: World, *answers: Any) -> None:
    path = made.folder.parent / "chat.json"
    path.write_text(json.dumps(answers), encoding="utf-8")
    await made.client.request("flux/setSettings", {"script": str(path)})


def write(made: World, text: str) -> None:
    """What the user writes at the end."""
    made.editor.insert(made.uri("chat.md"), len(made.text("chat.md").rstrip("\r\n")), f"\n\n{text}")
    made.editor.flush()


def send(made: World) -> Any:
    params = {"command": "flux.chat.sendBuffer", "arguments": [{"uri": made.uri("chat.md")}]}
    return made.client.begin_request("workspace/executeCommand", params)[1]


async def ended(made: World, count: int = 1) -> None:
    """So many turns are over, and their last words stand in the document."""
    await made.client.until(lambda: made.text("chat.md").count("\n*done") == count)


def shown(made: World) -> str:
    """The text without what the comments and the last words of a turn say, and with line feeds."""
    text = COMMENT.sub("<!-- here -->", made.text("chat.md").replace("\r\n", "\n"))
    return re.sub(r"\*done.*\*", "*done*", text).rstrip("\n")


@every_editor
async def test_a_message_is_written_sent_and_answered_in_the_document(tmp_path: Path, rules: type[Editor]) -> None:
    async with world(tmp_path, rules, {"chat.md": ""}, opened=["chat.md"]) as made:
        await script(made, SLOW, {"text": "Second."})
        await opened(made)
        write(made, "Hello 😋\n\nthere.")
        send(made)
        await ended(made)
        write(made, "And now?")
        send(made)
        await ended(made, 2)
        answer = SLOW["text"]
        assert shown(made) == (
            f"## You\n\nHello 😋\n\nthere.\n\n## Flux\n\n{answer}\n\n*done*\n\n"
            "## You\n\nAnd now?\n\n## Flux\n\nSecond.\n\n*done*\n\n## You\n\n<!-- here -->"
        )
        assert made.editor.labels.count("Flux: chat") < len(answer) / 8 / 2  # not one for each piece
        assert made.on_disk() == {"chat.md": ""}


@every_editor
async def test_what_is_typed_while_the_answer_streams_stays_where_it_was_typed(
    tmp_path: Path, rules: type[Editor]
) -> None:
    async with world(tmp_path, rules, {"chat.md": ""}, opened=["chat.md"]) as made:
        await script(made, SLOW)
        await opened(made)
        write(made, "Hello there.")

        def type_above_and_below() -> None:
            if "## Flux" in made.text("chat.md"):
                made.type("chat.md", "there.")
                made.type_at("chat.md", len(made.text("chat.md").rstrip("\r\n")), "⟪{}⟫")

        made.editor.before_edit += [lambda: None, *[type_above_and_below] * 4]
        send(made)
        await ended(made)
        made.editor.flush()
        text = made.text("chat.md").replace("\r\n", "\n")
        marks = re.findall(r"⟪\d+⟫", text)
        assert sorted(marks) == sorted(made.typed["chat.md"])
        assert len(marks) >= 4
        bare = re.sub(r"⟪\d+⟫", "", text)
        assert f"Hello there.\n\n## Flux\n\n{SLOW['text']}\n\n*done" in bare
        assert re.search(r"## Flux\n\n[^⟪⟫]*\n\n\*done", text)
        assert made.on_disk() == {"chat.md": ""}


@every_editor
async def test_the_answer_goes_on_in_a_document_that_was_given_another_name(
    tmp_path: Path, rules: type[Editor]
) -> None:
    async with world(tmp_path, rules, {"chat.md": ""}, opened=["chat.md"]) as made:
        await script(made, SLOW)
        await opened(made)
        write(made, "Hello.")
        send(made)
        await made.client.until(lambda: "Words" in made.text("chat.md"))
        made.editor.move(made.uri("chat.md"), made.uri("talk.md"))
        await made.client.until(lambda: "\n*done" in made.text("talk.md"))
        assert f"Hello.\n\n## Flux\n\n{SLOW['text']}\n\n*done" in made.text("talk.md").replace("\r\n", "\n")
        assert made.on_disk() == {"talk.md": ""}


@every_editor
async def test_a_message_that_is_sent_while_a_turn_runs_is_answered_after_it(
    tmp_path: Path, rules: type[Editor]
) -> None:
    async with world(tmp_path, rules, {"chat.md": ""}, opened=["chat.md"]) as made:
        await script(made, SLOW, {"text": "Second."})
        await opened(made)
        write(made, "one")
        send(made)
        await made.client.until(lambda: "Words" in made.text("chat.md"))
        write(made, "two")
        send(made)
        await ended(made, 2)
        assert shown(made) == (
            f"## You\n\none\n\n## Flux\n\n{SLOW['text']}\n\n*done*\n\n"
            "## You\n\ntwo\n\n## Flux\n\nSecond.\n\n*done*\n\n## You\n\n<!-- here -->"
        )


@every_editor
async def test_an_edit_that_was_asked_for_in_the_chat_is_made_and_shown(tmp_path: Path, rules: type[Editor]) -> None:
    async with world(tmp_path, rules, {"chat.md": "", "a.py": TEXT}, opened=["a.py", "chat.md"]) as made:
        await script(made, *steps(change("four")))
        await opened(made)
        write(made, "Go.")
        send(made)
        await ended(made)
        made.editor.flush()
        text = made.text("chat.md").replace("\r\n", "\n")
        assert "- change a.py" in text or "- edit a.py" in text
        assert "~~~~diff\n" in text
        assert "unsaved: a.py" in text
        assert made.text("a.py").replace("\r\n", "\n") == changed(TEXT, "four")


@every_editor
async def test_where_the_user_removes_the_place_of_the_answer_nothing_is_put_elsewhere(
    tmp_path: Path, rules: type[Editor]
) -> None:
    async with world(tmp_path, rules, {"chat.md": ""}, opened=["chat.md"]) as made:
        await script(made, SLOW)
        await opened(made)
        write(made, "Hello")
        send(made)
        await made.client.until(lambda: "Words" in made.text("chat.md"))
        lines = made.text("chat.md").count("\n")
        whole = types.Range(types.Position(0, 0), types.Position(lines, 0))
        made.editor.change(made.uri("chat.md"), [types.TextEdit(whole, "Mine.\n")])
        made.editor.flush()
        await made.client.until(lambda: any(e["type"] == "turn_end" for e in made.client.events()))
        await made.client.command("flux.chat.list", {})
        assert made.text("chat.md").replace("\r\n", "\n").rstrip("\n") == "Mine."


@every_editor
async def test_where_nothing_is_written_nothing_is_sent(tmp_path: Path, rules: type[Editor]) -> None:
    async with world(tmp_path, rules, {"chat.md": ""}, opened=["chat.md"]) as made:
        await opened(made)
        before = made.text("chat.md")
        running = send(made)
        refused = "Nothing is written below the last heading"
        if rules in {Helix, Eglot}:  # their commands are answered at once
            await running
            await made.client.until(lambda: bool(made.client.sent("window/showMessage")))
            assert refused in made.client.sent("window/showMessage")[0]["message"]
        else:
            with pytest.raises(ResponseError, match=refused):
                await asyncio.wait_for(running, BOUND_S)
        assert made.text("chat.md") == before


@every_editor
async def test_sending_is_offered_where_something_is_written_and_chatting_where_nothing_is(
    tmp_path: Path, rules: type[Editor]
) -> None:
    async with world(tmp_path, rules, {"chat.md": "", "notes.md": "# Notes\n"}, opened=["chat.md", "notes.md"]) as made:

        async def titles_at(uri: str) -> list[str]:
            made.editor.flush()
            actions = await made.client.code_actions(uri, (0, 0), (0, 0), only=["flux.chat"])
            return [action["title"] for action in actions]

        async def titles(name: str) -> list[str]:
            return await titles_at(made.uri(name))

        made.editor.open("untitled:Untitled-1", "")
        assert await titles_at("untitled:Untitled-1") == ["Flux: chat in this document"]
        assert await titles("notes.md") == []
        assert await titles("chat.md") == ["Flux: chat in this document"]
        await opened(made)
        assert await titles("chat.md") == []
        write(made, "Hello")
        assert await titles("chat.md") == ["Flux: send this message"]


@every_editor
async def test_a_document_that_was_never_saved_holds_a_chat(tmp_path: Path, rules: type[Editor]) -> None:
    uri = "untitled:Untitled-1"
    async with world(tmp_path, rules, {"a.py": "one\n"}) as made:
        await script(made, {"text": "Here."})
        made.editor.open(uri, "")
        await made.client.command("flux.chat.openBuffer", {"uri": uri})
        await made.client.until(lambda: COMMENT.search(made.editor.as_saved(uri)) is not None)
        made.editor.flush()
        made.editor.insert(uri, len(made.editor.as_saved(uri).rstrip("\r\n")), "\n\nHello 😋")
        made.editor.flush()
        await made.client.command("flux.chat.sendBuffer", {"uri": uri})
        await made.client.until(lambda: "Hello 😋\n\n## Flux\n\nHere.\n\n*done" in made.editor.as_saved(uri))
        assert made.on_disk() == {"a.py": "one\n"}
