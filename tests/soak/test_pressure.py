"""A sample of typing against turns."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from lsprotocol import types

from tests.soak.over_server import over_server
from tests.soak.pressure import run
from tests.soak.results import sample_size
from tests.support.fake_editors.rules import EDITORS, Editor, Eglot, VsCode

KNOWN_OF_EGLOT = 0.05
"""Share of turns with dense typing that may end wrong in Emacs alone, which tells of typing late and of several changes
as one: a known fault that is open (docs/architecture.md). 0.003 was seen in process, 1 of 50 over the server."""


def check(failures: Sequence[str], runs: int, editor: str) -> None:
    """Nothing wrong, but for the known share in Emacs, which is printed."""
    known = (
        [failure for failure in failures if f"editor={Eglot.__name__!r}" in failure] if editor == Eglot.__name__ else []
    )
    print("known of eglot:", *known, sep="\n")
    assert [failure for failure in failures if failure not in known] == []
    assert len(known) <= runs * KNOWN_OF_EGLOT


@pytest.mark.parametrize("rules", EDITORS)
def test_no_keystroke_is_lost_and_no_edit_is_in_a_wrong_place(rules: type[Editor]) -> None:
    size = sample_size(400)
    ends, failures = run(size.seed, size.runs, [rules])
    print(ends)
    check(failures, size.runs, rules.__name__)


async def test_so_it_is_over_a_server() -> None:
    size = sample_size(50)
    ends, failures = await over_server(size.seed, size.runs)
    print(ends)
    check(failures, size.runs, Eglot.__name__)


class Forgetful(VsCode):
    """Loses what was typed last in a buffer that an edit comes to."""

    def apply(self, edit: types.WorkspaceEdit) -> types.ApplyWorkspaceEditResult:
        done = super().apply(edit)
        for uri, buffer in self.buffers.items():
            if "⟫" in buffer.text:
                self.change(uri, [])
                start, end = buffer.text.index("⟪"), buffer.text.index("⟫") + 1
                buffer.text = buffer.text[:start] + buffer.text[end:]
                self.reports.changed(uri, buffer.version, [types.TextDocumentContentChangeWholeDocument(buffer.text)])
        return done


def test_a_fault_that_is_put_in_is_found_and_made_small() -> None:
    _, failures = run("planted", 20, [Forgetful])
    again = run("planted", 20, [Forgetful])[1]
    assert failures
    assert failures == again
    schedules = [failure.splitlines()[0] for failure in failures]
    assert any(text.count("Typing(") == text.count("Edit(name") == 1 for text in schedules)
