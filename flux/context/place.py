"""What stands at a place of a text, by the look of its lines: a `flux:` comment, a stub or TODO, a definition.

For menus, which must be made at once: nothing is parsed, and the cost does not grow with the file. Lines count from 0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from flux.workspace.index.plain import plain_outline, suffix_of

MAX_LINES = 5_000
"""So far up and down a definition is looked for."""
MAX_WIDTH = 500
"""What stands farther right in a line is not looked at."""


@dataclass(frozen=True, slots=True)
class Found:
    """The lines from `first` to `last`, both included. `name` is the definition's, or what the comment says."""

    first: int
    last: int
    name: str


_COMMENT = re.compile(r"(?:#|//|/\*|--|;|%|<!--|\"|')\s*flux:\s*(\S.*?)\s*(?:\*/|-->)?\s*$", re.IGNORECASE)
_TODO = re.compile(r"(?:#|//|/\*|\*|--|;|%|<!--)\s*(?:TODO|FIXME)\b[\s:(]*(.*?)\s*(?:\*/|-->)?\s*$")
_STUB = re.compile(
    r"""(?:^|:|\{)\s*(?:pass|\.\.\.|raise\ NotImplementedError\b.*|(?:todo|unimplemented)!\(.*
        |(?:throw|raise|panic|error|die|fail|abort)\b.*\b(?:not\W{0,3}implemented|unimplemented|unsupportedoperation)\b.*
        |throw\ new\ (?:NotImplemented|UnsupportedOperation)\w*\(.*|TODO\(.*)[\s;}]*$""",
    re.IGNORECASE | re.VERBOSE,
)
_NO_CODE = re.compile(r'("""|\'\'\')[\s\S]*?\1|^(?:#|//|/?\*|"|\').*$|^.*[,(:]$', re.MULTILINE)
_CLOSING = (")", "]", "}", "{", "end")
_NO_NAME = re.compile(
    "if|for|while|switch|catch|else|do|with|foreach|unless|until|match|when|elif|return|case|function|lock|using"
    "|synchronized|try|guard|select|fn|func"
)
_FUNCTION = re.compile(
    r"[\w<>\[\],.*&:?@~ \t]*?(?P<name>~?[A-Za-z_$][\w$]*)\s*\([^;{]*\)(?!\s*[,)])[\w\s:<>&*\[\],.?|-]*\{"
)
_HEAD_LINES = 6
_ASSIGNED = re.compile(
    r"(?P<name>[A-Za-z_$][\w$]*)\s*[:=]\s*(?:async\s*)?(?:function\b|(?:\([^()]*\)|[\w$]+)\s*(?::[^=]+)?=>).*[{(]\s*$"
)


def flux_comment(lines: Sequence[str], first: int, last: int) -> Found | None:
    """The first `flux:` comment in these lines."""
    return _first(_COMMENT, ("lux:", "LUX:"), lines, first, last)


def gap(lines: Sequence[str], first: int, last: int, definition: Found | None) -> Found | None:
    """A TODO in these lines, which has no name, or the definition if it is a stub."""
    if todo := _first(_TODO, ("TODO", "FIXME"), lines, first, last):
        return Found(todo.first, todo.last, "")
    if definition is None:
        return None
    head, *body = [line[:MAX_WIDTH].strip() for line in lines[definition.first : definition.last + 1] if line.strip()]
    code = [line for line in body if not line.startswith(_CLOSING)] or [head]
    if not _STUB.search(code[-1]) or _NO_CODE.sub("", "\n".join(code[:-1])).strip():
        return None  # above a stub's last line are the other lines of its head, and what is said of it
    return definition


def definition_at(lines: Sequence[str], line: int, path: str) -> Found | None:
    """The innermost definition that a line lies in, or that begins there."""
    if suffix_of(path) in {".md", ".markdown"} or line >= len(lines):
        return None
    at = next((n for n in range(line, min(line + MAX_LINES, len(lines))) if lines[n].strip()), None)
    if at is None:
        return None
    inside = _indent(lines[at]) + (at == line)
    for number in range(at if at == line else line, max(line - MAX_LINES, -1), -1):
        text = lines[number].strip()
        if not text or _indent(lines[number]) >= inside:
            continue
        if name := _name(lines, number, path):
            return Found(number, _end(lines, number), name)
        # A head of several lines ends with a line that begins like one, as deep as its first.
        inside = _indent(lines[number]) + text.startswith(_CLOSING)
    return None


def _first(
    pattern: re.Pattern[str], words: tuple[str, str], lines: Sequence[str], first: int, last: int
) -> Found | None:
    """The first line with one of the words that the pattern fits.

    To look for words takes a tenth of its time, and in all lines at once a tenth of that.
    """
    one, other = words
    text = "".join(lines[first : last + 1])
    if one not in text and other not in text:
        return None
    for number in range(first, min(last + 1, len(lines))):
        line = lines[number]
        if (one in line or other in line) and (found := pattern.search(line[:MAX_WIDTH].rstrip())):
            return Found(number, number, found[1])
    return None


def _name(lines: Sequence[str], number: int, path: str) -> str:
    """The name of the definition that begins in the line, empty where none does."""
    line = lines[number][:MAX_WIDTH].rstrip()
    if found := plain_outline(path, line.encode("utf-8", "replace")):
        return found[0].name.rpartition(".")[2]
    if match := _ASSIGNED.search(line):
        return match["name"]
    match = _FUNCTION.match("".join(one[:MAX_WIDTH] for one in lines[number : number + _HEAD_LINES]))
    return match["name"] if match and not _NO_NAME.fullmatch(match["name"]) and "=>" not in match[0] else ""


def _end(lines: Sequence[str], begin: int) -> int:
    """The last line of what begins there: what is deeper, and what closes it."""
    depth, last = _indent(lines[begin]), begin
    for number in range(begin + 1, min(begin + MAX_LINES, len(lines))):
        text = lines[number].strip()
        if not text:
            continue
        if _indent(lines[number]) > depth:
            last = number
        elif _indent(lines[number]) == depth and text.startswith(_CLOSING):
            last = number
            if text.startswith(("}", "end")):
                break
        else:
            break
    return last


def _indent(line: str) -> int:
    return len(line[: len(line) - len(line.lstrip())].expandtabs(4))
