"""The interactive chat: a line from the user, a turn, its events as they come; Ctrl-C stops the turn, not the chat."""

from __future__ import annotations

import argparse
import asyncio
import difflib
import logging
import re
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from flux.agent.approval import ApproveAll, Approver
from flux.agent.budget import raise_limit
from flux.agent.doctor.examination import examine
from flux.agent.events import EditsProposed
from flux.agent.forking import find_message, messages_of, shortened
from flux.agent.review import Pending
from flux.agent.sessions import Sessions
from flux.agent.timeline import Gone
from flux.agent.turn import applied_diff
from flux.core.config import Settings, find_user_folders
from flux.core.errors import ConfigError, FluxError, PiecesRefused
from flux.core.messages import Text
from flux.core.trust import TrustQuestion
from flux.llm.resilience.breaker import CIRCUITS
from flux.ui.approval import AskOnTerminal
from flux.ui.doctor import case_here, show_report
from flux.ui.input import open_input
from flux.ui.interrupt import CtrlC, end_soon, until_told_to_end
from flux.ui.opening import approval_of, open_session, open_settings, open_store, say
from flux.ui.render import Renderer, model_line, one_line, painted, painted_diff, visible
from flux.ui.review import ReviewOnTerminal

logger = logging.getLogger(__name__)

_COMMAND = re.compile("/[A-Za-z_-]*")

HELP = """\
/help           this list
/model [NAME]   the models; or go on with another one, by name, beginning or number
/stats          tokens and cost of this session
/cost           the same of today, of this month and of all (`flux usage` has it by day and by model)
/budget [PERIOD AMOUNT]  limits of money; or allow so many dollars more this session, day or month
/thoughts       what the model thought in the last turn, whole
/doctor         what works here and what does not, and what to do (`/doctor deep` tries the models: it costs money)
/history        what was said in this session
/fork [N]       go on from before message N, in a new session; without a number the messages
/edit N [TEXT]  say something else in place of message N, in a new session
/context [TEXT] what the next message would send, item by item, with tokens and price
/pin [PATH | list]  keep a file, or the last turn, whatever is left out; or list what is kept
/unpin [PATH]   keep it no more; without a path nothing
/compact [undo] put a summary in the place of the earlier turns; or take it back
/clear          begin a new conversation (the old one stays stored)
/undo [TO]      take back the changes of the last turn that made any; or return to a checkpoint
/redo           make again what the last /undo took back
/checkpoint [NAME | list]  name this point, to return to it; or list the points there are
/review         decide on changes of this session that wait for it
/quit           leave (also Ctrl-D)
Ctrl-C stops the running turn. Alt-Enter begins a new line. The session can be continued with --continue."""


def run_chat(arguments: argparse.Namespace) -> int:
    """Chat until the user leaves; the exit status. Raises ConfigError for settings that cannot be used."""
    settings = open_settings(arguments, ask=_ask_trust)
    store = open_store()
    try:
        sessions = Sessions(settings, store, find_user_folders().config)
    except ConfigError:
        if settings.provider or not _wants_demo():
            raise
        settings = settings.override({"provider": "demo"})
        sessions = Sessions(settings, store, find_user_folders().config)
    if sessions.reason:
        say(sessions.reason)
    return asyncio.run(until_told_to_end(_Chat(arguments, sessions, settings).run()))


def _ask_trust(question: TrustQuestion) -> bool:
    if not sys.stdin.isatty():
        return False
    print(question)
    return _answer("Let it? [y/N] ") in {"y", "yes"}


def _wants_demo() -> bool:
    if not sys.stdin.isatty():
        return False
    print("No provider is set, and no key was found.")
    return _answer("Try the offline demo model now? It follows fixed rules. [Y/n] ") in {"", "y", "yes"}


def _answer(question: str) -> str:
    try:
        return input(question).strip().lower()
    except EOFError:
        print()
        return "no"


def _history_file() -> Path | None:
    state = find_user_folders().state
    return state / "input_history" if state else None


class _Chat:
    def __init__(self, arguments: argparse.Namespace, sessions: Sessions, settings: Settings) -> None:
        self._arguments = arguments
        self._sessions = sessions
        self._input = open_input(_history_file())
        approval = approval_of(arguments, settings)
        self._is_reviewed = approval == "review"
        self._approver: Approver = ApproveAll() if approval == "auto" else AskOnTerminal(self._input)
        self._renderer = Renderer(sys.stdout, sys.stdout)
        self._summarizing: asyncio.Task[None] | None = None
        """Runs while the user types; the next line ends it."""
        self._commands: Mapping[str, Callable[[str], Awaitable[None]]] = {
            "/help": self._help,
            "/model": self._model,
            "/stats": self._stats,
            "/cost": self._cost,
            "/budget": self._budget,
            "/history": self._history,
            "/fork": self._fork,
            "/edit": self._edit,
            "/thoughts": self._thoughts,
            "/doctor": self._doctor,
            "/clear": self._clear,
            "/context": self._context,
            "/pin": self._pin,
            "/unpin": self._unpin,
            "/compact": self._compact,
            "/undo": self._undo,
            "/redo": self._redo,
            "/checkpoint": self._checkpoint,
            "/review": self._review,
        }

    async def run(self) -> int:
        try:
            self._session = await open_session(self._arguments, self._sessions)
            print(f"Flux with {self._sessions.provider.name}, {self._session.model.name}. /help shows the commands.")
            with CtrlC(lambda: False):  # in between nothing is to be stopped, and the chat goes on
                while (line := await self._next()) is not None and line.strip() not in {"/quit", "/exit"}:
                    await self._do(line.strip())
            if self._session.history():
                print(f"To go on with this session: flux --resume {self._session.id}")
        finally:
            if self._summarizing is not None:
                self._summarizing.cancel()
            await self._sessions.close()
        end_soon(0)
        return 0

    async def _next(self) -> str | None:
        try:
            return await self._input.line("› ")
        except EOFError:
            return None
        except KeyboardInterrupt:
            print("Ctrl-D or /quit leaves.")
            return ""

    async def _do(self, line: str) -> None:
        if self._summarizing is not None:
            self._summarizing.cancel()
            await asyncio.wait([self._summarizing])
            self._summarizing = None
        word, _, rest = line.partition(" ")
        try:
            if word in self._commands:
                await self._commands[word](rest.strip())
            elif _COMMAND.fullmatch(word):
                near = difflib.get_close_matches(word, [*self._commands, "/quit"], 1)
                print(f"There is no command {word}." + (f" Did you mean {near[0]}?" if near else " See /help."))
            elif line:
                await self._turn(line)
        except FluxError as error:
            self._renderer.stop()
            print(painted(f"! {error}", "red", sys.stdout))

    async def _turn(self, text: str) -> None:
        with CtrlC(self._session.cancel):
            turn = self._session.send_message(text, approver=self._approver, is_reviewed=self._is_reviewed)
            proposed = ""
            async with aclosing(turn) as events:
                async for event in events:
                    self._renderer.show(event)
                    if isinstance(event, EditsProposed):
                        proposed = event.turn_id
        if proposed:
            await self._decide(self._session.review.pending(session_id=self._session.id, turn_id=proposed))
        print()
        if self._session.wants_summary:
            self._summarizing = asyncio.create_task(self._compact_meanwhile())

    async def _decide(self, pending: Sequence[Pending]) -> None:
        await ReviewOnTerminal(self._input, sys.stdout).run(self._session.review, pending)

    async def _help(self, _: str) -> None:
        print(HELP)

    async def _thoughts(self, _: str) -> None:
        print(visible(self._renderer.thoughts, sys.stdout) or "The model has shown no thoughts.")

    async def _model(self, wanted: str) -> None:
        if wanted:
            print(await self._sessions.choose_model(wanted, self._session))
            return
        models = await self._sessions.models()
        current = f"{self._session.provider.name}/{self._session.model.name}"
        for number, model in enumerate(models, 1):
            print(model_line(number, model, current))
        if current not in [f"{model.provider}/{model.name}" for model in models]:
            print(f"*     {current}  (in no list)")

    async def _stats(self, _: str) -> None:
        usage, cost = self._session.get_token_usage()
        print(f"Session {self._session.id} with {self._sessions.provider.name}, {self._session.model.name}")
        print(f"  tokens in   {usage.input_tokens:>12,}   {usage.cache_read_tokens:,} of them from the cache")
        print(f"  tokens out  {usage.output_tokens:>12,}   {usage.reasoning_tokens:,} of them reasoning")
        print(f"  cost        {cost!s:>12}")
        for circuit in CIRCUITS.troubled():
            print(f"  ! {circuit}")

    async def _cost(self, _: str) -> None:
        ledger = self._sessions.store.ledger
        for words, spent in (
            ("today", ledger.of_period("day")),
            ("this month", ledger.of_period("month")),
            ("in all", ledger.total(ledger.counted_since())),
        ):
            print(f"  {words:<10}  {spent}")

    async def _budget(self, words: str) -> None:
        period, _, amount = words.partition(" ")
        if period:
            print(raise_limit(self._sessions.store.ledger, period, amount.strip(), self._session.id))
        for balance in self._session.budget.balances():
            print(f"  {balance}")
        if not (period or self._session.budget.balances()):
            print("No limit of money is set (budget_session, budget_day, budget_month in config.toml).")

    async def _doctor(self, how: str) -> None:
        case = case_here(self._arguments, is_deep=False)
        if how == "deep":
            case = replace(case, open_store=lambda: self._sessions.store)
        show_report(await examine(case))

    async def _history(self, _: str) -> None:
        for message in self._session.history():
            if message.role == "user":
                words = message.parts[-1].text if isinstance(message.parts[-1], Text) else ""
                print(painted(f"› {words}", "bold", sys.stdout))
            elif message.role == "assistant" and message.text():
                print(visible(message.text(), sys.stdout))
            for call in message.tool_calls():
                print(painted(f"· {call.name} {call.arguments_json[:100]}", "cyan", sys.stdout))

    async def _fork(self, number: str) -> None:
        if number:
            await self._go_back_to(number)
            return
        for asked in messages_of(self._sessions.store, self._session.id):
            print(f"{asked.number:4}  {one_line(shortened(asked.text))}")
        print("/fork N goes on from before one of them, /edit N says something else there.")

    async def _edit(self, words: str) -> None:
        number, _, text = words.partition(" ")
        asked = find_message(self._sessions.store, self._session.id, number)
        text = text.strip() or (await self._input.edit(asked.text) or "").strip()
        if not text:
            print("Say what is to stand there: /edit N NEW WORDS")
            return
        await self._go_back_to(number)
        await self._turn(text)

    async def _go_back_to(self, number: str) -> None:
        """Go on from before a message, in another session; the files go back as well where the user wants it."""
        old = self._session
        self._session, made = await self._sessions.fork(old, number)
        print(f"{self._session.take_notice()} To go back to it: flux --resume {old.id}")
        if made.turns and await self._is_yes("Take these changes back too? [y/N] "):
            await self._go(lambda partial: old.restore(made.turns[-1], partial=partial), "Taken back.")

    async def _clear(self, _: str) -> None:
        old = self._session
        self._session = await self._sessions.start(old.workspace)
        kept = f" The old one: flux --resume {old.id}" if old.history() else ""
        print(f"A new conversation.{kept}")

    async def _context(self, text: str) -> None:
        for line in (await self._session.preview(text, is_reviewed=self._is_reviewed)).lines():
            print(visible(line, sys.stdout))

    async def _pin(self, name: str) -> None:
        if name != "list":
            await self._session.pins.add(name)
        for pin in self._session.pins.all():
            print(f"pinned: {pin.kind} {one_line(pin.name)}")

    async def _unpin(self, name: str) -> None:
        gone = self._session.pins.remove(name)
        print(f"No longer pinned: {', '.join(one_line(pin.name) for pin in gone)}" if gone else "Nothing was pinned.")

    async def _compact(self, what: str) -> None:
        if what == "undo":
            self._session.undo_compaction()
            print("The summary is gone, and the earlier turns are back.")
        elif summarized := await self._session.compact():
            self._renderer.show(summarized)

    async def _compact_meanwhile(self) -> None:
        """Summarize while the user reads and types; a message that comes earlier is not waited for."""
        try:
            if summarized := await self._session.compact():
                self._renderer.show(summarized)
        except FluxError as error:
            logger.info("No summary was made: %s", error)

    async def _review(self, _: str) -> None:
        pending = self._session.review.pending(session_id=self._session.id)
        if not pending:
            print("Nothing waits for your review.")
        await self._decide(pending)

    async def _undo(self, wanted: str) -> None:
        if wanted:
            await self._go(lambda partial: self._session.restore(wanted, partial=partial), "Returned to it.")
        else:
            await self._go(lambda partial: self._session.undo(partial=partial), "Taken back.")

    async def _redo(self, _: str) -> None:
        await self._go(lambda partial: self._session.redo(partial=partial), "Made again.")

    async def _checkpoint(self, name: str) -> None:
        if name != "list":
            point = self._session.checkpoint(name)
            print(f"This point is {one_line(point.name)}. To return to it: /undo {one_line(point.name)}")
            return
        points = self._session.checkpoints()
        if not points:
            print("There is no checkpoint yet: every turn that changes something makes one.")
        for point in points:
            what = f"before: {one_line(point.title)}" if point.turn_id else one_line(point.name)
            at = datetime.fromtimestamp(point.at).astimezone().strftime("%Y-%m-%d %H:%M") if point.at else ""
            print(f"{point.number:4}  {at:16}  {what}")

    async def _go(self, way: Callable[[bool], Awaitable[Gone]], done: str) -> None:
        """Go back or forth; where the user changed a part, it is shown and asked whether the rest shall go."""
        try:
            gone = await way(False)
        except PiecesRefused as error:
            for piece in error.pieces:
                print(painted(f"! {one_line(str(piece))}", "yellow", sys.stdout))
                print(painted_diff(piece.diff, sys.stdout), end="")
            if not (error.has_rest and await self._is_yes("Leave these as they are, and do the rest? [y/N] ")):
                print("Nothing was changed.")
                return
            gone = await way(True)
        if gone.notice:
            print(painted(f"! {gone.notice}", "yellow", sys.stdout))
        print(painted_diff(applied_diff(gone.applied), sys.stdout), end="")
        print(done if gone.applied.changes else "It is so already.")

    async def _is_yes(self, question: str) -> bool:
        try:
            return (await self._input.answer(question)).strip().lower() in {"y", "yes"}
        except (EOFError, KeyboardInterrupt):
            return False
