"""Real editors do what `tests.stories.seen` says, which their fakes are held against; a session each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from flux.lsp.quiet import PAUSE_S
from tests.stories.probes import edit_of, run
from tests.stories.seen import SEEN
from tests.support.fake_editors.desk import Desk
from tests.support.real_editors.emacs import emacs_desk
from tests.support.real_editors.helix import helix_desk
from tests.support.real_editors.vscode import vscode_desk

pytestmark = [pytest.mark.editor, pytest.mark.timeout(300)]

OpenDesk = Callable[[Path, Path], AbstractAsyncContextManager[Desk]]

DESKS: Mapping[str, OpenDesk] = {"helix": helix_desk, "emacs": emacs_desk, "vscode": vscode_desk}


@pytest.fixture(params=DESKS)
async def desk(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Desk]:
    workspace, scratch = tmp_path / "workspace", tmp_path / "scratch"
    workspace.mkdir()
    scratch.mkdir()
    async with DESKS[request.param](workspace, scratch) as made:
        yield made


async def test_emacs_joins_an_edit_with_the_keys_right_before_it(tmp_path: Path) -> None:
    # Its fake does not: no story of Flux's depends on it, and the page of Emacs says it.
    scratch, workspace = tmp_path / "scratch", tmp_path / "workspace"
    scratch.mkdir()
    workspace.mkdir()
    async with emacs_desk(workspace, scratch) as desk:
        await desk.open("a.txt", "one\ntwo\n")
        desk.keys.window.type("ab")
        await desk.listener.until(lambda: desk.length("a.txt") == len("abone\ntwo\n"))
        await desk.apply({"documentChanges": [edit_of(desk, "a.txt", ("1:0-1:3", "TWO"))]})
        assert await desk.text("a.txt") == "abone\nTWO\n"
        await desk.undo("a.txt")
        assert await desk.text("a.txt") == "one\ntwo\n"


async def test_emacs_tells_of_a_change_that_changes_nothing_and_of_typing_with_it_after_a_pause(tmp_path: Path) -> None:
    # On which `flux.lsp.quiet` rests.
    scratch, workspace = tmp_path / "scratch", tmp_path / "workspace"
    scratch.mkdir()
    workspace.mkdir()
    async with emacs_desk(workspace, scratch) as desk:
        nothing = ("0:2147483647-1:0", "\n")
        await desk.open("a.txt", "one\ntwo\n")
        edit = {"documentChanges": [edit_of(desk, "a.txt", nothing)]}
        await desk.after_change(lambda: asyncio.ensure_future(desk.apply(edit)))
        assert desk.reports()[-1].what == (("0:3-1:0", "\n"),)
        begun = asyncio.get_running_loop().time()
        desk.keys.window.type("ab")
        await desk.listener.until(lambda: desk.length("a.txt") == len("abone\ntwo\n"))
        assert asyncio.get_running_loop().time() - begun > PAUSE_S
        begun = asyncio.get_running_loop().time()
        desk.keys.window.type("cd")
        async with asyncio.timeout(5):
            while await desk.text("a.txt") != "abcdone\ntwo\n":
                pass
        edit = {"documentChanges": [edit_of(desk, "a.txt", nothing)]}
        await desk.after_change(lambda: asyncio.ensure_future(desk.apply(edit)))
        assert asyncio.get_running_loop().time() - begun > PAUSE_S
        assert desk.mirror("a.txt")[1] == "abcdone\ntwo\n"
        assert await desk.text("a.txt") == "abcdone\ntwo\n"


async def test_a_real_editor_does_what_is_written_of_it(desk: Desk) -> None:
    (desk.folder / "first.txt").write_text("one\n", encoding="utf-8")
    await desk.show("first.txt")
    assert announced(desk.announced()) == announced({"capabilities": desk.rules.capabilities})
    assert desk.announced()["clientInfo"]["name"].lower() in {desk.rules.name.lower(), "code-server"}
    found = {name: await run(desk, name) for name in SEEN}
    assert found == {name: seen.by(desk.rules) for name, seen in SEEN.items()}


def announced(params: Mapping[str, Any]) -> dict[str, Any]:
    """The capabilities on which Flux decides anything that concerns edits."""
    capabilities = params["capabilities"]
    edit = capabilities["workspace"].get("workspaceEdit", {})
    return {
        "applyEdit": capabilities["workspace"].get("applyEdit"),
        "workspaceEdit": {name: value for name, value in edit.items() if name not in LATER},
        "literals": "codeActionLiteralSupport" in capabilities["textDocument"]["codeAction"],
        "progress": capabilities["window"].get("workDoneProgress"),
        "showDocument": capabilities["window"].get("showDocument"),
        "encodings": capabilities["general"]["positionEncodings"],
    }


LATER = {"metadataSupport", "snippetEditSupport"}
"""Of LSP 3.18, and not used by Flux."""
