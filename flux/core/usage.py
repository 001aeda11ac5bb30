"""Tokens and money, and how they add up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one or several requests.

    `input_tokens` counts the whole prompt, cached or not; the two cache figures are shares of it.
    `reasoning_tokens` is a share of `output_tokens`.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
        )


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens.

    Above `long_prompt_tokens` of input (0: never) the input prices are multiplied by `long_input_factor` and the output
    price by `long_output_factor`, for the whole request.
    """

    input: float
    output: float
    cache_read: float
    cache_write: float
    long_prompt_tokens: int = 0
    long_input_factor: float = 1.0
    long_output_factor: float = 1.0

    def cost_usd(self, usage: Usage) -> float:
        """The price of one request, in US dollars."""
        is_long = 0 < self.long_prompt_tokens < usage.input_tokens
        input_factor = self.long_input_factor if is_long else 1.0
        output_factor = self.long_output_factor if is_long else 1.0
        plain = usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens
        input_usd = plain * self.input + usage.cache_read_tokens * self.cache_read
        input_usd += usage.cache_write_tokens * self.cache_write
        return (input_usd * input_factor + usage.output_tokens * self.output * output_factor) / 1_000_000


@dataclass(frozen=True, slots=True)
class Cost:
    """Money spent. `usd` is the known part; `is_complete` is false where a model's price is unknown."""

    usd: float = 0.0
    is_complete: bool = True

    @classmethod
    def of(cls, usage: Usage, price: Price | None) -> Self:
        """What one request cost; `price` None: it is unknown."""
        return cls(price.cost_usd(usage)) if price else cls(is_complete=usage.total_tokens == 0)

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.usd + other.usd, self.is_complete and other.is_complete)

    def __str__(self) -> str:
        if not self.is_complete:
            return f"${self.usd:.4f} and more (price unknown)" if self.usd else "price unknown"
        return f"${self.usd:.4f}"


@dataclass(frozen=True, slots=True)
class Spent:
    """What several requests used."""

    requests: int = 0
    usage: Usage = Usage()
    cost: Cost = Cost()

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.requests + other.requests, self.usage + other.usage, self.cost + other.cost)

    def __str__(self) -> str:
        return (
            f"{self.requests:,} requests, {self.usage.input_tokens:,} tokens in, {self.usage.output_tokens:,} out, "
            f"{self.cost}"
        )
