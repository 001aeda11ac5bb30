"""A sample of the load: of so few turns open files and threads are judged, of `make soak` memory too."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.soak.load import CHANGES_OF_A_TURN, Sample, Seen, check, figures_of, measure, picture
from tests.soak.results import sample_size

TURNS = 20


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what another process holds")
async def test_a_server_at_work_keeps_no_more_files_open_and_no_more_threads(tmp_path: Path) -> None:
    size = sample_size(TURNS)
    seen = await measure(size, tmp_path)
    print(figures_of(seen))
    assert (len(seen.samples), seen.changes) == (size.runs, size.runs * CHANGES_OF_A_TURN)
    check(seen)


def run_of(*, leak: int = 0, files: int = 0) -> Seen:
    samples = [Sample(50_000_000 + turn * leak, 12 + turn * files, 4, 1_000_000) for turn in range(500)]
    return Seen(samples, 100_000, 50, 50)


@pytest.mark.parametrize("seen", [run_of(leak=200_000), run_of(files=1)])
def test_a_leak_is_seen(seen: Seen) -> None:
    check(run_of())
    with pytest.raises(AssertionError):
        check(seen)


def test_the_picture_has_a_line_for_each_thing_measured() -> None:
    drawn = ElementTree.fromstring(picture(run_of(leak=1000)))
    lines = [line for line in drawn if line.tag.endswith("polyline")]
    assert [len(line.attrib["points"].split()) for line in lines] == [500, 500, 500, 500]
