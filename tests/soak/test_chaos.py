"""A sample of chaos: every turn ends in a named state, and no edit is made twice."""

from __future__ import annotations

import pytest

from tests.soak.chaos import TURNS, Outcome, check, run
from tests.soak.results import sample_size


async def test_200_turns_of_which_half_of_all_requests_fail_all_end_by_name_and_no_edit_is_made_twice() -> None:
    size = sample_size(TURNS)
    seen = await run(size)
    print(seen.ends, seen.requests, seen.faults.total())
    check(seen, size.runs)


def test_an_edit_that_was_made_twice_is_seen() -> None:
    seen = Outcome(is_well_after=True)
    seen.ends["completed"] = seen.edits[0] = 1
    seen.marks = {0: "x"}
    check(seen, 1)
    for marks, words in (("xx", "made twice"), ("", "not told")):
        seen.marks = {0: marks}
        with pytest.raises(AssertionError, match=words):
            check(seen, 1)
