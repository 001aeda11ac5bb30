"""Scripted talks: a session over a workspace in memory, with the shipped fakes and nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import aclosing

from flux.agent.approval import ApprovalRequest, ApproveAll, Approver, Decision
from flux.agent.events import TurnEnded, TurnEvent
from flux.agent.failover import Failover
from flux.agent.next_request import ModelChoice, TurnSettings
from flux.agent.session import Session
from flux.agent.session_store import SessionStore
from flux.context.item import Focus
from flux.core.errors import SessionMissing
from flux.core.limits import ModelLimits
from flux.core.messages import Message, Text, ToolCall, ToolSpec
from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.core.usage import Price
from flux.edits.plan import AppliedPlan, EditPlan
from flux.llm.base_provider import BaseLLMProvider
from flux.llm.scripted_provider import ScriptedProvider, Step
from flux.llm.tokens import EstimatedCounter
from flux.workspace.memory import MemoryWorkspace
from flux.workspace.workspace import Workspace

LIMITS = ModelLimits(200_000, 200_000, 8192)
PRICE = Price(input=2.0, output=10.0, cache_read=0.2, cache_write=2.5)


def call(name: str, call_id: str = "c1", **arguments: object) -> ToolCall:
    return ToolCall(call_id, name, json.dumps(arguments))


def step(text: str = "", *calls: ToolCall) -> Step:
    return Step(text=text, tool_calls=calls)


class Steppable(MemoryWorkspace):
    """Gives the loop a turn before and after everything, as disks and editors do."""

    async def read(self, path: WorkspacePath) -> FileSnapshot:
        await asyncio.sleep(0)
        return await super().read(path)

    async def apply(self, plan: EditPlan) -> AppliedPlan:
        await asyncio.sleep(0)
        applied = await super().apply(plan)
        await asyncio.sleep(0)
        return applied


class Answers:
    """An approver that answers from a list and keeps the questions."""

    def __init__(self, *answers: Decision) -> None:
        self.questions: list[ApprovalRequest] = []
        self._answers = list(answers)

    async def ask(self, question: ApprovalRequest) -> Decision:
        self.questions.append(question)
        return self._answers.pop(0)


def open_session(
    workspace: Workspace,
    provider: BaseLLMProvider | Sequence[Step],
    *,
    limits: ModelLimits = LIMITS,
    settings: TurnSettings | None = None,
    store: SessionStore | None = None,
    session_id: str = "s1",
    takes_images: bool = True,
    own_tools: Sequence[ToolSpec] = (),
    failover: Failover | None = None,
) -> Session:
    """A session whose model is a script."""
    store = store or SessionStore(None)
    try:
        store.find(session_id)
    except SessionMissing:
        store.create(session_id, workspace.roots[0])
    return Session(
        session_id,
        store=store,
        provider=provider if isinstance(provider, BaseLLMProvider) else ScriptedProvider(provider),
        model=ModelChoice("scripted", limits, PRICE, takes_images=takes_images, counter=EstimatedCounter()),
        workspace=workspace,
        settings=settings or TurnSettings(),
        messages=store.live_messages(session_id),
        own_tools=own_tools,
        failover=failover,
    )


async def send(
    session: Session, text: str, *, approver: Approver | None = None, focus: Focus | None = None
) -> list[TurnEvent]:
    """All events of one turn."""
    events: list[TurnEvent] = []
    async with aclosing(session.send_message(text, approver=approver or ApproveAll(), focus=focus)) as stream:
        async for event in stream:
            events.append(event)
    assert isinstance(events[-1], TurnEnded)
    return events


def end(events: Sequence[TurnEvent]) -> TurnEnded:
    last = events[-1]
    assert isinstance(last, TurnEnded)
    return last


def context_of(message: Message) -> str:
    """What goes along with the words of a user's message."""
    return "".join(part.text for part in message.parts[:-1] if isinstance(part, Text))


def kinds(events: Sequence[TurnEvent]) -> list[str]:
    return [event.type for event in events]


def texts(files: Mapping[str, str]) -> str:
    return "".join(files.values())
