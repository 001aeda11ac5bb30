"""Who goes on where the session's model cannot: for which faults, with which request, and how it ends."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from flux.agent.events import Noticed, TextStreamed, TurnEvent, UsageReported
from flux.agent.failover import Chosen, Failover
from flux.agent.next_request import ModelChoice, TurnSettings
from flux.agent.session import Session
from flux.agent.session_store import SessionStore
from flux.agent.sessions import Sessions
from flux.core.config import UserFolders, load_settings, settings_of
from flux.core.errors import (
    AuthenticationFailed,
    CircuitOpen,
    ConfigError,
    ConnectionFailed,
    ContentRefused,
    ContextWindowExceeded,
    FluxError,
    ModelNotFound,
    Overloaded,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    RequestRejected,
    StreamBroken,
    TimedOut,
)
from flux.core.limits import ModelLimits
from flux.core.usage import Price, Usage
from flux.llm.base_provider import Finished, Started, TextDelta, ToolCallDelta, UsageDelta
from flux.llm.tokens import EstimatedCounter
from flux.workspace.memory import MemoryWorkspace
from tests.support.attempts import Attempt, Attempts
from tests.support.fault_server import fault_server
from tests.support.ollama_server import FakeModel, ollama_server
from tests.support.talks import LIMITS, end, open_session, send

DOWN = Overloaded("the service failed on its own side: busy.")
NAMES = ("second", "third")


def says(text: str) -> Attempt:
    return (Started("m"), TextDelta(text), UsageDelta(Usage(10, 5)), Finished("stop"))


def stand_in(name: str, *attempts: Attempt, limits: ModelLimits = LIMITS, price: Price | None = None) -> Chosen:
    model = ModelChoice(f"{name}-model", limits, price, takes_images=False, counter=EstimatedCounter())
    return Chosen(Attempts(*attempts, name=name), model, TurnSettings(max_output_tokens=1000, temperature=0.5))


class Cast:
    """A session with a model of its own, and those who may take its place: found, or an error for why not."""

    def __init__(
        self,
        own: Sequence[Attempt],
        *others: Chosen | FluxError,
        settings: TurnSettings | None = None,
    ) -> None:
        self.own = Attempts(*own, name="first")
        self.others = dict(zip(NAMES, others, strict=False))
        self.store = SessionStore(None)
        failover = Failover(tuple(self.others), self.find)
        self.session: Session = open_session(
            MemoryWorkspace({}), self.own, store=self.store, settings=settings, failover=failover
        )

    async def find(self, name: str) -> Chosen:
        found = self.others[name]
        if isinstance(found, FluxError):
            raise found
        return found

    async def send(self, text: str = "Hi") -> list[TurnEvent]:
        return await send(self.session, text)

    def asked(self, name: str) -> int:
        """How many requests one of the others got."""
        other = self.others[name]
        assert isinstance(other, Chosen)
        assert isinstance(other.provider, Attempts)
        return len(other.provider.requests)


def texts(events: Sequence[TurnEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextStreamed))


def notices(events: Sequence[TurnEvent]) -> list[str]:
    return [event.text for event in events if isinstance(event, Noticed)]


async def test_the_next_one_answers_and_the_user_is_told_why() -> None:
    cast = Cast([(DOWN,)], stand_in("second", says("Hello")))
    events = await cast.send()
    assert (texts(events), end(events).status) == ("Hello", "completed")
    assert notices(events) == [
        "the service failed on its own side: busy. Going on with second/second-model (setting fallback)."
    ]
    assert [message.text() for message in cast.session.history()][-1] == "Hello"


async def test_what_was_used_is_counted_for_the_model_that_answered_at_its_price() -> None:
    cast = Cast(
        [(Started("m"), UsageDelta(Usage(7)), DOWN)], stand_in("second", says("Hello"), price=Price(1e5, 1e5, 0, 0))
    )
    events = await cast.send()
    assert {group.key: group.spent.usage.total_tokens for group in cast.store.ledger.groups("model")} == {
        "scripted": 7,
        "second-model": 15,
    }
    assert {group.key for group in cast.store.ledger.groups("provider")} == {"first", "second"}
    (reported,) = [event for event in events if isinstance(event, UsageReported)]
    assert (reported.model, reported.cost.usd) == ("second-model", 1.5)


@pytest.mark.parametrize(
    "fault",
    [
        DOWN,
        ConnectionFailed("nothing listens there."),
        ConnectionFailed("no secure connection.", is_lasting=True),
        TimedOut("nothing came."),
        RateLimited("asked too often (try again in 900 s)", retry_after_s=900.0),
        StreamBroken("broke off before anything came"),
        CircuitOpen("it failed 5 times in a row", retry_after_s=9.0),
        QuotaExhausted("no credit"),
        AuthenticationFailed("the key was not accepted"),
        ModelNotFound("the model was not found"),
    ],
    ids=lambda e: type(e).__name__,
)
async def test_what_says_nothing_of_the_request_lets_another_one_answer(fault: ProviderError) -> None:
    assert texts(await Cast([(fault,)], stand_in("second", says("Hello"))).send()) == "Hello"


@pytest.mark.parametrize(
    "fault",
    [RequestRejected("r"), ContentRefused("c"), ContextWindowExceeded("w"), ProviderError("p")],
    ids=lambda e: type(e).__name__,
)
async def test_what_is_wrong_with_the_request_is_asked_of_no_other(fault: ProviderError) -> None:
    cast = Cast([(fault,)], stand_in("second", says("Hello")))
    events = await cast.send()
    assert (end(events).error_kind, cast.asked("second")) == (type(fault).__name__, 0)


async def test_nobody_goes_on_with_an_answer_of_which_anything_was_shown() -> None:
    cast = Cast([(Started("m"), TextDelta("Half"), DOWN)], stand_in("second", says("Hello")))
    events = await cast.send()
    assert (texts(events), end(events).error_kind, cast.asked("second")) == ("Half", "Overloaded", 0)


async def test_where_all_fail_one_error_lists_what_each_said() -> None:
    cast = Cast(
        [(DOWN,)],
        ConfigError("The provider second needs a key, and none is set.", hint="Set SECOND_KEY."),
        stand_in("third", (QuotaExhausted("no credit is left.", hint="Look at the billing page."),)),
    )
    ended = end(await cast.send())
    assert ended.error_kind == "AllProvidersFailed"
    assert ended.error == (
        "No provider could answer:\n"
        "  first/scripted: the service failed on its own side: busy.\n"
        "  second: The provider second needs a key, and none is set.\n"
        "    Set SECOND_KEY.\n"
        "  third/third-model: no credit is left.\n"
        "    Look at the billing page."
    )


@pytest.mark.parametrize("fault", [ModelNotFound("m"), ContextWindowExceeded("w")], ids=lambda e: type(e).__name__)
async def test_a_stand_in_that_cannot_take_the_request_is_passed_over(fault: ProviderError) -> None:
    cast = Cast([(DOWN,)], stand_in("second", (fault,)), stand_in("third", says("Hello")))
    assert texts(await cast.send()) == "Hello"


async def test_what_a_stand_in_declines_is_asked_of_no_other() -> None:
    cast = Cast([(DOWN,)], stand_in("second", (ContentRefused("no"),)), stand_in("third", says("Hello")))
    assert (end(await cast.send()).error_kind, cast.asked("third")) == ("ContentRefused", 0)


async def test_without_others_the_error_is_the_models_own() -> None:
    assert end(await Cast([(DOWN,)]).send()).error_kind == "Overloaded"


async def test_one_that_is_its_own_fallback_is_not_asked_twice() -> None:
    cast = Cast([(DOWN,)])
    same = Chosen(cast.own, cast.session.model, TurnSettings())
    cast.others["second"] = same
    cast.session = open_session(MemoryWorkspace({}), cast.own, failover=Failover(("second",), cast.find))
    assert (end(await cast.send()).error_kind, len(cast.own.requests)) == ("Overloaded", 1)


async def test_a_turn_stays_with_who_took_over_and_the_next_one_begins_with_the_sessions_own_model() -> None:
    reads = (Started("m"), ToolCallDelta(0, "c1", "read_file", '{"path": "a"}'), Finished("tool_calls"))
    cast = Cast([(DOWN,), says("I am back")], stand_in("second", reads, says("Read it")))
    first, second = await cast.send("Read a"), await cast.send("Again")
    assert (texts(first), cast.asked("second")) == ("Read it", 2)
    assert (texts(second), notices(second)) == ("I am back", ["first/scripted answers again."])
    assert len(cast.own.requests) == 2


async def test_the_request_is_made_anew_for_who_takes_over() -> None:
    cast = Cast([(DOWN,)], stand_in("second", says("Hello")))
    await cast.send()
    other = cast.others["second"]
    assert isinstance(other, Chosen)
    assert isinstance(other.provider, Attempts)
    (request,) = other.provider.requests
    assert (request.model, request.max_output_tokens, request.temperature) == ("second-model", 1000, 0.5)
    assert request.messages == cast.own.requests[0].messages
    assert (request.system, request.tools) == (cast.own.requests[0].system, cast.own.requests[0].tools)


async def test_a_smaller_window_leaves_out_for_its_own_requests_alone() -> None:
    small = stand_in("second", says("Short"), limits=ModelLimits(8000, 8000, 1000))
    cast = Cast([says("a " * 9000), says("b " * 100), (DOWN,), says("All of it")], small)
    for text in ("one", "two", "three", "four"):
        assert end(await cast.send(text)).status == "completed"
    other = small.provider
    assert isinstance(other, Attempts)
    assert len(str(other.requests[0].messages)) < 8000 < len(str(cast.own.requests[2].messages))
    assert cast.own.requests[3].messages[:5] == cast.own.requests[2].messages


async def test_a_budget_that_one_of_them_would_pass_is_not_passed_and_the_next_one_is_asked() -> None:
    dear = stand_in("second", says("Dear"), price=Price(1e6, 1e6, 0, 0))
    cast = Cast(
        [(DOWN,)],
        dear,
        stand_in("third", says("Cheap"), price=Price(0, 0, 0, 0)),
        settings=TurnSettings(budget={"day": 1.0}),
    )
    assert (texts(await cast.send()), cast.asked("second")) == ("Cheap", 0)


async def test_a_limit_that_the_chosen_model_would_pass_is_the_users_to_lift() -> None:
    cast = Cast([says("Hello")], stand_in("second", says("Cheap")), settings=TurnSettings(budget={"day": 0.0}))
    assert (end(await cast.send()).error_kind, cast.asked("second")) == ("BudgetExceeded", 0)


async def test_who_takes_no_pictures_is_not_asked_where_there_are_some() -> None:
    failover = Failover(("second",), Cast([], stand_in("second")).find)
    failover.begin()
    asked = stand_in("first")
    with pytest.raises(FluxError, match="second: it takes no pictures"):
        await failover.next(asked, DOWN, needs_images=True)


def sessions(own: str, other: str, **more: object) -> Sessions:
    """Over a server on this machine, and another one beside it."""
    providers = {
        "here": {"kind": "compatible", "base_url": f"{own}/v1"},
        "there": {"kind": "compatible", "base_url": f"{other}/v1", "model": "ok"},
    }
    given = {"provider": "vllm", "base_url": f"{own}/v1", "providers": providers, **more}
    return Sessions(settings_of(given), SessionStore(None))


async def test_a_server_on_this_machine_that_is_down_is_replaced_where_the_user_said_so_and_comes_back() -> None:
    async with fault_server() as there:
        async with fault_server() as here:
            port = here.port
        opened = sessions(f"http://127.0.0.1:{port}", there.base_url, fallback=["there"])
        session = await opened.start(MemoryWorkspace({}))
        events = await send(session, "Hi")
        assert texts(events) == "Hello wörld"
        (notice,) = notices(events)
        assert notice == f"127.0.0.1:{port}: nothing listens there. Going on with there/ok (setting fallback)."
        async with fault_server(port=port):
            events = await send(session, "Hi again")
            assert (texts(events), session.model.name) == ("Hello wörld", "ok")
        assert [group.key for group in opened.store.ledger.groups("provider")] == ["there", "vllm"]
        await opened.close()


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ("no-such", "model 'no-such' not found (404)."),
        ("", "The provider ollama needs a model's name, and its server has no model to choose."),
    ],
)
async def test_a_server_on_this_machine_without_the_model_is_replaced_where_the_user_said_so(
    model: str, why: str
) -> None:
    async with ollama_server() as here, fault_server() as there:
        here.models = {}
        providers = {"there": {"kind": "compatible", "base_url": f"{there.base_url}/v1", "model": "ok"}}
        given = {"provider": "ollama", "ollama_base_url": here.base_url, "model": model, "providers": providers}
        opened = Sessions(settings_of({**given, "fallback": ["there"]}), SessionStore(None))
        events = await send(await opened.start(MemoryWorkspace({})), "Hi")
        (notice,) = notices(events)
        assert texts(events) == "Hello wörld"
        assert notice.endswith(f"{why} Going on with there/ok (setting fallback).")
        await opened.close()


async def test_where_auto_finds_nobody_the_fallback_answers_until_somebody_is_there() -> None:
    async with ollama_server() as here, fault_server() as there:
        here.models = {}
        providers = {
            "there": {"kind": "compatible", "base_url": f"{there.base_url}/v1", "model": "ok"},
            "ollama": {"base_url": here.base_url},
        }
        given = {"provider": "auto", "auto_order": "ollama", "providers": providers, "fallback": ["there"]}
        opened = Sessions(settings_of(given), SessionStore(None))
        session = await opened.start(MemoryWorkspace({}))
        events = await send(session, "Hi")
        assert texts(events) == "Hello wörld"
        why = f"auto found no provider: Ollama at {here.base_url} has no model."
        assert notices(events) == [f"{why} Going on with there/ok (setting fallback)."]
        here.models = {"ok": FakeModel()}
        events = await send(session, "Hi again")
        assert (session.provider.name, session.model.name, end(events).status) == ("ollama", "ok", "completed")
        await opened.close()


async def test_a_server_on_this_machine_is_not_replaced_by_itself() -> None:
    async with fault_server() as there:
        async with fault_server() as here:
            port = here.port
        opened = sessions(f"http://127.0.0.1:{port}", there.base_url, attempts=1, model="ok")
        events = await send(await opened.start(MemoryWorkspace({})), "Hi")
        assert (end(events).error_kind, there.received) == ("ConnectionFailed", [])
        await opened.close()


@pytest.mark.parametrize(
    ("said", "meant"),
    [("groq, openrouter/anthropic/claude", ("groq", "openrouter/anthropic/claude")), ("groq,", ("groq",)), ("", ())],
)
def test_the_variable_has_names_with_commas_between_them(tmp_path: Path, said: str, meant: tuple[str, ...]) -> None:
    folders = UserFolders(tmp_path / "c", tmp_path / "s")
    loaded = load_settings(None, {}, environ={"FLUX_FALLBACK": said}, user_folders=folders)
    assert loaded.settings.fallback == meant


def test_the_users_own_file_has_a_list_and_a_project_names_nobody(tmp_path: Path) -> None:
    folders = UserFolders(tmp_path / "c", tmp_path / "s")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "config.toml").write_text('fallback = ["groq"]\n', encoding="utf-8")
    (tmp_path / ".env").write_text("FLUX_FALLBACK=openrouter\n", encoding="utf-8")
    loaded = load_settings(tmp_path, {}, environ={}, user_folders=folders)
    assert (loaded.settings.fallback, loaded.trust_question) == (("groq",), None)
    (warning,) = loaded.warnings
    assert warning.startswith("FLUX_FALLBACK in the project's .env")
    assert warning.endswith("was left out: it may be set in your own settings only.")


@pytest.mark.parametrize("wrong", [{"fallback": 3}, {"fallback": [3]}])
def test_what_is_no_list_of_names_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="fallback"):
        settings_of(wrong)


def test_an_unknown_name_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="nobody"):
        Sessions(settings_of({"provider": "demo", "fallback": ["nobody"]}), SessionStore(None))


def test_the_list_of_providers_says_who_is_a_fallback() -> None:
    opened = Sessions(settings_of({"provider": "demo", "fallback": ["ollama/m"]}), SessionStore(None))
    assert {entry.name: entry.roles for entry in opened.registry.entries()} == {"demo": (), "ollama": ("fallback",)}
