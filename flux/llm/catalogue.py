"""What is known of models: windows, the longest answer, prices, whether they take a temperature.

As of 2026-11-21, from the data of LiteLLM 1.109.1 (MIT) and genai-prices 0.2.3 (MIT), which agree where both have a
model; neither is a vendor's own page. US dollars for a million tokens. A model that is not here gets a cautious window,
and its price is unknown, which is not the same as nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from flux.core.config import Settings
from flux.core.limits import ModelLimits
from flux.core.usage import Price

AS_OF = "2026-11-21"

Speed = Literal["fast", "medium", "slow"]

FREE = Price(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Model:
    """A row. Sizes in tokens; `sampling_allowed`: takes a temperature; `price` None: unknown."""

    name: str
    provider: str
    display_name: str
    speed: Speed
    input_tokens: int
    total_tokens: int
    max_output_tokens: int
    price: Price | None
    sampling_allowed: bool = True


def _claude(name: str, speed: Speed, price: Price, *, max_output: int = 128_000) -> Model:
    # The 5 family always thinks and refuses temperature, top_p and top_k (anthropic SDK 2.11.0 has removed them).
    display_name = " ".join(word if word.isdigit() else word.capitalize() for word in name.split("-")[:2])
    version = ".".join(name.split("-")[2:])
    return Model(
        name,
        "anthropic",
        f"{display_name} {version}",
        speed,
        1_000_000,
        1_000_000,
        max_output,
        price,
        sampling_allowed=False,
    )


def _gpt(name: str, speed: Speed, *price: float) -> Model:
    # All of them: double input and 1.5 times output above 272,000 tokens of prompt. Where the sources have no price for
    # the cache, it is counted as plain input, which is never too little.
    cache_read, cache_write = price[2:] or (price[0], price[0])
    version, word = name.removeprefix("gpt-").split("-")
    return Model(
        name,
        "openai",
        f"GPT-{version} {word.capitalize()}",
        speed,
        922_000,
        1_050_000,
        128_000,
        Price(price[0], price[1], cache_read, cache_write, 272_000, 2.0, 1.5),
    )


MODELS: tuple[Model, ...] = (
    _claude("claude-sonnet-5-5", "medium", Price(2, 10, 0.10, 2.50)),
    _claude("claude-opus-5-5", "slow", Price(4, 20, 0.20, 5)),
    _claude("claude-haiku-5-5", "fast", Price(0.10, 0.50, 0.01, 0.125, 100_000, 5.0, 5.0)),
    # genai-prices only, which has no longest answer: half of its siblings'.
    _claude("claude-fable-5-2", "slow", Price(8, 40, 0.20, 10), max_output=64_000),
    _claude("claude-mythos-5-2", "slow", Price(8, 40, 0.20, 10), max_output=64_000),
    _claude("claude-fable-5-1", "slow", Price(10, 50, 0.25, 12.50)),
    Model(
        "claude-haiku-4-5",
        "anthropic",
        "Claude Haiku 4.5",
        "fast",
        200_000,
        200_000,
        64_000,
        Price(1, 5, 0.10, 1.25),
    ),
    _gpt("gpt-6.1-sol", "medium", 2, 10, 0.10, 2.5),
    _gpt("gpt-6.1-terra", "medium", 1, 5, 0.05, 1.25),
    _gpt("gpt-6-astra", "slow", 10, 50, 1.0, 12.5),
    _gpt("gpt-6-luna", "fast", 0.10, 0.50, 0.01, 0.125),
    _gpt("gpt-5.6-sol", "medium", 4, 20),
    _gpt("gpt-5.6-terra", "medium", 2, 12),
    _gpt("gpt-5.6-luna", "fast", 0.2, 1.2),
    Model("demo", "demo", "Flux's offline demo (fixed rules)", "fast", 200_000, 200_000, 64_000, FREE),
    Model("scripted", "scripted", "A script (fake)", "fast", 200_000, 200_000, 64_000, FREE),
)

_BY_NAME = {model.name: model for model in MODELS}

UNKNOWN_WINDOW = 128_000


def find_model(name: str) -> Model | None:
    """The row of a model, None where it is unknown.

    A vendor in front (`anthropic/…`) and a date behind (`…-20261015`, `…-latest`) are not part of the name.
    """
    short = name.strip().lower().rsplit("/", 1)[-1]
    if short in _BY_NAME:
        return _BY_NAME[short]
    base, _, tail = short.rpartition("-")
    return _BY_NAME.get(base) if tail == "latest" or (tail.isdigit() and len(tail) == 8) else None


def limits(model: str, settings: Settings) -> ModelLimits:
    """The model's sizes; the setting `context_window` wins over the table.

    An unknown model is taken to have 128,000 tokens and to answer as long as the setting `max_tokens` says.
    """
    row = find_model(model)
    max_output = row.max_output_tokens if row else settings.max_tokens
    if settings.context_window:
        window = settings.context_window
        return ModelLimits(window, window, min(max_output, window))
    if row is None:
        return ModelLimits(UNKNOWN_WINDOW, UNKNOWN_WINDOW, min(max_output, UNKNOWN_WINDOW))
    return ModelLimits(row.input_tokens, row.total_tokens, max_output)


def price(model: str) -> Price | None:
    """The model's price, None where it is unknown."""
    row = find_model(model)
    return row.price if row else None


def takes_temperature(model: str) -> bool:
    """Whether a temperature may be sent; believed of a model that is unknown."""
    row = find_model(model)
    return row.sampling_allowed if row else True
