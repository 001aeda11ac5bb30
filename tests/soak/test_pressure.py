"""A sample of typing against turns."""

from __future__ import annotations

from tests.soak.pressure import run
from tests.soak.results import sample_size


async def test_no_keystroke_is_lost_and_no_edit_is_in_a_wrong_place() -> None:
    size = sample_size(50)
    _, failures = await run(size.seed, size.runs)
    assert failures == []
