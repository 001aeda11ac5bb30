"""What models put around the code they quote: fences, line numbers, escapes, typographic quotes.

Each unwrapping takes both texts alike. It is tried only where the texts as they came are not in the file, and what
comes out must be found like any other, so that a wrong one finds nothing.
"""

from __future__ import annotations

import html
import itertools
import json
import re
from collections.abc import Callable, Iterator

from flux.edits.line_table import plain

Texts = tuple[str, str]
"""(old, new), with line feeds only."""

_FENCE = re.compile(r"^\s*(`{3,}|~{3,})[^\n`]*\n(?:(.*)\n)?[ \t]*\1\s*$", re.DOTALL)
_NUMBERED = tuple(
    re.compile(form) for form in (r"[ \t]*(\d+) ?\| ?", r"[ \t]*(\d+): ?", r"[ \t]*(\d+)\t", r"[ \t]*(\d+)→")
)
_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|apos|#39|#x27);")
_PLAIN_QUOTE = re.compile(r'(?<!\\)"')


def unwrapped(old: str, new: str) -> Iterator[Texts]:
    """The texts with one wrapping taken off, then with two."""
    seen = {(old, new)}
    layer = [(old, new)]
    for _ in range(2):
        found: list[Texts] = []
        for texts, unwrap in itertools.product(layer, _UNWRAPPINGS):
            result = unwrap(*texts)
            if result is not None and result not in seen and result[0].strip():
                seen.add(result)
                found.append(result)
                yield result
        layer = found


def _without_fences(old: str, new: str) -> Texts | None:
    inside, new_inside = _FENCE.match(old), _FENCE.match(new)
    if inside is None:
        return None
    return inside[2] or "", (new_inside[2] or "") if new_inside else new


def _without_numbers(old: str, new: str) -> Texts | None:
    for form in _NUMBERED:
        old_lines = _numbered_lines(old, form, counts_up=True)
        if old_lines is not None:
            new_lines = _numbered_lines(new, form, counts_up=False)
            return old_lines, new if new_lines is None else new_lines
    return None


def _numbered_lines(text: str, form: re.Pattern[str], *, counts_up: bool) -> str | None:
    """The lines without their numbers; None unless every line that is not blank has one."""
    lines = text.split("\n")
    matches = [form.match(line) for line in lines]
    if any(match is None and line.strip() for match, line in zip(matches, lines, strict=True)):
        return None
    numbers = [int(match[1]) for match in matches if match]
    if not numbers or (counts_up and any(b != a + 1 for a, b in itertools.pairwise(numbers))):
        return None
    return "\n".join(line[match.end() :] if match else "" for match, line in zip(matches, lines, strict=True))


def _without_entities(old: str, new: str) -> Texts | None:
    return (html.unescape(old), html.unescape(new)) if _ENTITY.search(old) else None


def _without_escapes(old: str, new: str) -> Texts | None:
    """A text that came as the inside of a JSON string, in one line."""
    if "\n" in old.strip("\n") or "\\" not in old:
        return None
    old_decoded = _decoded(old)
    new_decoded = new if "\n" in new.strip("\n") else _decoded(new)
    if old_decoded is None or new_decoded is None or old_decoded == old:
        return None
    return old_decoded, new_decoded


def _decoded(text: str) -> str | None:
    quoted = _PLAIN_QUOTE.sub(r'\\"', text.replace("\n", "\\n"))
    try:
        value: object = json.loads(f'"{quoted}"')
    except ValueError:
        return None
    return value if isinstance(value, str) else None


def _without_typography(old: str, new: str) -> Texts | None:
    return None if plain(old) == old else (plain(old), plain(new))


_UNWRAPPINGS: tuple[Callable[[str, str], Texts | None], ...] = (
    _without_fences,
    _without_numbers,
    _without_entities,
    _without_escapes,
    _without_typography,
)
