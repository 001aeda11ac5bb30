"""Making a conversation fit: in rare big steps, so that requests in between share their beginning.

Pure, and it counts nothing: sizes are given, and what is left of a message is taken to be smaller by its characters.
Calls and their results stay together, and so do a model's thoughts and the calls that came of them. First go texts that
are outdated or can be had again, then whole turns but for what the user said, last the user's own words.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from flux.context.item import ContextItem, read_rendered, rendered
from flux.context.shown import Shown, shown_in
from flux.core.messages import Image, Message, Part, Reasoning, Summary, Text, ToolCall, ToolResult, assistant_message

LOW_WATER = 0.6
"""After pruning the conversation fills at most this share of the room, so that it is not pruned again at once."""

WORDS_WATER = 0.8
"""The user's own words go only where it would fill more than this."""

SHORT_RESULT = 200
"""A text of so many characters or fewer is left as it is: its one-line form would save nothing."""

STAYING = frozenset(("rules", "summary"))
"""Items of these kinds stay longer than all else: what the project asks for, and what stands for earlier turns."""

LEFT_OUT = Text("(What I did and answered here was left out to save room.)")
_LEFT_OUT_TOKENS = 20


@dataclass(frozen=True, slots=True)
class Kept:
    """What is not taken out as long as anything else can be.

    `paths` are files whose newest text stays. `turns` are the user's messages whose whole turns stay.
    """

    paths: frozenset[str] = frozenset()
    turns: frozenset[Message] = frozenset()


@dataclass(frozen=True, slots=True)
class Pruned:
    """The conversation that fits. `notes` tell the user what was taken out; empty where nothing was.

    `tokens` are what it has by then, about.
    """

    messages: tuple[Message, ...]
    notes: tuple[str, ...]
    fits: bool
    tokens: int


def prune(messages: Sequence[Message], sizes: Sequence[int], room_tokens: int, kept: Kept | None = None) -> Pruned:
    """The conversation within `room_tokens`, unchanged where it fits already; `sizes` are tokens of each message.

    `fits` is false where even the last words of the user alone are too long. Linear in the number of messages.
    """
    total = sum(sizes)
    if total <= room_tokens:
        return Pruned(tuple(messages), (), fits=True, tokens=total)
    work = _Work(list(messages), list(sizes), total, kept or Kept())
    low = int(room_tokens * LOW_WATER)
    work.fold(low, lambda text: text.is_outdated and not text.stays)
    work.fold(low, lambda text: not text.is_newest and not text.stays)
    work.reduce_turns(low)
    work.drop_steps(low)
    work.drop_turns(int(room_tokens * WORDS_WATER))
    if work.total > room_tokens:
        # What was to stay, before the chat is stuck: the newest results, what is pinned, the current file.
        work.fold(room_tokens, lambda text: not text.stays)
        work.fold(room_tokens, lambda text: True)
        work.unpin(room_tokens)
    return work.result(room_tokens)


@dataclass(frozen=True, slots=True)
class _Text:
    """A text that can be left out. `at` is its message. `is_newest`: the model has not answered it yet, or just has.

    `stays`: the user wants it to, or it is the project's rules.
    """

    at: int
    shown: Shown
    is_outdated: bool
    is_newest: bool
    stays: bool


@dataclass(slots=True)
class _Work:
    messages: list[Message | None]
    """None: taken out."""
    sizes: list[int]
    total: int
    kept: Kept
    folded: int = 0
    reduced: int = 0
    dropped: int = 0
    steps: int = 0
    _starts: list[int] = field(default_factory=list[int])
    _newest: int = 0
    _texts: list[_Text] = field(default_factory=list[_Text])
    _pinned: set[int] = field(default_factory=set[int])
    """The beginnings of turns that stay, be it for one text of theirs."""

    def __post_init__(self) -> None:
        messages = [message for message in self.messages if message is not None]
        self._starts = [at for at, message in enumerate(messages) if message.role == "user"]
        last_start = self._starts[-1] if self._starts else 0
        newest = self._newest = max((at for at, message in enumerate(messages) if message.role == "tool"), default=0)
        calls: dict[str, ToolCall] = {}
        shown = [(at, one) for at, message in enumerate(messages) for one in shown_in(message, calls)]
        last_of: dict[tuple[str, str], int] = {}
        for number, (_, one) in enumerate(shown):
            if not one.is_pointer:
                last_of[one.subject] = number
        whole: set[int] = set()
        if self.kept.turns:
            ends = [*self._starts[1:], len(messages)]
            for start, end in zip(self._starts, ends, strict=True):
                if messages[start] in self.kept.turns:
                    whole.update(range(start, end))
        self._pinned = whole & set(self._starts)
        for number, (at, one) in enumerate(shown):
            is_outdated = last_of.get(one.subject, number) != number
            stays = at in whole or one.subject[0] in STAYING
            if one.path in self.kept.paths and not is_outdated:
                stays = True
                self._pinned.add(self._starts[max(bisect_right(self._starts, at) - 1, 0)])
            self._texts.append(_Text(at, one, is_outdated, at >= newest or at == last_start, stays))

    def fold(self, target: int, is_wanted: Callable[[_Text], bool]) -> None:
        """One line in the place of each text that is wanted, oldest first, until the target is reached."""
        self._texts = [
            text for text in self._texts if self.total <= target or not is_wanted(text) or not self._fold(text)
        ]

    def _fold(self, text: _Text) -> bool:
        message = self.messages[text.at]
        if message is None:
            return True
        part = message.parts[text.shown.at]
        short = _one_line(part, text)
        if short is None:
            return False
        parts = (*message.parts[: text.shown.at], short, *message.parts[text.shown.at + 1 :])
        self._put(text.at, Message(message.role, parts))
        self.folded += 1
        return True

    def _put(self, at: int, message: Message) -> None:
        """Another message in the place of one, which is taken to be smaller by its characters."""
        before = self.messages[at]
        assert before is not None, "what is taken out stays out"
        length = _length(before)
        share = _length(message) / length if length else 0.0
        size = min(round(self.sizes[at] * share) + 8, self.sizes[at])
        self.total += size - self.sizes[at]
        self.messages[at], self.sizes[at] = message, size

    def _take_out(self, start: int, end: int) -> None:
        self.total -= sum(self.sizes[start:end])
        self.messages[start:end] = [None] * (end - start)
        self.sizes[start:end] = [0] * (end - start)

    def reduce_turns(self, target: int) -> None:
        """Of old turns only what the user said, oldest first; the last turn is not old."""
        for start, end in pairwise(self._starts):
            if self.total <= target:
                return
            if start in self._pinned:
                continue
            asked = self.messages[start]
            assert asked is not None, "turns are taken out after this"
            if end - start == 2 and self.messages[start + 1] == assistant_message(LEFT_OUT):
                continue  # it was reduced before
            self._put(start, Message("user", (*staying_parts(asked), *_words(asked))))
            self._take_out(start + 1, end)
            if end - start > 1:
                self.messages[start + 1], self.sizes[start + 1] = assistant_message(LEFT_OUT), _LEFT_OUT_TOKENS
                self.total += _LEFT_OUT_TOKENS
            self.reduced += 1

    def drop_steps(self, target: int) -> None:
        """Of the last turn the oldest steps, calls and results together; those with the newest results stay."""
        if not self._starts or self._starts[-1] in self._pinned:
            return
        start = self._starts[-1]
        steps = [
            at
            for at in range(start + 1, self._newest)
            if (message := self.messages[at]) is not None and message.role == "assistant"
        ]
        for step, following in pairwise(steps):
            if self.total <= target:
                break
            self._take_out(step, following)
            self.steps += 1
        if self.steps:
            self._note(start, f"[{_counted(self.steps, 'earlier step')} left out]\n")

    def drop_turns(self, target: int) -> None:
        """Whole old turns with the user's words, oldest first."""
        rules: tuple[Part, ...] = ()
        is_any = False
        for start, end in pairwise(self._starts):
            if start in self._pinned:
                continue
            if self.total <= target:
                break
            if (message := self.messages[start]) is not None:
                rules += staying_parts(message)
            self._take_out(start, end)
            self.dropped += 1
            is_any = True
        if is_any:
            start = next(at for at in self._starts if self.messages[at] is not None)
            self._note(start, f"[{_counted(self.dropped, 'earlier turn')} left out]\n", rules)

    def unpin(self, target: int) -> None:
        """What is pinned goes like all else, rather than that nothing can be said any more."""
        if self.total > target and self._pinned:
            self._pinned.clear()
            self.reduce_turns(target)
            self.drop_turns(target)

    def _note(self, at: int, note: str, rules: tuple[Part, ...] = ()) -> None:
        message = self.messages[at]
        assert message is not None, "a note is put where something is"
        size = (len(note) + sum(map(_part_length, rules))) // 3
        self.messages[at] = Message(message.role, (Text(note), *rules, *message.parts))
        self.sizes[at] += size
        self.total += size

    def result(self, room_tokens: int) -> Pruned:
        notes: list[str] = []
        if self.folded:
            notes.append(f"{_counted(self.folded, 'text')} shortened to one line to fit the model's window.")
        if self.reduced > self.dropped:
            notes.append(
                f"{_counted(self.reduced - self.dropped, 'old turn')} left out but for your words, to fit the window."
            )
        if self.dropped:
            notes.append(f"{_counted(self.dropped, 'oldest turn')} left out to fit the model's window.")
        if self.steps:
            notes.append(f"In this turn {_counted(self.steps, 'oldest step')} left out to fit the model's window.")
        left = tuple(message for message in self.messages if message is not None)
        return Pruned(left, tuple(notes), fits=self.total <= room_tokens, tokens=self.total)


def _counted(number: int, what: str) -> str:
    return f"1 {what} was" if number == 1 else f"{number} {what}s were"


def staying_parts(message: Message) -> tuple[Part, ...]:
    """What stays of a message whose turn goes: the project's rules, and summaries of what went before."""
    return tuple(
        part
        for part in message.parts
        if isinstance(part, Summary)
        or (isinstance(part, Text) and (item := read_rendered(part)) is not None and item.kind in STAYING)
    )


def _words(message: Message) -> tuple[Part, ...]:
    """What the user said, alone; of pictures and all that went along nothing is left."""
    last = message.parts[-1] if message.parts else None
    return (last,) if isinstance(last, Text) and last.text.strip() else (Text("(no words)"),)


def _one_line(part: Part, text: _Text) -> Part | None:
    """What says that a text was here and how to have it again; None where that would not be shorter."""
    shown = text.shown
    if len(shown.text) <= SHORT_RESULT:
        return None
    lines = shown.text.count("\n") + (not shown.text.endswith("\n"))
    size = f"{lines} lines, {len(shown.text)} characters, left out"
    if isinstance(part, ToolResult):
        again = "a newer one stands below" if text.is_outdated else "call the tool again to see them"
        return ToolResult(part.call_id, part.name, f"[{part.name}: {size}; {again}]", part.is_error)
    kind, origin = shown.subject
    again = "a newer text stands below" if text.is_outdated else "look at it again where you need it"
    return rendered(ContextItem(kind, origin, f"[{size}; {again}]"))


def _length(message: Message) -> int:
    return sum(map(_part_length, message.parts))


def _part_length(part: Part) -> int:
    match part:
        case Text(text) | Reasoning(text):
            return len(text)
        case Summary(text, tokens=tokens):
            return len(text) + 4 * tokens
        case ToolResult(content=content):
            return len(content)
        case ToolCall(name=name, arguments_json=arguments):
            return len(name) + len(arguments)
        case Image():
            return 6_000  # about as many characters of text as it has tokens
