"""Positions and edits as an editor reads them, written apart from Flux's own so that what it sends is really read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lsprotocol import types

UNIT_BYTES = {"utf-8": 1, "utf-16": 2, "utf-32": 4}
ANY_LINE_END = r"\r\n|\r|\n"


def offset_of(text: str, position: types.Position, encoding: str, line_ends: str = ANY_LINE_END) -> int:
    """Where an LSP position is in the text, counted in encoded bytes."""
    lines = _lines(text, line_ends)
    if position.line >= len(lines):
        return len(text)
    content = re.sub(rf"(?:{line_ends})\Z", "", lines[position.line])
    head = content.encode(_codec(encoding))[: position.character * UNIT_BYTES[encoding]]
    return sum(map(len, lines[: position.line])) + len(
        head.decode(_codec(encoding), "ignore")
    )  # half a character: none


def position_of(text: str, offset: int, encoding: str, line_ends: str = ANY_LINE_END) -> types.Position:
    """The LSP position of an offset, which is not between the two characters of a line end."""
    before = _lines(text[:offset], line_ends)
    if re.search(rf"(?:{line_ends})\Z", text[:offset]):
        before.append("")
    units = len(before[-1].encode(_codec(encoding))) // UNIT_BYTES[encoding] if before else 0
    return types.Position(max(len(before) - 1, 0), units)


def with_edits(text: str, edits: Sequence[types.TextEdit], encoding: str, line_ends: str = ANY_LINE_END) -> str:
    before = text
    for edit in last_first(edits):
        start, end = (offset_of(before, place, encoding, line_ends) for place in (edit.range.start, edit.range.end))
        text = text[:start] + edit.new_text + text[end:]
    return text


def last_first(edits: Sequence[types.TextEdit]) -> list[types.TextEdit]:
    """The edits so that each leaves the places of those after it as they are."""
    in_order = sorted(edits, key=lambda edit: (edit.range.start.line, edit.range.start.character))
    return in_order[::-1]


def common_length(a: str, b: str) -> int:
    """How long the beginning is that both have."""
    return next((at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def path_of(uri: str) -> Path:
    return Path(unquote(urlsplit(uri).path))


def _codec(encoding: str) -> str:
    return encoding if encoding == "utf-8" else f"{encoding}-le"


def _lines(text: str, line_ends: str) -> list[str]:
    """With their ends, and a last one without."""
    lines: list[str] = []
    at = 0
    for found in re.finditer(line_ends, text):
        lines.append(text[at : found.end()])
        at = found.end()
    return [*lines, text[at:]] if at < len(text) or not lines else lines
