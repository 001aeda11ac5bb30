"""What the commands answer, and what the requests of Flux's own carry: JSON objects, declared as types.

`docs/protocol.md` is generated from them. `Annotated` says what a field is for where its name does not.
"""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypedDict

from lsprotocol.types import Diagnostic, Location, Position, SymbolInformation, TextDocumentEdit

from flux.core.messages import Role


class Started(TypedDict):
    """For an editor that gives up on slow commands (Helix, eglot): the rest comes by progress and messages."""

    status: Literal["started"]


class Tokens(TypedDict):
    """How many tokens were used. The two cache figures are shares of the input."""

    inputTokens: int
    outputTokens: int
    cacheReadTokens: int
    cacheWriteTokens: int


class Proposed(TypedDict):
    """A piece of a proposal."""

    hunk: Annotated[str, "its id"]
    path: str
    line: Annotated[int, "where it begins, from 1"]
    diff: Annotated[str, "a unified diff of this piece"]


TurnFate = Literal["completed", "cancelled", "failed", "steered", "withdrawn", "returned"]


class Turn(TypedDict):
    """A turn that has ended.

    Of a message that had to wait and got none, the status says why: another turn has taken it along (`steered`), the
    user took it back (`withdrawn`), or the turn before it failed or was cancelled (`returned`).
    """

    turn: Annotated[str, "its id"]
    session: Annotated[str, "the id of its session"]
    status: TurnFate
    text: Annotated[str, "the answer"]
    paths: Annotated[list[str], "the files that were changed"]
    unsaved: Annotated[list[str], "those of them whose changes stand in buffers only"]
    proposed: Annotated[list[Proposed], "what waits for review"]
    usage: Tokens
    cost: Annotated[float | None, "US dollars; null where a price is unknown"]
    costText: Annotated[str, "the same for a person"]
    windowShare: Annotated[float, "how much of the model's window the conversation has by now, 1 for all"]
    error: Annotated[str, "why it failed; else empty"]
    summary: Annotated[str, "one line for the user"]


class SessionId(TypedDict):
    """One session."""

    session: Annotated[str, "its id"]


class ChatBuffer(SessionId):
    """A chat in a document."""

    uri: str


class TitledSession(SessionId):
    """One session with its title."""

    title: str


class StoredSession(TitledSession):
    """A session in the store."""

    folder: Annotated[str, "the first folder that it was about"]
    usedAt: Annotated[float, "seconds since 1970"]


class StoredSessions(TypedDict):
    """The sessions in the store."""

    sessions: Annotated[list[StoredSession], "last used first"]
    present: Annotated[str, "the id of the present one; empty where there is none yet"]


class StoredMessage(TypedDict):
    """What was said in a session."""

    role: Role
    text: str
    turn: Annotated[str, "the id of the turn that it belongs to"]
    isInterrupted: Annotated[bool, "whether the answer was cut short"]


class ResumedSession(TitledSession):
    """A session that is the present one now."""

    heldBy: Annotated[str, "another process that has it open, so that it can only be read; else empty"]
    messages: list[StoredMessage]


class ForkedSession(ResumedSession):
    """A session that goes on from an earlier point of another one."""

    origin: Annotated[str, "the other one, which stays as it is"]
    changed: Annotated[list[str], "the files that were changed since, and stay so"]
    turns: Annotated[list[str], "the turns that changed them: `flux.turn.undo` takes each back, in this order"]
    notice: Annotated[str, "all of it for the user"]


class FoundMessage(StoredSession):
    """A message that has the words."""

    role: Role
    excerpt: str


class FoundMessages(TypedDict):
    """What a search found."""

    found: list[FoundMessage]


class Exported(TypedDict):
    """A session as one text."""

    text: str


class ActionPage(TypedDict):
    """What the code actions do."""

    text: Annotated[str, "Markdown"]


class CancelledTurns(TypedDict):
    """What was stopped."""

    cancelled: Annotated[list[str], "the ids of the turns"]


class RefusedPiece(TypedDict):
    """A change that stayed, because the user changed it since."""

    path: str
    line: Annotated[int, "from 1"]
    diff: str
    reason: str


class WentBack(TypedDict):
    """What a way back or forth changed."""

    paths: list[str]
    unsaved: Annotated[list[str], "those of `paths` whose changes stand in buffers only"]
    refused: list[RefusedPiece]


class Checkpoint(TypedDict):
    """A point to return to: the one before a turn that changed something, or one that was named."""

    checkpoint: Annotated[str, "what to return to it by: the name, else the turn"]
    number: Annotated[int, "its place in the list, from 1"]
    name: str
    turn: str
    title: Annotated[str, "the user's words, of a turn"]
    at: Annotated[float, "seconds since 1970"]


class Checkpoints(TypedDict):
    """The points to return to."""

    checkpoints: Annotated[list[Checkpoint], "oldest first"]


class WaitingHunk(Proposed):
    """A piece of a proposal that waits for review."""

    turn: str
    session: str
    uri: str
    before: Annotated[list[str], "lines"]
    after: Annotated[list[str], "lines"]
    buildsOn: Annotated[list[str], "hunks of earlier turns that must be accepted before it, or with it"]


class WaitingHunks(TypedDict):
    """What waits for review."""

    hunks: list[WaitingHunk]


class RefusedHunk(TypedDict):
    """A hunk that was not made, and waits on."""

    hunk: str
    path: str
    reason: str


class Accepted(TypedDict):
    """What became of accepted hunks."""

    accepted: Annotated[list[str], "the hunks that were made"]
    refused: list[RefusedHunk]
    paths: list[str]
    unsaved: list[str]
    pending: Annotated[int, "how many wait after it"]


class Rejected(TypedDict):
    """What became of rejected hunks."""

    rejected: Annotated[list[str], "the hunks that are forgotten"]
    pending: Annotated[int, "how many wait after it"]


class Model(TypedDict):
    """A model that can be used."""

    name: str
    provider: str
    title: str
    speed: Literal["fast", "medium", "slow"]
    window: Annotated[int, "tokens of its input; 0 where it is unknown"]
    images: Annotated[bool | None, "whether it takes pictures; null where it is unknown"]
    thinks: Annotated[bool, "whether it thinks before it answers"]
    price: Annotated[list[float] | None, "dollars for a million tokens: in, out; null where it is unknown"]


class Provider(TypedDict):
    """Who answers now."""

    provider: str
    model: str


class Models(TypedDict):
    """What can be used now."""

    provider: str
    present: Annotated[str, "the name of the model that is used now"]
    models: Annotated[list[Model], "the provider's own first, then those of others, then what runs on this machine"]


class SwitchedModel(Provider):
    """The model that the conversation goes on with."""

    notice: Annotated[str, "what of the conversation it does not see; else empty"]


class ContextItem(TypedDict):
    """A part of a request."""

    kind: str
    origin: Annotated[str, "where it is from"]
    tokens: int


class Rewrite(TypedDict):
    """Where the past of the conversation was rewritten."""

    at: Annotated[float, "seconds since 1970"]
    reason: str


class Pin(TypedDict):
    """What stays, whatever is left out."""

    kind: str
    name: str


class Context(TypedDict):
    """What the next message would send."""

    model: str
    items: list[ContextItem]
    tokens: int
    limitTokens: int
    cost: Annotated[float | None, "US dollars for its input where nothing of it is cached; null where it is unknown"]
    costText: str
    leftOut: Annotated[list[str], "what pruning would take out, and why"]
    notices: list[str]
    rewrites: list[Rewrite]
    pins: list[Pin]
    body: Annotated[str, "the request itself"]
    text: Annotated[str, "all of it for a person"]


class Pins(TypedDict):
    """What stays."""

    pins: list[Pin]


class Summary(TypedDict):
    """What stands for the earlier turns."""

    summary: str


class Spent(TypedDict):
    """Tokens and money."""

    usage: Tokens
    cost: Annotated[float | None, "US dollars; null where a price is unknown"]
    costText: str


class SpentGroup(Spent):
    """What one day, model, provider, role or session used."""

    key: str
    requests: int


class SpentGroups(TypedDict):
    """What was used, by day, model, provider, role or session."""

    since: Annotated[float, "seconds since 1970"]
    groups: list[SpentGroup]


class Limit(TypedDict):
    """A limit of money."""

    period: Literal["session", "day", "month"]
    limit: Annotated[float, "US dollars"]
    spent: Annotated[float, "US dollars"]
    text: str


class Limits(TypedDict):
    """The limits that are set."""

    limits: list[Limit]


class Said(TypedDict):
    """What to show to the user."""

    text: str


class Finding(TypedDict):
    """One thing that was looked at."""

    area: str
    name: str
    state: Literal["ok", "warning", "problem"]
    text: str
    hint: Annotated[str, "what to do; else empty"]


class Examination(TypedDict):
    """What works and what does not."""

    healthy: bool
    summary: str
    findings: list[Finding]
    text: Annotated[str, "all of it for a person"]


class SettingAsked(TypedDict):
    """A key that is needed."""

    setting: Annotated[str, "one of the names in `secrets`"]


class Secret(TypedDict):
    """A key."""

    value: Annotated[str | None, "null where there is none any more"]


class ApprovalAsked(TypedDict):
    """What would be changed."""

    title: Annotated[str, "one line for a dialogue"]
    paths: list[str]
    diff: Annotated[str, "a unified diff of all files"]


class Decided(TypedDict):
    """What the user says to a change."""

    decision: Annotated[Literal["yes", "always", "no"], "`always` holds for the rest of the session"]


class PlaceAsked(TypedDict):
    """What stands at a place. Where the text is another than that of the version, answer with an error."""

    kind: Literal["definition", "references", "hover"]
    uri: str
    version: Annotated[int | None, "of an open document; null: it is not open"]
    position: Position


class RenameAsked(TypedDict):
    """Another name for what stands at a place."""

    kind: Literal["rename"]
    uri: str
    version: Annotated[int | None, "of an open document; null: it is not open"]
    position: Position
    newName: str


class SymbolsAsked(TypedDict):
    """What a document defines, or where no `uri` is given what the project does by such names."""

    kind: Literal["symbols"]
    uri: NotRequired[str]
    version: NotRequired[int | None]
    words: NotRequired[str]


class DiagnosticsAsked(TypedDict):
    """Whose problems are asked for."""

    kind: Literal["diagnostics"]
    uri: str
    version: Annotated[int, "of the document; a later one does too"]
    waitMs: Annotated[int, "0: what it shows now; else wait until it has come, so long at most"]


class Locations(TypedDict):
    """For `definition` and `references`."""

    locations: list[Location]


class Hover(TypedDict):
    """For `hover`."""

    text: Annotated[str, "Markdown"]


class Symbols(TypedDict):
    """For `symbols`."""

    symbols: list[SymbolInformation]


class Renamed(TypedDict):
    """For `rename`: edits that were not made. Where more than text would be changed, answer with an error."""

    documentChanges: Annotated[list[TextDocumentEdit], "of an open document with the version that they are for"]


class ShownDiagnostics(TypedDict):
    """For `diagnostics`: the problems that the editor shows, of all sources."""

    diagnostics: list[Diagnostic]
    when: NotRequired[Annotated[Literal["typed", "saved"], "`saved`: who reports looks at saved files only"]]


class CommitMessage(TypedDict):
    """A message that a code action wrote."""

    uri: Annotated[str, "the folder whose changes it is of"]
    text: str


class InitializationOptions(TypedDict, total=False):
    """What an editor may send as `initializationOptions`."""

    settings: Annotated[
        dict[str, object],
        "by the names of `docs/configuration.md`. `workspace/configuration` is asked for the section `flux` after it, "
        "and wins",
    ]
    turnEvents: Annotated[bool, "true, to get `flux/turnEvent` and show chats and edits by it; progress comes as well"]
    approval: Annotated[bool, "true, where the editor answers `flux/approve`; else `window/showMessageRequest` asks"]
    query: Annotated[
        list[Literal["definition", "references", "hover", "symbols", "rename", "diagnostics"]],
        "what the editor answers by `flux/editor/query`. The model has the tools `language_server` and "
        "`rename_symbol` as far as that goes; a session keeps those that it began with",
    ]
    secrets: Annotated[
        list[str],
        'the settings for which it keeps a key, such as `["anthropic_api_key", "providers.work.api_key"]`, where it '
        "answers `flux/secret`",
    ]
    commitMessages: Annotated[
        bool, "true, where it takes `flux/commitMessage`; else the message is shown as a document"
    ]
    keyFollows: Annotated[bool, "true, where the key comes later by `flux/setSettings`: its absence is not reported"]
