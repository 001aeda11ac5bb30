"""One turn under a typing user, as values, and what must hold after it, whatever came first.

What the user types stands nowhere else, and so does what it can remove; so the text that must come out is known without
knowing the order. Knows no server and sends nothing.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from lsprotocol import types

from tests.support.fake_editors.rules import Editor
from tests.support.fake_editors.texts import offset_of, position_of

WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight")
NAMES = ("a.py", "b.py", "c.py")
ENDS: Mapping[str, Sequence[str]] = {"LF": ["\n"], "CRLF": ["\r\n"], "CR": ["\r"], "mixed": ["\n", "\r\n"]}
KINDS = ("in", "line", "two", "cut", "replace", "join", "undo")
EDITS = ("replace", "insert", "remove", "merge", "rewrite")
MARK = re.compile(r"⟪\d+⟫|⟦\d+⟧(?:\r\n|\n|\r)")
TOKEN = re.compile(r"‹\d+›")
WHOLE = re.compile(rf"{MARK.pattern}|⟦\d+⟧|{TOKEN.pattern}|\r\n|e\u0301")
"""What the user puts no cursor into."""
OPEN = "\0\1"
"""Around what may be there or not."""


@dataclass(frozen=True, slots=True)
class Typing:
    """What the user does: when and where, as parts of the turn and of the file."""

    moment: float
    name: str
    place: float
    kind: str


@dataclass(frozen=True, slots=True)
class Edit:
    """What the model asks for at the line of a word."""

    name: str
    word: str
    kind: str = "replace"

    def texts(self) -> tuple[str, str]:
        """The old text and the new one, with line feeds."""
        at = WORDS.index(self.word)
        line, below = _line(at), _line(at + 1)
        match self.kind:
            case "remove":
                return line, ""
            case "insert":
                return f"line {self.word} ", f"line {self.word} \nLINE {self.word}! 😋\n "
            case "merge":
                return line + below, f"LINE {self.word}!\n"
            case "rewrite":
                return line + below, f"LINE {self.word}!\nmore 😋\nand e\u0301 more {self.word}\n"
            case _:
                return f"line {self.word} ", f"LINE {self.word}!\nmore 😋 {self.word} "


@dataclass(frozen=True, slots=True)
class Schedule:
    """One turn: its editor and files, what the model asks for, and what the user does meanwhile."""

    editor: str
    encoding: str
    line_ends: str
    has_final_line_end: bool
    is_reviewed: bool
    """The edits wait for the user's yes, and are made later."""
    is_together: bool
    """They are one plan over all their files."""
    latency_s: float
    names: tuple[str, ...]
    edits: tuple[Edit, ...]
    typings: tuple[Typing, ...]

    def text(self) -> str:
        ends = ENDS[self.line_ends]
        text = "".join(_line(at)[:-1] + ends[at % len(ends)] for at in range(len(WORDS)))
        return text if self.has_final_line_end else text.rstrip("\r\n")


def schedule(
    chance: random.Random, rules: type[Editor], kinds: Sequence[str] = EDITS, *, is_away: bool = False
) -> Schedule:
    """A turn by chance, whose edits are of these kinds. `is_away`: typing is at least four lines away from them."""
    names = NAMES[: chance.randint(1, 3)]
    words = chance.sample(WORDS[6:-1] if is_away else WORDS[:-1], 1 if is_away else chance.randint(1, 3))
    edits = tuple(Edit(chance.choice(names), word, chance.choice(kinds)) for word in words)
    typings = tuple(
        Typing(
            round(chance.random(), 3),
            chance.choice(names),
            round(chance.random() * (0.2 if is_away else 1), 3),
            chance.choice(("in", "line", "two", "undo") if is_away else KINDS),
        )
        for _ in range(chance.randint(0, 3 if is_away else 10))
    )
    return Schedule(
        rules.__name__,
        chance.choice(rules.capabilities["general"].get("positionEncodings") or ["utf-16"]),
        chance.choice(list(ENDS)),
        chance.random() < 0.7 or rules.name == "Neovim",
        chance.random() < 0.3,
        chance.random() < 0.5,
        chance.choice((0.001, 0.01, 0.1)),
        names,
        edits,
        typings,
    )


@dataclass
class Typist:
    """The user of an editor, and what must be in its buffers for it."""

    editor: Editor
    uri: Callable[[str], str]
    given: Schedule
    typed: dict[str, list[str]] = field(default_factory=dict)
    removed: dict[str, list[str]] = field(default_factory=dict)
    _count: int = 0
    _done: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    """The depth of the editor's undo after each typing, and what was typed."""

    def do(self, typing: Typing) -> None:
        text = self.editor.buffers[self.uri(typing.name)].text
        inside = {at for found in WHOLE.finditer(text) for at in range(found.start() + 1, found.end())}
        places = [at for at in range(len(text) + 1) if at not in inside]
        first = places[int(typing.place * (len(places) - 1))]
        match typing.kind:
            case "two":
                other = places[int(typing.place * (len(places) - 1) / 2)]
                self._change(typing.name, [(at, at, self._mark("⟪{:04}⟫")) for at in sorted({first, other})])
            case "line":
                starts = [at for at in places if at == 0 or text[at - 1] == "\n"]
                at = starts[int(typing.place * (len(starts) - 1))]
                self._change(typing.name, [(at, at, self._mark("⟦{:04}⟧\n"))])
            case "cut" | "replace" | "join":
                pieces = [found.span() for found in TOKEN.finditer(text)]
                if typing.kind == "join":
                    pieces = [found.span() for found in re.finditer(r"‹\d+›[^‹›⟪⟫⟦⟧]*‹\d+›", text)]
                # What is removed out of a text that an edit tore apart, nobody can say what it was.
                pieces = [piece for piece in pieces if self._is_whole(typing.name, text, *piece)]
                if pieces:
                    start, end = pieces[int(typing.place * (len(pieces) - 1))]
                    self.removed.setdefault(typing.name, []).append(text[start:end])
                    self._change(typing.name, [(start, end, self._mark("⟪{:04}⟫") if typing.kind == "replace" else "")])
            case "undo":
                self._undo(typing.name)
            case _:
                self._change(typing.name, [(first, first, self._mark("⟪{:04}⟫"))])

    def _undo(self, name: str) -> None:
        """Take back the last that was typed, if nothing came after it."""
        done, depth = self._done.get(name, []), len(self.editor.buffers[self.uri(name)].undo)
        if done and done[-1][0] == depth:
            for mark in MARK.findall(done.pop()[1]):
                self.typed[name].remove(mark.strip())
            self.editor.undo(self.uri(name))

    def _change(self, name: str, changes: Sequence[tuple[int, int, str]]) -> None:
        uri = self.uri(name)
        text = self.editor.buffers[uri].text

        def place(at: int) -> types.Position:
            return position_of(text, at, self.editor.encoding, self.editor.line_ends)

        self.editor.change(
            uri, [types.TextEdit(types.Range(place(start), place(end)), new) for start, end, new in changes]
        )
        added = "".join(new for _, _, new in changes)
        self.typed.setdefault(name, []).extend(mark.strip() for mark in MARK.findall(added))
        if all(start == end for start, end, _ in changes):
            self._done.setdefault(name, []).append((len(self.editor.buffers[uri].undo), added))

    def _is_whole(self, name: str, text: str, start: int, end: int) -> bool:
        """Whether the lines there are as before the edits or after some, and all lines in their order."""
        texts = [_unified(self.given.text())]
        for edit in self.given.edits:
            old, new = _without_last_end(edit.texts(), self.given)
            texts += [before.replace(old, new, 1) for before in texts if edit.name == name]
        removed = {token for piece in self.removed.get(name, ()) for token in TOKEN.findall(piece)}
        orders = [[token for token in TOKEN.findall(each) if token not in removed] for each in texts]
        lines = {line for each in texts for line in _bare_lines(each)}
        return TOKEN.findall(text) in orders and _bare_lines(_lines_around(text, start, end)) <= lines

    def _mark(self, form: str) -> str:
        self._count += 1
        return form.format(self._count)

    # What must hold.

    def what_is_wrong(self, made: Sequence[Edit]) -> str:
        """Empty where every file has all that was typed and, besides, the text that the made edits leave."""
        given = self.given
        for name in given.names:
            expected = _unified(given.text())
            for edit in made:
                if edit.name == name:
                    expected = expected.replace(*_without_last_end(edit.texts(), given), 1)
            for piece in self.removed.get(name, ()):
                expected = _without(expected, _unified(piece))
            text = self.editor.as_saved(self.uri(name))
            lost, more = self.lost(name)
            if lost or more:
                return f"{name}: typed {lost} is lost, {more} is there too often, in {text!r}"
            bare, _ = _parted(text)
            if not _is_such(_unified(bare).rstrip("\n"), expected.rstrip("\n")):
                return f"{name}: {text!r} should be {expected!r} with what was typed"
            foreign = {"LF": "\r", "CRLF": r"(?<!\r)\n"}.get(given.line_ends)
            if foreign and re.search(foreign, bare):
                return f"{name}: a line end of another kind, in {text!r}"
        return ""

    def lost(self, name: str) -> tuple[list[str], list[str]]:
        """What was typed and is not there, and what is there more often than it was typed."""
        found = Counter(_parted(self.editor.as_saved(self.uri(name)))[1])
        typed = Counter(self.typed.get(name, ()))
        return sorted((typed - found).elements()), sorted((found - typed).elements())

    def lose(self, marks: set[str]) -> None:
        """These were typed and may be gone: the user was told."""
        self.typed = {name: [mark for mark in typed if mark not in marks] for name, typed in self.typed.items()}


def overwritten(editor: Editor, edit: types.WorkspaceEdit) -> set[str]:
    """The marks that the edit, made on the buffers as they are, would replace or cut in two."""
    changes = [each for each in edit.document_changes or () if isinstance(each, types.TextDocumentEdit)]
    by_uri = {**{each.text_document.uri: each.edits for each in changes}, **(edit.changes or {})}
    marks: set[str] = set()
    for uri, edits in by_uri.items():
        text = editor.buffers[uri].text if uri in editor.buffers else ""
        for one in edits:
            places = (one.range.start, one.range.end)
            start, end = (offset_of(text, at, editor.encoding, editor.line_ends) for at in places)
            if text[start:end] == one.new_text:
                continue
            marks |= {found[0].strip() for found in MARK.finditer(text) if found.start() < end and start < found.end()}
    return marks


def smaller(given: Schedule) -> list[Schedule]:
    """The schedule without a file, an edit or a typing, each."""
    files = [
        replace(
            given,
            names=tuple(other for other in given.names if other != name),
            edits=tuple(edit for edit in given.edits if edit.name != name),
            typings=tuple(typing for typing in given.typings if typing.name != name),
        )
        for name in given.names
    ]
    edits = [replace(given, edits=given.edits[:at] + given.edits[at + 1 :]) for at in range(len(given.edits))]
    typings = [replace(given, typings=given.typings[:at] + given.typings[at + 1 :]) for at in range(len(given.typings))]
    return [less for less in (*files, *edits, *typings) if less.edits]


def _line(at: int) -> str:
    return f"‹{2 * at}›line {WORDS[at]} ‹{2 * at + 1}› 😋e\u0301한\n"


def _without_last_end(texts: tuple[str, str], given: Schedule) -> tuple[str, str]:
    """As they are in a text that has no final line end."""
    old, new = texts
    return (
        (old, new)
        if given.has_final_line_end or old in _unified(given.text())
        else (old.rstrip("\n"), new.rstrip("\n"))
    )


def _parted(text: str) -> tuple[str, list[str]]:
    """The text without marks, and the marks; one may have been typed inside another that an edit had cut in two."""
    marks: list[str] = []
    while found := MARK.findall(text):
        marks += [mark.strip() for mark in found]
        text = MARK.sub("", text)
    return text, marks


def _without(text: str, piece: str) -> str:
    """The text without a piece that the user removed, and with it what an edit had written there.

    Where no such edit is left, nobody can say whether what it had replaced was removed too: that is marked as open.
    """
    if piece in text:
        return text.replace(piece, "", 1)
    ends = TOKEN.findall(piece)
    first, last = ends[0], ends[-1]
    start, end = text.find(first), text.find(last)
    if -1 in (start, end):
        return text
    return f"{text[:start]}{OPEN[0]}{text[start + len(first) : end]}{OPEN[1]}{text[end + len(last) :]}"


def _lines_around(text: str, start: int, end: int) -> str:
    return re.split("[\r\n]", text[:start])[-1] + text[start:end] + re.split("[\r\n]", text[end:])[0]


def _bare_lines(text: str) -> set[str]:
    """Its lines without what a user types and removes."""
    return set(TOKEN.sub("", _parted(_unified(text))[0]).split("\n"))


def _is_such(text: str, expected: str) -> bool:
    """Whether it is the expected text, with a part, all or nothing of what is open there."""
    fixed, *rest = expected.split(OPEN[0])
    pattern = re.escape(fixed)
    parts = [part.split(OPEN[1]) for part in rest]
    pattern += "".join(f"(.*?){re.escape(after)}" for _, after in parts)
    found = re.fullmatch(pattern, text, re.DOTALL)
    return found is not None and all(kept in inside for kept, (inside, _) in zip(found.groups(), parts, strict=True))


def _unified(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
