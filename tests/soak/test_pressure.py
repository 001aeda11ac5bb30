"""A sample of typing against turns."""

from __future__ import annotations

import pytest
from lsprotocol import types

from tests.soak.over_server import over_server
from tests.soak.pressure import run
from tests.soak.results import sample_size
from tests.support.fake_editors.rules import EDITORS, Editor, VsCode


@pytest.mark.parametrize("rules", EDITORS)
def test_no_keystroke_is_lost_and_no_edit_is_in_a_wrong_place(rules: type[Editor]) -> None:
    size = sample_size(400)
    ends, failures = run(size.seed, size.runs, [rules])
    print(ends)
    assert failures == []


async def test_so_it_is_over_a_server() -> None:
    size = sample_size(50)
    ends, failures = await over_server(size.seed, size.runs)
    print(ends)
    assert failures == []


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
