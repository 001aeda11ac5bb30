"""What a code action can be about where the user is: a problem, a comment, the selection, a definition, the file.

Found by looking at what the editor sent and at the lines around; nothing is parsed, and no one is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import assert_never

from lsprotocol import types

from flux.agent.actions import About
from flux.context.place import Found, definition_at, flux_comment, gap
from flux.core.diagnostics import Diagnostic
from flux.lsp.convert import EditorText
from flux.lsp.documents import Document

MAX_NAMED = 5
"""So many problems at one place have an entry each."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing. `range` None is the whole file; `values` fill the action's gaps.

    `reason` says why nothing can be done about it, empty where something can.
    """

    range: types.Range | None = None
    values: Mapping[str, str] = field(default_factory=dict[str, str])
    given: Sequence[types.Diagnostic] = ()
    """The one problem, as the editor sent it. To send back hundreds takes longer than to find all else."""
    problems: tuple[Diagnostic, ...] = ()
    reason: str = ""


class Subjects:
    """The subjects at one place of a document, found when asked for."""

    def __init__(
        self,
        document: Document,
        text: EditorText,
        at: types.Range,
        given: Sequence[types.Diagnostic],
        problems: tuple[Diagnostic, ...],
        of_file: tuple[Diagnostic, ...],
        *,
        can_ask: bool,
    ) -> None:
        """`given` are the problems at the place as the editor sent them, `of_file` all that are known.

        `can_ask`: the editor can tell of more.
        """
        self._document = document
        self._text = text
        self._at = at
        self._given = given
        self._problems = problems
        self._of_file = of_file
        self._can_ask = can_ask

    def about(self, what: About) -> Sequence[Subject]:
        """Those of that kind; none where there is none here."""
        match what:
            case "problem":
                return [self._of_problems([one]) for one in range(min(len(self._problems), MAX_NAMED))]
            case "problems":
                return [self._of_problems(range(len(self._problems)))] if len(self._problems) > 1 else []
            case "file problems":
                reason = "" if self._of_file or self._can_ask else "The editor has told of no problem in this file."
                return [Subject(None, self._values("this file"), problems=self._of_file, reason=reason)]
            case "comment":
                found = flux_comment(self._lines, self._at.start.line, self._at.end.line)
                return [self._of_lines(found, "this comment", comment=found.name)] if found else []
            case "gap":
                found = gap(self._lines, self._at.start.line, self._at.end.line, self._here)
                return [self._of_lines(found, found.name or "this TODO")] if found else []
            case "code":
                if self._at.start != self._at.end:
                    return [Subject(self._at, self._values("the selection", self._at))]
                here = self._here
                return [self._of_lines(here, here.name) if here else Subject(None, self._values("this file"))]
            case "file":
                return [Subject(None, self._values("this file"))]
            case "changes":
                reason = "" if _is_in_repository(self._document.path) else "This file is in no git repository."
                return [Subject(None, self._values("the uncommitted changes"), reason=reason)]
        assert_never(what)

    @property
    def _lines(self) -> Sequence[str]:
        return self._document.buffer.lines

    @cached_property
    def _here(self) -> Found | None:
        return definition_at(self._lines, self._at.start.line, self._document.path)

    def _of_problems(self, numbers: Sequence[int]) -> Subject:
        problems = tuple(self._problems[number] for number in numbers)
        said = "; ".join(" ".join(problem.message.split()) for problem in problems)
        given = [self._given[numbers[0]]] if len(numbers) == 1 else []
        at = given[0].range if given else self._at
        return Subject(at, {**self._values(said, at), "problems": said, "count": str(len(problems))}, given, problems)

    def _of_lines(self, found: Found, target: str, **more: str) -> Subject:
        at = types.Range(types.Position(found.first, 0), self._text.end_of_line(found.last))
        return Subject(at, {**self._values(target, at), **more})

    def _values(self, target: str, at: types.Range | None = None) -> dict[str, str]:
        first, last = (at.start.line + 1, at.end.line + 1) if at else (1, len(self._lines))
        lines = f"line {first}" if first == last else f"lines {first}-{last}"
        return {"target": target, "lines": lines, "language": self._document.language_id}


def _is_in_repository(path: str) -> bool:
    return any((folder / ".git").exists() for folder in Path(path).parents)
