"""Edits that cannot be made: each is refused with a clear word, goes back to the model, and nothing is lost."""

from __future__ import annotations

import asyncio
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from flux.agent.approval import ApprovalRequest, Decision
from flux.agent.events import ToolAnswered
from flux.agent.session_store import SessionStore
from flux.core.messages import ToolCall
from flux.workspace.disk import DiskWorkspace
from tests.support.talks import call, end, open_session, send, step

TEXT = "one = 1\ntwo = 2\nthree = 3\nfour = 4\nfive = 5\n"


def edit(old: str, new: str, path: str = "a.py") -> ToolCall:
    return call("edit_file", path=path, edits=[{"old_text": old, "new_text": new}])


class _Meanwhile:
    """An approver whose question gives something the time to happen."""

    def __init__(self, happens: Callable[[], object]) -> None:
        self._happens = happens

    async def ask(self, question: ApprovalRequest) -> Decision:
        self._happens()
        return "yes"


async def check(folder: Path, bad: ToolCall, told: str, *, meanwhile: Callable[[], object] = lambda: None) -> None:
    """The call is refused with these words, and the turn goes on to its end."""
    session = open_session(DiskWorkspace([folder]), [step("", bad), step("I see.")])
    events = await send(session, "go", approver=_Meanwhile(meanwhile))
    (answered,) = (event for event in events if isinstance(event, ToolAnswered))
    assert answered.is_error
    assert told in answered.content
    assert end(events).status == "completed"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.py").write_bytes(TEXT.encode())
    return tmp_path


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (edit("", "x = 1\n"), "empty"),
        (edit("two = 2", "two = 2"), "same"),
        (ToolCall("c1", "edit_file", '{"path": "a.py", "edits": [{"old_text": "two'), "not JSON"),
        (call("edit_file", path="a.py", edits=[{"old_text": "two = 2"}]), "`new_text` must be a string"),
        (call("move_file", path="a.py", new_path="../a.py"), ".."),
        (call("move_file", path="none.py", new_path="b.py"), "There is no file none.py"),
        (call("delete_file", path="none.py"), "There is no file none.py"),
    ],
    ids=["empty", "equal", "truncated", "half", "out", "missing", "gone"],
)
async def test_a_call_that_makes_no_sense_is_refused(folder: Path, bad: ToolCall, told: str) -> None:
    await check(folder, bad, told)
    assert (folder / "a.py").read_bytes() == TEXT.encode()
    assert [path.name for path in folder.iterdir()] == ["a.py"]


@pytest.mark.parametrize(
    "bad",
    [
        call("read_file", path="big.log"),
        edit("one", "1", "big.log"),
        call("write_file", path="big.log", text="x"),
        call("move_file", path="big.log", new_path="b.log"),
        call("delete_file", path="big.log"),
    ],
    ids=["read", "edit", "write", "move", "delete"],
)
async def test_a_file_of_200_megabytes_is_refused_without_being_read(folder: Path, bad: ToolCall) -> None:
    with (folder / "big.log").open("wb") as file:
        file.truncate(200_000_000)
    tracemalloc.start()
    await check(folder, bad, "big.log is too large to show: 190.7 MB")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000
    assert (folder / "big.log").stat().st_size == 200_000_000


async def test_a_binary_file_is_refused(folder: Path) -> None:
    data = b"\x7fELF\x02\x01\x01\0\0\0one\xff\xfe"
    (folder / "a.bin").write_bytes(data)
    for bad in (edit("one", "1", "a.bin"), call("write_file", path="a.bin", text="x")):
        await check(folder, bad, "a.bin is a binary file")
    assert (folder / "a.bin").read_bytes() == data


async def test_a_file_that_went_away_meanwhile_is_not_made_anew(folder: Path) -> None:
    await check(folder, edit("two", "2"), "a.py is no longer there", meanwhile=(folder / "a.py").unlink)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("bad", [edit("two", "2"), call("delete_file", path="a.py")], ids=["edit", "delete"])
async def test_a_folder_in_the_place_of_a_file_is_left_alone(folder: Path, bad: ToolCall) -> None:
    def replace_by_folder() -> None:
        (folder / "a.py").unlink()
        (folder / "a.py").mkdir()
        (folder / "a.py" / "inside.txt").write_bytes(b"kept\n")

    await check(folder, bad, "a.py is a folder, not a file", meanwhile=replace_by_folder)
    assert (folder / "a.py" / "inside.txt").read_bytes() == b"kept\n"


async def test_a_file_that_came_in_the_way_of_a_move_is_left_alone(folder: Path) -> None:
    def come() -> None:
        (folder / "b.py").write_bytes(b"the user's\n")

    await check(folder, call("move_file", path="a.py", new_path="b.py"), "b.py exists already", meanwhile=come)
    assert (folder / "a.py").read_bytes() == TEXT.encode()
    assert (folder / "b.py").read_bytes() == b"the user's\n"


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need a right there")
async def test_a_link_that_leads_out_is_refused_also_when_it_comes_meanwhile(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside.py"
    root.mkdir()
    outside.write_bytes(TEXT.encode())
    (root / "link.py").symlink_to(outside)
    (root / "a.py").write_bytes(TEXT.encode())

    def link() -> None:
        (root / "a.py").unlink()
        (root / "a.py").symlink_to(outside)

    await check(root, edit("two", "2", "link.py"), "leads out of the workspace")
    await check(root, call("write_file", path="link.py", text="x"), "leads out of the workspace")
    await check(root, edit("two", "2"), "leads out of the workspace", meanwhile=link)
    assert outside.read_bytes() == TEXT.encode()


async def test_two_turns_on_one_file_at_once_lose_nothing(folder: Path) -> None:
    """Two sessions, each with a workspace of its own, as two doors have."""
    store = SessionStore(None)
    words = ("one", "three", "five")
    sessions = [
        open_session(
            DiskWorkspace([folder]),
            [step("", edit(f"{word} =", f"{word}_{word} =")), step("Done.")],
            store=store,
            session_id=word,
        )
        for word in words
    ]
    everything = await asyncio.gather(*(send(session, "go") for session in sessions))
    assert [end(events).status for events in everything] == ["completed"] * 3
    refused = [word for word, events in zip(words, everything, strict=True) if any(map(_is_refused, events))]
    text = (folder / "a.py").read_text(encoding="utf-8")
    assert [word for word in words if f"{word}_{word} =" not in text] == refused == []


async def test_two_turns_on_one_line_at_once_have_one_made_and_one_refused(folder: Path) -> None:
    store = SessionStore(None)
    sessions = [
        open_session(
            DiskWorkspace([folder]),
            [step("", edit("two = 2", f"two = {new}")), step("Done.")],
            store=store,
            session_id=new,
        )
        for new in ("22", "222")
    ]
    barrier = asyncio.Barrier(2)

    class Together:
        async def ask(self, question: ApprovalRequest) -> Decision:
            await barrier.wait()
            return "yes"

    everything = await asyncio.gather(*(send(session, "go", approver=Together()) for session in sessions))
    refused = [event for events in everything for event in events if _is_refused(event)]
    assert len(refused) == 1
    assert "line 2 has changed since" in refused[0].content
    assert (folder / "a.py").read_text(encoding="utf-8") in {
        TEXT.replace("= 2\n", f"= {new}\n") for new in ("22", "222")
    }


def _is_refused(event: object) -> bool:
    return isinstance(event, ToolAnswered) and event.is_error
