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
from flux.llm.model_facts import Facts, facts_of
from flux.llm.refreshed import read_refreshed

Speed = Literal["fast", "medium", "slow"]
FREE = Price(0, 0, 0, 0)
_FAST_USD, _SLOW_USD = 2.0, 20.0


@dataclass(frozen=True, slots=True)
class Model:
    """A row. Sizes in tokens, 0: unknown; `price` and abilities None: unknown; `retires` an ISO date or empty.

    `sampling_allowed`: takes a temperature. `takes_forced_tools`: takes a `tool_choice` that leaves it no choice.
    `cache_min_tokens`: a shorter prompt is not cached.
    """

    name: str
    provider: str
    input_tokens: int
    total_tokens: int
    max_output_tokens: int
    price: Price | None
    takes_tools: bool | None = True
    takes_images: bool | None = False
    executes_code: bool | None = None
    thinking: ThinkingKind | None = ""
    efforts: tuple[str, ...] = ()
    sampling_allowed: bool = True
    takes_forced_tools: bool = True
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


class Catalogue:
    """The table as these settings have it: for the provider that they have chosen.

    What the user says in `[models.NAME]` is above what `flux models refresh` found, and that above the table; what
    nobody says is unknown.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._provider = settings.provider
        self._said = settings.models()
        kept = read_refreshed(settings.state).get(settings.provider)
        self._refreshed: Mapping[str, Facts] = kept.models if kept else {}

    def find(self, name: str) -> Model | None:
        """What is known of a model, None where it is nothing."""
        row = self._without_users_word(name)
        said = self._users_word(name)
        return row if said is None else overlay(row or unknown(name, self._provider), said)

    def price(self, name: str) -> Price | None:
        """The model's price, None where it is unknown."""
        row = self.find(name)
        return row.price if row else None

    def limits(self, model: str, server_tokens: int | None = None) -> ModelLimits:
        """The model's sizes; the setting `context_window` wins over what is known.

        `server_tokens` is the window that the model's own server gives it, which bounds both. An unknown model is
        taken to have 128,000 tokens and to answer as long as the setting `max_tokens` says.
        """
        row = self.find(model)
        max_output = (row.max_output_tokens if row else 0) or self._settings.max_tokens
        window = self._settings.context_window
        if server_tokens:
            window = min(window or self._window_of_user(model) or server_tokens, server_tokens)
        if window:
            return ModelLimits(window, window, min(max_output, window))
        if row is None or not row.total_tokens:
            return ModelLimits(UNKNOWN_WINDOW, UNKNOWN_WINDOW, min(max_output, UNKNOWN_WINDOW))
        return ModelLimits(row.input_tokens, row.total_tokens, max_output)

    def served(self, served: ServedModel, provider: str) -> Model:
        """The row of a model that a server lists: what is known of it, what the server says, and the user's word."""
        told = overlay(self._without_users_word(served.name) or unknown(served.name, provider), facts_of(served))
        if served.runs_here:
            told = replace(told, price=FREE)
        said = self._users_word(served.name)
        known = told if said is None else overlay(told, said)
        sizes = self.limits(served.name, served.window_tokens)
        return replace(
            known,
            name=served.name,
            provider=provider,
            input_tokens=sizes.input_tokens,
            total_tokens=sizes.total_tokens,
            max_output_tokens=min(known.max_output_tokens or sizes.max_output_tokens, sizes.total_tokens),
        )

    def models(self, kind: str) -> Sequence[Model]:
        """The models of the provider, which is of this kind: of the table, and what a refresh found besides."""
        known = [self.find(model.name) or model for model in models_of(kind)]
        names = {model.name for model in known}
        found = (self._listed(name) for name in self._refreshed)
        return [
            replace(model, provider=self._provider or kind)
            for model in (*known, *(model for model in found if model.name not in names))
        ]

    def _listed(self, name: str) -> Model:
        row, sizes = self.find(name) or unknown(name, self._provider), self.limits(name)
        return replace(row, input_tokens=sizes.input_tokens, total_tokens=sizes.total_tokens)

    def _without_users_word(self, name: str) -> Model | None:
        row, facts = find_model(name), self._refreshed.get(name)
        return row if facts is None else overlay(row or unknown(name, self._provider), facts)

    def _users_word(self, name: str) -> Facts | None:
        """By the name as it is asked for, for this provider or for all, or as the table has it."""
        row = find_model(name)
        for wanted in (f"{self._provider}/{name}", name, row.name if row else ""):
            if (said := self._said.get(wanted.lower())) is not None:
                return Facts(**said)  # pyright: ignore[reportArgumentType] -- each checked by its Kind
        return None

    def _window_of_user(self, name: str) -> int:
        said = self._users_word(name)
        return (said.window or 0) if said else 0


def unknown(name: str, provider: str) -> Model:
    """The row of a model of which nothing is known."""
    return Model(name, provider, 0, 0, 0, None, None, None, thinking=None, title=name)


def overlay(row: Model, facts: Facts) -> Model:
    """The row with what is said of it put on top. What is not said stays as it is."""
    window = facts.window or 0
    is_same = window in {0, row.total_tokens}  # of which the table may know the share for input
    max_output = facts.max_output or row.max_output_tokens
    thinking, efforts = _thinking(row, facts)
    return replace(
        row,
        input_tokens=row.input_tokens if is_same else window,
        total_tokens=row.total_tokens if is_same else window,
        max_output_tokens=max_output if is_same else min(max_output, window),
        price=_told_price(row.price, facts),
        takes_tools=row.takes_tools if facts.tools is None else facts.tools,
        takes_images=row.takes_images if facts.images is None else facts.images,
        executes_code=row.executes_code if facts.code_execution is None else facts.code_execution,
        thinking=thinking,
        efforts=efforts,
        sampling_allowed=row.sampling_allowed if facts.temperature is None else facts.temperature,
        takes_forced_tools=row.takes_forced_tools if facts.forced_tools is None else facts.forced_tools,
    )


def _thinking(row: Model, facts: Facts) -> tuple[ThinkingKind | None, tuple[str, ...]]:
    """That a model thinks does not say how it is asked to: where the table does not know either, by a word."""
    if facts.thinking is not None:
        kind = cast("ThinkingKind", "" if facts.thinking == "none" else facts.thinking)  # a word of its Kind
        return kind, (row.efforts or _USUAL_EFFORTS) if kind in {"always", "adaptive", "effort"} else ()
    if facts.thinks is None or facts.thinks is bool(row.thinking):
        return (row.thinking or "" if facts.thinks is False else row.thinking), row.efforts
    return ("effort", _USUAL_EFFORTS) if facts.thinks else ("", ())


_USUAL_EFFORTS = ("low", "medium", "high")


def _told_price(known: Price | None, facts: Facts) -> Price | None:
    """A price needs both ends. What a cache costs is as it was where the plain price is, else as plain input."""
    plain = facts.input_price if facts.input_price is not None else known.input if known else None
    answer = facts.output_price if facts.output_price is not None else known.output if known else None
    if plain is None or answer is None:
        return known
    plain_cache = known if known and known.input == plain else Price(plain, answer, plain, plain)
    return replace(
        known or plain_cache,  # with its tiers of long prompts
        input=plain,
        output=answer,
        cache_read=plain_cache.cache_read if facts.cache_read_price is None else facts.cache_read_price,
        cache_write=plain_cache.cache_write if facts.cache_write_price is None else facts.cache_write_price,
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
        executes_code=row.get("code"),
        thinking=row.get("thinking", ""),
        efforts=tuple(row.get("efforts", ())),
        sampling_allowed=row["sampling"],
        takes_forced_tools=row["forced_tools"],
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
