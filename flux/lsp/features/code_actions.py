"""Code actions: what Flux can do with the selection or with the problems under it.

Offering asks no model and costs next to nothing. Each action carries one small id, because some editors lose larger
arguments; what it stands for is kept here. The edit comes later, through the workspace.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lsprotocol import types

from flux.agent.actions import ACTIONS, ActionKind
from flux.core.diagnostics import Diagnostic
from flux.core.errors import FluxError, InvalidArguments, StaleSnapshot
from flux.lsp.clients import Client
from flux.lsp.convert import EditorText
from flux.lsp.documents import Document
from flux.lsp.workspace import LspWorkspace
from flux.workspace.ignore import check_allowed

RUN = "flux.action.run"
EXPLAIN = "flux.explain"
KINDS = (types.CodeActionKind.QuickFix, types.CodeActionKind.RefactorRewrite, EXPLAIN)

KEPT_OFFERS = 1000
"""A menu has at most seven; an old one that is still open may be forgotten after so many."""

_COMMENT = re.compile(r"(?:#|//|/\*|--|;|%|<!--|\"|')\s*flux:\s*(\S.*?)\s*(?:\*/|-->)?\s*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Offer:
    """What an id stands for. `version` is that of the text which `range` refers to."""

    kind: ActionKind
    uri: str
    version: int
    range: types.Range
    comment: str = ""
    diagnostics: tuple[Diagnostic, ...] = ()


class CodeActions:
    """The offers of one connection."""

    def __init__(self) -> None:
        self._offers: dict[str, Offer] = {}
        self._numbers = itertools.count(1)

    def offer(
        self, workspace: LspWorkspace, client: Client, params: types.CodeActionParams
    ) -> list[types.CodeAction | types.Command]:
        """The menu for a place. Empty where Flux may not work: outside the workspace, in a secret file, unsaved new."""
        document = workspace.documents.get(params.text_document.uri)
        if document is None or not _may_work_on(workspace, document):
            return []
        text = EditorText(document.text, workspace.documents.counting)
        problems = tuple(text.diagnostic(given) for given in params.context.diagnostics)
        workspace.report(document, problems)
        only = params.context.only
        actions: list[types.CodeAction | types.Command] = []
        for offer, title, kind in _offers(document, text, params, problems):
            if not is_wanted(kind, only):
                continue
            command = types.Command(title, RUN, arguments=[{"id": self._keep(offer)}])
            if not client.takes_code_actions:
                actions.append(command)
                continue
            tags = [types.CodeActionTag.LlmGenerated] if client.marks_generated_actions else None
            diagnostics = list(params.context.diagnostics) if kind == types.CodeActionKind.QuickFix else None
            actions.append(types.CodeAction(title, kind, diagnostics=diagnostics, command=command, tags=tags))
        return actions

    def take(self, offer_id: str, workspace: LspWorkspace) -> Offer:
        """What the id stands for. Raises InvalidArguments for none of ours, StaleSnapshot where the text is another."""
        offer = self._offers.get(offer_id)
        if offer is None:
            raise InvalidArguments(f"There is no offer {offer_id!r}.", hint="Open the menu of code actions again.")
        document = workspace.documents.get(offer.uri)
        if document is not None and document.version != offer.version:
            raise StaleSnapshot(
                "The text has changed since the code actions were listed.", hint="Open their menu again."
            )
        return offer

    def _keep(self, offer: Offer) -> str:
        offer_id = str(next(self._numbers))
        self._offers[offer_id] = offer
        if len(self._offers) > KEPT_OFFERS:
            del self._offers[next(iter(self._offers))]
        return offer_id


def is_wanted(kind: str, only: Sequence[str] | None) -> bool:
    """Whether an editor that asks for these kinds only, or for any, is to be offered one of this kind."""
    return only is None or any(not wanted or kind == wanted or kind.startswith(f"{wanted}.") for wanted in only)


def find_comment(document: Document, lines: range) -> tuple[int, str] | None:
    """The first `flux:` comment in the lines: its line and what it says."""
    for line in lines:
        if line < len(document.buffer.lines) and (found := _COMMENT.search(document.buffer.lines[line].rstrip("\r\n"))):
            return line, found[1]
    return None


def _offers(
    document: Document, text: EditorText, params: types.CodeActionParams, problems: tuple[Diagnostic, ...]
) -> Iterator[tuple[Offer, str, str]]:
    """(offer, title, kind) of each action, those that fit the place best first."""

    def offer(kind: ActionKind, comment: str = "", at: types.Range = params.range) -> Offer:
        return Offer(kind, document.uri, document.version, at, comment, problems)

    rewrite = types.CodeActionKind.RefactorRewrite
    if problems:
        title = "Flux: fix this problem" if len(problems) == 1 else f"Flux: fix these {len(problems)} problems"
        yield offer("fix"), title, types.CodeActionKind.QuickFix
    if found := find_comment(document, range(params.range.start.line, params.range.end.line + 1)):
        line, words = found
        at = types.Range(types.Position(line, 0), text.end_of_line(line))
        yield offer("comment", words, at), f"Flux: {ACTIONS['comment'].title}", rewrite
    is_automatic = params.context.trigger_kind == types.CodeActionTriggerKind.Automatic
    if is_automatic and params.range.start == params.range.end:
        return  # the cursor only came by: no light bulb on every line
    kinds: Sequence[ActionKind] = ("fix", "explain", "improve", "document", "tests")
    for kind in kinds:
        if kind != "fix" or not problems:
            yield offer(kind), f"Flux: {ACTIONS[kind].title}", EXPLAIN if kind == "explain" else rewrite


def _may_work_on(workspace: LspWorkspace, document: Document) -> bool:
    path = workspace.path_of(document)
    if path is None:
        return False
    try:
        check_allowed(path, document.path)
    except FluxError:
        return False
    return True
