"""A conversation as every server takes it: each call has its result, and no result is without its call.

A conversation may have been interrupted anywhere, pruned, or begun with another provider.
"""

from __future__ import annotations

from collections.abc import Sequence

from flux.core.messages import Message, Part, Reasoning, Text, ToolCall, ToolResult
from flux.llm.base_provider import ModelRequest

NO_RESULT = "No result: the call was interrupted."


def sound_messages(messages: Sequence[Message]) -> list[Message]:
    """The messages with a result added for each call that has none, and without results of calls that are not there.

    Messages that are sound already are the same objects, so that their bytes are found again. Linear.
    """
    sound: list[Message] = []
    waiting: dict[str, ToolCall] = {}
    for message in messages:
        if message.role == "tool":
            results = tuple(p for p in message.parts if isinstance(p, ToolResult) and waiting.pop(p.call_id, None))
            if results:
                sound.append(message if results == message.parts else Message("tool", results))
            continue
        sound += _missing(waiting)
        waiting = {call.id: call for call in message.tool_calls()}
        sound.append(message)
    return sound + _missing(waiting)


def taken_ids(request: ModelRequest) -> set[str]:
    """The ids of all calls of the conversation."""
    return {call.id for message in request.messages for call in message.tool_calls()}


def parts_to_replay(message: Message, wire: str) -> list[Part]:
    """The parts of an answer that can go back to `wire`: no empty texts, no thoughts of other models.

    Thoughts that nothing follows are left out: both vendors refuse them (an answer that was cut while it thought).
    """
    kept: list[Part] = []
    for part in message.parts:
        if isinstance(part, Reasoning):
            if part.opaque and part.wire == wire:
                kept.append(part)
        elif not isinstance(part, Text) or part.text.strip():
            kept.append(part)
    while kept and isinstance(kept[-1], Reasoning):
        kept.pop()
    return kept


def _missing(waiting: dict[str, ToolCall]) -> list[Message]:
    if not waiting:
        return []
    return [
        Message("tool", tuple(ToolResult(call.id, call.name, NO_RESULT, is_error=True) for call in waiting.values()))
    ]
