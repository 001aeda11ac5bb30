"""Work-done progress over a real `flux serve`: what a user sees who has nothing else, and what is not sent."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

from lsprotocol import types

from flux.agent.events import Retrying, TextStreamed
from flux.lsp.editor import LspEditor
from flux.lsp.progress import ProgressReporter, doing
from tests.support.fault_server import fault_server
from tests.support.lsp_bench import Bench, bench, edit, tool, without
from tests.support.lsp_client import CAPABILITIES
from tests.support.virtual_time import run_in_virtual_time

FILES = {"a.py": "one\n", "b.py": "two\n", "c.py": "three\n"}
SCRIPT = (
    {"tool_calls": [tool("read_file", path=name) for name in FILES]},
    {"tool_calls": [edit("b.py", "two", "2")]},
    {"text": "Done.", "usage": {"input_tokens": 1000, "output_tokens": 20}},
)


def told(made: Bench) -> list[dict[str, Any]]:
    return [params["value"] for params in made.client.sent("$/progress")]


async def test_it_says_what_happens_and_at_the_end_what_it_came_to(tmp_path: Path) -> None:
    settings = {"settings": {"approval": "auto"}}
    async with bench(tmp_path, *SCRIPT, disk=FILES, buffers={"b.py": "two\n"}, options=settings) as made:
        result = await made.client.command("flux.chat.send", {"text": "Hi."})
        assert result["status"] == "completed", result
        begin, *reports, end = told(made)
        assert (begin["kind"], begin["title"], begin["cancellable"]) == ("begin", "Flux: chat", True)
        messages = [report["message"] for report in reports]
        for words in ("reading 3 files", "editing b.py", "changed b.py"):
            assert any(words in message for message in messages), messages
        assert [report["kind"] for report in reports] == ["report"] * len(reports)
        assert end["kind"] == "end"
        for words in ("done", "unsaved: b.py", "1,020 tokens", "$0.0000"):
            assert words in end["message"], end
        tokens = {params["token"] for params in made.client.sent("$/progress")}
        assert tokens == {params["token"] for params in made.client.sent("window/workDoneProgress/create")}


async def test_an_editor_without_progress_gets_none_but_for_a_request_that_brings_its_token(tmp_path: Path) -> None:
    silent = without(CAPABILITIES, "window", "workDoneProgress")
    async with bench(tmp_path, {"text": "One."}, {"text": "Two."}, capabilities=silent) as made:
        await made.client.command("flux.chat.send", {"text": "Hi."})
        assert made.client.sent("window/workDoneProgress/create") == []
        assert told(made) == []
        params = {"command": "flux.chat.send", "arguments": [{"text": "And?"}], "workDoneToken": "mine"}
        await made.client.request("workspace/executeCommand", params)
        assert {params["token"] for params in made.client.sent("$/progress")} == {"mine"}


def test_what_runs_side_by_side_is_said_in_few_words() -> None:
    assert doing(["edit b.py"]) == doing(["edit b.py", "edit b.py"]) == "editing b.py"
    assert doing(["read a.py", "read b.py, c.py"]) == "reading 3 files"
    assert doing(["read a.py", "search 'x'"]) == "2 calls: reading, searching for"
    assert doing(["git status"]) == "git status"


async def test_it_says_that_a_request_is_tried_again_and_when_and_is_cancelled_meanwhile(tmp_path: Path) -> None:
    async with fault_server() as service:
        settings = {"provider": "work", "providers": {"work": {"base_url": f"{service.base_url}/v1", "model": "rate"}}}
        async with bench(tmp_path, variables={}, options={"settings": settings}) as made:
            running = asyncio.ensure_future(made.client.command("flux.chat.send", {"text": "Hi."}))
            for left_s in (7, 6):
                await made.client.until(lambda words=f"retry in {left_s} s": any(words in str(v) for v in told(made)))
            token = made.client.sent("$/progress")[0]["token"]
            made.client.notify("window/workDoneProgress/cancel", {"token": token})
            assert (await running)["status"] == "cancelled"
            assert told(made)[-1]["message"].startswith("cancelled")


class Telling:
    """An editor that takes what is told of progress."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def report_progress(self, token: object, value: types.WorkDoneProgressReport) -> None:
        self.told.append(value.message or "")


def test_the_seconds_of_a_wait_are_counted_down_to_its_end_or_to_what_comes_first() -> None:
    editor = Telling()
    reporter = ProgressReporter(cast("LspEditor", editor), "t", "Flux: chat", lambda: "done")

    async def wait() -> None:
        reporter.show(Retrying("rate limited", 3.2, 2))
        await asyncio.sleep(10)
        reporter.show(Retrying("overloaded", 8.0, 3))
        await asyncio.sleep(2.5)
        reporter.show(TextStreamed("One."))
        await asyncio.sleep(10)
        reporter.show(Retrying("overloaded", 2.0, 2))
        reporter.end()
        await asyncio.sleep(10)

    run_in_virtual_time(wait())
    limited = [f"rate limited: retry in {left_s} s" for left_s in (3, 2, 1)]
    overloaded = [f"overloaded: retry in {left_s} s" for left_s in (8, 7, 6)]
    overloaded += ["writing (4 characters)", "overloaded: retry in 2 s"]
    assert editor.told == [*limited, "rate limited: trying again", *overloaded, "done"]
