"""How many tokens the next request has: anchored on what was reported, corrected by it, and what a cut looks like."""

from __future__ import annotations

import pytest

from flux.agent.session_store import Preface, SessionStore
from flux.agent.tally import Cut, Tally
from flux.core.limits import ModelLimits, TokenKinds
from flux.core.messages import Message, Text, assistant_message, user_message
from flux.core.usage import Usage
from flux.llm.base_provider import ModelRequest
from flux.llm.scripted_provider import Fault, ScriptedProvider, Step
from flux.llm.tokens import EstimatedCounter
from flux.workspace.memory import MemoryWorkspace
from tests.support.talks import end, open_session, send, step

PREFACE = Preface("Be brief. " * 100, ())
WORDS = "def area(radius):\n    return 3 * radius ** 2\n" * 100
ANSWER = assistant_message(Text("Well."))


def tally(store: SessionStore) -> Tally:
    made = Tally(store.fitted, "s")
    made.use("p", "m", EstimatedCounter())
    return made


def test_what_was_reported_is_taken_and_only_the_rest_is_estimated() -> None:
    made = tally(SessionStore(None))
    talk = [user_message(WORDS)]
    assert made.size(PREFACE, talk).reported == 0
    made.report(PREFACE, talk, Usage(5000, 20), ANSWER)
    assert made.size(PREFACE, [*talk, ANSWER]).tokens == 5020
    more = made.size(PREFACE, [*talk, ANSWER, user_message("x = 1\n")])
    assert (more.reported, 1 <= more.estimated < 20) == (5020, True)
    assert made.size(PREFACE, [user_message(WORDS), ANSWER]).reported == 0, "another conversation, though an equal one"


def test_what_was_counted_once_is_not_counted_again() -> None:
    class Noting(EstimatedCounter):
        def kinds(self, text: str) -> TokenKinds:
            counted.append(text)
            return super().kinds(text)

    counted: list[str] = []
    made, talk = Tally(SessionStore(None).fitted, "s"), [user_message(f"{number}\n") for number in range(50)]
    made.use("p", "m", Noting())
    made.size(PREFACE, talk)
    counted.clear()
    assert made.size(PREFACE, [*talk, ANSWER]).tokens > made.size(PREFACE, talk[1:]).tokens
    assert counted == ["Well."]


def test_an_estimate_is_corrected_by_reports_and_the_next_session_knows() -> None:
    store = SessionStore(None)
    store.create("s", "/w")
    made, talk, total = tally(store), list[Message](), 1000
    plain = EstimatedCounter().count(WORDS)
    for _ in range(6):
        talk.append(user_message(WORDS))
        total += round(plain * 1.4) + 4
        made.report(PREFACE, talk, Usage(total, 0), Message("assistant", ()))
    size = made.size(PREFACE, [*talk, ANSWER, user_message(WORDS)])
    assert size.estimated == pytest.approx(plain * 1.4, rel=0.06)
    assert tally(store).text_tokens(WORDS) == pytest.approx(plain * 1.4, rel=0.06)


def test_fewer_tokens_than_before_are_a_cut() -> None:
    made, talk = tally(SessionStore(None)), [user_message(WORDS)]
    made.report(PREFACE, talk, Usage(6000, 10), ANSWER)
    later = [*talk, ANSWER, user_message("And?")]
    cut = made.report(PREFACE, later, Usage(2048, 10), ANSWER)
    assert cut is not None
    assert cut == Cut(cut.sent_tokens, 2048)
    assert 6010 < cut.sent_tokens < 6050


def test_what_was_learnt_of_an_odd_text_makes_no_cut_of_later_reports() -> None:
    store = SessionStore(None)
    store.create("s", "/w")
    store.fitted.calibrate("s", "p/m", TokenKinds(2.5, 1.0, 2.5))
    made, talk = tally(store), [user_message(WORDS)]
    plain = EstimatedCounter().count(PREFACE.system) + EstimatedCounter().count(WORDS)
    assert made.size(PREFACE, talk).tokens > 2.2 * plain
    assert made.report(PREFACE, talk, Usage(plain, 0), Message("assistant", ())) is None
    for _ in range(8):
        talk.append(user_message(WORDS))
        plain += EstimatedCounter().count(WORDS) + 4
        assert made.report(PREFACE, talk, Usage(plain, 0), Message("assistant", ())) is None
    assert made.text_tokens(WORDS) == pytest.approx(EstimatedCounter().count(WORDS), rel=0.1)


async def test_a_server_that_cuts_in_silence_is_named_once_with_the_cure() -> None:
    provider = ScriptedProvider([Step(text="Hm.", usage=Usage(2048, 5))] * 2)
    provider.window_advice = "Load it with a larger window."
    session = open_session(MemoryWorkspace({}), provider)
    told = [str(event) for words in (WORDS * 4, "and?") for event in await send(session, words)]
    (notice,) = [text for text in told if "left out the beginning" in text]
    assert "2,048 tokens of about" in notice
    assert "Load it with a larger window." in notice


async def test_a_request_that_is_found_too_long_is_tried_once_with_less() -> None:
    provider = ScriptedProvider(
        [step("One."), step("Two."), Step(error=Fault("ContextWindowExceeded", "too long")), step("Three.")]
    )
    session = open_session(MemoryWorkspace({}), provider)
    await send(session, WORDS)
    await send(session, WORDS)
    assert end(await send(session, "And now?")).status == "completed"
    lengths = [len(str(request.messages)) for request in provider.requests]
    assert lengths[3] < lengths[2] * 0.8


async def test_a_window_that_is_smaller_than_the_instructions_says_so() -> None:
    session = open_session(MemoryWorkspace({}), [step("?")], limits=ModelLimits(600, 600, 100))
    ended = end(await send(session, "Hello"))
    assert (ended.status, ended.error_kind) == ("failed", "ContextWindowExceeded")
    assert "instructions and tools alone" in ended.error
    assert "FLUX_CONTEXT_WINDOW" in ended.error


async def test_near_its_limit_a_provider_that_can_is_asked_to_count() -> None:
    class Counting(ScriptedProvider):
        asked = 0

        async def count_tokens(self, request: ModelRequest) -> int | None:
            self.asked += 1
            return 3000

    provider = Counting([step("Fine.")])
    size = EstimatedCounter().count(WORDS * 2)
    session = open_session(MemoryWorkspace({}), provider, limits=ModelLimits(size + 2000, size + 2000, 400))
    assert end(await send(session, WORDS * 2)).status == "completed"
    assert provider.asked == 1
