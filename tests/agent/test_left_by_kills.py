"""What a process that was killed in mid-write left in the user's folders goes when Flux is next at work there."""

from __future__ import annotations

from pathlib import Path

import pytest

from flux.agent.session_store import SessionStore
from flux.agent.sessions import Sessions
from flux.core.config import Settings
from flux.edits.plan import CreateFile, EditPlan
from flux.workspace.disk import DiskWorkspace
from tests.support.leftovers import leave


def killed_in_mid_write(folder: Path, project: Path) -> tuple[Sessions, DiskWorkspace]:
    """A store with a turn that was about to write into `below`, and the half of a file that it left there."""
    below = project / "below"
    below.mkdir(parents=True)
    workspace = DiskWorkspace([project])
    store = SessionStore(folder / "sessions.db")
    store.create("killed", workspace.roots[0])
    plan = EditPlan("new", (CreateFile(workspace.path("below/a.txt"), "half of it\n"),))
    store.in_flight.add_intent("killed", "t1", ("c1",), plan)
    store.close()
    leave(below)
    settings = Settings(provider="demo")
    return Sessions(settings, SessionStore(folder / "sessions.db")), workspace


def kept(project: Path) -> list[str]:
    """What is left, without the numbers of processes."""
    return sorted(file.name.split("-")[1] for file in project.rglob(".flux-*"))


@pytest.mark.parametrize("is_resumed", [True, False])
async def test_a_file_that_was_about_to_be_written_goes_with_the_next_session(tmp_path: Path, is_resumed: bool) -> None:
    sessions, workspace = killed_in_mid_write(tmp_path, tmp_path / "project")
    assert len(kept(tmp_path)) == 2
    session = await (sessions.resume("killed", workspace) if is_resumed else sessions.start(workspace))
    assert session.held_by == ""
    assert kept(tmp_path) == ["kept"]  # what may be the only copy of a text stays
    await sessions.close()


async def test_what_lies_in_other_projects_is_not_looked_at(tmp_path: Path) -> None:
    sessions, _ = killed_in_mid_write(tmp_path, tmp_path / "project")
    (tmp_path / "other").mkdir()
    await sessions.start(DiskWorkspace([tmp_path / "other"]))
    assert len(kept(tmp_path)) == 2
    await sessions.close()
