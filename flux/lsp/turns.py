"""Turns at work for an editor: each a task with an owner, seen by events or by progress, stopped in any of three ways.

Renders TurnEvents and nothing else: what a turn does is not known here.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol

from lsprotocol import types

from flux.agent.events import (
    EditApplied,
    EditsProposed,
    MessageQueued,
    ProposedHunk,
    ReasoningStreamed,
    TextStreamed,
    ToolCalled,
    TurnEnded,
    TurnEvent,
    TurnStarted,
    UsageReported,
    to_json,
)
from flux.core.usage import Cost, Usage
from flux.lsp import results
from flux.lsp.editor import LspEditor
from flux.lsp.names import TURN_EVENT
from flux.lsp.progress import ProgressReporter

JOIN_S = 0.025
"""Text that comes within this time goes to the editor in one notification."""


Watch = Callable[[TurnEvent], None]


class Talk(Protocol):
    """What a turn needs of a session, beside the call that runs it."""

    id: str

    @property
    def is_busy(self) -> bool: ...

    def cancel(self) -> bool: ...

    def withdraw(self, message_id: str = "") -> str | None: ...


_WORDS: Mapping[results.TurnFate, str] = {
    "completed": "done",
    "cancelled": "cancelled",
    "failed": "failed",
    "steered": "given to the running turn",
    "withdrawn": "taken back",
    "returned": "not sent, as the turn before it came to no end",
}


@dataclass(slots=True)
class TurnReport:
    """What became of a turn. `paths` are the files that it changed, `unsaved` those that stand in buffers only."""

    turn: str = ""
    session: str = ""
    status: results.TurnFate = "failed"
    is_waiting: bool = False
    """Another turn runs before it."""
    message: str = ""
    """The id of the user's message, where it had to wait."""
    asked: str = ""
    """What the user said, where it had to wait."""
    said: list[str] = field(default_factory=list[str])
    """The answer in pieces: adding each to one text would cost as much as all that came before it."""
    paths: tuple[str, ...] = ()
    unsaved: tuple[str, ...] = ()
    proposed: tuple[ProposedHunk, ...] = ()
    """What waits for the user's review."""
    usage: Usage = Usage()
    cost: Cost = Cost()
    error: str = ""
    window_share: float = 0.0
    """How much of the model's window the conversation has by now."""

    @property
    def text(self) -> str:
        """The answer as far as it has come, joined when asked for."""
        return "".join(self.said)

    def summary(self) -> str:
        """One line for the user."""
        what = _WORDS[self.status]
        parts = [f"{what}: {self.error.partition(chr(10))[0]}" if self.error else what]
        if self.unsaved:
            parts.append(f"unsaved: {', '.join(self.unsaved)}")
        if self.proposed:
            names = ", ".join(dict.fromkeys(hunk.path for hunk in self.proposed))
            parts.append(f"{len(self.proposed)} to review: {names}")
        if self.usage.total_tokens:
            parts.append(f"{self.usage.total_tokens:,} tokens")
            parts.append(str(self.cost))
        if self.window_share:
            parts.append(f"{self.window_share:.0%} of the window")
        return " · ".join(parts)

    def to_json(self) -> results.Turn:
        """The result of a command."""
        return {
            "turn": self.turn,
            "session": self.session,
            "status": self.status,
            "text": self.text,
            "paths": list(self.paths),
            "unsaved": list(self.unsaved),
            "proposed": [{"hunk": h.id, "path": h.path, "line": h.line, "diff": h.diff} for h in self.proposed],
            **spent_json(self.usage, self.cost),
            "windowShare": round(self.window_share, 3),
            "error": self.error,
            "summary": self.summary(),
        }


def spent_json(usage: Usage, cost: Cost) -> results.Spent:
    """Tokens and money, as commands answer them."""
    return {
        "usage": {
            "inputTokens": usage.input_tokens,
            "outputTokens": usage.output_tokens,
            "cacheReadTokens": usage.cache_read_tokens,
            "cacheWriteTokens": usage.cache_write_tokens,
        },
        "cost": cost.usd if cost.is_complete else None,
        "costText": str(cost),
    }


@dataclass(slots=True, eq=False)
class _Running:
    talk: Talk
    report: TurnReport
    progress: ProgressReporter | None = None
    following: asyncio.Task[None] | None = None


class Turns:
    """The turns that run now, each owned by the call of `run` that began it."""

    def __init__(self, editor: LspEditor) -> None:
        self._editor = editor
        self._running: list[_Running] = []
        self._numbers = itertools.count(1)

    async def run(
        self,
        talk: Talk,
        events: AsyncGenerator[TurnEvent],
        *,
        title: str,
        token: types.ProgressToken | None = None,
        watch: Watch | None = None,
    ) -> TurnReport:
        """Run a turn to its end, which comes soon after this is cancelled. `token` is the editor's, for progress.

        `watch` sees each event too.
        """
        running = _Running(talk, TurnReport(session=talk.id, is_waiting=talk.is_busy))
        self._running.append(running)
        # The turn goes on for a moment when its request is cancelled: its end must be seen and told.
        following = running.following = asyncio.create_task(self._follow(running, events, title, token, watch))
        try:
            await asyncio.shield(following)
        except asyncio.CancelledError:
            if running.report.is_waiting or not talk.cancel():
                running.report.status = "withdrawn"
                following.cancel()
            await asyncio.wait([following])
            raise
        return running.report

    def tell(self, session_id: str, event: TurnEvent) -> bool:
        """Tell of what happens between two turns, where the editor takes events; whether it does."""
        if not self._editor.client.takes_turn_events:
            return False
        _EventSender(self._editor, TurnReport(session=session_id)).send(event)
        return True

    def cancel(self, turn_id: str = "", session_id: str = "") -> list[str]:
        """Stop the turn of that id, those of that session, or all; the ids of those that were stopped."""
        chosen = [
            running
            for running in self._running
            if turn_id in {"", running.report.turn}
            and session_id in {"", running.talk.id}
            and not running.report.is_waiting
        ]
        return [running.report.turn for running in chosen if running.talk.cancel()]

    def session_ids(self) -> set[str]:
        """The sessions whose turns run now."""
        return {running.talk.id for running in self._running}

    async def settle(self, bound_s: float) -> None:
        """Wait until every turn has ended, within the bound."""
        following = [running.following for running in self._running if running.following is not None]
        if following:
            await asyncio.wait(following, timeout=bound_s)

    def cancel_token(self, token: types.ProgressToken) -> None:
        """The user pressed the button beside a progress report."""
        for running in self._running:
            if running.progress is None or running.progress.token != token:
                continue
            if running.report.is_waiting:
                running.talk.withdraw(running.report.message)
            else:
                running.talk.cancel()

    async def _follow(
        self,
        running: _Running,
        events: AsyncGenerator[TurnEvent],
        title: str,
        token: types.ProgressToken | None,
        watch: Watch | None,
    ) -> None:
        watchers: list[Watch] | None = None
        try:
            async with aclosing(events):
                async for event in events:
                    _collect(running.report, event)
                    if watchers is None:  # not before: what is refused at once has no event, and no progress
                        watchers = await self._watchers(running, title, token, watch)
                    for watcher in watchers:
                        watcher(event)
        finally:
            self._running.remove(running)
            if running.progress is not None:
                running.progress.end()

    async def _watchers(
        self, running: _Running, title: str, token: types.ProgressToken | None, watch: Watch | None
    ) -> list[Watch]:
        watchers = [watch] if watch else []
        if self._editor.client.takes_turn_events:
            watchers.append(_EventSender(self._editor, running.report).send)
        if (shown := await self._progress_token(token)) is not None:
            running.progress = ProgressReporter(self._editor, shown, title, running.report.summary)
            watchers.append(running.progress.show)
        return watchers

    async def _progress_token(self, given: types.ProgressToken | None) -> types.ProgressToken | None:
        if given is not None or not self._editor.client.shows_progress:
            return given
        token = f"flux-{next(self._numbers)}"
        return token if await self._editor.create_progress(token) else None


def _collect(report: TurnReport, event: TurnEvent) -> None:
    match event:
        case MessageQueued(message_id=message, state="queued" | "steering", text=text):
            # Where the running turn takes it along, that turn tells of it.
            report.status, report.message, report.asked, report.is_waiting = "steered", message, text, True
        case MessageQueued(state="withdrawn" | "returned" as state) if report.is_waiting:
            report.status = state
        case TurnStarted(turn_id=turn_id):
            report.turn, report.status, report.is_waiting = turn_id, "failed", False
        case TextStreamed(text):
            report.said.append(text)
        case ToolCalled():
            # What was said before a call and what is said after it are two paragraphs.
            before = report.text.rstrip()
            report.said = [before, "\n\n"] if before else []
        case EditApplied(paths=paths):
            report.paths = tuple(dict.fromkeys((*report.paths, *paths)))
        case EditsProposed(hunks=hunks):
            report.proposed = hunks
        case UsageReported():
            report.window_share = event.window_share
        case TurnEnded():
            report.status, report.error = event.status, event.error
            report.usage, report.cost, report.unsaved = event.usage, event.cost, event.unsaved
            # A change that was on its way when the turn was cancelled comes without its own event.
            report.paths = tuple(dict.fromkeys((*report.paths, *event.unsaved)))
            report.said = [report.text.strip()]
        case _:
            pass


@dataclass(slots=True)
class _EventSender:
    """Sends every event as `flux/turnEvent`, neighbouring text joined."""

    editor: LspEditor
    report: TurnReport
    _joined: TextStreamed | ReasoningStreamed | None = None
    _timer: asyncio.TimerHandle | None = None
    _parts: list[str] = field(default_factory=list[str])

    def send(self, event: TurnEvent) -> None:
        if not isinstance(event, TextStreamed | ReasoningStreamed):
            self._flush()
            self._notify(event)
            return
        if self._joined is not None and type(self._joined) is not type(event):
            self._flush()
        self._joined = event
        self._parts.append(event.text)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(JOIN_S, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._joined is not None:
            joined, self._joined = type(self._joined)("".join(self._parts)), None
            self._parts.clear()
            self._notify(joined)

    def _notify(self, event: TurnEvent) -> None:
        ids: dict[str, object] = {"turn_id": self.report.turn, "session_id": self.report.session}
        self.editor.notify(TURN_EVENT, {**ids, **to_json(event)})
