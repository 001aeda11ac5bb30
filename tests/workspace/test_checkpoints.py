"""Taking back what a turn did, and only that."""

from __future__ import annotations

import pytest

from flux.core.errors import StaleSnapshot
from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.edits.plan import AppliedChange, CreateFile, DeleteFile, FileChange, RenameFile
from flux.workspace.checkpoints import undo_plan
from flux.workspace.memory import MemoryWorkspace
from tests.support.workspaces import edit_of, plan


async def change(workspace: MemoryWorkspace, name: str, old: str, new: str) -> AppliedChange:
    applied = await workspace.apply(plan(await edit_of(workspace, name, old, new)))
    return applied.changes[0]


async def undo(workspace: MemoryWorkspace, *changes: AppliedChange) -> None:
    current: dict[WorkspacePath, FileSnapshot | None] = {}
    listed = await workspace.list_files()
    for path in {path for change in changes for path in change.paths}:
        current[path] = await workspace.read(path) if path in listed else None
    await workspace.apply(undo_plan(changes, current, "undo"))


async def check(workspace: MemoryWorkspace, name: str, text: str) -> None:
    assert (await workspace.read(workspace.path(name))).text == text


async def test_several_changes_of_one_file_are_taken_back_together() -> None:
    workspace = MemoryWorkspace({"a.py": "one\ntwo\nthree\n"})
    changes = [
        await change(workspace, "a.py", "two", "2"),
        await change(workspace, "a.py", "2\n", "2\n2.5\n"),
        await change(workspace, "a.py", "one", "1"),
    ]
    await undo(workspace, *changes)
    await check(workspace, "a.py", "one\ntwo\nthree\n")


async def test_what_the_user_typed_elsewhere_before_between_and_after_stays() -> None:
    workspace = MemoryWorkspace({"a.py": "one\ntwo\nthree\nfour\nfive\nsix\nseven\n"})
    workspace.open_buffer("a.py")
    first = await change(workspace, "a.py", "two", "2")
    workspace.type_into("a.py", "four", "four and a half")
    second = await change(workspace, "a.py", "six", "6")
    workspace.type_into("a.py", "one", "zero\none")
    await undo(workspace, first, second)
    await check(workspace, "a.py", "zero\none\ntwo\nthree\nfour and a half\nfive\nsix\nseven\n")
    assert workspace.saved_bytes("a.py") == b"one\ntwo\nthree\nfour\nfive\nsix\nseven\n"


async def test_a_change_that_the_user_changed_again_is_refused_by_name() -> None:
    workspace = MemoryWorkspace({"a.py": "one\ntwo\nthree\n", "b.py": "b\n"})
    changes = [await change(workspace, "b.py", "b", "c"), await change(workspace, "a.py", "two", "2")]
    workspace.type_into("a.py", "2", "22")
    with pytest.raises(StaleSnapshot, match=r"a\.py"):
        await undo(workspace, *changes)
    await check(workspace, "b.py", "c\n")


async def test_a_new_file_is_removed_also_after_more_changes_of_it() -> None:
    workspace = MemoryWorkspace({})
    (created,) = (await workspace.apply(plan(CreateFile(workspace.path("a.py"), "one\ntwo\n")))).changes
    changed = await change(workspace, "a.py", "two", "2")
    await undo(workspace, created, changed)
    assert workspace.saved_bytes("a.py") is None


async def test_a_new_file_that_the_user_wrote_into_is_kept() -> None:
    workspace = MemoryWorkspace({})
    (created,) = (await workspace.apply(plan(CreateFile(workspace.path("a.py"), "one\ntwo\n")))).changes
    workspace.type_into("a.py", "two", "two and mine")
    with pytest.raises(StaleSnapshot, match=r"a\.py"):
        await undo(workspace, created)
    await check(workspace, "a.py", "one\ntwo and mine\n")


async def test_a_new_file_that_the_user_removed_needs_nothing() -> None:
    workspace = MemoryWorkspace({})
    (created,) = (await workspace.apply(plan(CreateFile(workspace.path("a.py"), "one\n")))).changes
    assert undo_plan([created], {created.path: None}, "undo").changes == ()


async def test_a_removed_file_comes_back() -> None:
    workspace = MemoryWorkspace({"a.py": "one\n"})
    snapshot = await workspace.read(workspace.path("a.py"))
    (removed,) = (await workspace.apply(plan(DeleteFile(snapshot)))).changes
    await undo(workspace, removed)
    await check(workspace, "a.py", "one\n")


async def made(workspace: MemoryWorkspace, change: FileChange) -> AppliedChange:
    (applied,) = (await workspace.apply(plan(change))).changes
    return applied


async def moved(workspace: MemoryWorkspace, name: str, new_name: str) -> AppliedChange:
    return await made(workspace, RenameFile(await workspace.read(workspace.path(name)), workspace.path(new_name)))


async def test_a_moved_file_goes_back_with_what_was_typed_and_without_what_was_edited() -> None:
    workspace = MemoryWorkspace({"a.py": "one\ntwo\nthree\nfour\n"})
    changes = [
        await change(workspace, "a.py", "two", "2"),
        await moved(workspace, "a.py", "b.py"),
        await change(workspace, "b.py", "four", "4"),
        await moved(workspace, "b.py", "c.py"),
    ]
    workspace.type_into("c.py", "one", "zero\none")
    current = {workspace.path(name): None for name in ("a.py", "b.py")}
    now = await workspace.read(workspace.path("c.py"))
    undone = undo_plan(changes, {**current, now.path: now}, "undo")
    assert [type(change) for change in undone.changes] == [RenameFile]
    await undo(workspace, *changes)
    assert [str(path) for path in await workspace.list_files()] == ["a.py"]
    await check(workspace, "a.py", "zero\none\ntwo\nthree\nfour\n")


async def test_a_new_file_in_the_place_of_a_moved_one_goes_and_the_moved_one_comes_back() -> None:
    workspace = MemoryWorkspace({"a.py": "old\n"})
    changes = [
        await moved(workspace, "a.py", "b.py"),
        await made(workspace, CreateFile(workspace.path("a.py"), "new\n")),
    ]
    await undo(workspace, *changes)
    assert [str(path) for path in await workspace.list_files()] == ["a.py"]
    await check(workspace, "a.py", "old\n")


async def test_a_file_that_was_moved_and_then_removed_comes_back_in_its_first_place() -> None:
    data = b"\xff\xfe" + "é\n".encode("utf-16-le")
    workspace = MemoryWorkspace({"a.py": data})
    move = await moved(workspace, "a.py", "b.py")
    assert move.after is not None
    await undo(workspace, move, await made(workspace, DeleteFile(move.after)))
    assert [str(path) for path in await workspace.list_files()] == ["a.py"]
    assert workspace.saved_bytes("a.py") == data


async def test_a_moved_file_does_not_go_back_over_another() -> None:
    workspace = MemoryWorkspace({"a.py": "a\n"})
    move = await moved(workspace, "a.py", "b.py")
    await made(workspace, CreateFile(workspace.path("a.py"), "the user's\n"))
    with pytest.raises(StaleSnapshot, match=r"a\.py exists"):
        await undo(workspace, move)
