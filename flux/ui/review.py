"""A proposal on a terminal: one hunk after the other, each taken, left or refused with a reason.

What was decided is done at the end, all that is taken as one change. What was not decided waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from flux.agent.review import Pending, Review
from flux.core.errors import NothingChanged
from flux.ui.input import Input
from flux.ui.render import one_line, painted, painted_diff

_CHOICES = "[y]es / [n]o / [a]ll / this [f]ile / [e]dit / [w]hy not / [q]uit "
_WORDS = {"yes": "y", "no": "n", "all": "a", "file": "f", "edit": "e", "why": "w", "quit": "q"}


class ReviewOnTerminal:
    """Asks on `source`, and shows on `screen`."""

    def __init__(self, source: Input, screen: TextIO) -> None:
        self._source = source
        self._screen = screen

    async def run(self, review: Review, pending: Sequence[Pending]) -> None:
        """Let the user decide on these hunks, then do it."""
        taken: list[Pending] = []
        rejected: list[tuple[Pending, str]] = []
        waiting = list(pending)
        while waiting:
            one = waiting[0]
            self._screen.write(painted_diff(one.hunk.diff, self._screen))
            match await self._decision(one, len(pending) - len(waiting) + 1, len(pending)):
                case "y":
                    taken.append(waiting.pop(0))
                case "n":
                    rejected.append((waiting.pop(0), ""))
                case "w":
                    rejected.append((waiting.pop(0), await self._answer("Why not? ")))
                case "e":
                    waiting[0] = await self._edited(review, one)
                case "f":
                    taken += [other for other in waiting if other.hunk.path == one.hunk.path]
                    waiting = [other for other in waiting if other.hunk.path != one.hunk.path]
                case "a":
                    taken += waiting
                    waiting = []
                case _:
                    break
        for one, reason in rejected:
            review.reject([one], reason)
        await self._accept(review, taken)
        parts = [(len(rejected), "rejected"), (len(waiting), "left for later (/review)")]
        if said := ", ".join(f"{number} {what}" for number, what in parts if number):
            self._say(f"  {said}", "dim")

    async def _decision(self, one: Pending, number: int, count: int) -> str:
        question = f"Change {one_line(str(one.hunk.path))} ({number} of {count})? {_CHOICES}"
        while True:
            answer = (await self._answer(question, at_end="q")).strip().lower()
            if (letter := _WORDS.get(answer, answer)) in {"y", "n", "a", "f", "e", "w", "q"}:
                return letter

    async def _edited(self, review: Review, one: Pending) -> Pending:
        """The hunk as the user would have it, to be asked for once more."""
        try:
            text = await self._source.edit("".join(f"{line}\n" for line in one.hunk.after))
            if text is None:
                self._say("! there is no editor to open here", "yellow")
                return one
            return review.amend(one, text.removesuffix("\n").split("\n") if text else [])
        except NothingChanged as e:
            self._say(f"! {e.message}", "yellow")
        except (EOFError, KeyboardInterrupt):
            self._say("  left as it was", "dim")
        return one

    async def _answer(self, question: str, at_end: str = "") -> str:
        try:
            return await self._source.answer(question)
        except (EOFError, KeyboardInterrupt):
            return at_end

    async def _accept(self, review: Review, taken: Sequence[Pending]) -> None:
        came = await review.accept(taken)
        for refusal in came.refused:
            self._say(f"! not made: {refusal.reason}", "yellow")
        if came.changes:
            names = ", ".join(dict.fromkeys(str(change.new_path) for change in came.changes))
            self._say(f"  {len(came.accepted)} of {len(taken)} made: {names}", "dim")

    def _say(self, text: str, colour: str) -> None:
        self._screen.write(painted(text, colour, self._screen) + "\n")
        self._screen.flush()
