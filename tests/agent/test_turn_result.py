"""A turn's events gathered into one value."""

from __future__ import annotations

from contextlib import aclosing

from flux.agent.approval import ApproveAll, DenyAll
from flux.agent.events import ApprovalAsked, ProposedHunk
from flux.agent.result import TurnResult, gather, result_of
from flux.llm.scripted_provider import Fault, Step
from flux.workspace.memory import MemoryWorkspace
from tests.support.talks import call, open_session, step

FIX = call("edit_file", path="a.py", edits=[{"old_text": "1", "new_text": "2"}])


async def run(*steps: Step, is_reviewed: bool = False) -> TurnResult:
    session = open_session(MemoryWorkspace({"a.py": "x = 1\n"}), list(steps))
    return await gather(session.send_message("go", approver=ApproveAll(), is_reviewed=is_reviewed))


async def test_a_turn_that_is_done_has_its_text_its_calls_and_its_files() -> None:
    result = await run(step("I will. ", FIX), step("Done."))
    assert (result.text, result.tool_calls, result.paths) == ("I will. Done.", (FIX,), ("a.py",))
    assert (result.status, result.is_complete, result.requires_action) == ("completed", True, False)
    assert result.tool_calls[0].arguments()["path"] == "a.py"


async def test_what_waits_for_review_is_a_pending_confirmation() -> None:
    result = await run(step("", FIX), step("Done."), is_reviewed=True)
    assert [type(pending) for pending in result.pending_confirmations] == [ProposedHunk]
    assert (result.is_complete, result.requires_action, result.paths) == (False, True, ())


async def test_a_question_that_is_not_answered_yet_is_a_pending_confirmation() -> None:
    session = open_session(MemoryWorkspace({"a.py": "x = 1\n"}), [step("", FIX), step("Well.")])
    seen = []
    async with aclosing(session.send_message("go", approver=DenyAll())) as events:
        async for event in events:
            seen.append(event)
            if isinstance(event, ApprovalAsked):
                waits = not event.decision
                assert result_of(seen).requires_action is waits
    assert result_of(seen).is_complete


async def test_a_turn_that_failed_says_why_and_is_not_complete() -> None:
    result = await run(Step(error=Fault("RequestRejected", "not like this")))
    assert (result.status, result.is_complete, result.requires_action) == ("failed", False, False)
    assert "not like this" in result.error


async def test_an_empty_answer_is_told_among_the_notices() -> None:
    assert (await run(step(""))).notices == ("The model answered nothing.",)
