"""The map of the project in a conversation: with its first message, once, and without holding anything up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from flux.agent.session import Session
from flux.agent.session_store import SessionStore
from flux.agent.sessions import Sessions
from flux.context.repo_map import has_map
from flux.core.config import Settings
from flux.core.messages import Text
from flux.llm.scripted_provider import ScriptedProvider
from flux.workspace.disk import DiskWorkspace
from tests.support.talks import open_session, send, step

MAP = """\
<repository_map from="definitions used most, by file; not all">
a.py
  class Shape:
    def area(self):
</repository_map>
"""


@asynccontextmanager
async def opened(folder: Path, session_id: str = "", **settings: object) -> AsyncIterator[Session]:
    """A session as the doors open them, over a small project; it answers from a script."""
    project = folder / "project"
    project.mkdir(exist_ok=True)
    (project / "a.py").write_text("class Shape:\n    def area(self):\n        return 0\n", encoding="utf-8")
    script = folder / "script.json"
    script.write_text('[{"text": "Yes."}, {"text": "Yes."}, {"text": "Yes."}]', encoding="utf-8")
    store = SessionStore(folder / "sessions.db")
    sessions = Sessions(Settings().override({"provider": "scripted", "script": str(script), **settings}), store)
    workspace = DiskWorkspace([project])
    try:
        yield await (sessions.resume(session_id, workspace) if session_id else sessions.start(workspace))
    finally:
        await sessions.close()


def maps(session: Session) -> list[list[str]]:
    """The maps in each message of the user."""
    parts = [[p.text for p in m.parts if isinstance(p, Text)] for m in session.history() if m.role == "user"]
    return [[text for text in texts if text.startswith("<repository_map")] for texts in parts]


async def test_the_map_goes_along_with_the_first_message_and_stays(tmp_path: Path) -> None:
    async with opened(tmp_path) as session:
        await send(session, "What is here?")
        await send(session, "And now?")
        assert maps(session) == [[MAP], []]
        session_id = session.id
    async with opened(tmp_path, session_id) as session:
        await send(session, "Still?")
        assert maps(session) == [[MAP], [], []]
        assert has_map(session.history())


async def test_without_room_set_for_it_there_is_none(tmp_path: Path) -> None:
    async with opened(tmp_path, map_tokens=0) as session:
        await send(session, "What is here?")
        assert maps(session) == [[]]


async def test_a_file_that_goes_along_is_not_on_the_map(tmp_path: Path) -> None:
    async with opened(tmp_path) as session:
        (tmp_path / "project" / "b.py").write_text("def other(): Shape\n", encoding="utf-8")
        await send(session, "What is in @a.py?")
        assert maps(session) == [[MAP.replace("a.py\n  class Shape:\n    def area(self):\n", "b.py\n  def other():\n")]]


async def test_a_session_that_was_given_no_index_has_none(tmp_path: Path) -> None:
    session = open_session(DiskWorkspace([tmp_path]), ScriptedProvider([step("Yes.")]))
    await send(session, "What is here?")
    assert maps(session) == [[]]


async def test_however_often_it_is_previewed_the_map_goes_along_then(tmp_path: Path) -> None:
    async with opened(tmp_path) as session:
        shown = [await session.preview("What is here?") for _ in range(4)]
        await send(session, "What is here?")
        assert maps(session) == [[MAP]]
        assert {preview.request.messages for preview in shown} == {tuple(session.history()[:1])}
