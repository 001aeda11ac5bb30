"""What comes of a code action that was chosen: one turn, and its answer put where the user can take it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from lsprotocol import types

from flux.agent.actions import filled
from flux.context.test_layout import layout_of
from flux.core.errors import WorkspaceError
from flux.core.snapshot import FileSnapshot
from flux.lsp.convert import offsets_of
from flux.lsp.features.explanations import SHORT_TEXT, show_text
from flux.lsp.features.focus import focus_of
from flux.lsp.names import COMMIT_MESSAGE
from flux.tools.registry import builtin_tools
from flux.workspace import git
from flux.workspace.workspace import unsaved_below

if TYPE_CHECKING:
    from flux.context.item import Focus
    from flux.lsp.features.code_actions import Offer
    from flux.lsp.features.commands import Commands
    from flux.lsp.server import FluxServer
    from flux.lsp.turns import TurnReport

MAX_CHANGES = 20_000
"""Characters of changes that are shown for a commit message."""
MESSAGE_FILE = "COMMIT_EDITMSG"
"""As git names it, so that editors show it as what it is."""


async def run_offer(
    server: FluxServer, commands: Commands, offer: Offer, token: types.ProgressToken | None
) -> TurnReport:
    """Do what was offered. Raises FluxErrors, where it is refused before a model was asked too."""
    action, files = offer.action, server.files
    focus = await focus_of(files, offer.uri, offer.range, offer.problems)
    if action.about == "file problems":
        focus = replace(focus, diagnostics=tuple(await files.diagnostics(focus.path)))
        if not focus.diagnostics:
            raise WorkspaceError("The editor shows no problem in this file.", path=str(focus.path))
    text = action.instruction({**offer.values, **await _values(server, offer, focus)})
    sessions = await server.sessions.sessions()
    tools = None if action.output == "edit" else action.tools(builtin_tools(sessions.index, sessions.languages))
    session = await server.sessions.start_once(action.role, tools)
    title = f"Flux: {filled(action.title, offer.values)}"
    report = await commands.run_turn(session, text, focus, title, token)
    commands.tell(report)
    if report.status == "completed" and report.text:
        await _deliver(server, offer, focus, report)
    return report


async def _deliver(server: FluxServer, offer: Offer, focus: Focus, report: TurnReport) -> None:
    editor, name = server.editor, f"{focus.path.absolute().name}-{offer.action.name}-{report.turn}"
    match offer.action.output:
        case "commit message":
            await _give_message(server, offer, focus, report.text)
        case "explanation":
            await show_text(editor, name, report.text)
        case "edit" | "new file":
            if report.paths or report.proposed:
                editor.log(f"Flux: {report.text}")
            elif len(report.text) <= SHORT_TEXT:
                editor.show(f"Flux: {report.text}")
            else:
                await show_text(editor, name, report.text)
        case _:
            assert_never(offer.action.output)


async def _give_message(server: FluxServer, offer: Offer, focus: Focus, message: str) -> None:
    """To the editor's own place for it where it has one, else as a document."""
    editor = server.editor
    if editor.client.takes_commit_messages:
        editor.notify(COMMIT_MESSAGE, {"uri": Path(focus.path.root).as_uri(), "text": message})
    else:
        await show_text(editor, MESSAGE_FILE, message, kind="")


async def _values(server: FluxServer, offer: Offer, focus: Focus) -> dict[str, str]:
    """What only the choice makes worth looking up."""
    workspace = server.files
    snapshot = await workspace.read(focus.path)
    values = {"file": str(focus.path), "selection": _text_of(server, snapshot, offer.range)}
    if "${layout}" in offer.action.prompt:
        same_root = [path.relative for path in await workspace.list_files() if path.root == focus.path.root]
        values["layout"] = str(layout_of(focus.path.relative, same_root))
    if offer.action.about == "changes":
        unsaved = unsaved_below(workspace, focus.path.root)
        values["changes"] = await asyncio.to_thread(_changes, focus.path.root, unsaved)
    return values


def _text_of(server: FluxServer, snapshot: FileSnapshot, place: types.Range | None) -> str:
    if place is None:
        return snapshot.text
    start, end = offsets_of(snapshot.text, place, server.files.documents.counting)
    return snapshot.text[start:end]


def _changes(root: str, unsaved: dict[str, str | None]) -> str:
    """Raises WorkspaceError where there is nothing to commit."""
    staged = git.staged_changes(root, MAX_CHANGES)
    changed = staged or git.uncommitted_changes(root, MAX_CHANGES, unsaved)
    if not changed:
        raise WorkspaceError("There is nothing to commit.", path=root)
    what = "These changes are staged:" if staged else "Nothing is staged. These are all changes:"
    messages = git.history(root, "", "", 10, 2_000)
    return f"{what}\n{changed}\nThe last messages:\n{messages or 'none'}"
