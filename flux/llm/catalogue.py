"""What is known of models: windows, the longest answer, prices, what they can do.

The table is `models.json`, a dated slice of public model data that `tests.support.model_slice` cuts; prices are US
dollars for a million tokens. A model that is not in it gets a cautious window, and its price is unknown, which is not
the same as nothing.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any, Literal, cast

from flux.core.config import Settings
from flux.core.limits import ModelLimits
from flux.core.usage import Price
from flux.llm.base_provider import ServedModel, ThinkingKind

Speed = Literal["fast", "medium", "slow"]
FREE = Price(0, 0, 0, 0)
_FAST_USD, _SLOW_USD = 2.0, 20.0


@dataclass(frozen=True, slots=True)
class Model:
    """A row. Sizes in tokens; `price` None: unknown; `retires` an ISO date, empty where none is known.

    `sampling_allowed`: takes a temperature. `takes_forced_tools`: takes a `tool_choice` that leaves it no choice.
    `takes_prefill`: goes on from the beginning of an answer. `cache_min_tokens`: a shorter prompt is not cached.
    """

    name: str
    provider: str
    input_tokens: int
    total_tokens: int
    max_output_tokens: int
    price: Price | None
    takes_tools: bool = True
    takes_images: bool = False
    executes_code: bool = False
    thinking: ThinkingKind = ""
    efforts: tuple[str, ...] = ()
    sampling_allowed: bool = True
    takes_forced_tools: bool = True
    takes_prefill: bool = False
    cache_min_tokens: int = 0
    retires: str = ""
    title: str = ""

    @property
    def display_name(self) -> str:
        return self.title or _title(self.name)

    @property
    def speed(self) -> Speed:
        """No public data tells how fast a model is; what its answers cost goes with it."""
        if self.price is None:
            return "medium"
        return "fast" if self.price.output <= _FAST_USD else "slow" if self.price.output >= _SLOW_USD else "medium"

    def is_retired(self, today: datetime.date) -> bool:
        return bool(self.retires) and self.retires <= today.isoformat()


_OWN = (
    Model("demo", "demo", 200_000, 200_000, 64_000, FREE, title="Flux's offline demo (fixed rules)"),
    Model("scripted", "scripted", 200_000, 200_000, 64_000, FREE, title="A script (fake)"),
)

UNKNOWN_WINDOW = 128_000


@cache
def shipped() -> tuple[str, str, tuple[Model, ...]]:
    """(the date of the slice, its sources, its models, the newest of each provider first)."""
    text = resources.files("flux.llm").joinpath("models.json").read_text(encoding="utf-8")
    slice_ = cast("Mapping[str, Any]", json.loads(text))
    rows = [read_model(row) for row in cast("Sequence[Mapping[str, Any]]", slice_["models"])]
    rows.sort(key=lambda model: (model.provider, _version(model.name)), reverse=True)
    return str(slice_["as_of"]), str(slice_["sources"]), (*rows, *_OWN)


def models_of(provider: str) -> Sequence[Model]:
    """The rows of a provider, the newest first."""
    return [model for model in shipped()[2] if model.provider == provider]


def find_model(name: str) -> Model | None:
    """The row of a model, None where it is unknown.

    A vendor in front (`anthropic/…`) and a date behind (`…-20261015`, `…-2026-10-15`, `…-latest`) are not part of the
    name.
    """
    wanted = re.sub(r"-(?:latest|\d{8}|\d{4}-\d{2}-\d{2})$", "", name.strip().lower())
    return _by_name().get(wanted) or _by_name().get(wanted.rsplit("/", 1)[-1])


def limits(model: str, settings: Settings, server_tokens: int | None = None) -> ModelLimits:
    """The model's sizes; the setting `context_window` wins over the table.

    `server_tokens` is the window that the model's own server gives it, which bounds both. An unknown model is taken to
    have 128,000 tokens and to answer as long as the setting `max_tokens` says.
    """
    row = find_model(model)
    max_output = (row.max_output_tokens if row else 0) or settings.max_tokens
    window = settings.context_window
    if server_tokens:
        window = min(window or server_tokens, server_tokens)
    if window:
        return ModelLimits(window, window, min(max_output, window))
    if row is None:
        return ModelLimits(UNKNOWN_WINDOW, UNKNOWN_WINDOW, min(max_output, UNKNOWN_WINDOW))
    return ModelLimits(row.input_tokens, row.total_tokens, max_output)


def price(model: str) -> Price | None:
    """The model's price, None where it is unknown."""
    row = find_model(model)
    return row.price if row else None


def served_model(served: ServedModel, provider: str, settings: Settings) -> Model:
    """The row of a model that a server lists: what the table has of it, and what the server says."""
    row = find_model(served.name)
    sizes = limits(served.name, settings, served.window_tokens)
    known = row or Model(served.name, provider, 0, 0, 0, None, title=served.name)
    return replace(
        known,
        name=served.name,
        provider=provider,
        input_tokens=sizes.input_tokens,
        total_tokens=sizes.total_tokens,
        max_output_tokens=sizes.max_output_tokens,
        price=FREE if served.runs_here else known.price,
        takes_tools=known.takes_tools if served.takes_tools is None else served.takes_tools,
        takes_images=known.takes_images if served.takes_images is None else served.takes_images,
    )


@cache
def _by_name() -> Mapping[str, Model]:
    """Each row by its name, and by its name without the vendor where that is not another's name."""
    rows = shipped()[2]
    return {
        **{model.name.rsplit("/", 1)[-1].lower(): model for model in rows},
        **{row.name.lower(): row for row in rows},
    }


def read_model(row: Mapping[str, Any]) -> Model:
    """A row as the table writes it: what is left out is no, nothing or unknown."""
    named = cast("Mapping[str, float] | None", row.get("price"))
    return Model(
        row["name"],
        row["provider"],
        row["input"],
        row["total"],
        row.get("output", 0),
        None if named is None else _price(named),
        takes_tools=row["tools"],
        takes_images=row.get("images", False),
        executes_code=row.get("code", False),
        thinking=row.get("thinking", ""),
        efforts=tuple(row.get("efforts", ())),
        sampling_allowed=row["sampling"],
        takes_forced_tools=row["forced_tools"],
        takes_prefill=row.get("prefill", False),
        cache_min_tokens=row.get("cache_min", 0),
        retires=row.get("retires", ""),
    )


def _price(named: Mapping[str, float]) -> Price:
    plain = Price(named["input"], named["output"], named["cache_read"], named["cache_write"])
    if "long_prompt_tokens" not in named:
        return plain
    return replace(
        plain,
        long_prompt_tokens=int(named["long_prompt_tokens"]),
        long_input_factor=named["long_input_factor"],
        long_output_factor=named["long_output_factor"],
    )


def _version(name: str) -> tuple[Sequence[float], str]:
    """What puts newer models behind older ones: the numbers of a name, then the name."""
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", name)], name


def _title(name: str) -> str:
    """`claude-opus-5-5` as `Claude Opus 5.5`, `gpt-6.1-sol` as `GPT-6.1 Sol`."""
    short = re.sub(r"(?<=\d)-(?=\d+(?:-|$))", ".", name.rsplit("/", 1)[-1])
    words = [word if word[:1].isdigit() else word.capitalize() for word in short.split("-")]
    if words[0] == "Gpt" and len(words) > 1:
        words[:2] = [f"GPT-{words[1]}"]
    return " ".join(words)
