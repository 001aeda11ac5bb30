"""A file that is moved by Helix's own command is the same file to Flux: Helix tells of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.editors.test_first_steps import TEXT, calls
from tests.support.real_editors.users import HelixUser, in_helix, sitting

pytestmark = [
    pytest.mark.editor,
    pytest.mark.timeout(180),
    pytest.mark.skipif(sys.platform == "win32", reason="the terminal is tmux"),
]


async def test_an_undo_finds_a_file_that_was_moved(tmp_path: Path) -> None:
    async with sitting(in_helix, tmp_path, {"a.py": TEXT}, calls("TWO\n", "a.py")) as user:
        assert isinstance(user, HelixUser)
        await user.edit("a.py")
        await user.text_that("a.py", lambda text: "TWO" in text)
        await user.asked(2)
        await user.keys.run("move", str(user.folder / "moved.py"))
        await user.text_that("moved.py", lambda text: "TWO" in text)
        await user.run("flux.turn.undo")
        assert await user.text_that("moved.py", lambda text: "TWO" not in text) == TEXT
        await user.keys.run("move", str(user.folder / "a.py"))
        await user.run("flux.turn.redo")
        assert await user.text_that("a.py", lambda text: "TWO" in text) == TEXT.replace("two", "TWO")
