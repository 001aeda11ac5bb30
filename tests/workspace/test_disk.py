"""What only the disk has: links, modes, failures half way, foreign sources."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pygls
import pytest
import rich

from flux.core.errors import FileMissing, NotText, OutsideWorkspace, OverlappingEdits, SecretFile, WriteRefused
from flux.edits.diff import text_edits_between
from flux.edits.match import edit_text
from flux.edits.plan import CreateFile, DeleteFile, EditFile, RenameFile
from flux.workspace.checkpoints import undo_plan
from flux.workspace.disk import DiskWorkspace
from tests.support.interleaving import watching
from tests.support.workspaces import edit_of, plan

needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="symbolic links, modes and pipes as POSIX has them")


def left_over(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".flux-*")]


@needs_posix
async def test_a_link_that_leads_out_is_refused_for_reading_and_writing(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "a.py").write_text("secret\n", encoding="utf-8")
    (root / "folder").symlink_to(outside)
    (root / "file.py").symlink_to(outside / "a.py")
    (root / "dangling.py").symlink_to(outside / "new.py")
    workspace = DiskWorkspace([root])
    for name in ("folder/a.py", "folder/new/b.py", "file.py", "dangling.py"):
        with pytest.raises(OutsideWorkspace):
            workspace.path(name)
    assert await workspace.list_files() == []


@needs_posix
async def test_a_link_that_came_after_the_path_was_checked_is_refused_too(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    workspace = DiskWorkspace([root])
    path = workspace.path("folder/a.py")
    (root / "folder").symlink_to(tmp_path)
    with pytest.raises(OutsideWorkspace):
        await workspace.apply(plan(CreateFile(path, "x")))
    assert not (tmp_path / "a.py").exists()


@needs_posix
async def test_a_link_to_a_secret_file_is_as_secret(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("KEY=1", encoding="utf-8")
    (tmp_path / "harmless.txt").symlink_to(".env")
    workspace = DiskWorkspace([tmp_path])
    with pytest.raises(SecretFile):
        await workspace.read(workspace.path("harmless.txt"))
    assert await workspace.list_files() == []


@needs_posix
async def test_a_link_inside_stays_a_link_and_its_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("a = 1\n", encoding="utf-8")
    (tmp_path / "b.py").symlink_to("a.py")
    workspace = DiskWorkspace([tmp_path])
    edit = await edit_of(workspace, "b.py", "1", "2")
    await workspace.apply(plan(edit))
    assert (tmp_path / "b.py").is_symlink()
    assert (tmp_path / "a.py").read_text(encoding="utf-8") == "a = 2\n"
    both = [await edit_of(workspace, name, "2", "3") for name in ("a.py", "b.py")]
    with pytest.raises(OverlappingEdits):
        await workspace.apply(plan(*both))


@needs_posix
async def test_the_mode_of_a_file_is_kept(tmp_path: Path) -> None:
    script = tmp_path / "run.sh"
    script.write_text("echo 1\n", encoding="utf-8")
    script.chmod(0o751)
    workspace = DiskWorkspace([tmp_path])
    await workspace.apply(plan(await edit_of(workspace, "run.sh", "1", "2")))
    assert stat.S_IMODE(script.stat().st_mode) == 0o751
    assert left_over(tmp_path) == []


@needs_posix
async def test_a_moved_file_keeps_its_mode_also_after_a_failure(tmp_path: Path) -> None:
    script = tmp_path / "run.sh"
    script.write_text("echo 1\n", encoding="utf-8")
    script.chmod(0o751)
    (tmp_path / "file").write_text("", encoding="utf-8")
    workspace = DiskWorkspace([tmp_path])
    snapshot = await workspace.read(workspace.path("run.sh"))
    rename = RenameFile(snapshot, workspace.path("bin/run"))
    for first in (rename, DeleteFile(snapshot)):
        # A folder comes where the last change wants a file, when the first two were made.
        blocked = (CreateFile(workspace.path("z/b"), "b"), CreateFile(workspace.path("z"), "z"))
        with pytest.raises(WriteRefused, match="Nothing was changed"):
            await workspace.apply(plan(first, *blocked))
        assert stat.S_IMODE(script.stat().st_mode) == 0o751
        assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "run.sh"]
    await workspace.apply(plan(rename))
    assert stat.S_IMODE((tmp_path / "bin/run").stat().st_mode) == 0o751
    assert not script.exists()
    assert left_over(tmp_path) == []


@needs_posix
async def test_a_link_is_neither_moved_nor_removed(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("a = 1\n", encoding="utf-8")
    (tmp_path / "b.py").symlink_to("a.py")
    workspace = DiskWorkspace([tmp_path])
    snapshot = await workspace.read(workspace.path("b.py"))
    for change in (DeleteFile(snapshot), RenameFile(snapshot, workspace.path("c.py"))):
        with pytest.raises(WriteRefused, match=r"b\.py is a symbolic link"):
            await workspace.apply(plan(change))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.py", "b.py"]


@needs_posix
async def test_a_file_is_not_moved_out_by_a_link_that_came_meanwhile(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "a.py").write_text("a\n", encoding="utf-8")
    workspace = DiskWorkspace([root])
    rename = RenameFile(await workspace.read(workspace.path("a.py")), workspace.path("folder/a.py"))
    (root / "folder").symlink_to(tmp_path)
    with pytest.raises(OutsideWorkspace):
        await workspace.apply(plan(rename))
    assert (root / "a.py").exists()
    assert not (tmp_path / "a.py").exists()


@needs_posix
async def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    workspace = DiskWorkspace([tmp_path])
    with pytest.raises(NotText):
        await workspace.read(workspace.path("pipe"))
    assert await workspace.list_files() == []


@pytest.mark.skipif(not Path("/proc/kallsyms").is_file(), reason="there is no file here that is longer than it says")
async def test_a_file_that_has_become_too_large_while_it_was_opened_is_refused() -> None:
    """Of /proc/kallsyms the system says that it is empty."""
    workspace = DiskWorkspace(["/proc"])
    assert Path("/proc/kallsyms").stat().st_size == 0
    with pytest.raises(NotText, match="too large to show"):
        await workspace.read(workspace.path("kallsyms"))


async def test_a_later_file_that_cannot_be_written_undoes_the_earlier_ones(tmp_path: Path) -> None:
    """A file stands where the second change needs a folder."""
    (tmp_path / "a.py").write_text("a = 1\n", encoding="utf-8")
    (tmp_path / "file").write_text("", encoding="utf-8")
    workspace = DiskWorkspace([tmp_path])
    changes = (
        await edit_of(workspace, "a.py", "1", "2"),
        CreateFile(workspace.path("new/b.py"), "b"),
        CreateFile(workspace.path("file/c.py"), "c"),
    )
    with pytest.raises(WriteRefused, match=r"file/c\.py cannot be written"):
        await workspace.apply(plan(*changes))
    assert (tmp_path / "a.py").read_text(encoding="utf-8") == "a = 1\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.py", "file"]


async def test_what_was_replaced_before_a_failure_is_put_back(tmp_path: Path) -> None:
    """The second change makes a folder where the third wants a file."""
    (tmp_path / "a.py").write_text("a = 1\n", encoding="utf-8")
    workspace = DiskWorkspace([tmp_path])
    changes = (
        await edit_of(workspace, "a.py", "1", "2"),
        CreateFile(workspace.path("new/b.py"), "b"),
        CreateFile(workspace.path("new"), "c"),
    )
    with pytest.raises(WriteRefused, match=r"new cannot be written.*Nothing was changed"):
        await workspace.apply(plan(*changes))
    assert (tmp_path / "a.py").read_text(encoding="utf-8") == "a = 1\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.py"]


BESIDE_ANOTHER_PROGRAM = """
import asyncio, sys
from flux.core.errors import WriteRefused
from flux.edits.plan import EditFile, EditPlan
from flux.edits.text_edit import TextEdit
from flux.workspace.disk import DiskWorkspace
async def main():
    workspace = DiskWorkspace([sys.argv[1]])
    path, seen = workspace.path("a.txt"), []
    place = str(path.absolute())
    def other_program(event, arguments):
        if event == "os.rename" and str(arguments[1]) == place:
            seen.append("written")
        elif event == "open" and seen == ["written"] and str(arguments[0]) == place:
            seen.append("read back")
            open(place, "w").write("newer")
    change = EditFile(await workspace.read(path), (TextEdit(0, 1, "A"),))
    sys.addaudithook(other_program)
    try:
        await workspace.apply(EditPlan("", (change,)))
    except WriteRefused as e:
        print(*seen, "|", e)
asyncio.run(main())
"""


def test_what_another_program_writes_over_a_change_at_once_stays(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a\n", encoding="utf-8")
    command = [sys.executable, "-c", BESIDE_ANOTHER_PROGRAM, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("written read back | Writing failed"), done
    assert [(one.name, one.read_text(encoding="utf-8")) for one in tmp_path.iterdir()] == [("a.txt", "newer")]


WRITE_FOR_EVER = """
import asyncio, sys
from flux.edits.diff import text_edits_between
from flux.edits.plan import EditFile, EditPlan
from flux.workspace.checkpoints import undo_plan
from flux.workspace.disk import DiskWorkspace
async def main():
    workspace = DiskWorkspace([sys.argv[1]])
    path = workspace.path("a.txt")
    while True:
        old = await workspace.read(path)
        new = old.text.translate({97: 98, 98: 97})
        await workspace.apply(EditPlan("", (EditFile(old, text_edits_between(old.text, new)),)))
        print("written", flush=True)
asyncio.run(main())
"""


@pytest.mark.parametrize("writes", [1, 2, 3])
def test_a_process_that_is_killed_while_it_writes_leaves_a_whole_file(tmp_path: Path, writes: int) -> None:
    whole = [b"a\n" * 200_000, b"b\n" * 200_000]
    (tmp_path / "a.txt").write_bytes(whole[0])
    command = [sys.executable, "-c", WRITE_FOR_EVER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(writes):
            assert process.stdout.readline().strip() == b"written"
        process.kill()
    assert (tmp_path / "a.txt").read_bytes() in whole


async def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    workspace = DiskWorkspace([tmp_path])
    with pytest.raises(FileMissing, match="is a folder"):
        await workspace.read(workspace.path("folder"))


async def test_installed_packages_are_not_listed_whatever_their_folder_is_called(tmp_path: Path) -> None:
    for name in ("myenv/pyvenv.cfg", "myenv/lib/site.py", "a.py", ".flux-1-0.tmp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("", encoding="utf-8")
    assert [str(path) for path in await DiskWorkspace([tmp_path]).list_files()] == ["a.py"]


def test_a_root_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    for roots in ([tmp_path / "nowhere"], []):
        with pytest.raises(FileMissing):
            DiskWorkspace(roots)


PACKAGES = [Path(str(rich.__file__)).parent, Path(str(pygls.__file__)).parent]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
async def test_foreign_sources_survive_an_edit_and_its_way_back_byte_by_byte(
    package: Path, line_end: bytes, tmp_path: Path
) -> None:
    sources = sorted(package.glob("*.py"))[:20]
    before = {source.name: source.read_bytes().replace(b"\n", line_end) for source in sources}
    for name, data in before.items():
        (tmp_path / name).write_bytes(data)
    workspace = DiskWorkspace([tmp_path])
    snapshots = [await workspace.read(path) for path in await workspace.list_files()]
    assert len(snapshots) == len(sources)
    texts = {snapshot.path: f"# first\r\n{snapshot.text}last" for snapshot in snapshots}
    there = await workspace.apply(
        plan(*(EditFile(old, text_edits_between(old.text, texts[old.path])) for old in snapshots))
    )
    assert {change.path: change.after.text for change in there.changes if change.after} == texts
    back = [
        EditFile(change.after, text_edits_between(change.after.text, change.before.text))
        for change in there.changes
        if change.after and change.before
    ]
    await workspace.apply(plan(*back))
    assert {source.name: (tmp_path / source.name).read_bytes() for source in sources} == before


async def test_an_edit_by_the_engine_changes_one_line_of_a_crlf_file(tmp_path: Path) -> None:
    source = (PACKAGES[0] / "table.py").read_bytes().replace(b"\n", b"\r\n")
    (tmp_path / "table.py").write_bytes(source)
    workspace = DiskWorkspace([tmp_path])
    snapshot = await workspace.read(workspace.path("table.py"))
    after = edit_text(snapshot.text, "class Table(JupyterMixin):\n", "class Board(JupyterMixin):\n")
    await workspace.apply(plan(EditFile(snapshot, text_edits_between(snapshot.text, after))))
    assert (tmp_path / "table.py").read_bytes() == source.replace(b"class Table(", b"class Board(")


@needs_posix
@pytest.mark.parametrize("data", [b"\xef\xbb\xbf#!/bin/sh\r\necho\n", "déjà vu\n".encode("latin-1"), b"no end"])
async def test_a_removed_file_comes_back_with_its_bytes_and_its_mode(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "a.sh"
    file.write_bytes(data)
    file.chmod(0o750)
    workspace = DiskWorkspace([tmp_path])
    path = workspace.path("a.sh")
    applied = await workspace.apply(plan(DeleteFile(await workspace.read(path))))
    assert not file.exists()
    await workspace.apply(undo_plan(applied.changes, {path: None}))
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (data, 0o750)
    assert left_over(tmp_path) == []


@needs_posix
async def test_a_private_file_that_comes_back_is_never_readable_by_others(tmp_path: Path) -> None:
    workspace = DiskWorkspace([tmp_path])
    await workspace.apply(plan(CreateFile(workspace.path("a"), "x", mode=0o600)))
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


@needs_posix
@pytest.mark.parametrize("way", ["edited", "moved", "brought back"])
async def test_what_is_in_a_private_file_is_at_no_moment_readable_by_others(tmp_path: Path, way: str) -> None:
    workspace = DiskWorkspace([tmp_path])
    file, path = tmp_path / "a", workspace.path("a")
    file.write_text("secret\n", encoding="utf-8")
    file.chmod(0o600)
    old = await workspace.read(path)
    seen: list[int] = []

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event in {"os.chmod", "os.chown", "os.utime", "os.rename", "os.link", "os.remove"}:
            seen.extend(found.stat().st_mode & 0o077 for found in tmp_path.iterdir())

    with watching(watch):
        match way:
            case "edited":
                edits = text_edits_between(old.text, "other secret\n")
                await workspace.apply(plan(EditFile(old, edits)))
            case "moved":
                await workspace.apply(plan(RenameFile(old, workspace.path("b"), ())))
            case _:
                applied = await workspace.apply(plan(DeleteFile(old)))
                await workspace.apply(undo_plan(applied.changes, {path: None}))
    assert seen
    assert set(seen) == {0}
