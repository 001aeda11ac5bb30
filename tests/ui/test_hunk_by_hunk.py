"""A review at a terminal: what is asked, what each answer does, and the same in a real chat and with `flux -p`."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flux.agent.approval import ApproveAll
from flux.agent.session import Session
from flux.ui.review import ReviewOnTerminal
from flux.workspace.memory import MemoryWorkspace
from tests.support.talks import call, open_session, step

LINES = "".join(f"{n}\n" for n in range(1, 11))
FILES = {"a": LINES, "b": "b\n"}
EDITS = {
    "a": [{"old_text": "2\n3", "new_text": "two\n3"}, {"old_text": "8\n", "new_text": "eight\n"}],
    "b": [{"old_text": "b\n", "new_text": "B\n"}],
}
TWO, EIGHT = LINES.replace("2", "two"), LINES.replace("8", "eight")


class Typed:
    """A user who gives these answers, and then is gone."""

    def __init__(self, *answers: str) -> None:
        self.questions: list[str] = []
        self._answers = list(answers)

    async def line(self, prompt: str) -> str:
        return await self.answer(prompt)

    async def answer(self, question: str) -> str:
        self.questions.append(question)
        if not self._answers:
            raise EOFError
        return self._answers.pop(0)

    async def edit(self, text: str) -> str | None:
        self.questions.append(text)
        return self._answers.pop(0) if self._answers[0] != "no editor" else None


async def proposed(workspace: MemoryWorkspace) -> Session:
    calls = [call("edit_file", name, path=name, edits=edits) for name, edits in EDITS.items()]
    session = open_session(workspace, [step("", *calls), step("Done.")])
    async for _ in session.send_message("go", approver=ApproveAll(), is_reviewed=True):
        pass
    return session


async def check(*answers: str, a: str, b: str, left: int = 0) -> tuple[Typed, str]:
    """After these answers the files are so, and so many hunks wait; the user and what they saw."""
    workspace = MemoryWorkspace(FILES)
    session = await proposed(workspace)
    user, screen = Typed(*answers), io.StringIO()
    await ReviewOnTerminal(user, screen).run(session.review, session.review.pending())
    texts = {name: (await workspace.read(workspace.path(name))).text for name in FILES}
    assert texts == {"a": a, "b": b}
    assert len(session.review.pending()) == left
    return user, screen.getvalue()


async def test_each_hunk_is_shown_and_asked_for() -> None:
    user, seen = await check("y", "n", "yes", a=TWO, b="B\n")
    assert [question.partition("?")[0] for question in user.questions] == [
        "Change a (1 of 3)",
        "Change a (2 of 3)",
        "Change b (3 of 3)",
    ]
    assert [line for line in seen.splitlines() if line.startswith(("-", "+")) and line[1:3] not in {"--", "++"}] == [
        "-2",
        "+two",
        "-8",
        "+eight",
        "-b",
        "+B",
    ]
    assert seen.endswith("  2 of 2 made: a, b\n  1 rejected\n")


async def test_all_takes_the_rest() -> None:
    await check("n", "a", a=EIGHT, b="B\n")


async def test_file_takes_the_rest_of_the_file() -> None:
    user, _ = await check("f", "n", a=TWO.replace("8", "eight"), b="b\n")
    assert user.questions[1].startswith("Change b (3 of 3)")


async def test_quit_makes_what_was_taken_and_leaves_the_rest_for_later() -> None:
    _, seen = await check("n", "y", "q", a=EIGHT, b="b\n", left=1)
    assert seen.endswith("  1 of 1 made: a\n  1 rejected, 1 left for later (/review)\n")


async def test_a_user_who_is_gone_has_decided_nothing() -> None:
    await check(a=LINES, b="b\n", left=3)


async def test_another_answer_is_asked_again() -> None:
    user, _ = await check("perhaps", "", "a", a=TWO.replace("8", "eight"), b="B\n")
    assert len(user.questions) == 3


async def test_why_asks_for_the_reason_and_the_model_is_told() -> None:
    workspace = MemoryWorkspace(FILES)
    session = await proposed(workspace)
    user = Typed("w", "we count in digits", "q")
    await ReviewOnTerminal(user, io.StringIO()).run(session.review, session.review.pending())
    assert user.questions[1] == "Why not? "
    async for _ in session.send_message("and?", approver=ApproveAll()):
        pass
    assert "The user says: we count in digits" in str(session.history()[-2:])


async def test_a_hunk_is_edited_and_asked_for_again() -> None:
    user, seen = await check("e", "zwei\nund\n", "y", "q", a=LINES.replace("2\n", "zwei\nund\n"), b="b\n", left=2)
    assert user.questions[1] == "two\n"
    assert "+zwei\n+und\n" in seen


async def test_an_edit_that_comes_to_nothing_leaves_the_hunk_as_it_was() -> None:
    _, seen = await check("e", "no editor", "e", "2\n", "y", "q", a=TWO, b="b\n", left=2)
    assert "! there is no editor to open here\n" in seen
    assert "! a would stay as it is.\n" in seen


async def test_a_hunk_that_cannot_be_made_is_named() -> None:
    workspace = MemoryWorkspace(FILES)
    session = await proposed(workspace)
    workspace.type_into("b", "b", "mine")
    screen = io.StringIO()
    await ReviewOnTerminal(Typed("a"), screen).run(session.review, session.review.pending())
    assert "! not made: b: The text at line 1 has changed" in screen.getvalue()
    assert (await workspace.read(workspace.path("b"))).text == "mine\n"


def flux(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    ours = ("FLUX_", "ANTHROPIC_", "OPENAI_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    own = {"FLUX_STATE_FOLDER": str(folder / "state"), "FLUX_CONFIG_FOLDER": str(folder / "config")}
    scripted = {"FLUX_PROVIDER": "scripted", "FLUX_SCRIPT": str(folder / "script.json")}
    return subprocess.run(
        [sys.executable, "-m", "flux", "--workspace", str(folder / "project"), *arguments],
        env={**inherited, **own, **scripted},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "a").write_text(LINES, encoding="utf-8")
    calls = [{"name": "edit_file", "arguments": {"path": "a", "edits": EDITS["a"]}}]
    steps = [{"text": "I look.", "tool_calls": calls}, {"text": "Done."}]
    (tmp_path / "script.json").write_text(json.dumps(steps), encoding="utf-8")
    return tmp_path


def test_flux_p_with_review_changes_nothing_and_says_how_to_go_on(folder: Path) -> None:
    done = flux(folder, "--review", "-p", "go")
    assert (done.returncode, done.stdout.rstrip().endswith("Done.")) == (0, True)
    assert "2 changes of a wait for your review" in done.stderr
    assert "flux --resume " in done.stderr
    assert (folder / "project" / "a").read_text(encoding="utf-8") == LINES


def test_flux_p_with_review_prints_the_hunks_as_json(folder: Path) -> None:
    done = flux(folder, "--review", "--json", "-p", "go")
    (event,) = [event for event in map(json.loads, done.stdout.splitlines()) if event["type"] == "review"]
    assert (event["paths"], [hunk["line"] for hunk in event["hunks"]]) == (["a"], [2, 8])


def test_yes_and_review_exclude_each_other(folder: Path) -> None:
    assert flux(folder, "--review", "--yes", "-p", "go").returncode == 2


@pytest.fixture
def chat(folder: Path) -> Iterator[Any]:
    """A chat with review on a real terminal, whose user's editor writes `zwei`."""
    if sys.platform == "win32":
        pytest.skip("the chat is driven through a POSIX terminal")
    import pexpect

    editor = folder / "editor.sh"
    editor.write_text('#!/bin/sh\necho zwei > "$1"\n', encoding="utf-8")
    editor.chmod(0o755)
    ours = ("FLUX_", "ANTHROPIC_", "OPENAI_", "NO_COLOR", "VISUAL")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    variables = {
        "EDITOR": str(editor),
        "FLUX_STATE_FOLDER": str(folder / "state"),
        "FLUX_CONFIG_FOLDER": str(folder / "config"),
        "FLUX_PROVIDER": "scripted",
        "FLUX_SCRIPT": str(folder / "script.json"),
        "FLUX_APPROVAL": "review",
        "TERM": "xterm-256color",
        "PROMPT_TOOLKIT_NO_CPR": "1",
    }
    screen = pexpect.spawn(
        sys.executable,
        ["-m", "flux"],
        cwd=str(folder / "project"),
        env={**inherited, **variables},
        encoding="utf-8",
        dimensions=(40, 140),
        timeout=10,
    )
    screen.delaybeforesend = None
    yield screen
    screen.close(force=True)


PROMPT, QUESTION = r"\x1b\[\?2004h[^\n]*›", r"\x1b\[\?2004h[^\n]*\(%d of %d\)\?"


def test_in_a_chat_the_hunks_are_asked_for_after_the_turn(chat: Any, folder: Path) -> None:
    file = folder / "project" / "a"
    chat.expect(PROMPT)
    chat.send("go\r")
    chat.expect(QUESTION % (1, 2))
    assert file.read_text(encoding="utf-8") == LINES
    chat.send("n\r")
    chat.expect(QUESTION % (2, 2))
    chat.send("q\r")
    chat.expect("1 rejected, 1 left for later")
    chat.expect(PROMPT)
    chat.send("/review\r")
    chat.expect(QUESTION % (1, 1))
    chat.send("y\r")
    chat.expect("1 of 1 made: a")
    chat.expect(PROMPT)
    assert file.read_text(encoding="utf-8") == EIGHT
    chat.send("/undo\r")
    chat.expect("Taken back")
    chat.expect(PROMPT)
    assert file.read_text(encoding="utf-8") == LINES


def test_a_hunk_is_edited_in_the_users_own_editor(chat: Any, folder: Path) -> None:
    chat.expect(PROMPT)
    chat.send("go\r")
    chat.expect(QUESTION % (1, 2))
    chat.send("e\r")
    chat.expect(r"\+zwei")
    chat.expect(QUESTION % (1, 2))
    chat.send("y\r")
    chat.expect(QUESTION % (2, 2))
    chat.send("q\r")
    chat.expect("1 of 1 made: a")
    assert (folder / "project" / "a").read_text(encoding="utf-8") == LINES.replace("2", "zwei")
