"""What a person does in a real Helix, Emacs or Neovim that is set up as its page says, with a real `flux serve`.

Each has the editor in a terminal. Menus are chosen from as they are shown; what a buffer has is read without saving it.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TypeVar

from tests.support.editors import ROOT, prepare
from tests.support.real_editors.emacs import EmacsKeys, emacs
from tests.support.real_editors.helix import HelixKeys, helix
from tests.support.real_editors.neovim import NeovimKeys, neovim
from tests.support.real_editors.terminal import BOUND_S, Terminal

T = TypeVar("T")


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
    async def append(self, path: Path, text: str) -> None:
        """In a new line at the end of the document."""

    @abstractmethod
    async def undo(self, name: str) -> None: ...

    @abstractmethod
    async def text_of(self, path: Path) -> str:
        """What the buffer has, as it would be saved."""

    @abstractmethod
    async def text_in_front(self) -> str:
        """What the document has that is shown, as it would be saved."""

    @abstractmethod
    async def place(self, name: str, line: int) -> None:
        """Go to the beginning of a line, which is zero-based."""

    @abstractmethod
    async def choose(self, title: str) -> None:
        """Choose the entry that begins so in the menu of code actions, for the place where the user is."""

    @abstractmethod
    async def run(self, command: str, **arguments: str) -> None:
        """A command of Flux."""

    async def text(self, name: str) -> str:
        return await self.text_of(self.folder / name)

    async def edit(self, name: str) -> None:
        await self.run("flux.edit", uri=(self.folder / name).as_uri(), instruction="Go.")

    async def text_that(self, path: str | Path, holds: Callable[[str], bool]) -> str:
        """The text of the document once this holds for it."""
        return await self._once(str(path), lambda: self.text_of(self.folder / path), holds)

    async def shown_that(self, holds: Callable[[str], bool]) -> str:
        """The text of the document in front once this holds for it."""
        return await self._once("what is shown", self.text_in_front, holds)

    async def _once(self, what: str, read: Callable[[], Awaitable[T]], holds: Callable[[T], bool]) -> T:
        found = await read()
        end = time.monotonic() + BOUND_S
        while not holds(found):
            assert time.monotonic() < end, f"{what} is {found!r}\n{self.window.screen()}"
            await asyncio.sleep(0.05)  # it must be able to go on
            found = await read()
        return found


HELIX_ENTRY = re.compile(r"(?<!“)((?:Flux|Ruff \(\w+\)): .*?)(?:\s{2,}|$)", re.MULTILINE)
HELIX_HAS_NO_MENU = "No configured language server|No code actions available"


class HelixUser(User):
    def __init__(self, folder: Path, keys: HelixKeys) -> None:
        super().__init__(folder, keys.window)
        self.keys = keys

    async def begin(self, name: str) -> None:
        await self.window.shows("NOR")
        await self.place(name, 0)
        await self._open_menu()  # it leaves out servers that are not up yet
        await self._close_menu()

    async def type(self, name: str, text: str) -> None:
        await self.keys.go(self.folder / name)
        await self.keys.insert("i", text)

    async def append(self, path: Path, text: str) -> None:
        await self.keys.go(path)
        self.window.type("ge")
        await self.keys.insert("o", text)

    async def undo(self, name: str) -> None:
        await self.keys.go(self.folder / name)
        self.window.type("u")

    async def text_of(self, path: Path) -> str:
        return await self.keys.text(path)

    async def text_in_front(self) -> str:
        return await self.keys.text_in_front()

    async def place(self, name: str, line: int) -> None:
        await self.keys.go(self.folder / name, line)

    async def choose(self, title: str) -> None:
        async with self.window.bounded(title):
            while not any(entry.startswith(title) for entry in await self._open_menu()):
                await self._close_menu()
        above = next(at for at, entry in enumerate(self._menu()) if entry.startswith(title))
        self.window.press(*["Down"] * above, "Enter")  # the first entry is chosen

    async def _open_menu(self) -> Sequence[str]:
        """Its entries, once there are any."""

        def is_answered() -> bool:
            return bool(self._menu()) or re.search(HELIX_HAS_NO_MENU, self.window.screen()) is not None

        async with self.window.bounded("the menu"):
            while not self._menu():
                if is_answered():
                    self.window.type(";")  # a key that changes nothing takes the last answer from the screen
                    await self.window.until("no answer", lambda: not is_answered())
                self.window.type(" a")
                await self.window.until("a menu, or none", is_answered)
        return self._menu()

    async def _close_menu(self) -> None:
        self.window.press("Escape")  # which together with the next key would be another one
        await self.window.until("the menu is closed", lambda: not self._menu())

    def _menu(self) -> Sequence[str]:
        return HELIX_ENTRY.findall(self.window.screen())

    async def run(self, command: str, **arguments: str) -> None:
        await self.keys.run("lsp-workspace-command", f"{command} {json.dumps(arguments)}")


EMACS_ASKS = "Pick an action"


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

    async def append(self, path: Path, text: str) -> None:
        await self.keys.go(path)
        self.window.press("M->")
        self.window.type(text)
        await self.text_that(path, lambda now: text in now)

    async def undo(self, name: str) -> None:
        self.window.press("C-g")  # with a region, undo would be confined to it
        await self.keys.go(self.folder / name)
        self.window.press("C-_")

    async def text_of(self, path: Path) -> str:
        return await self.keys.text(path)

    async def text_in_front(self) -> str:
        return await self.keys.text_in_front()

    async def place(self, name: str, line: int) -> None:
        await self.keys.go(self.folder / name, line)

    async def choose(self, title: str) -> None:
        async with self.window.bounded(title):
            while not await self._choose(title):
                self.window.press("C-g")

    async def _choose(self, title: str) -> bool:
        """Whether there was such an entry."""
        self.keys.command("eglot-code-actions")
        answers = f"{EMACS_ASKS}|No .*code actions|No current"
        await self.window.until("the menu, or none", lambda: re.search(answers, self.window.screen()) is not None)
        if EMACS_ASKS not in self.window.screen():
            return False
        self.window.type(title)
        self.window.press("Tab", "Enter")
        await self.window.until("it is chosen, or refused", self._has_chosen)
        return "[No match]" not in self.window.screen()

    def _has_chosen(self) -> bool:
        screen = self.window.screen()
        return "[No match]" in screen or EMACS_ASKS not in screen

    async def run(self, command: str, **arguments: str) -> None:
        pairs = " ".join(f":{name} {json.dumps(value, ensure_ascii=False)}" for name, value in arguments.items())
        code = f'(:command "{command}" :arguments [({pairs})])'
        await self.keys.eval(
            f"(with-current-buffer (window-buffer) (eglot-execute (eglot-current-server) '{code}) nil)"
        )


NEOVIM_STARTED = 'return #vim.lsp.get_clients({ name = "flux", bufnr = 0 }) > 0'
NEOVIM_COMMAND = """
local command = { title = _A.command, command = _A.command, arguments = { _A.arguments } }
vim.lsp.get_clients({ name = "flux" })[1]:exec_cmd(command)
"""


class NeovimUser(User):
    def __init__(self, folder: Path, keys: NeovimKeys) -> None:
        super().__init__(folder, keys.window)
        self.keys = keys

    async def begin(self, name: str) -> None:
        await self.place(name, 0)
        await self._once("Flux is up", lambda: self.keys.eval(NEOVIM_STARTED), bool)

    async def type(self, name: str, text: str) -> None:
        await self.place(name, 0)
        await self.keys.insert("i", text)

    async def append(self, path: Path, text: str) -> None:
        await self.keys.go(path)
        self.window.type("G")
        await self.keys.insert("o", text)

    async def undo(self, name: str) -> None:
        await self.place(name, 0)
        self.window.type("u")

    async def text_of(self, path: Path) -> str:
        return await self.keys.text(path)

    async def text_in_front(self) -> str:
        return await self.keys.text_in_front()

    async def place(self, name: str, line: int) -> None:
        await self.keys.go(self.folder / name, line)

    async def choose(self, title: str) -> None:
        async with self.window.bounded(title):
            while (number := await self._offered(title)) is None:
                pass
        self.window.type(number)
        self.window.press("Enter")

    async def _offered(self, title: str) -> str | None:
        """The number of the entry in the menu, which is opened."""

        def is_answered() -> bool:
            return re.search("Type number|No code actions available", self.window.screen()) is not None

        self.window.press("C-l")
        await self.window.until("no answer", lambda: not is_answered())
        self.window.type("gra")
        await self.window.until("the menu, or none", is_answered)
        screen = self.window.screen()
        found = re.search(rf"(\d+): {re.escape(title)}", screen)
        if found is None and "Type number" in screen:
            self.window.press("Enter")  # without a number: nothing is chosen
        return found[1] if found else None

    async def run(self, command: str, **arguments: str) -> None:
        await self.keys.eval(NEOVIM_COMMAND, command=command, arguments=arguments)


# The editors, as the pages have them.


def block_of(page: str, language: str, heading: str = "") -> str:
    """The first block of code of an editor's page below the heading, for a provider that needs no key."""
    text = (ROOT / page).read_text(encoding="utf-8").split(f"\n{heading}\n", 1)[-1]
    found = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
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


@asynccontextmanager
async def in_neovim(folder: Path, scratch: Path, environ: Mapping[str, str]) -> AsyncIterator[User]:
    init = block_of("editors/neovim/README.md", "lua", "## Without the plugin")
    async with neovim(folder, init, environ) as keys:
        yield NeovimUser(folder, keys)


EDITORS = [in_helix, in_emacs, in_neovim]
Editor = Callable[[Path, Path, Mapping[str, str]], AbstractAsyncContextManager[User]]


@asynccontextmanager
async def sitting(
    editor: Editor, tmp_path: Path, files: Mapping[str, str], script: Sequence[Mapping[str, object]]
) -> AsyncIterator[User]:
    """A user at the editor, with Flux's answers. Nothing may have been saved at the end."""
    environ = prepare(tmp_path, files, script)
    folder, scratch = tmp_path / "workspace", tmp_path / "scratch"
    scratch.mkdir()
    # `flux` on the path, and no linter from beside it.
    (scratch / "flux").symlink_to(Path(sys.executable).with_name("flux"))
    others = [part for part in environ["PATH"].split(os.pathsep) if Path(part) != Path(sys.executable).parent]
    environ["PATH"] = os.pathsep.join([str(scratch), *others])
    async with editor(folder, scratch, environ) as user:
        await user.begin(next(iter(files)))
        yield user
        assert {path.name: path.read_bytes().decode() for path in folder.iterdir()} == files
