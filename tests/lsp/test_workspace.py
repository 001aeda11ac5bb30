"""The workspace over open buffers, against editors that each have the rules of a real one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lsprotocol import types

from flux.core.diagnostics import Diagnostic
from flux.core.errors import FileMissing, SecretFile, StaleSnapshot, WriteRefused
from flux.core.text import Position, PositionEncoding, Range
from flux.edits.diff import text_edits_between
from flux.edits.plan import AppliedPlan, CreateFile, DeleteFile, EditFile, EditPlan, FileChange
from flux.lsp.asking import Bounds
from flux.lsp.delivery import TRIES
from flux.lsp.documents import Documents
from flux.lsp.uris import uri_of_path
from flux.lsp.workspace import LspWorkspace
from flux.workspace.disk import DiskWorkspace
from tests.support.fake_editors.in_process import DocumentReports, InProcessEditor, client_for
from tests.support.fake_editors.rules import EDITORS, Change, Editor, Eglot, Helix, Neovim, Plain, VsCode

BOUNDS = Bounds(answer_s=1, after_yes_s=0.2, after_no_s=0.02, pause_s=1)
VERSIONED = [VsCode, Neovim, Helix, Eglot]


class Liar(VsCode):
    """Says yes and does nothing."""

    def apply(self, edit: types.WorkspaceEdit) -> types.ApplyWorkspaceEditResult:
        return types.ApplyWorkspaceEditResult(applied=True)


class Refuser(VsCode):
    """Says no, and why."""

    def apply(self, edit: types.WorkspaceEdit) -> types.ApplyWorkspaceEditResult:
        return types.ApplyWorkspaceEditResult(False, "the user said no")


class Typist(VsCode):
    """Reports the edit and what its user typed right after it in one message, as a rewritten whole."""

    def _report(self, uri: str, changes: list[Change]) -> None:
        self.buffers[uri].text += "typed at the end\n"
        change = types.TextDocumentContentChangeWholeDocument(self.buffers[uri].text)
        super()._report(uri, [change])


@dataclass
class Bench:
    """A folder, an editor on it, and the workspace under test."""

    folder: Path
    editor: Editor
    workspace: LspWorkspace
    messages: list[str]

    def uri(self, name: str) -> str:
        return uri_of_path(str(self.folder / name))

    def on_disk(self) -> dict[str, str]:
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {path.relative_to(self.folder).as_posix(): path.read_bytes().decode() for path in files}

    async def edit(self, name: str, old: str, new: str) -> EditFile:
        """The change of one occurrence, computed on the text as it is now."""
        snapshot = await self.workspace.read(self.workspace.path(name))
        assert snapshot.text.count(old) == 1
        if "\r\n" not in snapshot.text:
            new = new.replace("\r\n", "\n")
        return EditFile(snapshot, text_edits_between(snapshot.text, snapshot.text.replace(old, new)))

    async def apply(self, *changes: FileChange) -> AppliedPlan:
        return await self.workspace.apply(EditPlan("Flux: edit", changes))


def bench(
    folder: Path,
    editor: type[Editor] = VsCode,
    *,
    disk: Mapping[str, str] | None = None,
    buffers: Mapping[str, str] | None = None,
    encoding: PositionEncoding | None = None,
) -> Bench:
    for name, text in (disk or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())
    client = client_for(editor, encoding)
    documents = Documents(uri_of_path(str(folder)), [], client.counting)
    fake = editor(DocumentReports(documents), client.counting.encoding)
    asked = InProcessEditor(fake, client)
    made = Bench(folder, fake, LspWorkspace(documents, asked, DiskWorkspace, BOUNDS), asked.messages)
    for name, text in (buffers or {}).items():
        fake.open(made.uri(name), text)
    return made


async def check_edit(made: Bench, old: str, new: str, *, after: str) -> None:
    """One edit of a.py: what the buffer has then, that the disk is as before, and that one undo takes it back."""
    disk, before = made.on_disk(), made.editor.texts()["a.py"]
    applied = await made.apply(await made.edit("a.py", old, new))
    change = applied.changes[0]
    assert made.editor.as_saved(made.uri("a.py")) == after
    assert (change.before and change.before.text, change.after and change.after.text) == (
        before,
        made.editor.texts()["a.py"],
    )
    assert not change.is_saved
    assert made.on_disk() == disk
    assert len(made.editor.labels) == 1
    made.editor.undo(made.uri("a.py"))
    assert made.editor.texts()["a.py"] == before


@pytest.mark.parametrize("editor", EDITORS)
async def test_an_edit_lands_in_the_buffer_unsaved_as_one_undo_step(tmp_path: Path, editor: type[Editor]) -> None:
    made = bench(tmp_path, editor, disk={"a.py": "old = 1\n"}, buffers={"a.py": "# unsaved\nold = 1\nend\n"})
    await check_edit(made, "old = 1", "new = 2", after="# unsaved\nnew = 2\nend\n")


@pytest.mark.parametrize("editor", EDITORS)
async def test_crlf_and_astral_characters_survive(tmp_path: Path, editor: type[Editor]) -> None:
    made = bench(tmp_path, editor, buffers={"a.py": "s = '😋' + x\x0c\r\nt = 'é😋'\r\nend\r\n"})
    await check_edit(made, "t = 'é😋'", "t = '😋é'\r\nu", after="s = '😋' + x\x0c\r\nt = '😋é'\r\nu\r\nend\r\n")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text("ab\r\n\x0c\u2028é😋", max_size=20),
    st.text("ab\r\n\x0c\u2028é😋", max_size=20),
    st.sampled_from(["utf-8", "utf-16", "utf-32"]),
)
async def test_any_text_becomes_any_other(tmp_path: Path, before: str, after: str, encoding: PositionEncoding) -> None:
    made = bench(tmp_path, Helix, buffers={"a.py": before}, encoding=encoding)
    snapshot = await made.workspace.read(made.workspace.path("a.py"))
    await made.apply(EditFile(snapshot, text_edits_between(before, after)))
    assert made.editor.texts()["a.py"] == after


@pytest.mark.parametrize("editor", EDITORS)
async def test_typing_elsewhere_before_the_edit_arrives_is_kept(tmp_path: Path, editor: type[Editor]) -> None:
    made = bench(tmp_path, editor, buffers={"a.py": "one\ntwo\nthree\nfour\n"})
    edit = await made.edit("a.py", "four", "4")
    made.editor.type(made.uri("a.py"), 0, 0, "typed ")
    applied = await made.apply(edit)
    assert made.editor.texts()["a.py"] == "typed one\ntwo\nthree\n4\n"
    assert len(applied.changes) == 1


@pytest.mark.parametrize("editor", VERSIONED)
async def test_typing_while_the_edit_travels_has_it_matched_once_more(tmp_path: Path, editor: type[Editor]) -> None:
    made = bench(tmp_path, editor, buffers={"a.py": "one\ntwo\nthree\nfour\n"})
    made.editor.before_edit.append(lambda: made.editor.type(made.uri("a.py"), 0, 0, "typed\n"))
    await made.apply(await made.edit("a.py", "four", "4"))
    assert made.editor.texts()["a.py"] == "typed\none\ntwo\nthree\n4\n"
    assert len(made.editor.labels) == (1 if editor is Eglot else 2)  # it was waited for to tell of the typing


async def test_what_the_user_did_is_not_taken_for_the_edit_that_helix_refused_for_it(tmp_path: Path) -> None:
    made = bench(tmp_path, Helix, buffers={"a.py": "one\ntwo\nthree\n", "b.py": "four\n"})
    edits = [await made.edit("a.py", "two\n", ""), await made.edit("b.py", "four", "4")]
    gone = types.TextEdit(types.Range(types.Position(1, 0), types.Position(2, 0)), "")
    made.editor.before_edit.append(lambda: made.editor.change(made.uri("a.py"), [gone]))
    with pytest.raises(StaleSnapshot):
        await made.apply(*edits)
    assert made.editor.texts() == {"a.py": "one\nthree\n", "b.py": "four\n"}


async def test_what_emacs_may_have_made_over_typing_that_left_no_trace_is_told(tmp_path: Path) -> None:
    made = bench(tmp_path, Eglot, buffers={"a.py": "one\ntwo\nthree\nfour\n"})
    place = types.Range(types.Position(3, 0), types.Position(3, 4))
    # Between what Emacs told last and the edit, in place of as many characters.
    made.editor.before_edit += [
        lambda: None,
        lambda: made.editor.change(made.uri("a.py"), [types.TextEdit(place, "FOUR")]),
    ]
    await made.apply(await made.edit("a.py", "four", "4"))
    assert made.editor.texts()["a.py"] == "one\ntwo\nthree\n4\n"
    assert ["a.py (line 4: 4)" in message for message in made.messages] == [True]


async def test_typing_in_a_just_opened_buffer_of_neovim_is_seen_too(tmp_path: Path) -> None:
    made = bench(tmp_path, Neovim)
    made.editor.open(made.uri("a.py"), "one\ntwo\nthree\nfour\n", version=0)
    made.editor.before_edit.append(lambda: made.editor.type(made.uri("a.py"), 0, 0, "typed\n"))
    await made.apply(await made.edit("a.py", "four", "4"))
    assert made.editor.texts()["a.py"] == "typed\none\ntwo\nthree\n4\n"


async def test_typing_right_after_the_edit_does_not_hide_it(tmp_path: Path) -> None:
    made = bench(tmp_path, Typist, buffers={"a.py": "one\ntwo\nthree\n"})
    applied = await made.apply(await made.edit("a.py", "one", "1"))
    assert made.editor.texts()["a.py"] == "1\ntwo\nthree\ntyped at the end\n"
    assert [change.after and change.after.text for change in applied.changes] == ["1\ntwo\nthree\n"]
    assert len(made.editor.labels) == 1


async def test_a_changed_text_under_the_edit_refuses_it(tmp_path: Path) -> None:
    made = bench(tmp_path, buffers={"a.py": "one\ntwo\n"})
    edit = await made.edit("a.py", "two", "2")
    made.editor.type(made.uri("a.py"), 1, 1, "!")
    with pytest.raises(StaleSnapshot):
        await made.apply(edit)
    assert made.editor.texts()["a.py"] == "one\nt!wo\n"


async def test_a_user_who_types_on_and_on_is_not_overrun(tmp_path: Path) -> None:
    made = bench(tmp_path, buffers={"a.py": "one\ntwo\n"})
    made.editor.before_edit += [lambda: made.editor.type(made.uri("a.py"), 0, 0, "x")] * TRIES
    with pytest.raises(StaleSnapshot, match="kept changing"):
        await made.apply(await made.edit("a.py", "two", "2"))
    assert made.editor.texts()["a.py"] == f"{'x' * TRIES}one\ntwo\n"


async def test_a_yes_with_nothing_done_is_noticed(tmp_path: Path) -> None:
    made = bench(tmp_path, Liar, buffers={"a.py": "one\n"})
    with pytest.raises(WriteRefused, match=r"a\.py: it says that it did, but its text does not show it"):
        await made.apply(await made.edit("a.py", "one", "1"))
    assert made.editor.texts()["a.py"] == "one\n"


async def test_a_refusal_says_the_editors_reason(tmp_path: Path) -> None:
    made = bench(tmp_path, Refuser, buffers={"a.py": "one\n"})
    with pytest.raises(WriteRefused, match="the user said no"):
        await made.apply(await made.edit("a.py", "one", "1"))


async def test_a_no_of_the_user_that_the_editor_tells_as_a_yes_is_noticed(tmp_path: Path) -> None:
    made = bench(tmp_path, Eglot, buffers={"a.py": "one\n"})
    made.editor.says_yes = False
    with pytest.raises(WriteRefused, match="or said no"):
        await made.apply(await made.edit("a.py", "one", "1"))
    assert made.editor.texts() == {"a.py": "one\n"}


async def test_a_document_closed_while_the_edit_travels_is_edited_as_a_closed_file(tmp_path: Path) -> None:
    made = bench(tmp_path, VsCode, disk={"a.py": "one\ntwo\n"}, buffers={"a.py": "one\ntwo\n"})
    made.editor.before_edit.append(lambda: made.editor.close(made.uri("a.py")))
    await made.apply(await made.edit("a.py", "two", "2"))
    assert made.editor.texts() == {"a.py": "one\n2\n"}
    assert made.on_disk() == {"a.py": "one\ntwo\n"}


@pytest.mark.parametrize("editor", EDITORS)
async def test_several_files_change_together(tmp_path: Path, editor: type[Editor]) -> None:
    made = bench(tmp_path, editor, disk={"c.py": "c\n"}, buffers={"a.py": "a\n", "b.py": "b\n"})
    await made.apply(*[await made.edit(f"{name}.py", name, f"new {name}") for name in "abc"])
    assert made.editor.texts() == {"a.py": "new a\n", "b.py": "new b\n", "c.py": "new c\n"}
    assert made.on_disk() == {"c.py": "c\n"}


@pytest.mark.parametrize("editor", [VsCode, Neovim, Helix])
async def test_of_several_files_all_change_or_none(tmp_path: Path, editor: type[Editor]) -> None:
    made = bench(tmp_path, editor, buffers={"a.py": "a\n", "b.py": "b\n", "c.py": "c\n"})
    edits = [await made.edit(f"{name}.py", name, f"new {name}") for name in "abc"]
    # The user types under the second edit while it travels: matched once more, it no longer fits.
    made.editor.before_edit += [lambda: made.editor.type(made.uri("b.py"), 0, 1, "!")] * 3
    with pytest.raises(StaleSnapshot):
        await made.apply(*edits)
    texts = {name: text.replace("!", "") for name, text in made.editor.texts().items()}
    assert texts == {"a.py": "a\n", "b.py": "b\n", "c.py": "c\n"}


@pytest.mark.parametrize("editor", EDITORS)
async def test_a_closed_file_is_opened_and_left_unsaved(tmp_path: Path, editor: type[Editor]) -> None:
    made = bench(tmp_path, editor, disk={"a.py": "one\r\ntwo\r\n"})
    applied = await made.apply(await made.edit("a.py", "two", "2\r\nnew"))
    assert made.editor.as_saved(made.uri("a.py")) == "one\r\n2\r\nnew\r\n"
    assert made.on_disk() == {"a.py": "one\r\ntwo\r\n"}
    assert [change.is_saved for change in applied.changes] == [False]


@pytest.mark.parametrize("editor", [VsCode, Neovim])
@pytest.mark.parametrize("text", ["one\ntwo\n", "no line end", ""])
async def test_a_new_file_is_made_by_the_editor_and_removed_again(
    tmp_path: Path, editor: type[Editor], text: str
) -> None:
    made = bench(tmp_path, editor, disk={"a.py": "a\n"})
    await made.apply(CreateFile(made.workspace.path("new.py"), text))
    allowed = {text, f"{text}\n"} if editor is Neovim else {text}
    assert made.editor.texts()["new.py"] in allowed
    assert made.on_disk().get("new.py", "") == ""
    made.editor.flush()
    snapshot = await made.workspace.read(made.workspace.path("new.py"))
    await made.apply(DeleteFile(snapshot))
    assert made.editor.texts() == {}
    assert made.on_disk() == {"a.py": "a\n"}


async def test_a_new_file_goes_to_the_disk_after_asking_where_the_editor_cannot_make_one(tmp_path: Path) -> None:
    made = bench(tmp_path, Plain, buffers={"a.py": "a\n"})
    applied = await made.apply(
        await made.edit("a.py", "a", "new a"), CreateFile(made.workspace.path("new.py"), "one\n")
    )
    assert made.on_disk() == {"new.py": "one\n"}
    assert made.editor.texts() == {"a.py": "new a\n"}
    assert [change.is_saved for change in applied.changes] == [False, True]
    assert len(made.editor.questions) == 1


async def test_without_the_users_yes_nothing_is_written_and_nothing_edited(tmp_path: Path) -> None:
    made = bench(tmp_path, Plain, buffers={"a.py": "a\n"})
    made.editor.says_yes = False
    with pytest.raises(WriteRefused, match="did not let Flux write"):
        await made.apply(await made.edit("a.py", "a", "new a"), CreateFile(made.workspace.path("new.py"), "one\n"))
    assert made.on_disk() == {}
    assert made.editor.texts() == {"a.py": "a\n"}


class _Hiding(VsCode):
    """Changes closed files in buffers that it never tells of."""

    def _open_closed(self, uri: str) -> None:
        if uri not in self.buffers:
            path = Path(uri.removeprefix("file://"))
            self.reports = _Nobody()
            super().open(uri, path.read_text(encoding="utf-8"))


class _Nobody:
    """Hears no report."""

    def opened(self, uri: str, version: int, text: str) -> None: ...

    def changed(self, uri: str, version: int, changes: object) -> None: ...

    def closed(self, uri: str) -> None: ...

    def _report(self, uri: str, changes: Sequence[object]) -> None:
        """Nothing."""


async def test_a_change_that_cannot_be_seen_is_refused_and_not_made_twice(tmp_path: Path) -> None:
    made = bench(tmp_path, _Hiding, disk={"a.py": "one\n"})
    for expected in ("could not be checked", "could not be checked"):
        with pytest.raises(WriteRefused, match=expected):
            await made.apply(await made.edit("a.py", "one", "1"))
    assert made.editor.shown == [made.uri("a.py")]
    assert len(made.editor.labels) == 1


async def test_an_open_buffer_wins_over_the_disk(tmp_path: Path) -> None:
    made = bench(tmp_path, disk={"a.py": "disk\n", "b.py": "b\n"}, buffers={"a.py": "buffer\n"})
    a = await made.workspace.read(made.workspace.path("a.py"))
    b = await made.workspace.read(made.workspace.path("b.py"))
    assert [(s.text, s.version, s.origin) for s in (a, b)] == [("buffer\n", 1, "buffer"), ("b\n", None, "disk")]
    made.editor.close(made.uri("a.py"))
    assert (await made.workspace.read(made.workspace.path("a.py"))).text == "disk\n"


async def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    made = bench(tmp_path)
    with pytest.raises(FileMissing):
        await made.workspace.read(made.workspace.path("none.py"))


async def test_listings_include_files_that_are_only_buffers(tmp_path: Path) -> None:
    made = bench(tmp_path, disk={"a.py": "a\n", "sub/b.py": "b\n"}, buffers={"sub/new.py": "", "a.py": "a\n"})
    assert [str(path) for path in await made.workspace.list_files()] == ["a.py", "sub/b.py", "sub/new.py"]
    assert [str(path) for path in await made.workspace.list_files("sub")] == ["sub/b.py", "sub/new.py"]


async def test_a_secret_file_is_kept_out_also_as_a_buffer(tmp_path: Path) -> None:
    made = bench(tmp_path, buffers={".env": "KEY=1\n", "a.py": "a\n"})
    with pytest.raises(SecretFile):
        await made.workspace.read(made.workspace.path(".env"))
    assert [str(snapshot.path) for snapshot in made.workspace.open_buffers()] == ["a.py"]
    assert [str(path) for path in await made.workspace.list_files()] == ["a.py"]


async def test_open_buffers_come_most_recently_used_first_without_files_from_elsewhere(tmp_path: Path) -> None:
    made = bench(tmp_path, buffers={"a.py": "a\n", "b.py": "b\n"})
    made.editor.open("untitled:Untitled-1", "draft")
    made.editor.open("file:///elsewhere/c.py", "c")
    made.editor.type(made.uri("a.py"), 0, 0, "x")
    buffers = [str(snapshot.path) for snapshot in made.workspace.open_buffers()]
    assert buffers == ["a.py", "untitled:/Untitled-1", "b.py"]


async def test_problems_hold_for_the_text_that_they_came_with(tmp_path: Path) -> None:
    made = bench(tmp_path, buffers={"a.py": "a\n"})
    path = made.workspace.path("a.py")
    document = made.workspace.documents.get(made.uri("a.py"))
    assert document is not None
    problem = Diagnostic(Range(Position(0, 0), Position(0, 1)), "undefined name")
    made.workspace.report(document, [problem])
    made.workspace.report(document, [problem])
    assert await made.workspace.diagnostics(path) == (problem,)
    made.editor.type(made.uri("a.py"), 0, 0, "x")
    assert await made.workspace.diagnostics(path) == ()
