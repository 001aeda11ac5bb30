"""Texts to read, Markdown or a diff: a file in Flux's state folder, shown by the editor where it can.

Each has a folder of its own: an editor that has an earlier text of its name open would go on showing that one.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
from pathlib import Path

from flux.core.config import state_folder
from flux.core.errors import ConfigError
from flux.lsp.editor import LspEditor
from flux.lsp.uris import uri_of_path

KEPT_TEXTS = 50
SHORT_TEXT = 200
"""Characters that fit a message."""


async def show_text(editor: LspEditor, name: str, text: str, *, kind: str = "md") -> None:
    """Show the text as a document; where the editor cannot, say where it is.

    `name` becomes part of the file's name, with `kind` as its suffix.
    """
    try:
        path = await asyncio.to_thread(_write, state_folder() / "explanations", name, text, kind)
    except (OSError, ConfigError) as e:
        editor.show(f"{text}\n\n(Flux could not write this to a file: {e})")
        return
    if editor.client.shows_documents and await editor.show_document(uri_of_path(str(path)), takes_focus=True):
        return
    editor.show(f"Flux wrote its answer to {path}")


def _write(folder: Path, name: str, text: str, kind: str) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(dir=folder)) / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', name)[:80]}{kind and f'.{kind}'}"
    path.write_text(text.rstrip("\n") + "\n", encoding="utf-8", newline="\n")
    by_age = sorted(folder.iterdir(), key=lambda one: one.stat().st_mtime)
    for old in by_age[:-KEPT_TEXTS]:
        shutil.rmtree(old, ignore_errors=True)
    return path
