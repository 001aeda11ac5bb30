"""The gate of the edit engine, on the committed sample of edits from the history of packages."""

from __future__ import annotations

from flux.edits.match import edit_text
from tests.support.edit_corpus.hunks import read_hunks
from tests.support.edit_corpus.scoring import ask, cases_of, exact, score, table


def test_the_sample_is_edited_as_meant_or_refused() -> None:
    cases = cases_of(read_hunks())
    outcomes = ask(edit_text, cases)
    found = score(outcomes)
    shown = table(outcomes, ask(exact, cases))
    assert found.count > 5_000
    assert found.wrong == 0, shown
    assert found.outside == 0, shown
    assert found.refused == 100, shown
    assert found.applied == 100, shown
    assert (found.shows_place or 0) >= 99, shown
