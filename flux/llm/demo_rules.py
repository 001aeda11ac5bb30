"""What the demo model does to a text: rename, replace, outline, add a docstring. Fixed rules, pure functions.

A change is a mapping from zero-based lines to what stands there instead (also several lines, or nothing);
`unique_edits` makes of it the edits that a model would send: whole lines, quoted so that each is in the file once.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence

from flux.core.text import line_content, main_line_end, split_lines

Changes = Mapping[int, str]
Edit = dict[str, str | bool]

MAX_EDITS = 200

_DEFINITION = re.compile(
    r"^\s*(?:(?:export|default|pub(?:\([^)]*\))?|public|private|protected|static|final|abstract|async|unsafe|inline"
    r"|virtual|override|local)\s+)*"
    r"(?:def|class|function\*?|func|fn|fun|struct|enum|interface|trait|impl|type|module|namespace|macro_rules!|sub|proc"
    r"|defmodule|defp?|package)\s+[\w$(<\"'.:-]"
)
_HEADING = re.compile(r"^#{1,6}\s+\S")


class NotPython(Exception):
    """The text cannot be parsed; `str` says where."""


def word(name: str) -> re.Pattern[str]:
    """The name where it stands alone."""
    return re.compile(rf"(?<![\w$]){re.escape(name)}(?![\w$])")


def rename(lines: Sequence[str], name: str, other: str) -> dict[int, str]:
    """The lines in which the word stands, with the other in its place."""
    pattern = word(name)
    changes: dict[int, str] = {}
    for number, line in enumerate(lines):
        if name in line:
            renamed = pattern.sub(lambda _: other, line)
            if renamed != line:
                changes[number] = renamed
    return changes


def unique_edits(lines: Sequence[str], changes: Changes) -> list[Edit]:
    """The changes as edits whose `old_text` is in the text exactly once and which do not touch each other."""
    blocks = _blocks(sorted(changes))
    if len(blocks) > MAX_EDITS:
        blocks = [(blocks[0][0], blocks[-1][1])]
    text = "".join(lines)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    grown = sorted(_grown(text, starts, block) for block in blocks)
    joined: list[tuple[int, int]] = []
    for first, last in grown:
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return [
        {
            "old_text": "".join(lines[first : last + 1]),
            "new_text": "".join(changes.get(number, lines[number]) for number in range(first, last + 1)),
        }
        for first, last in joined
    ]


def _blocks(numbers: Sequence[int]) -> list[tuple[int, int]]:
    blocks: list[tuple[int, int]] = []
    for number in numbers:
        if blocks and number == blocks[-1][1] + 1:
            blocks[-1] = (blocks[-1][0], number)
        else:
            blocks.append((number, number))
    return blocks


def _grown(text: str, starts: Sequence[int], block: tuple[int, int]) -> tuple[int, int]:
    """The block with as many lines around it, above and below in turn, as make it unique."""
    first, last = block
    end = len(starts) - 2
    grows_up = True
    while True:
        old = text[starts[first] : starts[last + 1]]
        if text.find(old) == starts[first] and text.find(old, starts[first] + 1) == -1:
            return first, last
        if (grows_up and first > 0) or last == end:
            first -= 1
        else:
            last += 1
        grows_up = not grows_up


def outline(text: str, path: str) -> list[str]:
    """The lines that define something, with their numbers; in Markdown the headings."""
    is_markdown = path.lower().endswith((".md", ".markdown"))
    pattern = _HEADING if is_markdown else _DEFINITION
    found: list[str] = []
    for number, line in enumerate(split_lines(text), 1):
        if pattern.match(line):
            found.append(f"{number}: {line_content(line).rstrip().rstrip('{:').rstrip()}")
    return found


Documented = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def definitions(text: str) -> list[tuple[str, Documented]]:
    """Every function and class with its dotted name, in the order of the text. Raises NotPython."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what the user's code is warned of is not for our log
            tree = ast.parse(text)
    except SyntaxError as e:
        raise NotPython(f"line {e.lineno}: {e.msg}") from e
    except (ValueError, RecursionError, MemoryError) as e:
        raise NotPython(str(e) or "too deep") from e
    return list(_definitions(tree, ""))


def _definitions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Documented]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Documented):
            name = f"{prefix}{child.name}"
            yield name, child
            yield from _definitions(child, f"{name}.")
        elif isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield from _definitions(child, prefix)


def add_docstring(lines: Sequence[str], node: Documented) -> dict[int, str]:
    """The change that gives the definition a docstring made of its name and parameters."""
    first = node.body[0]
    decorators = first.decorator_list if isinstance(first, Documented) else []
    at = min([first.lineno, *(decorator.lineno for decorator in decorators)]) - 1
    line = lines[at]
    end = main_line_end("".join(lines))
    # `col_offset` counts bytes of UTF-8 (ast, "col_offset").
    column = len(line.encode("utf-8")[: first.col_offset].decode("utf-8")) if not decorators else _indent_width(line)
    head, rest = line[:column], line[column:]
    if not head.strip():
        return {at: f"{head}{_docstring(node)}{end}{line}"}
    # `def f(): return 1`: the body goes to lines of its own.
    indent = lines[node.lineno - 1][: _indent_width(lines[node.lineno - 1])]
    inner = indent + ("\t" if indent.startswith("\t") else "    ")
    return {at: f"{head.rstrip()}{end}{inner}{_docstring(node)}{end}{inner}{rest}"}


def _indent_width(line: str) -> int:
    return len(line) - len(line.lstrip(" \t\f"))


def _docstring(node: Documented) -> str:
    words = " ".join(part for part in re.split(r"_+|(?<=[a-z0-9])(?=[A-Z])", node.name) if part).lower()
    if isinstance(node, ast.ClassDef):
        methods = [child.name for child in node.body if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)]
        public = [name for name in methods if not name.startswith("_")]
        more = f" Has {_listed(public)}." if 0 < len(public) <= 5 else ""
        return f'"""{(words or node.name).capitalize()}.{more}"""'
    if node.name == "__init__":
        words = "set up"
    arguments = node.args
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    names = [name for name in names if name not in {"self", "cls"}]
    more = f" Takes {_listed(names)}." if 0 < len(names) <= 5 else ""
    return f'"""{(words or node.name).capitalize()}.{more}"""'


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def without_comment(lines: Sequence[str], first: int, last: int) -> dict[int, str]:
    """The change that removes the comment `flux: …` from the lines `first` to `last`, with lines that held only it."""
    changes: dict[int, str] = {}
    for number in range(max(first, 0), min(last + 1, len(lines))):
        line = lines[number]
        match = re.search(r"\s*(?:#|//|--|;|%|/\*|<!--)+\s*flux:", line, re.IGNORECASE)
        if match is None:
            continue
        kept = line[: match.start()]
        changes[number] = kept + line[len(line_content(line)) :] if kept.strip() else ""
    return changes
