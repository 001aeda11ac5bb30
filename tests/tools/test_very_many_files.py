"""A folder with more files than anybody waits for: what is looked at is bounded, and that is said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flux.core.snapshot import WorkspacePath
from flux.tools.base import Arguments
from flux.tools.list_files import ListFiles
from flux.tools.search import Search
from flux.workspace.ignore import MAX_LISTED, walk
from flux.workspace.index.tree import Tree
from flux.workspace.memory import MemoryWorkspace


class Large(MemoryWorkspace):
    """One file, as often as a listing has room for it."""

    async def list_files(self, folder: str = "") -> Sequence[WorkspacePath]:
        return [*await super().list_files(folder)] * MAX_LISTED


def fill(folder: Path) -> None:
    for name in ("a.py", "b/1.py", "b/2.py", "c/1.py", "c/d/1.py", "e/1.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x = 1\n", encoding="utf-8")


def test_a_walk_ends_after_so_many_files(tmp_path: Path) -> None:
    fill(tmp_path)
    assert list(walk(str(tmp_path), most=3)) == ["a.py", "b/1.py", "b/2.py"]


def test_the_index_knows_whole_folders_up_to_so_many_files_and_that_it_is_cut(tmp_path: Path) -> None:
    fill(tmp_path)
    tree = Tree(str(tmp_path), most=4)
    assert tree.scan(0).changed == ["a.py", "b/1.py", "b/2.py", "c/1.py"]
    assert tree.is_cut
    (tmp_path / "new.py").write_text("y = 1\n", encoding="utf-8")
    assert "new.py" in tree.scan(0).changed
    assert tree.is_cut
    assert not Tree(str(tmp_path)).is_cut


async def test_a_listing_and_a_search_say_that_there_may_be_more() -> None:
    workspace = Large({"a.py": "hay\n"})
    listed = await ListFiles().call(Arguments({}), workspace)
    assert listed.text.endswith(f"[at least {MAX_LISTED - 1000} more; name a folder to see them]")
    found = await Search(None).call(Arguments({"pattern": "needle"}), workspace)
    assert found.text == f"[only the first {MAX_LISTED:,} files were searched; give a folder]"
