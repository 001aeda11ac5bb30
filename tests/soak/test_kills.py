"""A sample of the kills, with a fresh seed that is printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak.kills import KILLED, OVER, Door, measure_door, server, terminal
from tests.soak.kills_undo import measure_undo
from tests.soak.results import sample_size

SAMPLE = 15
"""For each door; `make soak` kills a thousand times."""


UNDO_SAMPLE = 6


@pytest.mark.timeout(200)
async def test_an_undo_that_was_killed_agrees_with_the_files_and_is_gone_on_with(tmp_path: Path) -> None:
    size = sample_size(UNDO_SAMPLE)
    seen = await measure_undo(size, tmp_path)
    print(dict(seen))
    killed = sum(count for what, count in seen.items() if what.startswith("killed"))
    assert killed + seen[OVER] == size.runs
    assert killed > 0


@pytest.mark.timeout(400)  # each kill takes three processes, one after the other
@pytest.mark.parametrize("door", [terminal, server])
async def test_a_turn_that_was_killed_is_whole_and_goes_on(door: Door, tmp_path: Path) -> None:
    size = sample_size(SAMPLE)
    seen = await measure_door(size, door, door.__name__, tmp_path)
    print(dict(seen))
    assert seen[KILLED] + seen[OVER] == size.runs
    assert seen[KILLED] > 0
