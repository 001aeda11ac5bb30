"""Going on from an earlier message: in a session of its own, with the same bytes before it, and nothing taken away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from flux.agent.forking import Fork, fork, messages_of
from flux.agent.session import Session
from flux.agent.session_store import SessionStore
from flux.agent.store.search import sweep
from flux.agent.store.values import said
from flux.core.errors import SessionMissing
from flux.core.messages import Message
from flux.llm.scripted_provider import ScriptedProvider, Step
from flux.workspace.memory import MemoryWorkspace
from tests.support.talks import call, context_of, open_session, send, step

EDIT = (step("", call("edit_file", path="a.py", old_text="one", new_text="two")), step("Edited."))


class Talk:
    """A session with a script, and what is forked from it."""

    def __init__(self, *steps: Step, path: Path | None = None) -> None:
        self.store = SessionStore(path)
        self.workspace = MemoryWorkspace({"a.py": "one\n"})
        self.provider = ScriptedProvider(steps)
        self.session = self.open("s1")

    def open(self, session_id: str) -> Session:
        return open_session(self.workspace, self.provider, store=self.store, session_id=session_id)

    def fork(self, wanted: str = "", new_id: str = "s2") -> tuple[Session, Fork]:
        made = fork(self.store, "s1", new_id, wanted)
        return self.open(new_id), made


def words(messages: Sequence[Message]) -> list[str]:
    return [said(message) for message in messages if message.role != "tool" and said(message)]


async def test_it_goes_on_from_before_the_message_and_the_other_stays() -> None:
    talk = Talk(*map(step, ("A", "B", "C", "B2")))
    for text in ("a", "b", "c"):
        await send(talk.session, text)
    forked, _ = talk.fork("2")
    await send(forked, "b2")
    assert words(forked.history()) == ["a", "A", "b2", "B2"]
    assert words(talk.session.history()) == ["a", "A", "b", "B", "c", "C"]
    assert [one.title for one in talk.store.sessions()] == ["b2", "a"]


async def test_what_is_before_it_is_sent_again_as_it_was_and_the_rewrite_is_recorded() -> None:
    talk = Talk(*map(step, ("A", "B", "B2")))
    await send(talk.session, "a")
    talk.store.add_sent("s1", "wire", talk.session.history()[0], b"as it went out")
    await send(talk.session, "b")
    forked, _ = talk.fork("2")
    await send(forked, "b2")
    second, edited = talk.provider.requests[1:]
    assert edited.messages[:2] == second.messages[:2]
    assert (edited.system, edited.tools) == (second.system, second.tools)
    assert list(talk.store.sent("s2", forked.history()).values()) == [b"as it went out"]
    reasons = [rewrite.reason for rewrite in talk.store.fitted.rewrites("s2")]
    assert reasons == ["This goes on from before message 2; the conversation that it comes from stays as it is."]
    assert not talk.store.fitted.rewrites("s1")


async def test_files_stay_as_they_were_changed_since_which_user_and_model_are_told() -> None:
    talk = Talk(step("A"), *EDIT, step("B2"))
    await send(talk.session, "a")
    await send(talk.session, "edit")
    forked, made = talk.fork("2")
    assert (await talk.workspace.read(talk.workspace.path("a.py"))).text == "two\n"
    assert (made.changed, made.turns) == (("a.py",), (messages_of(talk.store, "s1")[1].turn_id,))
    assert str(made).endswith("What was changed in files since stays: a.py.")
    await send(forked, "b2")
    assert "Files that you changed after it stay so: a.py" in context_of(talk.provider.requests[-1].messages[-1])


async def test_changes_before_it_and_those_that_were_taken_back_are_not_named() -> None:
    talk = Talk(*EDIT, step("A"))
    await send(talk.session, "edit")
    await send(talk.session, "a")
    assert talk.fork("2")[1].changed == ()
    await talk.session.undo()
    assert talk.fork("1", "s3")[1].changed == ()


async def test_without_a_message_all_of_it_goes_along() -> None:
    talk = Talk(*map(step, ("A", "B", "C")))
    await send(talk.session, "a")
    await send(talk.session, "b")
    forked, _ = talk.fork()
    await send(forked, "c")
    assert words(forked.history()) == ["a", "A", "b", "B", "c", "C"]


async def test_a_message_behind_a_summary_keeps_it_and_one_before_it_has_what_was_said() -> None:
    talk = Talk(*map(step, ("A", "B", "It was about a.", "C")))
    await send(talk.session, "a")
    await send(talk.session, "b")
    await talk.session.compact()
    await send(talk.session, "c")
    behind, _ = talk.fork("3")
    before, _ = talk.fork("2", "s3")
    assert len(talk.store.live_messages("s2")) == 2
    assert "It was about a." in context_of(talk.store.live_messages("s2")[0])
    assert words(talk.store.live_messages("s3")) == ["a", "A"]
    behind.undo_compaction()
    assert words(talk.store.live_messages("s2")) == ["a", "A", "b", "B"]
    assert words(before.history()) == ["a", "A"]


def by_turn(talk: Talk) -> str:
    return messages_of(talk.store, "s1")[1].turn_id


@pytest.mark.parametrize("wanted", [by_turn, lambda _: "2"])
async def test_a_message_goes_by_its_turn_or_its_number(wanted: Callable[[Talk], str]) -> None:
    talk = Talk(step("A"), step("B"))
    await send(talk.session, "a")
    await send(talk.session, "b")
    made = talk.fork(wanted(talk))[1]
    assert made.asked is not None
    assert made.asked.text == "b"
    with pytest.raises(SessionMissing, match=r"no message '3'.\nThere are 2"):
        talk.fork("3", "s3")


async def test_a_fork_of_a_deleted_session_keeps_its_own_words_and_no_others(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    talk = Talk(step("A"), step("B"), path=path)
    await send(talk.session, "a")
    await send(talk.session, "secret-word")
    talk.fork("2")
    talk.store.delete("s1")
    assert words(talk.store.history("s2")) == ["a", "A"]
    talk.store.close()
    sweep(path)
    assert b"secret-word" not in path.read_bytes()
