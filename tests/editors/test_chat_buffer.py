"""A chat in a document of the real Helix, Emacs and Neovim: sent by a code action, answered while more is typed."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from tests.editors.test_first_steps import pytestmark
from tests.support.real_editors.users import Editor, User, in_emacs, in_helix, in_neovim, sitting

__all__ = ["pytestmark"]


async def of_flux(user: User, tmp_path: Path) -> Path:
    """A file of Flux's own."""
    await user.run("flux.chat.openBuffer")
    await user.window.shows("Flux chat")
    (path,) = (tmp_path / "state/chats").iterdir()
    return path


async def of_the_project(user: User, tmp_path: Path) -> Path:
    """A document of the project that was never saved."""
    path = user.folder / "talk.txt"
    await user.place(path.name, 0)
    await user.choose("Flux: chat in this document")
    await user.text_that(path, lambda text: "Flux chat" in text)
    return path


@pytest.mark.parametrize(
    ("editor", "opened"),
    [(in_helix, of_flux), (in_neovim, of_flux), (in_neovim, of_the_project), (in_emacs, of_the_project)],
)
async def test_a_message_is_answered_in_the_document_while_the_next_is_written(
    editor: Editor, opened: Callable[[User, Path], Awaitable[Path]], tmp_path: Path
) -> None:
    slow: Mapping[str, object] = {"text": "Words and more. " * 20, "chunk": 8, "delay_s": 0.1}
    async with sitting(editor, tmp_path, {"known.py": "one\n"}, [slow, {"text": "Second."}]) as user:
        path = await opened(user, tmp_path)
        await user.append(path, "Hello 😋")
        await user.choose("Flux: send this message")
        await user.text_that(path, lambda text: "Words and more." in text)
        await user.append(path, "And now?")
        await user.text_that(path, lambda text: "\n*done" in text)
        await user.choose("Flux: send this message")
        text = await user.text_that(path, lambda text: "Second.\n\n*done" in text)
        check(text, f"Hello 😋 ## Flux {slow['text']}", "And now? ## Flux Second.")
        with pytest.raises(AssertionError):  # a keystroke that is lost is seen
            check(text.replace("now", "nw"), f"Hello 😋 ## Flux {slow['text']}", "And now? ## Flux Second.")


def check(text: str, *rounds: str) -> None:
    """What the document has is what was said, and nothing else."""
    bare = re.sub(r"\*done.*\*", "*done*", re.sub(r"<!-- Flux chat.*-->", "", text))
    wanted = " ".join(f"## You {said} *done*" for said in rounds)
    assert bare.split() == f"{wanted} ## You".split(), json.dumps(text)
