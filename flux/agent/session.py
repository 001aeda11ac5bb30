"""A session: one conversation with one model at a time, over one workspace. Owns what is remembered between turns.

Doors open one, send messages and render the events; they keep nothing of their own.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

from flux.agent.approval import ApprovalRequest, Approver, Decision, DenyAll
from flux.agent.budget import Budget
from flux.agent.compaction import Compaction, Summarizer
from flux.agent.conversation import Conversation
from flux.agent.events import (
    EditsProposed,
    MessageQueued,
    Noticed,
    ProposedHunk,
    Summarized,
    TurnEnded,
    TurnEvent,
    TurnStarted,
    TurnStatus,
)
from flux.agent.failover import Failover
from flux.agent.next_request import ModelChoice, NextRequest, TurnSettings
from flux.agent.pins import Pins
from flux.agent.preview import Preview, preview
from flux.agent.queue import Fate, Meanwhile, Queue, Waiting
from flux.agent.recovery import clear_leftovers, recover
from flux.agent.result import TurnResult, gather
from flux.agent.review import Pending, Review
from flux.agent.session_store import Preface, SessionStore
from flux.agent.surroundings import Surroundings
from flux.agent.timeline import Checkpoint, Gone, Timeline
from flux.agent.turn import UNGIVEN, Turn
from flux.agent.undecided import Undecided
from flux.agent.uninterrupted import to_its_end
from flux.context.item import Focus
from flux.context.pruning import Kept
from flux.core.errors import (
    Busy,
    ConfigError,
    FluxError,
    OutsideWorkspace,
    RequestRejected,
    SessionError,
    SessionHeld,
    refused_by_system,
)
from flux.core.messages import Image, Message, ToolSpec
from flux.core.snapshot import WorkspacePath
from flux.core.usage import Cost, Usage
from flux.edits.plan import paths_of
from flux.llm.base_provider import BaseLLMProvider
from flux.tools.base import Tool
from flux.tools.registry import builtin_tools
from flux.workspace.index.client import SymbolIndex
from flux.workspace.language_service import LanguageService
from flux.workspace.moves import Move
from flux.workspace.overlay import OverlayWorkspace
from flux.workspace.workspace import Workspace

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Switch:
    """Who goes on. `notice`: what of the conversation the new model does not see, in words for the user."""

    provider: str
    model: str
    notice: str = ""

    def __str__(self) -> str:
        return f"Going on with {self.model} ({self.provider}).{f' {self.notice}' if self.notice else ''}"


ChooseModel = Callable[[str, "Session"], Awaitable[Switch]]


class Session:
    """One turn at a time; other methods may be called while it runs. `flux.agent.sessions` opens sessions."""

    def __init__(
        self,
        session_id: str,
        *,
        store: SessionStore,
        provider: BaseLLMProvider,
        model: ModelChoice,
        workspace: Workspace,
        settings: TurnSettings,
        own_system_prompt: str = "",
        messages: Sequence[Message] = (),
        role: str = "chat",
        tools: Mapping[str, Tool] | None = None,
        own_tools: Sequence[ToolSpec] = (),
        choose: ChooseModel | None = None,
        failover: Failover | None = None,
        summarizer: Callable[[], Awaitable[Summarizer]] | None = None,
        index: SymbolIndex | None = None,
        own_rules: Path | None = None,
        notice: str = "",
        languages: LanguageService | None = None,
    ) -> None:
        """`tools` are those that Flux runs, all of its own by default; `own_tools` those that the caller runs.

        `index` belongs to the caller, who closes it; without one there is no map of the project. `own_rules` is the
        folder with the user's own rules. `notice` is what the user should know of how the session begins.
        """
        self.id = session_id
        self.provider = provider
        self.model = model
        self.workspace = workspace
        self._store = store
        self._settings = settings
        self.budget = Budget(settings.budget, store.ledger, session_id)
        self._choose = choose
        self._failover = failover or Failover()
        self._summarizer = summarizer
        self._tools = builtin_tools(index, languages) if tools is None else tools
        self._own_tools = frozenset(spec.name for spec in own_tools)
        if taken := sorted(self._own_tools & self._tools.keys()):
            raise ConfigError(f"Flux has tools of these names itself: {', '.join(taken)}.", key="tools")
        self._own_preface = Preface(
            # Flux's own instructions are about its tools.
            system_prompt(own_system_prompt) if self._tools else own_system_prompt.strip(),
            (*(tool.spec for tool in self._tools.values()), *own_tools),
        )
        self._take_preface()
        self._steps = 0
        self._is_closed = False
        self._has_draft = False
        self._notice = notice
        self.held_by = ""
        """Who else has the session open, in words for the user; empty where it can be gone on with here."""
        self._conversation = Conversation(store, session_id, messages, role)
        self.pins = Pins(store, session_id, workspace)
        self._surroundings = Surroundings(self._conversation, self.pins, index, own_rules)
        self._compaction = Compaction(store, session_id, self._conversation, self.pins, self.budget)
        self._focus_path: WorkspacePath | None = None
        self.review = Review(store, workspace)
        self._timeline = Timeline(store, workspace, session_id)
        self._is_always_approved = False
        self._running: asyncio.Task[Exception | None] | None = None
        self._is_undoing = False
        self._is_summarizing = False
        self._announced = ""
        self._queue = Queue()
        self._moves: list[Move] = []

    @property
    def is_busy(self) -> bool:
        return self._running is not None or self._is_undoing

    async def take_up(self) -> None:
        """Make this process the only one that goes on with the session, and make whole what a killed one left.

        Raises SessionHeld where another process has it open; it can be read nevertheless.
        """
        await self._store.mended()
        try:
            is_left = self._store.hold(self.id)
        except SessionHeld as e:
            self.held_by = e.message
            raise
        self.held_by = ""
        if is_left:
            await clear_leftovers(self._store, self.workspace)
            told = [await recover(self._store, self.id, self.workspace), await self._timeline.settle()]
            self._notice = "\n".join(filter(None, told))
            self._store.mark_whole(self.id)
            self._conversation.reload()
            self._take_preface()

    def _take_preface(self) -> None:
        """What stood before the conversation stays there, unless its tools are not those of this door."""
        stored = self._store.preface(self.id)
        self._other_tools = _other_tools(stored, self._own_preface) if stored else ""
        self._has_preface = stored is not None and not self._other_tools
        self._preface = stored if stored is not None and self._has_preface else self._own_preface

    def take_notice(self) -> str:
        """What the user should know of how the session was found: once, and empty where there is nothing."""
        notice, self._notice = self._notice, ""
        return notice

    async def send_message(
        self,
        text: str = "",
        *,
        approver: Approver | None = None,
        focus: Focus | None = None,
        is_reviewed: bool = False,
        meanwhile: Meanwhile = "refuse",
    ) -> AsyncGenerator[TurnEvent]:
        """Run one turn. The first event is TurnStarted, the last always TurnEnded, also after a failure or `cancel`.

        Where another turn runs, `meanwhile` says to wait for its end, or to be taken along by it. Then the first event
        is MessageQueued; one that gets no turn of its own has no more events, or its end as MessageQueued too. Without
        words it goes on after the results of the caller's own tools (`add_tool_result`). A call that has none
        by then is answered with an error.

        `is_reviewed`, or without an approver: nothing is changed, and nothing asked. What the turn proposes waits in
        `review`, and is told by EditsProposed. Closing the generator cancels the turn. Raises Busy where a turn is
        running, and SessionError where the session was closed or there is nothing to go on with.
        """
        message_id = ""
        while meanwhile != "refuse" and self._running is not None:
            message_id = message_id or uuid.uuid4().hex[:12]  # it waits again where another one came before it
            waiting = Waiting(message_id, text, focus, meanwhile == "steer")
            async with aclosing(self._wait(waiting)) as told:
                async for event in told:
                    yield event
            if waiting.fate.result() != "sent":
                return
        self._check_is_idle()
        if not text and not self._has_results:
            raise SessionError("There are no words to send, and no results of tools to go on with.")
        if approver is None:
            approver, is_reviewed = DenyAll(), True
        if focus is None and self._focus_path is not None:
            focus = Focus(self._focus_path)
        # `join` lets a question wait until all before it has been shown. None: there will be no more.
        events: asyncio.Queue[TurnEvent | None] = asyncio.Queue()
        undecided = Undecided(self.workspace) if is_reviewed else None
        self._moves = []
        turn = Turn(
            uuid.uuid4().hex[:12],
            self.id,
            self.provider,
            self.model,
            self._preface,
            self._tools,
            self._own_tools,
            OverlayWorkspace(undecided.workspace) if undecided else self.workspace,
            self._conversation,
            _AfterEvents(approver, events),
            self._settings,
            self.budget,
            events.put_nowait,
            draft=lambda: self._draft(turn, undecided),
            steer=lambda: self._steer(turn, undecided),
            failover=self._failover,
            is_reviewed=is_reviewed,
            is_always_approved=self._is_always_approved,
            kept=self.pins.kept(focus),
            message_id=message_id,
            steps=0 if text else self._steps,
            moves=self._moves,
        )

        def close(ended: asyncio.Task[Exception | None]) -> None:
            self._running = None
            if ended.cancelled() or ended.result():
                self._queue.give_back()
            else:
                self._queue.go_on()
            events.put_nowait(None)

        # Owned by this generator: an async generator cannot hold a task group open over its yields.
        task = self._running = asyncio.create_task(self._run(turn, text, focus, undecided))
        task.add_done_callback(close)
        try:
            while (event := await events.get()) is not None:
                yield event
                events.task_done()
            yield _end(turn, task)
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def ask(
        self, text: str = "", *, approver: Approver | None = None, focus: Focus | None = None, is_reviewed: bool = False
    ) -> TurnResult:
        """What comes of `send_message`, at the end of the turn."""
        return await gather(self.send_message(text, approver=approver, focus=focus, is_reviewed=is_reviewed))

    async def _wait(self, waiting: Waiting) -> AsyncGenerator[MessageQueued]:
        """Wait until it is known what becomes of the message; events for all that is not a turn."""
        self._queue.add(waiting)
        self._store.in_flight.add_asked(self.id, waiting.id, waiting.text)
        fate: Fate | None = None
        try:
            yield MessageQueued(waiting.id, waiting.text, "steering" if waiting.is_steering else "queued")
            fate = await waiting.fate
            match fate:
                case "withdrawn" | "returned":
                    yield MessageQueued(waiting.id, waiting.text, fate)
                case "sent" | "steered":
                    pass  # which the turn tells
        finally:
            if fate != "sent":
                self._store.in_flight.forget_asked(self.id, waiting.id)
            if not self._queue.settle(waiting, "withdrawn") and fate is None and self._running is None:
                self._queue.go_on()  # nobody takes the turn that it was to have

    def withdraw(self, message_id: str = "") -> str | None:
        """Take back a message that waits, the last one where none is named; its text, None where no such one waits."""
        waiting = self._queue.withdraw(message_id)
        return waiting.text if waiting else None

    def cancel(self) -> bool:
        """Stop the running turn; its events end with TurnEnded(`cancelled`). False where none runs.

        What waits for its end is not sent. May be called again while the turn ends.
        """
        return self._running is not None and (self._running.cancelling() > 0 or self._running.cancel())

    async def _run(self, turn: Turn, text: str, focus: Focus | None, undecided: Undecided | None) -> Exception | None:
        """What ended the turn early, None where it was completed."""
        try:
            return await _fenced(self._work(turn, text, focus, undecided))
        except asyncio.CancelledError as e:
            if self._conversation.turn_id == turn.id:
                self._store.add_note(self.id, "The user cancelled your last answer.")
            if isinstance(e.__cause__, FluxError):  # what became of a change that was on its way
                turn.emit(Noticed(e.__cause__.message))
            raise
        finally:
            self._announce(turn)
            if self._conversation.turn_id != turn.id:
                self._forget_asked(turn)
            self._is_always_approved = turn.is_always_approved
            self._steps = turn.steps
            if error := await to_its_end(_fenced(self._propose(turn, undecided))):
                self._store.end_drafts(self.id)  # what was proposed up to the last change
                turn.emit(Noticed(f"What is proposed could not be put together: {_error_text(error)}"))
            if notice := self._store.take_notice():
                turn.emit(Noticed(notice))

    async def _work(self, turn: Turn, text: str, focus: Focus | None, undecided: Undecided | None) -> None:
        await self.take_up()
        turn.preface = self._preface
        if not turn.model.name and (own := await self._failover.own()):
            self.go_on_with(own.provider, own.model)
            turn.provider, turn.model = own.provider, own.model
        missing = self._conversation.end_waiting(UNGIVEN)
        if text:
            await self._begin(turn, text, focus, undecided)
        else:
            await self._go_on(turn, undecided)
        for call in missing:
            turn.emit(Noticed(f"No result was given for {call.name} ({call.id}); the model is told so."))
        await turn.run()

    async def _steer(self, turn: Turn, undecided: Undecided | None) -> bool:
        """Say to the model what the user said in the course of the turn; whether there was anything."""
        has_said = False
        for waiting in self._queue.steering():
            built = await self._surroundings.message(
                waiting.text, waiting.focus, turn.workspace, turn.next_request, undecided, ()
            )
            try:
                _check_images(built.message, turn.model)
            except RequestRejected as error:
                turn.emit(Noticed(str(error)))
                self._queue.settle(waiting, "returned")
                continue
            if self._queue.settle(waiting, "steered"):
                self._conversation.say(built.message)
                turn.emit(MessageQueued(waiting.id, waiting.text, "steered"))
                for notice in built.notices:
                    turn.emit(Noticed(notice))
                has_said = True
        return has_said

    def _forget_asked(self, turn: Turn) -> None:
        """What was said is stored as a message now, or the user knows that it was not sent."""
        for id_ in (turn.id, turn.message_id):
            self._store.in_flight.forget_asked(self.id, id_)

    def _announce(self, turn: Turn) -> None:
        """The first event of a turn, once."""
        if self._announced != turn.id:
            self._announced = turn.id
            turn.emit(TurnStarted(turn.id, self.id, turn.provider.name, turn.model.name, turn.message_id))
            if notice := self.take_notice():
                turn.emit(Noticed(notice))

    async def _propose(self, turn: Turn, undecided: Undecided | None) -> None:
        """Keep for the user's review what the turn would change, also where it did not come to its end."""
        if undecided is None or not isinstance(turn.workspace, OverlayWorkspace):
            return
        plan = turn.workspace.proposal("Flux: proposal")
        hunks = undecided.split(plan, turn.id, await self._pending())
        if hunks or self._has_draft:
            self._store.add_proposal(self.id, turn.id, hunks)
            self._has_draft = False
            await self._store.settle()  # who is told of it will look for it
        if hunks:
            paths = tuple(str(path) for change in plan.changes for path in paths_of(change))
            shown = tuple(ProposedHunk(hunk.id, str(hunk.path), hunk.line, hunk.diff) for hunk in hunks)
            turn.emit(EditsProposed(turn.id, paths, shown))

    async def _draft(self, turn: Turn, undecided: Undecided | None) -> None:
        """Store what the turn would propose so far: it may be killed before its end."""
        if undecided is not None and isinstance(turn.workspace, OverlayWorkspace):
            with suppress(SessionError):  # then it is told at the end of the turn
                hunks = undecided.split(turn.workspace.proposal("Flux: draft"), turn.id, await self._pending())
                self._store.add_proposal(self.id, turn.id, hunks, is_draft=True)
                self._has_draft = True

    async def _pending(self) -> tuple[Pending, ...]:
        """What waits for the user's decision, once it is known: writes may be waiting for another process."""
        await self._store.settle()
        return self.review.pending()

    async def preview(self, text: str = "", *, focus: Focus | None = None, is_reviewed: bool = False) -> Preview:
        """What the next request would contain if these were its words. Sends and stores nothing.

        `is_reviewed` as in `send_message`. Raises Busy, and ContextWindowExceeded or RequestRejected where the request
        could not be sent.
        """
        self._check_is_idle()
        talk = self._conversation
        focus = focus or (Focus(self._focus_path) if self._focus_path else None)
        # What is only looked at was not sent: its bytes are kept by nobody.
        desk = replace(self._desk(self.pins.kept(focus)), encoded=dict(talk.encoded))
        undecided = Undecided(self.workspace) if is_reviewed else None
        notes = (*self._store.notes(self.id), *await self._undecided_notes(undecided))
        workspace = undecided.workspace if undecided else self.workspace
        built = await self._surroundings.message(text, focus, workspace, desk, undecided, notes)
        _check_images(built.message, self.model)
        prepared = await desk.prepare((*talk.messages_for(self.provider), built.message))
        return preview(desk, prepared, built.notices, self._store.fitted.rewrites(self.id), self.pins.all())

    @property
    def wants_summary(self) -> bool:
        """Whether the conversation is so long that a summary should stand for its beginning before the next message."""
        is_free = self._settings.prunes and not self._is_summarizing
        return is_free and self._compaction.is_due(self._desk(Kept()))

    async def compact(self) -> Summarized | None:
        """Put a summary in the place of the earlier turns; None where messages came in the meantime.

        It is in nobody's way: a message may be sent while it is made. Raises Busy, SessionHeld, ProviderErrors, and
        SessionError where there is nothing to summarize.
        """
        self.hold()
        self._is_summarizing = True
        try:
            compacted = await self._compaction.ask(self._desk(Kept()), self._find_summarizer)
        finally:
            self._is_summarizing = False
        return None if self.is_busy else self._compaction.put(compacted)

    async def _find_summarizer(self) -> Summarizer:
        return await self._summarizer() if self._summarizer else Summarizer(self.provider, self.model)

    def undo_compaction(self) -> None:
        """Put back what the last summary stands for. Raises Busy, SessionHeld, and SessionError where there is none."""
        self.hold()
        self._compaction.take_back()

    def _desk(self, kept: Kept) -> NextRequest:
        """Where the next message's request is made."""
        talk = self._conversation
        return NextRequest(
            self.id, self.provider, self.model, self._preface, self._settings, talk.tally, talk.encoded, kept
        )

    async def _begin(self, turn: Turn, text: str, focus: Focus | None, undecided: Undecided | None) -> None:
        await self._store.settle()
        notes = self._store.notes(self.id)
        told = (*notes, *await self._undecided_notes(undecided))
        # Stored before anything is shown: what goes along with the words may take a while to be found.
        self._store.in_flight.add_asked(self.id, turn.id, text)
        self._announce(turn)
        turn.provider.make_ready()
        built = await self._surroundings.message(text, focus, turn.workspace, turn.next_request, undecided, told)
        for notice in built.notices:
            turn.emit(Noticed(notice))
        _check_images(built.message, turn.model)
        if not self._has_preface:
            if self._other_tools:
                self._store.fitted.add_rewrite(self.id, self._other_tools)
            self._store.add_preface(self.id, self._preface)
            self._has_preface = True
        self._conversation.begin_turn(turn.id, built.message)
        self._forget_asked(turn)
        self._store.remove_notes(self.id, notes)

    async def _go_on(self, turn: Turn, undecided: Undecided | None) -> None:
        if undecided is not None:
            await undecided.lay(await self._pending())
        self._conversation.turn_id = turn.id
        self._announce(turn)

    @property
    def _has_results(self) -> bool:
        """Whether the model can be asked without a word of the user's."""
        messages = self._conversation.messages
        return bool(self._conversation.waiting or (messages and messages[-1].role == "tool"))

    async def _undecided_notes(self, undecided: Undecided | None) -> Sequence[str]:
        """What the model is told of changes that wait for the user's decision; a reviewed turn sees them as made."""
        if undecided is not None:
            await undecided.lay(await self._pending())
            return undecided.notes()
        paths = dict.fromkeys(str(pending.hunk.path) for pending in self.review.pending(session_id=self.id))
        if not paths:
            return ()
        return (
            f"The user has not decided yet on changes that you proposed, and they are not made: {', '.join(paths)}",
        )

    def add_tool_result(self, tool_use_id: str, result: str, *, is_error: bool = False) -> None:
        """Answer one call of the caller's own tools; `send_message` then goes on.

        Raises InvalidArguments where no such call waits, naming those that do; Busy, SessionHeld; TypeError for what
        is no text.
        """
        if not isinstance(result, str):  # pyright: ignore[reportUnnecessaryIsInstance] -- programs are not all checked
            raise TypeError(f"The result of a tool is a text, not {type(result).__name__}: json.dumps makes one.")
        self.hold()
        self._conversation.add_tool_result(tool_use_id, result, is_error=is_error)

    def clear_history(self) -> None:
        """Forget the conversation; it stays in the store and in `history`. Raises Busy, SessionHeld."""
        self.hold()
        self._conversation.clear()
        self._store.remove_notes(self.id, self._store.notes(self.id))

    def get_token_usage(self) -> tuple[Usage, Cost]:
        """What the whole session used, over all its turns and models."""
        return self._store.ledger.of_session(self.id)

    def history(self) -> Sequence[Message]:
        """All that was said, also what pruning took out."""
        return self._store.history(self.id)

    def set_current_file_context(self, path: WorkspacePath | str | None) -> None:
        """The file that goes along with messages that name no other. Raises OutsideWorkspace."""
        self._focus_path = self.workspace.path(path) if isinstance(path, str) else path

    def get_model(self) -> str:
        """The name of the model that answers the next message."""
        return self.model.name

    async def set_model(self, name: str) -> Switch:
        """Go on with another model, named as for `Sessions.choose_model`. Raises ConfigError; the present one stays."""
        if self._choose is None:
            raise ConfigError("This session was opened with one model and knows no other.", key="model")
        return await self._choose(name, self)

    def go_on_with(self, provider: BaseLLMProvider, model: ModelChoice) -> None:
        """Another model, from the next message on: a running turn keeps its own."""
        self.provider = provider
        self.model = model

    def follow(self, moves: Sequence[Move]) -> None:
        """The user moved or removed files: a running turn must know at once, and the model of what it was shown."""
        self._moves += moves
        if self.held_by:
            return
        shown: list[WorkspacePath] = []
        for name in self._conversation.memory.files():
            with suppress(OutsideWorkspace):
                shown.append(self.workspace.path(name))
        for move in moves:
            if any(map(move.of, shown)):
                self._store.add_note(self.id, str(move))

    async def undo(self, turn_id: str = "", *, partial: bool = False) -> Gone:
        """Take back the changes of a turn, of the last one that changed something by default.

        What the user edited elsewhere since stays. Raises what `flux.agent.timeline` does, and Busy.
        """
        return await self._go(lambda: self._timeline.undo(turn_id, partial=partial))

    async def redo(self, *, partial: bool = False) -> Gone:
        """Make again what the last undo or return took back. Raises as `undo`."""
        return await self._go(lambda: self._timeline.redo(partial=partial))

    async def restore(self, checkpoint: str, *, partial: bool = False) -> Gone:
        """Return to a checkpoint, by its name, its number or its turn. Raises as `undo`, and CheckpointMissing."""
        return await self._go(lambda: self._timeline.restore(checkpoint, partial=partial))

    def checkpoint(self, name: str = "") -> Checkpoint:
        """Name this point, to return to it. Raises Busy, SessionHeld."""
        self.hold()
        return self._timeline.mark(self.id, name)

    def checkpoints(self) -> Sequence[Checkpoint]:
        """The points to return to, oldest first."""
        return self._timeline.checkpoints()

    async def _go(self, way: Callable[[], Awaitable[Gone]]) -> Gone:
        self._check_is_idle()
        self._is_undoing = True
        try:
            await self.take_up()
            return await way()
        finally:
            self._is_undoing = False

    def hold(self) -> None:
        """See that nothing is at work on the session, here or in another process. Raises Busy, SessionHeld."""
        self._check_is_idle()
        if self._store.hold(self.id):
            self._conversation.reload()
            self._take_preface()

    async def close(self) -> None:
        """End the running turn; messages are refused from now on. May be called twice."""
        self._is_closed = True
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    def _check_is_idle(self) -> None:
        if self._is_closed:
            raise SessionError("This session was closed.", hint="Open another one.")
        if self.is_busy:
            raise Busy("This session is at work on another message.", hint="Cancel it, or wait for its end.")


def _check_images(message: Message, model: ModelChoice) -> None:
    if not model.takes_images and any(isinstance(part, Image) for part in message.parts):
        raise RequestRejected(
            f"{model.name} takes no pictures. Nothing was sent.",
            hint="Leave the picture out, or choose a model that takes them: `flux models` says which do.",
            model=model.name,
        )


class _AfterEvents:
    """Asks only when every event before the question has been rendered."""

    def __init__(self, approver: Approver, events: asyncio.Queue[TurnEvent | None]) -> None:
        self._approver = approver
        self._events = events

    async def ask(self, question: ApprovalRequest) -> Decision:
        await self._events.join()
        return await self._approver.ask(question)


async def _fenced(work: Coroutine[Any, Any, None]) -> Exception | None:
    """What the work ended with, None where it was done."""
    try:
        await work
    except FluxError as error:
        return error
    except Exception as error:  # the fence: a bug in one turn must not end the door
        log.exception("a turn failed")
        return error
    return None


def _end(turn: Turn, task: asyncio.Task[Exception | None]) -> TurnEnded:
    error = None if task.cancelled() else task.result()
    status: TurnStatus = "cancelled" if task.cancelled() else "failed" if error else "completed"
    return TurnEnded(
        turn.id,
        status,
        turn.usage,
        turn.cost,
        error=_error_text(error),
        error_kind=type(error).__name__ if error else "",
        unsaved=tuple(turn.unsaved),
        is_stopped=turn.is_stopped,
    )


def _other_tools(before: Preface, now: Preface) -> str:
    """Which tools came and went, in words; empty where there are the same."""
    were, are = ({tool.name for tool in preface.tools} for preface in (before, now))
    changes = ((are - were, "with"), (were - are, "without"))
    named = [f"{word} {', '.join(sorted(names))}" for names, word in changes if names]
    return f"The session goes on {' and '.join(named)}." if named else ""


def system_prompt(own: str = "") -> str:
    """Flux's own instructions, then the user's."""
    text = resources.files("flux.agent").joinpath("prompts", "system.md").read_text(encoding="utf-8")
    return f"{text}\n{own}".strip() if own else text.strip()


def _error_text(error: Exception | None) -> str:
    if error is None:
        return ""
    if isinstance(error, FluxError):
        return str(error)
    if isinstance(error, OSError):
        return refused_by_system(error)
    return f"Flux made a mistake ({type(error).__name__}); the log has the details. Your text is unharmed."
