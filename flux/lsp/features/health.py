"""`flux.doctor`: what works here and what does not, with what the server knows of its editor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flux.agent.doctor.examination import Case, examine
from flux.agent.doctor.finding import Finding, Report
from flux.core.config import find_user_folders
from flux.core.errors import ConfigError
from flux.lsp.clients import Client
from flux.lsp.features.explanations import show_text

if TYPE_CHECKING:
    from flux.core.config import Loaded
    from flux.lsp.server import FluxServer


async def examine_server(server: FluxServer, *, is_deep: bool) -> Report:
    """All that can be found out from here. With `is_deep` models are tried, which may cost money."""
    folder = server.files.roots[0]
    loaded: Loaded | ConfigError
    try:
        loaded = await server.settings.loaded(folder)
    except ConfigError as e:
        loaded = e
    store = await server.sessions.open_store() if is_deep else None
    door = [_editor(server.protocol.client)]
    return await examine(
        Case(Path(folder), find_user_folders().state, loaded, door, (lambda: store) if store else None)
    )


async def show_report(server: FluxServer, *, is_deep: bool) -> None:
    """The same as a document, for an editor that does not wait for the answer."""
    report = await examine_server(server, is_deep=is_deep)
    await show_text(server.editor, "doctor", str(report.to_json()["text"]), kind="txt")


def _editor(client: Client) -> Finding:
    name = client.name or "An editor that does not say its name"
    if not client.applies_edits:
        text = f"{name} takes no edits from a language server, so Flux can only answer."
        return Finding("editor", "editor", "problem", text, "Use an editor that knows workspace/applyEdit.")
    told = "tells" if "diagnostics" in client.queries else "does not tell"
    return Finding("editor", "editor", "ok", f"{name}: it takes edits, and {told} of new errors after one.")
