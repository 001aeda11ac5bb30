"""Several providers from one configuration: each made once, who does what, whether it answers, and what all have used.

What a turn used is kept by the session store; the totals here are of this process, for who uses providers without one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from flux.core.config import Settings
from flux.core.errors import ConfigError, FluxError
from flux.core.keys import KeyHolder
from flux.core.usage import Cost, Price, Spent, Usage
from flux.llm.base_provider import BaseLLMProvider, Delta, KeptAnswers, ModelRequest, ServedModel, UsageDelta
from flux.llm.catalogue import Catalogue
from flux.llm.endpoints import ENDPOINTS
from flux.llm.provider_factory import (
    choose_model,
    choose_provider,
    create_provider,
    find_builtin,
    is_supported,
    kind_of,
    supported_providers,
    unsupported,
)
from flux.llm.resilience.breaker import CIRCUITS, CircuitState
from flux.llm.wrapped_provider import WrappedProvider

ROLES = ("chat", "edit", "inline", "summary")
Tell = Callable[[Sequence[CircuitState]], None]
CHECK_S = 20.0
"""Seconds for a provider to say which models it has."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """Who does something: a provider's name and a model's. `reason` says why, where the user did not choose it."""

    provider: str
    model: str
    reason: str = ""


def assign(settings: Settings, role: str = "chat") -> Assignment:
    """Who has the role: as `[roles]` says, else who chats, else the chosen provider. Raises ConfigError."""
    said = settings.role(role) or settings.role("chat")
    if not said:
        choice = choose_provider(settings)
        _check_supported(settings, choice.name)
        reason = "" if settings.provider else f"using {choice.name}, as {choice.reason}"
        return Assignment(choice.name, choose_model(settings, choice.name), reason)
    return read_assignment(settings, said, f"roles.{role}")


def read_assignment(settings: Settings, said: str, key: str) -> Assignment:
    """Who is meant by `NAME` or `NAME/MODEL`; `key` is the setting that says it. Raises ConfigError."""
    name, _, model = said.partition("/")
    name = name.strip().lower()
    _check_supported(settings, name, key)
    return Assignment(name, model.strip() or choose_model(settings, name))


def _check_supported(settings: Settings, name: str, key: str = "provider") -> None:
    if not is_supported(settings, name):
        raise unsupported(name, supported_providers(settings), key)


@dataclass(frozen=True, slots=True)
class Entry:
    """A provider as a list shows it. `problem`: why it cannot be used; `key` says where its key is, never which."""

    name: str
    address: str = ""
    model: str = ""
    key: str = ""
    roles: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """Whether a provider answered, in how many seconds, and in words what it said."""

    name: str
    is_reached: bool
    words: str
    seconds: float


class Registry:
    """The providers of these settings."""

    def __init__(self, settings: Settings, answers: KeptAnswers | None = None, tell: Tell = lambda _: None) -> None:
        """`answers` are looked into before a request is sent, and get what comes.

        `tell` hears after each request which models keep failing.
        """
        self._settings = settings
        self._answers = answers
        self._tell = tell
        self._made: dict[str, Metered] = {}
        self._spent: dict[str, Spent] = {}

    def names(self) -> tuple[str, ...]:
        """The providers that the user has set up: chosen, in a role or the fallback, with a table, or with a key."""
        settings = self._settings
        said = (*map(settings.role, ROLES), *settings.fallback)
        roles = (who.partition("/")[0].strip().lower() for who in said)
        keyed = (row.name for row in ENDPOINTS if row.key_setting and getattr(settings, row.key_setting))
        return tuple(name for name in dict.fromkeys((settings.provider, *roles, *settings.tables(), *keyed)) if name)

    def provider(self, name: str) -> BaseLLMProvider:
        """The provider of that name, the same one each time. Raises ConfigError."""
        name = name.strip().lower()
        if name not in self._made:
            made = create_provider(self._settings, name)
            if self._settings.telemetry:
                from flux.llm.telemetry import TracedProvider, exporting

                made = TracedProvider(made, kind_of(self._settings, name), exporting())
            self._made[name] = Metered(
                name,
                made,
                self._spent,
                Catalogue(self._settings.for_provider(name)).price,
                self._answers,
                self._tell,
            )
        return self._made[name]

    def entries(self) -> Sequence[Entry]:
        """All of `names`, as a list shows them. Makes no provider."""
        roles: dict[str, list[str]] = {}
        for role in ROLES:
            if said := self._settings.role(role):
                roles.setdefault(said.partition("/")[0].strip().lower(), []).append(role)
        for said in self._settings.fallback:
            roles.setdefault(said.partition("/")[0].strip().lower(), []).append("fallback")
        return [self._entry(name, tuple(roles.get(name, ()))) for name in self.names()]

    async def check(self, name: str) -> Check:
        """Ask a provider for its models, which needs its address, its key and the way there, and costs nothing."""
        begin = time.monotonic()
        try:
            async with asyncio.timeout(CHECK_S):
                words, is_reached = self._compare(name, await self.provider(name).models()), True
        except TimeoutError:
            words, is_reached = f"did not answer within {CHECK_S:g} seconds", False
        except FluxError as e:
            words, is_reached = str(e), False
        return Check(name, is_reached, words, time.monotonic() - begin)

    def usage(self) -> Mapping[str, Spent]:
        """What was used since the beginning or the last `reset`, by provider."""
        return dict(self._spent)

    def total(self) -> Spent:
        return sum(self._spent.values(), Spent())

    def summary(self) -> str:
        """The usage for a person: a line for each provider, and one for all."""
        lines = [f"{name}: {spent}" for name, spent in self._spent.items()]
        return "\n".join([*lines, f"in all: {self.total()}"])

    def reset(self) -> None:
        """Count from nothing again."""
        self._spent.clear()

    async def close(self) -> None:
        """Close every provider that was made; a later request opens its connections again."""
        for made in self._made.values():
            await made.close()

    def _entry(self, name: str, roles: tuple[str, ...]) -> Entry:
        settings = self._settings
        try:
            row = find_builtin(settings, name)
            _check_supported(settings, kind_of(settings, name))
            model = choose_model(settings, name)
            if row is None or row.endpoint is None:
                return Entry(name, "", model, "", roles)
            base_url, key = settings.credentials(row.endpoint)
        except ConfigError as e:
            return Entry(name, roles=roles, problem=e.message)
        words = str(key) if isinstance(key, KeyHolder) else f"the key {key.masked()}" if key else "no key"
        return Entry(name, row.endpoint.full_base_url(base_url), model, words, roles)

    def _compare(self, name: str, served: Sequence[ServedModel]) -> str:
        if not served:
            return "answers; it has no list of models"
        known = f"answers, with {len(served)} models"
        try:
            model = choose_model(self._settings, name)
        except ConfigError as e:
            return f"{known}; {e.message}"
        if any(model in {one.name, one.name.rpartition("/")[2]} for one in served):
            return f"{known}, {model} among them"
        return f"{known}; {model} is not among them"


class Metered(WrappedProvider):
    """A provider around another that adds what it used to `spent`, under its name."""

    def __init__(
        self,
        name: str,
        inner: BaseLLMProvider,
        spent: dict[str, Spent],
        price: Callable[[str], Price | None],
        answers: KeptAnswers | None,
        tell: Tell,
    ) -> None:
        super().__init__(inner)
        self.name = name
        self._spent = spent
        self._price = price
        self._answers = answers
        self._tell = tell

    async def deltas(self, request: ModelRequest) -> AsyncGenerator[Delta]:
        usage = Usage()
        # What a call would do, it would do to the files as they are by then: with tools every request is asked.
        if self._answers is not None and not request.tools:
            request = replace(request, answers=self._answers)
        try:
            async with aclosing(self.inner.stream(request)) as deltas:
                async for delta in deltas:
                    if isinstance(delta, UsageDelta):
                        usage = delta.usage
                    yield delta
        finally:  # what was used is used, also where the answer broke off
            cost = Cost.of(usage, self._price(request.model))
            self._spent[self.name] = self._spent.get(self.name, Spent()) + Spent(1, usage, cost)
            self._tell(CIRCUITS.troubled())

    async def default_model(self) -> str:
        model = await self.inner.default_model()
        # `auto` is another provider once it has looked.
        self.name = self.inner.name if self.name == "auto" else self.name
        self.unknown_window_tokens = self.inner.unknown_window_tokens
        self.window_advice = self.inner.window_advice
        return model
