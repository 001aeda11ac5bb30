"""Conversations that are made to fit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from flux.agent.store.values import said
from flux.context.item import ContextItem, rendered
from flux.context.pruning import LEFT_OUT, Kept, Pruned, prune
from flux.core.messages import Message, Reasoning, Text, ToolCall, ToolResult, user_message


def check(messages: Sequence[Message], room: int, kept: Kept | None = None) -> Pruned:
    """One token a character, which makes the arithmetic plain."""
    return prune(messages, [length(message) for message in messages], room, kept)


def length(message: Message) -> int:
    return sum(len(getattr(part, "text", "") or getattr(part, "content", "") or "") for part in message.parts)


def results(pruned: Pruned) -> list[str]:
    return [part.content for message in pruned.messages for part in message.parts if isinstance(part, ToolResult)]


def words(pruned: Pruned) -> list[str]:
    return [said(message) for message in pruned.messages if message.role == "user"]


def turn(number: int, result: str = "r" * 1000, path: str = "") -> list[Message]:
    call = ToolCall(f"c{number}", "read_file", json.dumps({"path": path or f"{number}.py"}))
    return [
        user_message(f"question {number}"),
        Message("assistant", (call,)),
        Message("tool", (ToolResult(f"c{number}", "read_file", result),)),
        Message("assistant", (Text(f"answer {number}"),)),
    ]


LINE = "[read_file: 1 lines, 1000 characters, left out; call the tool again to see them]"
OUTDATED = "[read_file: 1 lines, 1000 characters, left out; a newer one stands below]"


def test_what_fits_is_left_alone() -> None:
    messages = turn(1)
    assert check(messages, 2000) == Pruned(tuple(messages), (), fits=True, tokens=1018)


def test_the_oldest_results_become_one_line_each_and_the_newest_stays() -> None:
    messages = turn(1) + turn(2) + turn(3)
    pruned = check(messages, 2500)
    assert results(pruned) == [LINE, LINE, "r" * 1000]
    assert [message.role for message in pruned.messages] == [message.role for message in messages]
    assert pruned.notes == ("2 texts were shortened to one line to fit the model's window.",)


def test_an_outdated_version_of_a_file_goes_before_what_is_older_and_still_true() -> None:
    messages = turn(1) + turn(2, "r" * 5000, "a.py") + turn(3, path="a.py") + turn(4)
    whole = "r" * 1000
    assert results(check(messages, 8000)) == [whole, OUTDATED.replace("1000", "5000"), whole, whole]


def test_a_file_that_went_along_is_outdated_by_a_call_that_read_it() -> None:
    item = rendered(ContextItem("file", "a.py", "r" * 1000))
    messages = [Message("user", (item, Text("look"))), Message("assistant", (Text("Yes."),)), *turn(2, path="a.py")]
    first = check(messages, 2000).messages[0]
    assert first.text() == (
        '<file from="a.py">\n[1 lines, 1001 characters, left out; a newer text stands below]\n</file>\nlook'
    )


def test_then_old_turns_go_but_for_the_words_of_the_user() -> None:
    messages = [message for number in range(12) for message in turn(number, "r" * 150)]
    pruned = check(messages, 1500)
    assert pruned.fits
    assert words(pruned) == [f"question {number}" for number in range(12)]
    assert pruned.messages[1] == Message("assistant", (LEFT_OUT,))
    assert pruned.messages[-4:] == tuple(turn(11, "r" * 150))


def test_at_last_the_oldest_words_go_too_and_the_model_is_told() -> None:
    messages = [message for number in range(200) for message in turn(number, "r" * 150)]
    pruned = check(messages, 2000)
    assert pruned.fits
    assert pruned.messages[0].text().partition("\n")[0].endswith("earlier turns were left out]")
    assert pruned.messages[-4:] == tuple(turn(199, "r" * 150))
    assert any("oldest turns were left out" in note for note in pruned.notes)


def test_the_rules_of_the_project_stay_when_their_turn_goes() -> None:
    rules = rendered(ContextItem("rules", "AGENTS.md", "Use tabs. " * 30))
    first = [Message("user", (Text("<context>\n"), rules, Text("</context>\n"), Text("question 0"))), *turn(0)[1:]]
    messages = [*first, *(message for number in range(1, 200) for message in turn(number, "r" * 150))]
    assert rules in check(messages, 3000).messages[0].parts


def test_what_is_pinned_stays_a_file_in_its_newest_version_and_a_turn_whole() -> None:
    messages = turn(0, path="a.py") + turn(1, path="a.py") + turn(2) + turn(3) + turn(4)
    assert results(check(messages, 4200, Kept(paths=frozenset(["a.py"])))) == [
        OUTDATED,
        "r" * 1000,
        *(LINE, LINE),
        "r" * 1000,
    ]
    pinned = check(messages, 4200, Kept(turns=frozenset([messages[8]])))
    assert pinned.messages[8:12] == tuple(turn(2))
    many = [message for number in range(100) for message in turn(number, "r" * 150)]
    left = check(many, 2500, Kept(turns=frozenset([many[4]])))
    assert left.messages[:4] != tuple(turn(1, "r" * 150))
    assert "r" * 150 in results(left)


def test_what_is_pinned_goes_rather_than_that_nothing_can_be_said() -> None:
    messages = [*turn(1, "r" * 5000), user_message("and now?")]
    pruned = check(messages, 1000, Kept(frozenset(["1.py"]), frozenset([messages[0]])))
    assert pruned.fits
    assert words(pruned)[-1] == "and now?"


def test_thoughts_stay_with_the_calls_that_came_of_them() -> None:
    thought = Reasoning("Hm", "anthropic", '{"type": "thinking"}')
    messages = turn(1) + turn(2)
    messages[5] = Message("assistant", (thought, *messages[5].parts))
    pruned = check(messages, 1600)
    kept = [message for message in pruned.messages if thought in message.parts]
    assert [len(message.tool_calls()) for message in kept] == [1]


def test_where_the_last_turn_alone_is_too_long_its_results_are_shortened_too() -> None:
    pruned = check(turn(1), 500)
    assert pruned.fits
    assert results(pruned) == [LINE]


def test_a_message_that_is_too_long_by_itself_does_not_fit() -> None:
    assert not check([user_message("x" * 100)], 50).fits


def test_where_results_are_not_enough_the_oldest_steps_of_the_turn_go() -> None:
    messages = [user_message("question")]
    for number in range(20):
        messages.append(Message("assistant", (Text("w" * 100), ToolCall(f"c{number}", "write_file", "{}"))))
        messages.append(Message("tool", (ToolResult(f"c{number}", "write_file", "Wrote it."),)))
    pruned = check(messages, 1000)
    assert pruned.fits
    first = pruned.messages[0].text()
    assert first.endswith("earlier steps were left out]\nquestion")
    assert pruned.messages[1:] == tuple(messages[-len(pruned.messages) + 1 :])
    assert pruned.notes == (f"In this turn {first[1:3]} oldest steps were left out to fit the model's window.",)


def test_what_went_with_an_old_turn_is_not_counted_as_room_for_the_new_words() -> None:
    assert not check([*turn(1), user_message("x" * 600)], 500).fits


def test_what_was_pruned_is_pruned_again_without_going_round_in_circles() -> None:
    talk: list[Message] = []
    for number in range(300):
        talk += turn(number, "r" * 400)
        pruned = check(talk, 3000)
        assert pruned.fits
        talk = list(pruned.messages)
    assert len(talk) < 100


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
    pruned = check(messages, room)
    calls = [part.id for m in pruned.messages for part in m.parts if isinstance(part, ToolCall)]
    answered = [part.call_id for m in pruned.messages for part in m.parts if isinstance(part, ToolResult)]
    assert calls == answered
    assert any(f"question {len(shape) - 1}" in message.text() for message in pruned.messages)
    assert pruned.fits == (pruned.tokens <= room)
    assert pruned.messages[0].role == "user"
    roles = [message.role for message in pruned.messages]
    assert ("user", "user") not in pairwise(roles)
