"""What the conversation shows already: files as they went along with messages, and what calls found.

What is there and is the same is only pointed to, and of what has changed the difference is told. Looks at messages
alone: what pruning took out is not shown any more, and what another process showed is.
"""

from __future__ import annotations

import difflib
import json
import posixpath
import re
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace

from flux.context.item import ContextItem, read_rendered
from flux.core.messages import Message, Text, ToolCall, ToolResult
from flux.core.text import split_lines

WORTH_CHARACTERS = 400
"""A shorter text is shown again: to look it up above costs the model as much."""
DIFFERENCE_SHARE = 0.5
"""A difference that is longer than this share of the text is no help: the text is shown."""

UNCHANGED = "[unchanged since it was shown above]"
CHANGED = "[changed since it was shown above, by this difference:]"

Subject = tuple[str, str]
"""What a text is of: `("file", path)`, or a tool's name and its arguments, or `files` and them."""
SEVERAL = "files"
_HEADING = re.compile(r"\[(?P<name>.+): (?P<lines>\d+) lines(?:, a part)?\]\n")
"""What stands before each file in an answer of several: so many lines are its text."""
_PART_HEADING = re.compile(r"\[(?P<path>.+) lines (?P<first>\d+)-(?P<last>\d+) of \d+\]\n")
"""How a text begins that is of a part of a file"""
_PART = re.compile(r"(?P<path>.+) lines? (?P<first>\d+)(?:-(?P<last>\d+))?")
"""and how else that is said, in an item's origin."""
QUOTED = 120
"""So many characters of a line are enough to find it."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A text that shows something as it was then. `at` is the part of the message; `path`: of this file, all of it."""

    at: int
    subject: Subject
    text: str

    @property
    def path(self) -> str:
        return self.subject[1] if self.subject[0] == "file" else ""

    @property
    def is_pointer(self) -> bool:
        """It says only what has become of a text that stands above."""
        texts = files_in(self.text)[0].values() if self.subject[0] == SEVERAL else (self.text,)
        return any(text.startswith((UNCHANGED, CHANGED)) for text in texts)


def shown_in(message: Message, calls: MutableMapping[str, ToolCall]) -> Iterator[Shown]:
    """What the message shows. `calls` are those of the messages before it, by id, to which its own are added."""
    for at, part in enumerate(message.parts):
        match part:
            case ToolCall():
                calls[part.id] = part
            case ToolResult(call_id, name, content, is_error):
                known = call_id in calls and not is_error
                yield Shown(at, subject_of(calls[call_id]) if known else (name, call_id), content)
            case Text() if message.role == "user" and (item := read_rendered(part)) is not None:
                yield Shown(at, (item.kind, item.origin), item.text)
            case _:
                pass


def subject_of(call: ToolCall) -> Subject:
    """What a call looks at: equal calls at the same. A file that is read whole is the same as one that went along."""
    arguments = call.arguments_json
    try:
        given = call.arguments()
    except ValueError:
        return call.name, arguments
    if call.name == "read_file" and set(given) == {"path"}:
        return "file", posixpath.normpath(str(given["path"]))
    if call.name == "read_file" and "paths" in given:
        return SEVERAL, arguments
    return call.name, json.dumps(given, sort_keys=True)


def files_in(text: str) -> tuple[Mapping[str, str], str]:
    """The files in an answer of several, by name, and what stands behind them."""
    lines = split_lines(text)
    files: dict[str, str] = {}
    at = 0
    while at < len(lines) and (heading := _HEADING.fullmatch(lines[at])):
        end = at + 1 + int(heading["lines"])
        files[heading["name"]] = "".join(lines[at + 1 : end])
        at = end + (lines[end : end + 1] == ["\n"])
    return files, "".join(lines[at:])


@dataclass(slots=True)
class Memory:
    """The newest text of each subject in a conversation."""

    _texts: dict[Subject, str] = field(default_factory=dict[Subject, str])
    _calls: dict[str, ToolCall] = field(default_factory=dict[str, ToolCall])
    _seen: list[Message] = field(default_factory=list[Message])

    def look_at(self, messages: Sequence[Message]) -> None:
        """Remember what these show; of a conversation that only grew, only what is new is looked at."""
        known = len(self._seen)
        if known > len(messages) or (known and messages[known - 1] is not self._seen[-1]):
            self._texts.clear()
            self._calls.clear()
            known = 0
        for message in messages[known:]:
            self.take(message)
        self._seen = list(messages)

    def take(self, message: Message) -> None:
        """Remember what this shows too; it may come again, with the conversation."""
        for shown in shown_in(message, self._calls):
            if shown.subject[0] == SEVERAL:
                for name, text in files_in(shown.text)[0].items():
                    if not text.startswith((UNCHANGED, CHANGED)):
                        self._texts["file", name] = text
            elif not shown.is_pointer:
                self._texts[shown.subject] = shown.text

    def files(self) -> Sequence[str]:
        """The names of the files that are shown."""
        return [name for kind, name in self._texts if kind == "file"]

    def told(self, items: Iterable[ContextItem]) -> list[ContextItem]:
        """The items of one message, each with as much of its text as is not known yet, be it from those before it."""
        known = ChainMap[Subject, str]({}, self._texts)
        told: list[ContextItem] = []
        for item in items:
            subject = (item.kind, item.origin)
            if item.kind == "file":
                told.append(replace(item, text=_news(known, subject, item.text)))
                known[subject] = item.text
            else:
                told.append(replace(item, text=_pointer(known, subject, item.text) or item.text))
        return told

    def told_result(self, call: ToolCall, text: str) -> str:
        """A call's result, with as much of it as is not known yet."""
        subject = subject_of(call)
        if subject[0] != SEVERAL:
            return _news(self._texts, subject, text)
        files, rest = files_in(text)
        told = [_under_heading(name, _news(self._texts, ("file", name), whole)) for name, whole in files.items()]
        return "\n".join([*told, rest] if rest else told)


def _news(known: Mapping[Subject, str], subject: Subject, text: str) -> str:
    """As much of the text as is not known yet."""
    if pointer := _pointer(known, subject, text):
        return pointer
    before = known.get(subject)
    if before is None or len(text) < WORTH_CHARACTERS:
        return text
    if before.rstrip("\n") == text.rstrip("\n"):
        return UNCHANGED
    lines = difflib.unified_diff(before.splitlines(), text.splitlines(), "shown", "now", n=2, lineterm="")
    difference = "\n".join(lines)
    return f"{CHANGED}\n{difference}" if len(difference) < len(text) * DIFFERENCE_SHARE else text


def _pointer(known: Mapping[Subject, str], subject: Subject, text: str) -> str:
    """Says where the text stands, where it is a part of a file that is shown; else empty."""
    heading = _PART_HEADING.match(text)
    part = heading or _PART.fullmatch(subject[1])
    whole = known.get(("file", part["path"])) if part else None
    if part is None or whole is None or len(text) < WORTH_CHARACTERS:
        return ""
    first, last = int(part["first"]), int(part["last"] or part["first"])
    lines = split_lines(text[heading.end() if heading else 0 :])[: last - first + 1]
    if "".join(lines).rstrip("\n") != "".join(split_lines(whole)[first - 1 : last]).rstrip("\n"):
        return ""
    begin, end = (line.strip()[:QUOTED] for line in (lines[0], lines[-1]))
    return f"{UNCHANGED}\nfrom: {begin}\nto: {end}"


def _under_heading(name: str, text: str) -> str:
    text = text.removesuffix("\n") + "\n" if text else ""
    return f"[{name}: {len(split_lines(text)) - 1} lines]\n{text}"
