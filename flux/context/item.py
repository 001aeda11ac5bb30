"""What the user is looking at, and a piece of what the model is shown."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from flux.core.diagnostics import Diagnostic
from flux.core.messages import Text
from flux.core.snapshot import WorkspacePath
from flux.core.text import Range


@dataclass(frozen=True, slots=True)
class Focus:
    """Where the user is: a file, perhaps a selection in it, and the problems they point at.

    `selection` is in code points of the file's current text; None means the whole file.
    """

    path: WorkspacePath
    selection: Range | None = None
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True)
class ContextItem:
    """One piece for the model. `kind` is a word such as `file` or `rules`; `origin` says where it is from."""

    kind: str
    origin: str
    text: str


def cut(item: ContextItem, limit: int) -> ContextItem:
    """The item with at most `limit` characters of its text, and how many are missing."""
    if len(item.text) <= limit:
        return item
    left_out = len(item.text) - limit
    return replace(item, text=f"{item.text[:limit]}\n[… {left_out} more characters; read_file shows them]")


_QUOTE = "&quot;"
_BEGIN = re.compile(r'<(\w+) from="([^"\n]*)">\n')


def rendered(item: ContextItem) -> Text:
    """The item as a part of a message."""
    end = "" if item.text.endswith("\n") else "\n"
    origin = item.origin.replace('"', _QUOTE)  # a file's name may have one
    return Text(f'<{item.kind} from="{origin}">\n{item.text}{end}</{item.kind}>\n')


def read_rendered(part: Text) -> ContextItem | None:
    """The item that such a part is of, None for any other text. A final newline that was added is part of its text."""
    begin = _BEGIN.match(part.text)
    if begin is None or not part.text.endswith(f"</{begin[1]}>\n"):
        return None
    return ContextItem(begin[1], begin[2].replace(_QUOTE, '"'), part.text[begin.end() : -len(begin[1]) - 4])
