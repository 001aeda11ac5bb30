"""Where files are after the user moved them, one after the other or with their folder."""

from __future__ import annotations

import pytest

from flux.core.snapshot import WorkspacePath
from flux.workspace.moves import Move, whole_move


def at(name: str) -> WorkspacePath:
    return WorkspacePath("/work", name)


def check(name: str, *moves: tuple[str, str]) -> str | None:
    """Where the file is after these moves, empty where it is gone; None where nothing is told of it."""
    move = whole_move([Move(at(old), at(new) if new else None) for old, new in moves], at(name))
    assert move is None or move.old == at(name)
    return None if move is None else move.new.relative if move.new else ""


@pytest.mark.parametrize(
    ("moves", "place"),
    [
        ([("a.py", "b.py")], "b.py"),
        ([("b.py", "a.py")], None),
        ([("a.py", "b.py"), ("b.py", "src/c.py"), ("src", "lib")], "lib/c.py"),
        ([("a.py", "b.py"), ("b.py", "a.py")], None),
        ([("a.py", "b.py"), ("b.py", "")], ""),
        ([("a.py", ""), ("", "")], ""),
        ([("a.p", "b"), ("a.py/x", "b"), ("A.py", "b")], None),
    ],
)
def test_a_file_is_where_the_last_move_of_it_left_it(moves: list[tuple[str, str]], place: str | None) -> None:
    assert check("a.py", *moves) == place


def test_a_folder_takes_all_below_it_along_and_no_folder_that_only_begins_so() -> None:
    assert check("src/deep/a.py", ("src", "lib/new")) == "lib/new/deep/a.py"
    assert check("src2/a.py", ("src", "lib")) is None
