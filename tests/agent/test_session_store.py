"""Sessions in a real database file."""

from __future__ import annotations

import gzip
import sqlite3
import stat
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from flux.agent.session_store import SessionStore
from flux.agent.store.journal import PLACES
from flux.agent.store.ledger import Grouping
from flux.agent.store.schema import FORMAT
from flux.agent.store.values import message_from_json, message_to_json
from flux.core.errors import ConfigError, SessionMissing, UnsupportedFormat
from flux.core.messages import Image, Message, Reasoning, Text, ToolCall, ToolResult, user_message
from flux.core.snapshot import FileSnapshot, WorkspacePath
from flux.core.usage import Cost, Spent, Usage
from flux.edits.hunks import split_plan
from flux.edits.plan import CreateFile, DeleteFile, EditFile, EditPlan, RenameFile
from flux.edits.text_edit import TextEdit
from flux.llm.scripted_provider import Step
from flux.workspace.memory import MemoryWorkspace
from tests.support.talks import call, open_session, send, step

SNAPSHOT = FileSnapshot(WorkspacePath("/w", "a", "w"), "1\r\n2\n3\n4\n5\n\ud800\n", 7, "buffer", "latin-1", True)
PLAN = EditPlan(
    "test",
    (
        EditFile(SNAPSHOT, (TextEdit(0, 1, "one"), TextEdit(9, 10, "five"))),
        CreateFile(WorkspacePath("/w", "new"), "x\n", "utf-16-le", True),
        DeleteFile(replace(SNAPSHOT, path=WorkspacePath("/w", "gone"))),
        RenameFile(
            replace(SNAPSHOT, path=WorkspacePath("/w", "old")), WorkspacePath("/w", "moved"), (TextEdit(0, 1, "one"),)
        ),
    ),
)
HUNKS = split_plan(PLAN, "t")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "sessions.db"


async def test_a_session_goes_on_in_another_process_where_it_stopped(file: Path) -> None:
    workspace = MemoryWorkspace({"a": "1\n"})
    first = SessionStore(file)
    before = open_session(workspace, [step("", call("read_file", path="a")), step("Read.")], store=first)
    await send(before, "read a")
    first.close()
    second = SessionStore(file)
    found = second.newest(workspace.roots[0])
    assert (found.id, found.title) == ("s1", "read a")
    after = open_session(workspace, [step("Still here.")], store=second)
    await send(after, "and now?")
    sent = after.provider.requests[0].messages  # type: ignore[attr-defined]
    assert [message.role for message in sent] == ["user", "assistant", "tool", "assistant", "user"]
    assert list(sent[:4]) == list(second.history("s1"))[:4]


async def test_undo_works_after_a_restart(file: Path) -> None:
    workspace = MemoryWorkspace({"a": "1\n"})
    store = SessionStore(file)
    edit = call("edit_file", path="a", edits=[{"old_text": "1", "new_text": "2"}])
    await send(open_session(workspace, [step("", edit), step(".")], store=store), "go")
    store.close()
    await open_session(workspace, [], store=SessionStore(file)).undo()
    assert (await workspace.read(workspace.path("a"))).text == "1\n"


def test_every_kind_of_part_comes_back_as_it_was() -> None:
    message = Message(
        "assistant",
        (
            Text("a\u2028\ud800b"),
            Reasoning("hm", "anthropic", '{"signature":"x"}'),
            Image("image/png", "aGk="),
            ToolCall("1", "f", "{"),
            ToolResult("1", "f", "r", True),
        ),
    )
    assert message_from_json(message_to_json(message)) == message


def test_lone_surrogates_are_stored(file: Path) -> None:
    store = SessionStore(file)
    store.create("s", "/w")
    store.add_message("s", "t", user_message("\ud800"))
    assert store.live_messages("s") == [user_message("\ud800")]


def test_what_pruning_took_out_stays_in_the_history(file: Path) -> None:
    store = SessionStore(file)
    store.create("s", "/w")
    for text in ("one", "two"):
        store.add_message("s", "t", user_message(text))
    store.replace_live("s", [user_message("short")])
    store.add_message("s", "t", user_message("three"))
    assert store.live_messages("s") == [user_message("short"), user_message("three")]
    assert store.history("s") == [user_message("one"), user_message("two"), user_message("three")]


def test_a_session_is_found_by_the_beginning_of_its_id() -> None:
    store = SessionStore(None)
    for name in ("abc", "abd"):
        store.create(name, "/w")
    assert store.find("abc").id == "abc"
    with pytest.raises(SessionMissing, match="not unique"):
        store.find("ab")
    with pytest.raises(SessionMissing, match="is not there"):
        store.find("x")
    with pytest.raises(SessionMissing):
        store.find("")
    with pytest.raises(SessionMissing, match="no earlier session"):
        store.newest("/elsewhere")


def test_unknown_prices_stay_unknown_in_the_sum() -> None:
    store = SessionStore(None)
    store.create("s", "/w")
    store.ledger.add("s", "t", "p", "m", Usage(1, 2), Cost(0.5))
    store.ledger.add("s", "t", "p", "x", Usage(3, 4), Cost(is_complete=False))
    assert store.ledger.of_session("s") == (Usage(4, 6), Cost(0.5, is_complete=False))


DAY_S = 86_400.0
NOON = time.mktime((2026, 11, 21, 12, 0, 0, 0, 0, -1))


def test_usage_is_summed_by_day_model_provider_role_and_session() -> None:
    now = NOON
    store = SessionStore(None, lambda: now)
    store.create("a", "/w")
    store.create("b", "/w")
    for session, day, provider, model, role, usd in (
        ("a", 0, "p", "small", "chat", 0.25),
        ("a", 0, "p", "large", "chat", 1.0),
        ("b", 1, "q", "small", "edit", 0.5),
        ("b", 40, "q", "local", "edit", None),
    ):
        now = NOON - day * DAY_S
        cost = Cost(is_complete=False) if usd is None else Cost(usd)
        store.ledger.add(session, "t", provider, model, Usage(100, 10, 50), cost, role)
    now = NOON

    def by(grouping: Grouping, since: str = "") -> dict[str, tuple[int, float, bool]]:
        groups = store.ledger.groups(grouping, store.ledger.since(since))
        return {one.key: (one.spent.requests, one.spent.cost.usd, one.spent.cost.is_complete) for one in groups}

    assert by("day") == {"2026-10-12": (1, 0.0, False), "2026-11-20": (1, 0.5, True), "2026-11-21": (2, 1.25, True)}
    assert list(by("model").items()) == [
        ("large", (1, 1.0, True)),
        ("small", (2, 0.75, True)),
        ("local", (1, 0.0, False)),
    ]
    assert by("provider") == {"p": (2, 1.25, True), "q": (2, 0.5, False)}
    assert by("role") == {"chat": (2, 1.25, True), "edit": (2, 0.5, False)}
    assert by("session") == {"a": (2, 1.25, True), "b": (2, 0.5, False)}
    assert by("model", "2d") == {"large": (1, 1.0, True), "small": (2, 0.75, True)}
    assert by("model", "2026-11-21") == {"large": (1, 1.0, True), "small": (1, 0.25, True)}
    assert store.ledger.of_period("day") == Spent(2, Usage(200, 20, 100), Cost(1.25))
    assert store.ledger.of_period("month").requests == 3
    for wrong in ("yesterday", "-d", "99999999d", "2026-13-01"):
        with pytest.raises(ConfigError, match="is no day"):
            store.ledger.since(wrong)


def test_what_a_deleted_session_used_stays_in_the_sums_and_a_reset_begins_them_from_nothing() -> None:
    now = 1_000_000.0
    store = SessionStore(None, lambda: now)
    store.create("s", "/w")
    store.ledger.add("s", "t", "p", "m", Usage(5, 1), Cost(2.0))
    store.delete("s")
    assert store.ledger.total() == Spent(1, Usage(5, 1), Cost(2.0))
    assert [(one.key, one.spent.requests) for one in store.ledger.groups("session")] == [("", 1)]
    now += 1
    store.ledger.reset()
    assert store.ledger.total(store.ledger.since("")) == Spent()
    assert store.ledger.total().requests == 1


def test_a_database_of_a_newer_flux_is_refused_and_left_alone(file: Path) -> None:
    SessionStore(file).close()
    with sqlite3.connect(file) as db:
        db.execute(f"PRAGMA user_version = {FORMAT + 1}")
    db.close()
    before = file.read_bytes()
    with pytest.raises(UnsupportedFormat, match="newer Flux"):
        SessionStore(file)
    assert file.read_bytes() == before


FORMAT_2 = Path(__file__).parent / "data" / "sessions_format_2.db.gz"
"""As the Flux of that format wrote it."""


def write_format_2(file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.write_bytes(gzip.decompress(FORMAT_2.read_bytes()))


def check_format_2_is_kept(file: Path) -> SessionStore:
    """All that the old file has is there, and what is new works beside it."""
    store = SessionStore(file)
    first, second = store.find("aaaa"), store.find("bbbb")
    assert (first.title, first.created_at) == ("make one two", 1_795_000_001.0)
    assert [message.role for message in store.history(first.id)] == ["user", "assistant", "tool", "assistant"]
    assert store.history(first.id)[-1].text() == "Döne ✓."
    assert store.ledger.of_session(first.id)[0] == Usage(100, 20)
    assert [str(store.journal.change(entry).path) for entry in store.journal.entries(session_id=first.id)] == ["a.py"]
    assert store.live_messages(second.id) == [user_message("short")]
    assert store.history(second.id) == [user_message("a pruned talk")]
    assert store.take_notice() == ""
    store.add_message(first.id, "t", user_message("and on"), is_interrupted=True)
    assert store.messages(first.id)[-1].is_interrupted
    with sqlite3.connect(file) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (FORMAT,)
    db.close()
    return store


def test_a_database_of_the_second_format_is_brought_up_and_keeps_what_it_has(file: Path) -> None:
    write_format_2(file)
    store = check_format_2_is_kept(file)
    assert store.notes("aaaa11112222") == ["The user rejected it."]
    assert [proposal.hunks for proposal in store.proposals(session_id="aaaa11112222")] == [HUNKS[:2]]


def test_a_database_of_the_first_format_is_brought_up_and_keeps_what_it_has(file: Path) -> None:
    write_format_2(file)
    with sqlite3.connect(file) as db:
        db.executescript("DROP TABLE proposal; DROP TABLE note; PRAGMA user_version = 1")
    db.close()
    store = check_format_2_is_kept(file)
    store.add_note("aaaa11112222", "It is new.")
    store.add_proposal("aaaa11112222", "t", HUNKS)
    store.close()
    again = SessionStore(file)
    assert again.notes("aaaa11112222") == ["It is new."]
    assert [proposal.hunks for proposal in again.proposals(session_id="aaaa11112222")] == [
        HUNKS[:2],
        *((hunk,) for hunk in HUNKS[2:]),
    ]


def test_what_was_moved_is_found_without_a_look_at_all_other_changes(file: Path) -> None:
    SessionStore(file).close()
    with sqlite3.connect(file) as db:
        plan = [row[-1] for row in db.execute(f"EXPLAIN QUERY PLAN {PLACES}", ("/work", "a.py"))]
    db.close()
    assert sum("USING INDEX change_place" in step or "USING INDEX change_new_place" in step for step in plan) == 4
    assert not any(step.startswith("SCAN change") for step in plan)


def test_a_note_is_kept_once_and_until_it_was_told() -> None:
    store = SessionStore(None)
    store.create("s", "/w")
    for note in ("one", "two", "one"):
        store.add_note("s", note)
    assert store.notes("s") == ["one", "two"]
    store.remove_notes("s", ["one"])
    assert store.notes("s") == ["two"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such mode; the folder is the user's own")
def test_the_file_is_for_the_user_alone(file: Path) -> None:
    SessionStore(file).close()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


async def test_usage_is_stored_with_the_turn(file: Path) -> None:
    store = SessionStore(file)
    await send(open_session(MemoryWorkspace({}), [Step(text=".", usage=Usage(10, 5))], store=store), "go")
    assert SessionStore(file).ledger.of_session("s1")[0] == Usage(10, 5)


def test_only_what_waits_for_review_is_a_reason_to_look_at_it_again(file: Path) -> None:
    store, other = SessionStore(file), SessionStore(file)
    store.create("s", "/w")
    seen = [store.proposals_stamp()]

    def is_new() -> bool:
        seen.append(store.proposals_stamp())
        return seen[-1] != seen[-2]

    store.add_message("s", "t", user_message("an answer that streams"))
    store.add_proposal("s", "t", HUNKS, is_draft=True)
    assert not is_new()
    store.add_proposal("s", "t", HUNKS)
    assert is_new()
    proposal, *_ = store.proposals(session_id="s")
    store.decide(proposal, ())
    assert is_new()
    other.create("o", "/w")
    other.add_proposal("o", "t", HUNKS)
    assert is_new()
    assert not is_new()
