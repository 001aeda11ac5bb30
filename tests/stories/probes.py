"""What is asked of every editor, the fake and the real one alike: each probe says what came of it, as plain values.

A probe has a folder of its own. Versions are counted from the one at opening, so that they can be compared.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from tests.support.fake_editors.desk import Desk
from tests.support.fake_editors.rules import EditRefused

Probe = Callable[[Desk], Awaitable[object]]


async def run(desk: Desk, name: str) -> object:
    """What came of the probe, in its own folder."""
    workspace = desk.folder
    desk.folder = workspace / re.sub(r"\W+", "-", name)
    desk.folder.mkdir()
    try:
        return await PROBES[name](desk)
    finally:
        desk.folder = workspace


# Versions.


def two_documents(*offsets: int | None) -> Probe:
    """An edit of two documents that were typed into, for versions so far from the present ones."""

    async def probe(desk: Desk) -> object:
        changes: list[object] = []
        for name, offset in zip("ab", offsets, strict=True):
            await desk.open(f"{name}.txt", "old\n")
            await desk.type(f"{name}.txt", 0, 3, "!")
            await desk.settled(f"{name}.txt")
            version = None if offset is None else version_of(desk, f"{name}.txt") + offset
            changes.append(edit_of(desk, f"{name}.txt", ("0:0-0:3", "new"), version=version))
        answer = await apply(desk, *changes)
        return answer, [await desk.text(f"{name}.txt") for name in "ab"]

    return probe


async def typing_on_its_way(desk: Desk) -> object:
    """An edit for the version before keys that the editor may not have told yet, left of its place."""
    await desk.open("a.txt", "one two\n")
    edit = edit_of(desk, "a.txt", ("0:4-0:7", "TWO"))
    await desk.press("a.txt", 0, 0, "ab")
    answer = await apply(desk, edit)
    return answer, await desk.text("a.txt")


async def declined(desk: Desk) -> object:
    await desk.open("a.txt", "old\n")
    answer = await desk.decline({"documentChanges": [edit_of(desk, "a.txt", ("0:0-0:3", "new"))]})
    return answer["applied"], await desk.text("a.txt")


async def the_version_at_opening(desk: Desk) -> object:
    await desk.open("a.txt", "old\n")
    return version_of(desk, "a.txt")


# What is told.


async def typed_keys(desk: Desk) -> object:
    await desk.open("a.txt", "one\ntwo\n")
    return await told(desk, lambda: desk.type("a.txt", 1, 0, "ab"))


async def an_edit_in_two_places(desk: Desk) -> object:
    await desk.open("a.txt", "one\ntwo\nthree\n")
    edit = edit_of(desk, "a.txt", ("0:0-0:3", "ONE"), ("2:0-2:0", "new\n"))
    return await told(desk, lambda: apply(desk, edit))


async def an_edit_in_two_far_places(desk: Desk) -> object:
    between = "".join(f"line {number} of the file\n" for number in range(20))
    await desk.open("a.txt", f"one\n{between}two\n")
    edit = edit_of(desk, "a.txt", ("0:0-0:3", "ONE"), ("21:0-21:3", "TWO"))
    return await told(desk, lambda: apply(desk, edit))


async def two_inserts_at_one_place(desk: Desk) -> object:
    await desk.open("a.txt", "one\n")
    await apply(desk, edit_of(desk, "a.txt", ("0:1-0:1", "A"), ("0:1-0:1", "B")))
    await desk.settled("a.txt")
    return await desk.text("a.txt")


async def undone(desk: Desk) -> object:
    """Typing, an edit in two places, two undos: the texts, and whether each undo was told as a version more."""
    await desk.open("a.txt", "one\ntwo\n")
    await desk.type("a.txt", 1, 0, "ab")
    await desk.settled("a.txt")
    await apply(desk, edit_of(desk, "a.txt", ("0:0-0:3", "ONE"), ("1:2-1:2", "new ")))
    await desk.settled("a.txt")
    texts: list[object] = [await desk.text("a.txt")]
    while texts[-1] != "one\ntwo\n":
        before = version_of(desk, "a.txt")
        await desk.undo("a.txt")
        await desk.settled("a.txt")
        assert version_of(desk, "a.txt") > before
        texts.append(await desk.text("a.txt"))
    return texts


# Places and characters.


def counted(text: str, place: str) -> Probe:
    """What becomes of a text where the server puts `X` at the place."""

    async def probe(desk: Desk) -> object:
        await desk.open("a.txt", text)
        version_and_text = desk.mirror("a.txt")
        assert version_and_text is not None
        await apply(desk, edit_of(desk, "a.txt", (place, "X")))
        await desk.settled("a.txt")
        return version_and_text[1], await desk.text("a.txt")

    return probe


def inserted(text: str, new: str) -> Probe:
    """What is told and what would be saved where the server puts this before the second line."""

    async def probe(desk: Desk) -> object:
        await desk.open("a.txt", text)
        reports = await told(desk, lambda: apply(desk, edit_of(desk, "a.txt", ("1:0-1:0", new))))
        return reports, await desk.text("a.txt")

    return probe


async def keys_in_crlf(desk: Desk) -> object:
    await desk.open("a.txt", "one\r\ntwo\r\n")
    return await told(desk, lambda: desk.type("a.txt", 1, 0, "a")), await desk.text("a.txt")


# Files.


async def a_closed_file(desk: Desk) -> object:
    """An edit of a file that is not open opens it, and saves nothing."""
    await desk.open("a.txt", "one\n")
    desk.write("b.txt", "old\n")
    reports = await told(desk, lambda: apply(desk, edit_of(desk, "b.txt", ("0:0-0:3", "new"), version=None)), "b.txt")
    return reports, await desk.text("b.txt"), desk.on_disk()["b.txt"]


async def a_new_file(desk: Desk) -> object:
    await desk.open("a.txt", "one\n")
    create = {"kind": "create", "uri": desk.uri("b.txt")}
    fill = edit_of(desk, "b.txt", ("0:0-0:0", "new\n"), version=None)
    answer = await apply(desk, create, fill)
    if answer == "error":
        return answer, desk.on_disk()
    await desk.settled("b.txt")
    return answer, await desk.text("b.txt"), desk.on_disk()


async def a_file_that_exists_created(desk: Desk) -> object:
    await desk.open("a.txt", "one\n")
    desk.write("b.txt", "old\n")
    answer = await apply(desk, {"kind": "create", "uri": desk.uri("b.txt")})
    return answer, desk.on_disk()


async def a_file_that_exists_created_if_need_be(desk: Desk) -> object:
    await desk.open("a.txt", "one\n")
    desk.write("b.txt", "old\n")
    create = {"kind": "create", "uri": desk.uri("b.txt"), "options": {"ignoreIfExists": True}}
    return await apply(desk, create), desk.on_disk()


async def an_edit_and_a_file_that_exists_created(desk: Desk) -> object:
    await desk.open("a.txt", "one\n")
    desk.write("b.txt", "old\n")
    create = {"kind": "create", "uri": desk.uri("b.txt")}
    answer = await apply(desk, edit_of(desk, "a.txt", ("0:0-0:3", "new")), create)
    return answer, await desk.text("a.txt")


def renamed(*, is_open: bool) -> Probe:
    async def probe(desk: Desk) -> object:
        await desk.open("a.txt", "one\n")
        desk.write("b.txt", "old\n")
        if is_open:
            await desk.show("b.txt")
        rename = {"kind": "rename", "oldUri": desk.uri("b.txt"), "newUri": desk.uri("c.txt")}
        kinds = kinds_of(await told(desk, lambda: apply(desk, rename), "c.txt" if is_open else None))
        return kinds, desk.on_disk()

    return probe


def removed(*, is_open: bool) -> Probe:
    async def probe(desk: Desk) -> object:
        await desk.open("a.txt", "one\n")
        desk.write("b.txt", "old\n")
        if is_open:
            await desk.show("b.txt")
        answer = await apply(desk, {"kind": "delete", "uri": desk.uri("b.txt")})
        return answer, desk.on_disk()

    return probe


PROBES: Mapping[str, Probe] = {
    "both versions fit": two_documents(0, 0),
    "the second is outdated": two_documents(0, -1),
    "the first is outdated": two_documents(-1, 0),
    "a version to come": two_documents(1, 0),
    "no version": two_documents(0, None),
    "typing on its way": typing_on_its_way,
    "declined": declined,
    "the version at opening": the_version_at_opening,
    "typed keys": typed_keys,
    "an edit in two places": an_edit_in_two_places,
    "an edit in two far places": an_edit_in_two_far_places,
    "two inserts at one place": two_inserts_at_one_place,
    "undone": undone,
    "astral characters": counted("😋é one\n", "0:7-0:10"),
    "a form feed": counted("a\x0cb\ntwo\n", "1:0-1:3"),
    "a line separator": counted("a\u2028b\ntwo\n", "1:0-1:3"),
    "a next-line character": counted("a\x85b\ntwo\n", "1:0-1:3"),
    "a lone carriage return": counted("a\rb\ntwo\n", "1:0-1:1"),
    "mixed line ends": counted("one\r\ntwo\nthree\r\n", "1:0-1:3"),
    "no last line end": counted("one", "0:3-0:3"),
    "line feeds into CRLF": inserted("one\r\ntwo\r\n", "x\ny\n"),
    "CRLF into CRLF": inserted("one\r\ntwo\r\n", "x\r\ny\r\n"),
    "CRLF into line feeds": inserted("one\ntwo\n", "x\r\ny\r\n"),
    "keys in CRLF": keys_in_crlf,
    "a closed file": a_closed_file,
    "a new file": a_new_file,
    "a file that exists created": a_file_that_exists_created,
    "a file that exists created if need be": a_file_that_exists_created_if_need_be,
    "an edit and a file that exists created": an_edit_and_a_file_that_exists_created,
    "a closed file renamed": renamed(is_open=False),
    "an open file renamed": renamed(is_open=True),
    "a closed file removed": removed(is_open=False),
    "an open file removed": removed(is_open=True),
}


# What probes say.


async def apply(desk: Desk, *changes: object) -> object:
    """What the editor answers: whether it applied the edit, and at which change it stopped if it says so."""
    try:
        answer = await desk.apply({"documentChanges": list(changes)})
    except EditRefused:
        return "error"
    failed = answer.get("failedChange")
    return answer["applied"] if failed is None else (answer["applied"], failed)


async def told(
    desk: Desk, act: Callable[[], Awaitable[object]], name: str | None = "a.txt"
) -> list[tuple[object, ...]]:
    """What the editor told of the act, when it has told all of the named file; versions from that at opening."""
    count = len(desk.reports())
    answer = await act()
    if name is not None and answer != "error":
        await desk.settled(name)
    first = {report.uri: report.version or 0 for report in desk.reports() if report.kind == "opened"}
    return [
        (report.kind, report.uri.rpartition("/")[2], (report.version or 0) - first.get(report.uri, 0), report.what)
        for report in desk.reports()[count:]
        if report.uri.startswith(desk.folder.as_uri())
    ]


def kinds_of(reports: Sequence[tuple[object, ...]]) -> list[object]:
    return [report[:2] for report in reports]


def version_of(desk: Desk, name: str) -> int:
    found = desk.mirror(name)
    assert found is not None
    return found[0]


NOW = -1000


def edit_of(desk: Desk, name: str, *edits: tuple[str, str], version: int | None = NOW) -> dict[str, Any]:
    """A change of the document: (`line:column-line:column`, text) each, for its present version where none is given."""
    if version == NOW:
        version = version_of(desk, name)
    return {
        "textDocument": {"uri": desk.uri(name), "version": version},
        "edits": [{"range": lsp_range(place), "newText": text} for place, text in edits],
    }


def lsp_range(place: str) -> dict[str, dict[str, int]]:
    start, end = (half.split(":") for half in place.split("-"))
    return {
        "start": {"line": int(start[0]), "character": int(start[1])},
        "end": {"line": int(end[0]), "character": int(end[1])},
    }
