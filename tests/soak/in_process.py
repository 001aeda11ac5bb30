"""A turn's edits under a typing user in one process: the real workspace and documents over a fake editor's rules.

Time is virtual, so the waits are those of the real editors and of Flux, and a turn comes out the same whenever it is
run. What is said takes its time both ways, in order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from lsprotocol import types

from flux.core.errors import FluxError
from flux.edits.diff import text_edits_between
from flux.edits.match import edit_text
from flux.edits.plan import EditFile, EditPlan
from flux.lsp.documents import Documents
from flux.lsp.uris import uri_of_path
from flux.lsp.workspace import LspWorkspace
from flux.workspace.disk import DiskWorkspace
from tests.soak.typist import Edit, Schedule, Typist, overwritten
from tests.support.fake_editors.in_process import DocumentReports, InProcessEditor, client_for
from tests.support.fake_editors.rules import Change, Editor, Neovim

TURN_S = 1.5
APPLIED_AT_S = 0.4
OVER_S = 10.0
"""After this long all is told that is ever told."""


class LateReports(DocumentReports):
    """Reports that arrive after some time, in order."""

    def __init__(self, documents: Documents, latency_s: float) -> None:
        super().__init__(documents)
        self._latency_s = latency_s
        self._on_the_way: deque[Callable[[], None]] = deque()

    def changed(self, uri: str, version: int, changes: Sequence[Change]) -> None:
        report = super().changed
        self.say(lambda: report(uri, version, changes))

    def say(self, what: Callable[[], None]) -> None:
        self._on_the_way.append(what)
        asyncio.get_running_loop().call_later(self._latency_s, self._arrive)

    def _arrive(self) -> None:
        self._on_the_way.popleft()()


class LateEditor(InProcessEditor):
    """Asked and answering with the same delay. `overwritten`: marks that edits were made over."""

    def __init__(self, editor: Editor, given: Schedule, rules: type[Editor], reports: LateReports) -> None:
        super().__init__(editor, client_for(rules, given.encoding))
        self.overwritten: set[str] = set()
        self._latency_s = given.latency_s
        self._reports = reports

    async def apply_edit(self, label: str, edit: types.WorkspaceEdit) -> types.ApplyWorkspaceEditResult:
        await asyncio.sleep(self._latency_s)
        self.overwritten |= overwritten(self.editor, edit)
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            return await super().apply_edit(label, edit)
        finally:
            self._reports.say(lambda: answered.set_result(None))
            await answered


async def outcome(folder: Path, given: Schedule, rules: type[Editor]) -> tuple[str, str]:
    """What became of one turn: `made`, `refused` or `told`; or `wrong`, and what is wrong."""
    client = client_for(rules, given.encoding)
    documents = Documents(uri_of_path(str(folder)), [], client.counting)
    reports = LateReports(documents, given.latency_s)
    editor = rules(reports, given.encoding)
    if isinstance(editor, Neovim):
        editor.debounce_s = 0.15
    asked = LateEditor(editor, given, rules, reports)
    workspace = LspWorkspace(documents, asked, DiskWorkspace)
    typist = Typist(editor, lambda name: uri_of_path(str(folder / name)), given)
    for name in given.names:
        (folder / name).write_bytes(given.text().encode())
        editor.open(typist.uri(name), given.text())
    loop = asyncio.get_running_loop()
    for typing in given.typings:
        loop.call_later(typing.moment * TURN_S, typist.do, typing)
    made, refusals = await _turn(workspace, given)
    await asyncio.sleep(OVER_S)
    editor.flush()
    await asyncio.sleep(OVER_S)
    for name in given.names:
        if (folder / name).read_bytes() != given.text().encode():
            return "wrong", f"{name} was saved"
        document = documents.get(typist.uri(name))
        if document is None or document.text != editor.buffers[typist.uri(name)].text:
            return "wrong", f"{name}: the server's text is another than the editor's"
    if asked.messages:
        if not client.may_misplace:
            return "wrong", f"told {asked.messages}"
        lost = {mark for name in given.names for mark in typist.lost(name)[0]}
        more = [mark for name in given.names for mark in typist.lost(name)[1]]
        if more or lost - asked.overwritten:
            return (
                "wrong",
                f"told {asked.messages}, but {lost - asked.overwritten} is lost beside, {more} twice; {refusals}",
            )
        typist.lose(lost)
        if not refusals and typist.what_is_wrong(made):
            return "wrong", f"told {asked.messages}, and made, but {typist.what_is_wrong(made)}"
        return "told", ""
    wrong = typist.what_is_wrong(made)
    if wrong:
        return "wrong", f"{wrong}; refused {refusals}; made {made}"
    return ("refused" if refusals else "made"), ""


async def _turn(workspace: LspWorkspace, given: Schedule) -> tuple[list[Edit], list[str]]:
    """The edits that were made, and why others were not."""
    made: list[Edit] = []
    refusals: list[str] = []
    for group in [given.edits] if given.is_together else [[edit] for edit in given.edits]:
        try:
            plan = await _plan(workspace, group)
            await asyncio.sleep(APPLIED_AT_S if given.is_reviewed or given.is_together else APPLIED_AT_S / 3)
            await workspace.apply(plan)
            made += group
        except FluxError as e:
            refusals.append(str(e))
    return made, refusals


async def _plan(workspace: LspWorkspace, edits: Sequence[Edit]) -> EditPlan:
    """The edits as the model's tools would propose them, for the files as they are now."""
    changes: list[EditFile] = []
    for name in dict.fromkeys(edit.name for edit in edits):
        snapshot = await workspace.read(workspace.path(name))
        text = snapshot.text
        for edit in edits:
            if edit.name == name:
                text = edit_text(text, *edit.texts())
        changes.append(EditFile(snapshot, text_edits_between(snapshot.text, text)))
    return EditPlan("Flux: edit", tuple(changes))
