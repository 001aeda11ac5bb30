"""What the rest of the house needs to know of a model, without knowing `flux.llm`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class TokenCounter(Protocol):
    """Counts tokens of a text, exactly or by estimate."""

    @property
    def is_exact(self) -> bool: ...

    def count(self, text: str) -> int: ...


@dataclass(frozen=True, slots=True)
class ModelLimits:
    """Sizes in tokens. `total_tokens` bounds input and output together."""

    input_tokens: int
    total_tokens: int
    max_output_tokens: int
