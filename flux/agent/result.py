"""What came of a turn, gathered from its events: for programs that want the end and not the way there."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

from flux.agent.events import (
    ApprovalAsked,
    EditApplied,
    EditsProposed,
    Noticed,
    ProposedHunk,
    TextStreamed,
    ToolAnswered,
    ToolCalled,
    TurnEnded,
    TurnEvent,
    TurnStatus,
)
from flux.core.messages import ToolCall
from flux.core.usage import Cost, Usage


@dataclass(frozen=True, slots=True)
class TurnResult:
    """A turn as far as its events tell. `status` is empty while it runs.

    `tool_calls` are all that the model made. `pending_confirmations` are what somebody has yet to do: questions that
    were asked and not answered, calls of the caller's own tools, and the pieces of a proposal. `paths` were changed,
    `unsaved` stand in buffers only. `is_stopped`: the model wanted to go on beyond the bound of its steps.
    """

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    pending_confirmations: tuple[ApprovalAsked | ToolCall | ProposedHunk, ...] = ()
    paths: tuple[str, ...] = ()
    unsaved: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    status: TurnStatus | None = None
    is_stopped: bool = False
    error: str = ""
    usage: Usage = Usage()
    cost: Cost = Cost()

    @property
    def is_complete(self) -> bool:
        """The turn came to its end, and nothing of it waits for anybody."""
        return self.status == "completed" and not self.is_stopped and not self.requires_action

    @property
    def own_calls(self) -> tuple[ToolCall, ...]:
        """The calls that wait for `Session.add_tool_result`."""
        return tuple(pending for pending in self.pending_confirmations if isinstance(pending, ToolCall))

    @property
    def requires_action(self) -> bool:
        """Somebody has to decide before all that the turn wanted is done."""
        return bool(self.pending_confirmations)


async def gather(events: AsyncGenerator[TurnEvent]) -> TurnResult:
    """What came of the turn of `Session.send_message`, at its end."""
    async with aclosing(events):
        return result_of([event async for event in events])


def result_of(events: list[TurnEvent]) -> TurnResult:
    """What the events of one turn say, also where there will be more."""
    text: list[str] = []
    calls: list[ToolCall] = []
    asked: dict[str, ApprovalAsked] = {}
    answered: set[str] = set()
    hunks: tuple[ProposedHunk, ...] = ()
    paths: dict[str, None] = {}
    notices: list[str] = []
    end: TurnEnded | None = None
    for event in events:
        match event:
            case TextStreamed():
                text.append(event.text)
            case ToolCalled():
                calls.append(ToolCall(event.call_id, event.name, event.arguments_json))
            case ToolAnswered():
                answered.add(event.call_id)
            case ApprovalAsked(decision=""):
                asked[event.call_id] = event
            case ApprovalAsked():
                asked.pop(event.call_id, None)
            case EditApplied():
                paths.update(dict.fromkeys(event.paths))
            case EditsProposed():
                hunks = event.hunks
            case Noticed():
                notices.append(event.text)
            case TurnEnded():
                end = event
            case _:
                pass  # the rest shows how the turn goes on
    # Where a turn was completed, a call without an answer is one that the caller has to run.
    own = [call for call in calls if call.id not in answered] if end and end.status == "completed" else []
    pending = (*asked.values(), *own, *hunks)
    result = TurnResult("".join(text), tuple(calls), pending, tuple(paths), notices=tuple(notices))
    if end is None:
        return result
    return replace(
        result,
        unsaved=end.unsaved,
        status=end.status,
        is_stopped=end.is_stopped,
        error=end.error,
        usage=end.usage,
        cost=end.cost,
    )
