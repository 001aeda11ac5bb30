"""What comes of a chosen code action, each over a real `flux serve` with one answer of the model."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.lsp.test_code_actions import AREA, FIXED, check_edit, problem
from tests.support.fake_editors.texts import path_of
from tests.support.lsp_bench import Bench, bench, edit, titles, tool
from tests.support.lsp_client import ResponseError

LOOKING = ["read_file", "list_files", "search", "symbols", "diagnostics", "git"]


def tools_of(made: Bench, request: int = 0) -> list[str]:
    return made.requests()[request]["tools"]


async def choose(made: Bench, title: str, *, line: int = 2, at: str = "a.py", **context: Any) -> Any:
    """Choose an entry for the cursor in a line."""
    return await made.client.run_action(
        await made.client.code_actions(made.uri(at), (line, 4), (line, 4), **context), title
    )


async def test_a_hundred_menus_and_one_choice_are_one_request(tmp_path: Path) -> None:
    async with bench(tmp_path, {"text": "It computes."}, buffers={"a.py": AREA}) as made:
        for _ in range(100):
            await made.client.code_actions(made.uri("a.py"), (0, 0), (2, 0), diagnostics=[problem(2, "a")])
        assert made.requests() == []
        await choose(made, "Flux: explain area")
        assert len(made.requests()) == 1


async def test_an_explanation_is_made_without_the_tools_that_change_something(tmp_path: Path) -> None:
    async with bench(tmp_path, {"text": "It computes."}, buffers={"a.py": AREA}) as made:
        await choose(made, "Flux: explain area")
        assert tools_of(made) == LOOKING
        assert '<selection from="a.py lines 2-3">' in made.said(0)


async def test_one_of_several_problems_is_named_alone(tmp_path: Path) -> None:
    calls = [{"tool_calls": [edit("a.py", "3 * r", "3 * r**2")]}, {"text": "Done."}]
    async with bench(tmp_path, *calls, buffers={"a.py": AREA}) as made:
        found = [problem(2, "this is no area"), problem(2, "a magic number")]
        await choose(made, "Flux: fix: this is no area", diagnostics=found)
        assert made.buffers()["a.py"] == FIXED
        assert "The problem: this is no area" in made.said(0)
        assert "a magic number" not in made.said(0)


async def test_all_problems_of_the_file_are_those_that_the_editor_shows_now(tmp_path: Path) -> None:
    calls = [{"tool_calls": [edit("a.py", "3 * r", "3 * r**2")]}, {"text": "Done."}]
    shown = {"diagnostics": [problem(1, "unused"), problem(2, "no area")]}
    async with bench(
        tmp_path,
        *calls,
        buffers={"a.py": AREA},
        options={"query": ["diagnostics"]},
        answers={"flux/editor/query": lambda _: shown},
    ) as made:
        await choose(made, "Flux: fix all problems of this file")
        assert made.buffers()["a.py"] == FIXED
        assert "line 2: warning: unused (lint)" in made.said(0)
        assert "line 3: warning: no area (lint)" in made.said(0)


async def test_a_file_without_problems_costs_no_request(tmp_path: Path) -> None:
    none = {"flux/editor/query": lambda _: {"diagnostics": []}}
    async with bench(tmp_path, buffers={"a.py": AREA}, options={"query": ["diagnostics"]}, answers=none) as made:
        with pytest.raises(ResponseError, match="shows no problem in this file"):
            await choose(made, "Flux: fix all problems of this file")
        assert made.requests() == []


async def test_a_stub_is_implemented(tmp_path: Path) -> None:
    stub = "def area(r):\n    raise NotImplementedError\n"
    calls = [{"tool_calls": [edit("a.py", "raise NotImplementedError", "return 3 * r**2")]}, {"text": "Done."}]
    async with bench(tmp_path, *calls, buffers={"a.py": stub}) as made:
        await choose(made, "Flux: implement area", line=0)
        assert made.buffers()["a.py"] == "def area(r):\n    return 3 * r**2\n"
        assert "Instruction: implement area (lines 1-2)." in made.said(0)


async def test_tests_go_where_the_project_has_its_tests(tmp_path: Path) -> None:
    disk = {"src/b.py": "", "src/a.py": AREA, "tests/unit/test_b.py": ""}
    call = tool("write_file", path="tests/unit/test_a.py", text="def test_area(): ...\n")
    async with bench(
        tmp_path, {"tool_calls": [call]}, {"text": "Done."}, disk=disk, buffers={"src/a.py": AREA}
    ) as made:
        await choose(made, "Flux: write tests for area", at="src/a.py")
        assert "tests as in tests/unit/test_b.py" in made.said(0)
        assert "Put these into tests/unit/test_a.py." in made.said(0)
        assert made.buffers()["tests/unit/test_a.py"] == "def test_area(): ...\n"


# Commit messages.


def repository(folder: Path, *, staged: bool) -> None:
    """With a commit `begin: a` of a.py and b.py, and a change of each, that of a.py perhaps staged."""

    def git(*arguments: str) -> None:
        own = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        subprocess.run(["git", *own, *arguments], cwd=folder, check=True, capture_output=True)

    folder.mkdir()
    for name in ("a.py", "b.py"):
        (folder / name).write_text("old\n", encoding="utf-8")
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "begin: a")
    for name in ("a.py", "b.py"):
        (folder / name).write_text(f"new in {name}\n", encoding="utf-8")
    if staged:
        git("add", "a.py")


MESSAGE = "a: it is new now\n\nBecause."


async def test_a_commit_message_is_of_what_is_staged_and_in_the_form_of_the_last_ones(tmp_path: Path) -> None:
    repository(tmp_path / "workspace", staged=True)
    async with bench(tmp_path, {"text": MESSAGE}, buffers={"a.py": "new in a.py\n"}) as made:
        await choose(made, "Flux: write a commit message", line=0)
        words = made.requests()[0]["messages"][-1]["parts"][-1]["text"]
        assert "These changes are staged:" in words
        assert "+new in a.py" in words
        assert "new in b.py" not in words
        assert "begin: a" in words
        assert tools_of(made) == LOOKING
        [shown] = made.client.sent("window/showDocument")
        assert path_of(shown["uri"]).name == "COMMIT_EDITMSG"
        assert path_of(shown["uri"]).read_text(encoding="utf-8") == f"{MESSAGE}\n"


async def test_a_second_message_is_not_written_under_a_document_that_shows_the_first(tmp_path: Path) -> None:
    """Which an editor would go on showing, and Flux writes no open file."""
    repository(tmp_path / "workspace", staged=True)
    async with bench(tmp_path, {"text": "one"}, {"text": "two"}, buffers={"a.py": "new in a.py\n"}) as made:
        for _ in range(2):
            await choose(made, "Flux: write a commit message", line=0)
        shown = [path_of(one["uri"]) for one in made.client.sent("window/showDocument")]
        assert [(path.name, path.read_text(encoding="utf-8")) for path in shown] == [
            ("COMMIT_EDITMSG", "one\n"),
            ("COMMIT_EDITMSG", "two\n"),
        ]


async def test_a_commit_message_goes_to_the_editors_own_place_for_it(tmp_path: Path) -> None:
    repository(tmp_path / "workspace", staged=False)
    options = {"commitMessages": True}
    async with bench(tmp_path, {"text": MESSAGE}, buffers={"a.py": "new, unsaved\n"}, options=options) as made:
        await choose(made, "Flux: write a commit message", line=0)
        assert "+new, unsaved" in made.said(0)
        assert made.client.sent("flux/commitMessage") == [{"uri": made.folder.as_uri(), "text": MESSAGE}]
        assert made.client.sent("window/showDocument") == []


async def test_where_nothing_changed_there_is_no_request(tmp_path: Path) -> None:
    repository(tmp_path / "workspace", staged=False)
    for name in ("a.py", "b.py"):
        (tmp_path / "workspace" / name).write_text("old\n", encoding="utf-8")
    async with bench(tmp_path, buffers={"a.py": "old\n"}) as made:
        with pytest.raises(ResponseError, match="There is nothing to commit"):
            await choose(made, "Flux: write a commit message", line=0)
        assert made.requests() == []


# The user's own.


def write_action(folder: Path, name: str, text: str) -> Path:
    file = folder / "actions" / f"{name}.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


SHOUT = """\
title = "shout in ${target}"
prompt = "Write ${target} of ${file} (${language}, ${lines}) in capitals: ${selection}"
languages = ["python"]
"""


async def test_an_action_of_the_users_own_is_offered_and_done(tmp_path: Path) -> None:
    write_action(tmp_path / "config", "shout", SHOUT)
    calls = [{"tool_calls": [edit("a.py", "3 * r", "3 * R")]}, {"text": "Done."}]
    async with bench(tmp_path, *calls, buffers={"a.py": AREA, "b.txt": "x\n"}) as made:
        await check_edit(made, "Flux: shout in the selection", after=AREA.replace("3 * r", "3 * R"))
        words = made.requests()[0]["messages"][-1]["parts"][-1]["text"]
        assert words == (
            "Write the selection of a.py (python, line 3) in capitals:     return 3 * r\nDo this by editing the file."
        )


async def test_an_own_action_may_answer_or_write_a_new_file_and_nothing_else(tmp_path: Path) -> None:
    write_action(tmp_path / "config", "a", 'title = "review"\nprompt = "Review it."\noutput = "explanation"\n')
    write_action(tmp_path / "config", "b", 'title = "outline"\nprompt = "Outline it."\noutput = "new file"\n')
    calls = [{"text": "Good."}, {"tool_calls": [tool("write_file", path="a.md", text="# a\n")]}, {"text": "Done."}]
    async with bench(tmp_path, *calls, buffers={"a.py": AREA}) as made:
        await choose(made, "Flux: review")
        [shown] = made.client.sent("window/showDocument")
        assert path_of(shown["uri"]).read_text(encoding="utf-8") == "Good.\n"
        assert tools_of(made) == LOOKING
        await choose(made, "Flux: outline")
        assert made.buffers()["a.md"] == "# a\n"
        assert tools_of(made, 1) == ["read_file", "write_file", *LOOKING[1:]]


async def test_an_own_action_has_its_kinds_and_languages(tmp_path: Path) -> None:
    own = tmp_path / "config"
    write_action(own, "a", 'title = "silence: ${problems}"\nprompt = "Go."\nkinds = ["quickfix", "refactor.inline"]\n')
    write_action(own, "b", 'title = "sort"\nprompt = "Go."\nkinds = ["source.sort"]\nlanguages = ["*.TXT"]\n')
    async with bench(tmp_path, buffers={"a.py": AREA, "b.txt": "b\na\n"}) as made:

        async def menu(name: str, **context: Any) -> list[tuple[str, str]]:
            actions = await made.client.code_actions(made.uri(name), (0, 0), (0, 0), **context)
            return [(action["title"], action["kind"]) for action in actions]

        assert ("Flux: silence: a", "quickfix") in await menu("a.py", diagnostics=[problem(0, "a")])
        inline = await menu("a.py", diagnostics=[problem(0, "a")], only=["refactor.inline"])
        assert inline == [("Flux: silence: a", "refactor.inline")]
        assert ("Flux: sort", "source.sort") in await menu("b.txt")
        assert "Flux: sort" not in dict(await menu("a.py"))


async def test_an_own_action_is_done_by_the_model_of_its_role(tmp_path: Path) -> None:
    write_action(
        tmp_path / "config", "a", 'title = "review"\nprompt = "Go."\nrole = "summary"\noutput = "explanation"\n'
    )
    roles = {"settings": {"roles.summary": "scripted/small", "roles.edit": "scripted/large"}}
    async with bench(
        tmp_path, {"text": "Good."}, {"text": "It computes."}, buffers={"a.py": AREA}, options=roles
    ) as made:
        await choose(made, "Flux: review")
        await choose(made, "Flux: explain area")
        assert [request["model"] for request in made.requests()] == ["small", "large"]


async def test_the_actions_of_a_folder_wait_for_the_users_yes(tmp_path: Path) -> None:
    action = {".flux/actions/shout.toml": SHOUT}
    calls = [{"text": "It computes."}] * 2
    async with bench(tmp_path, *calls, disk=action, buffers={"a.py": AREA}) as made:

        async def has_it() -> bool:
            actions = await made.client.code_actions(made.uri("a.py"), (1, 0), (2, 0))
            return "Flux: shout in the selection" in titles(actions)

        assert not await has_it()
        assert made.client.editor.questions == []  # a menu asks nothing
        await choose(made, "Flux: explain area")
        [question] = made.client.editor.questions
        assert "title = shout in ${target}" in question
        assert await has_it()
        file = made.folder / ".flux" / "actions" / "shout.toml"
        file.write_text(SHOUT.replace("capitals", "small letters"), encoding="utf-8")
        assert not await has_it()


async def test_an_action_that_is_written_or_removed_meanwhile_is_seen_by_the_next_menu(tmp_path: Path) -> None:
    async with bench(tmp_path, buffers={"a.py": AREA}) as made:

        async def menu() -> list[str]:
            return titles(await made.client.code_actions(made.uri("a.py"), (1, 0), (2, 0)))

        assert "Flux: shout in the selection" not in await menu()
        file = write_action(tmp_path / "config", "shout", SHOUT)
        assert "Flux: shout in the selection" in await menu()
        file.unlink()
        assert "Flux: shout in the selection" not in await menu()


async def test_a_wrong_action_is_named_once_and_the_others_stay(tmp_path: Path) -> None:
    own = tmp_path / "config"
    write_action(own, "a", 'title = "a"\nprompt = "${nobody}"\n')
    write_action(own, "b", "title =")
    write_action(own, "shout", SHOUT)
    async with bench(tmp_path, buffers={"a.py": AREA}) as made:
        for _ in range(3):
            actions = await made.client.code_actions(made.uri("a.py"), (1, 0), (2, 0))
            assert "Flux: shout in the selection" in titles(actions)
        broken, unknown = [shown["message"] for shown in made.client.sent("window/showMessage")]
        assert f"({own / 'actions' / 'b.toml'}) is not TOML" in broken
        assert (
            f"${{nobody}} in prompt of the user's own action ({own / 'actions' / 'a.toml'}) is no variable" in unknown
        )
