"""An editor that tells of typing late is made to tell: all of it, at its user's next pause."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from flux.lsp.documents import Documents
from flux.lsp.quiet import PAUSE_S, told_until
from tests.support.fake_editors.in_process import DocumentReports, InProcessEditor, client_for
from tests.support.fake_editors.rules import Eglot
from tests.support.virtual_time import run_in_virtual_time

URI = "file:///a"
NEVER = -float("inf")


def check(
    text: str,
    *,
    left_s: float | None,
    told: str,
    act: Callable[[Eglot], Awaitable[None]] | None = None,
    bound_s: float = 5,
) -> None:
    """How long it is certain that nothing is untold, what is told then, and that the user's text is as it was."""

    async def ask() -> None:
        documents = Documents(None, [], client_for(Eglot).counting)
        editor = Eglot(DocumentReports(documents))
        editor.open(URI, text)
        asked = InProcessEditor(editor, client_for(Eglot))
        document = documents.get(URI)
        assert document is not None
        acting = asyncio.create_task(act(editor)) if act else None
        await asyncio.sleep(0)
        until = await told_until(documents, document, asked.apply_edit, bound_s)
        assert document.text == told
        if acting:
            acting.cancel()
        now = asyncio.get_running_loop().time()
        assert (until if until in (None, NEVER) else until - now) == (
            left_s if left_s is None else pytest.approx(left_s)
        )
        assert editor.buffers[URI].text.startswith(told)

    run_in_virtual_time(ask())


async def type_once(editor: Eglot) -> None:
    editor.type(URI, 0, 0, "typed ")


async def type_on(editor: Eglot) -> None:
    while True:
        editor.type(URI, 1, 0, "x")
        await asyncio.sleep(0.4)


def test_a_user_who_is_still_has_told_all_at_once() -> None:
    check("one\ntwo\n", left_s=PAUSE_S, told="one\ntwo\n")


def test_what_was_typed_before_is_told_at_the_next_pause_and_then_as_much_time_is_left() -> None:
    check("one\ntwo\n", left_s=PAUSE_S, told="typed one\ntwo\n", act=type_once)


def test_a_user_who_types_on_is_not_waited_for_for_ever() -> None:
    check("one\n", left_s=None, told="one\n", act=type_on)


def test_a_text_without_a_line_end_cannot_be_asked_for() -> None:
    check("one", left_s=NEVER, told="one")


def test_a_user_who_says_no_has_told_nothing() -> None:
    async def say_no(editor: Eglot) -> None:
        editor.says_yes = False

    check("one\n", left_s=None, told="one\n", act=say_no)
