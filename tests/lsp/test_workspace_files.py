"""Files moved and removed through editors that each have the rules of a real one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from flux.core.errors import FileMissing, StaleSnapshot, WriteRefused
from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.edits.plan import AppliedPlan, CreateFile, DeleteFile, RenameFile
from flux.workspace.checkpoints import undo_plan
from tests.lsp.test_workspace import Bench, Liar, bench
from tests.support.fake_editors.rules import Editor, Helix, Neovim, Plain, VsCode

needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="modes as POSIX has them")


async def rename_of(made: Bench, name: str, new_name: str) -> RenameFile:
    return RenameFile(await made.workspace.read(made.workspace.path(name)), made.workspace.path(new_name))


async def undo(made: Bench, applied: AppliedPlan) -> AppliedPlan:
    current: dict[WorkspacePath, FileSnapshot | None] = {}
    for path in (path for change in applied.changes for path in change.paths):
        try:
            current[path] = await made.workspace.read(path)
        except FileMissing:
            current[path] = None
    return await made.workspace.apply(undo_plan(applied.changes, current))


@pytest.mark.parametrize("editor", [VsCode, Neovim, Helix])
async def test_an_open_file_is_moved_by_the_editor_with_its_unsaved_text_and_back(
    tmp_path: Path, editor: type[Editor]
) -> None:
    made = bench(tmp_path, editor, disk={"a.py": "a\n"}, buffers={"a.py": "unsaved a\n"})
    applied = await made.apply(await rename_of(made, "a.py", "sub/b.py"))
    assert made.editor.texts() == {"b.py": "unsaved a\n"}
    assert list(made.on_disk()) == ["sub/b.py"]
    assert [str(path) for path in applied.changes[0].paths] == ["a.py", "sub/b.py"]
    await undo(made, applied)
    assert made.editor.texts() == {"a.py": "unsaved a\n"}
    assert list(made.on_disk()) == ["a.py"]


@pytest.mark.parametrize("editor", [VsCode, Neovim, Helix])
async def test_a_closed_file_is_moved_by_the_editor_and_stays_closed(tmp_path: Path, editor: type[Editor]) -> None:
    made = bench(tmp_path, editor, disk={"a.py": "a\n"})
    applied = await made.apply(await rename_of(made, "a.py", "b.py"))
    assert (made.editor.texts(), made.on_disk()) == ({}, {"b.py": "a\n"})
    assert applied.changes[0].is_saved
    await undo(made, applied)
    assert (made.editor.texts(), made.on_disk()) == ({}, {"a.py": "a\n"})


@pytest.mark.parametrize("editor", [VsCode, Neovim, Helix])
async def test_a_moved_and_edited_file_goes_back_in_one(tmp_path: Path, editor: type[Editor]) -> None:
    made = bench(tmp_path, editor, disk={"a.py": "one\ntwo\n"}, buffers={"a.py": "one\ntwo\n"})
    moved = await made.apply(await rename_of(made, "a.py", "b.py"))
    edited = await made.apply(await made.edit("b.py", "two", "2"))
    made.editor.type(made.uri("b.py"), 0, 0, "typed ")
    await undo(made, AppliedPlan("turn", (*moved.changes, *edited.changes)))
    assert made.editor.texts() == {"a.py": "typed one\ntwo\n"}
    assert list(made.on_disk()) == ["a.py"]


@pytest.mark.parametrize("editor", [VsCode, Neovim, Helix])
async def test_a_move_is_taken_back_where_the_rest_of_the_plan_fails(tmp_path: Path, editor: type[Editor]) -> None:
    made = bench(tmp_path, editor, disk={"a.py": "a\n", "b.py": "b\n"}, buffers={"b.py": "b\n"})
    changes = (await rename_of(made, "a.py", "new.py"), await made.edit("b.py", "b", "new b"))
    made.editor.before_edit += [lambda: made.editor.type(made.uri("b.py"), 0, 1, "!")] * 4
    with pytest.raises(StaleSnapshot):
        await made.apply(*changes)
    assert made.on_disk() == {"a.py": "a\n", "b.py": "b\n"}
    assert "new" not in made.editor.texts()["b.py"]


async def test_a_file_is_not_moved_over_one_that_is_open_or_on_the_disk(tmp_path: Path) -> None:
    made = bench(tmp_path, disk={"a.py": "a\n", "b.py": "b\n"}, buffers={"new.py": "never saved\n"})
    for name in ("b.py", "new.py"):
        with pytest.raises(StaleSnapshot, match=f"{name} exists"):
            await made.apply(await rename_of(made, "a.py", name))
    with pytest.raises(WriteRefused, match="never saved"):
        await made.apply(await rename_of(made, "new.py", "c.py"))
    assert made.editor.labels == []


async def test_a_move_that_the_editor_did_not_make_is_noticed(tmp_path: Path) -> None:
    made = bench(tmp_path, Liar, disk={"a.py": "a\n", "c.py": "c\n"}, buffers={"a.py": "a\n"})
    for name in ("a.py", "c.py"):
        with pytest.raises(WriteRefused, match="it says that it did"):
            await made.apply(await rename_of(made, name, "b.py"))
    assert made.on_disk() == {"a.py": "a\n", "c.py": "c\n"}


async def test_files_are_moved_and_removed_on_the_disk_after_asking_where_the_editor_cannot(tmp_path: Path) -> None:
    made = bench(tmp_path, Plain, disk={"a.py": "a\n", "b.py": "b\n", "c.py": "c\n"}, buffers={"c.py": "c\n"})
    snapshot = await made.workspace.read(made.workspace.path("b.py"))
    applied = await made.apply(await rename_of(made, "a.py", "new.py"), DeleteFile(snapshot))
    assert made.on_disk() == {"new.py": "a\n", "c.py": "c\n"}
    assert len(made.editor.questions) == 1
    await undo(made, applied)
    assert made.on_disk() == {"a.py": "a\n", "b.py": "b\n", "c.py": "c\n"}
    with pytest.raises(WriteRefused, match=r"c\.py is open"):
        await made.apply(await rename_of(made, "c.py", "d.py"))


@pytest.mark.parametrize("editor", [VsCode, Neovim, Plain])
async def test_a_closed_file_in_an_older_encoding_is_written_on_the_disk_after_asking(
    tmp_path: Path, editor: type[Editor]
) -> None:
    """Most editors would open it as UTF-8, and save it with what they could not read replaced."""
    made = bench(tmp_path, editor)
    (tmp_path / "a.py").write_bytes("# café\nb = 2\n".encode("latin-1"))
    edit = await made.edit("a.py", "2", "3")
    made.editor.says_yes = False
    with pytest.raises(WriteRefused, match=r"did not let Flux write a\.py"):
        await made.apply(edit)
    made.editor.says_yes = True
    applied = await made.apply(edit)
    assert (tmp_path / "a.py").read_bytes() == "# café\nb = 3\n".encode("latin-1")
    assert (made.editor.texts(), applied.changes[0].is_saved) == ({}, True)


@needs_posix
@pytest.mark.parametrize("data", [b"\xef\xbb\xbf#!/bin/sh\r\necho\n", "déjà vu\n".encode("latin-1"), b"plain"])
@pytest.mark.parametrize("is_open", [True, False])
async def test_a_removed_program_comes_back_with_its_bytes_and_its_mode(
    tmp_path: Path, data: bytes, is_open: bool
) -> None:
    made = bench(tmp_path, VsCode, disk={"a.sh": ""})
    file = made.folder / "a.sh"
    file.write_bytes(data)
    file.chmod(0o750)
    path = made.workspace.path("a.sh")
    if is_open:
        made.editor.open(made.uri("a.sh"), (await made.workspace.read(path)).text)
    applied = await made.apply(DeleteFile(await made.workspace.read(path)))
    assert not file.exists()
    await undo(made, applied)
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (data, 0o750)


@pytest.mark.parametrize("editor", [VsCode, Helix])
async def test_a_file_that_comes_up_while_it_is_created_keeps_its_text(tmp_path: Path, editor: type[Editor]) -> None:
    made = bench(tmp_path, editor)
    made.editor.before_edit.append(lambda: (tmp_path / "a.py").write_bytes(b"of somebody else\n"))
    with pytest.raises((StaleSnapshot, WriteRefused)):
        await made.apply(CreateFile(made.workspace.path("a.py"), "new\n"))
    assert made.on_disk() == {"a.py": "of somebody else\n"}
    assert all(text.endswith("of somebody else\n") for text in made.editor.texts().values())
