"""The question a turn asks before it changes something."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Decision = Literal["yes", "always", "no"]


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """What would happen. `diff` is a unified diff of all files; `title` one line for a dialogue."""

    title: str
    paths: tuple[str, ...]
    diff: str


class Approver(Protocol):
    """Implemented by every door. `always` holds for the rest of the session."""

    async def ask(self, question: ApprovalRequest) -> Decision: ...


class ApproveAll:
    """Says yes: for `--yes`, and for doors where the user sees every change in an unsaved buffer."""

    async def ask(self, question: ApprovalRequest) -> Decision:
        return "yes"


class DenyAll:
    """Says no: for a door that cannot ask."""

    async def ask(self, question: ApprovalRequest) -> Decision:
        return "no"
