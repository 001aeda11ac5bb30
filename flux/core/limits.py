"""What the rest of the house needs to know of a model, without knowing `flux.llm`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TokenKinds:
    """Tokens by the kind of text they are of, as far as a counter can tell: tokenizers differ by kind.

    `words` are of ASCII text and code, `dense` of base64, hashes and the like, `other` of other scripts and symbols.
    """

    words: float = 0.0
    dense: float = 0.0
    other: float = 0.0

    def __add__(self, added: TokenKinds) -> TokenKinds:
        return TokenKinds(self.words + added.words, self.dense + added.dense, self.other + added.other)

    def __sub__(self, taken: TokenKinds) -> TokenKinds:
        return TokenKinds(self.words - taken.words, self.dense - taken.dense, self.other - taken.other)

    def weighed(self, factors: TokenKinds) -> float:
        """The tokens in all, each kind times its factor."""
        return self.words * factors.words + self.dense * factors.dense + self.other * factors.other


class TokenCounter(Protocol):
    """Counts tokens of a text, exactly or by estimate."""

    @property
    def is_exact(self) -> bool: ...

    def count(self, text: str) -> int: ...

    def kinds(self, text: str) -> TokenKinds:
        """The same by kind; one that counts exactly calls all of them words."""
        ...


@dataclass(frozen=True, slots=True)
class ModelLimits:
    """Sizes in tokens. `total_tokens` bounds input and output together."""

    input_tokens: int
    total_tokens: int
    max_output_tokens: int
