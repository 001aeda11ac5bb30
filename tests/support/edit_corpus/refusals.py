"""Edits that must not be made, however much they look like one that may: nothing of them is certain enough to write."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from tests.support.edit_corpus.cases import Case, start_of_line
from tests.support.edit_corpus.hunks import Hunk
from tests.support.edit_corpus.mistakes import asked, indent, look, places

_OPERATORS = {"==": "!=", "!=": "==", "<=": "<", ">=": ">", " and ": " or ", " or ": " and ", "True": "False", "+": "-"}


def refusals(hunk: Hunk, other: Hunk, rnd: random.Random) -> Iterator[Case]:
    """All cases of an edit that must be refused, and those of look-alikes beside an edit that may be made.

    `other` is an edit of another file.
    """
    for perturb in _PERTURBATIONS:
        yield from perturb(hunk, rnd)
    if len(other.old()) > 2 and not places(hunk.lines, other.old()) and other.path != hunk.path:
        yield _refused("from another file", hunk, hunk.lines, other.old(), other.new(), is_placed=False)


def _refused(
    kind: str, hunk: Hunk, file: Sequence[str], old: Sequence[str], new: Sequence[str], *, is_placed: bool = True
) -> Case:
    region = (start_of_line(file, hunk.start), start_of_line(file, min(len(file), hunk.end)) - 1)
    source = f"{hunk.package} {hunk.path}:{hunk.start + 1}"
    texts = "\n".join(file), "\n".join(old), "\n".join(new)
    return Case(kind, "refuse", source, *texts, (), region if is_placed else None)


def _elsewhere(hunk: Hunk, rnd: random.Random) -> int:
    """A line before which others may be put without touching the edit's."""
    return rnd.choice([i for i in range(len(hunk.lines) + 1) if not hunk.start - 1 <= i <= hunk.end])


def _with_block(hunk: Hunk, file: Sequence[str], block: Sequence[str], rnd: random.Random) -> list[str]:
    """The block elsewhere behind the edit's lines, or at the end."""
    at = rnd.randint(min(hunk.end + 1, len(file)), len(file))
    return [*file[:at], "", *block, "", *file[at:]]


def _twice(hunk: Hunk, rnd: random.Random) -> Iterator[Case]:
    old = hunk.old()
    yield _refused("in two places", hunk, _with_block(hunk, hunk.lines, old, rnd), old, hunk.new())
    if len(old) > 1:
        # Quoted as in neither place: one level less than the one and two less than the other.
        shallow, deep = ([" " * width + line if line.strip() else "" for line in old] for width in (3, 6))
        file = _with_block(hunk, [*hunk.lines[: hunk.start], *shallow, *hunk.lines[hunk.end :]], deep, rnd)
        if "\n".join(old) not in "\n".join(file):
            yield _refused("in two places but for indentation", hunk, file, old, hunk.new())


def _stale(hunk: Hunk, rnd: random.Random) -> Iterator[Case]:
    """A line that the edit changes or removes is another by now."""
    lines = [i for i in hunk.dropped if re.search(r"\w", hunk.lines[i])]
    if not lines:
        return
    place = rnd.choice(lines)
    for kind, line in _changed_a_little(hunk.lines[place], rnd):
        file = [*hunk.lines[:place], line, *hunk.lines[place + 1 :]]
        if not _is_there(file, hunk.old()):
            yield _refused(kind, hunk, file, hunk.old(), hunk.new())
            twin = _misquoted_copy(hunk)
            if twin and kind == "stale: a word":
                both = _with_block(hunk, file, twin, rnd)
                if not _is_there(both, hunk.old()):
                    yield _refused("stale, with a look-alike", hunk, both, hunk.old(), hunk.new())
    first, last = hunk.dropped[0], hunk.dropped[-1]
    rewritten = [*hunk.lines[:first], "    pass  # rewritten", "    # since", *hunk.lines[last + 1 :]]
    if not _is_there(rewritten, hunk.old()):
        yield _refused("stale: rewritten", hunk, rewritten, hunk.old(), hunk.new())
    gone = [*hunk.lines[:place], *hunk.lines[place + 1 :]]
    if not _is_there(gone, hunk.old()) and len(hunk.old()) > 1:
        yield _refused("stale: a line is gone", hunk, gone, hunk.old(), hunk.new())
    if first < last:
        at = rnd.randint(first + 1, last)
        if not hunk.lines[at - 1].strip() or not hunk.lines[at].strip():
            return
        grown = [*hunk.lines[:at], f"{indent(hunk.lines[place])}came_since()", *hunk.lines[at:]]
        yield _refused("stale: a line came between", hunk, grown, hunk.old(), hunk.new())


def _changed_a_little(line: str, rnd: random.Random) -> Iterator[tuple[str, str]]:
    word = rnd.choice(list(re.finditer(r"\w+", line)))
    head, tail = line[: word.start()], line[word.end() :]
    yield "stale: a word", head + rnd.choice([f"{word.group()}_b", f"{word.group()}2", f"x{word.group()}"]) + tail
    if word.group().swapcase() != word.group():
        yield "stale: letter case", head + word.group().swapcase() + tail
    number = re.search(r"\d+", line)
    if number:
        yield "stale: a number", f"{line[: number.start()]}{int(number.group()) + 1}{line[number.end() :]}"
    operator = next((sign for sign in _OPERATORS if sign in line), None)
    if operator:
        yield "stale: an operator", line.replace(operator, _OPERATORS[operator], 1)


def _misquoted_copy(hunk: Hunk) -> list[str] | None:
    """The quoted lines with a word of a kept one changed."""
    telling = [i for i in hunk.kept if re.search(r"\w{5}", hunk.lines[i])]
    if not telling or len(hunk.old()) < 3:
        return None
    copy = re.sub(r"\w{5,}", lambda word: f"{word.group()}q", hunk.lines[telling[0]], count=1)
    return [copy if i == telling[0] else hunk.lines[i] for i in range(hunk.start, hunk.end)]


def _is_there(file: Sequence[str], old: Sequence[str]) -> bool:
    """Whether the quoted lines can be seen in the file, be it as part of longer ones."""
    return "".join(map(look, old)) in "".join(map(look, file))


def _done_or_nothing(hunk: Hunk, rnd: random.Random) -> Iterator[Case]:
    del rnd
    old, new = hunk.old(), hunk.new()
    yield _refused("nothing to change", hunk, hunk.lines, old, old, is_placed=False)
    if len(old) > 1:
        nothing = _refused("nothing to change but line ends", hunk, hunk.lines, old, old, is_placed=False)
        yield replace(nothing, new=nothing.new.replace("\n", "\r\n"))
    yield _refused("blank old_text", hunk, hunk.lines, ["", "  "], new, is_placed=False)
    after = hunk.result()
    if not _is_there(after, old) and len(look("".join(new))) >= 8:
        yield _refused("already applied", hunk, after, old, new)


def _invented(hunk: Hunk, rnd: random.Random) -> Iterator[Case]:
    """Half of the quoted lines, or all of them, are of no file."""
    old, new = hunk.old(), hunk.new()

    def other(line: str) -> str:
        return re.sub(r"[a-z]{3,}", lambda word: "".join(rnd.sample(word.group(), len(word.group()))) + "k", line)

    invented = [other(line) for line in old]
    if any(line != own and line.strip() for line, own in zip(invented, old, strict=True)):
        yield _refused("invented", hunk, hunk.lines, invented, new, is_placed=False)
    if len(old) >= 4:
        half = [line if i % 2 else other(line) for i, line in enumerate(old)]
        if not _is_there(hunk.lines, half) and any(
            half[i - hunk.start] != hunk.lines[i] for i in hunk.dropped if hunk.lines[i].strip()
        ):
            yield _refused("half invented", hunk, hunk.lines, half, new)


def _left_out(hunk: Hunk, rnd: random.Random) -> Iterator[Case]:
    """Lines that only `new_text` leaves out would be lost."""
    marks = [
        "# ... rest of code ...",
        "# ... existing code ...",
        "// ... rest of the code remains the same ...",
        "# rest of the function unchanged",
        "/* ... existing code ... */",
        "...rest of the file...",
        "# ... (unchanged)",
    ]
    if len(hunk.kept) >= 2 and hunk.steps[-1].kind == "keep" and hunk.steps[-2].kind == "keep":
        mark = indent(hunk.lines[hunk.end - 1]) + rnd.choice(marks)
        yield _refused("left out of new_text alone", hunk, hunk.lines, hunk.old(), [*hunk.new()[:-2], mark])


def _twins(hunk: Hunk, rnd: random.Random) -> Iterator[Case]:
    """A second place that differs in blanks only: with the one quoted to the letter it may be done, else not."""
    old = hunk.old()
    twin = [f"  {line}" if line.strip() else line for line in old]
    file = _with_block(hunk, hunk.lines, twin, rnd)
    if "\n".join(file).count("\n".join(old)) == 1:
        text = "\n".join([*file[: hunk.start], *hunk.new(), *file[hunk.end :]])
        exact = _refused("to the letter, with a twin in other blanks", hunk, file, old, hunk.new())
        yield replace(exact, label="apply", expected=(text,))
    seen = [f" {line}" if line.strip() else line for line in old]
    new = [f" {line}" if line.strip() else line for line in hunk.new()]
    if "\n".join(seen) not in "\n".join(file) and old != [line.lstrip() for line in old]:
        yield _refused("as neither of two twins in other blanks", hunk, file, seen, new)
    copy = _misquoted_copy(hunk)
    if copy:
        for case in asked("look-alike further down", hunk):
            beside = _with_block(hunk, hunk.lines, copy, rnd)
            text = "\n".join([*beside[: hunk.start], *hunk.new(), *beside[hunk.end :]])
            yield replace(case, text="\n".join(beside), expected=(text,))


_PERTURBATIONS: Sequence[Callable[[Hunk, random.Random], Iterator[Case]]] = (
    _twice,
    _stale,
    _done_or_nothing,
    _invented,
    _left_out,
    _twins,
)
