"""Documents that an editor asks the server for: a transcript, and what would be sent next. Over a real `flux serve`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lsp.test_review import WITH_CONTENT
from tests.support.lsp_bench import bench
from tests.support.lsp_client import ResponseError


async def test_a_transcript_and_the_next_prompt_are_documents_that_are_kept_up_to_date(tmp_path: Path) -> None:
    steps = ({"text": "First answer."}, {"text": "Second answer."})
    async with bench(tmp_path, *steps, capabilities=WITH_CONTENT) as made:
        client = made.client

        async def text(uri: str) -> str:
            return (await client.request("workspace/textDocumentContent", {"uri": uri}))["text"]

        session = (await client.command("flux.chat.send", {"text": "One question."}))["session"]
        assert client.sent("workspace/textDocumentContent/refresh") == []  # nothing is shown yet
        transcript = f"flux:/chat/{session}.md"
        assert "First answer." in await text(transcript)
        shown = await client.command("flux.context.show", {})
        assert await text("flux:/prompt.txt") == shown["text"]
        await client.command("flux.chat.send", {"text": "And more?"})
        await client.until(lambda: len(client.sent("workspace/textDocumentContent/refresh")) == 2)
        assert client.sent("workspace/textDocumentContent/refresh") == [
            {"uri": transcript},
            {"uri": "flux:/prompt.txt"},
        ]
        assert "Second answer." in await text(transcript)
        for wrong in ("flux:/nothing", "flux:/chat/nobody.md", "file:///etc/hosts"):
            with pytest.raises(ResponseError):
                await text(wrong)
