"""A setting that is changed while Flux runs, and the question that it brings, in Neovim without the plugin."""

from __future__ import annotations

import re
from pathlib import Path

from tests.editors.test_first_steps import pytestmark
from tests.editors.test_neovim import edit
from tests.support.real_editors.users import NeovimUser, in_neovim, sitting

__all__ = ["pytestmark"]

ASK = """
local client = vim.lsp.get_clients({ name = "flux" })[1]
client.settings.flux.approval = "ask"
client:notify("workspace/didChangeConfiguration", { settings = client.settings })
"""


async def answer(user: NeovimUser, words: str) -> None:
    """Choose from what the question offers."""
    await user.window.shows("change a.py?")
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
