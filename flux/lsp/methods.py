"""What Flux adds to LSP: its commands, its requests and its notification, each declared as a type.

Arguments are checked against these declarations, and `docs/protocol.md` is generated from them (`protocol_docs`). Knows
no handler.
"""

# ruff: noqa: RUF009 -- `_field` returns a dataclass field, which the rule cannot see.

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast, get_type_hints

from lsprotocol.types import Position, Range

from flux.core.errors import InvalidArguments

_T = TypeVar("_T")

TURN_EVENT = "flux/turnEvent"
SET_SETTINGS = "flux/setSettings"
EDITOR_DIAGNOSTICS = "flux/editor/diagnostics"
SECRET = "flux/secret"
REVIEW_ACCEPT = "flux.review.accept"
REVIEW_REJECT = "flux.review.reject"
DOCUMENT_SCHEME = "flux"
"""Of documents that the editor asks the server for."""


def _field(doc: str, default: object = dataclasses.MISSING) -> Any:
    """A field with what it is for. Without a default it must be given."""
    return dataclasses.field(default=default, metadata={"doc": doc})


_PARTIAL = "whether to do the rest where the user changed a part of it; else the user is asked"


@dataclass(frozen=True, slots=True)
class ChatSend:
    """Say something. The result is the turn once it has ended, with the answer as `text`."""

    text: str = _field("what to say")
    session: str = _field("the id of a session, also of an earlier day; else the present one goes on", "")
    uri: str = _field("the file that the user looks at", "")
    range: Range | None = _field("what is selected there", None)


@dataclass(frozen=True, slots=True)
class ChatNew:
    """Begin a new session, which then is the present one. The result is `{session}`."""


@dataclass(frozen=True, slots=True)
class ChatList:
    """The stored sessions, last used first: `{sessions: [{session, title, folder, usedAt}], present}`."""


@dataclass(frozen=True, slots=True)
class SessionResume:
    """Make an earlier session the present one: `{session, title, heldBy, messages: [{role, text, isInterrupted}]}`.

    `heldBy` names another process that has it open, and is empty where there is none: it can be read then, and not
    gone on with. A turn that was cut short by the end of Flux is made whole.
    """

    session: str = _field("its id or the beginning of it; else the one last used in the first folder", "")


@dataclass(frozen=True, slots=True)
class SessionSearch:
    """Messages with all the words, or parts of them: `{found: [{session, title, folder, usedAt, role, excerpt}]}`."""

    words: str = _field("what to look for")


@dataclass(frozen=True, slots=True)
class SessionExport:
    """A whole session as one text: `{text}`."""

    session: str = _field("its id or the beginning of it")
    format: str = _field("`markdown` or `json`", "markdown")


@dataclass(frozen=True, slots=True)
class SessionRename:
    """Give a session another title. The result is `{session, title}`."""

    session: str = _field("its id or the beginning of it")
    title: str = _field("the new one")


@dataclass(frozen=True, slots=True)
class SessionDelete:
    """Remove a session for good, without asking: `{session}`. Refused where another process has it open."""

    session: str = _field("its id")


@dataclass(frozen=True, slots=True)
class TurnCancel:
    """Stop a turn. The result is `{cancelled: [turn, …]}`."""

    turn: str = _field("the turn's id; else all that run", "")


@dataclass(frozen=True, slots=True)
class TurnUndo:
    """Take back what a turn changed, on the text as it is now: `{paths, unsaved, refused}`.

    What the user changed since is not taken back: it is asked whether the rest shall go. `refused` is what stayed:
    `[{path, line, diff, reason}]`.
    """

    turn: str = _field("the turn's id; else the last one that changed something in the first folder", "")
    partial: bool | None = _field(_PARTIAL, None)


@dataclass(frozen=True, slots=True)
class TurnRedo:
    """Make again what the last undo or return to a checkpoint took back. The result is that of `flux.turn.undo`."""

    partial: bool | None = _field(_PARTIAL, None)


@dataclass(frozen=True, slots=True)
class CheckpointSet:
    """Name this point, to return to it. The result is the checkpoint as in `flux.checkpoint.list`."""

    name: str = _field("the name; else one with a number. One that is there is moved here", "")


@dataclass(frozen=True, slots=True)
class CheckpointList:
    """The points to return to, oldest first: `{checkpoints: [{checkpoint, number, name, turn, title, at}]}`.

    There is one before every turn that changed something (`turn`, with the user's words as `title`), and one for each
    `name`. `at` is in seconds since 1970.
    """


@dataclass(frozen=True, slots=True)
class CheckpointRestore:
    """Return to a checkpoint: what was made since goes, what was taken back since comes back.

    `flux.turn.redo` takes the return back. The result is that of `flux.turn.undo`.
    """

    checkpoint: str = _field("a name, a turn, or a number in the list")
    partial: bool | None = _field(_PARTIAL, None)


@dataclass(frozen=True, slots=True)
class ReviewList:
    """What waits for the user's review: `{hunks: [hunk, …]}`.

    Each is `{hunk, turn, session, path, uri, line, before, after, diff, buildsOn}`. `line` is where it begins in the
    text that it was made for, from 1; `before` and `after` are lines. `buildsOn` are the hunks of earlier turns that
    must be accepted before it, or with it.
    """

    turn: str = _field("the turn's id; else all that waits in the first folder, of earlier days too", "")


@dataclass(frozen=True, slots=True)
class ReviewAccept:
    """Make hunks on the text as it is now, those of a turn together: `{accepted, refused, paths, unsaved, pending}`.

    A hunk under which the user typed is among `refused: [{hunk, path, reason}]` and waits on, as all do where the
    editor does not take the change. Where a turn is named alone, one that is refused leaves all of it waiting.
    `pending` is how many wait after it.
    """

    turn: str = _field("only those of this turn", "")
    file: str = _field("only those of this file: a path or a URI", "")
    hunk: str = _field("only this one", "")
    text: str | None = _field("with `hunk`: the user's own text for it, in place of the lines `after`", None)


@dataclass(frozen=True, slots=True)
class ReviewReject:
    """Forget hunks; nothing is written, and the model is told with the next message: `{rejected, pending}`."""

    turn: str = _field("only those of this turn", "")
    file: str = _field("only those of this file: a path or a URI", "")
    hunk: str = _field("only this one", "")
    reason: str = _field("what the model is to know", "")


@dataclass(frozen=True, slots=True)
class Edit:
    """Have a file edited as the instruction says. The result is the turn once it has ended."""

    uri: str = _field("the file")
    instruction: str = _field("what to do")
    range: Range | None = _field("what is selected there", None)


@dataclass(frozen=True, slots=True)
class ActionRun:
    """Run a code action that was offered. The result is the turn once it has ended."""

    id: str = _field("the id that the code action came with")


@dataclass(frozen=True, slots=True)
class ModelList:
    """What can be used now: `{provider, present, models: [{name, provider, title, speed, price, window, …}]}`.

    The provider's models come first, then those of others that are set up, then what runs on this machine. Each has
    `images` and `thinks` besides: whether it takes pictures, and thinks before it answers. `price` is dollars for a
    million tokens, `[in, out]`, null where it is unknown.
    """


@dataclass(frozen=True, slots=True)
class ModelSet:
    """Go on with another model, of another provider too. The result is `{provider, model, notice}`.

    `notice` says what of the conversation the new model does not see.
    """

    model: str = _field("a name, `PROVIDER/NAME`, the beginning of a name, or a number in the list that was asked last")


@dataclass(frozen=True, slots=True)
class ContextShow:
    """What the next message would send: `{model, items: [{kind, origin, tokens}], tokens, limitTokens, cost, …}`.

    `leftOut` says what pruning would take out and why, `rewrites` where the past was rewritten before, `pins` what
    stays; `body` is the request itself, and `text` all of it for a person. Nothing is sent.
    """

    text: str = _field("the words of the message", "")
    session: str = _field("the id of a session; else the present one", "")
    uri: str = _field("the file that the user looks at", "")
    range: Range | None = _field("what is selected there", None)


@dataclass(frozen=True, slots=True)
class ContextPin:
    """Keep a file or the last turn, whatever is left out. The result is `{pins: [{kind, name}]}`."""

    path: str = _field("a file; else the last turn of the present session", "")
    pinned: bool | None = _field("false: keep it no more; without a path nothing", None)


@dataclass(frozen=True, slots=True)
class ContextCompact:
    """Put a summary in the place of the earlier turns of the present session: `{summary}`."""

    undo: bool | None = _field("true: take the last summary back", None)


@dataclass(frozen=True, slots=True)
class UsageShow:
    """Tokens and money: `{usage, cost, costText}`, of a session or of all that were at work since the server began.

    With `by`, of all sessions there are: `{since, groups}`, each `{key, requests, usage, cost, costText}`.
    """

    session: str = _field("the id of a session", "")
    by: str = _field("`day`, `model`, `provider`, `role` or `session`", "")
    since: str = _field("with `by`: a day as 2026-11-01, or 7d; else since the user last reset the sums", "")


@dataclass(frozen=True, slots=True)
class BudgetShow:
    """Limits of money: `{limits: [{period, limit, spent, text}]}`, in US dollars; without limits it is empty."""

    session: str = _field("the id of a session; else the present one", "")


@dataclass(frozen=True, slots=True)
class BudgetRaise:
    """Allow more than a limit of money, once. The result is `{text}`, for the user."""

    period: str = _field("`session`, `day` or `month`: the one that is now")
    amount: str = _field("so many US dollars more, such as 2.50")
    session: str = _field("the id of the session, where the limit is one of it; else the present one", "")


@dataclass(frozen=True, slots=True)
class Doctor:
    """What works here and what does not: `{healthy, summary, text, findings: [{area, name, state, text, hint}]}`.

    `text` is all of it for a person, `state` one of `ok`, `warning`, `problem`; `hint` says what to do. Nothing of it
    costs money, unless `deep` is true.
    """

    deep: bool | None = _field("try each model with one short request too, which may cost money", None)


CommandArguments = (
    BudgetShow
    | BudgetRaise
    | ChatSend
    | ChatNew
    | ChatList
    | SessionResume
    | SessionSearch
    | SessionExport
    | SessionRename
    | SessionDelete
    | TurnCancel
    | TurnUndo
    | TurnRedo
    | CheckpointSet
    | CheckpointList
    | CheckpointRestore
    | ReviewList
    | ReviewAccept
    | ReviewReject
    | Edit
    | ActionRun
    | ModelList
    | ModelSet
    | ContextShow
    | ContextPin
    | ContextCompact
    | UsageShow
    | Doctor
)

COMMANDS: Mapping[str, type[CommandArguments]] = {
    "flux.chat.send": ChatSend,
    "flux.chat.new": ChatNew,
    "flux.chat.list": ChatList,
    "flux.session.resume": SessionResume,
    "flux.session.search": SessionSearch,
    "flux.session.export": SessionExport,
    "flux.session.rename": SessionRename,
    "flux.session.delete": SessionDelete,
    "flux.turn.cancel": TurnCancel,
    "flux.turn.undo": TurnUndo,
    "flux.turn.redo": TurnRedo,
    "flux.checkpoint.set": CheckpointSet,
    "flux.checkpoint.list": CheckpointList,
    "flux.checkpoint.restore": CheckpointRestore,
    "flux.review.list": ReviewList,
    REVIEW_ACCEPT: ReviewAccept,
    REVIEW_REJECT: ReviewReject,
    "flux.edit": Edit,
    "flux.action.run": ActionRun,
    "flux.model.list": ModelList,
    "flux.model.set": ModelSet,
    "flux.context.show": ContextShow,
    "flux.context.pin": ContextPin,
    "flux.context.compact": ContextCompact,
    "flux.usage": UsageShow,
    "flux.budget.show": BudgetShow,
    "flux.budget.raise": BudgetRaise,
    "flux.doctor": Doctor,
}


def read_arguments(name: str, kind: type[_T], arguments: Sequence[object]) -> _T:
    """The one object that the command `name` takes, checked. Raises InvalidArguments, naming what is wrong."""
    if len(arguments) > 1 or (arguments and not isinstance(arguments[0], dict)):
        raise InvalidArguments(f"{name} takes one JSON object: {arguments_shape(kind)}.")
    given = cast("dict[str, object]", arguments[0]) if arguments else {}
    fields = {field.name: field for field in dataclasses.fields(cast("Any", kind))}
    if unknown := [key for key in given if key not in fields]:
        raise InvalidArguments(
            f"{name} does not know {', '.join(map(repr, unknown))}. It takes {arguments_shape(kind)}."
        )
    hints = get_type_hints(kind)
    values: dict[str, object] = {}
    for key, field in fields.items():
        if given.get(key) is not None:
            values[key] = _read_value(f"{name}: `{key}`", hints[key], given[key])
        elif field.default is dataclasses.MISSING:
            raise InvalidArguments(f"{name} needs `{key}`. It takes {arguments_shape(kind)}.")
    return kind(**values)


def _read_value(what: str, hint: object, value: object) -> object:
    if hint in {str, str | None}:
        if not isinstance(value, str):
            raise InvalidArguments(f"{what} must be a string.")
        return value
    if hint == bool | None:
        if not isinstance(value, bool):
            raise InvalidArguments(f"{what} must be true or false.")
        return value
    return _read_range(what, value)


def _read_range(what: str, value: object) -> Range:
    ends = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    places = [ends.get(end) for end in ("start", "end")]
    numbers = [
        cast("dict[str, object]", place).get(key) for place in places if isinstance(place, dict) for key in _PLACE
    ]
    if len(numbers) != 4 or not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in numbers):
        raise InvalidArguments(f"{what} must be an LSP range, with whole numbers from 0 on.")
    a, b, c, d = (min(n, _LARGEST) for n in cast("list[int]", numbers))
    return Range(Position(a, b), Position(c, d))


_PLACE = ("line", "character")
_LARGEST = 2**31 - 1  # of LSP 3.17, `uinteger`


def arguments_shape(kind: type) -> str:
    """The arguments as documents and messages name them: `{text, session?}`."""
    fields = dataclasses.fields(cast("Any", kind))
    return f"{{{', '.join(f.name if f.default is dataclasses.MISSING else f'{f.name}?' for f in fields)}}}"
