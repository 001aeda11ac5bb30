"""A user's first steps in the real Helix, Emacs and Neovim, set up as their pages say, on a `flux serve` with a script.

Each step has files of its own, begins with unsaved text, and must fail where the model's edit is a wrong one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from tests.support.real_editors.users import EDITORS, Editor, User, sitting

pytestmark = [
    pytest.mark.editor,
    pytest.mark.timeout(180),
    pytest.mark.skipif(sys.platform == "win32", reason="the terminal is tmux"),
]

TEXT = "one\ntwo\nthree\n"
MINE = "mine = 😋\n"
FILES = {f"{name}.py": TEXT for name in ("known", "menu", "several", "second", "third", "typing", "chat")}
FILES["dos.py"] = TEXT.replace("\n", "\r\n")


# The steps.


def calls(new: str, *names: str, **pace: object) -> list[dict[str, object]]:
    edits = [{"name": "edit_file", "arguments": {"path": name, "old_text": "two\n", "new_text": new}} for name in names]
    return [{"text": "I will. " * 8, **pace, "tool_calls": edits}, {"text": "Done."}]


def check(found: str, wanted: str) -> None:
    assert found == wanted, found


async def without_two(user: User, name: str) -> str:
    """The text once something was made of `two`."""
    return await user.text_that(name, lambda text: "two" not in text)


async def a_code_action(user: User) -> None:
    await user.type("menu.py", MINE)
    before = await user.text("menu.py")
    await user.place("menu.py", 2)
    await user.choose("Flux: improve this file")
    check(await without_two(user, "menu.py"), f"{MINE}one\nTWO\nthree\n")
    await user.undo("menu.py")
    check(await user.text_that("menu.py", lambda text: "TWO" not in text), before)


async def several_files(user: User) -> None:
    await user.type("several.py", MINE)
    await user.edit("several.py")
    check(await without_two(user, "several.py"), f"{MINE}one\nTWO\nthree\n")
    check(await without_two(user, "second.py"), "one\nTWO\nthree\n")
    check(await without_two(user, "third.py"), "one\nTWO\nthree\n")


async def typing_during_the_turn(user: User) -> None:
    await user.type("typing.py", MINE)
    await user.edit("typing.py")
    for number in range(5):
        await user.type("typing.py", f"n = {number}\n")
    typed = "".join(f"n = {number}\n" for number in reversed(range(5)))
    check(await without_two(user, "typing.py"), f"{typed}{MINE}one\nTWO\nthree\n")


async def a_file_with_crlf(user: User) -> None:
    await user.type("dos.py", MINE)
    await user.edit("dos.py")
    check(await without_two(user, "dos.py"), f"{MINE}one\nTWO\nthree\n".replace("\n", "\r\n"))


async def a_chat(user: User) -> None:
    await user.type("chat.py", MINE)
    await user.run("flux.chat.send", text="Go.", uri=(user.folder / "chat.py").as_uri())
    await user.window.shows("Done.")  # as a document of its own, which comes to the front
    check(await without_two(user, "chat.py"), f"{MINE}one\nTWO\nthree\n")


STEPS: Sequence[tuple[Callable[[User], object], list[str], Mapping[str, object]]] = [
    (a_code_action, ["menu.py"], {}),
    (several_files, ["several.py", "second.py", "third.py"], {}),
    (typing_during_the_turn, ["typing.py"], {"chunk": 4, "delay_s": 0.1}),
    (a_file_with_crlf, ["dos.py"], {}),
    (a_chat, ["chat.py"], {}),
]


def script_of(new: str) -> list[dict[str, object]]:
    """What Flux does with `two` in each step is this."""
    return [answer for _, names, pace in STEPS for answer in calls(new, *names, **pace)]


@pytest.mark.parametrize("editor", EDITORS)
async def test_the_first_steps(editor: Editor, tmp_path: Path) -> None:
    async with sitting(editor, tmp_path, FILES, script_of("TWO\n")) as user:
        for number, (step, _, _) in enumerate(STEPS, 1):
            await step(user)
            await user.asked(2 * number)


@pytest.mark.parametrize("editor", EDITORS)
async def test_a_wrong_edit_fails_each_step(editor: Editor, tmp_path: Path) -> None:
    async with sitting(editor, tmp_path, FILES, script_of("wrong\n")) as user:
        for number, (step, _, _) in enumerate(STEPS, 1):
            with pytest.raises(AssertionError, match="wrong"):
                await step(user)
            await user.asked(2 * number)
