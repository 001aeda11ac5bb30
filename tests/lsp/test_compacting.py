"""A chat that is nearly full, over a real `flux serve`: it is summarized by itself, and nobody waits for it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.lsp_bench import bench

SUMMARY = "## Goal\nTo count."
FULL = {"text": "Three.", "usage": {"input_tokens": 13_000, "output_tokens": 10}}
"""Of a window of 20,000 so much that a summary is made for what comes next."""


async def test_the_next_message_has_the_summary_and_it_can_be_taken_back(tmp_path: Path) -> None:
    variables = {"FLUX_PROVIDER": "scripted", "FLUX_SCRIPT": str(tmp_path / "script.json")}
    steps = [{"text": "One."}, {"text": "Two."}, FULL, {"text": SUMMARY}, {"text": "Four."}, {"text": "Five."}]
    async with bench(tmp_path, *steps, variables={**variables, "FLUX_CONTEXT_WINDOW": "20000"}) as made:
        for words in ("first", "second", "third"):
            assert (await made.client.command("flux.context.show", {}))["rewrites"] == []
            await made.client.command("flux.chat.send", {"text": words})
        logged = "window/logMessage"
        await made.client.until(lambda: any("were summarized" in one["message"] for one in made.client.sent(logged)))
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
