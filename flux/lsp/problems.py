"""Problems that other servers found, as the editor tells: with a code action, or when it is asked after a change.

A problem is known again by its words and its line's text, since edits above it move it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lsprotocol import types

from flux.core.diagnostics import Diagnostic, ProblemReport
from flux.core.snapshot import FileSnapshot
from flux.core.text import LineIndex, line_content
from flux.lsp.convert import EditorText
from flux.lsp.documents import Document, Documents

logger = logging.getLogger(__name__)

SHOWN_NOW_S = 1.0
"""For an editor to say what it shows already."""


@dataclass(frozen=True, slots=True)
class EditorProblems:
    """What an editor shows for a document. `when` is `saved` where it was found out for saved files only."""

    diagnostics: Sequence[types.Diagnostic]
    when: str = "typed"


class ProblemSource(Protocol):
    """The editor, as far as it tells of problems."""

    async def problems(self, uri: str, version: int, wait_s: float) -> EditorProblems | None:
        """What it shows for this version of the document or a later one; None where nothing came within the bound."""
        ...


@dataclass(slots=True)
class _Reported:
    """Problems for one version of a document."""

    version: int
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(slots=True)
class Problems:
    """What is known of the problems in open documents."""

    documents: Documents
    _reported: dict[str, _Reported] = field(default_factory=dict[str, _Reported])
    _before: dict[str, Counter[_Mark]] = field(default_factory=dict[str, "Counter[_Mark]"])

    def known(self, document: Document) -> Sequence[Diagnostic]:
        """Those for the document's present text."""
        reported = self._reported.get(document.uri)
        return reported.diagnostics if reported and reported.version == document.version else ()

    def report(self, document: Document, diagnostics: Iterable[Diagnostic]) -> None:
        """Keep the problems that the editor showed for the document's present text, beside those it showed before."""
        merged = tuple(dict.fromkeys((*self.known(document), *diagnostics)))
        for uri in [uri for uri in self._reported if self.documents.get(uri) is None]:
            del self._reported[uri]
        self._reported[document.uri] = _Reported(document.version, merged)

    async def shown(self, source: ProblemSource, uri: str, text: str) -> Sequence[Diagnostic]:
        """Those that are shown now for a text, as far as the editor says it in time."""
        shown = await _ask(source, uri, 0, 0.0)
        return self._read(text, shown) if shown else ()

    async def remember(self, source: ProblemSource, texts: Mapping[str, str]) -> None:
        """Ask what is shown now for the texts of these URIs, so that `new_ones` can tell what is new."""
        for uri in [uri for uri in self._before if self.documents.get(uri) is None]:
            del self._before[uri]
        async with asyncio.TaskGroup() as group:
            for uri, text in texts.items():
                group.create_task(self._remember(source, uri, text))

    async def _remember(self, source: ProblemSource, uri: str, text: str) -> None:
        shown = await _ask(source, uri, 0, 0.0)
        if shown is None:
            self._before.pop(uri, None)
        else:
            self._before[uri] = Counter(_marks(text, self._read(text, shown)))

    async def new_ones(
        self, source: ProblemSource, document: Document, snapshot: FileSnapshot, wait_s: float
    ) -> ProblemReport | None:
        """What came up since `remember` for the document's version in `snapshot`."""
        shown = await _ask(source, document.uri, snapshot.version or 0, wait_s)
        if shown is None:
            return None
        if shown.when == "saved":
            return ProblemReport(waits_for_saving=True)
        text = document.text
        left = Counter(self._before.get(document.uri, Counter()))
        new: list[Diagnostic] = []
        diagnostics = self._read(text, shown)
        for diagnostic, mark in zip(diagnostics, _marks(text, diagnostics), strict=True):
            if left[mark] > 0:
                left[mark] -= 1
            else:
                new.append(diagnostic)
        self.report(document, diagnostics)
        return ProblemReport(tuple(new))

    def _read(self, text: str, shown: EditorProblems) -> list[Diagnostic]:
        places = EditorText(text, self.documents.counting)
        return [places.diagnostic(diagnostic) for diagnostic in shown.diagnostics]


_Mark = tuple[str, str, str, str]


def _marks(text: str, diagnostics: Sequence[Diagnostic]) -> list[_Mark]:
    index = LineIndex(text)

    def line_of(diagnostic: Diagnostic) -> str:
        number = diagnostic.range.start.line
        return line_content(index.line(number)).strip() if number < index.line_count else ""

    return [(d.message, d.source, d.code, line_of(d)) for d in diagnostics]


async def _ask(source: ProblemSource, uri: str, version: int, wait_s: float) -> EditorProblems | None:
    try:
        async with asyncio.timeout(wait_s + SHOWN_NOW_S):
            return await source.problems(uri, version, wait_s)
    except TimeoutError:
        logger.warning("The editor did not say in time which problems it shows.")
        return None
