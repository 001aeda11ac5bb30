"""How models misquote what they mean: each mistake with the text that must come of it all the same."""

from __future__ import annotations

import html
import itertools
import json
import random
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from tests.support.edit_corpus.cases import Case, Label, start_of_line
from tests.support.edit_corpus.hunks import Hunk, Step, occurrences

Lines = Sequence[str]
Change = Callable[[str], str]


def mistakes(hunk: Hunk, rnd: random.Random) -> Iterator[Case]:
    """All cases of an edit that may be made."""
    for perturb in _PERTURBATIONS:
        yield from perturb(hunk, rnd)


def asked(
    kind: str,
    hunk: Hunk,
    *,
    seen: Lines | None = None,
    seen_added: Lines | None = None,
    file: Lines | None = None,
    file_added: Lines | None = None,
    label: Label = "apply",
) -> Iterator[Case]:
    """The case where the model believes the lines to be as `seen` and the file has them as `file`.

    Nothing where the quoted lines stand in two places if one looks less closely: the label would not be certain.
    """
    lines = hunk.lines if file is None else file
    old, new = "\n".join(hunk.old(seen)), "\n".join(hunk.new(seen, seen_added))
    if len(places(lines, hunk.old(seen))) == 1 and occurrences("\n".join(lines), old.strip()) <= 1:
        start, end = start_of_line(lines, hunk.start), start_of_line(lines, hunk.end) - 1
        result = "\n".join(hunk.result(lines, file_added))
        source = f"{hunk.package} {hunk.path}:{hunk.start + 1}"
        if result != "\n".join(lines) and old != new:
            yield Case(kind, label, source, "\n".join(lines), old, new, (result,), (start, end))


def rewritten(case: Case, kind: str, text: Change = str, quote: Change = str) -> Case:
    """The case with its file changed by `text` and what the model sends by `quote`."""
    start, end = case.region or (0, 0)
    return replace(
        case,
        kind=kind,
        text=text(case.text),
        old=quote(case.old),
        new=quote(case.new),
        expected=tuple(map(text, case.expected)),
        region=(len(text(case.text[:start])), len(text(case.text[:end]))),
    )


def look(line: str) -> str:
    """What of a line is seen when one looks least closely."""
    plain = unicodedata.normalize("NFKC", line).translate(str.maketrans("‘’“”–—", "''\"\"--"))
    return "".join(plain.split())


def indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def places(lines: Lines, block: Lines) -> list[int]:
    """Where the block stands if one looks least closely, blank lines at its ends left aside."""
    wanted = [look(line) for line in block]
    while wanted and not wanted[-1]:
        wanted.pop()
    while wanted and not wanted[0]:
        wanted.pop(0)
    looks = [look(line) for line in lines]
    return [i for i in range(len(looks) - len(wanted) + 1) if looks[i : i + len(wanted)] == wanted]


def _with_line_end(cases: Iterator[Case]) -> Iterator[Case]:
    """The cases, and those with the last line's end in both texts."""
    for case in cases:
        yield case
        start, end = case.region or (0, 0)
        if case.text[end : end + 1] == "\n" and end > start:
            yield replace(case, kind=f"{case.kind} +end", old=f"{case.old}\n", new=f"{case.new}\n")


def _on(lines: Lines, change: Change) -> list[str]:
    return [change(line) if line.strip() else line for line in lines]


def _telling(hunk: Hunk) -> list[str]:
    return [line for line in [*hunk.old(), *hunk.added] if line.strip()]


def _has_blanks_for_lines(hunk: Hunk) -> bool:
    return any(line and not line.strip() for line in [*hunk.old(), *hunk.added])


# As it stands ---------------------------------------------------------------------------------------------------------


def _exact(hunk: Hunk, rnd: random.Random) -> Iterator[Case]:
    del rnd
    yield from _with_line_end(asked("exact", hunk))
    for case in asked("exact", hunk):
        yield rewritten(case, "CRLF in the file", lambda text: text.replace("\n", "\r\n"))
        yield rewritten(case, "CR in the file", lambda text: text.replace("\n", "\r"))
        yield rewritten(case, "CRLF from the model", quote=lambda text: text.replace("\n", "\r\n"))
        yield rewritten(case, "byte order mark", lambda text: f"\ufeff{text}")
        middle = start_of_line(hunk.lines, max(0, hunk.start - 2))
        head, tail = case.text[:middle], case.text[middle:]
        (after,) = case.expected
        if after.startswith(head):
            for kind, ends in {"LF, then CRLF": ("\n", "\r\n"), "CRLF, then LF": ("\r\n", "\n")}.items():
                first = head.replace("\n", ends[0])
                texts = (first + tail.replace("\n", ends[1]), first + after[middle:].replace("\n", ends[1]))
                start, end = case.region or (0, 0)
                region = (len(first) - len(head) + start, len(first) - len(head) + 2 * end - start)
                yield replace(case, kind=kind, text=texts[0], expected=(texts[1],), region=region)


def _removed(hunk: Hunk, rnd: random.Random) -> Iterator[Case]:
    """The quoted lines are to go, with their line ends."""
    lines = tuple(Step("drop", number) for number in range(hunk.start, hunk.end))
    common = min((len(indent(line)) for line in hunk.old() if line.strip()), default=0)
    width = rnd.randint(0, common)
    cut = _on(hunk.lines, lambda line: line[min(width, len(indent(line))) :])
    for case in asked("removed, indentation cut" if width else "removed", replace(hunk, steps=lines), seen=cut):
        if hunk.end < len(hunk.lines):
            yield replace(case, old=f"{case.old}\n")


def _part_of_a_line(hunk: Hunk, rnd: random.Random) -> Iterator[Case]:
    """By the letter, whatever the lines around it."""
    text = "\n".join(hunk.lines)
    line = max(hunk.old(), key=len)
    words = [match for match in re.finditer(r"\w+(?:\W+\w+)?", line) if occurrences(text, match.group()) == 1]
    if words:
        old = rnd.choice(words).group()
        new = f"{old}_{rnd.randrange(10)}"
        at = text.index(old)
        source = f"{hunk.package} {hunk.path}:{hunk.start + 1}"
        yield Case("part of a line", "apply", source, text, old, new, (text.replace(old, new),), (at, at + len(old)))


def _last_line_without_end(hunk: Hunk, rnd: random.Random) -> Iterator[Case]:
    del rnd
    if not hunk.lines[hunk.end - 1].strip() or not hunk.new() or not hunk.new()[-1].strip():
        return
    for case in asked("no final line end", hunk, file=hunk.lines[: hunk.end]):
        yield case
        yield rewritten(case, "no final line end, quoted with one", quote=lambda text: f"{text}\n")


# Blanks ---------------------------------------------------------------------------------------------------------------


def _blanks_at_line_ends(hunk: Hunk, rnd: random.Random) -> Iterator[Case]:
    if not hunk.is_certain or _has_blanks_for_lines(hunk):
        return
    ragged = [line + rnd.choice(["", " ", "  ", "\t"]) if line else rnd.choice(["", "    "]) for line in hunk.lines]
    if hunk.old(ragged) != hunk.old():
        yield from _with_line_end(asked("blanks at line ends in the file", hunk, file=ragged))
        yield from _with_line_end(asked("blanks at line ends from the model", hunk, seen=_on(ragged, str)))
        yield from asked("blanks at line ends that the model sees", hunk, seen=ragged, file=ragged)
    if hunk.lines[hunk.end - 1].strip() and hunk.kept[-1:] == [hunk.end - 1]:
        seen = [f"{line}  " if i == hunk.end - 1 else line for i, line in enumerate(hunk.lines)]
        yield from asked("blanks after the last line from the model", hunk, seen=seen)


def _blank_edges(hunk: Hunk, rnd: random.Random) -> Iterator[Case]:
    del rnd
    edges = [*hunk.old()[:1], *hunk.old()[-1:], *hunk.new()[:1], *hunk.new()[-1:]]
    if not all(line.strip() for line in edges):
        return
    around = [*hunk.lines[hunk.start - 1 : hunk.start], *hunk.lines[hunk.end : hunk.end + 1]]
    if not hunk.start or not all(line.strip() for line in around):
        return
    for case in asked("exact", hunk):
        yield rewritten(case, "blank edges", quote=lambda text: f"\n{text}\n\n")
        yield rewritten(case, "blank first line", quote=lambda text: f"\n\n{text}")
        old = f"\n{case.old}"
        yield Case("stray first line end", "apply", case.source, case.text, old, case.new, case.expected, case.region)


def _inner_blanks(hunk: Hunk, rnd: random.Random) -> Iterator[Case]:
    if not hunk.is_certain:
        return

    def widened(line: str) -> str:
        return indent(line) + re.sub(r"(?<=[,=(:]) (?=\S)", "  ", line.lstrip(), count=1)

    kept = set(hunk.kept)
    other = [widened(line) if i in kept else line for i, line in enumerate(hunk.lines)]
    if hunk.old(other) != hunk.old():
        yield from asked("blanks within lines from the model", hunk, seen=other)
        yield from asked("blanks within lines in the file", hunk, file=other)
    numbers = [i for i in kept if re.search(r"\w \w", hunk.lines[i])]
    if numbers:
        place = rnd.choice(numbers)
        other = [re.sub(r"(?<=\w) (?=\w)", "\u00a0", x, count=1) if i == place else x for i, x in enumerate(hunk.lines)]
        yield from asked("no-break space in the file", hunk, file=other)
        yield from asked("no-break space from the model", hunk, seen=other)


# Indentation ----------------------------------------------------------------------------------------------------------


def _shifted(hunk: Hunk, rnd: random.Random) -> Iterator[Case]:
    telling = _telling(hunk)
    common = min(len(indent(line)) for line in telling)
    is_plain = all(set(indent(line)) <= {" "} for line in telling) and not _has_blanks_for_lines(hunk)
    if not is_plain:
        return

    def cut(width: int) -> dict[str, list[str]]:
        return {
            "seen": _on(hunk.lines, lambda line: line[min(width, len(indent(line))) :]),
            "seen_added": _on(hunk.added, lambda line: line[width:]),
        }

    if common:
        yield from _with_line_end(asked("all indentation cut", hunk, **cut(common)))
        for case in asked("cut", hunk, **cut(common)):
            yield rewritten(case, "all indentation cut, CRLF", lambda text: text.replace("\n", "\r\n"))
            yield rewritten(case, "all indentation cut, fenced", quote=lambda text: f"```\n{text}\n```")
        ragged = [line + rnd.choice(["", " ", "\t"]) if line else rnd.choice(["", "  "]) for line in hunk.lines]
        if hunk.is_certain:
            yield from asked("all indentation cut, blanks at line ends", hunk, file=ragged, **cut(common))
    if common > 4:
        yield from asked("some indentation cut", hunk, **cut(rnd.choice([1, 2, 4])))
    width = rnd.choice([1, 2, 4, 8])
    deeper = {
        "seen": _on(hunk.lines, lambda line: " " * width + line),
        "seen_added": _on(hunk.added, lambda line: " " * width + line),
    }
    yield from _with_line_end(asked("indentation added", hunk, **deeper))


def _first_line(hunk: Hunk, rnd: random.Random) -> Iterator[Case]:
    del rnd
    old, new = hunk.old(), hunk.new()
    if len(old) < 2 or not new or not indent(old[0]) or not old[0].strip() or indent(new[0]) != indent(old[0]):
        return
    if hunk.steps[0].kind == "keep" or (hunk.steps[0].kind == "drop" and new[0].strip()):
        for case in asked("exact", hunk):
            yield rewritten(case, "first line without indentation", quote=lambda text: text.lstrip(" \t"))
            yield replace(case, kind="first line without indentation in old_text", old=case.old.lstrip(" \t"))


def _other_units(hunk: Hunk, rnd: random.Random) -> Iterator[Case]:
    telling = _telling(hunk)
    if any(len(indent(line)) % 4 or set(indent(line)) > {" "} for line in telling) or _has_blanks_for_lines(hunk):
        return
    if not any(indent(line) for line in hunk.old() if line.strip()):
        return  # nothing quoted tells how the file is indented

    def in_units(unit: str) -> Change:
        return lambda line: unit * (len(indent(line)) // 4) + " " * (len(indent(line)) % 4) + line.lstrip()

    spaces = {"seen": hunk.lines, "seen_added": hunk.added}
    for kind, unit in {"tabs": "\t", "two blanks": "  "}.items():
        other = _on(hunk.lines, in_units(unit)), _on(hunk.added, in_units(unit))
        yield from _with_line_end(
            asked(f"{kind} in the file, four from the model", hunk, file=other[0], file_added=other[1], **spaces)
        )
        yield from asked(f"{kind} from the model, four in the file", hunk, seen=other[0], seen_added=other[1])
    tabs = _on(hunk.lines, in_units("\t"))
    mixed = [rnd.choice(pair) for pair in zip(hunk.lines, tabs, strict=True)]
    changes = [step.kind != "keep" for step in hunk.steps]
    is_one_change = sum(a != b for a, b in itertools.pairwise([False, *changes, False])) == 2
    if hunk.old(mixed) not in (hunk.old(), hunk.old(tabs)) and is_one_change:
        yield from asked("mixed indentation from the model", hunk, seen=mixed, label="either")
        for case in asked("mixed indentation in the file", hunk, file=mixed, label="either"):
            with_tabs = "\n".join(hunk.result(mixed, _on(hunk.added, in_units("\t"))))
            as_replaced = _indented_as_replaced(hunk, mixed)
            yield replace(case, expected=(*case.expected, with_tabs, as_replaced))


def _indented_as_replaced(hunk: Hunk, file: Lines) -> str:
    """Every added line takes the indentation of the dropped line in its place, where that is as deep in the release."""
    added: list[str] = []
    dropped: list[int] = []
    for step, following in zip(hunk.steps, [*hunk.steps[1:], None], strict=True):
        if step.kind == "drop":
            dropped.append(step.number)
        elif step.kind == "add":
            number = dropped.pop(0) if dropped else None
            is_alike = number is not None and indent(hunk.lines[number]) == indent(step.text)
            lead = indent(file[number]) if number is not None and is_alike else indent(step.text)
            added.append(lead + step.text.lstrip())
        if following is None or following.kind == "keep":
            dropped = []
    return "\n".join(hunk.result(file, added))


# Wrapping -------------------------------------------------------------------------------------------------------------

_NUMBER_FORMS = ("{:>5} | {}", "{}: {}", "{:>6}\t{}", "{}\t{}", "{:>6}→{}", "{:>4}|{}", "{:02d} | {}")


def _numbers(hunk: Hunk, rnd: random.Random) -> Iterator[Case]:
    if len(hunk.old()) < 2:
        return
    form = rnd.choice(_NUMBER_FORMS)
    first = rnd.choice([1, hunk.start + 1])
    is_trimmed = rnd.random() < 0.5

    def numbered(text: str) -> str:
        lines = text.split("\n")
        numbers = [form.format(number, line) for number, line in enumerate(lines, first)]
        return "\n".join(
            number.rstrip() if is_trimmed and not line else number for number, line in zip(numbers, lines, strict=True)
        )

    for case in asked("exact", hunk):
        yield rewritten(case, "line numbers", quote=numbered)
        yield replace(case, kind="line numbers in old_text", old=numbered(case.old))
        yield rewritten(case, "line numbers, fenced", quote=lambda text: f"```python\n{numbered(text)}\n```\n")


def _fences(hunk: Hunk, rnd: random.Random) -> Iterator[Case]:
    fence = rnd.choice(["```", "~~~", "````"])
    word = rnd.choice(["", "python", "js"])
    for case in asked("exact", hunk):
        yield rewritten(case, "fenced", quote=lambda text: f"{fence}{word}\n{text}\n{fence}")
        yield rewritten(case, "fenced, with a line end", quote=lambda text: f"{fence}{word}\n{text}\n{fence}\n")
        yield replace(case, kind="old_text fenced", old=f"{fence}{word}\n{case.old}\n{fence}")


def _escapes(hunk: Hunk, rnd: random.Random) -> Iterator[Case]:
    is_quoted = rnd.random() < 0.5
    for case in asked("exact", hunk):
        escaped = rewritten(case, "HTML entities", quote=lambda text: html.escape(text, quote=is_quoted))
        if escaped.old != case.old and not re.search(r"&\w+;|&#", case.old + case.new):
            yield escaped
        if "\n" in case.old:
            yield rewritten(case, "escaped as in JSON", quote=lambda text: json.dumps(text)[1:-1])
            if "\\" not in case.old + case.new:
                yield rewritten(case, "line ends escaped", quote=lambda text: text.replace("\n", "\\n"))


# Typography -----------------------------------------------------------------------------------------------------------


def _typography(hunk: Hunk, rnd: random.Random) -> Iterator[Case]:
    def curly(line: str) -> str:
        return line.replace("'", "’").replace('"', "”").replace(" - ", " – ")

    if "".join([*hunk.old(), *hunk.added]).isascii():
        seen = _on(hunk.lines, curly)
        if hunk.old(seen) != hunk.old():
            yield from asked("smart quotes from the model", hunk, seen=seen, seen_added=_on(hunk.added, curly))
    kept = set(hunk.kept)
    file = [curly(line) if i in kept else line for i, line in enumerate(hunk.lines)]
    if hunk.is_certain and file != hunk.lines:
        yield from asked("smart quotes in the file", hunk, file=file)
    words = [i for i in hunk.kept if re.search(r"[a-z]e\b", hunk.lines[i])]
    if hunk.is_certain and words:
        place = rnd.choice(words)
        composed = list(hunk.lines)
        composed[place] = re.sub(r"([a-z])e\b", "\\1é", composed[place], count=1)
        apart = [unicodedata.normalize("NFD", line) if i == place else line for i, line in enumerate(composed)]
        yield from asked("NFD in the file, NFC from the model", hunk, seen=composed, file=apart)
        yield from asked("NFC in the file, NFD from the model", hunk, seen=apart, file=composed)


# Left out and misquoted -----------------------------------------------------------------------------------------------


def _elided(hunk: Hunk, rnd: random.Random) -> Iterator[Case]:
    """A run of kept lines in the middle is left out of both texts."""
    kept = [i for i, step in enumerate(hunk.steps) if step.kind == "keep" and 0 < i < len(hunk.steps) - 1]
    runs = [(i, i + 1) for i in kept if i + 1 in kept]
    if not runs or not hunk.is_certain:
        return
    a, b = rnd.choice(runs)
    mark = rnd.choice(["# ... existing code ...", "...", "# ...", "// ... existing code ...", "…"])
    line = indent(hunk.lines[hunk.steps[a].number]) + mark
    old, new = (
        "\n".join([*_texts(hunk, hunk.steps[:a], without), line, *_texts(hunk, hunk.steps[b + 1 :], without)])
        for without in ("add", "drop")
    )
    for case in asked("elided lines", hunk, label="either"):
        yield replace(case, old=old, new=new)


def _texts(hunk: Hunk, steps: Sequence[Step], without: str) -> list[str]:
    return [step.text if step.kind == "add" else hunk.lines[step.number] for step in steps if step.kind != without]


def _misquoted(hunk: Hunk, rnd: random.Random) -> Iterator[Case]:
    """A word of a kept line is another: the file's is to stay."""
    candidates = [i for i in hunk.kept if len(hunk.lines[i].split()) >= 4 and len(hunk.lines[i]) > 20]
    if not candidates or len(hunk.old()) < 4 or not hunk.is_certain:
        return
    place = rnd.choice(candidates)
    words = list(re.finditer(r"[A-Za-z]{4,}", hunk.lines[place]))
    if not words:
        return
    word = rnd.choice(words)
    other = rnd.choice([f"{word.group()}s", word.group()[:-1], word.group().upper(), f"{word.group()}_x"])
    seen = list(hunk.lines)
    seen[place] = f"{seen[place][: word.start()]}{other}{seen[place][word.end() :]}"
    for case in asked("misquoted kept line", hunk, label="either"):
        yield replace(case, old="\n".join(hunk.old(seen)), new="\n".join(hunk.new(seen)))


_PERTURBATIONS: tuple[Callable[[Hunk, random.Random], Iterator[Case]], ...] = (
    _exact,
    _removed,
    _part_of_a_line,
    _last_line_without_end,
    _blanks_at_line_ends,
    _blank_edges,
    _inner_blanks,
    _shifted,
    _first_line,
    _other_units,
    _numbers,
    _fences,
    _escapes,
    _typography,
    _elided,
    _misquoted,
)
