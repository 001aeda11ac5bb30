"""A chat in a document of the real Helix and Emacs: written, sent by a code action, answered while more is typed."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from tests.editors.test_first_steps import EmacsUser, HelixUser, User, in_emacs, in_helix, pytestmark, sitting

__all__ = ["pytestmark"]

Editor = Callable[..., AbstractAsyncContextManager[User]]


class Chat:
    """The document, and what its user does in it."""

    def __init__(self, user: User, path: Path) -> None:
        self.user = user
        self.path = path

    async def has(self, words: str) -> str:
        return await self.user.text_that(str(self.path), lambda text: words in text)

    async def write(self, text: str) -> None:
        """At the end."""
        raise NotImplementedError

    async def choose(self, title: str) -> None:
        """The code action."""
        raise NotImplementedError


class HelixChat(Chat):
    user: HelixUser

    async def write(self, text: str) -> None:
        await self.user.keys.go(self.path)
        self.user.window.type("ge")
        self.user.window.type("o")
        await self.user.window.shows("INS")
        self.user.window.type(text)
        self.user.window.press("Escape")
        await self.user.window.shows("NOR")

    async def choose(self, title: str) -> None:
        self.user.window.type(" a")
        await self.user.window.shows(title)
        self.user.window.press("Enter")


class EmacsChat(Chat):
    user: EmacsUser

    async def write(self, text: str) -> None:
        await self.user.keys.go(self.path)
        self.user.window.press("M->")
        self.user.window.type(text)
        await self.has(text)

    async def choose(self, title: str) -> None:
        self.user.keys.command("eglot-code-actions")
        await self.user.window.shows("Flux: ")
        self.user.window.type(title)
        self.user.window.press("Enter")


@asynccontextmanager
async def helix_chat(user: User, tmp_path: Path) -> AsyncIterator[Chat]:
    """In a file of Flux's own."""
    assert isinstance(user, HelixUser)
    user.window.type("x")
    await user.window.until("Flux is up", user.has_menu)
    user.window.press("Escape")
    await user.run("flux.chat.openBuffer")
    await user.window.shows("Flux chat")
    (path,) = (tmp_path / "state/chats").iterdir()
    yield HelixChat(user, path)


@asynccontextmanager
async def emacs_chat(user: User, tmp_path: Path) -> AsyncIterator[Chat]:
    """In an empty file of the project."""
    assert isinstance(user, EmacsUser)
    chat = EmacsChat(user, user.folder / "talk.txt")
    await user.keys.go(chat.path)
    await user.window.shows("[eglot:")
    await chat.choose("Flux: chat in this document")
    await chat.has("Flux chat")
    yield chat


@pytest.mark.parametrize(("editor", "opened"), [(in_helix, helix_chat), (in_emacs, emacs_chat)])
async def test_a_message_is_answered_in_the_document_while_the_next_is_written(
    editor: Editor, opened: Callable[..., AbstractAsyncContextManager[Chat]], tmp_path: Path
) -> None:
    slow: Mapping[str, object] = {"text": "Words and more. " * 20, "chunk": 8, "delay_s": 0.1}
    async with sitting(editor, tmp_path, [slow, {"text": "Second."}]) as user, opened(user, tmp_path) as chat:
        await chat.write("Hello 😋")
        await chat.choose("Flux: send this message")
        await chat.has("Words and more.")
        await chat.write("And now?")
        await chat.has("\n*done")
        await chat.choose("Flux: send this message")
        text = await chat.has("Second.\n\n*done")
        bare = re.sub(r"\*done.*\*", "*done*", re.sub(r"<!-- Flux chat.*-->", "", text))
        assert bare.split() == (
            f"## You Hello 😋 ## Flux {slow['text']} *done* ## You And now? ## Flux Second. *done* ## You".split()
        ), json.dumps(text)
