"""Open documents: order of use, waiting for changes, and messages that break the protocol."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

import pytest
from lsprotocol import types

from flux.core.text import Counting
from flux.lsp.documents import ContentChange, Documents
from flux.lsp.uris import uri_of_path

A, B = "file:///w/a.py", "file:///w/b.py"


def documents() -> Documents:
    return Documents(None, [], Counting())


def open_(docs: Documents, uri: str, text: str, version: int = 1) -> None:
    docs.open(types.TextDocumentItem(uri, "python", version, text))


def typed(line: int, column: int, text: str) -> ContentChange:
    at = types.Position(line, column)
    return types.TextDocumentContentChangePartial(types.Range(at, at), text)


def change(docs: Documents, uri: str, version: int, *changes: ContentChange) -> None:
    docs.change(types.VersionedTextDocumentIdentifier(version, uri), changes)


def check(docs: Documents, expected: dict[str, tuple[int, str]]) -> None:
    """All that can be seen of the open documents, most recently used first."""
    assert [(d.uri, (d.version, d.text)) for d in docs] == list(expected.items())


def test_the_document_used_last_comes_first() -> None:
    docs = documents()
    open_(docs, A, "a\n")
    open_(docs, B, "b\n")
    change(docs, A, 2, typed(0, 1, "!"))
    check(docs, {A: (2, "a!\n"), B: (1, "b\n")})


def test_changes_of_one_message_apply_one_after_the_other() -> None:
    docs = documents()
    open_(docs, A, "")
    change(docs, A, 5, typed(0, 0, "one\n"), typed(1, 0, "two"))
    check(docs, {A: (5, "one\ntwo")})


def test_a_change_of_the_whole_text_replaces_it() -> None:
    docs = documents()
    open_(docs, A, "old")
    change(docs, A, 2, types.TextDocumentContentChangeWholeDocument("new\r\n"), typed(1, 0, "end"))
    check(docs, {A: (2, "new\r\nend")})


def test_a_closed_document_is_gone() -> None:
    docs = documents()
    open_(docs, A, "a")
    docs.close(A)
    check(docs, {})


def test_a_file_is_found_under_another_spelling_of_its_uri_and_by_a_symbolic_link(tmp_path: Path) -> None:
    real = tmp_path / "a b.py"
    real.write_text("disk", encoding="utf-8")
    link = tmp_path / "link"
    link.symlink_to(tmp_path, target_is_directory=True)
    docs = documents()
    open_(docs, uri_of_path(str(link / "a b.py")), "buffer")
    for found in (docs.get(uri_of_path(str(real)).replace("a%20b", "a b")), docs.at_path(str(real))):
        assert found is not None
        assert found.text == "buffer"


async def test_a_waiter_sees_the_text_between_two_changes_of_a_message() -> None:
    docs = documents()
    open_(docs, A, "")
    seen: list[str] = []

    def is_done() -> bool:
        seen.append(docs.get(A).text)  # pyright: ignore[reportOptionalMemberAccess]  # open above
        return seen[-1] == "y"

    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(docs.until(is_done, 5))
        await asyncio.sleep(0)
        change(docs, A, 2, typed(0, 0, "y"), typed(0, 0, "x"))
    assert waiting.result() is True
    assert seen == ["", "y"]


async def test_a_wait_for_what_never_comes_ends_at_its_bound() -> None:
    assert await documents().until(lambda: False, 0.01) is False


def test_what_is_changed_and_was_not_opened_has_a_text_that_is_not_known(caplog: pytest.LogCaptureFixture) -> None:
    docs = documents()
    open_(docs, B, "known")
    with caplog.at_level(logging.WARNING):
        change(docs, A, 2, typed(0, 0, "x"))
    assert "changed but not open" in caplog.text
    assert {document.uri: document.is_known for document in docs} == {A: False, B: True}
    docs.close(A)
    check(docs, {B: (1, "known")})


def test_a_whole_text_of_an_unopened_document_opens_it() -> None:
    docs = documents()
    change(docs, A, 3, types.TextDocumentContentChangeWholeDocument("all"))
    check(docs, {A: (3, "all")})


def test_a_version_that_goes_back_is_believed_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    docs = documents()
    open_(docs, A, "a", version=9)
    with caplog.at_level(logging.WARNING):
        change(docs, A, 3, typed(0, 1, "b"))
    check(docs, {A: (3, "ab")})
    assert "from version 9 to 3" in caplog.text


def test_a_second_open_replaces_the_text(caplog: pytest.LogCaptureFixture) -> None:
    docs = documents()
    open_(docs, A, "one")
    with caplog.at_level(logging.WARNING):
        open_(docs, A, "two", version=4)
    check(docs, {A: (4, "two")})
    assert "opened twice" in caplog.text


def test_closing_what_is_not_open_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        documents().close(A)
    assert "closed but not open" in caplog.text


def test_an_untitled_document_is_kept_at_a_place_where_no_file_can_be() -> None:
    docs = documents()
    open_(docs, "untitled:Untitled-1", "draft")
    check(docs, {"untitled:Untitled-1": (1, "draft")})
    assert [os.path.lexists(document.path) for document in docs] == [False]


def test_what_pygls_is_asked_for_is_our_buffer() -> None:
    docs = documents()
    open_(docs, A, "a\x0cb\n")
    document = docs.get_text_document(A)
    assert (document.source, list(document.lines), list(docs.text_documents)) == ("a\x0cb\n", ["a\x0cb\n", ""], [A])


def test_folders_come_and_go_and_without_one_the_open_files_tell(tmp_path: Path) -> None:
    docs = documents()
    one = tmp_path / "one"
    one.mkdir()
    open_(docs, uri_of_path(str(one / "a.py")), "")
    assert docs.folder_paths() == [str(one)]
    docs.add_folder(types.WorkspaceFolder(uri_of_path(str(tmp_path)), "w"))
    assert docs.folder_paths() == [str(tmp_path)]
    docs.remove_folder(uri_of_path(str(tmp_path)))
    assert docs.folder_paths() == [str(one)]
