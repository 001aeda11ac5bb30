"""What is asked of an engine, and what must come of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Label = Literal["apply", "refuse", "either"]


@dataclass(frozen=True, slots=True)
class Case:
    """One edit asked for. `expected` are the texts that may come out: none for a refusal.

    `region` is the part of the text (code points) that the edit is about; for a refusal the place to be shown, or None
    where there is none.
    """

    kind: str
    label: Label
    source: str
    text: str
    old: str
    new: str
    expected: tuple[str, ...]
    region: tuple[int, int] | None


def start_of_line(lines: Sequence[str], number: int) -> int:
    """The offset at which a line begins; behind the last one, the length of the text and one."""
    return sum(len(line) + 1 for line in lines[:number])
