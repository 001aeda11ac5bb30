"""Making a conversation fit: in rare big steps, so that requests in between share their beginning.

Pure. Calls and their results stay together; the user's last message and what follows it are never taken away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flux.core.messages import Message, Text, ToolResult, user_message

LOW_WATER = 0.6
"""After pruning the conversation fills at most this share of the room, so that it is not pruned again at once."""

SHORT_RESULT = 200
"""A tool result of so many characters or fewer is left as it is: its one-line form would save nothing."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """The conversation that fits. `notes` tell the user what was taken out; empty where nothing was."""

    messages: tuple[Message, ...]
    notes: tuple[str, ...]
    fits: bool


def prune(messages: Sequence[Message], room_tokens: int, count: Callable[[Message], int]) -> Pruned:
    """The conversation within `room_tokens`, unchanged where it fits already.

    First the oldest tool results become one line each, then the oldest turns go, and where the last turn alone is too
    long, its newest results become one line each too. `fits` is false where even that is not enough. Linear in the
    number of messages.
    """
    sizes = [count(message) for message in messages]
    total = sum(sizes)
    if total <= room_tokens:
        return Pruned(tuple(messages), (), fits=True)
    target = int(room_tokens * LOW_WATER)
    kept = list(messages)
    shortened = 0

    def shorten(index: int) -> None:
        nonlocal total, shortened
        short = _shortened(kept[index])
        if short is not kept[index]:
            kept[index] = short
            size = count(short)
            total += size - sizes[index]
            sizes[index] = size
            shortened += 1

    newest = _newest_results(messages)
    for index in range(newest):
        if total <= target:
            break
        shorten(index)
    starts = _turn_starts(kept)
    first = 0
    dropped = 0
    while total > target and dropped + 1 < len(starts):
        end = starts[dropped + 1]
        total -= sum(sizes[first:end])
        first = end
        dropped += 1
    if total > room_tokens:
        shorten(newest)
    notes: list[str] = []
    if shortened:
        notes.append(f"Results of {shortened} tool steps were shortened to one line each to fit the model's window.")
    if dropped:
        notes.append(f"The {dropped} oldest turns were left out to fit the model's window.")
        kept[first] = _with_note(kept[first], f"[{dropped} earlier turns were left out]\n")
    return Pruned(tuple(kept[first:]), tuple(notes), fits=total <= room_tokens)


def _newest_results(messages: Sequence[Message]) -> int:
    """The index of the last message with tool results: those the model has not answered yet, or just has."""
    for index in range(len(messages) - 1, -1, -1):
        if messages[index].role == "tool":
            return index
    return 0


def _turn_starts(messages: Sequence[Message]) -> list[int]:
    return [index for index, message in enumerate(messages) if message.role == "user"]


def _shortened(message: Message) -> Message:
    if message.role != "tool":
        return message
    parts = tuple(_one_line(part) if isinstance(part, ToolResult) else part for part in message.parts)
    return message if parts == message.parts else Message("tool", parts)


def _one_line(result: ToolResult) -> ToolResult:
    if len(result.content) <= SHORT_RESULT:
        return result
    lines = result.content.count("\n") + 1
    text = (
        f"[{result.name}: {lines} lines, {len(result.content)} characters, left out; call the tool again to see them]"
    )
    return ToolResult(result.call_id, result.name, text, result.is_error)


def _with_note(message: Message, note: str) -> Message:
    if not message.parts:
        return user_message(note)
    return Message(message.role, (Text(note), *message.parts))
