"""What the user says while a turn runs: it waits for a turn of its own, or for the next request of the running one.

Each has a fate, which the one who sent it waits for. Decides nothing about turns, and stores nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from flux.context.item import Focus

Meanwhile = Literal["refuse", "queue", "steer"]
"""What becomes of a message while a turn runs. Steered, it goes to the model with the turn's next request; where there
is none any more, it has a turn of its own."""

Fate = Literal["sent", "steered", "withdrawn", "returned"]
"""`sent`: its own turn begins. `returned`: the turn before it failed or was cancelled, and it was not sent."""


@dataclass(slots=True, eq=False)
class Waiting:
    """A message that waits. `fate` is set once."""

    id: str
    text: str
    focus: Focus | None
    is_steering: bool
    fate: asyncio.Future[Fate] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Queue:
    """The messages of one session that wait, the first to come first."""

    def __init__(self) -> None:
        self._waiting: list[Waiting] = []

    def add(self, waiting: Waiting) -> None:
        self._waiting.append(waiting)

    def steering(self) -> Sequence[Waiting]:
        """Those that the running turn is to take along."""
        return [waiting for waiting in self._waiting if waiting.is_steering]

    def settle(self, waiting: Waiting, fate: Fate) -> bool:
        """Tell who sent it what became of it; false where it waits no more."""
        if waiting not in self._waiting:
            return False
        self._waiting.remove(waiting)
        if not waiting.fate.done():  # who waited for it may be gone
            waiting.fate.set_result(fate)
        return True

    def go_on(self) -> None:
        """Let the first one have its turn."""
        if self._waiting:
            self.settle(self._waiting[0], "sent")

    def give_back(self) -> None:
        """None of them is sent."""
        for waiting in list(self._waiting):
            self.settle(waiting, "returned")

    def withdraw(self, message_id: str = "") -> Waiting | None:
        """Take a message back, the last one where none is named; None where no such one waits."""
        for waiting in reversed(self._waiting):
            if message_id in {"", waiting.id}:
                self.settle(waiting, "withdrawn")
                return waiting
        return None
