"""Each fake editor does what the real one was seen to do with the same edits.

VS Code, Helix and eglot by the probes of `probes` and what `seen` says of them; Neovim 0.12.4 is driven here where it
is at hand (marker `editor`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from lsprotocol import types

from tests.stories.probes import run
from tests.stories.seen import SEEN
from tests.support.editors import NVIM, ROOT, run_neovim
from tests.support.fake_editors.desk import FakeDesk
from tests.support.fake_editors.rules import Change, Editor, Eglot, Helix, Neovim, VsCode


@pytest.mark.parametrize("probe", SEEN)
@pytest.mark.parametrize("rules", [VsCode, Helix, Eglot])
async def test_a_fake_editor_does_what_the_real_one_did(rules: type[Editor], probe: str, tmp_path: Path) -> None:
    assert await run(FakeDesk(rules, tmp_path), probe) == SEEN[probe].by(rules)


class Unheard:
    """Reports to nobody."""

    def opened(self, uri: str, version: int, text: str) -> None: ...

    def changed(self, uri: str, version: int, changes: Sequence[Change]) -> None: ...

    def closed(self, uri: str) -> None: ...


def outcome(versions: Sequence[int | None]) -> tuple[object, list[str]]:
    """What becomes of an edit of two documents at version 5, for these versions of them: the answer, and the texts."""
    editor = Neovim(Unheard())
    changes: list[types.TextDocumentEdit] = []
    for name, version in zip("ab", versions, strict=True):
        editor.open(f"file:///{name}", "old\n", version=5)
        identifier = types.OptionalVersionedTextDocumentIdentifier(f"file:///{name}", version)
        place = types.Range(types.Position(0, 0), types.Position(0, 3))
        changes.append(types.TextDocumentEdit(identifier, [types.TextEdit(place, "new")]))
    answer = editor.apply(types.WorkspaceEdit(document_changes=changes)).applied
    return answer, [buffer.text.strip() for buffer in editor.buffers.values()]


SEEN_IN_NEOVIM = [
    ((5, 4), (True, ["new", "new"])),
    ((4, 5), (True, ["old", "new"])),
    ((4, 4), (True, ["old", "new"])),
    ((0, 5), (True, ["new", "new"])),
    ((6, 5), (True, ["new", "new"])),
    ((5, None), (True, ["new", "new"])),
]


@pytest.mark.parametrize(("versions", "seen"), SEEN_IN_NEOVIM)
async def test_an_edit_of_two_documents_in_neovim(
    versions: tuple[int, int | None], seen: tuple[object, list[str]]
) -> None:
    assert outcome(versions) == seen


LINES = "".join(f"line {number:02}..\n" for number in range(40))

# Emacs 30.1, in a buffer of LINES: offsets and what is put there, then the version and the changes that are told.
TOLD: list[tuple[list[tuple[int, str]], int, list[tuple[tuple[int, int, int, int], str]]]] = [
    ([(0, "x"), (101, "y")], 1, [((0, 0, 10, 0), f"x{LINES[:100]}y")]),
    ([(0, "x"), (102, "y")], 2, [((0, 0, 0, 0), "x"), ((10, 1, 10, 1), "y")]),
    ([(202, "x"), (101, "y")], 2, [((20, 2, 20, 2), "x"), ((10, 1, 10, 1), "y")]),
    ([(202, "x"), (102, "y")], 1, [((10, 2, 20, 2), f"y{LINES[102:202]}x")]),
    ([(0, "x"), (59, "x"), (119, "x"), (179, "x"), (319, "z")], 1, [((0, 0, 31, 5), "")]),
]


@pytest.mark.parametrize(("typed", "version", "told"), TOLD)
async def test_what_emacs_tells_of_changes_near_to_each_other_and_far(
    typed: list[tuple[int, str]], version: int, told: list[tuple[tuple[int, int, int, int], str]]
) -> None:
    heard: list[tuple[int, list[tuple[tuple[int, int, int, int], str]]]] = []

    class Heard(Unheard):
        def changed(self, uri: str, version: int, changes: Sequence[Change]) -> None:
            partial = [change for change in changes if isinstance(change, types.TextDocumentContentChangePartial)]
            places = [(change.range.start, change.range.end, change.text) for change in partial]
            heard.append((version, [((a.line, a.character, b.line, b.character), text) for a, b, text in places]))

    editor = Eglot(Heard())
    editor.open("file:///a", LINES)
    for offset, text in typed:
        editor.insert("file:///a", offset, text)
    editor.flush()
    assert heard[0][0] == version
    assert [place for place, _ in heard[0][1]] == [place for place, _ in told]
    assert all(text in ("", found) for (_, text), (_, found) in zip(told, heard[0][1], strict=True))


@pytest.mark.editor
def test_a_real_neovim_does_the_same(tmp_path: Path) -> None:
    environ = {**os.environ, "FLUX_TEST_ROWS": json.dumps([versions for versions, _ in SEEN_IN_NEOVIM])}
    done = run_neovim(environ, ROOT / "tests/editors/neovim/rules.lua")
    assert done.returncode == 0, (NVIM, done.stderr)
    found = json.loads(done.stderr.strip().splitlines()[-1])
    assert [(row["applied"], row["texts"]) for row in found] == [seen for _, seen in SEEN_IN_NEOVIM]
