"""Typing against turns: whatever comes first, no keystroke is lost, and every edit stands at its place, once.

Each of the five fake editors has one real server process, in every position encoding that it offers and with files of
every kind of line end; its user types by chance at the messages of the server. A turn that fails is made smaller until
every typing in it matters, and printed. `python -m tests.soak.pressure [--runs N] [--seed S] [--record]`.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lsprotocol import types

from tests.soak.results import record, size_from_arguments
from tests.stories.world import MARKS, Turn, World, edit, steps, world
from tests.support.fake_editors.rules import EDITORS, Editor, Eglot
from tests.support.fake_editors.texts import position_of
from tests.support.lsp_client import Message

WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight")
NAMES = ("a.py", "b.py", "c.py")
LINE_ENDS = ("\n", "\r\n", "mixed")
TURNS_OF_A_SERVER = 10
UNCERTAIN = ("it cannot be told what it did", "could not be taken back")
"""What a refusal says where the editor, by what it does not tell of, made it impossible to know what is right."""
MADE = (
    "made, refused: all edits told of stand at their places once, refused ones do not, and all that was typed is there"
)
TOLD = "told: the editor made an edit over typing that it never told of; that this cannot be known was said"


@dataclass(frozen=True, slots=True)
class Typing:
    """What the user does at a message of the server: in a file, at a part of its length, once or with two cursors."""

    at_message: int
    name: str
    place: float
    kind: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """One turn: what the model asks for, and what its user does meanwhile."""

    editor: str
    encoding: str
    line_ends: str
    has_final_line_end: bool
    edits: tuple[tuple[str, str], ...]
    typings: tuple[Typing, ...]

    def text(self) -> str:
        ends = ["\n", "\r\n"] if self.line_ends == "mixed" else [self.line_ends]
        text = "".join(f"line {word} 😋e\u0301한{ends[at % len(ends)]}" for at, word in enumerate(WORDS))
        return text if self.has_final_line_end else text.rstrip("\r\n")


def schedule(chance: random.Random, rules: type[Editor], encoding: str, line_ends: str) -> Schedule:
    edits = tuple((chance.choice(NAMES), word) for word in chance.sample(WORDS, chance.randint(1, 3)))
    typings = tuple(
        Typing(
            chance.randint(0, 14), chance.choice(NAMES), chance.random(), chance.choice(("in", "line", "two", "undo"))
        )
        for _ in range(10)
    )
    return Schedule(
        rules.__name__, encoding, line_ends, chance.random() < 0.7 or rules.name == "Neovim", edits, typings
    )


async def outcome(made: World, given: Schedule) -> tuple[str, str]:
    """What became of one turn: `made`, `refused`, `told` or `wrong`; and what is wrong."""
    text = given.text()
    for name in NAMES:
        (made.folder / name).write_bytes(text.encode())
        made.editor.open(made.uri(name), text)
    made.typed.clear()
    seen = -1

    def watch(_: Message) -> None:
        nonlocal seen
        seen += 1
        for typing in given.typings:
            if typing.at_message == seen:
                do(made, typing)

    made.client.watchers.append(watch)
    try:
        turn = await made.run(
            *steps(*(edit(name, f"line {word}", f"LINE {word}!\nmore 😋") for name, word in given.edits))
        )
    finally:
        made.client.watchers.remove(watch)
    made.editor.flush()
    wrong = what_is_wrong(made, given, turn)
    for name in NAMES:
        made.editor.close(made.uri(name))
    is_told = any(phrase in refusal for refusal in turn.refusals() for phrase in UNCERTAIN)
    if is_told and isinstance(made.editor, Eglot):
        return "told", ""
    return ("wrong", wrong) if wrong else ("refused" if turn.refusals() else "made", "")


def do(made: World, typing: Typing) -> None:
    """Type a mark that stands nowhere else."""
    text = made.text(typing.name)
    marked = [(found.start(), found.end()) for found in MARKS.finditer(text)]
    inside = [at for at in range(len(text) + 1) if text[at - 1 : at + 1] != "\r\n" or at == 0]
    if typing.kind == "line":
        inside = [at for at in inside if at == 0 or text[at - 1] == "\n"]
    places = [at for at in inside if not any(start < at < end for start, end in marked)]
    first = places[int(typing.place * (len(places) - 1))]
    match typing.kind:
        case "two":
            cursors = sorted({first, places[int(typing.place * (len(places) - 1) / 2)]})
            edits: list[types.TextEdit] = []
            for at in cursors:
                place = position_of(text, at, made.editor.encoding, made.editor.line_ends)
                mark = made.mark(typing.name)
                edits.append(types.TextEdit(types.Range(place, place), mark))
            made.editor.change(made.uri(typing.name), edits)
        case "undo":
            made.editor.insert(made.uri(typing.name), first, "to be undone 😋")
            made.editor.undo(made.uri(typing.name))
        case "line":
            made.type_at(typing.name, first, "⟦{}⟧\n")
        case _:
            made.type_at(typing.name, first)


def what_is_wrong(made: World, given: Schedule, turn: Turn) -> str:
    expected = dict.fromkeys(NAMES, given.text())
    for (is_refused, _), (name, word) in zip(turn.results(), given.edits, strict=True):
        if not is_refused:
            expected[name] = expected[name].replace(f"line {word} ", f"LINE {word}!\nmore 😋 ")
    for name in NAMES:
        text = made.editor.as_saved(made.uri(name))
        typed, found = Counter(made.typed.get(name, ())), Counter(part.strip() for part in MARKS.findall(text))
        if typed != found:
            return f"{name}: typed {typed - found} is lost, {found - typed} is twice, in {text!r}"
        if "\r" not in given.text() and "\r" in text:
            return f"{name}: a line end of another kind, in {text!r}"
        bare = MARKS.sub("", text)
        if _unified(bare).rstrip("\n") != _unified(expected[name]).rstrip("\n"):
            return f"{name}: {text!r} should be {expected[name]!r} with what was typed; told {turn.results()}"
        if made.on_disk()[name] != given.text():
            return f"{name} was saved"
    return ""


async def run(seed: str, runs: int) -> tuple[Counter[str], list[str]]:
    """So many turns over the editors: how they ended, by editor, and the failures, each made as small as it gets."""
    ends: Counter[str] = Counter()
    failures: list[str] = []
    for number in range(0, runs, TURNS_OF_A_SERVER):
        chance = random.Random(f"{seed} {number}")
        rules = EDITORS[number // TURNS_OF_A_SERVER % len(EDITORS)]
        encoding = chance.choice(rules.capabilities["general"].get("positionEncodings") or ["utf-16"])
        given = [
            schedule(chance, rules, encoding, chance.choice(LINE_ENDS))
            for _ in range(min(TURNS_OF_A_SERVER, runs - number))
        ]
        for failed, wrong in await ended(given, rules, ends):
            failures.append(f"{await smallest(failed, rules)}\n{wrong}")
    return ends, failures


async def ended(given: Sequence[Schedule], rules: type[Editor], ends: Counter[str]) -> list[tuple[Schedule, str]]:
    """The turns that went wrong, of some for one server."""
    failed: list[tuple[Schedule, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        async with world(Path(folder), rules, dict.fromkeys(NAMES, ""), opened=(), encoding=given[0].encoding) as made:
            for one in given:
                end, wrong = await outcome(made, one)
                ends[f"{rules.name}: {end}"] += 1
                if wrong:
                    failed.append((one, wrong))
    return failed


async def smallest(given: Schedule, rules: type[Editor]) -> Schedule:
    """The schedule without the typings that do not matter to its failure."""
    for typing in given.typings:
        less = replace(given, typings=tuple(other for other in given.typings if other is not typing))
        if await ended([less], rules, Counter()):
            given = less
    return given


def _unified(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def main() -> None:
    size = size_from_arguments("Typing against turns, in five fake editors over real servers.", runs=100_000)
    begun = time.monotonic()
    ends, failures = asyncio.run(run(size.seed, size.runs))
    figures = sorted(ends.items())
    for row in figures:
        print(*row)
    print(*failures, sep="\n\n")
    if size.is_recorded:
        command = f"python -m tests.soak.pressure --runs {size.runs} --seed {size.seed}"
        seconds = time.monotonic() - begun
        record("pressure", command, size.seed, dict(figures), (MADE, TOLD), runs=size.runs, seconds=seconds)
    raise SystemExit(bool(failures))


if __name__ == "__main__":
    main()
