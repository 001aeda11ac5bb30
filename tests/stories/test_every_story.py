"""Every story of the language server in each of the five editors, over a real server; after each, the invariant.

What is told here is told once for all five. Stories of single editors, and of typing at the worst moment, stand in the
other modules.
"""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from flux.agent.session_store import SessionStore
from flux.agent.store.values import said
from tests.stories import action_stories, chat_stories, workspace_stories
from tests.stories.stage import OPTIONS, TEXT, Stage, Story
from tests.stories.world import edit, steps, world
from tests.support.fake_editors.rules import EDITORS, Editor, VsCode
from tests.support.lsp_client import BOUND_S, NO_ANSWER, Message

CHAPTERS: dict[str, tuple[Story, ...]] = {
    "actions": action_stories.STORIES,
    "chats": chat_stories.STORIES,
    "workspace": workspace_stories.STORIES,
}
ENCODINGS = ("utf-8", "utf-16", "utf-32")

every_editor = pytest.mark.parametrize("rules", EDITORS, ids=lambda rules: rules.__name__)


@every_editor
@pytest.mark.parametrize("chapter", CHAPTERS)
async def test_no_keystroke_is_lost_nothing_misplaced_unreported_or_saved(
    tmp_path: Path, rules: type[Editor], chapter: str
) -> None:
    """Each editor tells its chapters in different encodings, and each chapter is told in all of them."""
    encoding = ENCODINGS[(list(CHAPTERS).index(chapter) + EDITORS.index(rules)) % 3]
    async with stage(tmp_path, rules, encoding) as on:
        for number, story in enumerate(CHAPTERS[chapter]):
            try:
                on.begin(name := f"s{number}.py")
                await story(on, name)
                on.check()
            except BaseException as e:
                e.add_note(f"in the story: {story.__name__.replace('_', ' ')}")
                raise


@every_editor
async def test_an_editor_that_dies_while_its_user_is_asked_leaves_the_turn_stored_and_nothing_changed(
    tmp_path: Path, rules: type[Editor]
) -> None:
    async with stage(tmp_path, rules) as on:
        client = on.made.client
        on.begin("a.py")
        await on.script(*steps(edit("a.py", "one = 1", "one = 2")))
        await client.request("flux/setSettings", {"approval": "ask"})
        client.answers[on.question] = lambda _: NO_ANSWER
        on.start("flux.chat.send", {"text": "Go 😋.", "uri": on.made.uri("a.py")}).add_done_callback(Future.exception)
        await on.until(lambda: bool(on.since(on.question)))
        assert client.process.stdin is not None
        client.process.stdin.close()
        async with asyncio.timeout(BOUND_S):
            await client.ended.wait()
        on.made.check()
    store = SessionStore(tmp_path / "state" / "sessions.db")
    try:
        [session] = store.sessions()
        told = [(one.message.role, said(one.message)) for one in store.messages(session.id)]
    finally:
        store.close()
    assert told[:2] == [("user", "Go 😋."), ("assistant", "I will.")]


def lose_a_keystroke(on: Stage) -> None:
    on.made.editor.undo(on.made.uri("a.py"))


def save(on: Stage) -> None:
    (on.made.folder / "a.py").write_text(on.made.text("a.py"), encoding="utf-8", newline="")


def edit_elsewhere(on: Stage) -> None:
    on.made.editor.insert(on.made.uri("a.py"), 0, "1")


def edit_without_a_word(on: Stage) -> None:
    edit_elsewhere(on)
    on.texts["a.py"] = f"1{TEXT}"


def tell_of_no_end(on: Stage) -> None:
    on.made.client.messages.append(Message("$/progress", {"token": 1, "value": {"kind": "begin", "title": "Flux"}}))


async def test_the_invariant_sees_what_breaks_it(tmp_path: Path) -> None:
    async with stage(tmp_path, VsCode) as on:
        for broken in (lose_a_keystroke, save, edit_elsewhere, edit_without_a_word, tell_of_no_end):
            on.made.files, on.made.typed, on.texts = {}, {}, {}
            on.begin("a.py")
            on.check()
            broken(on)
            with pytest.raises(AssertionError):
                on.check()


@asynccontextmanager
async def stage(tmp_path: Path, rules: type[Editor], encoding: str | None = None) -> AsyncIterator[Stage]:
    options = {"turnEvents": False, **OPTIONS.get(rules, {})}
    async with world(tmp_path, rules, {}, opened=(), encoding=encoding, **options) as made:
        yield Stage(made)
