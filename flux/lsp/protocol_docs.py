"""`docs/protocol.md`, made of the declarations in `flux.lsp.methods`, `flux.lsp.results` and `flux.agent.events`.

Run as a program in the project's folder it writes the page; a test holds it fresh.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import wrap
from types import UnionType
from typing import Annotated, Any, Literal, NotRequired, cast, get_args, get_origin, get_type_hints, is_typeddict

from lsprotocol.types import Diagnostic, Location, Position, Range, SymbolInformation, TextDocumentEdit

from flux.agent.events import TurnEvent
from flux.lsp.methods import COMMANDS, MESSAGES, arguments_shape
from flux.lsp.results import InitializationOptions

_WORDS: Mapping[object, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
    dict[str, object]: "object",
    **{kind: f"LSP {kind.__name__}" for kind in (Location, Position, SymbolInformation, TextDocumentEdit)},
    Range: "LSP range",
    Diagnostic: "LSP diagnostic",
}


def protocol_reference() -> str:
    """The whole page."""
    return "\n".join(line for given in _reference_lines() for line in _wrapped(given)) + "\n"


def _reference_lines() -> Iterator[str]:
    named: list[object] = []
    yield from _BEGINNING
    for name, kind in COMMANDS.items():
        yield from ("", f"### `{name} {arguments_shape(kind)}`", "", inspect.getdoc(kind) or "", "")
        hints = get_type_hints(kind)
        for field in dataclasses.fields(kind):
            # None stands for an argument that was not given.
            given = " or ".join(_word(part) for part in _parts(hints[field.name]) if part is not type(None))
            yield f"- `{field.name}` ({given}): {field.metadata['doc']}"
        yield f"- result: {_word(kind.result)}"
        named.append(kind.result)
    yield from _HOW_IT_WORKS
    yield from _fields(InitializationOptions)
    yield from ("", "## Requests and notifications of Flux's own")
    for message in MESSAGES:
        yield from ("", f"### `{message.name}`, to the {message.receiver}", "", message.doc, "")
        yield f"- parameters: {_word(message.params)}"
        named.append(message.params)
        if message.result is None:
            yield "- a notification: it has no result"
        else:
            yield f"- result: {_word(message.result)}"
            named.append(message.result)
    yield from _EVENTS
    for event in get_args(TurnEvent):
        yield from ("", f"### `{event.type}`", "")
        yield from _description(event)
        named += get_type_hints(event).values()
    yield from ("", "## Types")
    described: set[object] = set()
    while named:
        for kind in _declared(named.pop(0)):
            if kind not in described:
                described.add(kind)
                yield from ("", f"### {kind.__name__}", "")
                yield from _description(kind)
                named += get_type_hints(kind).values()


def _wrapped(line: str) -> list[str]:
    """Lines that a reader of a difference can take in."""
    indent = "  " if line.startswith("- ") else ""
    return wrap(line, 120, subsequent_indent=indent, break_long_words=False) if len(line) > 120 else [line]


def _description(kind: type) -> Iterator[str]:
    if doc := inspect.getdoc(kind):
        yield from (doc, "")
    yield from _fields(kind)


def _fields(kind: type) -> Iterator[str]:
    """A line for each field of a TypedDict or a dataclass."""
    is_total = bool(getattr(kind, "__total__", True))
    hints: Mapping[str, object] = get_type_hints(kind, include_extras=True)
    if dataclasses.is_dataclass(kind):
        hints = {field.name: hints[field.name] for field in dataclasses.fields(kind)}
    for name, hint in hints.items():
        is_needed = is_total and get_origin(hint) is not NotRequired
        doc = _doc(hint)
        yield f"- `{name}{'' if is_needed else '?'}` ({_word(hint)}){f': {doc}' if doc else ''}"


def _word(hint: object) -> str:
    """A type as the page names it."""
    if hint in _WORDS:
        return _WORDS[hint]
    arguments = get_args(hint)
    match get_origin(hint):
        case origin if origin in {Annotated, NotRequired}:
            return _word(arguments[0])
        case origin if origin is Literal:
            return " or ".join(f'`"{argument}"`' for argument in arguments)
        case origin if origin in {list, tuple}:
            return f"list of {_word(arguments[0])}"
        case None:
            kind = cast("type", hint)
            return f"[{kind.__name__}](#{kind.__name__.lower()})"
        case _:
            return " or ".join(map(_word, _parts(hint)))


def _parts(hint: object) -> tuple[object, ...]:
    """The types of a union, or the one."""
    return get_args(hint) if isinstance(hint, UnionType) else (hint,)


def _doc(hint: object) -> str:
    if get_origin(hint) is Annotated:
        return str(cast("Any", hint).__metadata__[0])
    return _doc(get_args(hint)[0]) if get_origin(hint) is NotRequired else ""


def _declared(hint: object) -> Iterator[type]:
    """The types within one that have a description of their own."""
    if isinstance(hint, type) and hint not in _WORDS and (is_typeddict(hint) or dataclasses.is_dataclass(hint)):
        yield hint
    for argument in get_args(hint):
        yield from _declared(argument)


_BEGINNING = """
# What Flux adds to LSP

Generated from `flux/lsp/methods.py`, `flux/lsp/results.py` and `flux/agent/events.py` by
`python -m flux.lsp.protocol_docs`. All else is standard LSP 3.17. A whole client in a hundred
lines is in [write-a-client.md](how-to/write-a-client.md).

## Commands (`workspace/executeCommand`)

Each takes one JSON object. A question mark: may be left out. Ranges are LSP ranges in the negotiated
position encoding. What cannot be done is answered by an error whose message is for a person.
""".strip().splitlines()

_HOW_IT_WORKS = """
## Code actions

`textDocument/codeAction` offers what Flux can do with the problems, the `flux:` comment, the stub or TODO, the
selection or the definition at the cursor, and with the file, without asking a model. Each carries the command
`flux.action.run` with a small id; the edit then comes as `workspace/applyEdit`, unsaved, versioned, one undo step,
and not as the action's own: editors look for that as soon as an entry is highlighted, wait for it with the window
blocked, or do not look at its version (decision 0011). Kinds are `quickfix`, `refactor.rewrite`, `source` (what is
about the whole file or the changes) and `flux.explain`, which changes nothing. Only a comment's action is
`isPreferred`. With `disabledSupport` what cannot run comes with its reason. What is asked for automatically with
certain kinds, as before saving, is offered nothing. With `documentationSupport` each kind names `flux.action.help`.
The user's own actions: `docs/how-to/make-your-own-actions.md`.

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

## Documents

Where the editor asks for documents of the server (`workspace/textDocumentContent`), it can show these; they are
refreshed when they change.

- `flux:/review/TURN.diff`: what of a turn waits for review.
- `flux:/chat/SESSION.md`: a session's transcript.
- `flux:/prompt.txt`: what the next message of the present session would send, as `flux.context.show` has it.

## Initialization options

""".splitlines()

_EVENTS = """
## Events

With `turnEvents` the editor gets notifications `flux/turnEvent`: `{turn_id, session_id, type, …}`, and the fields of
the event of that `type`. They are those of `flux -p --json`; text is joined for some 25 ms. A turn begins with
`turn_start`, and `turn_end` is its last event, however it ends. New types may come: pass over those you do not know.
""".splitlines()


def main() -> None:
    """Write the page."""
    Path("docs", "protocol.md").write_text(protocol_reference(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
