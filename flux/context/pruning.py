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

    First the oldest tool results become one line each, then the oldest turns go. Where the last turn alone is too long,
    its oldest steps go, and then its newest results become one line each too. `fits` is false where even that is not
    enough. Linear in the number of messages.
    """
    sizes = [count(message) for message in messages]
    total = sum(sizes)
    if total <= room_tokens:
        return Pruned(tuple(messages), (), fits=True)
    target = int(room_tokens * LOW_WATER)
    kept = list(messages)
    shortened = 0

    def put(index: int, message: Message) -> None:
        nonlocal total
        size = count(message)
        total += size - sizes[index]
        kept[index], sizes[index] = message, size

    def shorten(index: int) -> None:
        nonlocal shortened
        short = _shortened(kept[index])
        if short is not kept[index]:
            put(index, short)
            shortened += 1

    newest = _newest_results(kept)
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
    steps = [index for index in range(first + 1, newest) if kept[index].role == "assistant"]
    left_out = 0
    while total > target and dropped + 1 >= len(starts) and left_out + 1 < len(steps):
        total -= sum(sizes[steps[left_out] : steps[left_out + 1]])
        left_out += 1
    if left_out:
        newest -= steps[left_out] - steps[0]
        del kept[steps[0] : steps[left_out]], sizes[steps[0] : steps[left_out]]
        put(first, _with_note(kept[first], f"[{_counted(left_out, 'earlier step')} left out]\n"))
    if dropped:
        put(first, _with_note(kept[first], f"[{_counted(dropped, 'earlier turn')} left out]\n"))
    if total > room_tokens and newest > first:
        shorten(newest)
    notes: list[str] = []
    if shortened:
        notes.append(
            f"The results of {_counted(shortened, 'tool step')} shortened to one line to fit the model's window."
        )
    if dropped:
        notes.append(f"The {_counted(dropped, 'oldest turn')} left out to fit the model's window.")
    if left_out:
        notes.append(f"In this turn the {_counted(left_out, 'oldest step')} left out to fit the model's window.")
    return Pruned(tuple(kept[first:]), tuple(notes), fits=total <= room_tokens)


def _counted(number: int, what: str) -> str:
    return f"1 {what} was" if number == 1 else f"{number} {what}s were"


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
