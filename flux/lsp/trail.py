"""What became of an open document since an edit of it was sent: what in it came by our edits, what by its user.

Editors without versions make an edit wherever its positions are by then, and so does Emacs until it tells of typing.
The changes that an editor reports show on which text it was made: then it can be taken back, and all that was typed
before, after and inside it stays. Pure; sends nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lsprotocol import types

from flux.core.text import Counting, with_line_feeds
from flux.edits.diff import closest_edits
from flux.edits.text_edit import TextEdit, apply_edits, cut_to_change
from flux.lsp.convert import offsets_of
from flux.lsp.misplaced import explained, in_order, made_on

ContentChange = types.TextDocumentContentChangePartial | types.TextDocumentContentChangeWholeDocument


@dataclass(frozen=True, slots=True)
class _Step:
    """One replacement in the text before it, in code points."""

    edit: TextEdit
    is_ours: bool


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of the text: the user's, inserted by an edit of ours, or gone from it by one and to come back."""

    text: str
    kind: Literal["user", "ours", "replaced"]


class Trail:
    """The changes of one document, in their order, from the text that it had."""

    def __init__(self, text: str, counting: Counting) -> None:
        self._counting = counting
        self._texts = [text]
        self._steps: list[_Step] = []
        self._sent: Sequence[types.TextEdit] = ()
        self._only_on: str | None = None
        self._outcomes: dict[str, str] = {}
        self._since = 0
        self._is_answered = True
        self.made_on: str | None = None
        """The text on which the editor made the edits that were sent last; None while that is not seen."""
        self.made = ""
        """The text that came out."""
        self.has_whole_texts = False
        """The editor told of a change by the whole text, so that several may be one."""

    def send(self, edits: Sequence[types.TextEdit], only_on: str | None = None) -> None:
        """These edits are on their way now. `only_on`: the editor makes them on no other text, as it goes by versions.

        What looks like them on another was done by the user: who undoes a line may take out what an edit would have.
        """
        self._sent, self._only_on, self._since, self.made_on = edits, only_on, len(self._steps), None
        self._is_answered = False
        self._outcomes.clear()

    def answer(self) -> None:
        """The editor answered, and most tell first of what they did: until then the last that looks like the edits is
        them, and what did before was done by the user, who undoes a line where the edits take one out."""
        self._is_answered = True

    def refuse(self) -> None:
        """The editor did not make the edits that were sent last: what looks like them was typed."""
        self._steps[self._since :] = [replace(step, is_ours=False) for step in self._steps[self._since :]]
        self._sent, self.made_on, self.made = (), None, ""

    @property
    def _new_texts(self) -> Sequence[str]:
        """Of the edits, the last first, as most editors make them."""
        return [edit.new_text for edit in reversed(in_order(self._sent))]

    @property
    def has_news(self) -> bool:
        """Whether the editor told of anything since the edits were sent."""
        return len(self._steps) > self._since

    def follow(self, change: ContentChange) -> None:
        """Take in a change that the editor reported."""
        text = self._texts[-1]
        if isinstance(change, types.TextDocumentContentChangePartial):
            edit = TextEdit(*offsets_of(text, change.range, self._counting), change.text)
        else:
            self.has_whole_texts = True
            edit = cut_to_change(text, TextEdit(0, len(text), change.text))
        self._add(_Step(edit, is_ours=False))
        self._recognise()

    def explain(self) -> None:
        """Find the edits in a change that tells of them and of typing as one; once the editor says it made them."""
        if self.made_on is not None:
            return
        # The fewest changes first: those of several edits may be told of as several, and typing with any of them.
        last = len(self._steps)
        for count in range(1, last - self._since + 1):
            for first in range(last - count, self._since - 1, -1):
                before, after = self._texts[first], self._texts[first + count]
                found = explained(self._sent, before, after, self._counting)
                if found is not None and self._only_on in {None, found[0]}:
                    self._take_apart(first, first + count, *found)
                    return

    def _take_apart(self, first: int, end: int, made_on: str, made: str) -> None:
        """These steps were typing up to a text, the edits that were made on it, and typing again."""
        self.made_on, self.made = made_on, made
        after, later = self._texts[end], self._steps[end:]
        del self._steps[first:], self._texts[first + 1 :]
        for goal, is_ours in ((made_on, False), (made, True), (after, False)):
            now = self._texts[-1]
            for edit in reversed(closest_edits(now, TextEdit(0, len(now), goal))):
                self._add(_Step(edit, is_ours))
        for step in later:
            self._add(step)

    def is_without_effect(self) -> bool:
        """Whether the edits sent last change nothing on any text since: making them cannot be seen, and did nothing."""
        return all(made_on(self._sent, text, self._counting) == text for text in self._texts[self._since :])

    def way_back(self) -> tuple[TextEdit, ...]:
        """Edits of the present text that leave what the user made of it, and nothing of ours."""
        edits: list[TextEdit] = []
        at = 0
        start, restored = 0, ""
        for piece in (*self._pieces(), _Piece("", "user")):
            if piece.kind == "user":
                if start < at or restored:
                    edits.append(TextEdit(start, at, restored))
                at += len(piece.text)
                start, restored = at, ""
            elif piece.kind == "ours":
                at += len(piece.text)
            else:
                restored += piece.text
        text = self._texts[-1]
        if apply_edits(text, edits) == text:
            return ()  # what is put back is there again, in the user's own typing
        return tuple(edit for edit in edits if text[edit.start : edit.end] != edit.new_text)

    def _add(self, step: _Step) -> None:
        text = self._texts[-1]
        self._steps.append(step)
        self._texts.append(text[: step.edit.start] + step.edit.new_text + text[step.edit.end :])

    def _recognise(self) -> None:
        """See whether the last steps are the edits that were sent; an editor may have made fewer of them, or more."""
        if (self.made_on is not None and self._is_answered) or not self._sent:
            return
        now, last = self._texts[-1], len(self._steps)
        wanted = with_line_feeds(now)
        for count in sorted(range(1, 2 * len(self._sent) + 1), key=lambda count: abs(count - len(self._sent))):
            first = last - count
            if first < self._since or any(step.is_ours for step in self._steps[first:]):
                continue
            text = self._texts[first]
            if text == now and [step.edit.new_text for step in self._steps[first:]] != self._new_texts:
                continue  # typed and taken back, which edits without an effect there would look like too
            if self._only_on in {None, text} and self._outcome(text) == wanted:
                before, ours = self._steps[self._since : first], self._steps[first:]
                self._steps[self._since :] = [
                    *(replace(step, is_ours=False) for step in before),
                    *(replace(step, is_ours=True) for step in ours),
                ]
                self.made_on, self.made = text, now
                return

    def _outcome(self, text: str) -> str:
        """What comes of the edits on a text, with line feeds only; found once, for each is asked for at every step."""
        if text not in self._outcomes:
            self._outcomes[text] = with_line_feeds(made_on(self._sent, text, self._counting))
        return self._outcomes[text]

    def _pieces(self) -> Sequence[_Piece]:
        pieces = [_Piece(self._texts[0], "user")]
        seen = {self._texts[0]: (0, pieces)}
        for at, (text, step) in enumerate(zip(self._texts, self._steps, strict=False)):
            came_to = self._texts[at + 1]
            first, then = seen.get(came_to, (at, pieces))
            is_gone = not step.is_ours and any(each.is_ours for each in self._steps[first:at])
            if is_gone and _of_user(then) == _of_user(pieces):
                pieces = then  # the user came back to an earlier text, by an undo of the editor: it is as it was then
            else:
                for edit in reversed(closest_edits(text, step.edit)):
                    pieces = _with_edit(pieces, edit, is_ours=step.is_ours)
            seen[came_to] = (at + 1, pieces)
        return pieces


def _of_user(pieces: Sequence[_Piece]) -> str:
    """The text without what edits of ours put in, and with what they took out."""
    return "".join(piece.text for piece in pieces if piece.kind != "ours")


def _with_edit(pieces: Sequence[_Piece], edit: TextEdit, *, is_ours: bool) -> list[_Piece]:
    head, rest = _split(pieces, edit.start)
    middle, tail = _split(rest, edit.end - edit.start)
    # Where nothing was, nothing stands between.
    users = [_Piece(edit.new_text, "user")] if edit.new_text else []
    if is_ours:
        beside = list(itertools.takewhile(lambda piece: piece.kind == "replaced", tail))
        gone = [piece for piece in middle if piece.kind != "ours"] + beside
        above = list(itertools.takewhile(lambda piece: piece.kind == "user", gone))
        back = list(itertools.takewhile(lambda piece: piece.kind == "replaced", gone[len(above) :]))
        below = gone[len(above) + len(back) :]
        if "".join(piece.text for piece in back) == edit.new_text and all(piece.kind == "user" for piece in below):
            # Put back what an edit had replaced, and the user's again; what was typed beside it is still to come.
            return [*head, *_replaced(above), *users, *_replaced(below), *tail[len(beside) :]]
        replaced = _replaced(piece for piece in middle if piece.kind != "ours")
        return [*head, *replaced, _Piece(edit.new_text, "ours"), *tail]
    # What was typed before a text of ours stands before what that replaced.
    return [*head, *users, *(piece for piece in middle if piece.kind == "replaced"), *tail]


def _replaced(pieces: Iterable[_Piece]) -> list[_Piece]:
    return [_Piece(piece.text, "replaced") for piece in pieces]


def _split(pieces: Sequence[_Piece], length: int) -> tuple[list[_Piece], list[_Piece]]:
    """The pieces of the first so many visible characters, and the others."""
    head: list[_Piece] = []
    for at, piece in enumerate(pieces):
        if length == 0:
            return head, list(pieces[at:])
        size = 0 if piece.kind == "replaced" else len(piece.text)
        if size > length:
            rest = [_Piece(piece.text[length:], piece.kind), *pieces[at + 1 :]]
            return [*head, _Piece(piece.text[:length], piece.kind)], rest
        head.append(piece)
        length -= size
    return head, []
