"""What happens in a turn, as values. Every door renders these and nothing else."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from flux.core.usage import Cost, Usage

TurnStatus = Literal["completed", "cancelled", "failed"]


@dataclass(frozen=True, slots=True)
class MessageQueued:
    """A message that was sent while a turn ran: it waits (`queued`, `steering`), or what became of it.

    `steered`: the running turn has taken it along. `withdrawn`: by the user. `returned`: not sent, as the turn before
    it failed or was cancelled. Where it gets a turn of its own, the `turn_start` of that names it.
    """

    type: ClassVar[str] = "queue"
    message_id: str
    text: str
    state: Literal["queued", "steering", "steered", "withdrawn", "returned"]


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """The first event of a turn: who will answer. `message_id` is that of the message, where it was queued."""

    type: ClassVar[str] = "turn_start"
    turn_id: str
    session_id: str
    provider: str
    model: str
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class TextStreamed:
    """The next piece of the answer."""

    type: ClassVar[str] = "text_delta"
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningStreamed:
    """The next piece of what the model thinks before it answers."""

    type: ClassVar[str] = "reasoning_delta"
    text: str


@dataclass(frozen=True, slots=True)
class ToolCalled:
    """A call of the model is about to run. `title` says it in words for the user (`read flux/core/text.py`)."""

    type: ClassVar[str] = "tool_call"
    call_id: str
    name: str
    title: str
    arguments_json: str


@dataclass(frozen=True, slots=True)
class ToolAnswered:
    """What the model was told. `summary` is a few words for the user; `is_error`: the call was refused or failed."""

    type: ClassVar[str] = "tool_result"
    call_id: str
    name: str
    summary: str
    content: str
    is_error: bool


@dataclass(frozen=True, slots=True)
class ApprovalAsked:
    """The turn waits for the user. `diff` is a unified diff of what would change."""

    type: ClassVar[str] = "approval"
    call_id: str
    paths: tuple[str, ...]
    diff: str
    decision: str = ""
    """Empty while it waits; then `yes`, `always` or `no`."""


@dataclass(frozen=True, slots=True)
class EditApplied:
    """Files were changed, and seen to be. `is_saved` is false where the text stands in an editor's buffer."""

    type: ClassVar[str] = "edit_applied"
    call_id: str
    paths: tuple[str, ...]
    diff: str
    is_saved: bool


@dataclass(frozen=True, slots=True)
class ProposedHunk:
    """One piece of a proposal. `line` is where it begins in the file, from 1; `diff` is of this piece alone."""

    id: str
    path: str
    line: int
    diff: str


@dataclass(frozen=True, slots=True)
class EditsProposed:
    """The turn's changes wait for the user's review; nothing was written. Comes once, at the end of the turn."""

    type: ClassVar[str] = "review"
    turn_id: str
    paths: tuple[str, ...]
    hunks: tuple[ProposedHunk, ...]


@dataclass(frozen=True, slots=True)
class Retrying:
    """A request failed for a reason that may pass; `attempt`, from 2, begins in `wait_s` seconds."""

    type: ClassVar[str] = "retry"
    reason: str
    wait_s: float
    attempt: int


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something the user should know: what was pruned, refused, left out or chosen on their behalf."""

    type: ClassVar[str] = "notice"
    text: str


@dataclass(frozen=True, slots=True)
class Summarized:
    """A summary (`text`) stands for the earlier turns from now on. It comes between two turns.

    `words` tell so, with what it cost. `flux.context.compact` with `undo` takes it back.
    """

    type: ClassVar[str] = "summary"
    text: str
    words: str


@dataclass(frozen=True, slots=True)
class UsageReported:
    """One request's tokens and money, and how full the window is.

    `window_tokens` is the model's input window; `used_tokens` of it are what the conversation has by now, as far as the
    provider reported it, else as it is estimated.
    """

    type: ClassVar[str] = "usage"
    model: str
    usage: Usage
    cost: Cost
    window_tokens: int
    used_tokens: int = 0

    @property
    def window_share(self) -> float:
        """How much of the window is used, 1.0 for all."""
        return self.used_tokens / self.window_tokens if self.window_tokens else 0.0


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The last event of every turn. `unsaved` names the files whose changes stand in buffers only.

    `is_stopped`: the model wanted to go on, and the bound of its steps (`max_steps`) did not let it.
    """

    type: ClassVar[str] = "turn_end"
    turn_id: str
    status: TurnStatus
    usage: Usage
    cost: Cost
    error: str = ""
    error_kind: str = ""
    unsaved: tuple[str, ...] = ()
    is_stopped: bool = False


TurnEvent = (
    MessageQueued
    | TurnStarted
    | TextStreamed
    | ReasoningStreamed
    | ToolCalled
    | ToolAnswered
    | ApprovalAsked
    | EditApplied
    | EditsProposed
    | Retrying
    | Noticed
    | Summarized
    | UsageReported
    | TurnEnded
)


def to_json(event: TurnEvent) -> dict[str, Any]:
    """The event as a JSON object with its `type`; the form of `flux -p --json` and of `flux/turnEvent`."""
    return {"type": event.type, **dataclasses.asdict(event)}
