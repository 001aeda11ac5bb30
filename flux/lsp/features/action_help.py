"""The page about code actions: which there are, and how users make their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flux.agent.actions import About, Action, built_in
from flux.lsp import results
from flux.lsp.features.explanations import show_text

if TYPE_CHECKING:
    from flux.lsp.server import FluxServer

_WHERE: dict[About, str] = {
    "problem": "at a problem",
    "problems": "at several problems",
    "file problems": "in a file with problems",
    "comment": "at a comment `flux: …`",
    "gap": "at a TODO, or in a stub",
    "code": "on a selection, else the definition at the cursor, else the file",
    "file": "on the file",
    "changes": "in a git repository",
}
_OWN = """\
## Your own

A file `NAME.toml` in `.flux/actions` of a folder, which takes effect once you trust it, or in `actions` beside your own
`config.toml`:

```toml
title = "translate the comments of ${target}"
prompt = "Translate the comments in ${target} into English. Change no code."
languages = ["python", "*.ts"]
```
"""


async def show_help(server: FluxServer) -> results.ActionPage:
    """The page, which the editor is given to show too."""
    text = "\n".join(["# Code actions of Flux", "", *_table(built_in()), "", *_own(server.code_actions.own)])
    await show_text(server.editor, "code-actions", text)
    return {"text": text}


def _own(actions: Sequence[Action]) -> list[str]:
    return [_OWN, *(_table(actions) if actions else [])]


def _table(actions: Sequence[Action]) -> list[str]:
    rows = [f"| {a.title} | {_WHERE[a.about]} | {', '.join(a.kinds)} | {a.output} |" for a in actions]
    return ["| action | where | kinds | what comes of it |", "|---|---|---|---|", *rows]
