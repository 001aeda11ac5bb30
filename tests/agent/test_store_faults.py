"""The database of sessions where it fails: locked by another process, damaged in any place, held by another."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from pathlib import Path

import pytest

from flux.agent.session_store import SessionStore
from flux.agent.store.search import search
from flux.core.errors import SessionHeld
from flux.core.messages import Text, assistant_message, user_message
from flux.llm.scripted_provider import Step
from flux.workspace.memory import MemoryWorkspace
from tests.support.talks import end, open_session, send

SESSIONS, MESSAGES = 20, 15


async def test_a_lock_of_another_process_stops_no_turn_and_nothing_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "sessions.db"
    store = SessionStore(file)
    session = open_session(MemoryWorkspace({}), [Step(text="word " * 200, chunk=5)], store=store)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    longest, before = 0.0, time.monotonic()

    async def watch() -> None:
        nonlocal longest, before
        while True:
            await asyncio.sleep(0)
            now = time.monotonic()
            longest, before = max(longest, now - before), now

    watching = asyncio.create_task(watch())
    assert end(await send(session, "go")).status == "completed"
    watching.cancel()
    assert longest < 2.0  # a busy machine; the bound of old was five seconds for every write
    other.execute("ROLLBACK")
    other.close()
    async with asyncio.timeout(5):
        await store.settle()
    store.close()
    again = SessionStore(file)
    assert [message.text() for message in again.history("s1")] == ["go", "word " * 200]
    assert again.take_notice() == ""


def fill(file: Path) -> None:
    store = SessionStore(file)
    for number in range(SESSIONS):
        store.create(f"s{number}", "/w")
        for turn in range(MESSAGES):
            store.add_message(f"s{number}", "t", user_message(f"question {turn} " + "x" * 300))
            store.add_message(f"s{number}", "t", assistant_message(Text(f"answer {turn}")))
    store.close()


def damage(file: Path, kind: str, chance: random.Random) -> None:
    data = bytearray(file.read_bytes())
    match kind:
        case "zeroed":
            data = bytearray(len(data))
        case "truncated":
            del data[len(data) // 2 :]
        case "header":
            data[:100] = bytes(100)
        case _:
            pages = len(data) // 4096
            for _ in range(4):  # the roots of the tables come first: without its root nothing is read of a table
                page = chance.randrange(pages // 2, pages) * 4096
                data[page : page + 64] = chance.randbytes(64)
    file.write_bytes(data)


@pytest.mark.parametrize(("kind", "kept"), [("zeroed", 0), ("truncated", 45), ("header", 600), ("flipped", 50)])
def test_what_can_be_read_of_a_damaged_file_is_kept_and_the_file_set_aside(
    tmp_path: Path, kind: str, kept: int
) -> None:
    file = tmp_path / "sessions.db"
    fill(file)
    damage(file, kind, random.Random(7))
    damaged = file.read_bytes()
    store = SessionStore(file)
    store.sessions(1000)
    counted = sum(len(store.history(f"s{number}")) for number in range(SESSIONS))
    store.create("new", "/w")
    store.add_message("new", "t", user_message("and on"))
    assert store.path == file
    notice = store.take_notice()
    (aside,) = tmp_path.glob("sessions-damaged-*.db")
    assert (aside.read_bytes(), str(aside) in notice, store.take_notice()) == (damaged, True, "")
    assert sum(len(store.history(f"s{number}")) for number in range(SESSIONS)) >= kept, notice
    assert counted >= kept
    store.close()
    assert SessionStore(file).history("new") == [user_message("and on")]


def test_a_missing_journal_does_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "sessions.db"
    fill(file)
    store = SessionStore(file)
    store.add_message("s1", "t", user_message("only in the journal"))
    left = tmp_path / "left.db"
    left.write_bytes(file.read_bytes())
    store.close()
    assert len(SessionStore(left).history("s1")) >= 2 * MESSAGES


def test_a_session_is_held_by_one_store_and_released_with_it(tmp_path: Path) -> None:
    file = tmp_path / "sessions.db"
    first, second = SessionStore(file, door="VS Code"), SessionStore(file, door="the terminal")
    first.create("s1", "/w")
    with pytest.raises(SessionHeld, match="This session is open in VS Code \\(process "):
        second.hold("s1")
    second.create("s2", "/w")  # another session goes on beside it
    first.release("s1")
    second.hold("s1")
    with pytest.raises(SessionHeld, match="the terminal"):
        first.hold("s1")
    second.close()
    first.hold("s1")
    first.close()
    assert not list((tmp_path / "holders").iterdir())


@pytest.mark.parametrize("words", ["Größe", "GRÖßE ist", "öß", "ist 大きい"])
def test_search_finds_parts_of_words_with_the_index_and_without(tmp_path: Path, words: str) -> None:
    file = tmp_path / "sessions.db"
    store = SessionStore(file)
    for name, text in (("s1", "Die Größe ist 大きい."), ("s2", 'nothing of that: "role" is the name of a key')):
        store.create(name, "/w")
        store.add_message(name, "t", user_message(text))
    assert [found.session_id for found in search(file, words)] == ["s1"]
    assert search(file, "tool_call") == []  # a word of the stored form, not of the text
    store.delete("s1")
    assert search(file, words) == []
