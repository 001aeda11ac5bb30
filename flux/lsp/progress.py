"""A turn as work-done progress: what it does now, how much it wrote, and at the end what it came to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from lsprotocol import types

from flux.agent.countdown import Countdown
from flux.agent.events import (
    ApprovalAsked,
    EditApplied,
    EditsProposed,
    MessageQueued,
    Noticed,
    ReasoningStreamed,
    Retrying,
    TextStreamed,
    ToolAnswered,
    ToolCalled,
    TurnEvent,
    TurnStarted,
    UsageReported,
)
from flux.lsp.editor import LspEditor

REPORT_S = 0.5
"""How often progress says how much text has come."""

_DOING = {
    "read": "reading",
    "edit": "editing",
    "write": "writing",
    "list": "listing",
    "move": "moving",
    "delete": "deleting",
    "rename": "renaming",
    "search": "searching for",
}


@dataclass(slots=True)
class ProgressReporter:
    """Reports under one token, from the first event on to `end`. `summary` says there what the turn came to."""

    editor: LspEditor
    token: types.ProgressToken
    title: str
    summary: Callable[[], str]
    _running: set[str] = field(default_factory=set[str])
    """The calls that have no answer yet."""
    _titles: list[str] = field(default_factory=list[str])
    """Those of the calls since none ran: some that run side by side are over before others begin."""
    _said_at: float = 0.0
    _written: int = 0
    _thought: int = 0
    _has_begun: bool = False
    _countdown: Countdown | None = None

    def show(self, event: TurnEvent) -> None:
        self._stop_countdown()
        match event:
            case MessageQueued(state="queued"):
                self._say("waits for the turn before it")
            case MessageQueued(state="steering"):
                self._say("waits to go along with the running turn")
            case TurnStarted(model=model):
                self._say(f"asking {model}")
            case TextStreamed(text=text):
                self._written += len(text)
                self._say_how_much("writing", self._written)
            case ReasoningStreamed(text=text):
                self._thought += len(text)
                self._say_how_much("thinking", self._thought)
            case ToolCalled(call_id=call, title=title):
                self._titles = [*self._titles, title] if self._running else [title]
                self._running.add(call)
                self._say(doing(self._titles))
            case ToolAnswered(call_id=call):
                self._running.discard(call)
                if event.is_error:
                    self._say(f"refused: {event.summary}")
            case ApprovalAsked(paths=paths, decision=""):
                self._say(f"waiting for your answer: {', '.join(paths)}")
            case EditApplied(paths=paths):
                self._say(f"changed {', '.join(paths)}")
            case EditsProposed(hunks=hunks):
                self._say(f"{len(hunks)} to review")
            case Retrying(reason=reason, wait_s=wait_s):
                self._countdown = Countdown(wait_s, lambda left_s: self._say_left(reason, left_s))
            case Noticed(text=text):
                self._say(text)
            case UsageReported(usage=usage, cost=cost) if usage.total_tokens:
                self._say(f"{usage.total_tokens:,} tokens · {cost} · {event.window_share:.0%} of the window")
            case _:
                pass

    def end(self) -> None:
        """Nothing more comes, whether or not there was a turn."""
        self._stop_countdown()
        if self._has_begun:
            self.editor.report_progress(self.token, types.WorkDoneProgressEnd(message=self.summary()))

    def _say_how_much(self, what: str, characters: int) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._said_at >= REPORT_S:
            self._said_at = now
            self._say(f"{what} ({characters:,} characters)")

    def _say_left(self, reason: str, left_s: int) -> None:
        self._say(f"{reason}: retry in {left_s} s" if left_s > 0 else f"{reason}: trying again")

    def _say(self, message: str) -> None:
        if self._has_begun:
            value = types.WorkDoneProgressReport(message=message)
        else:
            value = types.WorkDoneProgressBegin(self.title, cancellable=True, message=message)
        self._has_begun = True
        self.editor.report_progress(self.token, value)

    def _stop_countdown(self) -> None:
        if self._countdown is not None:
            self._countdown.stop()


def doing(titles: Collection[str]) -> str:
    """What runs, in words: `editing b.py`, `reading 3 files`."""
    words = [title.partition(" ") for title in titles]
    verbs = {verb for verb, _, _ in words}
    if len(set(words)) == 1:
        verb, _, what = words[0]
        return f"{_DOING.get(verb, verb)} {what}"
    if len(verbs) == 1 and (verb := verbs.pop()) in {"read", "edit", "write"}:
        files = {name for _, _, what in words for name in what.split(", ")}
        return f"{_DOING[verb]} {len(files)} files"
    return f"{len(words)} calls: {', '.join(_DOING.get(verb, verb) for verb in sorted(verbs))}"
