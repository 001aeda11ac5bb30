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

    `tool_calls` are all that the model made, `pending_confirmations` what the user has yet to decide on: questions that
    were asked and not answered, and the pieces of a proposal. `paths` were changed, `unsaved` stand in buffers only.
    """

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    pending_confirmations: tuple[ApprovalAsked | ProposedHunk, ...] = ()
    paths: tuple[str, ...] = ()
    unsaved: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    status: TurnStatus | None = None
    error: str = ""
    usage: Usage = Usage()
    cost: Cost = Cost()

    @property
    def is_complete(self) -> bool:
        """The turn came to its end, and nothing of it waits for anybody."""
        return self.status == "completed" and not self.requires_action

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
    result = TurnResult("".join(text), tuple(calls), (*asked.values(), *hunks), tuple(paths), notices=tuple(notices))
    if end is None:
        return result
    return replace(result, unsaved=end.unsaved, status=end.status, error=end.error, usage=end.usage, cost=end.cost)
