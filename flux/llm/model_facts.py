"""What somebody says of a model beside the table: its user, or its provider's list. Each thing may be left unsaid.

The fields are named as in `[models.NAME]` of a settings file and in what `flux models refresh` keeps.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from flux.llm.base_provider import ServedModel

PRICES = ("input_price", "output_price", "cache_read_price", "cache_write_price")


@dataclass(frozen=True, slots=True)
class Facts:
    """None where nothing is said. Sizes in tokens, prices in US dollars for a million tokens.

    `window` is of input and output together; `thinking` one of `none`, `always`, `adaptive`, `budget`, `effort`;
    `thinks` says only whether it does.
    """

    window: int | None = None
    max_output: int | None = None
    input_price: float | None = None
    output_price: float | None = None
    cache_read_price: float | None = None
    cache_write_price: float | None = None
    tools: bool | None = None
    images: bool | None = None
    code_execution: bool | None = None
    thinking: str | None = None
    thinks: bool | None = None
    temperature: bool | None = None
    forced_tools: bool | None = None

    def said(self) -> dict[str, object]:
        """What is said, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @property
    def has_price(self) -> bool:
        return self.input_price is not None and self.output_price is not None


def facts_of(served: ServedModel) -> Facts:
    """What a server tells of a model."""
    price = served.price
    return Facts(
        window=served.window_tokens,
        max_output=served.max_output_tokens,
        input_price=price.input if price else None,
        output_price=price.output if price else None,
        cache_read_price=price.cache_read if price else None,
        cache_write_price=price.cache_write if price else None,
        tools=served.takes_tools,
        images=served.takes_images,
        code_execution=served.executes_code,
        thinks=served.thinks,
    )


def read_facts(found: dict[str, object]) -> Facts:
    """Facts from JSON, where what is unknown or of another type counts as not said."""
    sizes = {name: value for name in ("window", "max_output") if _is_size(value := found.get(name))}
    prices = {name: value for name in PRICES if is_price(value := found.get(name))}
    truths = ("tools", "images", "code_execution", "thinks")
    abilities = {name: value for name in truths if isinstance(value := found.get(name), bool)}
    return Facts(**{**sizes, **prices, **abilities})  # pyright: ignore[reportArgumentType] -- each is of its field's type


def is_price(value: object) -> bool:
    """Whether it can be one: OpenRouter says -1 where a price depends on what answers."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1_000_000


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 1 << 40
