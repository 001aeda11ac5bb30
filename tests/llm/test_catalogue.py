"""What is known of models, and what is taken for the unknown ones."""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest

from flux.core.config import Settings
from flux.core.limits import ModelLimits
from flux.core.usage import Price, Usage
from flux.llm.catalogue import Catalogue, find_model, shipped
from flux.llm.endpoints import ENDPOINTS
from tests.support.model_slice import disagreement


def cost(model: str, usage: Usage) -> float:
    known = Catalogue(Settings()).price(model)
    assert known is not None
    return known.cost_usd(usage)


def test_an_unknown_model_has_a_cautious_window_and_no_price() -> None:
    assert Catalogue(Settings()).limits("my-own") == ModelLimits(128_000, 128_000, 8192)
    assert Catalogue(Settings()).price("my-own") is None


def test_a_vendor_in_front_and_a_date_behind_are_not_part_of_a_models_name() -> None:
    row = find_model("claude-sonnet-5-5")
    assert row is not None
    assert row.display_name == "Claude Sonnet 5.5"
    for name in ("anthropic/claude-sonnet-5-5", "Claude-Sonnet-5-5-20261015", "claude-sonnet-5-5-latest"):
        assert find_model(name) == row
    assert find_model("claude-sonnet-5-50") is None
    assert find_model("claude-sonnet-5-5-turbo") is None


def test_openais_input_window_is_smaller_than_its_total() -> None:
    assert Catalogue(Settings()).limits("gpt-6.1-sol") == ModelLimits(922_000, 1_050_000, 128_000)


def test_the_setting_context_window_wins() -> None:
    assert Catalogue(Settings(context_window=8000)).limits("claude-sonnet-5-5") == ModelLimits(8000, 8000, 8000)
    assert Catalogue(Settings(context_window=32_000, max_tokens=500)).limits("my-own") == ModelLimits(
        32_000, 32_000, 500
    )


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


def test_every_default_model_is_in_the_table_and_no_name_twice() -> None:
    as_of, sources, models = shipped()
    names = [model.name for model in models]
    assert len(names) == len(set(names))
    assert "LiteLLM" in sources
    for endpoint in ENDPOINTS:
        if endpoint.default_model and endpoint.name in {
            "anthropic",
            "openai",
        }:  # elsewhere the names are a service's own
            row = find_model(endpoint.default_model)
            assert row is not None
            assert row.provider == endpoint.name
            assert not row.is_retired(datetime.date.fromisoformat(as_of))


def test_the_second_public_source_agrees_with_every_price_that_both_have() -> None:
    as_of, _, models = shipped()
    assert [said for model in models if (said := disagreement(model, as_of))] == []
    wrong = replace(models[0], name="gpt-6.1-sol", provider="openai", price=Price(2, 10, 0.2, 2.5))
    assert "genai-prices says" in disagreement(wrong, as_of)


def test_sizes_of_a_model_fit_together() -> None:
    for model in shipped()[2]:
        assert 0 < model.input_tokens <= model.total_tokens, model.name
        assert 0 <= model.max_output_tokens <= model.total_tokens, model.name
        assert bool(model.efforts) <= bool(model.thinking), model.name


@pytest.mark.parametrize(
    ("name", "display_name"),
    [
        ("claude-haiku-4-5", "Claude Haiku 4.5"),
        ("gpt-6.1-sol", "GPT-6.1 Sol"),
        ("gpt-4o-mini", "GPT-4o Mini"),
        ("o3", "O3"),
        ("qwen/qwen3.8-27b", "Qwen3.8 27b"),
    ],
)
def test_names_to_be_read(name: str, display_name: str) -> None:
    row = find_model(name)
    assert row is not None
    assert row.display_name == display_name


def test_what_models_can_do() -> None:
    def abilities(name: str) -> tuple[object, ...]:
        row = find_model(name)
        assert row is not None
        return row.takes_tools, row.takes_images, row.thinking, row.sampling_allowed, row.takes_forced_tools

    assert abilities("claude-opus-5-5") == (True, True, "always", False, False)
    assert abilities("claude-haiku-5-5") == (True, True, "adaptive", False, True)
    assert abilities("claude-haiku-4-5") == (True, True, "budget", True, True)
    assert abilities("gpt-6.1-sol") == (True, True, "effort", False, True)
    assert abilities("gpt-4o") == (True, True, "", True, True)
    assert abilities("groq/openai/gpt-oss-120b") == (True, False, "effort", True, True)
