"""The conversation of one session: what is sent, what is stored, and the bytes that were sent.

`messages` is what the next request begins with. The store keeps everything, also what pruning took out.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace

from flux.agent.session_store import SessionStore
from flux.agent.store.in_flight import AnswerLog, Apply
from flux.agent.tally import Tally
from flux.context.item import ContextItem, rendered
from flux.context.shown import Memory
from flux.core.errors import InvalidArguments
from flux.core.messages import Message, Part, Summary, Text, ToolCall, ToolResult
from flux.core.usage import Cost, Price, Usage
from flux.edits.plan import AppliedPlan, EditPlan
from flux.llm.base_provider import BaseLLMProvider, EncodedMessages, Response
from flux.llm.exchange import Exchange


class Conversation:
    """`role` is what the session is for: its usage is counted under it."""

    def __init__(
        self, store: SessionStore, session_id: str, messages: Sequence[Message] = (), role: str = "chat"
    ) -> None:
        self._store = store
        self._session_id = session_id
        self._role = role
        self._messages = list(messages)
        self.tally = Tally(store.fitted, session_id)
        self._memory = Memory()
        self.was_cut = False
        """The user was told that the server leaves out the beginning of the conversation."""
        self._calls: Sequence[ToolCall] = ()  # of the last answer, where some still wait for their results
        self._results: dict[str, ToolResult] = {}
        self.turn_id = ""
        self.encoded: EncodedMessages = _KeptBytes(store, session_id, messages)

    @property
    def messages(self) -> tuple[Message, ...]:
        return tuple(self._messages)

    def messages_for(self, provider: BaseLLMProvider) -> tuple[Message, ...]:
        """What the next request to this provider begins with: the earlier turns themselves where a summary stands for
        them that only another provider can read."""
        if not _has_foreign_summary(self._messages, provider.summary_wire):
            return self.messages
        replaced = self._store.fitted.last_replaced(self._session_id)
        messages = (replaced.undone(self.messages) if replaced else None) or self.messages
        return tuple(_readable(message, provider.summary_wire) for message in messages)

    @property
    def memory(self) -> Memory:
        """What the model knows from the conversation as it is now."""
        self._memory.look_at(self._messages)
        return self._memory

    def reload(self) -> None:
        """Go on with what is stored: another process, or one that was killed, had the session before."""
        self._messages = list(self._store.live_messages(self._session_id))
        self._memory = Memory()
        self._calls = ()
        self.encoded = _KeptBytes(self._store, self._session_id, self._messages)

    def begin_turn(self, turn_id: str, message: Message) -> None:
        self.turn_id = turn_id
        self.say(message)

    def say(self, message: Message) -> None:
        """The user said something, at the beginning of a turn or in its course."""
        self._add(message)

    def add_answer(self, response: Response) -> Message:
        """The answer as it was added; one without any part is not: no wire takes an empty message."""
        message = self._with_own_ids(response.message())
        if message.parts:
            self._add(message)
        else:
            self._store.forget_answer(self._session_id)
        return message

    def add_interrupted(self, response: Response) -> None:
        """Keep what came of a broken answer: its text. Calls that were cut short were not made and are left out."""
        parts = tuple(part for part in response.message().parts if not isinstance(part, ToolCall))
        if Message("assistant", parts).text():
            self._add(Message("assistant", parts), is_interrupted=True)
        else:
            self._store.forget_answer(self._session_id)

    def begin_answer(self, provider: str, model: str, price: Price | None) -> AnswerLog:
        """Where the deltas of an answer go as they come."""
        return self._store.in_flight.begin_answer(self._session_id, self.turn_id, provider, model, price)

    def note_result(self, result: ToolResult) -> None:
        """Keep in mind what a call answered, before the results of all calls of the answer are there."""
        self.memory.take(Message("tool", (result,)))
        self._store.in_flight.add_result(self._session_id, self.turn_id, result)

    def answer(self, calls: Sequence[ToolCall], results: Mapping[str, ToolResult]) -> None:
        """What the last answer's calls came to. Those without a result wait for `add_tool_result`."""
        self._calls, self._results = calls, dict(results)
        self._end_calls()

    @property
    def waiting(self) -> Sequence[ToolCall]:
        """The calls of the last answer that have no result yet."""
        return [call for call in self._calls if call.id not in self._results]

    def add_tool_result(self, call_id: str, content: str, *, is_error: bool = False) -> None:
        """Answer one of the calls that wait. Raises InvalidArguments where it is none of them."""
        call = next((call for call in self.waiting if call.id == call_id), None)
        if call is None:
            waiting = ", ".join(f"{call.id} ({call.name})" for call in self.waiting) or "none"
            raise InvalidArguments(f"No call {call_id!r} waits for a result. Waiting: {waiting}.")
        result = self._results[call_id] = ToolResult(call_id, call.name, content, is_error)
        self.note_result(result)
        self._end_calls()

    def end_waiting(self, instead: str) -> Sequence[ToolCall]:
        """Answer all calls that still wait with the same words; which they were."""
        missing = self.waiting
        for call in missing:
            self.add_tool_result(call.id, instead, is_error=True)
        return missing

    def _end_calls(self) -> None:
        """One message with the results of all calls, as every wire wants them."""
        if self._calls and not self.waiting:
            self._add(Message("tool", tuple(self._results[call.id] for call in self._calls)))
            self._calls = ()

    def add_usage(self, provider: str, model: str, usage: Usage, cost: Cost) -> None:
        self._store.ledger.add(self._session_id, self.turn_id, provider, model, usage, cost, self._role)

    def keep(self, exchanges: Sequence[Exchange]) -> None:
        """Keep what was sent for the turn, and what came."""
        self._store.exchanges.add(self._session_id, self.turn_id, exchanges)

    async def carry_out(self, call_ids: Sequence[str], plan: EditPlan, apply: Apply) -> AppliedPlan:
        """What `apply` made of the plan of these calls. Raises what it does, and SessionError."""
        return await self._store.in_flight.carry_out(self._session_id, self.turn_id, call_ids, plan, apply)

    def rewrite(self, messages: Sequence[Message], reason: str) -> None:
        """Go on with another past: the next request does not begin with the last one, which the store is told."""
        self._store.fitted.add_rewrite(self._session_id, reason)
        self._messages = list(messages)
        self._memory = Memory()
        self._store.replace_live(self._session_id, messages)

    def clear(self) -> None:
        self._calls = ()
        self._store.forget_results(self._session_id)
        self.rewrite((), "The conversation was cleared.")

    def _with_own_ids(self, message: Message) -> Message:
        """Every call with an id of its own: some servers send none, or count from 0 in every answer.

        Results go back by id, and wires refuse a conversation in which two calls share one.
        """
        if not message.tool_calls():
            return message
        used = {call.id for earlier in self._messages for call in earlier.tool_calls()} | {""}
        parts: list[Part] = []
        for part in message.parts:
            if isinstance(part, ToolCall):
                if part.id in used:
                    part = replace(part, id=f"call_{uuid.uuid4().hex}")  # noqa: PLW2901
                used.add(part.id)
            parts.append(part)
        return Message(message.role, tuple(parts))

    def _add(self, message: Message, *, is_interrupted: bool = False) -> None:
        self._messages.append(message)
        self._store.add_message(self._session_id, self.turn_id, message, is_interrupted=is_interrupted)


def summary_as_text(text: str) -> Text:
    """A summary of earlier turns as any model can read it."""
    return rendered(ContextItem("summary", "earlier turns", text.strip()))


def _has_foreign_summary(messages: Sequence[Message], wire: str) -> bool:
    return any(isinstance(part, Summary) and part.wire != wire for message in messages for part in message.parts)


def _readable(message: Message, wire: str) -> Message:
    """The message with the text of a summary that is of another wire."""
    if not _has_foreign_summary((message,), wire):
        return message
    parts = (summary_as_text(part.text) if isinstance(part, Summary) else part for part in message.parts)
    return replace(message, parts=tuple(parts))


class _KeptBytes(dict[tuple[str, Message], bytes]):
    """The bytes of messages as they were sent; each is stored when it is first encoded, which is before it is sent."""

    def __init__(self, store: SessionStore, session_id: str, messages: Sequence[Message]) -> None:
        super().__init__(store.sent(session_id, messages) if messages else {})
        self._store = store
        self._session_id = session_id

    def __setitem__(self, key: tuple[str, Message], body: bytes) -> None:
        super().__setitem__(key, body)
        self._store.add_sent(self._session_id, *key, body)
