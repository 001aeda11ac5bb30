"""`docs/protocol.md`, made of the declarations in `flux.lsp.methods`.

Run as a program in the project's folder it writes the page; a test holds it fresh.
"""

from __future__ import annotations

import dataclasses
import inspect
import types as python_types
from collections.abc import Iterator
from pathlib import Path
from typing import get_args, get_type_hints

from flux.lsp.methods import COMMANDS, arguments_shape


def protocol_reference() -> str:
    """The whole page."""
    return "\n".join(_reference_lines()) + "\n"


def _reference_lines() -> Iterator[str]:
    yield "# What Flux adds to LSP"
    yield ""
    yield "Generated from `flux/lsp/methods.py` by `python -m flux.lsp.protocol_docs`. All else is standard LSP 3.17."
    yield ""
    yield "## Commands (`workspace/executeCommand`)"
    yield ""
    yield "Each takes one JSON object. A question mark: may be left out. Ranges are LSP ranges in the negotiated"
    yield "position encoding. What cannot be done is answered by an error whose message is for a person."
    for name, kind in COMMANDS.items():
        yield ""
        yield f"### `{name} {arguments_shape(kind)}`"
        yield ""
        yield inspect.getdoc(kind) or ""
        fields = dataclasses.fields(kind)
        if fields:
            yield ""
        for field in fields:
            yield f"- `{field.name}` ({_type_name(get_type_hints(kind)[field.name])}): {field.metadata['doc']}"
    yield from _REFERENCE_END


def _type_name(hint: object) -> str:
    kinds = get_args(hint) if isinstance(hint, python_types.UnionType) else (hint,)
    return "string" if kinds[0] is str else "range"


_REFERENCE_END = """
A turn, as the result of a command:
`{turn, session, status, text, paths, unsaved, proposed, usage, cost, costText, error, summary}`. `status` is
`completed`, `cancelled` or `failed` (then `error` says why), `paths` are the files that were changed, `unsaved` those
whose changes stand in buffers only, and `proposed: [{hunk, path, line, diff}]` what waits for review. An editor that
gives up on slow commands (Helix, eglot) gets `{"status": "started"}` at once, and the rest by progress and messages.

## Code actions

`textDocument/codeAction` offers what Flux can do with the selection, without asking a model. Each carries the command
`flux.action.run` with a small id; the edit then comes as `workspace/applyEdit`, unsaved, versioned, one undo step.

Where a hunk waits at the line or the selection, it also offers to accept or reject that change, all of the file, or all
of the turn: kinds `flux.review.accept` and `flux.review.reject`, with the commands of these names and one argument
(`hunk`, `file` or `turn`). So it does in a document that shows a proposal, which is the place for new files.
`textDocument/codeLens` has the same two for each hunk, refreshed where `workspace.codeLens.refreshSupport` is set.

## Review

With the setting `approval = "review"` a turn changes nothing: its changes wait as hunks for `flux.review.accept` and
`flux.review.reject`, in the session store, so also after a restart. How they are shown depends on the editor:

- `workspace.workspaceEdit.changeAnnotationSupport`: one `workspace/applyEdit` with an annotation for each hunk,
  `needsConfirmation` true. Which of them were taken is seen by the text; the others of a file count as rejected once
  any was taken and the text is certain; else all wait on. So are files made, moved (without edits) and removed, but not
  in Neovim, which would do that unasked; which of them were taken is seen on the disk and in what is open, and the
  others wait on.
- `workspace.textDocumentContent`: a document `flux:/review/TURN.diff`, refreshed with every decision.
- else: a diff file by `window/showDocument`, or its path in a message.

To change a hunk, accept it and edit it: it stands unsaved in the buffer. Or send your own text with the acceptance.

## Initialization options

- `settings`: an object with the names of `docs/configuration.md`. `workspace/configuration` is asked for the section
  `flux` after it, and wins.
- `turnEvents`: true, to get `flux/turnEvent` and show chats and edits by it. Progress is reported all the same.
- `diagnostics`: true, where the editor answers `flux/editor/diagnostics`.
- `secrets`: the names of settings for which the editor keeps a key in a store of its own, such as
  `["anthropic_api_key", "providers.work.api_key"]`, where it answers `flux/secret`.
- `keyFollows`: true, where the key comes later by `flux/setSettings`, so that its absence is not reported.

## Requests and notifications of Flux's own

- `flux/setSettings` (request, from the editor): an object of settings that win over all others until the server ends,
  such as a key from the editor's own secret store. The result is `{provider, model}`.
- `flux/secret` (request, to the editor): `{setting}`, one of the names in `secrets`. The result is `{value}`, the key,
  or null where there is none any more. It is asked when a request to a provider needs this key, and again after the key
  was refused; the key is kept in memory only.
- `flux/editor/diagnostics` (request, to the editor): `{uri, version, waitMs}`, what it shows for this version of a
  document or a later one, of all sources; with `waitMs` 0 at once, else when it has come, at the latest after that
  time. The result is `{diagnostics, when?}`, `diagnostics` as in LSP and in the negotiated encoding, `when` `"saved"`
  where who reports looks at saved files only; or null where nothing has come for that version. It is asked before and
  after an edit, so that the model is told of the problems that are new.
- `flux/turnEvent` (notification, to the editor): `{turn_id, session_id, type, …}`, the events of
  `flux -p --json`; text is joined for some 25 ms.
""".splitlines()


def main() -> None:
    """Write the page."""
    Path("docs", "protocol.md").write_text(protocol_reference(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
