"""Code actions: each that Flux brings, and the user's own with each of its outputs; from the menu to what comes."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.stories.stage import Stage, Story
from tests.stories.world import edit, steps
from tests.support.fake_editors.rules import Eglot, Plain, VsCode

RETURNED = "    return '😋', 3 * r  # e\u0301"
BETTER = "    return '😋', 3 * r**2  # 한 e\u0301"
NEW = "new = '😋 e\u0301'\n"


async def fix_one_problem(on: Stage, name: str) -> None:
    await on.script(*steps(edit(name, "3 * r ", "3 * r**2 ")))
    problem = on.problem(name, "3 * r", "no area 😋")
    assert "done" in await on.choose(name, "fix: no area 😋", "3 * r", diagnostics=[problem])
    assert "line 3: error: no area 😋" in on.asked(0)
    on.now(name, "3 * r ", "3 * r**2 ")


async def fix_all_of_the_file(on: Stage, name: str) -> None:
    on.made.editor.insert(on.made.uri(name), on.made.text(name).index("3 * r"), on.made.mark(name))
    await on.script(*steps(edit(name, "one = 1", "one = 1.0"), edit(name, "def todo", "def done")))
    problems = [on.problem(name, words, "is undefined") for words in ("one = 1", "todo")]
    await on.menu(name, "one = 1", diagnostics=problems)  # the editor has told of them
    on.made.client.answers["flux/editor/query"] = lambda _: {"diagnostics": problems}
    title = "fix all problems of this file"
    ending = await on.choose(name, title, "one = 1", diagnostics=problems, only=["source"])
    del on.made.client.answers["flux/editor/query"]
    assert "done" in ending
    assert on.asked(0).count("error: is undefined") == 2
    on.now(name, "one = 1", "one = 1.0")
    on.now(name, "def todo", "def done")


async def do_what_a_comment_says(on: Stage, name: str) -> None:
    asked = "# flux: make it 2 😋\none = 1\n"
    await on.script(*steps(edit(name, asked, "one = 2\n")))
    await on.choose(name, "do what this comment says", "flux:")
    on.now(name, asked.replace("\n", "\r\n"), "one = 2\r\n")


async def explain(on: Stage, name: str) -> None:
    await on.script({"text": "It is an area 😋."})
    await on.choose(name, "explain area", "3 * r")
    await on.sees("It is an area 😋.")


async def document(on: Stage, name: str) -> None:
    await on.script(*steps(edit(name, "def area(r):  # 한\n", 'def area(r):  # 한\n    """😋 e\u0301."""\n')))
    await on.choose(name, "document area", "def area")
    on.now(name, "def area(r):  # 한\r\n", 'def area(r):  # 한\r\n    """😋 e\u0301."""\r\n')


async def write_tests(on: Stage, name: str) -> None:
    await on.script(*steps({"name": "write_file", "arguments": {"path": f"test_{name}", "text": NEW}}))
    await on.choose(name, "write tests for area", "def area")
    on.made_new(f"test_{name}", NEW)


async def improve_a_selection(on: Stage, name: str) -> None:
    await on.script(*steps(edit(name, RETURNED, BETTER)))
    await on.choose(name, "improve the selection", "'😋', 3", "3 * r")
    assert f'<selection from=\\"{name} line 3\\">\\n{RETURNED}' in on.asked(0)
    on.now(name, RETURNED, BETTER)


async def implement_a_stub(on: Stage, name: str) -> None:
    await on.script(*steps(edit(name, "    raise NotImplementedError", "    return '한😋'\n    # e\u0301")))
    await on.choose(name, "implement todo", "def todo")
    on.now(name, "    raise NotImplementedError", "    return '한😋'\r\n    # e\u0301")


async def write_a_commit_message(on: Stage, name: str) -> None:
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "begin"]):
        own = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "core.autocrlf=false"]
        subprocess.run(["git", *own, *arguments], cwd=on.made.folder, check=True, capture_output=True)
    await on.script({"text": "a: it is new 😋"})
    await on.choose(name, "write a commit message", "one = 1", only=["source"])
    assert "Nothing is staged." in on.asked(0)
    assert on.made.typed[name][0] in on.asked(0)  # what is not saved counts
    await on.sees("a: it is new 😋")
    assert bool(on.made.client.sent("flux/commitMessage")) is (on.rules is VsCode)


def own_action(on: Stage, title: str, output: str) -> None:
    path = Path(on.made.folder.parent, "config", "actions", f"{title}.toml")
    path.parent.mkdir(parents=True, exist_ok=True)
    text = f'title = "{title} ${{target}}"\nprompt = "It is <${{selection}}>."\noutput = "{output}"\n'
    path.write_text(text, encoding="utf-8")


async def an_own_action_edits(on: Stage, name: str) -> None:
    own_action(on, "mend 😋", "edit")
    await on.script(*steps(edit(name, RETURNED, BETTER)))
    await on.choose(name, "mend 😋 the selection", "'😋', 3", "3 * r")
    assert "It is <'😋', >." in on.asked(0)
    on.now(name, RETURNED, BETTER)


async def an_own_action_answers(on: Stage, name: str) -> None:
    own_action(on, "say", "explanation")
    await on.script(*steps(edit(name, RETURNED, BETTER)), {"text": "I may not."})
    ending = await on.choose(name, "say area", "3 * r")
    assert "done" in ending
    await on.sees("Done.")  # the tool that would have changed the file was not there


async def an_own_action_writes_a_new_file(on: Stage, name: str) -> None:
    own_action(on, "list", "new file")
    new = {"name": "write_file", "arguments": {"path": f"new_{name}", "text": NEW}}
    await on.script(*steps(new))
    await on.choose(name, "list area", "3 * r")
    on.made_new(f"new_{name}", NEW)


async def an_own_action_writes_a_commit_message(on: Stage, name: str) -> None:
    own_action(on, "commit", "commit message")
    await on.script({"text": "own: words 😋"})
    await on.choose(name, "commit area", "3 * r")
    await on.sees("own: words 😋")


async def what_cannot_run_says_why_where_the_editor_shows_that(on: Stage, name: str) -> None:
    await on.script()
    on.made.client.open(on.made.uri(f"{name}.env"), "KEY = '😋'\r\n")
    offered = await on.menu(f"{name}.env", "KEY")
    del on.made.editor.buffers[on.made.uri(f"{name}.env")]
    on.made.client.closed(on.made.uri(f"{name}.env"))
    if on.rules in {Eglot, Plain}:
        assert offered == []
    else:
        assert offered
        assert all("command" not in one and "keys" in one["disabled"]["reason"] for one in offered)
    assert not on.record.exists()


STORIES: tuple[Story, ...] = (
    fix_one_problem,
    fix_all_of_the_file,
    do_what_a_comment_says,
    explain,
    document,
    write_tests,
    improve_a_selection,
    implement_a_stub,
    write_a_commit_message,
    an_own_action_edits,
    an_own_action_answers,
    an_own_action_writes_a_new_file,
    an_own_action_writes_a_commit_message,
    what_cannot_run_says_why_where_the_editor_shows_that,
)
