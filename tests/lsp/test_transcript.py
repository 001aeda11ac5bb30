"""A chat by command in an editor without `flux/turnEvent`: it stands in a document that the editor opens for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.fake_editors.texts import path_of
from tests.support.lsp_bench import Bench, bench

SLOW = {"text": "Words and more. " * 12, "chunk": 8, "delay_s": 0.02}


def opens_what_is_shown(made: Bench) -> None:
    """The editor opens the documents that it is asked to show, as real ones do."""

    def show(params: Any) -> dict[str, bool]:
        if params["uri"] not in made.client.buffers:
            made.client.open(params["uri"], path_of(params["uri"]).read_text(encoding="utf-8"))
        return {"success": True}

    made.client.answers["window/showDocument"] = show


def chat(made: Bench) -> str:
    (text,) = (buffer.text for uri, buffer in made.client.buffers.items() if "/chats/" in uri)
    return text


async def test_question_and_answer_come_into_one_document_above_the_place_to_write(tmp_path: Path) -> None:
    async with bench(tmp_path, SLOW, {"text": "Second."}, {"text": "Third."}) as made:
        opens_what_is_shown(made)
        await made.client.command("flux.chat.send", {"text": "one"})
        (uri,) = made.client.buffers
        assert f"## You\n\none\n\n## Flux\n\n{SLOW['text']}\n\n*done" in chat(made)
        await made.client.command("flux.chat.send", {"text": "two"})
        made.client.editor.insert(uri, len(chat(made)), "three")
        await made.client.command("flux.chat.sendBuffer", {"uri": uri})
        text = chat(made)
        assert [text.index(words) for words in ("one", "two", "Second.", "three", "Third.")] == sorted(
            text.index(words) for words in ("one", "two", "Second.", "three", "Third.")
        )
        assert text.count("## You") == 4
        assert path_of(uri).read_text(encoding="utf-8").count("## You") == 1  # nothing is saved


async def test_another_day_it_has_all_that_was_said_and_what_was_written_and_not_sent(tmp_path: Path) -> None:
    async with bench(tmp_path, {"text": "A"}) as made:
        session = (await made.client.command("flux.chat.send", {"text": "a"}))["session"]
    (file,) = (tmp_path / "state/chats").iterdir()
    noted = "# my notes\n\n## You\n\na\n\nto be asked again\n\n## Flux\n\n- read b.py\n\nA\n\n"
    end = f"## You\n\n<!-- Flux chat {session}: write below -->\n\na draft\n"
    file.write_text(noted + end, encoding="utf-8")
    async with bench(tmp_path, {"text": "B"}, options={"turnEvents": True}) as made:  # it shows no document
        await made.client.command("flux.chat.send", {"session": session, "text": "b"})
    async with bench(tmp_path) as made:
        opens_what_is_shown(made)
        opened = await made.client.command("flux.chat.openBuffer", {"session": session})
        assert path_of(opened["uri"]) == file
        assert chat(made) == noted + "## You\n\nb\n\n## Flux\n\nB\n\n" + end
        await made.client.command("flux.session.delete", {"session": session})
        assert not file.exists()


async def test_where_the_document_cannot_be_written_the_answer_is_shown_otherwise(tmp_path: Path) -> None:
    chats = tmp_path / "state/chats"
    chats.parent.mkdir()
    chats.write_text("no folder", encoding="utf-8")
    async with bench(tmp_path, {"text": "A"}, name="helix") as made:
        opens_what_is_shown(made)
        await made.client.command("flux.chat.send", {"text": "a"})
        await made.client.until(lambda: [one.text for one in made.client.buffers.values()] == ["A\n"])
        assert made.client.sent("window/showMessage") == []
