"""What can be asked of the connected editor: what it announces, and what it really does.

Everything that depends on which editor it is stands here, with its source; the rest of the package asks these fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast, get_args

from lsprotocol import types

from flux.core.text import Counting, PositionEncoding


@dataclass(frozen=True, slots=True)
class Client:
    """The connected editor. The defaults are those of one that announces nothing."""

    name: str = ""
    counting: Counting = field(default_factory=Counting)
    applies_edits: bool = False
    takes_document_changes: bool = False
    creates_files: bool = False
    deletes_files: bool = False
    renames_files: bool = False
    shows_documents: bool = False
    tells_of_any_file: bool = True
    """It opens documents for Flux outside its folders too."""
    shows_progress: bool = False
    has_configuration: bool = False
    registers_configuration: bool = False
    """It tells of changed settings once it is asked to."""
    watches_files: bool = False
    """It tells of changed files on the disk once it is asked to."""
    watches_anywhere: bool = False
    """Also of those outside its folders."""
    takes_code_actions: bool = False
    """Code actions as objects; else they are plain commands."""
    marks_generated_actions: bool = False
    marks_preferred: bool = False
    shows_disabled: bool = False
    """Code actions that cannot run, with the reason."""
    selects_in_passing: bool = False
    """Where nothing is selected, it tells of a character or a word at the cursor as if that were."""
    shows_action_help: bool = False
    """It has a place in its menu for what tells about a kind of code actions."""
    takes_commit_messages: bool = False
    """It puts what `flux/commitMessage` brings where its user commits."""
    confirms_changes: bool = False
    """An edit can say of its parts that each needs the user's confirmation."""
    confirms_file_changes: bool = False
    """So it does for files that are made, moved or removed."""
    confirms_blindly: bool = False
    """It asks for that confirmation without showing the change."""
    refreshes_lenses: bool = False
    """It asks for code lenses anew where it is told to."""
    reads_documents: bool = False
    """It asks the server for the text of documents that have a scheme of ours."""
    takes_turn_events: bool = False
    asks_for_approval: bool = False
    """It answers `flux/approve`."""
    queries: frozenset[str] = frozenset()
    """What it answers by `flux/editor/query`."""
    edits_one_by_one: bool = False
    """An edit to several documents may be made in a part of them, which its answer does not tell: each goes alone."""
    ignores_version_zero: bool = False
    """An edit for version 0, which a buffer has when it was just opened, is made on any."""
    creates_by_editing: bool = False
    """An edit of a file that does not exist opens it as a new buffer, and nothing is written."""
    empties_what_it_creates: bool = False
    """A file that exists loses its text where it is to be created, unless the request says otherwise."""
    ends_with_line_end: bool = False
    """A buffer's text always ends with a line end, also an empty one."""
    may_misplace: bool = False
    """An edit may be made on a text that the editor has not told of, at positions that are wrong there."""
    tells_late: bool = False
    """It tells of what changed only when its user pauses."""
    has_plain_line_ends: bool = False
    """A buffer has line feeds where all lines of its file end with CRLF, or CR; what is inserted is taken as it is."""
    tells_where_it_stopped: bool = False
    """A no names the first change that was not made; none after it was made either."""
    waits_briefly: bool = False
    """A command that takes longer than some seconds is given up on: answer at once, report by progress."""


def client_of(
    params: types.InitializeParams,
    *,
    takes_turn_events: bool,
    asks_for_approval: bool = False,
    queries: Iterable[str] = (),
    takes_commit_messages: bool = False,
) -> Client:
    """What the editor of this `initialize` can do."""
    capabilities = params.capabilities
    workspace = capabilities.workspace or types.WorkspaceClientCapabilities()
    edits = workspace.workspace_edit or types.WorkspaceEditClientCapabilities()
    window = capabilities.window or types.WindowClientCapabilities()
    document = capabilities.text_document or types.TextDocumentClientCapabilities()
    actions = document.code_action or types.CodeActionClientCapabilities()
    operations = set(edits.resource_operations or ())
    tags = actions.tag_support.value_set if actions.tag_support else ()
    announced = Client(
        name=params.client_info.name if params.client_info else "",
        counting=Counting(_encoding(capabilities)),
        applies_edits=bool(workspace.apply_edit),
        takes_document_changes=bool(edits.document_changes),
        may_misplace=bool(workspace.apply_edit) and not edits.document_changes,
        creates_files=types.ResourceOperationKind.Create in operations,
        deletes_files=types.ResourceOperationKind.Delete in operations,
        renames_files=types.ResourceOperationKind.Rename in operations,
        shows_documents=bool(window.show_document and window.show_document.support),
        shows_progress=bool(window.work_done_progress),
        has_configuration=bool(workspace.configuration),
        registers_configuration=bool(
            workspace.did_change_configuration and workspace.did_change_configuration.dynamic_registration
        ),
        watches_files=bool(
            workspace.did_change_watched_files and workspace.did_change_watched_files.dynamic_registration
        ),
        watches_anywhere=bool(
            workspace.did_change_watched_files and workspace.did_change_watched_files.relative_pattern_support
        ),
        takes_code_actions=actions.code_action_literal_support is not None,
        marks_generated_actions=types.CodeActionTag.LlmGenerated in tags,
        marks_preferred=bool(actions.is_preferred_support),
        shows_disabled=bool(actions.disabled_support),
        shows_action_help=bool(actions.documentation_support),
        takes_commit_messages=takes_commit_messages,
        confirms_changes=edits.change_annotation_support is not None,
        confirms_file_changes=edits.change_annotation_support is not None and bool(edits.document_changes),
        refreshes_lenses=bool(workspace.code_lens and workspace.code_lens.refresh_support),
        reads_documents=workspace.text_document_content is not None,
        takes_turn_events=takes_turn_events,
        asks_for_approval=asks_for_approval,
        queries=frozenset(queries),
    )
    return _KNOWN.get(announced.name.lower(), _as_announced)(announced)


def is_wanted(kind: str, only: Sequence[str] | None) -> bool:
    """Whether an editor that asks for code actions of these kinds, or of any, is to be offered one of this kind."""
    return only is None or any(not wanted or kind == wanted or kind.startswith(f"{wanted}.") for wanted in only)


def _encoding(capabilities: types.ClientCapabilities) -> PositionEncoding:
    """The first known one that the editor names, else UTF-16 (LSP 3.17, `PositionEncodingKind`)."""
    offered = capabilities.general.position_encodings if capabilities.general else None
    known: tuple[str, ...] = get_args(PositionEncoding)
    for encoding in offered or ():
        value = encoding.value if isinstance(encoding, types.PositionEncodingKind) else encoding
        if value in known:
            return cast("PositionEncoding", value)
    return "utf-16"


def _as_announced(client: Client) -> Client:
    return client


def _neovim(client: Client) -> Client:
    # 0.12.4, runtime/lua/vim/lsp/util.lua: apply_workspace_edit takes documentChanges though protocol.lua does not
    # announce it, skips an outdated edit but answers `applied: true`, looks at the version of the first document only,
    # and at none that is 0; create_file empties a file that exists; _buf_get_full_text ends with a line end where
    # 'eol' is set. A lone carriage return in a line, as files with mixed line ends have, is a character to it and ends
    # no line (tried). apply_text_edits asks for confirmation once for all edits of a file, by their labels alone; files
    # are made, moved and removed without asking, whatever their annotations say.
    return replace(
        client,
        counting=replace(client.counting, line_ends="lf"),
        takes_document_changes=client.applies_edits,
        may_misplace=False,
        confirms_blindly=client.confirms_changes,
        confirms_file_changes=False,
        edits_one_by_one=True,
        ignores_version_zero=True,
        creates_by_editing=client.applies_edits,
        ends_with_line_end=True,
    )


def _impatient(client: Client) -> Client:
    # eglot waits 10 s for a command with the editor blocked (jsonrpc-request); Helix gives a request 20 s
    # (languages.toml, `timeout`).
    return replace(client, waits_briefly=True)


def _helix(client: Client) -> Client:
    # 25.07.1: a lone carriage return in a line ends none, and to create a file that exists empties it, but with
    # `ignoreIfExists` (both tried: tests/stories/seen.py). apply_workspace_edit (helix-view/src/handlers/lsp.rs) stops
    # at the first change that does not fit, and gives its number as `failedChange`.
    counting = replace(client.counting, line_ends="lf")
    # What its cursor stands on is always a selection, and so is what its motions passed over (tried).
    return replace(
        _impatient(client),
        counting=counting,
        selects_in_passing=True,
        empties_what_it_creates=True,
        tells_where_it_stopped=True,
    )


def _eglot(client: Client) -> Client:
    # Emacs 30.1: eglot--apply-text-edits inserts a carriage return as it comes, so that a file with CRLF is saved with
    # CR CR LF there; a lone carriage return is a character to it, but in a file that has no other line ends (tried).
    counting = replace(client.counting, line_ends="lf")
    # Until Emacs tells of what was typed (when its user pauses for eglot-send-changes-idle-time, 0.5 s) its version
    # stays, and an edit for that version is made, wherever its positions are by then (tried): `flux.lsp.quiet`.
    # Documents before one that is refused stay edited, and that is told only later (tried).
    # Without a region, eglot--code-action-bounds gives what stands at point.
    return replace(
        _impatient(client),
        counting=counting,
        edits_one_by_one=True,
        may_misplace=True,
        tells_late=True,
        has_plain_line_ends=True,
        selects_in_passing=True,
        tells_of_any_file=False,  # a server is for the buffers of its project (eglot-current-server)
    )


_KNOWN: Mapping[str, Callable[[Client], Client]] = {
    "neovim": _neovim,
    "eglot": _eglot,
    "helix": _helix,
}
