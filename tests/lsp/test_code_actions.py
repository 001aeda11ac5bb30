"""Code actions, from the menu to the unsaved buffer, over a real `flux serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flux.lsp.features.code_actions import KEPT_MENUS
from tests.support.fake_editors.texts import path_of
from tests.support.lsp_bench import Bench, bench, edit, titles, tool, without
from tests.support.lsp_client import CAPABILITIES, ResponseError, lsp_range

AREA = "# unsaved\ndef area(r):\n    return 3 * r\n"
FIXED = "# unsaved\ndef area(r):\n    return 3 * r**2\n"
VERBS = ("improve", "explain", "document", "write tests for")
COMMENT = "Flux: do what this comment says"


def menu_of(target: str, *first: str) -> list[str]:
    """The menu about a target: what comes first, and what is there always."""
    return [*first, *(f"Flux: {verb} {target}" for verb in VERBS)]


def problem(line: int, message: str) -> dict[str, Any]:
    return {"range": lsp_range((line, 4), (line, 10)), "message": message, "severity": 2, "source": "lint"}


async def check_edit(made: Bench, title: str, *, after: str) -> dict[str, Any]:
    """Choose an action on line 2 of a.py; the buffer afterwards, and that the disk is as before. The result."""
    disk = made.on_disk()
    actions = await made.client.code_actions(made.uri("a.py"), (2, 0), (2, 16))
    result = await made.client.run_action(actions, title)
    assert made.buffers()["a.py"] == after
    assert made.on_disk() == disk
    return result


async def test_an_action_edits_the_unsaved_buffer_in_one_labelled_versioned_edit(tmp_path: Path) -> None:
    steps = [{"text": "Wrong.", "tool_calls": [edit("a.py", "3 * r", "3 * r**2")]}, {"text": "It was no area."}]
    usage = {"usage": {"input_tokens": 1200, "output_tokens": 34}}
    async with bench(
        tmp_path, steps[0], {**steps[1], **usage}, disk={"a.py": "saved\n"}, buffers={"a.py": AREA}
    ) as made:
        result = await check_edit(made, "Flux: improve", after=FIXED)
        assert (result["status"], result["paths"], result["unsaved"]) == ("completed", ["a.py"], ["a.py"])
        [asked] = made.client.sent("workspace/applyEdit")
        assert asked["label"] == "Flux: edit a.py"
        [change] = asked["edit"]["documentChanges"]
        assert change["textDocument"] == {"uri": made.uri("a.py"), "version": 1}
        assert change["edits"] == [{"range": lsp_range((2, 16), (2, 16)), "newText": "**2"}]
        progress = [p["value"] for p in made.client.sent("$/progress")]
        assert [progress[0]["kind"], progress[0]["title"], progress[0]["cancellable"]] == [
            "begin",
            "Flux: improve the selection",
            True,
        ]
        assert progress[-1] == {
            "kind": "end",
            "message": "done · unsaved: a.py · 1,234 tokens · $0.0000 · 1% of the window",
        }


async def test_menus_cost_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path, buffers={"a.py": AREA}) as made:
        for _ in range(100):
            await made.client.code_actions(made.uri("a.py"), (1, 0), (2, 0))
        assert titles(await made.client.code_actions(made.uri("a.py"), (1, 0), (2, 0))) == menu_of("the selection")
        assert made.requests() == []
        assert made.client.sent("window/showMessage") == []


async def test_what_is_on_the_menu_depends_on_the_place(tmp_path: Path) -> None:
    text = (
        "x = 1\ny = 2  # flux: rename y to z\n/* FLUX: in any language */\n\n"
        "def area(r):\n    return r\n\ndef later():\n    ...\n"
    )
    outside = (tmp_path / "outside.py").as_uri()
    async with bench(tmp_path, buffers={"a.py": text, ".env": "KEY=1\n"}) as made:
        made.client.open(outside, "x = 1\n")
        made.client.open("untitled:Untitled-1", "x = 1\n")
        uri = made.uri("a.py")

        async def menu(line: int, of: str = uri, **context: Any) -> list[str]:
            return titles(await made.client.code_actions(of, (line, 0), (line, 0), **context))

        file = menu_of("this file")
        assert await menu(0) == file
        assert await menu(1) == [COMMENT, *file]
        assert await menu(2) == [COMMENT, *file]
        assert await menu(5) == menu_of("area")
        assert await menu(8) == menu_of("later", "Flux: implement later")
        assert await menu(0, triggerKind=2) == []  # the cursor only came by
        assert await menu(1, triggerKind=2) == [COMMENT]
        found = [problem(0, "a"), problem(0, "b")]
        one, other, both = "Flux: fix: a", "Flux: fix: b", "Flux: fix these 2 problems"
        assert await menu(0, diagnostics=found[:1]) == [one, *file, "Flux: fix all problems of this file"]
        assert await menu(0, diagnostics=found, only=["quickfix"]) == [one, other, both]
        assert await menu(0, diagnostics=found, triggerKind=2) == [one, other, both]
        assert await menu(0, only=["refactor"]) == [title for title in file if "explain" not in title]
        assert await menu(0, only=["source"]) == ["Flux: fix all problems of this file"]
        assert await menu(9999) == [*file, "Flux: fix all problems of this file"]  # past the end
        assert await menu(0, "untitled:Untitled-1") == file
        for kept_out in (outside, made.uri(".env"), made.uri("unknown.py")):
            assert await menu(0, kept_out) == []


@pytest.mark.parametrize(("name", "takes_words"), [("helix", True), ("EGLOT", True), ("Visual Studio Code", False)])
async def test_a_word_at_the_cursor_is_no_selection_in_an_editor_that_always_tells_of_one(
    tmp_path: Path, name: str, takes_words: bool
) -> None:
    text = "# 😋\ndef area(r):\n    return r * 2\n"
    places = [((1, 0), (1, 1)), ((1, 4), (1, 8)), ((1, 8), (1, 9)), ((1, 12), (2, 0)), ((2, 11), (2, 13))]
    async with bench(tmp_path, buffers={"a.py": text}, name=name) as made:
        uri = made.uri("a.py")
        for start, end in places:
            menu = titles(await made.client.code_actions(uri, start, end))
            assert menu == menu_of("area" if takes_words else "the selection")
        assert titles(await made.client.code_actions(uri, (1, 0), (1, 8))) == menu_of("the selection")


async def test_what_an_editor_would_run_by_itself_at_every_save_is_not_offered(tmp_path: Path) -> None:
    async with bench(tmp_path, buffers={"a.py": AREA}) as made:
        for kind in ("quickfix", "source", "source.fixAll", ""):
            context = {"only": [kind], "triggerKind": 2, "diagnostics": [problem(2, "a")]}
            assert await made.client.code_actions(made.uri("a.py"), (0, 0), (3, 0), **context) == []


def announcing(**code_action: Any) -> dict[str, Any]:
    """The capabilities with these of code actions too."""
    known = CAPABILITIES["textDocument"]["codeAction"]
    return {**CAPABILITIES, "textDocument": {"codeAction": {**known, **code_action}}}


async def test_what_cannot_run_is_disabled_with_a_reason_where_the_editor_shows_that(tmp_path: Path) -> None:
    outside = (tmp_path / "outside.py").as_uri()
    async with bench(
        tmp_path, buffers={"a.py": AREA, ".env": "K=1\n"}, capabilities=announcing(disabledSupport=True)
    ) as made:
        made.client.open(outside, "x = 1\n")

        async def reasons(uri: str, **context: Any) -> set[str | None]:
            actions = await made.client.code_actions(uri, (0, 0), (0, 0), **context)
            assert all("command" not in action for action in actions if "disabled" in action)
            return {action.get("disabled", {}).get("reason") for action in actions}

        assert await reasons(outside) == {"Flux works on files in the folders that are open."}
        assert await reasons(outside, triggerKind=2) == set()
        [secret] = await reasons(made.uri(".env"))
        assert secret is not None
        assert "keys or passwords" in secret
        assert await reasons(made.uri("a.py")) == {None}
        assert await reasons(made.uri("a.py"), only=["source"]) == {
            "The editor has told of no problem in this file.",
            "This file is in no git repository.",
        }


async def test_without_a_model_the_menu_says_why(tmp_path: Path) -> None:
    capabilities = announcing(disabledSupport=True)
    async with bench(tmp_path, buffers={"a.py": AREA}, capabilities=capabilities, variables={}) as made:
        actions = await made.client.code_actions(made.uri("a.py"), (0, 0), (1, 0))
        assert {action["disabled"]["reason"] for action in actions} == {"No provider is set, and no key was found."}
        await made.client.request("flux/setSettings", {"provider": "demo"})
        assert not [a for a in await made.client.code_actions(made.uri("a.py"), (0, 0), (1, 0)) if "disabled" in a]


async def test_only_what_its_author_asked_for_is_preferred(tmp_path: Path) -> None:
    capabilities = announcing(isPreferredSupport=True)
    text = "x = 1  # flux: rename x to y\n"
    async with bench(tmp_path, buffers={"a.py": text}, capabilities=capabilities) as made:
        actions = await made.client.code_actions(made.uri("a.py"), (0, 0), (0, 3), diagnostics=[problem(0, "a")])
        assert [action["title"] for action in actions if action.get("isPreferred")] == [COMMENT]


async def test_the_page_about_actions_is_named_where_the_editor_shows_it(tmp_path: Path) -> None:
    async with bench(tmp_path, buffers={"a.py": AREA}, capabilities=announcing(documentationSupport=True)) as made:
        offered = made.answer["capabilities"]["codeActionProvider"]["documentation"]
        assert {entry["command"]["command"] for entry in offered} == {"flux.action.help"}
        assert [entry["kind"] for entry in offered] == ["quickfix", "refactor.rewrite", "source"]
        page = await made.client.command("flux.action.help", {})
        assert "| write tests for ${target} |" in page["text"]
        [shown] = made.client.sent("window/showDocument")
        assert path_of(shown["uri"]).read_text(encoding="utf-8") == page["text"]
    async with bench(tmp_path, buffers={"a.py": AREA}) as made:
        assert "documentation" not in made.answer["capabilities"]["codeActionProvider"]


async def test_a_problem_is_named_to_the_model(tmp_path: Path) -> None:
    async with bench(
        tmp_path, {"tool_calls": [edit("a.py", "3 * r", "3 * r**2")]}, {"text": "Done."}, buffers={"a.py": AREA}
    ) as made:
        actions = await made.client.code_actions(
            made.uri("a.py"), (2, 4), (2, 4), diagnostics=[problem(2, "this is no area")]
        )
        await made.client.run_action(actions, "Flux: fix: this is no area")
        assert made.buffers()["a.py"] == FIXED
        assert "this is no area" in made.said(0)
        assert AREA in made.said(0)


async def test_a_comment_is_done_and_named(tmp_path: Path) -> None:
    text = "# flux: square the r\ndef area(r):\n    return 3 * r\n"
    calls = [
        tool(
            "edit_file",
            path="a.py",
            edits=[
                {"old_text": "# flux: square the r\n", "new_text": ""},
                {"old_text": "3 * r", "new_text": "3 * r**2"},
            ],
        )
    ]
    async with bench(tmp_path, {"tool_calls": calls}, {"text": "Done."}, buffers={"a.py": text}) as made:
        actions = await made.client.code_actions(made.uri("a.py"), (0, 3), (0, 3))
        await made.client.run_action(actions, "Flux: do what this comment says")
        assert made.buffers()["a.py"] == "def area(r):\n    return 3 * r**2\n"
        assert "The comment: square the r" in made.said(0)
        assert len(made.client.sent("workspace/applyEdit")) == 1


async def test_an_explanation_is_shown_as_a_markdown_document(tmp_path: Path) -> None:
    async with bench(tmp_path, {"text": "# Area\n\nIt computes."}, buffers={"a.py": AREA}) as made:
        await check_edit(made, "Flux: explain", after=AREA)
        [shown] = made.client.sent("window/showDocument")
        assert path_of(shown["uri"]).read_text(encoding="utf-8") == "# Area\n\nIt computes.\n"
        assert shown["takeFocus"] is True
        assert shown["uri"].endswith(".md")


async def test_an_explanation_is_a_file_where_the_editor_shows_no_documents(tmp_path: Path) -> None:
    capabilities = without(CAPABILITIES, "window", "showDocument")
    async with bench(tmp_path, {"text": "It computes."}, buffers={"a.py": AREA}, capabilities=capabilities) as made:
        await check_edit(made, "Flux: explain", after=AREA)
        assert made.client.sent("window/showDocument") == []
        [shown] = made.client.sent("window/showMessage")
        path = Path(shown["message"].removeprefix("Flux wrote its answer to "))
        assert path.read_text(encoding="utf-8") == "It computes.\n"


async def test_tests_go_into_a_new_unsaved_file(tmp_path: Path) -> None:
    call = tool("write_file", path="test_a.py", text="def test_area(): ...\n")
    async with bench(tmp_path, {"tool_calls": [call]}, {"text": "Done."}, buffers={"a.py": AREA}) as made:
        actions = await made.client.code_actions(made.uri("a.py"), (1, 0), (2, 0))
        result = await made.client.run_action(actions, "Flux: write tests")
        assert made.buffers() == {"a.py": AREA, "test_a.py": "def test_area(): ...\n"}
        assert made.on_disk() == {"test_a.py": ""}
        assert result["unsaved"] == ["test_a.py"]


async def test_a_client_without_code_action_objects_gets_commands(tmp_path: Path) -> None:
    capabilities = without(CAPABILITIES, "textDocument", "codeAction")
    async with bench(tmp_path, buffers={"a.py": AREA}, capabilities=capabilities) as made:
        actions = await made.client.code_actions(made.uri("a.py"), (1, 0), (2, 0))
        assert [set(action) for action in actions] == [{"title", "command", "arguments"}] * len(VERBS)


@pytest.mark.parametrize("marks", [True, False])
async def test_actions_are_marked_as_generated_where_the_editor_can_show_it(tmp_path: Path, marks: bool) -> None:
    code_action = {**CAPABILITIES["textDocument"]["codeAction"], **({"tagSupport": {"valueSet": [1]}} if marks else {})}
    capabilities = {**CAPABILITIES, "textDocument": {"codeAction": code_action}}
    async with bench(tmp_path, buffers={"a.py": AREA}, capabilities=capabilities) as made:
        actions = await made.client.code_actions(made.uri("a.py"), (1, 0), (2, 0))
        assert {tuple(action.get("tags", ())) for action in actions} == {(1,) if marks else ()}


async def test_an_old_or_unknown_offer_is_refused_in_words(tmp_path: Path) -> None:
    async with bench(tmp_path, buffers={"a.py": AREA}) as made:
        actions = await made.client.code_actions(made.uri("a.py"), (1, 0), (2, 0))
        made.client.type(made.uri("a.py"), 0, 0, "x")
        with pytest.raises(ResponseError, match="The text has changed since the code actions were listed"):
            await made.client.run_action(actions, "Flux: improve")
        for _ in range(KEPT_MENUS):
            await made.client.code_actions(made.uri("a.py"), (1, 0), (2, 0))
        with pytest.raises(ResponseError, match=r"There is no offer '\d+'"):
            await made.client.run_action(actions, "Flux: improve")
        with pytest.raises(ResponseError, match="There is no offer 'zzz'"):
            await made.client.command("flux.action.run", {"id": "zzz"})
        assert made.requests() == []


async def test_a_document_closed_in_mid_turn_is_edited_as_a_closed_file(tmp_path: Path) -> None:
    steps = [
        {"text": "Let me think. " * 5, "chunk": 10, "delay_s": 0.02, "tool_calls": [edit("a.py", "saved", "edited")]},
        {"text": "Done."},
    ]
    async with bench(tmp_path, *steps, disk={"a.py": "saved\n"}, buffers={"a.py": "# unsaved\nsaved\n"}) as made:
        actions = await made.client.code_actions(made.uri("a.py"), (1, 0), (1, 0))
        _, running = made.client.begin_request(
            "workspace/executeCommand", next(a for a in actions if a["title"].startswith("Flux: improve"))["command"]
        )
        await made.client.until(lambda: len(made.client.sent("$/progress")) > 1)
        made.client.close(made.uri("a.py"))
        assert (await running)["status"] == "completed"
        assert made.buffers() == {"a.py": "edited\n"}
        assert made.on_disk() == {"a.py": "saved\n"}


async def test_a_failed_turn_is_shown_to_the_user_and_changes_nothing(tmp_path: Path) -> None:
    fault = {"error": {"kind": "RateLimited", "message": "Slow down.", "retry_after_s": 3}}
    async with bench(tmp_path, fault, buffers={"a.py": AREA}) as made:
        result = await check_edit(made, "Flux: improve", after=AREA)
        assert (result["status"], result["error"]) == ("failed", "Slow down.")
        assert made.client.sent("window/showMessage") == [{"type": 1, "message": "Flux: Slow down."}]
