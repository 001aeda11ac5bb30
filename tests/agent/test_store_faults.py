"""The database of sessions where it fails: locked by another process, damaged in any place, held by another."""

from __future__ import annotations

import asyncio
import random
import re
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from flux.agent.events import EditsProposed, ToolAnswered, ToolCalled, TurnEvent, UsageReported
from flux.agent.session_store import Preface, SessionStore
from flux.agent.store.database import Database
from flux.agent.store.rescue import rescue
from flux.agent.store.search import search
from flux.agent.turn import PROPOSED
from flux.core.errors import SessionError, SessionHeld, SessionMissing
from flux.core.messages import Text, assistant_message, user_message
from flux.core.usage import Cost, Usage
from flux.llm.scripted_provider import ScriptedProvider, Step
from flux.workspace.memory import MemoryWorkspace
from tests.support.talks import call, end, open_session, send, step

SESSIONS, MESSAGES = 20, 40


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
            store.add_message(f"s{number}", "t", user_message(f"question {number}-{turn} " + "x" * 300))
            store.add_message(f"s{number}", "t", assistant_message(Text(f"answer {number}-{turn}.")))
    store.close()


def root_of(file: Path, table: str) -> int:
    with closing(sqlite3.connect(file)) as db:
        return db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]


def destroy(data: bytearray, page: int) -> None:
    data[(page - 1) * 4096 : page * 4096] = bytes([0xAA]) * 4096


def damage(file: Path, kind: str, chance: random.Random) -> None:
    data = bytearray(file.read_bytes())
    match kind:
        case "zeroed":
            data = bytearray(len(data))
        case "truncated":
            del data[len(data) // 2 :]
        case "header":
            data[:100] = bytes(100)
        case "root":
            destroy(data, root_of(file, "message"))
        case "spread":
            for page in chance.sample(range(2, len(data) // 4096 + 1), 20):
                destroy(data, page)
        case _:
            pages = len(data) // 4096
            for _ in range(4):  # the roots of the tables come first: without its root nothing is read of a table
                page = chance.randrange(pages // 2, pages) * 4096
                data[page : page + 64] = chance.randbytes(64)
    file.write_bytes(data)


@pytest.mark.parametrize(
    ("kind", "share"),
    [("zeroed", 1.0), ("truncated", 0.95), ("header", 0.99), ("flipped", 0.9), ("root", 0.99), ("spread", 0.99)],
)
def test_what_can_be_read_of_a_damaged_file_is_kept_and_the_file_set_aside(
    tmp_path: Path, kind: str, share: float
) -> None:
    file = tmp_path / "sessions.db"
    fill(file)
    damage(file, kind, random.Random(7))
    damaged = file.read_bytes()
    # A page that was split still has bytes of what moved to another one: each counts once.
    left = len(set(re.findall(rb'"(question \d+-\d+ |answer \d+-\d+\.)', damaged)))
    assert left >= (0 if kind == "zeroed" else 400)
    kept = share * left
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


def test_of_a_table_without_its_root_all_kinds_of_rows_are_found_in_the_pages(tmp_path: Path) -> None:
    file = tmp_path / "sessions.db"
    store = SessionStore(file)
    store.create("s1", "/w ✓")
    long = "ß" * 50_000  # goes over many pages
    for text in ("short", long, ""):
        store.add_message("s1", "t", user_message(text))
    store.ledger.add("s1", "t", "demo", "m", Usage(1, 2**40), Cost(is_complete=False))
    store.add_sent("s1", "wire", user_message("short"), b"\x00\xff bytes")
    store.add_preface("s1", Preface("You are Flux.", ()))
    store.close()
    tables = ("session", "message", "usage", "sent", "preface")
    roots = [root_of(file, table) for table in tables]
    data = bytearray(file.read_bytes())
    for root in roots:
        if data[(root - 1) * 4096] == 5:  # one that leads to others; else the rows themselves are on it
            destroy(data, root)
    file.write_bytes(data)
    again = SessionStore(file)
    assert [message.text() for message in again.history("s1")] == ["short", long, ""]
    assert again.ledger.of_session("s1")[0] == Usage(1, 2**40)
    assert again.preface("s1") == Preface("You are Flux.", ())
    assert again.sent("s1", [user_message("short")]) == {("wire", user_message("short")): b"\x00\xff bytes"}


def test_a_damaged_file_that_another_process_has_open_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "sessions.db"
    fill(file)
    other = SessionStore(file, door="VS Code")
    damage(file, "root", random.Random(7))
    damaged = file.read_bytes()
    store = SessionStore(file)
    store.create("new", "/w")
    store.add_message("new", "t", user_message("and on"))
    assert len(store.history("s1")) <= 1
    assert "another Flux has the file open" in store.take_notice()
    assert (store.path, store.history("new")) == (None, [user_message("and on")])
    assert (file.read_bytes(), list(tmp_path.glob("*damaged*"))) == (damaged, [])
    other.close()
    store.close()
    assert len(SessionStore(file).history("s1")) == 2 * MESSAGES
    assert len(list(tmp_path.glob("sessions-damaged-*.db"))) == 1


@pytest.mark.parametrize(
    ("kind", "rest"), [("gone", "-wal"), ("text", "-wal"), ("gone", "-shm"), ("text", "-shm"), ("foreign", "-shm")]
)
def test_a_journal_that_is_gone_or_belongs_to_another_file_costs_nothing_that_was_in_the_file(
    tmp_path: Path, kind: str, rest: str
) -> None:
    file, other = tmp_path / "sessions.db", tmp_path / "other" / "sessions.db"
    fill(file)
    left = file.with_name(f"{file.name}{rest}")
    if kind == "text":
        left.write_text("no journal at all\n" * 500, encoding="utf-8")
    if kind == "foreign":
        kept = SessionStore(other)
        kept.create("x", "/elsewhere")
        for number in range(40):
            kept.add_message("x", "t", user_message(f"foreign {number} " + "y" * 900))
        left.write_bytes(other.with_name(f"{other.name}{rest}").read_bytes())
        kept.close()
    store = SessionStore(file)
    assert sum(len(store.history(f"s{number}")) for number in range(SESSIONS)) == 2 * MESSAGES * SESSIONS
    store.create("new", "/w")
    store.add_message("new", "t", user_message("and on"))
    store.close()
    again = SessionStore(file)
    assert again.history("new") == [user_message("and on")]
    assert sum(len(again.history(f"s{number}")) for number in range(SESSIONS)) == 2 * MESSAGES * SESSIONS


def test_a_folder_in_the_place_of_the_file_is_left_as_it_is_and_said(tmp_path: Path) -> None:
    (tmp_path / "sessions.db").mkdir(mode=0o755)
    mode = (tmp_path / "sessions.db").stat().st_mode
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        SessionStore(tmp_path / "sessions.db")
    assert (tmp_path / "sessions.db").stat().st_mode == mode
    assert list((tmp_path / "holders").iterdir()) == []


async def test_mending_a_large_file_keeps_no_event_loop_waiting_and_nothing_written_meanwhile_is_lost(
    tmp_path: Path,
) -> None:
    file = tmp_path / "sessions.db"
    store = SessionStore(file)
    store.create("s1", "/w")
    for number in range(100):
        store.add_message("s1", "t", user_message(f"{number} " + "x" * 100_000))  # 10 MB
    store.close()
    store = SessionStore(file)
    damage(file, "root", random.Random(7))
    longest, before, ticks = 0.0, time.monotonic(), 0
    with suppress(SessionError):
        store.history("s1")
    mending = asyncio.create_task(store.mended())
    while not mending.done():
        store.create(f"new{ticks:05}", "/w")
        await asyncio.sleep(0.001)
        now = time.monotonic()
        longest, before, ticks = max(longest, now - before), now, ticks + 1
    assert ticks > 5
    assert longest < 1.0  # a busy machine; measured: see docs/performance.md
    assert "100 messages of 1 sessions could be read" in store.take_notice()
    assert len(store.history("s1")) == 100
    assert all(store.find(f"new{number:05}").id for number in range(ticks))
    store.close()


async def test_mending_is_the_work_of_another_process(tmp_path: Path) -> None:
    """By the processor's time: with it in this process no loop of it would have waited for less than all of it."""
    file, fresh = tmp_path / "sessions.db", tmp_path / "fresh.db"
    store = SessionStore(file)
    store.create("s1", "/w")
    for number in range(8000):
        store.add_message("s1", "t", user_message(f"{number} " + "x" * 300))
    store.close()
    store = SessionStore(file)
    damage(file, "root", random.Random(7))
    before = time.process_time()
    with suppress(SessionError):
        store.history("s1")
    await store.mended()
    taken_here_s = time.process_time() - before
    assert len(store.history("s1")) == 8000
    store.close()
    SessionStore(fresh).close()
    (damaged,) = tmp_path.glob("sessions-damaged-*.db")
    before = time.process_time()
    rescue(damaged, tmp_path / "work.db", fresh)
    assert taken_here_s < (time.process_time() - before) / 4
    assert len(SessionStore(fresh).history("s1")) == 8000


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


def test_a_write_that_fits_no_file_is_left_out_and_told_of_and_all_others_are_stored(tmp_path: Path) -> None:
    file = tmp_path / "sessions.db"
    store = SessionStore(file)
    store.create("s1", "/w")
    store.add_message("gone", "t", user_message("of a session that is not there"))
    store.add_message("s1", "t", user_message("one"))
    store.in_flight.add_asked("s1", "\ud800", "a turn's id as no provider of UTF-8 makes it")
    store.add_message("s1", "t", user_message("two"))
    assert store.path == file
    missing, unfit = store.take_notice().splitlines()
    assert missing == "A part of the session gone could not be stored: FOREIGN KEY constraint failed"
    assert unfit.startswith("A part of the session s1 could not be stored: 'utf-8' codec can't encode")
    store.close()
    assert [message.text() for message in SessionStore(file).history("s1")] == ["one", "two"]


def test_what_waited_for_a_lock_is_stored_without_the_one_that_fits_no_file(tmp_path: Path) -> None:
    file = tmp_path / "sessions.db"
    store = SessionStore(file)
    store.create("s1", "/w")

    async def write_while_locked() -> None:
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            store.add_message("s1", "t", user_message("one"))
            store.add_message("gone", "t", user_message("lost"))
            store.add_message("s1", "t", user_message("two"))
        async with asyncio.timeout(5):
            await store.settle()

    asyncio.run(write_while_locked())
    assert [message.text() for message in store.history("s1")] == ["one", "two"]
    assert (store.path, "session gone" in store.take_notice()) == (file, True)


def test_a_session_that_another_process_has_deleted_is_not_gone_on_with_and_no_other_suffers(tmp_path: Path) -> None:
    file = tmp_path / "sessions.db"
    first, second = SessionStore(file, door="VS Code"), SessionStore(file, door="the terminal")
    first.create("s1", "/w")
    second.create("s2", "/w")
    first.delete("s1")
    with pytest.raises(SessionMissing, match="was deleted"):
        second.hold("s1")
    second.add_message("s2", "t", user_message("and on"))
    assert (second.path, second.take_notice(), len(second.history("s2"))) == (file, "", 1)


def test_names_that_are_no_text_are_counted_and_looked_for_all_the_same(tmp_path: Path) -> None:
    store = SessionStore(tmp_path / "sessions.db")
    store.create("s1", "/w")
    store.ledger.add("s1", "t", "provider\udcff", "model\udcff", Usage(1, 2), Cost(0.5))
    assert store.ledger.of_session("s1") == (Usage(1, 2), Cost(0.5))
    with pytest.raises(SessionMissing):
        store.find("\udcff")


async def test_a_file_that_is_found_damaged_at_the_very_end_is_mended_before_the_end(tmp_path: Path) -> None:
    file = tmp_path / "sessions.db"
    fill(file)
    store = SessionStore(file)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        store.add_message("s1", "t", user_message("at the end"))  # waits
        damage(file, "root", random.Random(7))
    store.close()
    assert SessionStore(file).history("s1")[-1] == user_message("at the end")


def fix(number: int, old: str, new: str) -> Step:
    return step("", call("edit_file", f"e{number}", path="a", old_text=old, new_text=new))


async def test_a_reviewed_turn_waits_for_a_lock_of_another_process_and_its_proposal_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "sessions.db"
    store = SessionStore(file)
    workspace = MemoryWorkspace({"a": "1\n2\n"})
    provider = ScriptedProvider([fix(1, "1", "one"), fix(2, "2", "two"), step("Done.")])
    session = open_session(workspace, provider, store=store)
    other = sqlite3.connect(file, isolation_level=None)
    events: list[TurnEvent] = []
    async for event in session.send_message("go", is_reviewed=True):
        events.append(event)
        if isinstance(event, ToolCalled | UsageReported) and not other.in_transaction:
            other.execute("BEGIN IMMEDIATE")
            asyncio.get_running_loop().call_later(0.3, other.rollback)
    assert end(events).status == "completed"
    answered = [event for event in events if isinstance(event, ToolAnswered)]
    assert [(event.is_error, PROPOSED in event.content) for event in answered] == [(False, True)] * 2
    assert len(session.review.pending()) == 1
    assert [len(event.hunks) for event in events if isinstance(event, EditsProposed)] == [1]
    assert (store.path, store.take_notice()) == (file, "")
    other.close()


async def test_an_ordinary_turn_begins_though_another_process_locks_what_was_written_before(tmp_path: Path) -> None:
    file = tmp_path / "sessions.db"
    store = SessionStore(file)
    session = open_session(MemoryWorkspace({}), [step("Hello.")], store=store)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store.add_note("s1", "waits for the lock")
    asyncio.get_running_loop().call_later(0.3, other.rollback)
    assert end(await send(session, "go")).status == "completed"
    other.close()


async def test_a_turn_that_is_refused_takes_nothing_of_the_process_that_has_the_session(tmp_path: Path) -> None:
    file = tmp_path / "sessions.db"
    holding = SessionStore(file, door="VS Code")
    holding.create("s1", "/w")
    holding.in_flight.add_asked("s1", "t1", "what the user said there")
    store = SessionStore(file)
    session = open_session(MemoryWorkspace({}), [], store=store)
    assert end(await send(session, "go")).error_kind == "SessionHeld"
    assert holding.in_flight.asked("s1") == [("t1", "what the user said there")]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="only Linux tells what this process has open")
@pytest.mark.parametrize("kind", ["root", "spread", "truncated", "header"])
def test_a_damaged_file_is_not_open_while_it_is_set_aside(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "sessions.db"
    fill(file)
    damage(file, kind, random.Random(7))
    seen: list[list[str]] = []

    def is_shared() -> bool:  # asked before, and once more directly before the file is renamed
        seen.append([name for name in opened() if name == str(file)])
        return False

    database = Database(file, is_shared)
    with suppress(SessionError):
        database.rows("SELECT body FROM message")
    database.close()
    assert seen
    assert not any(seen)


def opened() -> list[str]:
    """What this process has open."""
    names: list[str] = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            names.append(str(link.readlink()))
    return names
