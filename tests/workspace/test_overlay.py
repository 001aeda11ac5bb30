"""A proposal over a workspace: seen as if it were made, while nothing below changes."""

from __future__ import annotations

import pytest

from flux.core.errors import FileMissing, SecretFile, StaleSnapshot
from flux.edits.plan import CreateFile, DeleteFile, EditFile, FileChange, RenameFile
from flux.workspace.memory import MemoryWorkspace
from flux.workspace.overlay import OverlayWorkspace
from flux.workspace.workspace import Workspace
from tests.support.workspaces import edit_of, plan

FILES = {"a": "1\n2\n3\n4\n5\n", "sub/b": "b\n"}


async def texts(workspace: Workspace) -> dict[str, str]:
    return {str(path): (await workspace.read(path)).text for path in await workspace.list_files()}


async def check(overlay: OverlayWorkspace, *expected: FileChange) -> None:
    """The proposal is this, and made on the files it gives what the overlay shows."""
    proposal = overlay.proposal("test")
    assert proposal.changes == expected
    files = MemoryWorkspace(FILES)
    await files.apply(proposal)
    assert await texts(files) == await texts(overlay)


async def test_what_is_proposed_is_read_listed_and_changed_again() -> None:
    below = MemoryWorkspace(FILES)
    overlay = OverlayWorkspace(below)
    await overlay.apply(plan(await edit_of(overlay, "a", "2", "two"), CreateFile(overlay.path("sub/new"), "new\n")))
    await overlay.apply(plan(await edit_of(overlay, "a", "4", "four"), await edit_of(overlay, "sub/new", "new", "x")))
    assert await texts(overlay) == {"a": "1\ntwo\n3\nfour\n5\n", "sub/b": "b\n", "sub/new": "x\n"}
    assert [str(path) for path in await overlay.list_files("sub")] == ["sub/b", "sub/new"]
    assert await texts(below) == FILES
    edit, new = overlay.proposal("test").changes
    assert isinstance(edit, EditFile)
    await check(overlay, edit, new)


async def test_a_new_folder_is_listed() -> None:
    overlay = OverlayWorkspace(MemoryWorkspace(FILES))
    with pytest.raises(FileMissing):
        await overlay.list_files("fresh")
    await overlay.apply(plan(CreateFile(overlay.path("fresh/new"), "")))
    assert [str(path) for path in await overlay.list_files("fresh")] == ["fresh/new"]


async def test_a_file_that_was_changed_and_is_then_removed_is_a_removal() -> None:
    overlay = OverlayWorkspace(MemoryWorkspace(FILES))
    a = overlay.path("a")
    original = await overlay.read(a)
    await overlay.apply(plan(await edit_of(overlay, "a", "2", "two")))
    await overlay.apply(plan(DeleteFile(await overlay.read(a))))
    with pytest.raises(FileMissing, match="its removal is proposed"):
        await overlay.read(a)
    await check(overlay, DeleteFile(original))
    await overlay.apply(plan(CreateFile(a, "new\n")))
    (change,) = overlay.proposal("test").changes
    assert isinstance(change, EditFile)
    await check(overlay, change)


async def test_a_file_that_is_made_and_removed_is_no_change() -> None:
    overlay = OverlayWorkspace(MemoryWorkspace(FILES))
    await overlay.apply(plan(CreateFile(overlay.path("new"), "x\n")))
    await overlay.apply(plan(DeleteFile(await overlay.read(overlay.path("new")))))
    await check(overlay)


async def test_a_file_is_moved_and_changed_and_moved_again() -> None:
    overlay = OverlayWorkspace(MemoryWorkspace(FILES))
    a, c, d = (overlay.path(name) for name in "acd")
    original = await overlay.read(a)
    await overlay.apply(plan(RenameFile(original, c)))
    await overlay.apply(plan(await edit_of(overlay, "c", "2", "two")))
    await overlay.apply(plan(RenameFile(await overlay.read(c), d)))
    (change,) = overlay.proposal("test").changes
    assert isinstance(change, RenameFile)
    assert (change.snapshot, change.new_path, change.new_text()) == (original, d, "1\ntwo\n3\n4\n5\n")
    await check(overlay, change)
    await overlay.apply(plan(RenameFile(await overlay.read(d), a)))
    (change,) = overlay.proposal("test").changes
    assert isinstance(change, EditFile)


async def test_another_file_in_the_place_of_a_moved_one_is_kept_apart() -> None:
    overlay = OverlayWorkspace(MemoryWorkspace(FILES))
    a, c = overlay.path("a"), overlay.path("c")
    await overlay.apply(plan(RenameFile(await overlay.read(a), c)))
    await overlay.apply(plan(CreateFile(a, "other\n")))
    edit, new = overlay.proposal("test").changes
    assert new == CreateFile(c, FILES["a"])
    await check(overlay, edit, new)


async def test_a_file_is_not_moved_onto_another() -> None:
    overlay = OverlayWorkspace(MemoryWorkspace(FILES))
    await overlay.apply(plan(CreateFile(overlay.path("new"), "x\n")))
    with pytest.raises(StaleSnapshot, match="new exists already"):
        await overlay.apply(plan(RenameFile(await overlay.read(overlay.path("a")), overlay.path("new"))))


async def test_a_plan_is_taken_whole_or_not_at_all() -> None:
    overlay = OverlayWorkspace(MemoryWorkspace(FILES))
    edit = await edit_of(overlay, "a", "2", "two")
    with pytest.raises(StaleSnapshot, match="sub/b exists already"):
        await overlay.apply(plan(edit, CreateFile(overlay.path("sub/b"), "x")))
    with pytest.raises(SecretFile):
        await overlay.apply(plan(edit, CreateFile(overlay.path(".env"), "x")))
    await check(overlay)


async def test_typing_elsewhere_is_taken_up() -> None:
    below = MemoryWorkspace(FILES)
    overlay = OverlayWorkspace(below)
    below.open_buffer("a")
    await overlay.apply(plan(await edit_of(overlay, "a", "4", "four")))
    below.type_into("a", "1", "one")
    assert (await overlay.read(overlay.path("a"))).text == "one\n2\n3\nfour\n5\n"
    assert [buffer.text for buffer in overlay.open_buffers()] == ["one\n2\n3\nfour\n5\n"]
    await below.apply(overlay.proposal("test"))
    assert (await below.read(below.path("a"))).text == "one\n2\n3\nfour\n5\n"


async def test_where_typing_collides_the_proposal_keeps_its_own_text() -> None:
    below = MemoryWorkspace(FILES)
    overlay = OverlayWorkspace(below)
    await overlay.apply(plan(await edit_of(overlay, "a", "4", "four")))
    below.type_into("a", "4", "vier")
    assert (await overlay.read(overlay.path("a"))).text == "1\n2\n3\nfour\n5\n"
    with pytest.raises(StaleSnapshot):
        await below.apply(overlay.proposal("test"))
