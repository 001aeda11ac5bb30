"""Five editors, each with the rules of a real one for what a server may do to its buffers.

Where a rule was seen or read stands at it; `tests/stories/test_rules.py` holds each against what the real editor
did, and `tests/editors/test_rules.py` the real ones. Knows no connection: what the editor tells a server goes
to `Reports`, which is `in_process` or a client over standard input and output.
"""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from lsprotocol import types

from tests.support.fake_editors.texts import (
    ANY_LINE_END,
    common_length,
    last_first,
    offset_of,
    path_of,
    position_of,
    with_edits,
)

Change = types.TextDocumentContentChangePartial | types.TextDocumentContentChangeWholeDocument


class Reports(Protocol):
    """Where an editor tells what happens to its documents."""

    def opened(self, uri: str, version: int, text: str) -> None: ...

    def changed(self, uri: str, version: int, changes: Sequence[Change]) -> None: ...

    def closed(self, uri: str) -> None: ...


class EditRefused(Exception):
    """The editor answers the request with an error."""


@dataclass
class Buffer:
    version: int
    text: str
    line_end: str
    undo: list[str] = field(default_factory=list)


def capabilities_of(
    *encodings: str,
    edit: Mapping[str, object] | None = None,
    actions: Mapping[str, object] | None = None,
    files: Sequence[str] = (),
    asks_for_documents: bool = False,
) -> dict[str, Mapping[str, Any]]:
    """What an editor announces, as far as it matters here. `actions` None: it takes code actions as commands only.

    `files`: what it tells of its user's doings with files.
    """
    literals = {"codeActionLiteralSupport": {"codeActionKind": {"valueSet": [""]}}}
    taken = {} if actions is None else {**literals, **actions}
    return {
        "workspace": {
            "applyEdit": True,
            **({"workspaceEdit": dict(edit)} if edit is not None else {}),
            **({"fileOperations": dict.fromkeys(files, True)} if files else {}),
            **({"textDocumentContent": {}} if asks_for_documents else {}),
        },
        "textDocument": {"codeAction": taken},
        "window": {"workDoneProgress": True, "showDocument": {"support": True}},
        "general": {"positionEncodings": list(encodings)} if encodings else {},
    }


class Editor(ABC):
    """Buffers, what their user does to them, and what a server may."""

    name: ClassVar[str]
    capabilities: ClassVar[Mapping[str, Mapping[str, Any]]]
    first_version: ClassVar[int] = 0
    line_ends: ClassVar[str] = ANY_LINE_END
    confirms_files: ClassVar[bool] = True
    """Whether what is done to a file as a whole is asked for where its annotation wants it; the user says no."""

    def __init__(self, reports: Reports, encoding: str = "utf-16") -> None:
        self.reports = reports
        self.encoding = encoding
        self.buffers: dict[str, Buffer] = {}
        self.labels: list[str] = []
        self.shown: list[str] = []
        self.questions: list[str] = []
        self.says_yes = True
        self.before_edit: list[Callable[[], None]] = []
        """What the user does just before each edit arrives, one after the other."""
        self.after_edit: list[Callable[[], None]] = []
        self._is_look = False
        self.tell_moved: Callable[[str, str], None] = lambda old, new: None
        """Called with the URIs of what was moved; the new one is empty where it was removed."""

    # What the user does.

    def open(self, uri: str, text: str, version: int | None = None) -> None:
        version = self.first_version if version is None else version
        line_end = self._line_end_of(text)
        self.buffers[uri] = Buffer(version, self._loaded(text, line_end), line_end)
        self.reports.opened(uri, version, self.buffers[uri].text)

    def type(self, uri: str, line: int, column: int, text: str) -> None:
        at = types.Position(line, column)
        self.change(uri, [types.TextEdit(types.Range(at, at), text)])

    def press(self, uri: str, line: int, column: int, keys: str) -> None:
        """Type one key after the other, to be undone in one step."""
        steps = len(self.buffers[uri].undo)
        for at, key in enumerate(keys):
            self.type(uri, line, column + at, key)
        del self.buffers[uri].undo[steps + 1 :]

    def insert(self, uri: str, offset: int, text: str) -> None:
        """Type at an offset of the buffer's text."""
        at = position_of(self.buffers[uri].text, offset, self.encoding, self.line_ends)
        self.change(uri, [types.TextEdit(types.Range(at, at), text)])

    def close(self, uri: str) -> None:
        self.flush()
        del self.buffers[uri]
        self.reports.closed(uri)

    def move(self, old: str, new: str) -> None:
        """A file or a folder, as the editor's own command does it; documents come along as they are."""
        path_of(new).parent.mkdir(parents=True, exist_ok=True)
        path_of(old).rename(path_of(new))
        for uri in [uri for uri in self.buffers if uri == old or uri.startswith(f"{old}/")]:
            text = self.buffers[uri].text
            self.close(uri)
            self.open(new + uri.removeprefix(old), text)
        self.tell_moved(old, new)

    def remove(self, uri: str) -> None:
        path_of(uri).unlink(missing_ok=True)
        if uri in self.buffers:
            self.close(uri)
        self.tell_moved(uri, "")

    def undo(self, uri: str) -> None:
        self.flush()
        buffer = self.buffers[uri]
        buffer.text = buffer.undo.pop()
        buffer.version += 1
        self.reports.changed(uri, buffer.version, [types.TextDocumentContentChangeWholeDocument(buffer.text)])

    def flush(self) -> None:  # noqa: B027 -- most editors tell at once
        """Tell all that was not told yet, as before a request."""

    def texts(self) -> dict[str, str]:
        """The buffers by file name."""
        return {path_of(uri).name: buffer.text for uri, buffer in self.buffers.items()}

    def as_saved(self, uri: str) -> str:
        """What saving would write."""
        return self.buffers[uri].text

    # What the server asks of it.

    def begin_edit(self, label: str) -> None:
        self._is_look = label == "Flux: look"  # which changes nothing
        if not self._is_look:
            self.labels.append(label)
        if self.before_edit:
            self.before_edit.pop(0)()

    def end_edit(self) -> None:
        if self.after_edit and not self._is_look:
            self.after_edit.pop(0)()

    @abstractmethod
    def apply(self, edit: types.WorkspaceEdit) -> types.ApplyWorkspaceEditResult:
        """The answer. Raises EditRefused."""

    # Its rules.

    def _is_outdated(self, change: types.TextDocumentEdit) -> bool:
        buffer = self.buffers.get(change.text_document.uri)
        version = change.text_document.version
        return buffer is not None and version is not None and buffer.version != version

    def _make(self, changes: Sequence[object]) -> None:
        for change in changes:
            if self.confirms_files and getattr(change, "annotation_id", None):
                continue
            match change:
                case types.CreateFile(uri=uri, options=options):
                    if not (path_of(uri).exists() and options and options.ignore_if_exists):
                        path_of(uri).parent.mkdir(parents=True, exist_ok=True)
                        path_of(uri).write_text("", encoding="utf-8")
                case types.RenameFile(old_uri=old, new_uri=new):
                    assert not path_of(new).exists()
                    self.move(old, new)
                case types.DeleteFile(uri=uri):
                    self.remove(uri)
                case types.TextDocumentEdit():
                    self._edit(change.text_document.uri, change.edits)
                case _:
                    raise AssertionError(change)

    def _edit(self, uri: str, edits: Sequence[object]) -> None:
        assert all(isinstance(edit, types.TextEdit | types.AnnotatedTextEdit) for edit in edits)
        # The user looks at what is to be confirmed and closes it without a yes, to decide by Flux's own commands.
        plain = [edit for edit in edits if isinstance(edit, types.TextEdit)]
        if plain or not edits:
            self._open_closed(uri)
            self.change(uri, plain)

    def _open_closed(self, uri: str) -> None:
        if uri not in self.buffers:
            path = path_of(uri)
            self.open(uri, path.read_bytes().decode("utf-8") if path.exists() else "")

    def change(self, uri: str, edits: Sequence[types.TextEdit]) -> None:
        """One step of the user's undo."""
        buffer = self.buffers[uri]
        before = buffer.text
        buffer.undo.append(before)
        self._replace(buffer, edits)
        self._report(uri, [_content_change(edit) for edit in self._as_told(before, self._as_inserted(buffer, edits))])

    def _replace(self, buffer: Buffer, edits: Sequence[types.TextEdit]) -> None:
        buffer.text = with_edits(buffer.text, self._as_inserted(buffer, edits), self.encoding, self.line_ends)
        buffer.version += 1

    def _as_told(self, before: str, edits: Sequence[types.TextEdit]) -> list[types.TextEdit]:
        """The edits in the order in which they are reported, at places that are there, also after those before."""

        def place(at: types.Position) -> types.Position:
            return position_of(
                before, offset_of(before, at, self.encoding, self.line_ends), self.encoding, self.line_ends
            )

        return [
            types.TextEdit(types.Range(place(edit.range.start), place(edit.range.end)), edit.new_text)
            for edit in last_first(edits)
        ]

    def _report(self, uri: str, changes: list[Change]) -> None:
        self.reports.changed(uri, self.buffers[uri].version, changes)

    def _line_end_of(self, text: str) -> str:
        return "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"

    def _loaded(self, text: str, line_end: str) -> str:
        """The text as a buffer has it whose line end this is."""
        return text

    def _as_inserted(self, buffer: Buffer, edits: Sequence[types.TextEdit]) -> list[types.TextEdit]:
        return [types.TextEdit(edit.range, self._loaded(edit.new_text, buffer.line_end)) for edit in edits]


class VsCode(Editor):
    """Strict: every version must fit or nothing is done.

    Source: vscode-languageclient, client.ts, doHandleApplyWorkspaceEdit: the version of every open document is compared
    first, and one that differs is answered by `applied: false` (read 2026-07-01). So is a file that exists and is to be
    created, but the changes before it are made (1.139.1, tried). The text model makes all line ends those of the file,
    also in what is inserted.
    """

    name = "Visual Studio Code"
    capabilities = capabilities_of(
        "utf-16",
        edit={
            "documentChanges": True,
            "resourceOperations": ["create", "rename", "delete"],
            "failureHandling": "textOnlyTransactional",
            "normalizesLineEndings": True,
            "changeAnnotationSupport": {"groupsOnLabel": True},
        },
        actions={
            "isPreferredSupport": True,
            "disabledSupport": True,
            "tagSupport": {"valueSet": [1]},
            "documentationSupport": True,
        },
        files=("didCreate", "didRename", "didDelete", "willCreate", "willRename", "willDelete"),
        asks_for_documents=True,
    )
    first_version = 1

    def apply(self, edit: types.WorkspaceEdit) -> types.ApplyWorkspaceEditResult:
        for change in edit.document_changes or ():
            if isinstance(change, types.TextDocumentEdit) and self._is_outdated(change):
                return types.ApplyWorkspaceEditResult(applied=False)
        for change in edit.document_changes or ():
            if isinstance(change, types.CreateFile) and path_of(change.uri).exists():
                if not (change.options and change.options.ignore_if_exists):
                    return types.ApplyWorkspaceEditResult(applied=False)
            elif isinstance(change, types.RenameFile) and path_of(change.new_uri).exists():
                return types.ApplyWorkspaceEditResult(applied=False)
            else:
                self._make([change])
        return types.ApplyWorkspaceEditResult(applied=True)

    def _loaded(self, text: str, line_end: str) -> str:
        return re.sub(ANY_LINE_END, line_end, text)


class Neovim(Editor):
    """Lenient, and says yes to what it skipped.

    Source: 0.12.4, runtime/lua/vim/lsp/util.lua and _changetracking.lua, and tried. Only the first of the changes is
    looked at, only whether the buffer is newer, and never for version 0; `applied` is true where no Lua error came up.
    Versions are the count of changes, several for one edit, but 0 when a buffer is opened. Changes are reported at
    once where the last report is long past, else joined after a while, which is 150 ms there and 10 here.
    """

    name = "Neovim"
    capabilities = capabilities_of(
        "utf-8",
        "utf-16",
        "utf-32",
        edit={"resourceOperations": ["rename", "create", "delete"], "changeAnnotationSupport": {"groupsOnLabel": True}},
        actions={"isPreferredSupport": True, "disabledSupport": True},
    )
    line_ends = r"\r?\n"
    confirms_files = False  # apply_workspace_edit hands annotations to apply_text_document_edit alone
    debounce_s = 0.01

    def __init__(self, reports: Reports, encoding: str = "utf-8") -> None:
        super().__init__(reports, encoding)
        self._pending: dict[str, list[Change]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._reported_at: dict[str, float] = {}

    def apply(self, edit: types.WorkspaceEdit) -> types.ApplyWorkspaceEditResult:
        for index, change in enumerate(edit.document_changes or ()):
            if not (isinstance(change, types.TextDocumentEdit) and index == 0 and self._is_outdated(change)):
                self._make([change])
        return types.ApplyWorkspaceEditResult(applied=True)

    def flush(self) -> None:
        for uri in list(self._pending):
            self._flush(uri)

    def undo(self, uri: str) -> None:
        self.buffers[uri].version = max(self.buffers[uri].version, 2)
        super().undo(uri)

    def _is_outdated(self, change: types.TextDocumentEdit) -> bool:
        buffer = self.buffers.get(change.text_document.uri)
        return buffer is not None and 0 < (change.text_document.version or 0) < buffer.version

    def _open_closed(self, uri: str) -> None:
        if uri not in self.buffers and not path_of(uri).exists():
            self.open(uri, "\n")  # a new buffer has one empty line, and a line end
        super()._open_closed(uri)

    def change(self, uri: str, edits: Sequence[types.TextEdit]) -> None:
        buffer = self.buffers[uri]
        buffer.undo.append(buffer.text)
        for edit in self._as_told(buffer.text, self._as_inserted(buffer, edits)):
            buffer.version = max(buffer.version, 2)
            self._replace(buffer, [edit])
            self._report(uri, [_content_change(edit)])

    def _report(self, uri: str, changes: list[Change]) -> None:
        self._pending.setdefault(uri, []).extend(changes)
        if timer := self._timers.pop(uri, None):
            timer.cancel()
        loop = asyncio.get_running_loop()
        wait_s = self.debounce_s
        if uri in self._reported_at:
            wait_s = max(self.debounce_s - (loop.time() - self._reported_at[uri]), 0)
        if wait_s:
            self._timers[uri] = loop.call_later(wait_s, self._flush, uri)
        else:
            self._flush(uri)

    def _flush(self, uri: str) -> None:
        if timer := self._timers.pop(uri, None):
            timer.cancel()
        changes = self._pending.pop(uri, None)
        if changes and uri in self.buffers:
            self._reported_at[uri] = asyncio.get_running_loop().time()
            self.reports.changed(uri, self.buffers[uri].version, changes)

    def _line_end_of(self, text: str) -> str:
        return "\r\n" if "\n" in text and text.count("\r\n") == text.count("\n") else "\n"

    def _loaded(self, text: str, line_end: str) -> str:
        return re.sub("\r\n?|\n", line_end, text)


class Helix(Editor):
    """Aborts half way: makes the changes one after the other and stops at the first that does not fit.

    Source: helix-view/src/handlers/lsp.rs, apply_workspace_edit, and `failureHandling: abort` (read 2026-07-23), and
    25.07.1 as tried: a file that exists is emptied when it is created, a lone carriage return ends no line, and several
    changes are reported the first one first.
    """

    name = "helix"
    capabilities = capabilities_of(
        "utf-8",
        "utf-32",
        "utf-16",
        edit={
            "documentChanges": True,
            "resourceOperations": ["create", "rename", "delete"],
            "failureHandling": "abort",
            "normalizesLineEndings": False,
        },
        actions={"isPreferredSupport": True, "disabledSupport": True},
        files=("willRename", "didRename"),
    )
    line_ends = r"\r?\n"

    def apply(self, edit: types.WorkspaceEdit) -> types.ApplyWorkspaceEditResult:
        for index, change in enumerate(edit.document_changes or ()):
            if isinstance(change, types.TextDocumentEdit) and self._is_outdated(change):
                return types.ApplyWorkspaceEditResult(False, f"outdated {change.text_document.uri}", index)
            self._make([change])
        return types.ApplyWorkspaceEditResult(applied=True)

    def _as_told(self, before: str, edits: Sequence[types.TextEdit]) -> list[types.TextEdit]:
        text, told, moved = before, list[types.TextEdit](), 0
        for edit in reversed(last_first(edits)):
            start, end = (
                offset_of(before, at, self.encoding, self.line_ends) + moved
                for at in (edit.range.start, edit.range.end)
            )
            places = (position_of(text, at, self.encoding, self.line_ends) for at in (start, end))
            told.append(types.TextEdit(types.Range(*places), edit.new_text))
            text = text[:start] + edit.new_text + text[end:]
            moved += len(edit.new_text) - (end - start)
        return told


@dataclass(frozen=True)
class Stretch:
    """What of a buffer has changed and was not told: from the first to the last character, and what stood there."""

    start: int
    end: int
    before: str

    def distance(self, start: int, end: int) -> int:
        return max(self.start - end, start - self.end)

    def with_change(self, text: str, start: int, end: int, length: int) -> Stretch:
        """As it is when so many characters are put where these of the text are."""
        first, last = min(start, self.start), max(end, self.end)
        before = text[first : self.start] + self.before + text[self.end : last]
        return Stretch(first, last + length - (end - start), before)


class Eglot(Editor):
    """Declines: a version must be exact, or the request ends with an error; the user may be asked, and say no.

    Source: Emacs 30.1, eglot.el, and tried. An edit of several files is made one after the other; a user who says no is
    answered for by `applied: true`. What is inserted is taken as it is, also into a file with CRLF, whose buffer has
    line feeds. Changes are told when the user has paused (for 500 ms), so a server's at once where the
    user is still, or before a request; a change that changes nothing is told of too, but for an empty one. What changed
    meanwhile is told as one change from the first to the last character that was touched (track-changes.el); only what
    is further away than the changed stretch is long, and than 100 characters, is a change of its own, and from then on
    the version counts those before it. Until then an edit for the old version is made, wherever its positions are.
    """

    name = "eglot"
    capabilities = capabilities_of(
        "utf-32", "utf-8", "utf-16", edit={"documentChanges": True}, actions={"isPreferredSupport": True}
    )
    line_ends = "\n"
    idle_s = 0.5
    near = 100

    def __init__(self, reports: Reports, encoding: str = "utf-32") -> None:
        super().__init__(reports, encoding)
        self._stretches: dict[str, Stretch] = {}
        self._untold: dict[str, list[Change]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._used_at = -float("inf")
        """When the user did something last, by the event loop's clock."""
        self._is_asked = False
        """What changes now is the server's."""

    def flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for uri, buffer in self.buffers.items():
            self._fetch(uri)
            if changes := self._untold.pop(uri, None):
                self.reports.changed(uri, buffer.version, changes)

    def close(self, uri: str) -> None:
        super().close(uri)
        self._stretches.pop(uri, None)

    def apply(self, edit: types.WorkspaceEdit) -> types.ApplyWorkspaceEditResult:
        if not self.says_yes:
            return types.ApplyWorkspaceEditResult(applied=True)
        self._is_asked = True
        try:
            for change in edit.document_changes or ():
                if not isinstance(change, types.TextDocumentEdit):
                    raise EditRefused("no such operation")
                if self._is_outdated(change):
                    raise EditRefused(f"Edits on `{change.text_document.uri}' require another version")
                self._make([change])
        finally:
            self._is_asked = False
        return types.ApplyWorkspaceEditResult(applied=True)

    def end_edit(self) -> None:
        if asyncio.get_running_loop().time() - self._used_at >= self.idle_s:
            self.flush()  # by timers, which run before the next key is read
        super().end_edit()

    def as_saved(self, uri: str) -> str:
        return self.buffers[uri].text.replace("\n", self.buffers[uri].line_end)

    def _open_closed(self, uri: str) -> None:
        was_open = uri in self.buffers
        super()._open_closed(uri)
        if not was_open:  # told once by the mode, once by the hook of opened files (30.1, tried)
            self.reports.opened(uri, self.buffers[uri].version, self.buffers[uri].text)

    def undo(self, uri: str) -> None:
        buffer = self.buffers[uri]
        old, new = buffer.text, buffer.undo.pop()
        head = common_length(old, new)
        tail = common_length(old[head:][::-1], new[head:][::-1])
        self._replace_in(uri, head, len(old) - tail, new[head : len(new) - tail])

    def change(self, uri: str, edits: Sequence[types.TextEdit]) -> None:
        buffer = self.buffers[uri]
        buffer.undo.append(buffer.text)
        before = buffer.text
        for edit in last_first(edits):
            places = edit.range.start, edit.range.end
            start, end = (offset_of(before, place, self.encoding, self.line_ends) for place in places)
            if start < end or edit.new_text:
                self._replace_in(uri, start, end, edit.new_text)

    def _replace_in(self, uri: str, start: int, end: int, new: str) -> None:
        buffer, stretch = self.buffers[uri], self._stretches.get(uri)
        if stretch is not None and stretch.distance(start, end) > max(self.near, len(stretch.before), end - start):
            self._fetch(uri)
            stretch = None
        if stretch is None:
            stretch = Stretch(start, start, "")
        self._stretches[uri] = stretch.with_change(buffer.text, start, end, len(new))
        buffer.text = buffer.text[:start] + new + buffer.text[end:]
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        if not self._is_asked:
            self._used_at = loop.time()
        self._timer = loop.call_later(max(self._used_at + self.idle_s - loop.time(), 0), self.flush)

    def _fetch(self, uri: str) -> None:
        """The stretch that changed becomes a change to tell, and counts as a version."""
        if stretch := self._stretches.pop(uri, None):
            buffer = self.buffers[uri]
            now = buffer.text[stretch.start : stretch.end]
            before = buffer.text[: stretch.start] + stretch.before + buffer.text[stretch.end :]
            places = stretch.start, stretch.start + len(stretch.before)
            start, end = (position_of(before, place, self.encoding, self.line_ends) for place in places)
            change = types.TextDocumentContentChangePartial(types.Range(start, end), now)
            self._untold.setdefault(uri, []).append(change)
            buffer.version += 1

    def _line_end_of(self, text: str) -> str:
        if "\n" not in text and "\r" in text:
            return "\r"  # coding system `undecided-mac` (tried)
        return "\r\n" if "\n" in text and text.count("\r\n") == text.count("\n") else "\n"

    def _loaded(self, text: str, line_end: str) -> str:
        return text.replace(line_end, "\n")


class Plain(Editor):
    """Knows the `changes` form only, and no versions; neither makes nor removes files."""

    name = "plain"
    capabilities = capabilities_of()

    def apply(self, edit: types.WorkspaceEdit) -> types.ApplyWorkspaceEditResult:
        assert edit.document_changes is None
        for uri, edits in (edit.changes or {}).items():
            self._edit(uri, edits)
        return types.ApplyWorkspaceEditResult(applied=True)


EDITORS: Sequence[type[Editor]] = (VsCode, Neovim, Helix, Eglot, Plain)


def _content_change(edit: types.TextEdit) -> Change:
    return types.TextDocumentContentChangePartial(edit.range, edit.new_text)
