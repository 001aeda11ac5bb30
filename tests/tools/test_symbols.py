"""What the model is told of a name and of a file's outline."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from flux.core.errors import FileMissing, InvalidArguments
from flux.tools.base import Arguments, Finding
from flux.tools.registry import builtin_tools
from flux.workspace.index.client import SymbolIndex
from flux.workspace.memory import MemoryWorkspace

FILES = {
    "shapes/circle.py": "class Circle:\n    def area(self):\n        return 3  # area\n",
    "main.py": "from shapes.circle import Circle\n\nprint(Circle().area())\n",
    "notes.txt": "Circle\n",
}


@pytest.fixture
async def index() -> AsyncIterator[SymbolIndex]:
    made = SymbolIndex()
    yield made
    made.close()


async def check(index: SymbolIndex, wanted: str, workspace: MemoryWorkspace | None = None, **arguments: str) -> None:
    tool = builtin_tools(index)["symbols"]
    outcome = await tool.call(Arguments(arguments), workspace or MemoryWorkspace(FILES))
    assert isinstance(outcome, Finding)
    assert outcome.text == wanted


async def test_a_name_is_told_with_its_definitions_and_its_uses(index: SymbolIndex) -> None:
    uses = "Uses:\nmain.py:1: from shapes.circle import Circle\nmain.py:3: print(Circle().area())"
    await check(index, f"Definitions:\nshapes/circle.py:1: class Circle:\n{uses}", name="Circle")
    area = "Definitions:\nshapes/circle.py:2: def area(self):\nUses:\nmain.py:3: print(Circle().area())"
    await check(index, area, name="Circle.area()")


async def test_a_name_that_is_nowhere_is_told_with_names_like_it(index: SymbolIndex) -> None:
    await check(index, "[Circl is neither defined nor used in the indexed files. Names like it: Circle.]", name="Circl")
    await check(index, "[zzz is neither defined nor used in the indexed files.]", name="zzz")


async def test_of_very_many_places_the_first_are_told_and_that_there_are_more(index: SymbolIndex) -> None:
    defining = {f"d{number:02}.py": "def everywhere(): ...\n" for number in range(60)}
    workspace = MemoryWorkspace({**defining, "uses.py": "everywhere()\n" * 200})
    outcome = await builtin_tools(index)["symbols"].call(Arguments({"name": "everywhere"}), workspace)
    assert isinstance(outcome, Finding)
    lines = outcome.text.splitlines()
    more = [line for line in lines if line.startswith("[")]
    assert more == ["[10 more definitions]", "[more than 100 uses; search in a folder shows the rest]"]
    assert len(lines) < 50 + 100 + 5


async def test_a_file_is_told_by_its_outline(index: SymbolIndex) -> None:
    await check(index, "1: class Circle:\n2:   def area(self):", path="shapes/circle.py")
    await check(index, "[no definitions in notes.txt]", path="notes.txt")


async def test_unsaved_changes_are_what_is_told(index: SymbolIndex) -> None:
    workspace = MemoryWorkspace(FILES)
    workspace.open_buffer("shapes/circle.py", "class Ring: ...\n")
    await check(index, "Definitions:\nshapes/circle.py:1: class Ring:\n[no other use]", workspace, name="Ring")


async def test_what_is_no_name_and_no_file_is_refused(index: SymbolIndex) -> None:
    for arguments in ({}, {"name": " "}, {"name": "()"}):
        with pytest.raises(InvalidArguments):
            await check(index, "", **arguments)
    with pytest.raises(FileMissing):
        await check(index, "", path="nowhere.py")
