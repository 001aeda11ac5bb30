"""The user's own actions: what a file may say, what is refused by name, and the examples of the page."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from flux.agent.actions import VARIABLES, Action, built_in, filled, own_actions
from flux.core.layers import RawLayer, Source
from flux.tools.registry import builtin_tools

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "make-your-own-actions.md"
FILE = Path("/own/a.toml")
FINE = 'title = "t"\nprompt = "p"\n'


def read(text: str) -> tuple[list[Action], list[str]]:
    actions, complaints = own_actions([RawLayer(Source("user action", FILE), tomllib.loads(text))])
    return list(actions), list(complaints)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('prompt = "p"', "has no title"),
        ('title = " "\nprompt = "p"', "has no title"),
        ('title = "t"', "has no prompt"),
        (FINE + 'promt = "p"', "Did you mean prompt?"),
        ('title = 3\nprompt = "p"', " is '3'; it must be a text."),
        (f'title = "{"t" * 81}"\nprompt = "p"', "must be one line of at most 80 characters"),
        ('title = "a\\nb"\nprompt = "p"', "must be one line"),
        ('title = "t"\nprompt = "${selektion}"', "${selektion} in prompt of the user's own action"),
        (FINE + 'kinds = ["quickfix", "fix"]', "it must be a list of names, such as quickfix"),
        (FINE + "kinds = [1]", "must be a list of names, such as quickfix"),
        (FINE + "languages = { a = 1 }", "must be a list of names, such as python"),
        (FINE + 'output = "print"', "is 'print'; it must be one of edit, explanation, new file, commit message."),
        (FINE + 'about = "all"', "must be one of problem, problems"),
        (FINE + 'role = "The Boss"', "must be a name of [roles]"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_file_and_key(text: str, complaint: str) -> None:
    actions, [told] = read(text)
    assert actions == []
    assert complaint in told
    assert str(FILE) in told


def test_the_least_that_an_action_needs_is_a_title_and_a_prompt() -> None:
    [action], complaints = read(FINE)
    assert (action, complaints) == (Action("a", "t", "p"), [])


def test_a_later_action_stands_for_an_earlier_one_of_its_name() -> None:
    raws = [
        RawLayer(Source("user action", Path("/own/a.toml")), {"title": "mine", "prompt": "p"}),
        RawLayer(Source("project action", Path("/x/.flux/actions/a.toml")), {"title": "theirs", "prompt": "p"}),
    ]
    actions, _ = own_actions(raws)
    assert [action.title for action in actions] == ["theirs"]


@pytest.mark.parametrize(
    ("languages", "fits"),
    [("", True), ('"Python"', True), ('"go"', False), ('"*.PY"', True), ('"*.go"', False), ('"src/*.py"', True)],
)
def test_languages_are_ids_or_patterns_of_names(languages: str, fits: bool) -> None:
    [action], _ = read(f"{FINE}languages = [{languages}]")
    assert action.fits("python", "/home/me/src/a.py") is fits


def test_gaps_are_filled_and_a_doubled_sign_stands_for_itself() -> None:
    assert filled("${file}: $${file} $file ${lines}", {"file": "${lines}", "lines": "3"}) == "${lines}: ${file} $file 3"


def test_the_examples_of_the_page_are_actions_and_its_tables_are_whole() -> None:
    page = PAGE.read_text(encoding="utf-8")
    examples = re.findall(r"^```toml\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert len(examples) == 4
    for example in examples:
        actions, complaints = read(example)
        assert complaints == []
        assert actions[0].instruction(dict.fromkeys(VARIABLES, "x")).endswith(".")
    variables = page.partition("| variable |")[2]
    assert set(re.findall(r"`\$\{(\w+)\}`", variables)) == set(VARIABLES)


def test_what_only_answers_has_no_tool_that_changes_a_file() -> None:
    tools = builtin_tools()
    for action in built_in():
        may_change = [name for name, tool in action.tools(tools).items() if not tool.is_read_only]
        assert bool(may_change) is (action.output == "edit")
    [new_file], _ = read(FINE + 'output = "new file"')
    assert [name for name, tool in new_file.tools(tools).items() if not tool.is_read_only] == ["write_file"]
