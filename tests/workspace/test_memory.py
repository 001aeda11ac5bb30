"""What only the fake has: open buffers, diagnostics, several folders without a disk."""

from __future__ import annotations

from flux.core.diagnostics import Diagnostic
from flux.core.text import Position, Range
from flux.workspace.memory import MemoryWorkspace
from tests.support.workspaces import edit_of, plan


async def test_an_open_buffer_wins_over_the_disk_and_is_edited_unsaved() -> None:
    workspace = MemoryWorkspace({"a.py": "a = 1\n"})
    workspace.open_buffer("a.py", "a = 1  # unsaved\n")
    workspace.type_into("a.py", "# unsaved", "# still unsaved")
    applied = await workspace.apply(plan(await edit_of(workspace, "a.py", "1", "2")))
    snapshot = await workspace.read(workspace.path("a.py"))
    assert (snapshot.text, snapshot.version, snapshot.origin) == ("a = 2  # still unsaved\n", 3, "buffer")
    assert [change.is_saved for change in applied.changes] == [False]
    assert workspace.saved_bytes("a.py") == b"a = 1\n"


async def test_buffers_are_told_with_the_latest_first_and_listed_also_without_a_file() -> None:
    workspace = MemoryWorkspace({"a.py": ""})
    workspace.open_buffer("a.py")
    workspace.open_buffer("new.py", "new")
    assert [buffer.path.relative for buffer in workspace.open_buffers()] == ["new.py", "a.py"]
    assert [str(path) for path in await workspace.list_files()] == ["a.py", "new.py"]


async def test_diagnostics_are_those_reported_last() -> None:
    workspace = MemoryWorkspace({"a.py": ""})
    diagnostic = Diagnostic(Range(Position(0, 0), Position(0, 1)), "unexpected end")
    workspace.report("a.py", diagnostic)
    assert await workspace.diagnostics(workspace.path("a.py")) == (diagnostic,)
    workspace.report("a.py")
    assert await workspace.diagnostics(workspace.path("a.py")) == ()


async def test_several_folders_have_labels() -> None:
    workspace = MemoryWorkspace({"app/a.py": "1", "lib/a.py": "2"}, roots=("/x/app", "/x/lib"))
    assert [str(path) for path in await workspace.list_files()] == ["app/a.py", "lib/a.py"]
    assert [str(path) for path in await workspace.list_files("lib")] == ["lib/a.py"]
    assert (await workspace.read(workspace.path("lib/a.py"))).text == "2"
