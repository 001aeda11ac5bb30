"""What Neovim asks its user without the plugin: before a change, and whether a folder's settings may take effect."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.editors.test_first_steps import pytestmark
from tests.editors.test_neovim import edit
from tests.support.real_editors.users import NeovimUser, in_neovim, sitting

__all__ = ["pytestmark"]

ASK = """
local client = vim.lsp.get_clients({ name = "flux" })[1]
client.settings.flux.approval = "ask"
client:notify("workspace/didChangeConfiguration", { settings = client.settings })
"""


async def answer(user: NeovimUser, words: str, question: str = "change a.py?") -> None:
    """Choose from what the question offers."""
    await user.window.shows(question)
    await user.window.shows(f": {words}")
    await user.window.shows("Type number")
    found = re.search(rf"(\d+): {words}", user.window.screen())
    assert found is not None, user.window.screen()
    user.window.type(found[1])
    user.window.press("Enter")


async def test_once_the_setting_says_so_a_change_is_asked_for_and_declined_or_made(tmp_path: Path) -> None:
    edits = [edit("two", "two!"), edit("one", "1")]  # with the other settings the script begins anew
    script = [step for call in edits for step in ({"tool_calls": [call]}, {"text": "Done."})]
    async with sitting(in_neovim, tmp_path, {"a.py": "one\ntwo\n"}, script) as user:
        assert isinstance(user, NeovimUser)
        await user.edit("a.py")
        await user.asked(2)
        assert await user.text("a.py") == "one\ntwo!\n"  # no question yet
        await user.keys.eval(ASK)
        await user.edit("a.py")
        await answer(user, "Do Not")
        await user.asked(4)
        assert await user.text("a.py") == "one\ntwo!\n"
        await user.edit("a.py")
        await answer(user, "Apply")
        await user.asked(6)
        assert await user.text("a.py") == "1\ntwo!\n"


@pytest.mark.parametrize("is_trusted", [True, False])
async def test_whether_a_folder_is_trusted_is_asked_once_and_its_settings_count_after_a_yes(
    tmp_path: Path, is_trusted: bool
) -> None:
    """The folder wants each change to be asked for, which shows whether its settings took effect."""
    files = {"a.py": "one\ntwo\n", ".flux/config.toml": 'approval = "ask"\n'}
    edits = [edit("two", "two!"), edit("one", "1")]
    script = [step for call in edits for step in ({"tool_calls": [call]}, {"text": "Done."})]
    async with sitting(in_neovim, tmp_path, files, script) as user:
        assert isinstance(user, NeovimUser)
        for count, text in ((2, "one\ntwo!\n"), (4, "1\ntwo!\n")):
            await user.edit("a.py")
            if count == 2:
                await answer(user, "Let it take effect" if is_trusted else "Not now", "approval")
            if is_trusted:
                await answer(user, "Apply")
            await user.asked(count)
            assert await user.text("a.py") == text
