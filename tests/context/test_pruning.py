"""Conversations that are made to fit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flux.context.pruning import prune
from flux.core.messages import Message, Text, ToolCall, ToolResult, user_message


def count(message: Message) -> int:
    """One token a character, which makes the arithmetic plain."""
    sizes = [len(getattr(part, "text", "") or getattr(part, "content", "") or "") for part in message.parts]
    return sum(sizes)


def turn(number: int, result: str = "r" * 1000) -> list[Message]:
    return [
        user_message(f"question {number}"),
        Message("assistant", (ToolCall(f"c{number}", "read_file", "{}"),)),
        Message("tool", (ToolResult(f"c{number}", "read_file", result),)),
        Message("assistant", (Text(f"answer {number}"),)),
    ]


def test_what_fits_is_left_alone() -> None:
    messages = turn(1)
    pruned = prune(messages, 2000, count)
    assert (pruned.messages, pruned.notes, pruned.fits) == (tuple(messages), (), True)


def test_the_oldest_results_become_one_line_each_and_the_newest_stays() -> None:
    messages = turn(1) + turn(2) + turn(3)
    pruned = prune(messages, 2500, count)
    results = [part.content for message in pruned.messages for part in message.parts if isinstance(part, ToolResult)]
    line = "[read_file: 1 lines, 1000 characters, left out; call the tool again to see them]"
    assert results == [line, line, "r" * 1000]
    assert [message.role for message in pruned.messages] == [message.role for message in messages]
    assert len(pruned.notes) == 1


def test_then_the_oldest_turns_go_whole_and_the_model_is_told() -> None:
    messages = [message for number in range(40) for message in turn(number, "r" * 150)]
    pruned = prune(messages, 2000, count)
    assert pruned.fits
    assert pruned.messages[0].role == "user"
    assert "earlier turns were left out" in pruned.messages[0].text()
    assert pruned.messages[-4:] == tuple(turn(39, "r" * 150))
    assert sum(map(count, pruned.messages)) <= 2000


def test_where_the_last_turn_alone_is_too_long_its_results_are_shortened_too() -> None:
    pruned = prune(turn(1), 500, count)
    assert pruned.fits
    assert "left out" in pruned.messages[2].parts[0].content  # type: ignore[union-attr]


def test_a_message_that_is_too_long_by_itself_does_not_fit() -> None:
    assert not prune([user_message("x" * 100)], 50, count).fits


def test_where_results_are_not_enough_the_oldest_steps_of_the_turn_go() -> None:
    messages = [user_message("question")]
    for number in range(20):
        messages.append(Message("assistant", (Text("w" * 100), ToolCall(f"c{number}", "write_file", "{}"))))
        messages.append(Message("tool", (ToolResult(f"c{number}", "write_file", "Wrote it."),)))
    pruned = prune(messages, 1000, count)
    assert pruned.fits
    assert pruned.messages[0].text() == "[15 earlier steps were left out]\nquestion"
    assert pruned.messages[1:] == tuple(messages[-10:])
    assert pruned.notes == ("In this turn the 15 oldest steps were left out to fit the model's window.",)


def test_what_went_with_an_old_turn_is_not_counted_as_room_for_the_new_words() -> None:
    assert not prune([*turn(1), user_message("x" * 600)], 500, count).fits


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3000)), min_size=1, max_size=30),
    st.integers(300, 20_000),
)
def test_calls_and_results_stay_together_and_the_last_words_stay(shape: list[tuple[int, int]], room: int) -> None:
    messages: list[Message] = []
    for number, (steps, size) in enumerate(shape):
        messages.append(user_message(f"question {number}"))
        for i in range(steps):
            messages.append(Message("assistant", (ToolCall(f"{number}-{i}", "search", "{}"),)))
            messages.append(Message("tool", (ToolResult(f"{number}-{i}", "search", "r" * size),)))
        messages.append(Message("assistant", (Text("answer"),)))
    pruned = prune(messages, room, count)
    calls = [part.id for m in pruned.messages for part in m.parts if isinstance(part, ToolCall)]
    results = [part.call_id for m in pruned.messages for part in m.parts if isinstance(part, ToolResult)]
    assert calls == results
    assert any(f"question {len(shape) - 1}" in message.text() for message in pruned.messages)
    assert pruned.fits == (sum(map(count, pruned.messages)) <= room)
