"""One provider: its address, the way there, its key, its models, and what is known of the model that would be asked.

All of it by requests that cost nothing; what costs money is in `flux.agent.doctor.trial`.
"""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from flux.agent.doctor.finding import Finding, State, of_error
from flux.agent.store.circuits import CircuitElsewhere
from flux.core.config import Settings
from flux.core.errors import AuthenticationFailed, ConfigError, FluxError, ModelNotFound, ProviderError
from flux.core.keys import KeyHolder
from flux.core.usage import Price
from flux.llm.base_provider import BaseLLMProvider, ServedModel
from flux.llm.catalogue import FREE, Catalogue
from flux.llm.provider_factory import choose_model, find_builtin, kind_of
from flux.llm.reaching import Reached, reach
from flux.llm.registry import CHECK_S, ROLES, Registry, assign
from flux.llm.resilience.breaker import CIRCUITS
from flux.llm.transport import Where

CLOCK_S = 60.0
"""A clock that is off by more is told of; by some minutes, certificates and signed requests fail."""
_OPEN_LISTS = {"openrouter"}
"""Services whose list of models needs no key, though they do (openrouter.ai/docs/api-reference/list-available-models,
2026-11-21)."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that would be asked, with what a trial must know of it."""

    provider: BaseLLMProvider
    model: str
    price: Price | None


class ProviderCheck:
    """The look at one provider. `candidates` are known at its end."""

    def __init__(
        self, registry: Registry, settings: Settings, name: str, elsewhere: Sequence[CircuitElsewhere] = ()
    ) -> None:
        """`elsewhere`: what other processes know of models that keep failing."""
        self._registry = registry
        self._settings = settings
        self._name = name
        self._elsewhere = elsewhere
        self.area = f"provider {name}"
        self.candidates: list[Candidate] = []

    async def run(self) -> AsyncGenerator[Finding]:
        """All there is to find, as far as each step needs the one before. What is wrong is a finding, not raised."""
        step = "address"
        try:
            where = self._where()
            if where is not None:
                for finding in self._circuits(where.base_url):
                    yield finding
                reached = await reach(where)
                yield self._address(where, reached)
                for finding in _clock(self.area, reached):
                    yield finding
                step = "models"
            provider = self._registry.provider(self._name)
            served, finding = await self._list(provider, where)
            yield finding
            models = await self._models(provider)
            for model in models:
                for finding in await self._model(provider, model, served):
                    yield finding
            if not models:
                yield self._found("model", "problem", "It has no model.", "Set FLUX_MODEL, or load one there.")
        except FluxError as e:
            yield of_error(self.area, _STEP.get(type(e), step), e)
        except TimeoutError:
            yield self._found("models", "problem", f"It did not say within {CHECK_S:g} seconds which models it has.")

    def _found(self, name: str, state: State, text: str, hint: str = "") -> Finding:
        return Finding(self.area, name, state, text, hint)

    def _circuits(self, address: str) -> Iterator[Finding]:
        """Models there that keep failing, for this process or another one."""
        here = [str(circuit) for circuit in CIRCUITS.troubled() if circuit.address == address]
        for text in (*here, *(str(one) for one in self._elsewhere if one.circuit.address == address)):
            yield self._found("circuit", "warning", text, "Flux leaves it alone between its tries.")

    def _where(self) -> Where | None:
        """Where its requests go; None for what has no address: the demo, `auto`, a provider of the user's own."""
        row = find_builtin(self._settings, self._name)
        return Where.of(self._settings, row.endpoint) if row and row.endpoint else None

    def _address(self, where: Where, reached: Reached) -> Finding:
        secure = f", {reached.tls}" if reached.tls else ", not encrypted"
        proxy = f", through the proxy {reached.proxy}" if reached.proxy else ""
        text = f"{where.base_url} answers in {reached.seconds:.2f} s{secure}{proxy}."
        if where.key is not None and not (reached.tls or where.is_local):
            return self._found("address", "warning", f"{text} All between can read the key.", "Use https://.")
        return self._found("address", "ok", text)

    async def _list(self, provider: BaseLLMProvider, where: Where | None) -> tuple[Sequence[ServedModel], Finding]:
        """The models that it lists, and what that says of its key. Raises ProviderErrors and TimeoutError."""
        try:
            async with asyncio.timeout(CHECK_S):
                served = await provider.models()
        except ProviderError as e:
            if e.status not in {404, 405}:
                raise
            return (), self._found("models", "warning", f"It has no list of models: {e.message}", "--deep tries one.")
        if where is None:
            which = "Flux itself" if provider.name == self._name else f"{provider.name} at present"
            return served, self._found("address", "ok", f"It is {which}.")
        return served, self._key(where)

    def _key(self, where: Where) -> Finding:
        if where.key is None:
            return self._found("key", "ok", "None is set, and none was asked for.")
        shown = str(where.key) if isinstance(where.key, KeyHolder) else f"The key {where.key.masked()}"
        if where.endpoint.name in _OPEN_LISTS or not where.endpoint.needs_key:
            return self._found("key", "ok", f"{shown} may not be asked for by the list of models; --deep tries it.")
        return self._found("key", "ok", f"{shown} is accepted.")

    async def _models(self, provider: BaseLLMProvider) -> Sequence[str]:
        """The models that would be asked: its own, and those of roles that it has. Raises ProviderErrors."""
        wanted = [_model_in_role(self._settings, role, self._name) for role in ROLES]
        try:
            own = choose_model(self._settings, self._name) or await provider.default_model()
        except (ConfigError, ModelNotFound):
            own = ""
        return [name for name in dict.fromkeys((own, *wanted)) if name]

    async def _model(self, provider: BaseLLMProvider, model: str, served: Sequence[ServedModel]) -> Sequence[Finding]:
        found: list[Finding] = []
        told = next((one for one in served if model in {one.name, one.name.rpartition("/")[2]}), None)
        if told is not None:
            found.append(self._found("model", "ok", f"{model} is among the {len(served)} that it has."))
        elif served:
            near = difflib.get_close_matches(model, [one.name for one in served], 3, 0.4)
            hint = f"Near it are {', '.join(near)}." if near else "`flux models` lists what it has."
            found.append(self._found("model", "warning", f"{model} is not among the {len(served)} it lists.", hint))
        told = await _look_up(provider, model) or told
        catalogue = Catalogue(self._settings.for_provider(provider.name))
        price = catalogue.price(model) or (FREE if told and told.runs_here else None)
        if kind_of(self._settings, self._name) != "demo":  # which follows rules, and this is none of them
            self.candidates.append(Candidate(provider, model, price))
        return [*found, *_known(self.area, model, catalogue, told, price)]


async def _look_up(provider: BaseLLMProvider, model: str) -> ServedModel | None:
    try:
        async with asyncio.timeout(CHECK_S):
            return await provider.look_up(model)
    except (ProviderError, TimeoutError):
        return None  # its list said what there is to say


_STEP: dict[type[FluxError], str] = {AuthenticationFailed: "key", ConfigError: "settings"}


def _model_in_role(settings: Settings, role: str, provider: str) -> str:
    """The model that the provider has in that role, empty where another has it."""
    try:
        who = assign(settings, role)
    except ConfigError:
        return ""
    return who.model if who.provider == provider else ""


def _clock(area: str, reached: Reached) -> Iterator[Finding]:
    behind = reached.clock_behind_s
    if behind is None:
        return
    if abs(behind) <= CLOCK_S:
        yield Finding(area, "clock", "ok", f"This machine's is within {CLOCK_S:g} seconds of the service's.")
        return
    text = f"This machine's clock is {abs(behind):.0f} s {'behind' if behind > 0 else 'ahead of'} the service's."
    yield Finding(area, "clock", "warning", text, "Set it: by such a difference certificates may not be believed.")


def _known(
    area: str, model: str, catalogue: Catalogue, told: ServedModel | None, price: Price | None
) -> Iterator[Finding]:
    """What is known of the model beside its name."""
    row = catalogue.find(model)
    served_tokens = told.window_tokens if told else None
    window = catalogue.limits(model, served_tokens).total_tokens
    if served_tokens or (row and row.total_tokens):
        yield Finding(area, "window", "ok", f"{model}: {window:,} tokens.")
    else:
        text = f"Nobody says how much {model} takes; {window:,} tokens are counted on."
        yield Finding(area, "window", "warning", text, _TELL)
    if price is None:
        text = f"Nobody says what {model} costs, so no limit of money holds for it."
        yield Finding(area, "price", "warning", text, _TELL)
    elif price == FREE:
        yield Finding(area, "price", "ok", f"{model} costs nothing.")
    else:
        yield Finding(area, "price", "ok", f"{model}: ${price.input:g} in, ${price.output:g} out for a million tokens.")
    takes_tools = told.takes_tools if told and told.takes_tools is not None else row.takes_tools if row else None
    words = {True: "takes them by itself", False: "takes none: it is offered them in words"}
    text = f"{model} {words[takes_tools]}." if takes_tools is not None else f"Nobody says it of {model}; --deep tries."
    yield Finding(area, "tools", "ok", text)
    if row and row.is_retired(datetime.now(UTC).date()):
        yield Finding(area, "model", "warning", f"{model} was retired on {row.retires}.", "Choose a newer one.")


_TELL = "`flux models refresh` asks the provider; a table [models.NAME] in config.toml says it for good."
