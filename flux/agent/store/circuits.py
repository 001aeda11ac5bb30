"""Which models keep failing, as each process that has the database open tells it to a doctor in another one."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flux.agent.store.database import Database
from flux.agent.store.holder import HolderFile, lives
from flux.llm.resilience.breaker import CircuitState


@dataclass(frozen=True, slots=True)
class CircuitElsewhere:
    """What another process knows of a model at an address."""

    door: str
    pid: int
    circuit: CircuitState

    def __str__(self) -> str:
        return f"{self.circuit} (in {self.door}, process {self.pid})"


class ToldCircuits:
    """What this process tells. `holder` shows that it lives."""

    def __init__(self, database: Database, holder: HolderFile, clock: Callable[[], float]) -> None:
        self._database = database
        self._holder = holder
        self._clock = clock
        self._has_told = False

    def tell(self, troubled: Sequence[CircuitState]) -> None:
        """These keep failing, and no others; costs nothing as long as none does."""
        if not troubled and not self._has_told:
            return
        self._has_told = bool(troubled)
        token, now = self._holder.token, self._clock()
        rows = [
            (token, self._holder.door, os.getpid(), one.address, one.model, one.failures, _until(one, now), one.reason)
            for one in troubled
        ]

        def write(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM circuit WHERE token = ?", (token,))
            db.executemany("INSERT INTO circuit VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)

        self._database.write("", write)


def told_elsewhere(db: sqlite3.Connection, holders: Path, now: float) -> Sequence[CircuitElsewhere]:
    """What other processes that live have told. Raises sqlite3.Error."""
    query = "SELECT token, door, pid, address, model, failures, open_until, reason FROM circuit WHERE pid != ?"
    return [
        CircuitElsewhere(door, pid, _circuit(address, model, failures, None if until is None else until - now, reason))
        for token, door, pid, address, model, failures, until, reason in db.execute(query, (os.getpid(),))
        if lives(holders, token)
    ]


def _until(circuit: CircuitState, now: float) -> float | None:
    return None if circuit.state == "closed" else now + circuit.retry_after_s


def _circuit(address: str, model: str, failures: int, left_s: float | None, reason: str) -> CircuitState:
    if left_s is None:
        return CircuitState(address, model, "closed", failures, 0.0, reason)
    return CircuitState(address, model, "open" if left_s > 0 else "half-open", failures, max(left_s, 0.0), reason)
