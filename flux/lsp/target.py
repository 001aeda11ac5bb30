"""One file's change on its way through the editor: how it is asked of this editor, and what is known of it.

Sends nothing. What an editor needs otherwise than others stands in `flux.lsp.clients`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from lsprotocol import types

from flux.core.errors import TextUnknown
from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.core.text import with_line_feeds
from flux.edits.plan import AppliedChange, CreateFile, DeleteFile, EditFile, FileChange, RenameFile
from flux.lsp.clients import Client
from flux.lsp.convert import EditorText
from flux.lsp.documents import Document, Documents
from flux.lsp.trail import Trail
from flux.lsp.uris import uri_of_path

_DocumentChange = types.TextDocumentEdit | types.CreateFile | types.RenameFile | types.DeleteFile


@dataclass(slots=True)
class Target:
    """One file of a plan on its way through the editor. `after` is set once the change has been seen.

    `new_uri` is where it will show: elsewhere for a renamed file.
    """

    change: FileChange
    uri: str
    new_uri: str
    version: int | None
    is_on_disk: bool
    edits: Sequence[types.TextEdit] = ()
    is_claimed: bool = False
    """The editor says that it made the change."""
    is_refused: bool = False
    """The editor says that it did not, and can be believed: what looks like it was typed."""
    is_seen: bool = False
    seen_on: str | None = None
    """The text that the editor made the change on, as far as its reports had shown it then."""
    after: FileSnapshot | None = None
    trail: Trail | None = None
    """What became of the open document."""
    certain_until: float = float("inf")
    """What the editor tells before, by the event loop's clock, shows on which text it made the change."""
    told_at: float = float("inf")
    """When it first told of something since the change was sent."""

    def refuse(self) -> None:
        """The editor did not make the change."""
        self.is_refused, self.is_seen, self.after = True, False, None
        if self.trail is not None:
            self.trail.refuse()

    @property
    def is_certain(self) -> bool:
        """What was told shows on which text the change was made."""
        return self.told_at <= self.certain_until

    @property
    def is_told_late(self) -> bool:
        """So late that nobody knows what the user had typed when the change was made."""
        return self.certain_until < self.told_at < float("inf")

    @property
    def removes(self) -> bool:
        return any(edit.range.start != edit.range.end for edit in self.edits)

    @property
    def is_settled(self) -> bool:
        """It is known what the editor did."""
        return self.is_seen or (self.trail is not None and self.trail.made_on is not None and self.is_certain)


def target_of(change: FileChange, documents: Documents, client: Client) -> Target:
    """The change as it is sent to this editor, for the document as it is now."""
    document = documents.at_path(str(change.path.absolute()))
    uri = document.uri if document else uri_of_path(str(change.path.absolute()))
    version = None if isinstance(change, CreateFile) else change.snapshot.version
    new_uri = uri_of_path(str(change.new_path.absolute())) if isinstance(change, RenameFile) else uri
    edits = () if isinstance(change, DeleteFile) else _text_edits(change, client)
    return Target(change, uri, new_uri, version, change.path.absolute().exists(), edits)


def workspace_edit(targets: Sequence[Target], client: Client) -> types.WorkspaceEdit:
    """One request for all of them, in the form that the editor takes."""
    is_plain = all(isinstance(target.change, EditFile) for target in targets)
    if not client.takes_document_changes and is_plain:
        return types.WorkspaceEdit(changes={target.uri: target.edits for target in targets})
    changes = [one for target in targets for one in _document_changes(target, client)]
    return types.WorkspaceEdit(document_changes=changes)


def not_made(targets: Sequence[Target], client: Client, failed_change: int) -> list[Target]:
    """Those of which the editor made nothing, where it stopped at that one of the changes of `workspace_edit`."""
    begins = itertools.accumulate((len(_document_changes(target, client)) for target in targets), initial=0)
    return [target for target, begin in zip(targets, begins, strict=False) if begin >= failed_change]


def _document_changes(target: Target, client: Client) -> list[_DocumentChange]:
    change = target.change
    if isinstance(change, DeleteFile):
        options = types.DeleteFileOptions(ignore_if_not_exists=True)  # a new file may never have been saved
        return [types.DeleteFile(uri=target.uri, options=options)]
    if isinstance(change, RenameFile):
        return [types.RenameFile(target.uri, target.new_uri)]
    # The first change makes a 0 more than 1, so 1 stands for it where 0 would not be looked at.
    version = 1 if target.version == 0 and client.ignores_version_zero else target.version
    identifier = types.OptionalVersionedTextDocumentIdentifier(uri=target.uri, version=version)
    edit = types.TextDocumentEdit(identifier, target.edits)
    if isinstance(change, CreateFile) and not client.creates_by_editing:
        may_exist = types.CreateFileOptions(ignore_if_exists=True) if client.empties_what_it_creates else None
        return [types.CreateFile(uri=target.uri, options=may_exist), edit]
    return [edit]


def applied_of(target: Target) -> AppliedChange:
    """What was done, once it was seen."""
    change = target.change
    before = None if isinstance(change, CreateFile) else change.snapshot
    is_saved = target.after is None or target.after.origin == "disk"
    return AppliedChange(change.path, before, target.after, is_saved)


def snapshot_of(path: WorkspacePath, document: Document) -> FileSnapshot:
    """The open document as it is now. Raises TextUnknown where a message about it was lost."""
    if not document.is_known:
        raise text_unknown(path)
    return FileSnapshot(path, document.text, document.version, "buffer")


def text_unknown(path: WorkspacePath) -> TextUnknown:
    """The refusal to go by a text that may be outdated."""
    return TextUnknown(
        f"Flux missed what the editor said of {path}, and does not know its text.",
        path=str(path),
        hint="Close the file in the editor and open it again.",
    )


def lines_of(edits: Sequence[types.TextEdit]) -> str:
    """Where the edits were sent to, as the user counts lines."""
    first = min(edit.range.start.line for edit in edits) + 1
    last = max(edit.range.start.line + edit.new_text.count("\n") for edit in edits) + 1
    written = " ".join(edit.new_text for edit in edits).strip()
    lines = f"line {first}" if first == last else f"lines {first} to {last}"
    return f"({lines}: {_shortened(written)})" if written else f"({lines})"


def _text_edits(change: FileChange, client: Client) -> list[types.TextEdit]:
    if isinstance(change, EditFile):
        text = change.snapshot.text
        if not client.has_plain_line_ends or text.count("\r\n") != text.count("\n"):
            return EditorText(text, client.counting).edits(change.edits)
        shown = text if "\n" in text else text.replace("\r", "\n")
        edits = EditorText(shown, client.counting).edits(change.edits)
        return [types.TextEdit(edit.range, with_line_feeds(edit.new_text)) for edit in edits]
    start = types.Position(0, 0)
    # Up to the line end that some editors have in an empty buffer, so that it does not become one too many.
    end = types.Position(1, 0) if client.ends_with_line_end else start
    return [types.TextEdit(types.Range(start, end), change.new_text() if isinstance(change, CreateFile) else "")]


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return f"{line[:60]} …" if len(line) > 60 else line
