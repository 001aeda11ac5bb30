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
from typing import Generic, Protocol, TypeVar

from tests.support.editors import ROOT, prepare
from tests.support.real_editors.emacs import EmacsKeys, emacs
from tests.support.real_editors.helix import HelixKeys, helix
from tests.support.real_editors.neovim import NeovimKeys, neovim
from tests.support.real_editors.terminal import BOUND_S, Terminal

T = TypeVar("T")

BIN = Path(sys.executable).parent
FLUX = {"flux": BIN / "flux"}


class Keys(Protocol):
    """What every editor's keys can do."""

    window: Terminal

    async def go(self, path: Path, line: int = 0, column: int = 0) -> None: ...

    async def text(self, path: Path) -> str: ...

    async def text_in_front(self) -> str: ...


K = TypeVar("K", bound=Keys)


class User(ABC, Generic[K]):
    """What a person does in the editor, whose folder this is."""

    def __init__(self, folder: Path, keys: K) -> None:
        self.folder = folder
        self.keys = keys
        self.window = keys.window
        self.record = folder.with_name("record.jsonl")
        self.written: set[str] = set()
        """The files that Flux was allowed to write to the disk."""

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
    async def choose(self, title: str) -> None:
        """Choose the entry that begins so in the menu of code actions, for the place where the user is."""

    @abstractmethod
    async def run(self, command: str, **arguments: str) -> None:
        """A command of Flux."""

    @abstractmethod
    async def allow_new(self, name: str) -> None:
        """Answer what is asked where Flux is to make a file."""

    async def text_of(self, path: Path) -> str:
        """What the buffer has, as it would be saved."""
        return await self.keys.text(path)

    async def text_in_front(self) -> str:
        """What the document has that is shown, as it would be saved."""
        return await self.keys.text_in_front()

    async def text(self, name: str) -> str:
        return await self.text_of(self.folder / name)

    async def place(self, name: str, line: int, column: int = 0) -> None:
        """Go to a place, which is zero-based."""
        await self.keys.go(self.folder / name, line, column)

    async def edit(self, name: str) -> None:
        await self.run("flux.edit", uri=(self.folder / name).as_uri(), instruction="Go.")

    async def text_that(self, path: str | Path, holds: Callable[[str], bool]) -> str:
        """The text of the document once this holds for it."""
        return await self._once(str(path), lambda: self.text_of(self.folder / path), holds)

    async def asked(self, count: int) -> None:
        """Wait until the model was asked so often in all: what it wanted before that is done."""
        await self._once("how often the model was asked", self._requests, lambda number: number >= count)

    async def _requests(self) -> int:
        return self.record.read_bytes().count(b"\n") if self.record.exists() else 0

    async def _once(self, what: str, read: Callable[[], Awaitable[T]], holds: Callable[[T], bool]) -> T:
        found = await read()
        end = time.monotonic() + BOUND_S
        while not holds(found):
            assert time.monotonic() < end, f"{what} is {found!r}\n{self.window.screen()}"
            await asyncio.sleep(0.05)  # it must be able to go on
            found = await read()
        return found


HELIX_ENTRY = re.compile(r"(?<!“)((?:Flux|Ruff|Ruff \(\w+\)): .*?)(?:\s{2,}|$)", re.MULTILINE)
HELIX_HAS_NO_MENU = "No configured language server|No code actions available"


class HelixUser(User[HelixKeys]):
    async def begin(self, name: str) -> None:
        await self.window.shows("NOR")
        await self.place(name, 0)
        await self._offered("Flux: ")  # the menu leaves out servers that are not up yet
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

    async def choose(self, title: str) -> None:
        above = await self._offered(title)
        self.window.press(*["Down"] * above, "Enter")  # the first entry is chosen

    async def _offered(self, title: str) -> int:
        """How many entries stand above this one in the menu, which is open then."""
        async with self.window.bounded(title):
            while not any(entry.startswith(title) for entry in await self._open_menu()):
                await self._close_menu()
        return next(number for number, entry in enumerate(self._menu()) if entry.startswith(title))

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

    async def allow_new(self, name: str) -> None:
        """Nothing is asked: it is made by the editor."""

    async def run(self, command: str, **arguments: str) -> None:
        await self.keys.run("lsp-workspace-command", f"{command} {json.dumps(arguments)}")


EMACS_ASKS = "Pick an action"


class EmacsUser(User[EmacsKeys]):
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

    async def choose(self, title: str) -> None:
        async with self.window.bounded(title):
            while not await self._choose(title):
                self.window.press("C-g")

    async def allow_new(self, name: str) -> None:
        await self.window.shows(f"Flux wants to write {name} to the disk")
        await self.window.shows("Choose an option: Write")
        self.window.press("Enter")
        self.written.add(name)

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


class NeovimUser(User[NeovimKeys]):
    async def begin(self, name: str) -> None:
        # What is opened before all of the init file is read would have no server.
        await self._once("Neovim is up", lambda: self.keys.eval("return vim.v.vim_did_enter == 1"), bool)
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

    async def allow_new(self, name: str) -> None:
        """Nothing is asked: it is made by the editor."""

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


NEOVIM_RUFF = """
if vim.fn.executable("ruff") == 1 then
  vim.lsp.config("ruff", { cmd = { "ruff", "server" }, filetypes = { "python" } })
  vim.lsp.enable("ruff")
end
"""


@asynccontextmanager
async def in_neovim(folder: Path, scratch: Path, environ: Mapping[str, str]) -> AsyncIterator[User]:
    init = block_of("editors/neovim/README.md", "lua", "## Without the plugin") + NEOVIM_RUFF
    async with neovim(folder, init, environ) as keys:
        yield NeovimUser(folder, keys)


EDITORS = [in_helix, in_emacs, in_neovim]
Editor = Callable[[Path, Path, Mapping[str, str]], AbstractAsyncContextManager[User]]


@asynccontextmanager
async def sitting(
    editor: Editor,
    tmp_path: Path,
    files: Mapping[str, str],
    script: Sequence[Mapping[str, object]],
    programs: Mapping[str, Path] = FLUX,
) -> AsyncIterator[User]:
    """A user at the editor, with Flux's answers and these programs on the path, no others from beside them.

    Nothing may have been saved at the end.
    """
    environ = prepare(tmp_path, files, [])
    folder, scratch = tmp_path / "workspace", tmp_path / "scratch"
    steps = {"steps": script, "record": "record.jsonl"}
    (tmp_path / "script.json").write_text(json.dumps(steps), encoding="utf-8")
    scratch.mkdir()
    for name, program in programs.items():
        (scratch / name).symlink_to(program)
    others = [part for part in environ["PATH"].split(os.pathsep) if Path(part) != BIN]
    environ["PATH"] = os.pathsep.join([str(scratch), *others])
    async with editor(folder, scratch, environ) as user:
        await user.begin(next(iter(files)))
        yield user
        # An editor may make the empty file whose text it has as unsaved.
        left = {name: text for name, text in on_disk(folder).items() if name not in user.written}
        assert {name: text for name, text in left.items() if text or name in files} == files


def on_disk(folder: Path) -> dict[str, str]:
    paths = [path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_bytes().decode() for path in paths}
