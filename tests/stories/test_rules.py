"""Each fake editor does what the real one was seen to do with the same edits.

Neovim 0.12.4 is driven here where it is at hand (marker `editor`). Emacs 30.1 was (in batch, eglot's own handler):
`apply_documents` with the second outdated ended in an error with the first made, a no of the user was answered by
`applied: true`, and an edit for version 0 was made on a text that had been typed into. VS Code's and Helix's rows were
read from their sources (see `rules`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from lsprotocol import types

from tests.support.editors import NVIM, ROOT, run_neovim
from tests.support.fake_editors.rules import Change, Editor, EditRefused, Eglot, Helix, Neovim, VsCode


class Unheard:
    """Reports to nobody."""

    def opened(self, uri: str, version: int, text: str) -> None: ...

    def changed(self, uri: str, version: int, changes: Sequence[Change]) -> None: ...

    def closed(self, uri: str) -> None: ...


def outcome(rules: type[Editor], versions: Sequence[int | None]) -> tuple[object, list[str]]:
    """What becomes of an edit of two documents at version 5, for these versions of them: the answer, and the texts."""
    editor = rules(Unheard())
    changes: list[types.TextDocumentEdit] = []
    for name, version in zip("ab", versions, strict=True):
        editor.open(f"file:///{name}", "old\n", version=5)
        identifier = types.OptionalVersionedTextDocumentIdentifier(f"file:///{name}", version)
        place = types.Range(types.Position(0, 0), types.Position(0, 3))
        changes.append(types.TextDocumentEdit(identifier, [types.TextEdit(place, "new")]))
    try:
        answer: object = editor.apply(types.WorkspaceEdit(document_changes=changes)).applied
    except EditRefused:
        answer = "error"
    return answer, [buffer.text.strip() for buffer in editor.buffers.values()]


SEEN = [
    (VsCode, (5, 5), (True, ["new", "new"])),
    (VsCode, (5, 4), (False, ["old", "old"])),
    (VsCode, (5, None), (True, ["new", "new"])),
    (Helix, (5, 4), (False, ["new", "old"])),
    (Helix, (4, 5), (False, ["old", "old"])),
    (Eglot, (5, 4), ("error", ["new", "old"])),
    (Eglot, (5, 5), (True, ["new", "new"])),
    (Neovim, (5, 4), (True, ["new", "new"])),
    (Neovim, (4, 5), (True, ["old", "new"])),
    (Neovim, (4, 4), (True, ["old", "new"])),
    (Neovim, (0, 5), (True, ["new", "new"])),
    (Neovim, (6, 5), (True, ["new", "new"])),
    (Neovim, (5, None), (True, ["new", "new"])),
]


@pytest.mark.parametrize(("rules", "versions", "seen"), SEEN)
async def test_an_edit_of_two_documents(
    rules: type[Editor], versions: tuple[int | None, int | None], seen: tuple[object, list[str]]
) -> None:
    assert outcome(rules, versions) == seen


@pytest.mark.editor
def test_a_real_neovim_does_the_same(tmp_path: Path) -> None:
    rows = [(list(versions), seen) for rules, versions, seen in SEEN if rules is Neovim]
    environ = {**os.environ, "FLUX_TEST_ROWS": json.dumps([versions for versions, _ in rows])}
    done = run_neovim(environ, ROOT / "tests/editors/neovim/rules.lua")
    assert done.returncode == 0, (NVIM, done.stderr)
    found = json.loads(done.stderr.strip().splitlines()[-1])
    assert [(row["applied"], row["texts"]) for row in found] == [seen for _, seen in rows]
