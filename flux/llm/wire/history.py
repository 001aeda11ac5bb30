"""A conversation as every server takes it: each call has its result, and no result is without its call.

A conversation may have been interrupted anywhere, pruned, or begun with another provider.
"""

from __future__ import annotations

from collections.abc import Sequence

from flux.core.messages import Message, Part, Reasoning, Text, ToolCall, ToolResult
from flux.llm.base_provider import ModelRequest

_SIGNED = frozenset(("anthropic", "openai"))
"""The wires on which a model's own thoughts bear a sign: those without one are another wire's, which has none."""
NO_RESULT = "No result: the call was interrupted."
UNANSWERED = "(This was not answered.)"
"""Between two messages of the user where roles must alternate. To join them would change what was sent before."""


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
    """The parts of an answer that can go back to `wire`: no empty texts, and thoughts of other wires as text.

    Thoughts that nothing follows are left out: both vendors refuse them (an answer that was cut while it thought).
    """
    answered = [at for at, part in enumerate(message.parts) if _says_something(part)]
    kept: list[Part] = []
    for part in message.parts[: max(answered, default=-1) + 1]:
        if isinstance(part, Reasoning):
            if part.opaque and part.wire == wire:
                kept.append(part)
            elif part.text.strip() and (part.wire or wire in _SIGNED):
                kept.append(Text(f"(Thoughts: {part.text.strip()})\n\n"))
        elif _says_something(part):
            kept.append(part)
    return kept


def _says_something(part: Part) -> bool:
    return not isinstance(part, Reasoning) and not (isinstance(part, Text) and not part.text.strip())


def _missing(waiting: dict[str, ToolCall]) -> list[Message]:
    if not waiting:
        return []
    return [
        Message("tool", tuple(ToolResult(call.id, call.name, NO_RESULT, is_error=True) for call in waiting.values()))
    ]
