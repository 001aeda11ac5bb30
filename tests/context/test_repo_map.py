"""The repository map: its form, its bound, what it is about, and that it is the same in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flux.context.repo_map import repository_map
from flux.workspace.disk import DiskWorkspace
from flux.workspace.index.client import SymbolIndex
from flux.workspace.memory import MemoryWorkspace
from flux.workspace.workspace import Workspace

FILES = {
    "shapes/circle.py": "class Circle:\n    def area(self):\n        return 3\n\n    def _hidden(self): ...\n",
    "shapes/square.py": "from circle import Circle\n\nclass Square(Circle):\n    def area(self):\n        return 4\n",
    "main.py": "print(Circle().area())\n",
}
MAP = """\
shapes/circle.py
  class Circle:
    def area(self):
    def _hidden(self):
shapes/square.py
  class Square(Circle):
    def area(self):
"""

PRINT_MAP = """
import asyncio, sys
from flux.context.repo_map import repository_map
from flux.workspace.disk import DiskWorkspace
from flux.workspace.index.client import SymbolIndex

async def main():
    index = SymbolIndex()
    item = await repository_map(DiskWorkspace([sys.argv[1]]), index, len, 3000, text=sys.argv[2], within_s=60)
    index.close()
    sys.stdout.buffer.write(item.text.encode())

asyncio.run(main())
"""


@pytest.fixture
def index() -> Iterator[SymbolIndex]:
    made = SymbolIndex()
    yield made
    made.close()


async def drawn(workspace: Workspace, index: SymbolIndex, limit: int = 1000, text: str = "", *shown: str) -> str:
    """The text of the map; tokens are characters."""
    paths = [workspace.path(name) for name in shown]
    item = await repository_map(workspace, index, len, limit, text=text, shown=paths, within_s=20.0)
    return item.text if item else ""


async def test_definitions_stand_by_file_below_what_they_lie_in(index: SymbolIndex) -> None:
    assert await drawn(MemoryWorkspace(FILES), index) == MAP


async def test_only_the_most_used_ones_are_told_where_few_fit(index: SymbolIndex) -> None:
    assert await drawn(MemoryWorkspace(FILES), index, 40) == "shapes/circle.py\n  class Circle:\n"
    for limit in range(0, 150, 10):
        assert len(await drawn(MemoryWorkspace(FILES), index, limit)) <= limit


async def test_what_the_message_names_is_told_first_and_a_file_that_goes_along_is_not(index: SymbolIndex) -> None:
    workspace = MemoryWorkspace(FILES)
    assert await drawn(workspace, index, 45, "What is Square?") == "shapes/square.py\n  class Square(Circle):\n"
    assert "square.py" not in await drawn(workspace, index, 1000, "", "shapes/square.py")


async def test_unsaved_text_is_what_is_told(index: SymbolIndex) -> None:
    workspace = MemoryWorkspace(FILES)
    workspace.open_buffer("main.py", "def fresh(): ...\n")
    assert "  def fresh():" in await drawn(workspace, index)


async def test_several_folders_are_told_apart(tmp_path: Path, index: SymbolIndex) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.py").write_text(f"def of_{name}(): ...\n", encoding="utf-8")
    told = await drawn(DiskWorkspace([tmp_path / "one", tmp_path / "two"]), index)
    assert told == "one/a.py\n  def of_one():\ntwo/a.py\n  def of_two():\n"


async def test_an_empty_project_has_no_map(index: SymbolIndex) -> None:
    assert await drawn(MemoryWorkspace({"a.txt": "text\n"}), index) == ""


def test_every_process_draws_the_same_bytes() -> None:
    package = Path(__file__).parents[2] / "flux"
    drawn = [
        subprocess.run(
            [sys.executable, "-c", PRINT_MAP, str(package), "place an edit"],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            timeout=100,
        ).stdout
        for seed in ("1", "2")
    ]
    assert drawn[0] == drawn[1]
    assert b"class FluxError" in drawn[0]
