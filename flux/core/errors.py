"""The whole error tree of Flux. A branch is something a caller can react to.

    FluxError                      a message for a person; a hint; the cause
    ├ ConfigError                  which key, which layer, which file
    ├ ProviderError                endpoint, model, request id, status
    │ ├ TransientProviderError     ConnectionFailed · TimedOut · RateLimited · Overloaded · StreamBroken
    │ ├ PermanentProviderError     AuthenticationFailed · ModelNotFound · RequestRejected ·
    │ │                            ContextWindowExceeded · QuotaExhausted · ContentRefused
    │ └ CircuitOpen · AllProvidersFailed · BudgetExceeded
    ├ EditError                    NoMatch · AmbiguousMatch · OverlappingEdits · StaleSnapshot (PiecesRefused) ·
    │                              NothingChanged
    ├ WorkspaceError               OutsideWorkspace · FileMissing (IsFolder) · NotText · TextUnknown ·
    │                              SecretFile · WriteRefused
    ├ ToolError                    InvalidArguments · Denied · ToolTimedOut
    └ SessionError                 SessionMissing · SessionHeld · CheckpointMissing · UnsupportedFormat · Busy

`str(error)` is the message with its hint. It never contains a key, a header or a prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict, Unpack

from flux.core.snapshot import WorkspacePath


class FluxError(Exception):
    """Something a person or the model is told. Raised only as one of its branches."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class ConfigError(FluxError, ValueError):
    """A setting that cannot be used. Also a `ValueError`, as callers of the factory expect."""

    def __init__(self, message: str, *, key: str = "", source: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.key = key
        self.source = source


class ProviderDetails(TypedDict, total=False):
    """What may be known of a failed request."""

    hint: str
    endpoint: str
    model: str
    request_id: str
    status: int | None


class ProviderError(FluxError):
    """A provider did not answer as asked."""

    def __init__(self, message: str, **details: Unpack[ProviderDetails]) -> None:
        super().__init__(message, hint=details.get("hint", ""))
        self.endpoint = details.get("endpoint", "")
        self.model = details.get("model", "")
        self.request_id = details.get("request_id", "")
        self.status = details.get("status")

    def __str__(self) -> str:
        text = super().__str__()
        return f"{text}\nThe service calls the request {self.request_id}." if self.request_id else text


class TransientProviderError(ProviderError):
    """The same request may well succeed a little later."""


class ConnectionFailed(TransientProviderError):
    """No connection: refused, unreachable, reset before an answer, TLS.

    `is_lasting`: it will fail again until somebody changes something, such as a certificate that is not believed.
    """

    def __init__(self, message: str, *, is_lasting: bool = False, **details: Unpack[ProviderDetails]) -> None:
        super().__init__(message, **details)
        self.is_lasting = is_lasting


class TimedOut(TransientProviderError):
    """No byte arrived within the bound."""


class RateLimited(TransientProviderError):
    """Asked too often. `retry_after_s` is the provider's own word, None where it gave none."""

    def __init__(self, message: str, *, retry_after_s: float | None = None, **details: Unpack[ProviderDetails]) -> None:
        super().__init__(message, **details)
        self.retry_after_s = retry_after_s


class Overloaded(TransientProviderError):
    """The provider failed on its own side (5xx, 529)."""

    def __init__(self, message: str, *, retry_after_s: float | None = None, **details: Unpack[ProviderDetails]) -> None:
        super().__init__(message, **details)
        self.retry_after_s = retry_after_s


class StreamBroken(TransientProviderError):
    """An answer that began and did not end as its protocol demands. What came is kept by the caller."""


class PermanentProviderError(ProviderError):
    """The same request will fail again."""


class AuthenticationFailed(PermanentProviderError):
    """The key is missing, wrong or not allowed to do this."""


class ModelNotFound(PermanentProviderError):
    """The endpoint has no such model."""


class RequestRejected(PermanentProviderError):
    """The provider refuses this request as it stands."""


class ContextWindowExceeded(PermanentProviderError):
    """The request is longer than the model's window."""


class QuotaExhausted(PermanentProviderError):
    """No credit or quota left on the account."""


class ContentRefused(PermanentProviderError):
    """The provider or the model declined to answer."""


class CircuitOpen(ProviderError):
    """A request was not sent: those before it failed, one after another.

    The next one goes in `retry_after_s` seconds; 0: as soon as the one is over that is being tried now.
    """

    def __init__(self, message: str, *, retry_after_s: float, **details: Unpack[ProviderDetails]) -> None:
        super().__init__(message, **details)
        self.retry_after_s = retry_after_s


class AllProvidersFailed(ProviderError):
    """The chosen model failed, and so did every one that should take its place. `errors`: what each said, in order."""

    def __init__(self, errors: Sequence[tuple[str, FluxError]]) -> None:
        """`errors` each with the name of who failed."""
        said = "\n".join(f"  {name}: {_indented(str(error))}" for name, error in errors)
        super().__init__(f"No provider could answer:\n{said}")
        self.errors = tuple(error for _, error in errors)


class BudgetExceeded(ProviderError):
    """A request was not sent: it could pass a limit of money that the user set for `period`."""

    def __init__(self, message: str, *, period: str, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.period = period


class EditError(FluxError):
    """An edit that was not made. `str()` is written for the model that asked for it."""


class NoMatch(EditError):
    """`old_text` is not in the file. `nearest` are 1-based line numbers of the most similar places."""

    def __init__(self, message: str, *, nearest: Sequence[int] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.nearest = tuple(nearest)


class AmbiguousMatch(EditError):
    """`old_text` is in the file more than once. `lines` are the 1-based lines where each begins."""

    def __init__(self, message: str, *, lines: Sequence[int], hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.lines = tuple(lines)


class OverlappingEdits(EditError):
    """Two edits of one call touch the same text."""


class StaleSnapshot(EditError):
    """The text under the edit has changed since the edit was computed."""


@dataclass(frozen=True, slots=True)
class RefusedPiece:
    """What cannot be taken back, and stays. `line`, from 1, is where it stands now; `diff` would take it back."""

    path: WorkspacePath
    line: int
    diff: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path} line {self.line}: {self.reason}"


class PiecesRefused(StaleSnapshot):
    """Some of what was to be taken back has changed since, so nothing was. `has_rest`: the rest could go without it."""

    def __init__(self, pieces: Sequence[RefusedPiece], *, has_rest: bool) -> None:
        listed = "\n".join(f"  {piece}" for piece in pieces[:10])
        more = f"\n  and {len(pieces) - 10} more" if len(pieces) > 10 else ""
        count = "One piece" if len(pieces) == 1 else f"{len(pieces)} pieces"
        rest = "Nothing was changed yet; the rest can go without." if has_rest else "Nothing was changed."
        super().__init__(f"{count} cannot be taken back:\n{listed}{more}", hint=rest)
        self.pieces = tuple(pieces)
        self.has_rest = has_rest


class NothingChanged(EditError):
    """The edit would leave the file as it is."""


class WorkspaceError(FluxError):
    """A file that cannot be read or written. `path` is as shown to a person."""

    def __init__(self, message: str, *, path: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.path = path


class OutsideWorkspace(WorkspaceError):
    """The path is not below a workspace folder, also by way of a symbolic link."""


class FileMissing(WorkspaceError):
    """There is no such file."""


class IsFolder(FileMissing):
    """There is a folder of that name."""


class NotText(WorkspaceError):
    """Binary, too large to show, or in an encoding that cannot be kept exactly."""


class TextUnknown(WorkspaceError):
    """An editor has the file open, and a message about its text was lost."""


class SecretFile(WorkspaceError):
    """A file of keys or passwords, which Flux neither reads nor writes."""


class WriteRefused(WorkspaceError):
    """The editor or the operating system did not take the change. Nothing was changed unless it says so."""


class ToolError(FluxError):
    """Told to the model as the result of its call; it may correct itself."""


class InvalidArguments(ToolError):
    """The arguments are not JSON or not of the tool's schema."""


class Denied(ToolError):
    """The user said no."""


class ToolTimedOut(ToolError):
    """The tool did not finish within its bound."""


class SessionError(FluxError):
    """A stored conversation that cannot be used."""


class SessionMissing(SessionError):
    """There is no session of that id."""


class SessionHeld(SessionError):
    """Another process has the session open; the message names it."""


class CheckpointMissing(SessionError):
    """There is no such point to return to."""


class UnsupportedFormat(SessionError):
    """The database was written by a newer Flux; it is left unchanged."""


class Busy(SessionError):
    """The session is at work on another turn."""


def _indented(text: str) -> str:
    return text.replace("\n", "\n    ")


def refused_by_system(error: OSError) -> str:
    """In words for a person what stopped Flux: no more files may be open, a disk is full."""
    return f"The system did not let Flux go on: {error.strerror or error}."
