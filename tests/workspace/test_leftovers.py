"""What a process that was killed in mid-write left beside a file, and when it is removed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flux.core.living import lives
from flux.edits.plan import CreateFile, EditPlan
from flux.workspace.disk import DiskWorkspace
from flux.workspace.temporary import clear_leftovers, kept_name, temporary_name
from tests.support.leftovers import end, leave


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


async def write(folder: Path) -> None:
    workspace = DiskWorkspace([folder])
    await workspace.apply(EditPlan("new", (CreateFile(workspace.path("new.txt"), "new\n"),)))


async def test_what_a_killed_process_was_about_to_write_is_removed_at_the_next_write(tmp_path: Path) -> None:
    process = leave(tmp_path)
    await write(tmp_path)
    assert names(tmp_path) == [f".flux-kept-{process.pid}-0.tmp", "new.txt"]


async def test_the_text_that_stood_there_before_is_never_removed(tmp_path: Path) -> None:
    leave(tmp_path)
    await write(tmp_path)
    (kept,) = tmp_path.glob(".flux-kept-*.tmp")
    assert kept.read_text(encoding="utf-8") == "what stood there"


async def test_the_files_of_a_process_that_lives_stay(tmp_path: Path) -> None:
    process = leave(tmp_path, is_ended=False)
    left = names(tmp_path)
    await write(tmp_path)
    assert names(tmp_path) == sorted([*left, "new.txt"])
    end(process)


@pytest.mark.parametrize("name", [".flux-0123456789ab-{}-0.tmp", ".flux-{}-0.tmp", ".flux-x.tmp", "flux-{}-0.tmp"])
def test_the_files_of_other_machines_and_of_nobody_known_stay(tmp_path: Path, name: str) -> None:
    """A machine that shares the folder numbers its own processes: the number is no sign there."""
    process = leave(tmp_path)
    file = tmp_path / name.format(process.pid)
    file.write_text("another's", encoding="utf-8")
    clear_leftovers(tmp_path)
    assert file.exists()


def test_a_folder_of_such_a_name_stays(tmp_path: Path) -> None:
    process = leave(tmp_path)
    (left,) = (file for file in tmp_path.iterdir() if "kept" not in file.name)
    left.unlink()
    left.mkdir()
    clear_leftovers(tmp_path)
    assert left.is_dir()
    assert not lives(process.pid)


async def test_two_that_clear_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    for _ in range(3):
        leave(tmp_path)
    await asyncio.gather(*(asyncio.to_thread(clear_leftovers, tmp_path) for _ in range(8)))
    assert all("kept" in name for name in names(tmp_path))


def test_a_folder_that_is_not_there_is_no_fault(tmp_path: Path) -> None:
    clear_leftovers(tmp_path / "nowhere")


def test_names_are_free_and_of_this_process(tmp_path: Path) -> None:
    for name_of in (temporary_name, kept_name):
        first = name_of(tmp_path / "a.txt")
        first.touch()
        assert name_of(tmp_path / "a.txt") != first
        assert f"-{os.getpid()}-" in first.name


def test_a_process_lives_until_it_has_ended() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert lives(process.pid)
    assert lives(os.getpid())
    process.communicate(b"\n", timeout=30)
    assert not lives(process.pid)
