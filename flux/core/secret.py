"""Keys: kept so that they are never shown by accident, and taken out of texts that are about to be shown."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Anthropic and OpenAI keys, Groq, Hugging Face, GitHub, Google, AWS, bearer headers, passwords inside a URL.
_KEY_LIKE = re.compile(
    r"\b(?:sk|gsk|hf|ghp|gho|ghs|ghu|github_pat|xai|pplx|xox[abp])[-_][A-Za-z0-9_\-]{12,}"
    r"|\bAIza[A-Za-z0-9_\-]{30,}"
    r"|\bAKIA[A-Z0-9]{16}\b"
    r"|(?<=[Bb]earer )[A-Za-z0-9._~+/=\-]{8,}"
    r"|(?i:(?<=x-api-key: ))[^\s'\"]+"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
)
_HIDDEN = "****"


class Secret:
    """A key. Its `str` and `repr` hide it; only `reveal` gives it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The key itself, for the request that needs it."""
        return self._value

    def masked(self) -> str:
        """Enough to recognise a long key by: its last four characters."""
        return _HIDDEN + self._value[-4:] if len(self._value) >= 16 else _HIDDEN

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __str__(self) -> str:
        return _HIDDEN

    def __repr__(self) -> str:
        return f"Secret({_HIDDEN})"


def is_key(text: str) -> bool:
    """Whether the text can be a key, which stands in a header of a request."""
    return text.isascii() and text.isprintable() and " " not in text


def redact(text: str, secrets: Iterable[Secret] = ()) -> str:
    """The text without the given secrets and without anything that looks like a key; a megabyte takes 0.2 s."""
    return _KEY_LIKE.sub(_HIDDEN, hide(text, secrets))


def hide(text: str, secrets: Iterable[Secret]) -> str:
    """The text without the given secrets."""
    for secret in secrets:
        if len(secret.reveal()) >= 4:  # a shorter one would only tear words apart
            text = text.replace(secret.reveal(), _HIDDEN)
    return text
