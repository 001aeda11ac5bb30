"""Code actions: what Flux can do with what is at the cursor, in one menu.

Offering asks no model and costs next to nothing. Each action carries one small id, because some editors lose larger
arguments; what it stands for is kept here. What comes of a choice is `action_run`'s business.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lsprotocol import types

from flux.agent.actions import Action, built_in, filled, own_actions
from flux.core.diagnostics import Diagnostic
from flux.core.errors import ConfigError, FluxError, InvalidArguments, StaleSnapshot
from flux.lsp.clients import is_wanted
from flux.lsp.convert import EditorText
from flux.lsp.documents import Document
from flux.lsp.editor import LspEditor
from flux.lsp.features.subjects import Subject, Subjects
from flux.lsp.settings import EditorSettings
from flux.lsp.workspace import LspWorkspace
from flux.workspace.ignore import check_allowed

if TYPE_CHECKING:
    from flux.core.config import Loaded

RUN = "flux.action.run"

KEPT_MENUS = 20
"""An editor asks for one wherever the cursor goes. Each may hold hundreds of problems, which cost memory, and pauses
where the interpreter looks through them for garbage."""
MAX_TITLE = 90


@dataclass(frozen=True, slots=True)
class Offer:
    """What an id stands for. `version` is that of the text which `range` refers to; None is the whole file."""

    action: Action
    uri: str
    version: int
    range: types.Range | None
    values: Mapping[str, str]
    problems: tuple[Diagnostic, ...] = ()


class CodeActions:
    """The offers of one connection."""

    def __init__(self, editor: LspEditor, settings: EditorSettings) -> None:
        self._editor = editor
        self._settings = settings
        self._menus: deque[dict[str, Offer]] = deque(maxlen=KEPT_MENUS)
        """The newest ones: what their ids stand for."""
        self._numbers = itertools.count(1)
        self._loaded: Loaded | None = None
        self._own: Sequence[Action] = ()
        self._no_model = ""
        self._told: set[str] = set()

    async def offer(
        self, workspace: LspWorkspace, params: types.CodeActionParams
    ) -> list[types.CodeAction | types.Command]:
        """The menu for a place. Where Flux may not work, it is empty, or says why where the editor can show that."""
        document = workspace.documents.get(params.text_document.uri)
        if document is None:
            return []
        is_automatic = params.context.trigger_kind == types.CodeActionTriggerKind.Automatic
        reason = _why_not(workspace, document)
        text = EditorText(document.text, workspace.documents.counting, tuple(document.lines))
        problems = tuple(text.diagnostic(given) for given in params.context.diagnostics)
        known: Sequence[Diagnostic] = ()
        if not reason:
            known = workspace.report(document, problems)
            await self._load(workspace.roots[0])
            reason = self._no_model
        # An editor that asks by itself for certain kinds runs what it gets (VS Code, `editor.codeActionsOnSave`): each
        # would be paid for at every save.
        if is_automatic and (params.context.only or reason):
            return []
        can_ask = "diagnostics" in self._editor.client.queries
        at = params.range
        if self._editor.client.selects_in_passing and text.has_word_at_most(at):
            at = types.Range(at.start, at.start)
        subjects = Subjects(document, text, at, params.context.diagnostics, problems, tuple(known), can_ask=can_ask)
        # Where only the cursor came by, there is no light bulb on every line.
        is_passing = is_automatic and at.start == at.end
        self._menus.append({})
        menu: list[types.CodeAction | types.Command] = []
        for action in (*built_in(), *self._own):
            kind = next((kind for kind in action.kinds if is_wanted(kind, params.context.only)), None)
            if kind is None or not action.fits(document.language_id, document.path):
                continue
            if is_automatic and (kind.startswith("source") or (is_passing and action.about in {"code", "file"})):
                continue
            for subject in subjects.about(action.about):
                menu += self._entries(action, kind, subject, document, reason, is_asked_for=bool(params.context.only))
        return menu

    def take(self, offer_id: str, workspace: LspWorkspace) -> Offer:
        """What the id stands for. Raises InvalidArguments for none of ours, StaleSnapshot where the text is another."""
        offer = next((menu[offer_id] for menu in self._menus if offer_id in menu), None)
        if offer is None:
            raise InvalidArguments(f"There is no offer {offer_id!r}.", hint="Open the menu of code actions again.")
        document = workspace.documents.get(offer.uri)
        if document is not None and document.version != offer.version:
            raise StaleSnapshot(
                "The text has changed since the code actions were listed.", hint="Open their menu again."
            )
        return offer

    @property
    def own(self) -> Sequence[Action]:
        """The user's and the project's, as they were when a menu was made last."""
        return self._own

    def _entries(
        self, action: Action, kind: str, subject: Subject, document: Document, reason: str, *, is_asked_for: bool
    ) -> Iterator[types.CodeAction | types.Command]:
        """The entry, or none."""
        client = self._editor.client
        title = _on_a_line(f"Flux: {filled(action.title, subject.values)}")
        if reason or subject.reason:
            # What cannot be done here at all is said wherever one asks; a part of it only to who asks for that.
            if client.shows_disabled and (reason or is_asked_for):
                yield types.CodeAction(title, kind, disabled=types.CodeActionDisabled(reason or subject.reason))
            return
        offer = Offer(action, document.uri, document.version, subject.range, subject.values, subject.problems)
        command = types.Command(title, RUN, arguments=[{"id": self._keep(offer)}])
        if not client.takes_code_actions:
            yield command
            return
        yield types.CodeAction(
            title,
            kind,
            diagnostics=list(subject.given) or None,
            # Whether a fix is right is not known before it is made. A comment's author has said what they want.
            is_preferred=True if action.about == "comment" and client.marks_preferred else None,
            command=command,
            tags=[types.CodeActionTag.LlmGenerated] if client.marks_generated_actions else None,
        )

    def _keep(self, offer: Offer) -> str:
        offer_id = str(next(self._numbers))
        self._menus[-1][offer_id] = offer
        return offer_id

    async def _load(self, folder: str) -> None:
        """See which actions there are now and whether there is a model. What is wrong with one is told once."""
        try:
            loaded = await self._settings.loaded(folder)
        except ConfigError as e:
            self._loaded, self._no_model = None, str(e)
            return
        if loaded is self._loaded:
            return
        self._loaded = loaded
        self._own, complaints = own_actions(loaded.actions)
        self._no_model = "" if self._settings.waits_for_trust else _why_no_model(loaded)
        for complaint in (*loaded.broken_actions, *complaints):
            if complaint not in self._told:
                self._told.add(complaint)
                self._editor.show(f"Flux: {complaint} It is not offered.", "warning")


def _why_not(workspace: LspWorkspace, document: Document) -> str:
    """Why Flux may not work on the document; empty where it may."""
    path = workspace.path_of(document)
    if path is None:
        return "Flux works on files in the folders that are open."
    try:
        check_allowed(path, document.path)
    except FluxError as e:
        return e.message
    return ""


def _why_no_model(loaded: Loaded) -> str:
    from flux.llm.provider_factory import choose_provider

    try:
        choose_provider(loaded.settings)
    except ConfigError as e:
        return e.message
    return ""


def _on_a_line(title: str) -> str:
    text = " ".join(title.split())
    return text if len(text) <= MAX_TITLE else f"{text[: MAX_TITLE - 1]}…"
