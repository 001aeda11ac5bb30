"""Stored sessions by command over a real `flux serve`, and a chat that goes from the terminal to an editor and back."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from flux.agent.session_store import SessionStore
from flux.core.messages import Text, assistant_message, user_message
from tests.support.lsp_bench import Bench, bench, edit
from tests.support.lsp_client import ResponseError
from tests.support.shell import open_shell


def store(tmp_path: Path, **talks: tuple[str, str]) -> None:
    """Stored sessions of the workspace, by id: what was asked and what was answered."""
    (tmp_path / "state").mkdir(exist_ok=True)
    kept = SessionStore(tmp_path / "state" / "sessions.db")
    for id_, (asked, answered) in talks.items():
        kept.create(id_, str(tmp_path / "workspace"))
        kept.add_message(id_, "t", user_message(asked))
        kept.add_message(id_, "t", assistant_message(Text(answered)))
    kept.close()


async def run(made: Bench, name: str, **arguments: object) -> Any:
    return await made.client.command(f"flux.session.{name}", arguments)


async def refused(made: Bench, name: str, because: str, **arguments: object) -> None:
    with pytest.raises(ResponseError, match=because):
        await run(made, name, **arguments)


TALKS = {"abc111": ("why is the sky blue?", "Rayleigh."), "abc222": ("und Größe?", "Zwölf.")}


async def test_a_session_is_found_read_renamed_written_out_and_deleted(tmp_path: Path) -> None:
    store(tmp_path, **TALKS)
    async with bench(tmp_path) as made:
        (found,) = (await run(made, "search", words="GRÖßE"))["found"]
        assert (found["session"], found["role"], found["excerpt"]) == ("abc222", "user", "und Größe?")
        resumed = await run(made, "resume", session="abc1")
        assert (resumed["session"], resumed["title"], resumed["heldBy"]) == ("abc111", "why is the sky blue?", "")
        assert resumed["messages"] == [
            {"role": "user", "text": "why is the sky blue?", "turn": "t", "isInterrupted": False},
            {"role": "assistant", "text": "Rayleigh.", "turn": "t", "isInterrupted": False},
        ]
        assert (await run(made, "rename", session="abc111", title="  The sky\nabove "))["title"] == "The sky above"
        assert (await run(made, "export", session="abc111"))["text"].startswith("# The sky above\n")
        exported = json.loads((await run(made, "export", session="abc111", format="json"))["text"])
        assert [message["role"] for message in exported["messages"]] == ["user", "assistant"]
        assert await run(made, "delete", session="abc111") == {"session": "abc111"}
        listed = await made.client.command("flux.chat.list", {})
        assert ([one["session"] for one in listed["sessions"]], listed["present"]) == (["abc222"], "")


async def test_without_a_name_the_last_one_of_the_folder_is_resumed(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        await refused(made, "resume", "There is no earlier session")
    store(tmp_path, **TALKS)
    async with bench(tmp_path) as made:
        assert (await run(made, "resume"))["session"] == "abc222"


@pytest.mark.parametrize(
    ("name", "arguments", "because"),
    [
        ("resume", {"session": "zzz"}, "The session 'zzz' is not there"),
        ("resume", {"session": "abc"}, "The session 'abc' is not unique"),
        ("resume", {"session": "%"}, "is not there"),
        ("resume", {"session": 7}, "must be"),
        ("export", {"session": "zzz"}, "is not there"),
        ("export", {}, "session"),
        ("export", {"session": "abc111", "format": "pdf"}, "There is no format 'pdf'. There are: markdown, json"),
        ("rename", {"session": "abc", "title": "x"}, "is not unique"),
        ("rename", {"session": "abc111", "title": " \n"}, "A session needs a title"),
        ("delete", {"session": "zzz"}, "is not there"),
        ("delete", {"session": "abc"}, "is not unique"),
        ("delete", {"session": "abc11"}, "its whole id is needed"),
        ("delete", {"session": ""}, "is not there"),
        ("search", {}, "words"),
    ],
)
async def test_what_makes_no_sense_is_refused_and_changes_nothing(
    served: Bench, name: str, arguments: dict[str, object], because: str
) -> None:
    await refused(served, name, because, **arguments)
    listed = (await served.client.command("flux.chat.list", {}))["sessions"]
    assert {one["session"]: one["title"] for one in listed} == {id_: asked for id_, (asked, _) in TALKS.items()}


@pytest.mark.parametrize("words", ["", "   ", '"', "NOT (", "%"])
async def test_any_words_can_be_searched_for(served: Bench, words: str) -> None:
    assert "found" in await run(served, "search", words=words)


@pytest.fixture
async def served(tmp_path: Path) -> Any:
    store(tmp_path, **TALKS)
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(bench(tmp_path))


async def test_a_session_that_another_process_has_open_is_read_and_neither_gone_on_with_nor_deleted(
    tmp_path: Path,
) -> None:
    store(tmp_path, **TALKS)
    other = SessionStore(tmp_path / "state" / "sessions.db", door="the terminal")
    other.hold("abc111")
    async with bench(tmp_path, {"text": "And on."}) as made:
        resumed = await run(made, "resume", session="abc111")
        assert resumed["heldBy"].startswith("This session is open in the terminal (process ")
        assert len(resumed["messages"]) == 2
        sent = await made.client.command("flux.chat.send", {"text": "on", "session": "abc111"})
        assert (sent["status"], "open in the terminal" in sent["error"]) == ("failed", True)
        await refused(made, "delete", "open in the terminal", session="abc111")
        assert (await run(made, "rename", session="abc111", title="x"))["title"] == "x"
        other.close()
        sent = await made.client.command("flux.chat.send", {"text": "on", "session": "abc111"})
        assert (sent["status"], sent["text"]) == ("completed", "And on.")


async def test_the_present_session_is_deleted_and_a_chat_begins_anew_and_one_at_work_is_not(tmp_path: Path) -> None:
    slow = {"text": "thinking " * 100, "chunk": 6, "delay_s": 0.02}
    async with bench(tmp_path, {"text": "One."}, {"text": "Two."}, slow, options={"turnEvents": True}) as made:
        client = made.client
        first = (await client.command("flux.chat.send", {"text": "first"}))["session"]
        assert (await client.command("flux.chat.list", {}))["present"] == first
        await run(made, "delete", session=first)
        assert (await client.command("flux.chat.list", {})) == {"sessions": [], "present": ""}
        second = (await client.command("flux.chat.send", {"text": "second"}))["session"]
        assert second != first
        _, running = client.begin_request(
            "workspace/executeCommand", {"command": "flux.chat.send", "arguments": [{"text": "third"}]}
        )
        await client.until(lambda: client.events()[-1]["type"] == "text_delta" and len(client.events()) > 12)
        await refused(made, "delete", "at work on a message", session=second)
        await client.command("flux.turn.cancel", {})
        await running
        await run(made, "delete", session=second)
        await refused(made, "resume", "is not there", session=second)


async def test_a_chat_goes_from_the_terminal_to_an_editor_and_back_with_its_undo(tmp_path: Path) -> None:
    shell = open_shell(tmp_path)
    shell.folder.rename(tmp_path / "workspace")
    shell.folder = tmp_path / "workspace"
    shell.script([{"text": "Hello from here."}])
    begun = await asyncio.to_thread(shell.flux, "-p", "I am in the terminal", "--json")
    session = begun.events()[0]["session_id"]
    change = {"text": "I edit.", "tool_calls": [edit("circle.py", "3 * r", "3.14 * r**2")]}
    buffers = {"circle.py": shell.read()}
    async with bench(tmp_path, change, {"text": "Edited."}, buffers=buffers) as made:
        resumed = await run(made, "resume", session=session[:6])
        assert [message["text"] for message in resumed["messages"]] == ["I am in the terminal", "Hello from here."]
        sent = await made.client.command("flux.chat.send", {"text": "Now in the editor."})
        assert (sent["session"], sent["paths"]) == (session, ["circle.py"])
        asked = [message["parts"][-1] for message in made.requests()[0]["messages"]]
        assert [part["text"] for part in asked] == ["I am in the terminal", "Hello from here.", "Now in the editor."]
        edited = made.buffers()["circle.py"]
        (shell.folder / "circle.py").write_bytes(edited.encode())  # the user saves
    shell.script([{"text": "Back again."}])
    back = await asyncio.to_thread(shell.flux, "-p", "Back in the terminal.", "--resume", session)
    assert (back.status, back.out) == (0, "Back again.\n")
    said = [part["text"] for message in shell.requests()[0]["messages"] for part in message["parts"] if "text" in part]
    assert [text for text in said if text in {"Now in the editor.", "Edited."}] == ["Now in the editor.", "Edited."]
    shown = await asyncio.to_thread(shell.flux, "sessions", "show", session)
    assert shown.out.index("I am in the terminal") < shown.out.index("Now in the editor.") < shown.out.index("Back in")
    shell.flux("--resume", session, stdin="/undo\n")
    assert shell.read() == buffers["circle.py"]


async def test_a_session_of_one_edit_is_not_deleted_while_it_is_at_work(tmp_path: Path) -> None:
    slow = {"text": "thinking " * 100, "chunk": 6, "delay_s": 0.02}
    made_edit = {"tool_calls": [edit("a.py", "one", "1")]}
    steps = (slow | made_edit, {"text": "Done."}, {"text": "Hello."})
    async with bench(tmp_path, *steps, buffers={"a.py": "one\n"}, options={"turnEvents": True}) as made:
        client = made.client
        arguments = {"uri": made.uri("a.py"), "instruction": "Use a digit."}
        _, running = client.begin_request(
            "workspace/executeCommand", {"command": "flux.edit", "arguments": [arguments]}
        )
        await client.until(lambda: len(client.events()) > 5)
        session = client.events()[0]["session_id"]
        await refused(made, "delete", "at work on a message", session=session)
        assert (await running)["status"] == "completed"
        assert made.buffers()["a.py"] == "1\n"
        sent = await client.command("flux.chat.send", {"text": "hi"})
        assert (await run(made, "delete", session=session), sent["status"]) == ({"session": session}, "completed")


async def test_of_a_deleted_session_not_a_part_of_a_word_is_left_in_the_files(tmp_path: Path) -> None:
    others = {f"abc{number}": (f"number {number} is known", "Yes.") for number in range(300, 330)}
    store(tmp_path, secret1=("what is ☃☂☁♞♛ called?", "☃☂☁♞♛ it is."), **others)
    words = [word.encode() for word in ("☃☂☁", "☂☁♞", "☁♞♛", "♞♛")]
    async with bench(tmp_path) as made:
        assert len((await run(made, "search", words="☂☁♞"))["found"]) == 2
        await run(made, "delete", session="secret1")
        assert (await run(made, "search", words="☂☁♞"))["found"] == []
        assert (await run(made, "search", words="number 301"))["found"]
    left = b"".join(file.read_bytes() for file in (tmp_path / "state").rglob("*") if file.is_file())
    assert (b"number 301" in left, [word for word in words if word in left]) == (True, [])
