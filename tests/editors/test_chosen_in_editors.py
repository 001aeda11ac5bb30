"""Code actions in the real Helix, Emacs and Neovim: chosen from the editor's own menu, and what comes of each.

Problems are Ruff's, which runs beside Flux; Emacs has both behind one server. Each check must fail where the model's
answer is one line off, and where a keystroke is lost.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import git
import pytest

from tests.editors.test_first_steps import pytestmark
from tests.support.real_editors.users import BIN, EDITORS, FLUX, Editor, User, in_emacs, sitting

__all__ = ["pytestmark"]

MINE = "𝓂ine = 1\n"
AREA = "def area(w, h):\n    return w * h\n"


@dataclass(frozen=True, slots=True)
class Choice:
    """An entry, chosen in the file where its text has `at`; the model changes `path`, which is new without an `old`."""

    name: str
    at: str
    title: str
    told: str
    path: str
    old: str
    new: str

    def answers(self, off: str) -> list[dict[str, object]]:
        edit = {"path": self.path, "old_text": self.old, "new_text": off + self.new}
        new_file = {"path": self.path, "text": off + self.new}
        call = {"name": "edit_file", "arguments": edit} if self.old else {"name": "write_file", "arguments": new_file}
        return [{"tool_calls": [call], "expect": [self.told]}, {"text": "Done."}]

    async def check(self, user: User, asked: int, typed: str = MINE) -> None:
        await choose(user, self.name, self.at, self.title, typed)
        if not self.old:
            await user.allow_new(self.path)
        await user.asked(asked + 2)
        before = MINE + FILES[self.name]
        if self.old:
            same(await user.text(self.name), before.replace(self.old, self.new))
        else:
            same(await user.text(self.path), self.new)
            same(await user.text(self.name), before)


@dataclass(frozen=True, slots=True)
class Question:
    """An entry whose answer is shown as a document."""

    name: str
    at: str
    title: str
    told: str
    answer: str

    def answers(self, off: str) -> list[dict[str, object]]:
        return [{"text": self.answer.replace("\n", f"\n{off}", 1), "expect": [self.told]}]

    async def check(self, user: User, asked: int, typed: str = MINE) -> None:
        await choose(user, self.name, self.at, self.title, typed)
        await user.asked(asked + 1)
        await user.window.shows(self.answer.splitlines()[0])
        same(await user.text_in_front(), f"{self.answer}\n")
        same(await user.text(self.name), MINE + FILES[self.name])


async def choose(user: User, name: str, at: str, title: str, typed: str) -> None:
    await user.type(name, typed)
    *above, line = FILES[name].partition(at)[0].split("\n")
    await user.place(name, typed.count("\n") + len(above), len(line))
    await user.choose(title)


def same(found: str, wanted: str) -> None:
    assert found == wanted, f"not the text: {found!r}"


FIX = Choice(
    "fix.py",
    at="pi",
    title="Flux: fix: Undefined name `pi`",
    told="The problem: Undefined name `pi`",
    path="fix.py",
    old="    return pi * r**2\n",
    new="    return 3.14 * r**2\n",
)
STUB = Choice(
    "stub.py",
    at="def",
    title="Flux: implement double",
    told="implement double (lines 2-3)",
    path="stub.py",
    old="    raise NotImplementedError\n",
    new="    return 2 * n\n",
)
COMMENT = Choice(
    "comment.py",
    at="# flux",
    title="Flux: do what this comment says",
    told="The comment: make one a float",
    path="comment.py",
    old="one = 1\n# flux: make one a float\n",
    new="one = 1.0\n",
)
TESTS = Choice(
    "area.py",
    at="area",
    title="Flux: write tests for area",
    told="write tests for area.",
    path="tests/test_area.py",
    old="",
    new="from area import area\n\n\ndef test_area():\n    assert area(2, 3) == 6\n",
)
EXPLAIN = Question(
    "what.py", at="area", title="Flux: explain area", told="explain area", answer="# What it is\n\nOf a rectangle."
)
COMMIT = Question(
    "commit.py",
    at="one",
    title="Flux: write a commit message",
    told="+one = 1",
    answer="commit: one is counted\n\nIt was not before.",
)
LOST = replace(STUB, name="lost.py", path="lost.py")
CHOICES: Sequence[Choice | Question] = (FIX, STUB, COMMENT, TESTS, EXPLAIN, COMMIT)
TO_IMPLEMENT = "def double(n):\n    raise NotImplementedError\n"
FILES: Mapping[str, str] = {
    "known.py": "one = 1\n",
    "fix.py": "def area(r):\n    return pi * r**2\n",
    "stub.py": TO_IMPLEMENT,
    "lost.py": TO_IMPLEMENT,
    "comment.py": "one = 1\n# flux: make one a float\ntwo = 2\n",
    "area.py": AREA,
    "what.py": AREA,
    "commit.py": "one = 1\n",
}


def repository(folder: Path) -> None:
    """In which `commit.py` is staged."""
    folder.mkdir()
    with git.Repo.init(folder) as made:
        for name, text in FILES.items():
            (folder / name).write_bytes(text.encode())
        made.index.add([name for name in FILES if name != "commit.py"])
        made.index.commit("a beginning")
        made.index.add(["commit.py"])


def programs(editor: Editor, folder: Path) -> Mapping[str, Path]:
    """Flux, and Ruff beside it."""
    if editor is not in_emacs:
        return {**FLUX, "ruff": BIN / "ruff"}
    both = folder / "both"
    beside = Path(__file__).parent.parent / "support/real_editors/beside.py"
    command = shlex.join(map(str, (sys.executable, beside, BIN / "flux", BIN / "ruff")))
    both.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
    both.chmod(0o700)
    return {"flux": both}


@pytest.mark.parametrize("editor", EDITORS)
async def test_what_is_chosen_comes_into_the_buffer(editor: Editor, tmp_path: Path) -> None:
    repository(tmp_path / "workspace")
    answers = [choice.answers("") for choice in CHOICES]
    script = [answer for steps in answers for answer in steps]
    async with sitting(editor, tmp_path, FILES, script, programs(editor, tmp_path)) as user:
        asked = 0
        for choice, steps in zip(CHOICES, answers, strict=True):
            await choice.check(user, asked)
            asked += len(steps)


@pytest.mark.parametrize("editor", EDITORS)
async def test_an_answer_that_is_one_line_off_and_a_lost_keystroke_fail_each_check(
    editor: Editor, tmp_path: Path
) -> None:
    repository(tmp_path / "workspace")
    wrong = [(choice, choice.answers("\n"), MINE) for choice in CHOICES]
    wrong.append((LOST, LOST.answers(""), MINE.replace("i", "")))
    script = [answer for _, steps, _ in wrong for answer in steps]
    async with sitting(editor, tmp_path, FILES, script, programs(editor, tmp_path)) as user:
        asked = 0
        for choice, steps, typed in wrong:
            with pytest.raises(AssertionError, match="not the text"):
                await choice.check(user, asked, typed)
            asked += len(steps)
