"""One user at one editor who goes from story to story, and what must hold after each of them: `Stage.check`.

Each story has a file of its own, open and with unsaved typing in it, whose lines end with CRLF and have astral and
combining characters. What is told is read as the editor's user sees it: progress, messages, documents.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.stories.world import Step, World
from tests.support.fake_editors.language_server import QUERIES
from tests.support.fake_editors.rules import Editor, Eglot, Neovim, Plain, VsCode
from tests.support.fake_editors.texts import path_of, position_of
from tests.support.lsp_client import command_of, lsp_range

TEXT = (
    "# e\u0301 😋 first\r\n"
    "def area(r):  # 한\r\n"
    "    return '😋', 3 * r  # e\u0301\r\n"
    "\r\n"
    "\r\n"
    "def todo():\r\n"
    "    raise NotImplementedError\r\n"
    "\r\n"
    "\r\n"
    "# flux: make it 2 😋\r\n"
    "one = 1\r\n"
    "\r\n"
    "\r\n"
    "# last\r\n"
)
OPTIONS: Mapping[type[Editor], Mapping[str, object]] = {
    VsCode: {"turnEvents": True, "approval": True, "commitMessages": True, "query": list(QUERIES)},
    Neovim: {"turnEvents": True, "query": list(QUERIES)},
}
"""What the plugins in `editors/` say that they take; the others have none."""


@dataclass
class Stage:
    """`texts` are the files that were changed, as they must be without what the user typed."""

    made: World
    texts: dict[str, str] = field(default_factory=dict)
    reported: set[str] = field(default_factory=set)
    """The files of which Flux told in this story that it changed them."""
    record: Path = Path()
    _before: Mapping[str, str] = field(default_factory=dict)
    _begun: int = 0

    def __post_init__(self) -> None:
        self.made.client.answers["window/showDocument"] = self._show

    @property
    def rules(self) -> type[Editor]:
        return self.made.client.rules

    @property
    def question(self) -> str:
        """The method by which its user is asked before a change."""
        return "flux/approve" if self.rules is VsCode else "window/showMessageRequest"

    # The user.

    def begin(self, name: str) -> None:
        """A story's file is opened and typed into; a line more comes where the first edit travels."""
        made = self.made
        made.files = {**made.files, name: TEXT}
        (made.folder / name).write_bytes(TEXT.encode())
        made.client.open(made.uri(name), TEXT)
        made.type(name, "first")
        made.editor.before_edit[:] = [lambda: made.type_line(name, "# last")]
        self._before, self._begun = dict(self.texts), len(made.client.messages)
        self.reported.clear()

    async def script(self, *steps: Step) -> None:
        """Let the model answer so from now on."""
        number = len(list(self.made.folder.parent.glob("story-*.json")))
        path, self.record = (self.made.folder.parent / f"story-{number}.{kind}" for kind in ("json", "jsonl"))
        path.write_text(json.dumps({"steps": steps, "record": str(self.record)}), encoding="utf-8")
        await self.made.client.request("flux/setSettings", {"script": str(path)})

    async def menu(self, name: str, at: str, to: str = "", **context: object) -> Any:
        """The code actions from the one text to the other, or at a cursor before it."""
        self.made.editor.flush()
        return await self.made.client.code_actions(
            self.made.uri(name), self.place(name, at), self.place(name, to or at), **context
        )

    async def choose(self, name: str, title: str, at: str, to: str = "", **context: object) -> str:
        command = command_of(await self.menu(name, at, to, **context), f"Flux: {title}")
        return await self.turn(command["command"], *command["arguments"])

    async def turn(self, name: str, *arguments: object) -> str:
        """Run a command that is a turn; the last words of its progress."""
        count = len(self.ends()) + 1
        await self.ended(count, self.start(name, *arguments))
        return self.ends()[-1]

    def start(self, name: str, *arguments: object) -> asyncio.Future[Any]:
        self.made.editor.flush()
        params = {"command": name, "arguments": list(arguments)}
        return self.made.client.begin_request("workspace/executeCommand", params)[1]

    async def ended(self, count: int, *running: asyncio.Future[Any]) -> None:
        """So many turns of the story are over, which these commands ran."""
        for one in running:
            await self.until(one.done)
            one.result()
        await self.until(lambda: len(self.ends()) == count)
        await self.command("flux.chat.list")  # progress ends a moment before the turn is over

    async def command(self, name: str, **arguments: object) -> Any:
        """A command that is no turn; what it says that it changed is told."""
        result = await self.made.client.command(name, arguments)
        self.reported.update(result.get("unsaved", ()))
        return result

    def place(self, name: str, words: str) -> tuple[int, int]:
        text, editor = self.made.text(name), self.made.editor
        at = position_of(text, text.index(words), editor.encoding, editor.line_ends)
        return at.line, at.character

    def problem(self, name: str, words: str, message: str) -> Mapping[str, object]:
        """What another server says of the words."""
        line, column = self.place(name, words)
        behind = position_of(words, len(words), self.made.editor.encoding).character
        return {"range": lsp_range((line, column), (line, column + behind)), "message": message, "severity": 1}

    # What the user sees.

    async def until(self, holds: Callable[[], bool]) -> None:
        await self.made.client.until(holds)

    async def sees(self, words: str) -> None:
        """The words are shown: in a message, a chat, a document."""
        await self.until(lambda: words in self.shown())

    def shown(self) -> str:
        said = "".join(event["text"] for event in self.since("flux/turnEvent") if event["type"] == "text_delta")
        messages = [one["message"] for one in self.since("window/showMessage")]
        commits = [one["text"] for one in self.since("flux/commitMessage")]
        chats = [buffer.text for buffer in self.made.editor.buffers.values()]
        return "\n".join([said, *messages, *commits, *chats, *self.ends()])

    def progress(self, kind: str) -> list[str]:
        """What progress said since the story began."""
        values = [one["value"] for one in self.since("$/progress")]
        return [value.get("message") or value.get("title") for value in values if value["kind"] == kind]

    def ends(self) -> list[str]:
        return self.progress("end")

    def asked(self, request: int = -1) -> str:
        """All that the model was sent with a request."""
        lines = self.record.read_text(encoding="utf-8").splitlines()
        return json.dumps(json.loads(lines[request]), ensure_ascii=False)

    def since(self, method: str) -> list[Any]:
        """What the server sent by that method since the story began."""
        return [one.params for one in self.made.client.messages[self._begun :] if one.method == method]

    def _show(self, params: Mapping[str, Any]) -> Mapping[str, bool]:
        """As real editors do, it opens what it is to show."""
        uri, editor = params["uri"], self.made.editor
        editor.shown.append(uri)
        if uri not in editor.buffers:
            editor.open(uri, path_of(uri).read_bytes().decode())
        return {"success": True}

    # What comes of a story.

    def now(self, name: str, old: str, new: str) -> None:
        """The file has the one text in the place of the other by now, but for its line ends."""
        before = self.texts.get(name, self.made.files[name])
        assert before.count(old) == 1
        self.texts[name] = before.replace(old, new)

    def made_new(self, name: str, text: str) -> None:
        """The file is new: a buffer, or on the disk where the editor makes none and the user was asked."""
        if self.rules in {Eglot, Plain}:
            assert name in self.made.editor.questions[-1]
            self.made.files = {**self.made.files, name: text}
        else:
            if self.rules is not Neovim:  # which makes the file by editing it
                self.made.files = {**self.made.files, name: ""}
            self.texts[name] = text

    def check(self) -> None:
        """The invariant.

        No keystroke is lost and no edit in a wrong place: without what was typed, each buffer is what the edits make of
        the text. Nothing is saved. Every file that was changed is told of, and no progress is left hanging.
        """
        self.made.editor.flush()
        self.made.editor.before_edit.clear()
        self.made.check(self.texts)
        changed = {name for name, text in self.texts.items() if text != self._before.get(name, TEXT)}
        named = re.findall(r"unsaved: ([^·]+)", "\n".join(self.ends()))
        told = self.reported | {name for names in named for name in names.strip().split(", ")}
        assert changed <= told, f"changed without a word: {changed - told}"
        asked_for = self.since("window/workDoneProgress/create")
        assert len(asked_for) == len(self.progress("begin")) == len(self.ends()), (
            "progress without a beginning or an end"
        )
        assert "Flux made a mistake" not in self.shown()


Story = Callable[[Stage, str], Awaitable[None]]
"""What a user does in a file, which is there; and what must have come of it."""
