"""Review in an editor: what a turn proposes waits, is shown in each way that editors have, and is decided by hunks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types

from tests.support.fake_editors.rules import Neovim, VsCode
from tests.support.fake_editors.texts import path_of
from tests.support.lsp_bench import Bench, bench, edit, tool, without
from tests.support.lsp_client import CAPABILITIES, CONVERTER, ResponseError, connected, environment, initialize

LINES = "".join(f"{n}\n" for n in range(1, 11))
THREE = {"tool_calls": [edit("a.py", "2\n3", "two\n3"), edit("a.py", "8", "eight"), edit("b.py", "b", "B")]}
STEPS = (THREE, {"text": "Done."}, {"text": "I see."}, {"text": "Yes."})
FILES = {"a.py": LINES, "b.py": "b\n"}
REVIEW = {"settings": {"approval": "review"}}
WITH_ANNOTATIONS = {
    **CAPABILITIES,
    "workspace": {
        **CAPABILITIES["workspace"],
        "workspaceEdit": {
            **CAPABILITIES["workspace"]["workspaceEdit"],
            "changeAnnotationSupport": {"groupsOnLabel": True},
        },
    },
}
WITH_CONTENT = {
    **CAPABILITIES,
    "workspace": {**CAPABILITIES["workspace"], "textDocumentContent": {"dynamicRegistration": False}},
}


async def propose(made: Bench) -> dict[str, Any]:
    result = await made.client.command("flux.chat.send", {"text": "Go."})
    assert result["status"] == "completed"
    return result


def numbers(ids: list[str]) -> list[str]:
    return [one.partition(".")[2] for one in ids]


async def waiting(made: Bench) -> list[str]:
    listed = await made.client.command("flux.review.list", {})
    return numbers([hunk["hunk"] for hunk in listed["hunks"]])


async def test_the_next_request_is_shown_with_what_waits_as_if_it_were_made(tmp_path: Path) -> None:
    new = {"tool_calls": [tool("write_file", path="new.py", text="x = 1\n")]}
    async with bench(tmp_path, new, {"text": "Done."}, buffers=FILES, options=REVIEW) as made:
        await propose(made)
        shown = await made.client.command("flux.context.show", {"text": "See @new.py"})
        assert [item["kind"] for item in shown["items"]][-5:] == ["frame", "file", "note", "frame", "words"]


async def test_a_turn_proposes_and_touches_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path, *STEPS, buffers=FILES, options=REVIEW) as made:
        result = await propose(made)
        assert made.buffers() == FILES
        assert made.client.sent("workspace/applyEdit") == []
        assert (result["paths"], result["unsaved"]) == ([], [])
        assert [(hunk["path"], hunk["line"]) for hunk in result["proposed"]] == [("a.py", 2), ("a.py", 8), ("b.py", 1)]
        assert "3 to review: a.py, b.py" in result["summary"]
        listed = (await made.client.command("flux.review.list", {"turn": result["turn"]}))["hunks"]
        assert listed[0] == {
            "hunk": f"{result['turn']}.1",
            "turn": result["turn"],
            "session": result["session"],
            "path": "a.py",
            "uri": made.uri("a.py"),
            "line": 2,
            "before": ["2"],
            "after": ["two"],
            "diff": "--- a/a.py\n+++ b/a.py\n@@ -1,5 +1,5 @@\n 1\n-2\n+two\n 3\n 4\n 5\n",
            "buildsOn": [],
        }
        assert await made.client.command("flux.review.list", {"turn": "another"}) == {"hunks": []}


async def test_hunks_are_accepted_by_id_by_file_and_by_turn(tmp_path: Path) -> None:
    async with bench(tmp_path, *STEPS, buffers=FILES, options=REVIEW) as made:
        turn = (await propose(made))["turn"]
        came = await made.client.command("flux.review.accept", {"hunk": f"{turn}.2"})
        assert came == {
            "accepted": [f"{turn}.2"],
            "refused": [],
            "paths": ["a.py"],
            "unsaved": ["a.py"],
            "pending": 2,
        }
        assert made.buffers() == {"a.py": LINES.replace("8", "eight"), "b.py": "b\n"}
        assert made.on_disk() == {}
        await made.client.command("flux.review.accept", {"file": made.uri("b.py")})
        assert (made.buffers()["b.py"], await waiting(made)) == ("B\n", ["1"])
        await made.client.command("flux.review.accept", {"turn": turn})
        assert made.buffers()["a.py"] == LINES.replace("2", "two").replace("8", "eight")
        with pytest.raises(ResponseError, match="Nothing of that waits for review"):
            await made.client.command("flux.review.accept", {"turn": turn})


async def test_what_was_accepted_is_taken_back_by_undo(tmp_path: Path) -> None:
    async with bench(tmp_path, *STEPS, buffers=FILES, options=REVIEW) as made:
        await propose(made)
        await made.client.command("flux.review.accept", {"file": "a.py"})
        await made.client.command("flux.review.accept", {"file": "b.py"})
        assert (await made.client.command("flux.turn.undo", {}))["paths"] == ["a.py", "b.py"]
        assert made.buffers() == FILES


async def test_a_rejected_hunk_is_told_to_the_model_with_the_reason(tmp_path: Path) -> None:
    async with bench(tmp_path, *STEPS, buffers=FILES, options=REVIEW) as made:
        turn = (await propose(made))["turn"]
        reason = {"hunk": f"{turn}.1", "reason": "We count in digits."}
        assert await made.client.command("flux.review.reject", reason) == {"rejected": [f"{turn}.1"], "pending": 2}
        await made.client.command("flux.review.accept", {})
        assert made.buffers() == {"a.py": LINES.replace("8", "eight"), "b.py": "B\n"}
        await made.client.command("flux.chat.send", {"text": "And now?"})
        assert "The user rejected your proposed change at a.py line 2" in made.said()
        assert "The user says: We count in digits." in made.said()


async def test_typing_meanwhile_stays_and_a_hunk_under_it_is_refused_by_name(tmp_path: Path) -> None:
    async with bench(tmp_path, *STEPS, buffers=FILES, options=REVIEW) as made:
        turn = (await propose(made))["turn"]
        made.client.type(made.uri("a.py"), 1, 1, " is mine")
        made.client.type(made.uri("a.py"), 9, 2, " and more")
        came = await made.client.command("flux.review.accept", {})
        assert (numbers(came["accepted"]), came["pending"]) == (["2", "3"], 1)
        assert [(one["hunk"], one["path"]) for one in came["refused"]] == [(f"{turn}.1", "a.py")]
        assert "The text at line 2 has changed" in came["refused"][0]["reason"]
        typed = LINES.replace("2", "2 is mine").replace("10", "10 and more")
        assert made.buffers() == {"a.py": typed.replace("8", "eight"), "b.py": "B\n"}


async def test_a_turn_that_is_accepted_as_a_whole_is_made_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    async with bench(tmp_path, *STEPS, buffers=FILES, options=REVIEW) as made:
        turn = (await propose(made))["turn"]
        made.client.type(made.uri("a.py"), 1, 1, " is mine")
        came = await made.client.command("flux.review.accept", {"turn": turn})
        assert (came["accepted"], numbers([one["hunk"] for one in came["refused"]])) == ([], ["1", "2", "3"])
        reason = "None of the 3 changes of this turn was made: a.py: The text at line 2 has changed"
        assert all(one["reason"].startswith(reason) for one in came["refused"])
        assert made.buffers() == {"a.py": LINES.replace("2", "2 is mine"), "b.py": "b\n"}
        assert reason in made.client.sent("window/showMessage")[-1]["message"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("zwei", "zwei\n"), ("zwei\n", "zwei\n"), ("two\r\nand three", "two\nand three\n"), ("", ""), ("\n", "\n")],
)
async def test_a_hunk_is_accepted_with_the_users_own_text(tmp_path: Path, text: str, expected: str) -> None:
    async with bench(tmp_path, *STEPS, buffers=FILES, options=REVIEW) as made:
        hunk = f"{(await propose(made))['turn']}.1"
        came = await made.client.command("flux.review.accept", {"hunk": hunk, "text": text})
        assert (came["accepted"], came["pending"]) == ([hunk], 2)
        assert made.buffers()["a.py"] == LINES.replace("2\n", expected)
        await made.client.command("flux.review.accept", {})
        await made.client.command("flux.chat.send", {"text": "And now?"})
        assert "The user put other lines in place of those that you proposed at a.py line 2." in made.said()


async def test_the_users_own_text_waits_where_it_does_not_fit_any_more(tmp_path: Path) -> None:
    async with bench(tmp_path, *STEPS, buffers=FILES, options=REVIEW) as made:
        hunk = f"{(await propose(made))['turn']}.1"
        made.client.type(made.uri("a.py"), 1, 1, " is mine")
        came = await made.client.command("flux.review.accept", {"hunk": hunk, "text": "zwei"})
        assert (came["accepted"], came["pending"]) == ([], 3)
        listed = (await made.client.command("flux.review.list", {}))["hunks"]
        assert (listed[0]["hunk"], listed[0]["after"]) == (hunk, ["zwei"])


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"text": "zwei"}, "`text` is for one hunk"),
        ({"hunk": "HUNK", "text": "2"}, "a.py would stay as it is"),
        ({"hunk": "HUNK", "text": 2}, "must be a string"),
    ],
)
async def test_own_text_that_fits_nothing_is_refused(tmp_path: Path, given: dict[str, object], what: str) -> None:
    async with bench(tmp_path, *STEPS, buffers=FILES, options=REVIEW) as made:
        hunk = f"{(await propose(made))['turn']}.1"
        with pytest.raises(ResponseError, match=what):
            await made.client.command(
                "flux.review.accept", {key: hunk if value == "HUNK" else value for key, value in given.items()}
            )
        assert (made.buffers(), await waiting(made)) == (FILES, ["1", "2", "3"])


async def test_a_later_turn_proposes_on_top_and_says_on_what(tmp_path: Path) -> None:
    again = {"tool_calls": [edit("a.py", "two", "zwei")]}
    steps = (THREE, {"text": "Done."}, again, {"text": "Done."})
    async with bench(tmp_path, *steps, buffers=FILES, options=REVIEW) as made:
        first, second = (await propose(made))["turn"], (await propose(made))["turn"]
        listed = (await made.client.command("flux.review.list", {"turn": second}))["hunks"]
        assert [(hunk["before"], hunk["after"], hunk["buildsOn"]) for hunk in listed] == [
            (["two"], ["zwei"], [f"{first}.1"])
        ]
        came = await made.client.command("flux.review.accept", {"turn": second})
        assert f"is not decided yet: a.py line 2 ({first}.1)" in came["refused"][0]["reason"]
        await made.client.command("flux.review.accept", {})
        assert made.buffers()["a.py"] == LINES.replace("2", "zwei").replace("8", "eight")


async def test_an_editor_that_declines_leaves_all_waiting(tmp_path: Path) -> None:
    declined = {"workspace/applyEdit": lambda _: {"applied": False, "failureReason": "the user said no"}}
    async with bench(tmp_path, *STEPS, buffers=FILES, options=REVIEW, answers=declined) as made:
        await propose(made)
        came = await made.client.command("flux.review.accept", {})
        assert (came["accepted"], came["pending"], made.buffers()) == ([], 3, FILES)
        assert "the user said no" in came["refused"][0]["reason"]
        said = [shown["message"] for shown in made.client.sent("window/showMessage")]
        assert [message for message in said if message.startswith("Flux: 3 changes were not made: The editor did not")]


async def test_a_review_goes_on_with_another_server(tmp_path: Path) -> None:
    async with bench(tmp_path, *STEPS, buffers=FILES, options=REVIEW) as made:
        await propose(made)
    async with bench(tmp_path, *STEPS[2:], buffers=FILES) as made:
        assert await waiting(made) == ["1", "2", "3"]
        await made.client.command("flux.review.accept", {"file": "a.py"})
        assert made.buffers() == {"a.py": LINES.replace("2", "two").replace("8", "eight"), "b.py": "b\n"}
        assert (await made.client.command("flux.turn.undo", {}))["paths"] == ["a.py"]
        assert made.buffers() == FILES


async def test_a_new_file_is_one_hunk(tmp_path: Path) -> None:
    steps = [{"tool_calls": [tool("write_file", path="new.py", text="x\n")]}, {"text": "Done."}]
    async with bench(tmp_path, *steps, options=REVIEW) as made:
        await propose(made)
        assert (made.buffers(), made.on_disk()) == ({}, {})
        came = await made.client.command("flux.review.accept", {})
        assert (came["paths"], made.buffers()) == (["new.py"], {"new.py": "x\n"})


# How a proposal is shown.


async def test_a_diff_document_is_shown(tmp_path: Path) -> None:
    async with bench(tmp_path, *STEPS, buffers=FILES, options=REVIEW) as made:
        turn = (await propose(made))["turn"]
        await made.client.until(lambda: bool(made.client.shown()))
        text = path_of(made.client.shown()[0]).read_text(encoding="utf-8")
        assert text.startswith("3 proposed changes wait")
        assert f"hunk {turn}.3\n--- a/b.py\n+++ b/b.py\n@@ -1 +1 @@\n-b\n+B\n" in text


async def test_where_no_document_can_be_shown_its_path_is_said(tmp_path: Path) -> None:
    plain = without(CAPABILITIES, "window", "showDocument")
    async with bench(tmp_path, *STEPS, buffers=FILES, options=REVIEW, capabilities=plain) as made:
        await propose(made)
        await made.client.until(lambda: bool(made.client.sent("window/showMessage")))
        path = made.client.sent("window/showMessage")[0]["message"].removeprefix("Flux wrote its answer to ")
        assert "-b\n+B\n" in Path(path).read_text(encoding="utf-8")


async def test_an_editor_that_asks_for_documents_gets_a_diff_that_is_kept_up_to_date(tmp_path: Path) -> None:
    async with bench(tmp_path, *STEPS, buffers=FILES, options=REVIEW, capabilities=WITH_CONTENT) as made:
        client = made.client
        turn = (await propose(made))["turn"]
        uri = f"flux:/review/{turn}.diff"
        await client.until(lambda: bool(client.shown()))
        assert client.shown()[0] == uri
        shown = await client.request("workspace/textDocumentContent", {"uri": uri})
        assert f"hunk {turn}.1\n" in shown["text"]
        await client.command("flux.review.accept", {"hunk": f"{turn}.1"})
        assert client.sent("workspace/textDocumentContent/refresh") == [{"uri": uri}]
        shown = await client.request("workspace/textDocumentContent", {"uri": uri})
        assert f"hunk {turn}.1\n" not in shown["text"]
        await client.command("flux.review.accept", {"turn": turn})
        assert client.sent("workspace/textDocumentContent/refresh") == [{"uri": uri}, {"uri": uri}]
        shown = await client.request("workspace/textDocumentContent", {"uri": uri})
        assert shown["text"].startswith("0 proposed changes wait")
        with pytest.raises(ResponseError, match="is no document of Flux"):
            await client.request("workspace/textDocumentContent", {"uri": "flux:/other"})


async def test_flux_documents_are_announced_to_those_who_ask_for_them(tmp_path: Path) -> None:
    for capabilities, announced in ((WITH_CONTENT, {"schemes": ["flux"]}), (CAPABILITIES, None)):
        async with connected(environment(tmp_path), folder=tmp_path) as client:
            answer = await initialize(client, tmp_path, capabilities=capabilities)
            assert answer["capabilities"]["workspace"].get("textDocumentContent") == announced


# Annotations.


def confirming(made: Bench, *unticked: str, says: bool = True) -> Callable[[Any], Any]:
    """An editor whose user takes all hunks but some in its own dialogue."""

    def is_ticked(change: Any) -> bool:
        ticked = (getattr(change, "annotation_id", None) or "").partition(".")[2] not in {"", *unticked}
        if ticked:
            change.annotation_id = None
        return ticked

    def answer(params: Mapping[str, Any]) -> Any:
        edit = CONVERTER.structure(params["edit"], types.WorkspaceEdit)
        if not says:
            return {"applied": False}
        for change in edit.document_changes or ():
            if not isinstance(change, types.TextDocumentEdit):
                continue
            taken = [
                types.TextEdit(one.range, one.new_text)
                for one in change.edits
                if isinstance(one, types.AnnotatedTextEdit) and one.annotation_id.partition(".")[2] not in unticked
            ]
            change.edits = taken
        edit.document_changes = [c for c in edit.document_changes or () if getattr(c, "edits", ()) or is_ticked(c)]
        return CONVERTER.unstructure(made.client.editor.apply(edit))

    return answer


@pytest.mark.parametrize(("rules", "name"), [(VsCode, "Visual Studio Code"), (Neovim, "Neovim")])
async def test_the_user_takes_hunks_in_the_editors_own_dialogue(tmp_path: Path, rules: Any, name: str) -> None:
    async with bench(
        tmp_path, *STEPS, buffers=FILES, options=REVIEW, capabilities=WITH_ANNOTATIONS, name=name, rules=rules
    ) as made:
        made.client.answers["workspace/applyEdit"] = confirming(made, "1")
        turn = (await propose(made))["turn"]
        await made.client.until(lambda: made.buffers() == {"a.py": LINES.replace("8", "eight"), "b.py": "B\n"})
        asked = [params["edit"] for params in made.client.sent("workspace/applyEdit")]
        annotations = {key: value for edit in asked for key, value in edit["changeAnnotations"].items()}
        assert annotations == {
            f"{turn}.1": {"label": "a.py line 2: +1 -1", "needsConfirmation": True, "description": "two"},
            f"{turn}.2": {"label": "a.py line 8: +1 -1", "needsConfirmation": True, "description": "eight"},
            f"{turn}.3": {"label": "b.py line 1: +1 -1", "needsConfirmation": True, "description": "B"},
        }
        assert len(made.client.shown()) == (rules is Neovim)  # whose question shows no change
        async with asyncio.timeout(10):
            while await waiting(made):
                pass
        await made.client.command("flux.chat.send", {"text": "And now?"})
        assert "The user rejected your proposed change at a.py line 2" in made.said()
        assert "The user accepted your proposed changes at a.py line 8, b.py line 1." in made.said()
        del made.client.answers["workspace/applyEdit"]
        await made.client.command("flux.turn.undo", {})
        assert made.buffers() == FILES


WITH_FILE_CHANGES = {
    **WITH_ANNOTATIONS,
    "workspace": {
        **WITH_ANNOTATIONS["workspace"],
        "workspaceEdit": {
            **WITH_ANNOTATIONS["workspace"]["workspaceEdit"],
            "resourceOperations": ["create", "rename", "delete"],
        },
    },
}
OF_FILES = {
    "tool_calls": [
        tool("write_file", path="new.py", text="n\n"),
        tool("move_file", path="here.py", new_path="there.py"),
        tool("delete_file", path="gone.py"),
        edit("b.py", "b", "B"),
    ]
}
ON_DISK = {"here.py": "h\n", "gone.py": "g\n"}


async def test_new_moved_and_removed_files_are_taken_in_the_editors_own_dialogue(tmp_path: Path) -> None:
    steps = (OF_FILES, *STEPS[1:])
    async with bench(
        tmp_path, *steps, disk=ON_DISK, buffers=FILES, options=REVIEW, capabilities=WITH_FILE_CHANGES
    ) as made:
        made.client.answers["workspace/applyEdit"] = confirming(made)
        turn = (await propose(made))["turn"]
        await made.client.until(lambda: bool(made.client.sent("workspace/applyEdit")))
        (asked,) = [params["edit"] for params in made.client.sent("workspace/applyEdit")]
        assert {key: value["label"] for key, value in asked["changeAnnotations"].items()} == {
            f"{turn}.1": "new.py: new, +1",
            f"{turn}.2": "here.py: moved to there.py",
            f"{turn}.3": "gone.py: removed",
            f"{turn}.4": "b.py line 1: +1 -1",
        }
        assert all(value["needsConfirmation"] for value in asked["changeAnnotations"].values())
        async with asyncio.timeout(10):
            while await waiting(made):
                pass
        assert made.buffers() == {"a.py": LINES, "b.py": "B\n", "new.py": "n\n"}
        assert made.on_disk() == {"new.py": "", "there.py": "h\n"}
        del made.client.answers["workspace/applyEdit"]
        await made.client.command("flux.turn.undo", {})
        assert made.on_disk() == {"here.py": "h\n", "gone.py": ""}
        assert made.buffers() == {**FILES, "gone.py": "g\n"}


async def test_files_that_the_dialogue_leaves_out_wait(tmp_path: Path) -> None:
    async with bench(
        tmp_path, OF_FILES, *STEPS[1:], disk=ON_DISK, buffers=FILES, options=REVIEW, capabilities=WITH_FILE_CHANGES
    ) as made:
        made.client.answers["workspace/applyEdit"] = confirming(made, "1", "2")
        await propose(made)
        await made.client.until(lambda: bool(made.client.sent("window/showMessage")))
        assert await waiting(made) == ["1", "2"]
        assert (made.on_disk(), made.buffers()) == ({"here.py": "h\n"}, {**FILES, "b.py": "B\n"})


async def test_typing_right_after_the_dialogue_is_kept_and_what_is_uncertain_waits(tmp_path: Path) -> None:
    async with bench(tmp_path, *STEPS, buffers=FILES, options=REVIEW, capabilities=WITH_ANNOTATIONS) as made:
        confirm = confirming(made, "1", "3")

        def answer(params: Any) -> Any:
            result = confirm(params)
            made.client.type(made.uri("a.py"), 9, 2, " and more")
            return result

        made.client.answers["workspace/applyEdit"] = answer
        await propose(made)
        await made.client.until(lambda: bool(made.client.sent("window/showMessage")))
        assert "2 proposed changes wait: a.py, b.py" in made.client.sent("window/showMessage")[0]["message"]
        assert await waiting(made) == ["1", "3"]
        del made.client.answers["workspace/applyEdit"]
        await made.client.command("flux.review.accept", {})
        await made.client.command("flux.turn.undo", {})
        assert made.buffers() == {"a.py": LINES.replace("10", "10 and more"), "b.py": "b\n"}


async def test_a_closed_dialogue_leaves_all_waiting(tmp_path: Path) -> None:
    async with bench(tmp_path, *STEPS, buffers=FILES, options=REVIEW, capabilities=WITH_ANNOTATIONS) as made:
        made.client.answers["workspace/applyEdit"] = confirming(made, says=False)
        await propose(made)
        await made.client.until(lambda: bool(made.client.sent("window/showMessage")))
        assert "3 proposed changes wait: a.py, b.py" in made.client.sent("window/showMessage")[0]["message"]
        assert (await waiting(made), made.buffers()) == (["1", "2", "3"], FILES)


async def test_an_editor_that_says_yes_and_does_nothing_is_not_believed(tmp_path: Path) -> None:
    liar = {"workspace/applyEdit": lambda _: {"applied": True}}
    async with bench(
        tmp_path, *STEPS, buffers=FILES, options=REVIEW, capabilities=WITH_ANNOTATIONS, answers=liar
    ) as made:
        await propose(made)
        await made.client.until(lambda: bool(made.client.sent("window/showMessage")))
        assert (await waiting(made), made.buffers()) == (["1", "2", "3"], FILES)


async def test_without_the_setting_nothing_is_annotated(tmp_path: Path) -> None:
    async with bench(tmp_path, *STEPS, buffers=FILES, capabilities=WITH_ANNOTATIONS) as made:
        await propose(made)
        (asked,) = made.client.sent("workspace/applyEdit")
        assert "changeAnnotations" not in asked["edit"]
        assert made.buffers()["b.py"] == "B\n"
