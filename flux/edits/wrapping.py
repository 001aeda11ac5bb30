"""What models put around the code they quote: fences, line numbers, escapes, typographic quotes.

Each unwrapping takes both texts alike. It is tried only where the texts as they came are not in the file, and what
comes out must be found like any other, so that a wrong one finds nothing.
"""

from __future__ import annotations

import html
import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence

from flux.edits.line_table import plain

Texts = tuple[str, str]
"""(old, new), with line feeds only."""

_FENCE = re.compile(r"^\s*(`{3,}|~{3,})[^\n`]*\n(?:(.*)\n)?[ \t]*\1\s*$", re.DOTALL)
_NUMBERED = tuple(
    re.compile(rf"[ \t]*L?(\d+)(?:{mark}{blanks}|(?:{mark})?[ \t]*$)")
    for mark, blanks in (
        (r" [|│]", " "),
        (r" ?[|│]", ""),
        (r"[|│]", " "),
        (":", " "),
        (":", ""),
        (r"\t", ""),
        ("→", ""),
        (r"\.", " "),
        ("  ", ""),
        ("-", ""),
    )
)
"""Forms of line numbers; several may fit, and the one whose code is in the file to the letter is taken."""

_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|apos|#39|#x27);")
_BEGINS_WITH_NUMBER = re.compile(r"\s*L?\d+(?:\W|$)")
_PLAIN_QUOTE = re.compile(r'(?<!\\)"')


def unwrapped(old: str, new: str) -> Iterator[Texts]:
    """The texts with one wrapping taken off, then with two. Several where it can be read in several ways."""
    seen = {(old, new)}
    layer = [(old, new)]
    for _ in range(2):
        found: list[Texts] = []
        for texts, unwrap in itertools.product(layer, _UNWRAPPINGS):
            for result in unwrap(*texts):
                if result not in seen and result[0].strip():
                    seen.add(result)
                    found.append(result)
                    yield result
        layer = found


def _without_fences(old: str, new: str) -> Iterator[Texts]:
    inside, new_inside = _FENCE.match(old), _FENCE.match(new)
    if inside is not None:
        yield inside[2] or "", (new_inside[2] or "") if new_inside else new


def _without_numbers(old: str, new: str) -> Iterator[Texts]:
    if not _BEGINS_WITH_NUMBER.match(old):
        return
    for form in _NUMBERED:
        numbered = _numbered_lines(old, form)
        if numbered is not None:
            yield numbered[0], _without_same_numbers(new, form, numbered[1])


def _numbered_lines(text: str, form: re.Pattern[str]) -> tuple[str, Sequence[int]] | None:
    """The lines without their numbers, and these; None unless every line that is not blank has one and they count up.

    A line end at the end is that of the last line.
    """
    lines = text.split("\n")
    matches = [form.match(line) for line in lines]
    if any(match is None and line.strip() for match, line in zip(matches, lines, strict=True)):
        return None
    numbers = [int(match[1]) for match in matches if match]
    if not numbers or any(b != a + 1 for a, b in itertools.pairwise(numbers)):
        return None
    return "\n".join(line[match.end() :] if match else "" for match, line in zip(matches, lines, strict=True)), numbers


def _without_same_numbers(new: str, form: re.Pattern[str], numbers: Sequence[int]) -> str:
    """The new text without numbers, if it has them: lines that were added may have none, or any."""
    lines = new.split("\n")
    matches = [form.match(line) for line in lines]
    own = [int(match[1]) for match in matches if match]
    telling = sum(1 for line in lines if line.strip())
    is_whole = len(own) >= telling and all(a <= b for a, b in itertools.pairwise(own))
    if not own or not (
        own[0] == numbers[0] or (is_whole and own[0] in numbers) or set(own) >= set(numbers[1:-1]) != set()
    ):
        return new
    if 2 * len(own) < telling:
        return new
    return "\n".join(line[match.end() :] if match else line for match, line in zip(matches, lines, strict=True))


def _without_entities(old: str, new: str) -> Iterator[Texts]:
    if _ENTITY.search(old):
        yield html.unescape(old), html.unescape(new)


def _without_escapes(old: str, new: str) -> Iterator[Texts]:
    """Texts that came as the inside of a JSON string, in one line."""
    if "\n" in old.strip("\n") or "\\" not in old:
        return
    old_decoded = _decoded(old)
    new_decoded = new if "\n" in new.strip("\n") else _decoded(new)
    if old_decoded is not None and new_decoded is not None and old_decoded != old:
        yield old_decoded, new_decoded


def _decoded(text: str) -> str | None:
    quoted = _PLAIN_QUOTE.sub(r'\\"', text.replace("\n", "\\n").replace("\t", "\\t"))
    try:
        value: object = json.loads(f'"{quoted}"')
    except ValueError:
        return None
    return value if isinstance(value, str) else None


def _without_typography(old: str, new: str) -> Iterator[Texts]:
    if plain(old) != old:
        yield plain(old), plain(new)


_UNWRAPPINGS: tuple[Callable[[str, str], Iterator[Texts]], ...] = (
    _without_fences,
    _without_numbers,
    _without_entities,
    _without_escapes,
    _without_typography,
)
