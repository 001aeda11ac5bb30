"""A sample of typing against turns."""

from __future__ import annotations

import random

import pytest
from lsprotocol import types

from tests.soak.over_server import over_server
from tests.soak.pressure import run, smallest
from tests.soak.results import sample_size
from tests.soak.typist import Schedule, schedule
from tests.support.fake_editors.rules import EDITORS, Editor, VsCode


@pytest.mark.parametrize("rules", EDITORS)
def test_no_keystroke_is_lost_and_no_edit_is_in_a_wrong_place(rules: type[Editor]) -> None:
    size = sample_size(400)
    ends, failures = run(size.seed, size.runs, [rules])
    print(ends)
    assert not failures, "\n\n".join(failures)


@pytest.mark.timeout(900)  # four servers side by side, where there are processors for them; CI has 2,000 turns
async def test_so_it_is_over_a_server() -> None:
    size = sample_size(50)
    ends, failures = await over_server(size.seed, size.runs)
    print(ends)
    assert not failures, "\n\n".join(failures)


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
    assert [text.count("Edit(name") for text in schedules] == [1] * len(schedules)
    # A second typing stays where the first one is at the place of the edit without it, so that no edit comes.
    assert {text.count("Typing(") for text in schedules} <= {1, 2}


def test_only_what_a_failure_needs_is_left_of_a_turn() -> None:
    chance = random.Random("small")
    given = next(
        made
        for made in (schedule(chance, VsCode) for _ in range(1000))
        if len(made.edits) == 3 and len(made.typings) > 5 and made.typings[4].name == made.edits[1].name
    )
    needed = given.typings[4], given.edits[1]

    def outcome(less: Schedule) -> tuple[str, str]:
        return "", "wrong" if needed[0] in less.typings and needed[1] in less.edits else ""

    left = smallest(given, outcome)
    assert (left.names, left.typings, left.edits) == ((needed[1].name,), needed[:1], needed[1:])
