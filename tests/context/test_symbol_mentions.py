"""What a message names by `@` that is no file but a definition."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flux.context.builder import user_message
from flux.context.item import read_rendered
from flux.core.messages import Text
from flux.workspace.index.client import SymbolIndex
from flux.workspace.memory import MemoryWorkspace

FILES = {
    "shapes.py": (
        "import math\n\n\nclass Circle:\n    def area(self):\n        return 3\n\n"
        "    def edge(self):\n        return 6\n\n\n"
        "class Square:\n    def area(self):\n        return 4\n"
    ),
    "Circle": "a file of that name\n",
}
SQUARE = "class Square:\n    def area(self):\n        return 4\n"


@pytest.fixture
def index() -> Iterator[SymbolIndex]:
    made = SymbolIndex()
    yield made
    made.close()


async def check(index: SymbolIndex, text: str, *wanted: tuple[str, str], files: dict[str, str] = FILES) -> None:
    built = await user_message(text, MemoryWorkspace(files), index=index)
    items = [read_rendered(part) for part in built.message.parts if isinstance(part, Text)]
    assert [(item.origin, item.text) for item in items if item] == list(wanted)
    assert built.notices == []


async def test_a_definition_goes_along_whole(index: SymbolIndex) -> None:
    await check(index, "What is @Square?", ("shapes.py lines 12-14", SQUARE))


async def test_a_qualified_name_is_of_what_it_lies_in(index: SymbolIndex) -> None:
    area = ("shapes.py lines 5-6", "    def area(self):\n        return 3\n")
    await check(index, "Why does @Circle.area() return 3?", area)
    both = ("shapes.py lines 13-14", "    def area(self):\n        return 4\n")
    await check(index, "Compare every @area", area, both)


async def test_a_file_of_that_name_wins_and_a_word_that_is_nothing_stays_a_word(index: SymbolIndex) -> None:
    await check(index, "Read @Circle", ("Circle", "a file of that name\n"))
    await check(index, "as @dataclass and @me")


async def test_of_very_many_definitions_the_first_go_along_and_the_others_are_named(index: SymbolIndex) -> None:
    files = {f"f{number}.py": f"def run():\n    return {number}\n" for number in range(6)}
    shown = [(f"f{number}.py lines 1-2", f"def run():\n    return {number}\n") for number in range(3)]
    others = "".join(f"f{number}.py:1: def run():\n" for number in range(3, 6))
    await check(index, "@run", *shown, ("others of run", others), files=files)


async def test_while_the_project_cannot_be_read_that_is_told() -> None:
    index = SymbolIndex()
    index.close()
    built = await user_message("What is @Square?", MemoryWorkspace(FILES), index=index)
    assert list(built.notices) == ["@Square was not looked up: the project is still being read."]
    assert built.message.text() == "What is @Square?"
