"""What is known of models, and what is taken for the unknown ones."""

from __future__ import annotations

import pytest

from flux.core.config import Settings
from flux.core.limits import ModelLimits
from flux.core.usage import Usage
from flux.llm.catalogue import MODELS, find_model, limits, price, takes_temperature
from flux.llm.endpoints import ENDPOINTS


def cost(model: str, usage: Usage) -> float:
    known = price(model)
    assert known is not None
    return known.cost_usd(usage)


def test_an_unknown_model_has_a_cautious_window_and_no_price() -> None:
    assert limits("my-own", Settings()) == ModelLimits(128_000, 128_000, 8192)
    assert price("my-own") is None
    assert takes_temperature("my-own")


def test_a_vendor_in_front_and_a_date_behind_are_not_part_of_a_models_name() -> None:
    row = find_model("claude-sonnet-5-5")
    assert row is not None
    assert row.display_name == "Claude Sonnet 5.5"
    for name in ("anthropic/claude-sonnet-5-5", "Claude-Sonnet-5-5-20261015", "claude-sonnet-5-5-latest"):
        assert find_model(name) == row
    assert find_model("claude-sonnet-5-50") is None
    assert find_model("claude-sonnet-5-5-turbo") is None


def test_openais_input_window_is_smaller_than_its_total() -> None:
    assert limits("gpt-6.1-sol", Settings()) == ModelLimits(922_000, 1_050_000, 128_000)


def test_the_setting_context_window_wins() -> None:
    assert limits("claude-sonnet-5-5", Settings(context_window=8000)) == ModelLimits(8000, 8000, 8000)
    assert limits("my-own", Settings(context_window=32_000, max_tokens=500)) == ModelLimits(32_000, 32_000, 500)


@pytest.mark.parametrize(
    ("model", "usage", "usd"),
    [
        ("claude-sonnet-5-5", Usage(1_000_000, 100_000, 500_000, 200_000), 0.6 + 0.05 + 0.5 + 1.0),
        ("claude-haiku-5-5", Usage(100_000, 1000), 0.01 + 0.0005),
        ("claude-haiku-5-5", Usage(200_000, 1000), 5 * (0.02 + 0.0005)),
        ("gpt-6.1-sol", Usage(300_000, 1000), 2 * 0.6 + 1.5 * 0.01),
        ("demo", Usage(1000, 1000), 0.0),
    ],
)
def test_a_requests_price(model: str, usage: Usage, usd: float) -> None:
    assert cost(model, usage) == pytest.approx(usd)


def test_claude_5_takes_no_temperature() -> None:
    assert not takes_temperature("claude-opus-5-5")
    assert takes_temperature("claude-haiku-4-5")


def test_every_default_model_is_in_the_table_and_no_name_twice() -> None:
    names = [model.name for model in MODELS]
    assert len(names) == len(set(names))
    for endpoint in ENDPOINTS:
        if endpoint.default_model:
            row = find_model(endpoint.default_model)
            assert row is not None
            assert row.provider == endpoint.name
