"""What waits for review where the user is: code actions and code lenses that accept or reject it.

Asking for them asks no model; where nothing waits it costs some microseconds. Each carries one small argument, because
some editors lose larger ones. Decides nothing: the commands do.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from lsprotocol import types

from flux.agent.review import Pending, Review
from flux.agent.session_store import SessionStore
from flux.core.errors import FluxError
from flux.core.snapshot import WorkspacePath
from flux.edits.diff import text_edits_between
from flux.edits.plan import EditFile, paths_of
from flux.edits.stacking import moved_extent
from flux.edits.text_edit import TextEdit
from flux.lsp.clients import Client, is_wanted
from flux.lsp.convert import EditorText
from flux.lsp.documents import Document
from flux.lsp.names import REVIEW_ACCEPT, REVIEW_REJECT
from flux.lsp.uris import uri_of_path
from flux.lsp.workspace import LspWorkspace

logger = logging.getLogger(__name__)

Verb = Literal["accept", "reject"]

COMMANDS: dict[Verb, str] = {"accept": REVIEW_ACCEPT, "reject": REVIEW_REJECT}
"""They are the kinds of the code actions too: no kind of LSP's own says what they do."""
HUNK_LINE = "hunk "
"""How the line begins, in a document with a proposal's diffs, that has a hunk's id."""
_KEPT_DOCUMENTS = 50


@dataclass(frozen=True, slots=True)
class _Place:
    """A hunk that waits, and the editor's lines where it would be made, both included."""

    pending: Pending
    first: int
    last: int


class ReviewMenu:
    """The menus of one connection."""

    def __init__(self, store: SessionStore, review: Review, files: LspWorkspace) -> None:
        self._store = store
        self._review = review
        self._files = files
        self._stamp: tuple[int, ...] = ()
        self._pending: Sequence[Pending] = ()
        self._known: dict[str, tuple[int, Sequence[_Place]]] = {}

    def actions(self, client: Client, params: types.CodeActionParams) -> list[types.CodeAction | types.Command]:
        """What can be done with the hunks that wait at the lines of the range; none where none does."""
        first, last = params.range.start.line, params.range.end.line
        here = [one for one in self._places(params.text_document.uri) if one.first <= last and first <= one.last]
        actions: list[types.CodeAction | types.Command] = []
        for verb, name in COMMANDS.items() if here else ():
            if not is_wanted(name, params.context.only):
                continue
            for title, argument in self._choices(verb, here):
                command = types.Command(title, name, arguments=[argument])
                if not client.takes_code_actions:
                    actions.append(command)
                    continue
                is_marked = verb == "accept" and client.marks_generated_actions
                tags = [types.CodeActionTag.LlmGenerated] if is_marked else None
                actions.append(types.CodeAction(title, name, command=command, tags=tags))
        return actions

    def lenses(self, uri: str) -> list[types.CodeLens]:
        """Two above each hunk that waits in the document: accept and reject."""
        lenses: list[types.CodeLens] = []
        for place in self._places(uri):
            hunk = place.pending.hunk
            at = types.Range(types.Position(place.first, 0), types.Position(place.first, 0))
            titles: dict[Verb, str] = {
                "accept": f"Flux: accept +{len(hunk.after)} -{len(hunk.before)}",
                "reject": "reject",
            }
            lenses += [
                types.CodeLens(at, types.Command(title, COMMANDS[verb], arguments=[{"hunk": hunk.id}]))
                for verb, title in titles.items()
            ]
        return lenses

    def _choices(self, verb: Verb, here: Sequence[_Place]) -> Iterator[tuple[str, dict[str, str]]]:
        """Titles with the one argument of each."""
        for place in here:
            where = f" (line {place.first + 1})" if len(here) > 1 else ""
            yield f"Flux: {verb} this change{where}", {"hunk": place.pending.hunk.id}
        path = here[0].pending.hunk.path
        of_file = [one for one in self._pending if path in paths_of(one.hunk.change)]
        if len(of_file) > 1:
            yield f"Flux: {verb} all {len(of_file)} changes of this file", {"file": uri_of_path(str(path.absolute()))}
        turn = here[0].pending.turn_id
        of_turn = [one for one in self._pending if one.turn_id == turn]
        if len(of_turn) > 1 and of_turn != of_file:
            yield f"Flux: {verb} all {len(of_turn)} changes of this turn", {"turn": turn}

    def _places(self, uri: str) -> Sequence[_Place]:
        try:
            self._look()
        except FluxError as e:
            logger.warning("What waits for review cannot be read: %s", e)
            return ()
        document = self._files.documents.get(uri)
        if not self._pending or document is None:
            return ()
        version, places = self._known.get(uri, (None, ()))
        if version != document.version:
            path = self._files.path_of(document)
            places = list(self._in_diff(document) if path is None else self._in_file(document, path))
            self._known[uri] = document.version, places
            if len(self._known) > _KEPT_DOCUMENTS:
                del self._known[next(iter(self._known))]
        return places

    def _look(self) -> None:
        """See what waits now, if a proposal may have been written since the last time."""
        stamp = self._store.proposals_stamp()
        if stamp != self._stamp:
            self._pending, self._stamp = self._review.pending(), stamp
            self._known.clear()

    def _in_file(self, document: Document, path: WorkspacePath) -> Iterator[_Place]:
        its = [one for one in self._pending if path in paths_of(one.hunk.change)]
        text = EditorText(document.text, self._files.documents.counting) if its else None
        typed: dict[str, Sequence[TextEdit]] = {}
        for one in its:
            change = one.hunk.change
            if text is None or not isinstance(change, EditFile):
                yield _Place(one, 0, document.text.count("\n"))  # of the file as a whole
                continue
            before = change.snapshot.text
            if before not in typed:
                typed[before] = text_edits_between(before, document.text)
            extent = moved_extent(change.edits[0].start, change.edits[-1].end, typed[before])
            yield _Place(one, *text.lines(*extent))

    def _in_diff(self, document: Document) -> Iterator[_Place]:
        """In a document that shows a proposal: from the line with a hunk's id to that before the next."""
        by_id = {one.hunk.id: one for one in self._pending}
        lines = [line.rstrip("\r\n") for line in document.lines]
        begins = [number for number, line in enumerate(lines) if line.startswith(HUNK_LINE)]
        for first, following in pairwise([*begins, len(lines)]):
            if one := by_id.get(lines[first].removeprefix(HUNK_LINE)):
                yield _Place(one, first, following - 1)
