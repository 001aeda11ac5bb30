"""The loop of one turn: ask the model, run the tools it calls, ask again, until it has nothing more to call.

A turn knows no door: it emits TurnEvents and asks an Approver. It knows no wire: it sends neutral messages. What the
model can correct (bad arguments, no match, a refused file) goes back to it as a tool result and never ends the turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from itertools import filterfalse, groupby

from flux.agent.approval import ApprovalRequest, Approver
from flux.agent.budget import Budget, Forecast
from flux.agent.conversation import Conversation
from flux.agent.events import (
    ApprovalAsked,
    EditApplied,
    Noticed,
    ReasoningStreamed,
    Retrying,
    TextStreamed,
    ToolAnswered,
    ToolCalled,
    TurnEvent,
    UsageReported,
)
from flux.agent.failover import Chosen, Failover
from flux.agent.next_request import ModelChoice, NextRequest, Prepared, TurnSettings
from flux.agent.session_store import Preface
from flux.agent.uninterrupted import to_its_end
from flux.context.diagnostics import problems_after
from flux.context.pruning import Kept
from flux.core.errors import (
    ContextWindowExceeded,
    Denied,
    FileMissing,
    FluxError,
    InvalidArguments,
    OutsideWorkspace,
    ProviderError,
    StaleSnapshot,
    StreamBroken,
    TransientProviderError,
)
from flux.core.messages import Image, Message, ToolCall, ToolResult
from flux.core.usage import Cost, Usage
from flux.edits.plan import (
    AppliedPlan,
    CreateFile,
    EditPlan,
    RenameFile,
    applied_change_diff,
    change_diff,
    paths_of,
)
from flux.llm.base_provider import (
    BaseLLMProvider,
    Folder,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    TryingAgain,
    Waiting,
)
from flux.llm.exchange import Exchange
from flux.tools.base import Arguments, Finding, Proposal, Tool
from flux.workspace.moves import Move, followed, whole_move
from flux.workspace.overlay import OverlayWorkspace
from flux.workspace.workspace import Workspace

Emit = Callable[[TurnEvent], None]
"""Never waits: between an answer and the results of its calls nothing may be cancelled."""

INTERRUPTED = "Interrupted: the user cancelled before it was done."
UNGIVEN = "No result was given for this call."
BROKEN = "Not done: Flux itself failed. The file is as it was unless you were told otherwise."

GO_ON = "a message such as “go on” continues it."
BROKE_OFF = f"The answer broke off. What came of it is kept; {GO_ON}"

PROPOSED = "This is proposed: you see it as made, but the user decides after your turn."

PROBLEMS_S = 1.5
"""Seconds to wait for the problems that other tools find in a changed text."""

RESULT_SHARE = 0.25
"""Share of the room that one tool result may take, or the conversation could not go on; all of one answer: twice it."""


@dataclass(slots=True)
class Turn:
    """One run of the loop. `always_approved` is shared by all turns of a session."""

    id: str
    session_id: str
    provider: BaseLLMProvider
    model: ModelChoice
    preface: Preface
    tools: Mapping[str, Tool]
    own_tools: Collection[str]
    """Names of the tools that the caller runs: where one is called, the turn ends and their results are awaited."""
    workspace: Workspace
    conversation: Conversation
    approver: Approver
    settings: TurnSettings
    budget: Budget
    emit: Emit
    draft: Callable[[], Awaitable[None]]
    """Called whenever there is more that a reviewed turn would propose."""
    steer: Callable[[], Awaitable[bool]]
    """Called between two requests: adds what the user said meanwhile, and tells whether there was anything."""
    failover: Failover = field(default_factory=Failover)
    kept: Kept = field(default_factory=Kept)
    """What pruning leaves alone."""
    message_id: str = ""
    """Of the user's message, where it was queued."""
    is_reviewed: bool = False
    """The workspace is a proposal: changes go into it unasked, and the user decides on them afterwards."""
    has_approval: bool = False
    is_always_approved: bool = False
    steps: int = 0
    """Requests that were made for the user's last words."""
    moves: Sequence[Move] = ()
    """What the user has moved and removed since the turn began; there may be more at any time."""
    is_stopped: bool = False
    usage: Usage = Usage()
    cost: Cost = Cost()
    unsaved: dict[str, None] = field(default_factory=dict[str, None])
    _results: dict[str, ToolResult] = field(default_factory=dict[str, ToolResult])
    _result_tokens: int = 0
    _cached_tokens: int = 0
    """What the provider had in its cache after the last request of this turn."""
    _has_shown: bool = False
    """Something was shown of the answer that came last."""

    async def run(self) -> None:
        """Do it. Raises what ended it early; the conversation is then still fit to go on."""
        self.failover.begin()
        while self.steps < self.settings.max_steps:
            self.steps += 1
            answer = await self._ask_models()
            if not answer.parts:
                self.emit(Noticed("The model answered nothing."))
            calls = answer.tool_calls()
            if calls and await self._answer_calls(calls):
                return
            if not await self.steer() and not calls:
                return
        self.is_stopped = True
        self.emit(
            Noticed(f"Stopped after {self.settings.max_steps} steps (setting max_steps). Send a message to go on.")
        )

    async def _ask_models(self) -> Message:
        """The answer of the session's model, or of the first that gives one in its place."""
        while True:
            asked = Chosen(self.provider, self.model, self.settings)
            try:
                answer = await self._ask_model()
            except ProviderError as error:
                if self._has_shown:
                    raise
                self._go_on_with(await self.failover.next(asked, error, needs_images=self._has_images()), error)
            else:
                if notice := self.failover.answered(asked):
                    self.emit(Noticed(notice))
                return answer

    def _go_on_with(self, chosen: Chosen, error: ProviderError) -> None:
        """Another model from here on, to the end of the turn."""
        self.provider, self.model, self.settings = chosen.provider, chosen.model, chosen.settings
        self._cached_tokens = 0
        self.emit(Noticed(f"{error.message.removesuffix('.')}. Going on with {chosen.label} (setting fallback)."))

    def _has_images(self) -> bool:
        return any(isinstance(part, Image) for message in self.conversation.messages for part in message.parts)

    async def _ask_model(self) -> Message:
        prepared = await self.next_request.prepare(self.conversation.messages_for(self.provider))
        self._take_up(prepared)
        try:
            return await self._ask(prepared)
        except ContextWindowExceeded as error:
            shorter = self.next_request.shorter(prepared)
            if shorter is None or self._has_shown:
                error.hint = f"{error.hint} {self._what_was_left_out(prepared)}".lstrip()
                raise
            self.emit(Noticed(f"{error.message} Trying again with less."))
        self._take_up(shorter)
        return await self._ask(shorter)

    def _what_was_left_out(self, prepared: Prepared) -> str:
        """For who finds a request too long: what Flux did about it."""
        if not self.settings.prunes:
            return "Nothing was left out, as context_pruning is off."
        about = f"Flux counted about {prepared.size.tokens:,} tokens for a window of {self.model.limits.total_tokens:,}"
        return f"{about} (context_window), and could leave out no more."

    @property
    def next_request(self) -> NextRequest:
        """How a request is made for the model of now."""
        talk = self.conversation
        return NextRequest(
            self.session_id, self.provider, self.model, self.preface, self.settings, talk.tally, talk.encoded, self.kept
        )

    def _take_up(self, prepared: Prepared) -> None:
        """Go on with what was left in for the request, where something had to be left out.

        For a stand-in it is left out of its requests alone: the session's own model may have the larger window.
        """
        if prepared.notes:
            if not self.failover.is_away:
                self.conversation.rewrite(prepared.request.messages, " ".join(prepared.notes))
            for note in prepared.notes:
                self.emit(Noticed(note))

    async def _ask(self, prepared: Prepared) -> Message:
        self._has_shown = False
        for notice in self.budget.check(self._forecast(prepared)):
            self.emit(Noticed(notice))
        exchanges: list[Exchange] = []
        request = replace(prepared.request, exchanges=exchanges)
        folder = Folder()
        answer = self.conversation.begin_answer(self.provider.name, self.model.name, self.model.price)
        try:
            async with aclosing(self.provider.stream(request)) as deltas:
                async for delta in deltas:
                    answer.add(delta)  # stored before it is shown
                    folder.add(delta)
                    if isinstance(delta, TextDelta):
                        self.emit(TextStreamed(delta.text))
                    elif isinstance(delta, ReasoningDelta) and delta.text:
                        self.emit(ReasoningStreamed(delta.text))
                    elif isinstance(delta, Waiting):
                        self.emit(Noticed(delta.text))
                    elif isinstance(delta, TryingAgain):
                        self.emit(Retrying(delta.reason, delta.wait_s, delta.attempt))
            if not folder.is_finished:
                raise StreamBroken("The answer ended before it was complete.", model=self.model.name)
        except BaseException as e:
            # Also a cancelled or broken answer was paid for and shown: what came of it stays.
            self.conversation.add_interrupted(folder.response())
            self._count(folder.response().usage)
            self._has_shown = bool(folder.response().parts)
            if isinstance(e, TransientProviderError) and self._has_shown:
                self.emit(Noticed(BROKE_OFF))
            raise
        finally:
            answer.close()
            self.conversation.keep(exchanges)
        response = folder.response()
        message = self.conversation.add_answer(response)
        self._report_usage(request, response.usage, message)
        match response.finish_reason:
            case "length":
                self.emit(
                    Noticed(f"The answer reached the limit of {request.max_output_tokens} tokens (max_tokens); {GO_ON}")
                )
            case "refused":
                self.emit(Noticed("The model declined to answer."))
            case "stop" | "tool_calls":
                pass
        return message

    def _forecast(self, prepared: Prepared) -> Forecast:
        """The most that a request can use. What is not in the provider's cache goes into it."""
        sent, price = prepared.size.at_most, self.model.price
        cached = min(self._cached_tokens, sent)
        written = sent - cached if price and price.cache_write > price.input else 0
        return Forecast(self.model.name, Usage(sent, prepared.request.max_output_tokens, cached, written), price)

    def _report_usage(self, request: ModelRequest, usage: Usage, answer: Message) -> None:
        cost = self._count(usage)
        cut = self.conversation.tally.report(self.preface, request.messages, usage, answer)
        if cut and (advice := self.provider.window_advice) and not self.conversation.was_cut:
            self.conversation.was_cut = True
            self.emit(
                Noticed(
                    f"{self.provider.name} counted {cut.reported_tokens:,} tokens of about {cut.sent_tokens:,} "
                    f"that it was sent: it has left out the beginning of the conversation. {advice}"
                )
            )
        used = self.conversation.tally.size(self.preface, self.conversation.messages).tokens
        self.emit(UsageReported(self.model.name, usage, cost, self.model.limits.input_tokens, used))

    def _count(self, usage: Usage) -> Cost:
        cost = Cost.of(usage, self.model.price)
        if usage.total_tokens:
            self._cached_tokens = usage.cache_read_tokens + usage.cache_write_tokens
            self.usage += usage
            self.cost += cost
            self.conversation.add_usage(self.provider.name, self.model.name, usage, cost)
        return cost

    async def _answer_calls(self, calls: Sequence[ToolCall]) -> bool:
        """Run the calls and add a result for each, in the order of the calls, also where this is interrupted.

        True where calls of the caller's own tools are left for them.
        """
        self._results.clear()
        self._result_tokens = int(self.next_request.room_tokens * min(RESULT_SHARE, 2 * RESULT_SHARE / len(calls)))
        unanswered = INTERRUPTED
        left: Sequence[ToolCall] = ()
        try:
            # A look that the model asked for after a change must see the change.
            for is_read_only, neighbours in groupby(filterfalse(self._is_own, calls), self._is_read_only):
                if is_read_only:
                    await self._answer_side_by_side(tuple(neighbours))
                else:
                    await self._answer_together(tuple(neighbours))
            left = [call for call in calls if self._is_own(call) and self._hand_over(call)]
        except Exception:
            unanswered = BROKEN
            raise
        finally:
            for call in calls:
                if call.id not in self._results and call not in left:
                    self._results[call.id] = ToolResult(call.id, call.name, unanswered, is_error=True)
            self.conversation.answer(calls, self._results)
        return bool(left)

    def _is_own(self, call: ToolCall) -> bool:
        return call.name in self.own_tools

    def _hand_over(self, call: ToolCall) -> bool:
        """Show the call to the caller who runs it; false where its arguments are none, which the model is told."""
        self.emit(ToolCalled(call.id, call.name, call.name, call.arguments_json))
        try:
            call.arguments()
        except InvalidArguments as error:
            self._refuse(call, error)
            return False
        return True

    async def _answer_side_by_side(self, calls: Sequence[ToolCall]) -> None:
        """Run calls at once. Their results are told in their order, as a later one may point to what stands above."""
        try:
            async with asyncio.TaskGroup() as group:
                running = [group.create_task(self._outcome(call, self.workspace)) for call in calls]
                for call, outcome in zip(calls, running, strict=True):
                    self._tell(call, await outcome)
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None

    def _is_read_only(self, call: ToolCall) -> bool:
        tool = self.tools.get(call.name)
        return tool is None or tool.is_read_only

    async def _answer_together(self, calls: Sequence[ToolCall]) -> None:
        """Run calls one after another, each on what those before it propose; then all their changes are one plan."""
        overlay = OverlayWorkspace(self.workspace)
        proposals: list[tuple[ToolCall, Proposal]] = []
        for call in calls:
            outcome = await self._outcome(call, overlay)
            self._tell(call, outcome)
            if not isinstance(outcome, Proposal):
                continue
            try:
                self._check_new_places(outcome.plan)
                await overlay.apply(outcome.plan)
            except FluxError as error:
                self._refuse(call, error)
            else:
                proposals.append((call, outcome))
        if not proposals:
            return
        plan = proposals[0][1].plan if len(proposals) == 1 else overlay.proposal(_label(proposals))
        try:
            await self._make(plan, proposals)
        except FluxError as error:
            if len(proposals) > 1:
                error.message = f"None of these {len(proposals)} changes was made: {error.message}"
            for call, _ in proposals:
                self._refuse(call, error)
        else:
            for call, proposal in proposals:
                self.emit(ToolAnswered(call.id, call.name, proposal.summary, self._results[call.id].content, False))

    async def _outcome(self, call: ToolCall, workspace: Workspace) -> Finding | Proposal | FluxError:
        """What running the call comes to."""
        try:
            return await self._run(call, workspace)
        except FluxError as error:
            return error

    def _tell(self, call: ToolCall, outcome: Finding | Proposal | FluxError) -> None:
        """What the call found or why it was refused is its result; of what it proposes nothing is told yet."""
        match outcome:
            case FluxError():
                self._refuse(call, outcome)
            case Finding(text, summary):
                result = self._record(call, self.conversation.memory.told_result(call, text), is_error=False)
                self.emit(ToolAnswered(call.id, call.name, summary, result.content, is_error=False))
            case Proposal():
                pass

    def _check_new_places(self, plan: EditPlan) -> None:
        """Raises StaleSnapshot for a file that would come where the user has just moved or removed one."""
        for change in plan.changes:
            if isinstance(change, CreateFile | RenameFile):
                path = paths_of(change)[-1]
                if move := whole_move(self.moves, path):
                    raise StaleSnapshot(
                        f"{move} That was while you worked, so no file is put at {path} in this turn.",
                        hint="Go on where the file is now, or ask the user.",
                    )

    def _refuse(self, call: ToolCall, error: FluxError) -> None:
        if isinstance(error, FileMissing) and self.moves and error.path:
            with suppress(OutsideWorkspace):  # its folder may be gone from the editor too
                if move := whole_move(self.moves, self.workspace.path(error.path)):
                    error.hint = f"{move} That was while you worked."
        result = self._record(call, str(error), is_error=True)
        self.emit(ToolAnswered(call.id, call.name, error.message.partition("\n")[0], result.content, is_error=True))

    def _record(self, call: ToolCall, text: str, *, is_error: bool) -> ToolResult:
        result = self._results[call.id] = ToolResult(call.id, call.name, self._cut(text), is_error)
        self.conversation.note_result(result)
        return result

    def _cut(self, text: str) -> str:
        """The text within the bound of one result."""
        limit = max(self._result_tokens, 100)
        if len(text) <= limit // 2 or (tokens := self.conversation.tally.text_tokens(text)) <= limit:
            return text
        kept = text[: len(text) * limit // tokens]
        return f"{kept}\n[… {len(text) - len(kept)} more characters; ask for a smaller part]"

    async def _run(self, call: ToolCall, workspace: Workspace) -> Finding | Proposal:
        tool = self.tools.get(call.name)
        if tool is None:
            self.emit(ToolCalled(call.id, call.name, call.name, call.arguments_json))
            names = ", ".join((*self.tools, *self.own_tools))
            raise InvalidArguments(f"There is no tool {call.name!r}. The tools are: {names}.")
        title = call.name
        try:
            arguments = Arguments(call.arguments())
            title = tool.title(arguments)
        finally:
            self.emit(ToolCalled(call.id, call.name, title, call.arguments_json))
        return await tool.call(arguments, workspace)

    async def _make(self, plan: EditPlan, proposals: Sequence[tuple[ToolCall, Proposal]]) -> None:
        if self.is_reviewed:
            await to_its_end(self._propose(plan, proposals))
            return
        await self._approve(proposals[0][0], plan)
        applied = await to_its_end(self._apply(plan, proposals), lambda: self.workspace.hurry(plan))
        if found := await problems_after(self.workspace, applied.changes, PROBLEMS_S):
            last, proposal = proposals[-1]
            self._record(last, f"{proposal.summary}\n{found}", is_error=False)

    async def _approve(self, call: ToolCall, plan: EditPlan) -> None:
        if self.has_approval or self.is_always_approved:
            return
        question = ApprovalRequest(plan.label, _paths(plan), plan_diff(plan))
        asked = ApprovalAsked(call.id, question.paths, question.diff)
        self.emit(asked)
        decision = await self.approver.ask(question)
        self.emit(replace(asked, decision=decision))
        if decision == "no":
            raise Denied("The user declined this change. Do not try it again; ask what they would rather have.")
        self.has_approval = True
        self.is_always_approved = decision == "always"

    async def _propose(self, plan: EditPlan, proposals: Sequence[tuple[ToolCall, Proposal]]) -> None:
        await self.workspace.apply(plan)
        await self.draft()
        for call, proposal in proposals:
            self._record(call, f"{proposal.summary} {PROPOSED}", is_error=False)

    async def _apply(self, plan: EditPlan, proposals: Sequence[tuple[ToolCall, Proposal]]) -> AppliedPlan:
        async def apply(plan: EditPlan) -> AppliedPlan:
            known = len(self.moves)
            applied = await self.workspace.apply(plan)
            # What the user moved since it was made is not known to the journal by another name yet.
            moved = tuple(followed(change, self.moves[known:]) for change in applied.changes)
            applied = replace(applied, changes=moved)
            for call, proposal in proposals:
                self._record(call, proposal.summary, is_error=False)
            return applied

        applied = await self.conversation.carry_out([call.id for call, _ in proposals], plan, apply)
        self.unsaved.update({str(change.new_path): None for change in applied.changes if not change.is_saved})
        is_saved = all(change.is_saved for change in applied.changes)
        # Also where the user cancelled meanwhile: what was made is told.
        self.emit(EditApplied(proposals[0][0].id, _paths(plan), applied_diff(applied), is_saved))
        return applied


def _label(proposals: Sequence[tuple[ToolCall, Proposal]]) -> str:
    paths = dict.fromkeys(path for _, proposal in proposals for path in _paths(proposal.plan))
    return f"Flux: change {next(iter(paths)) if len(paths) == 1 else f'{len(paths)} files'}"


def _paths(plan: EditPlan) -> tuple[str, ...]:
    return tuple(str(path) for change in plan.changes for path in paths_of(change))


def plan_diff(plan: EditPlan) -> str:
    """A unified diff of all that a plan would change."""
    return "".join(map(change_diff, plan.changes))


def applied_diff(applied: AppliedPlan) -> str:
    """A unified diff of what was changed."""
    return "".join(map(applied_change_diff, applied.changes))
