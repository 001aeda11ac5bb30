"""What Flux adds to LSP: its commands, its requests and its notification, each declared as a type.

Arguments are checked against these declarations, `result` is what `flux.lsp.results` has of the answer, and
`docs/protocol.md` is generated from both (`protocol_docs`). Knows no handler.
"""

# ruff: noqa: RUF009 -- `_field` returns a dataclass field, which the rule cannot see.

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar, cast, get_type_hints

from lsprotocol.types import Position, Range

from flux.core.errors import InvalidArguments
from flux.lsp import results
from flux.lsp.names import (
    ACTION_HELP,
    APPROVE,
    CHAT_OPEN_BUFFER,
    CHAT_SEND_BUFFER,
    COMMIT_MESSAGE,
    EDITOR_QUERY,
    REVIEW_ACCEPT,
    REVIEW_REJECT,
    SECRET,
    SET_SETTINGS,
)

_T = TypeVar("_T")


def _field(doc: str, default: object = dataclasses.MISSING) -> Any:
    """A field with what it is for. Without a default it must be given."""
    return dataclasses.field(default=default, metadata={"doc": doc})


_PARTIAL = "whether to do the rest where the user changed a part of it; else the user is asked"


@dataclass(frozen=True, slots=True)
class ChatSend:
    """Say something."""

    result: ClassVar[object] = results.Turn | results.Started
    text: str = _field("what to say")
    session: str = _field("the id of a session, also of an earlier day; else the present one goes on", "")
    uri: str = _field("the file that the user looks at", "")
    range: Range | None = _field("what is selected there", None)
    replaces: str = _field(
        "an earlier message, by its turn or number, in whose place this is said: in a new session, as by "
        "`flux.session.fork`",
        "",
    )
    meanwhile: str = _field(
        "where a turn of the session runs: `queue`, and it is sent after it; `steer`, and the model gets it with the "
        "turn's next request; `refuse`",
        "refuse",
    )


@dataclass(frozen=True, slots=True)
class ChatWithdraw:
    """Take back a message that waits for the end of a turn, or for its next request."""

    result: ClassVar[object] = results.Said
    message: str = _field("its `message_id`; else the last one that waits", "")
    session: str = _field("the id of its session; else the present one", "")


@dataclass(frozen=True, slots=True)
class ChatOpenBuffer:
    """Have a session's chat as a Markdown document, in which the user writes and the answer streams in."""

    result: ClassVar[object] = results.ChatBuffer | results.Started
    session: str = _field("the id of a session; else the present one", "")
    uri: str = _field("an open document to have it in; else a file of Flux's own is shown", "")


@dataclass(frozen=True, slots=True)
class ChatSendBuffer:
    """Send what the user has written below the last heading of such a document; while a turn runs, after it."""

    result: ClassVar[object] = results.Turn | results.Started
    uri: str = _field("the document")


@dataclass(frozen=True, slots=True)
class ChatNew:
    """Begin a new session, which then is the present one."""

    result: ClassVar[object] = results.SessionId


@dataclass(frozen=True, slots=True)
class ChatList:
    """The stored sessions."""

    result: ClassVar[object] = results.StoredSessions


@dataclass(frozen=True, slots=True)
class SessionResume:
    """Make an earlier session the present one.

    A turn that was cut short by the end of Flux is made whole.
    """

    result: ClassVar[object] = results.ResumedSession
    session: str = _field("its id or the beginning of it; else the one last used in the first folder", "")


@dataclass(frozen=True, slots=True)
class SessionFork:
    """Go on from before an earlier message, in a new session, which is the present one."""

    result: ClassVar[object] = results.ForkedSession
    session: str = _field("its id or the beginning of it; else the present one", "")
    message: str = _field("the message, by its turn or its number from 1; else all of the session is taken along", "")


@dataclass(frozen=True, slots=True)
class SessionSearch:
    """Messages with all the words, or parts of them."""

    result: ClassVar[object] = results.FoundMessages
    words: str = _field("what to look for")


@dataclass(frozen=True, slots=True)
class SessionExport:
    """A whole session as one text."""

    result: ClassVar[object] = results.Exported
    session: str = _field("its id or the beginning of it")
    format: str = _field("`markdown` or `json`; else Markdown", "markdown")


@dataclass(frozen=True, slots=True)
class SessionRename:
    """Give a session another title."""

    result: ClassVar[object] = results.TitledSession
    session: str = _field("its id or the beginning of it")
    title: str = _field("the new one")


@dataclass(frozen=True, slots=True)
class SessionDelete:
    """Remove a session for good, without asking. Refused where another process has it open."""

    result: ClassVar[object] = results.SessionId
    session: str = _field("its id")


@dataclass(frozen=True, slots=True)
class TurnCancel:
    """Stop a turn."""

    result: ClassVar[object] = results.CancelledTurns
    turn: str = _field("the turn's id; else all that run", "")
    session: str = _field("only those of this session", "")


@dataclass(frozen=True, slots=True)
class TurnUndo:
    """Take back what a turn changed, on the text as it is now.

    What the user changed since is not taken back: it is asked whether the rest shall go.
    """

    result: ClassVar[object] = results.WentBack
    turn: str = _field("the turn's id; else the last one that changed something in the first folder", "")
    partial: bool | None = _field(_PARTIAL, None)


@dataclass(frozen=True, slots=True)
class TurnRedo:
    """Make again what the last undo or return to a checkpoint took back."""

    result: ClassVar[object] = results.WentBack
    partial: bool | None = _field(_PARTIAL, None)


@dataclass(frozen=True, slots=True)
class CheckpointSet:
    """Name this point, to return to it."""

    result: ClassVar[object] = results.Checkpoint
    name: str = _field("the name; else one with a number. One that is there is moved here", "")


@dataclass(frozen=True, slots=True)
class CheckpointList:
    """The points to return to: one before every turn that changed something, and one for each name."""

    result: ClassVar[object] = results.Checkpoints


@dataclass(frozen=True, slots=True)
class CheckpointRestore:
    """Return to a checkpoint: what was made since goes, what was taken back since comes back.

    `flux.turn.redo` takes the return back.
    """

    result: ClassVar[object] = results.WentBack
    checkpoint: str = _field("a name, a turn, or a number in the list")
    partial: bool | None = _field(_PARTIAL, None)


@dataclass(frozen=True, slots=True)
class ReviewList:
    """What waits for the user's review."""

    result: ClassVar[object] = results.WaitingHunks
    turn: str = _field("the turn's id; else all that waits in the first folder, of earlier days too", "")


@dataclass(frozen=True, slots=True)
class ReviewAccept:
    """Make hunks on the text as it is now, those of a turn together.

    A hunk under which the user typed is refused and waits on, as all do where the editor does not take the change.
    Where a turn is named alone, one that is refused leaves all of it waiting.
    """

    result: ClassVar[object] = results.Accepted
    turn: str = _field("only those of this turn", "")
    file: str = _field("only those of this file: a path or a URI", "")
    hunk: str = _field("only this one", "")
    text: str | None = _field("with `hunk`: the user's own text for it, in place of the lines `after`", None)


@dataclass(frozen=True, slots=True)
class ReviewReject:
    """Forget hunks; nothing is written, and the model is told with the next message."""

    result: ClassVar[object] = results.Rejected
    turn: str = _field("only those of this turn", "")
    file: str = _field("only those of this file: a path or a URI", "")
    hunk: str = _field("only this one", "")
    reason: str = _field("what the model is to know", "")


@dataclass(frozen=True, slots=True)
class Edit:
    """Have a file edited as the instruction says."""

    result: ClassVar[object] = results.Turn | results.Started
    uri: str = _field("the file")
    instruction: str = _field("what to do")
    range: Range | None = _field("what is selected there", None)


@dataclass(frozen=True, slots=True)
class ActionRun:
    """Run a code action that was offered."""

    result: ClassVar[object] = results.Turn | results.Started
    id: str = _field("the id that the code action came with")


@dataclass(frozen=True, slots=True)
class ActionHelp:
    """Show a page with all code actions: what each does, and how to make one's own."""

    result: ClassVar[object] = results.ActionPage


@dataclass(frozen=True, slots=True)
class ModelList:
    """What can be used now."""

    result: ClassVar[object] = results.Models


@dataclass(frozen=True, slots=True)
class ModelSet:
    """Go on with another model, of another provider too."""

    result: ClassVar[object] = results.SwitchedModel
    model: str = _field("a name, `PROVIDER/NAME`, the beginning of a name, or a number in the list that was asked last")


@dataclass(frozen=True, slots=True)
class ContextShow:
    """What the next message would send. Nothing is sent."""

    result: ClassVar[object] = results.Context
    text: str = _field("the words of the message", "")
    session: str = _field("the id of a session; else the present one", "")
    uri: str = _field("the file that the user looks at", "")
    range: Range | None = _field("what is selected there", None)


@dataclass(frozen=True, slots=True)
class ContextPin:
    """Keep a file or the last turn, whatever is left out."""

    result: ClassVar[object] = results.Pins
    path: str = _field("a file; else the last turn of the present session", "")
    pinned: bool | None = _field("false: keep it no more; without a path nothing", None)


@dataclass(frozen=True, slots=True)
class ContextCompact:
    """Put a summary in the place of the earlier turns of the present session."""

    result: ClassVar[object] = results.Summary
    undo: bool | None = _field("true: take the last summary back", None)


@dataclass(frozen=True, slots=True)
class UsageShow:
    """Tokens and money of a session, or of all that were at work since the server began.

    With `by`, of all sessions there are.
    """

    result: ClassVar[object] = results.Spent | results.SpentGroups
    session: str = _field("the id of a session", "")
    by: str = _field("`day`, `model`, `provider`, `role` or `session`", "")
    since: str = _field("with `by`: a day as 2026-11-01, or 7d; else since the user last reset the sums", "")


@dataclass(frozen=True, slots=True)
class BudgetShow:
    """Limits of money; none where none is set."""

    result: ClassVar[object] = results.Limits
    session: str = _field("the id of a session; else the present one", "")


@dataclass(frozen=True, slots=True)
class BudgetRaise:
    """Allow more than a limit of money, once."""

    result: ClassVar[object] = results.Said
    period: str = _field("`session`, `day` or `month`: the one that is now")
    amount: str = _field("so many US dollars more, such as 2.50")
    session: str = _field("the id of the session, where the limit is one of it; else the present one", "")


@dataclass(frozen=True, slots=True)
class Doctor:
    """What works here and what does not. Nothing of it costs money, unless `deep` is true."""

    result: ClassVar[object] = results.Examination | results.Started
    deep: bool | None = _field("try each model with one short request too, which may cost money", None)


CommandArguments = (
    BudgetShow
    | BudgetRaise
    | ChatSend
    | ChatWithdraw
    | ChatOpenBuffer
    | ChatSendBuffer
    | ChatNew
    | ChatList
    | SessionResume
    | SessionFork
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
    | ActionHelp
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
    "flux.chat.withdraw": ChatWithdraw,
    CHAT_OPEN_BUFFER: ChatOpenBuffer,
    CHAT_SEND_BUFFER: ChatSendBuffer,
    "flux.chat.new": ChatNew,
    "flux.chat.list": ChatList,
    "flux.session.resume": SessionResume,
    "flux.session.fork": SessionFork,
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
    ACTION_HELP: ActionHelp,
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


@dataclass(frozen=True, slots=True)
class Message:
    """A request of Flux's own, or a notification, which has no result."""

    name: str
    receiver: Literal["server", "editor"]
    doc: str
    params: object
    result: object = None


MESSAGES = (
    Message(
        SET_SETTINGS,
        "server",
        "Settings by their names, such as a key from the editor's own secret store; they win over all others until the "
        "server ends.",
        dict[str, object],
        results.Provider,
    ),
    Message(
        SECRET,
        "editor",
        "Asked when a request to a provider needs this key, and again after the key was refused; the key is kept in "
        "memory only.",
        results.SettingAsked,
        results.Secret | None,
    ),
    Message(
        APPROVE,
        "editor",
        'The question before a change, with the setting `approval = "ask"`. Any other answer, an error, and none '
        "within ten minutes is a no. Where the turn is cancelled meanwhile, so is the request (`$/cancelRequest`).",
        results.ApprovalAsked,
        results.Decided,
    ),
    Message(
        EDITOR_QUERY,
        "editor",
        "What the editor's other language servers know, in the negotiated encoding; null where nobody knows. The model "
        "is told the message of an error. Diagnostics are asked for before and after an edit too, so that it is told "
        "of the problems that are new; null is for those that have not come for that version in time.",
        results.PlaceAsked | results.RenameAsked | results.SymbolsAsked | results.DiagnosticsAsked,
        results.Locations | results.Hover | results.Symbols | results.Renamed | results.ShownDiagnostics | None,
    ),
    Message(
        COMMIT_MESSAGE,
        "editor",
        "To be put where the user commits.",
        results.CommitMessage,
    ),
)


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
