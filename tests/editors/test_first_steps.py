"""A user's first steps in the real Helix and Emacs, set up as their pages say, on a real `flux serve` with a script.

Each step has files of its own, begins with unsaved text, and must fail where the model's edit is a wrong one.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from tests.support.editors import ROOT, prepare
from tests.support.real_editors.emacs import EmacsKeys, emacs
from tests.support.real_editors.helix import HelixKeys, helix
from tests.support.real_editors.terminal import BOUND_S, Terminal

pytestmark = [
    pytest.mark.editor,
    pytest.mark.timeout(180),
    pytest.mark.skipif(sys.platform == "win32", reason="the terminal is tmux"),
]

TEXT = "one\ntwo\nthree\n"
MINE = "mine = 😋\n"
FILES = {f"{name}.py": TEXT for name in ("menu", "several", "second", "third", "typing", "chat", "known")}
FILES["dos.py"] = TEXT.replace("\n", "\r\n")


class User(ABC):
    """What a person does in the editor, whose folder this is."""

    def __init__(self, folder: Path, window: Terminal) -> None:
        self.folder = folder
        self.window = window

    @abstractmethod
    async def begin(self, name: str) -> None:
        """Open the first file, and have Flux started."""

    @abstractmethod
    async def type(self, name: str, text: str) -> None:
        """At the beginning of the file."""

    @abstractmethod
    async def undo(self, name: str) -> None: ...

    @abstractmethod
    async def text(self, name: str) -> str:
        """What the buffer has, as it would be saved."""

    @abstractmethod
    async def choose_action(self, name: str, line: int) -> None:
        """Choose Flux's entry in the menu of code actions for the line."""

    @abstractmethod
    async def run(self, command: str, **arguments: str) -> None:
        """A command of Flux."""

    async def edit(self, name: str) -> None:
        await self.run("flux.edit", uri=(self.folder / name).as_uri(), instruction="Go.")

    async def text_without_two(self, name: str) -> str:
        """The text once something was made of `two`."""
        return await self.text_that(name, lambda text: "two" not in text)

    async def text_that(self, name: str, holds: Callable[[str], bool]) -> str:
        """The text once this holds for it."""
        text = ""
        try:
            async with asyncio.timeout(BOUND_S):
                while not holds(text := await self.text(name)):
                    pass
        except TimeoutError:
            raise AssertionError(f"{name} is {text!r}\n{self.window.screen()}") from None
        return text


class HelixUser(User):
    def __init__(self, folder: Path, keys: HelixKeys) -> None:
        super().__init__(folder, keys.window)
        self.keys = keys

    async def begin(self, name: str) -> None:
        await self.window.shows("NOR")
        await self.keys.go(self.folder / name)

    async def type(self, name: str, text: str) -> None:
        await self.keys.go(self.folder / name)
        await self.keys.type(text)

    async def undo(self, name: str) -> None:
        await self.keys.go(self.folder / name)
        self.window.type("u")

    async def text(self, name: str) -> str:
        return await self.keys.text(self.folder / name)

    async def choose_action(self, name: str, line: int) -> None:
        await self.keys.go(self.folder / name, line)
        self.window.type("x")
        await self.window.until("the menu", self.has_menu)
        self.window.press("Enter")  # the first entry is chosen

    def has_menu(self) -> bool:
        """Helix leaves out servers that are not up yet."""
        if "Flux: " not in self.window.screen():
            self.window.type(" a")
        return "Flux: " in self.window.screen()

    async def run(self, command: str, **arguments: str) -> None:
        await self.keys.run("lsp-workspace-command", f"{command} {json.dumps(arguments)}")


class EmacsUser(User):
    def __init__(self, folder: Path, keys: EmacsKeys) -> None:
        super().__init__(folder, keys.window)
        self.keys = keys

    async def begin(self, name: str) -> None:
        await self.keys.go(self.folder / name)
        self.keys.command("eglot")
        await self.window.shows("[eglot:", bound_s=40)  # where nothing is compiled yet; eglot itself waits 30 s

    async def type(self, name: str, text: str) -> None:
        await self.keys.go(self.folder / name)
        wanted = text + await self.text(name)
        self.window.type(text)
        self.window.press("C-a")
        await self.text_that(name, lambda now: now.replace("\r\n", "\n") == wanted.replace("\r\n", "\n"))

    async def undo(self, name: str) -> None:
        self.window.press("C-g")  # with a region, undo would be confined to it
        await self.keys.go(self.folder / name)
        self.window.press("C-_")

    async def text(self, name: str) -> str:
        return await self.keys.text(self.folder / name)

    async def choose_action(self, name: str, line: int) -> None:
        await self.keys.go(self.folder / name, line)
        self.window.press("C-Space", "C-n")
        self.keys.command("eglot-code-actions")
        await self.window.shows("Pick an action (default Flux: ")  # what Flux says begins with its name too
        self.window.press("Enter")

    async def run(self, command: str, **arguments: str) -> None:
        pairs = " ".join(f":{name} {json.dumps(value, ensure_ascii=False)}" for name, value in arguments.items())
        code = f'(:command "{command}" :arguments [({pairs})])'
        await self.keys.eval(
            f"(with-current-buffer (window-buffer) (eglot-execute (eglot-current-server) '{code}) nil)"
        )


# The steps.


def calls(new: str, *names: str, **pace: object) -> list[dict[str, object]]:
    edits = [{"name": "edit_file", "arguments": {"path": name, "old_text": "two\n", "new_text": new}} for name in names]
    return [{"text": "I will. " * 8, **pace, "tool_calls": edits}, {"text": "Done."}]


def check(found: str, wanted: str) -> None:
    assert found == wanted, found


async def a_code_action(user: User) -> None:
    await user.type("menu.py", MINE)
    before = await user.text("menu.py")
    await user.choose_action("menu.py", 2)
    check(await user.text_without_two("menu.py"), f"{MINE}one\nTWO\nthree\n")
    await user.undo("menu.py")
    check(await user.text_that("menu.py", lambda text: "TWO" not in text), before)


async def several_files(user: User) -> None:
    await user.type("several.py", MINE)
    await user.edit("several.py")
    check(await user.text_without_two("several.py"), f"{MINE}one\nTWO\nthree\n")
    check(await user.text_without_two("second.py"), "one\nTWO\nthree\n")
    check(await user.text_without_two("third.py"), "one\nTWO\nthree\n")


async def typing_during_the_turn(user: User) -> None:
    await user.type("typing.py", MINE)
    await user.edit("typing.py")
    for number in range(5):
        await user.type("typing.py", f"n = {number}\n")
    typed = "".join(f"n = {number}\n" for number in reversed(range(5)))
    check(await user.text_without_two("typing.py"), f"{typed}{MINE}one\nTWO\nthree\n")


async def a_file_with_crlf(user: User) -> None:
    await user.type("dos.py", MINE)
    await user.edit("dos.py")
    check(await user.text_without_two("dos.py"), f"{MINE}one\nTWO\nthree\n".replace("\n", "\r\n"))


async def a_chat(user: User) -> None:
    await user.type("chat.py", MINE)
    await user.run("flux.chat.send", text="Go.", uri=(user.folder / "chat.py").as_uri())
    await user.window.shows("Done.")  # as a document of its own, which comes to the front
    check(await user.text_without_two("chat.py"), f"{MINE}one\nTWO\nthree\n")


STEPS: Sequence[tuple[Callable[[User], object], list[str], Mapping[str, object]]] = [
    (a_code_action, ["menu.py"], {}),
    (several_files, ["several.py", "second.py", "third.py"], {}),
    (typing_during_the_turn, ["typing.py"], {"chunk": 4, "delay_s": 0.1}),
    (a_file_with_crlf, ["dos.py"], {}),
    (a_chat, ["chat.py"], {}),
]


# The editors, as the pages have them.


def block_of(page: str, language: str) -> str:
    """The first block of code of an editor's page, for a provider that needs no key."""
    found = re.search(rf"```{language}\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    assert found[1].count('"anthropic"') == 1
    return found[1].replace('"anthropic"', '"scripted"')


@asynccontextmanager
async def in_helix(folder: Path, scratch: Path, environ: Mapping[str, str]) -> AsyncIterator[User]:
    with helix(folder, scratch, block_of("editors/helix/README.md", "toml"), environ) as keys:
        yield HelixUser(folder, keys)


@asynccontextmanager
async def in_emacs(folder: Path, scratch: Path, environ: Mapping[str, str]) -> AsyncIterator[User]:
    async with emacs(folder, scratch, block_of("editors/emacs/README.md", "elisp"), environ) as keys:
        yield EmacsUser(folder, keys)


@pytest.fixture(params=[in_helix, in_emacs])
def editor(request: pytest.FixtureRequest) -> Callable[..., AbstractAsyncContextManager[User]]:
    return request.param


@asynccontextmanager
async def sitting(
    editor: Callable[..., AbstractAsyncContextManager[User]], tmp_path: Path, script: Sequence[Mapping[str, object]]
) -> AsyncIterator[User]:
    """A user at the editor, with Flux's answers. Nothing may have been saved at the end."""
    environ = prepare(tmp_path, FILES, script)
    folder, scratch = tmp_path / "workspace", tmp_path / "scratch"
    scratch.mkdir()
    # `flux` on the path, and no linter from beside it.
    (scratch / "flux").symlink_to(Path(sys.executable).with_name("flux"))
    others = [part for part in environ["PATH"].split(os.pathsep) if Path(part) != Path(sys.executable).parent]
    environ["PATH"] = os.pathsep.join([str(scratch), *others])
    async with editor(folder, scratch, environ) as user:
        await user.begin("known.py")
        yield user
        assert {path.name: path.read_bytes().decode() for path in folder.iterdir()} == FILES


def script_of(new: str) -> list[dict[str, object]]:
    """What Flux does with `two` in each step is this."""
    return [answer for _, names, pace in STEPS for answer in calls(new, *names, **pace)]


async def test_the_first_steps(editor: Callable[..., AbstractAsyncContextManager[User]], tmp_path: Path) -> None:
    async with sitting(editor, tmp_path, script_of("TWO\n")) as user:
        for step, _, _ in STEPS:
            await step(user)


async def test_a_wrong_edit_fails_each_step(
    editor: Callable[..., AbstractAsyncContextManager[User]], tmp_path: Path
) -> None:
    async with sitting(editor, tmp_path, script_of("wrong\n")) as user:
        for step, _, _ in STEPS:
            with pytest.raises(AssertionError, match="wrong"):
                await step(user)
