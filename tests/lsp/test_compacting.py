"""A chat that is nearly full, over a real `flux serve`: it is summarized by itself, and nobody waits for it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.lsp_bench import Bench, bench

SUMMARY = "## Goal\nTo count."
FULL = {"text": "Three.", "usage": {"input_tokens": 13_000, "output_tokens": 10}}
"""Of a window of 20,000 so much that a summary is made for what comes next."""


STEPS = ({"text": "One."}, {"text": "Two."}, FULL, {"text": SUMMARY}, {"text": "Four."}, {"text": "Five."})


@asynccontextmanager
async def full_chat(tmp_path: Path, **options: Any) -> AsyncIterator[Bench]:
    """Before its third message, which fills the window."""
    variables = {"FLUX_PROVIDER": "scripted", "FLUX_SCRIPT": str(tmp_path / "script.json")}
    async with bench(tmp_path, *STEPS, variables={**variables, "FLUX_CONTEXT_WINDOW": "20000"}, **options) as made:
        for words in ("first", "second"):
            assert (await made.client.command("flux.context.show", {}))["rewrites"] == []
            await made.client.command("flux.chat.send", {"text": words})
        yield made


async def test_the_next_message_has_the_summary_and_it_can_be_taken_back(tmp_path: Path) -> None:
    async with full_chat(tmp_path) as made:
        await made.client.command("flux.chat.send", {"text": "third"})
        await made.client.until(lambda: bool(messages(made)))
        (told,) = messages(made)
        assert told.startswith("Flux: A summary stands for the earlier turns now · ")
        assert told.endswith(" tokens · $0.0000")
        shown = await made.client.command("flux.context.show", {})
        assert [rewrite["reason"] for rewrite in shown["rewrites"]] == ["A summary stands for the earlier turns."]
        await made.client.command("flux.chat.send", {"text": "fourth"})
        sent = json.dumps(made.requests()[-1]["messages"])
        assert "To count." in sent
        assert "One." not in sent
        await made.client.command("flux.context.compact", {"undo": True})
        await made.client.command("flux.chat.send", {"text": "fifth"})
        sent = json.dumps(made.requests()[-1]["messages"])
        assert "To count." not in sent
        assert all(word in sent for word in ("One.", "Two.", "third", "Four."))


async def test_an_editor_that_takes_events_is_told_it_by_one(tmp_path: Path) -> None:
    async with full_chat(tmp_path, options={"turnEvents": True}) as made:
        answer = await made.client.command("flux.chat.send", {"text": "third"})
        await made.client.until(lambda: made.client.events()[-1]["type"] == "summary")
        event = made.client.events()[-1]
        assert (event["text"], event["session_id"], event["turn_id"]) == (SUMMARY, answer["session"], "")
        assert event["words"].startswith("A summary stands for the earlier turns now · ")
        assert not messages(made)


async def test_it_stands_in_a_chat_that_is_a_document(tmp_path: Path) -> None:
    async with full_chat(tmp_path, buffers={"chat.md": ""}) as made:
        await made.client.command("flux.chat.openBuffer", {"uri": made.uri("chat.md")})
        made.client.editor.insert(made.uri("chat.md"), len(made.buffers()["chat.md"]), "third")
        await made.client.command("flux.chat.sendBuffer", {"uri": made.uri("chat.md")})
        await made.client.until(lambda: "To count." in made.buffers()["chat.md"])
        _, _, end = made.buffers()["chat.md"].partition("Three.")
        _, _, end = end.partition("*A summary stands for the earlier turns now · ")
        assert "tokens · $0.0000*\n\n> ## Goal\n> To count.\n\n## You\n\n<!-- Flux chat " in end
        assert not messages(made)


def messages(made: Bench) -> list[str]:
    return [one["message"] for one in made.client.sent("window/showMessage")]
