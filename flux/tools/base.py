"""What a tool is. A tool knows the workspace and the edit engine, not the model, the turn or the user's answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from flux.core.messages import ToolSpec
from flux.edits.plan import EditPlan
from flux.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Finding:
    """An answer for the model. `summary` is a few words for the user (`3 files, 120 lines`)."""

    text: str
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """Changes to be approved by the user, then applied by the turn. `summary` is told to the model once applied."""

    plan: EditPlan
    summary: str


Outcome = Finding | Proposal


class Tool(Protocol):
    """One file in this package implements one tool."""

    @property
    def spec(self) -> ToolSpec: ...

    @property
    def is_read_only(self) -> bool:
        """Read-only calls of one answer run side by side; others one after another, in the model's order."""
        ...

    async def call(self, arguments: Mapping[str, Any], workspace: Workspace) -> Outcome:
        """Do it. Raises any FluxError, which the turn gives to the model as the call's result."""
        ...
