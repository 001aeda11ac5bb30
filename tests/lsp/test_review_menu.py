"""Accepting and rejecting where the user is: code actions and code lenses at what waits, for any editor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.lsp.test_review import FILES, LINES, REVIEW, STEPS, THREE, WITH_CONTENT, propose, waiting
from tests.support.lsp_bench import Bench, bench, edit, titles, tool, without
from tests.support.lsp_client import CAPABILITIES

WITH_LENSES = {
    **CAPABILITIES,
    "workspace": {**CAPABILITIES["workspace"], "codeLens": {"refreshSupport": True}},
    "textDocument": {**CAPABILITIES["textDocument"], "codeLens": {"dynamicRegistration": False}},
}
OF_FILE = ["Flux: accept all 2 changes of this file", "Flux: accept all 3 changes of this turn"]


async def menu(made: Bench, line: int, last: int | None = None, name: str = "a.py", **context: Any) -> Any:
    """The code actions for what waits, at lines from 0."""
    end = line if last is None else last
    offered = await made.client.code_actions(made.uri(name), (line, 0), (end, 0), **context)
    return [action for action in offered if "flux.review" in (action.get("kind") or action.get("command"))]


def rejections(accepting: list[str]) -> list[str]:
    return [title.replace("accept", "reject") for title in accepting]


async def test_what_waits_at_the_line_is_offered_and_asks_no_model(tmp_path: Path) -> None:
    async with bench(tmp_path, *STEPS, buffers=FILES, options=REVIEW) as made:
        assert await menu(made, 1) == []
        turn = (await propose(made))["turn"]
        requests = len(made.requests())
        offered = await menu(made, 1)
        accepting = ["Flux: accept this change", *OF_FILE]
        assert titles(offered) == [*accepting, *rejections(accepting)]
        assert [(action["kind"], action["command"]["arguments"]) for action in offered[:3]] == [
            ("flux.review.accept", [{"hunk": f"{turn}.1"}]),
            ("flux.review.accept", [{"file": made.uri("a.py")}]),
            ("flux.review.accept", [{"turn": turn}]),
        ]
        assert await menu(made, 4) == []
        assert len(made.requests()) == requests


async def test_a_selection_over_several_names_their_lines(tmp_path: Path) -> None:
    async with bench(tmp_path, *STEPS, buffers=FILES, options=REVIEW) as made:
        await propose(made)
        accepting = ["Flux: accept this change (line 2)", "Flux: accept this change (line 8)", *OF_FILE]
        assert titles(await menu(made, 0, 9)) == [*accepting, *rejections(accepting)]


async def test_only_the_kinds_that_are_asked_for_are_offered(tmp_path: Path) -> None:
    async with bench(tmp_path, *STEPS, buffers=FILES, options=REVIEW) as made:
        await propose(made)
        assert await menu(made, 1, only=["quickfix"]) == []
        assert {action["kind"] for action in await menu(made, 1, only=["flux.review.reject"])} == {"flux.review.reject"}
        assert len(await menu(made, 1, only=["flux"])) == 6
        assert len(await menu(made, 1, triggerKind=2)) == 6


async def test_the_menu_decides(tmp_path: Path) -> None:
    async with bench(tmp_path, *STEPS, buffers=FILES, options=REVIEW) as made:
        await propose(made)
        await made.client.run_action(await menu(made, 7), "Flux: accept this change")
        assert made.buffers() == {"a.py": LINES.replace("8", "eight"), "b.py": "b\n"}
        assert await menu(made, 7) == []
        await made.client.run_action(await menu(made, 1), "Flux: reject this change")
        await made.client.run_action(await menu(made, 0, name="b.py"), "Flux: accept this change")
        assert made.buffers() == {"a.py": LINES.replace("8", "eight"), "b.py": "B\n"}
        assert await waiting(made) == []


async def test_the_menu_follows_what_is_typed_and_stays_at_what_was_typed_over(tmp_path: Path) -> None:
    async with bench(tmp_path, *STEPS, buffers=FILES, options=REVIEW) as made:
        await propose(made)
        made.client.type(made.uri("a.py"), 0, 0, "new\nlines\n")
        assert await menu(made, 1) == []
        made.client.type(made.uri("a.py"), 3, 1, " is mine")
        offered = await menu(made, 3)
        assert "Flux: reject this change" in titles(offered)
        await made.client.run_action(offered, "Flux: accept this change")
        assert "The text at line 2 has changed" in made.client.sent("window/showMessage")[-1]["message"]
        await made.client.run_action(offered, "Flux: reject this change")
        assert await waiting(made) == ["2", "3"]


async def test_an_editor_without_code_action_objects_gets_commands(tmp_path: Path) -> None:
    plain = without(CAPABILITIES, "textDocument", "codeAction")
    async with bench(tmp_path, *STEPS, buffers=FILES, options=REVIEW, capabilities=plain) as made:
        turn = (await propose(made))["turn"]
        assert (await menu(made, 1))[0] == {
            "title": "Flux: accept this change",
            "command": "flux.review.accept",
            "arguments": [{"hunk": f"{turn}.1"}],
        }


async def test_a_new_file_is_accepted_in_the_document_that_shows_the_proposal(tmp_path: Path) -> None:
    calls = [tool("write_file", path="new.py", text="x\n"), edit("b.py", "b", "B")]
    steps = ({"tool_calls": calls}, {"text": "Done."})
    async with bench(tmp_path, *steps, buffers=FILES, options=REVIEW) as made:
        await propose(made)
        client = made.client
        await client.until(lambda: bool(client.shown()))
        uri = client.shown()[0]
        shown = Path(uri.removeprefix("file://")).read_text(encoding="utf-8")
        client.open(uri, shown)
        line = shown.splitlines().index("+++ b/new.py")
        offered = await client.code_actions(uri, (line, 0), (line, 0))
        assert titles(offered) == [
            "Flux: accept this change",
            "Flux: accept all 2 changes of this turn",
            "Flux: reject this change",
            "Flux: reject all 2 changes of this turn",
        ]
        await client.run_action(offered, "Flux: accept this change")
        assert (made.buffers()["new.py"], made.buffers()["b.py"]) == ("x\n", "b\n")
        assert await client.code_actions(uri, (line, 0), (line, 0)) == []


async def test_lenses_stand_above_what_waits_and_go_with_it(tmp_path: Path) -> None:
    async with bench(tmp_path, *STEPS, buffers=FILES, options=REVIEW, capabilities=WITH_LENSES) as made:
        client = made.client
        document = {"textDocument": {"uri": made.uri("a.py")}}
        assert await client.request("textDocument/codeLens", document) == []
        turn = (await propose(made))["turn"]
        await client.until(lambda: bool(client.sent("workspace/codeLens/refresh")))
        lenses = await client.request("textDocument/codeLens", document)
        assert [(lens["range"]["start"]["line"], lens["command"]["title"]) for lens in lenses] == [
            (1, "Flux: accept +1 -1"),
            (1, "reject"),
            (7, "Flux: accept +1 -1"),
            (7, "reject"),
        ]
        assert lenses[0]["command"]["arguments"] == [{"hunk": f"{turn}.1"}]
        await client.request("workspace/executeCommand", lenses[0]["command"])
        assert len(await client.request("textDocument/codeLens", document)) == 2
        assert len(client.sent("workspace/codeLens/refresh")) == 2


async def test_a_shown_proposal_has_lenses_too(tmp_path: Path) -> None:
    async with bench(tmp_path, THREE, *STEPS[1:], buffers=FILES, options=REVIEW, capabilities=WITH_CONTENT) as made:
        client = made.client
        turn = (await propose(made))["turn"]
        await client.until(lambda: bool(client.shown()))
        uri = f"flux:/review/{turn}.diff"
        client.open(uri, (await client.request("workspace/textDocumentContent", {"uri": uri}))["text"])
        lenses = await client.request("textDocument/codeLens", {"textDocument": {"uri": uri}})
        assert [lens["command"]["arguments"] for lens in lenses[::2]] == [
            [{"hunk": f"{turn}.{number}"}] for number in (1, 2, 3)
        ]


async def test_what_waits_of_an_earlier_day_is_offered(tmp_path: Path) -> None:
    async with bench(tmp_path, *STEPS, buffers=FILES, options=REVIEW) as made:
        await propose(made)
    async with bench(tmp_path, *STEPS, buffers=FILES) as made:
        assert len(await menu(made, 1)) == 6


@pytest.mark.parametrize("uri", ["untitled:new", "file:///elsewhere/a.py"])
async def test_elsewhere_nothing_is_offered(tmp_path: Path, uri: str) -> None:
    async with bench(tmp_path, *STEPS, buffers=FILES, options=REVIEW) as made:
        await propose(made)
        made.client.open(uri, LINES)
        assert await made.client.code_actions(uri, (1, 0), (1, 0), triggerKind=2) == []
