"""What the demo model understands: a handful of sentences, anywhere in the user's words.

`IN FILE` may be left out where the request names a current file, by a line `Current file: PATH`. Names and files may be
quoted, files also mentioned as `@PATH`. Where several sentences stand in a text, the last is meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from flux.core.messages import Message, Text

_QUOTED = r"(?:\"((?:[^\"\\]|\\.)*)\"|“([^”]*)”|'((?:[^'\\]|\\.)*)'|`([^`]*)`)"
_NAME = r"[`'\"]?([^\W\d][\w$]*(?:\.[^\W\d]\w*)*)(?:\(\))?[`'\"]?"
_KIND = r"(?:the\s+)?(?:(?:function|method|class|variable|constant|parameter|argument|module|name)\s+)?"
_FILE = r"(?:(?:the|this|current)\s+)*(?:file\s+)?(?:\"([^\"\n]+)\"|`([^`\n]+)`|'([^'\n]+)'|([^\s\"'`,;]+))"
_IN_FILE = rf"(?:\s+(?:in|of|from)\s+{_FILE})?"
_END = r"(?=\s*(?:[.!?,;]*\s*$|[.!?,;]\s|\n|\sand\s|\sthen\s|\splease\b))"
_THIS_FILE = {"this", "it", "here", "file"}

CurrentAction = Literal["document", "explain", "refuse"]


@dataclass(frozen=True, slots=True)
class Rename:
    name: str
    other: str
    file: str


@dataclass(frozen=True, slots=True)
class Replace:
    old: str
    new: str
    file: str


@dataclass(frozen=True, slots=True)
class Show:
    file: str


@dataclass(frozen=True, slots=True)
class Outline:
    file: str


@dataclass(frozen=True, slots=True)
class AddDocstring:
    """`name` empty: to what is selected, else to the first definition that has none."""

    name: str
    file: str


@dataclass(frozen=True, slots=True)
class Find:
    """`place` is a folder, a file or empty."""

    pattern: str
    place: str


@dataclass(frozen=True, slots=True)
class ListAll:
    folder: str


@dataclass(frozen=True, slots=True)
class Create:
    file: str
    text: str


@dataclass(frozen=True, slots=True)
class NameChanges:
    """Name the files of a diff, as a commit message."""

    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Beyond:
    """Understood, and more than fixed rules can do."""

    wish: str


Sentence = Rename | Replace | Show | Outline | AddDocstring | Find | ListAll | Create | NameChanges | Beyond


@dataclass(frozen=True, slots=True)
class Wish:
    """The last message of the user. `lines` are the selected ones, zero-based, both included.

    `is_comment`: the sentence stands in a comment of the selection, which is to go.
    """

    sentence: Sentence | None
    current_file: str = ""
    lines: tuple[int, int] | None = None
    is_comment: bool = False


def read_wish(message: Message) -> Wish:
    """What the user asks for. Their own words are the last text of the message; what is before it is context."""
    texts = [part.text for part in message.parts if isinstance(part, Text)] or [""]
    whole = "\n".join(texts)
    file = re.search(r"^Current file: (.+?)\s*$", whole, re.MULTILINE)
    current = file[1] if file else ""
    selection = re.search(r'^<selection from=".* lines? (\d+)(?:-(\d+))?">', whole, re.MULTILINE)
    lines = (int(selection[1]) - 1, int(selection[2] or selection[1]) - 1) if selection else None
    words = texts[-1]
    action = re.search(
        r"\bInstruction:\s*(fix|implement|improve|write tests|write a commit message|explain|document|do what)\b", words
    )
    if action is None:
        return Wish(_last_sentence(words), current, lines)
    match action[1]:
        case "document":
            return Wish(AddDocstring("", ""), current, lines)
        case "explain":
            return Wish(Outline(""), current, lines)
        case "write a commit message":
            named = re.findall(r"^(?:\+\+\+ b/|--- a/|\? )(.+)$", words, re.MULTILINE)
            return Wish(NameChanges(tuple(dict.fromkeys(named))), current, lines)
        case "do what":
            comment = words.rpartition("The comment:")[2]
            return Wish(_last_sentence(comment), current, lines, is_comment=True)
        case wish:
            return Wish(Beyond(wish), current, lines)


def _last_sentence(text: str) -> Sentence | None:
    found: list[tuple[int, int, Sentence]] = []
    for pattern, make in _SENTENCES:
        for match in pattern.finditer(text):
            found.append((match.start(), match.end(), make([group or "" for group in match.groups()])))
    # A sentence inside the quotes of another is that one's text.
    outer = [one for one in found if not any(o[0] < one[0] and one[1] <= o[1] for o in found)]
    return max(outer, key=lambda one: (one[0], one[1]))[2] if outer else None


def _file(groups: Sequence[str]) -> str:
    """The file of the four groups of `_FILE`; empty for `this file` and the like."""
    quoted = next((group for group in groups[:3] if group), "")
    file = quoted or groups[3].rstrip(".!?:)").removeprefix("@")
    return "" if not quoted and file.lower() in _THIS_FILE else file


def _quoted(groups: Sequence[str]) -> str:
    """The text of the four groups of `_QUOTED`. In straight quotes backslash n, t and quote are read as in code."""
    double, curly, single, tick = groups
    if curly or tick:
        return curly or tick
    escapes = {"n": "\n", "t": "\t", '"': '"', "'": "'", "\\": "\\"}
    return re.sub(r"\\(.)", lambda m: escapes.get(m[1], m[0]), double or single, flags=re.DOTALL)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE | re.MULTILINE)


_SENTENCES: tuple[tuple[re.Pattern[str], Callable[[list[str]], Sentence]], ...] = (
    (
        _pattern(rf"\brename\s+{_KIND}{_NAME}\s+(?:to|into|as)\s+{_NAME}{_IN_FILE}"),
        lambda g: Rename(g[0], g[1], _file(g[2:])),
    ),
    (
        _pattern(rf"\b(?:replace|change)\s+{_QUOTED}\s+(?:with|by|to)\s+{_QUOTED}{_IN_FILE}"),
        lambda g: Replace(_quoted(g[:4]), _quoted(g[4:8]), _file(g[8:])),
    ),
    (
        _pattern(
            rf"\badd\s+(?:a\s+)?(?:doc\s?strings?|documentation|doc\s+comment)\s+(?:to|for)\s+{_KIND}{_NAME}{_IN_FILE}"
        ),
        lambda g: AddDocstring(g[0], _file(g[1:])),
    ),
    (
        _pattern(rf"\bcreate\s+{_FILE}\s+(?:with|containing)\s+{_QUOTED}"),
        lambda g: Create(_file(g[:4]), _quoted(g[4:])),
    ),
    (_pattern(rf"\b(?:show|read)\s+(?:me\s+)?{_FILE}{_END}"), lambda g: Show(_file(g))),
    (_pattern(rf"\boutline\s+(?:of\s+)?{_FILE}{_END}"), lambda g: Outline(_file(g))),
    (_pattern(rf"\blist\s+(?:the\s+|all\s+)*files(?:\s+(?:in|of|below)\s+{_FILE})?"), lambda g: ListAll(_file(g))),
    (
        _pattern(rf"\b(?:find|search\s+for|search)\s+(?:{_QUOTED}|([^\s\"'`,;]+?))(?:\s+in\s+{_FILE})?{_END}"),
        lambda g: Find(_quoted(g[:4]) or g[4], _file(g[5:])),
    ),
)
