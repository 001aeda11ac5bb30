"""What a real tokenizer counts (o200k_base, see install_tokenizer.sh), and how near it our estimate comes."""

from __future__ import annotations

from pathlib import Path

import pytest

from flux.llm.tokens import TiktokenCounter, find_counter
from tests.benchmarks.figures import Effort
from tests.benchmarks.fitting import counting
from tests.benchmarks.prompts import tokens
from tests.support.editors import need
from tests.support.tokenizer import HOW, TOOLS

pytestmark = pytest.mark.editor


@pytest.fixture(autouse=True)
def _there() -> None:
    need(TOOLS / "node_modules", HOW)


def test_with_its_ranks_on_disk_a_model_is_counted_exactly() -> None:
    counter = find_counter("gpt-5", (TOOLS,))
    assert isinstance(counter, TiktokenCounter)
    assert counter.is_exact
    assert counter.count("tiktoken is great!") == 6
    assert counter.count("お誕生日おめでとう") == 8
    assert counter.count(" " * 1_000_000) > 0  # of which tiktoken's own call panics


def test_the_next_request_is_known_as_well_as_is_promised(tmp_path: Path) -> None:
    figures = counting(Effort(1.0), tmp_path)
    assert [figure.verdict for figure in figures] == ["ok", "ok", "ok", ""], figures


def test_tools_and_system_prompt_are_within_their_bound(tmp_path: Path) -> None:
    (figure,) = tokens(Effort(1.0), tmp_path)
    assert figure.verdict == "ok"
    assert "o200k_base" in figure.note
