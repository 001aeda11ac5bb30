"""From settings to sessions that are ready to work: which provider, which model, which store.

Shared by all doors; a door adds its workspace and its approver.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from flux.agent.compaction import Summarizer
from flux.agent.failover import Chosen, Failover
from flux.agent.forking import Fork, fork
from flux.agent.next_request import ModelChoice, TurnSettings
from flux.agent.recovery import clear_leftovers
from flux.agent.session import Session, Switch
from flux.agent.session_store import SessionStore
from flux.agent.store.ledger import Period
from flux.core.config import Settings, tokenizer_folders
from flux.core.errors import ConfigError, ProviderError, SessionHeld
from flux.core.messages import Message, Reasoning, ToolSpec
from flux.llm.base_provider import BaseLLMProvider, ServedModel
from flux.llm.catalogue import FREE, Catalogue, Model
from flux.llm.provider_factory import choose_model, kind_of, supported_providers
from flux.llm.registry import Registry, assign, read_assignment
from flux.llm.tokens import find_counter
from flux.tools.base import Tool
from flux.workspace.index.client import SymbolIndex
from flux.workspace.language_service import LanguageService
from flux.workspace.workspace import Workspace

logger = logging.getLogger(__name__)

LIST_S = 4.0
"""How long a provider may take to list its models before what Flux knows of them is shown."""

LOOK_UP_S = 5.0
"""How long a server may take to tell of a model before a session opens without."""


class Sessions:
    """Opens sessions over one provider. `reason` says why this one, where the user did not choose it."""

    def __init__(
        self,
        settings: Settings,
        store: SessionStore,
        own_rules: Path | None = None,
        languages: LanguageService | None = None,
    ) -> None:
        """`own_rules` is the folder with the user's own rules, `languages` are what the door can ask of code.

        Raises ConfigError where no provider can be used.
        """
        chat = assign(settings)
        for name in settings.fallback:
            read_assignment(settings, name, "fallback")
        self.settings = settings
        self.store = store
        answers = store.answers(settings.response_cache, settings.response_cache_days)
        self.registry = Registry(settings, answers, store.circuits.tell)
        self.provider: BaseLLMProvider = self.registry.provider(chat.provider)
        self.reason = chat.reason
        self.index = SymbolIndex(store.folder / "index" if store.folder else None)
        self.own_rules = own_rules
        self.languages = languages
        self._model_name = chat.model
        self._model: ModelChoice | None = None
        self._listed: Sequence[Model] = ()
        self._stand_ins: dict[str, Chosen] = {}

    async def start(
        self,
        workspace: Workspace,
        role: str = "chat",
        *,
        tools: Mapping[str, Tool] | None = None,
        own_tools: Sequence[ToolSpec] = (),
    ) -> Session:
        """A new session, with who has the role. Raises ConfigError where they cannot be used.

        `tools` are those that Flux runs, all of its own by default; `own_tools` those that the caller runs.
        """
        session_id = uuid.uuid4().hex[:12]
        provider, model = await self._who(role)
        self.store.create(session_id, workspace.roots[0])
        await clear_leftovers(self.store, workspace)
        if tools is None and role == "chat" and self.settings.map_tokens:
            await self.index.begin(workspace)
        return self._open(session_id, workspace, (), provider, model, role, tools, own_tools)

    async def resume(self, session_id: str, workspace: Workspace) -> Session:
        """The stored session of that id, or of the only one that begins so. Raises SessionMissing.

        Where another process has it open, `held_by` of the session says so, and no message can be sent.
        """
        found = self.store.find(session_id)
        messages = self.store.live_messages(found.id)
        session = self._open(found.id, workspace, messages, self.provider, await self._own_model())
        with suppress(SessionHeld):
            await session.take_up()
        return session

    async def continue_newest(self, workspace: Workspace) -> Session:
        """The session last used in the first folder of the workspace. Raises SessionMissing."""
        return await self.resume(self.store.newest(workspace.roots[0]).id, workspace)

    async def fork(self, session: Session, wanted: str = "") -> tuple[Session, Fork]:
        """A new session that goes on from before a message of another one (its turn or number), without one from here.

        With the same model. Raises SessionMissing, and Busy and SessionHeld where it is not known yet what the end is.
        """
        if not wanted:
            session.hold()
        made = fork(self.store, session.id, uuid.uuid4().hex[:12], wanted)
        messages = self.store.live_messages(made.session_id)
        forked = self._open(
            made.session_id, session.workspace, messages, session.provider, session.model, notice=str(made)
        )
        return forked, made

    async def choose_model(self, wanted: str, session: Session | None = None) -> Switch:
        """Go on with the model of that name, `PROVIDER/NAME`, unambiguous beginning or number; new sessions too.

        Numbers are those of the list that was shown last. A name that is not in it is taken as it is: no list is
        complete. Raises ConfigError for a number or a beginning that fits none or several, and for a provider that
        cannot be used.
        """
        listed = self._listed or await self.models()
        provider, name = _pick(wanted.strip(), listed, supported_providers(self.settings), self.provider.name)
        chosen = self.registry.provider(provider)
        name = name or choose_model(self.settings, provider) or await chosen.default_model()
        model = await self.model_choice(chosen, name)
        is_other = chosen is not self.provider
        self.provider, self._model_name, self._model = chosen, model.name, model
        if session is None:
            return Switch(chosen.name, model.name)
        session.go_on_with(chosen, model)
        return Switch(chosen.name, model.name, _left_behind(session.history()) if is_other else "")

    @property
    def model_name(self) -> str:
        """The model of new sessions, empty as long as the server has yet to say which it has."""
        return self._model_name

    async def current_model_name(self) -> str:
        """The model of new sessions. Raises ConfigError, and ProviderErrors where its server must be asked for one."""
        if not self._model_name:
            self._model_name = await self.provider.default_model()
        return self._model_name

    async def models(self) -> Sequence[Model]:
        """What can be used now: the provider's models, those of others that are set up, and what runs here."""
        self._listed = await usable_models(self.registry, self.settings, self.provider)
        return self._listed

    async def close(self) -> None:
        """Let go of connections, of the store and of the process that keeps the index."""
        try:
            await self.close_connections()
        finally:
            self.store.close()

    async def close_connections(self) -> None:
        """What `close` does, but for the store: others may use it too."""
        await asyncio.to_thread(self.index.close)
        await self.registry.close()

    async def _who(self, role: str) -> tuple[BaseLLMProvider, ModelChoice]:
        who = assign(self.settings, role)
        if who == assign(self.settings):  # who chats may have been changed meanwhile, for all that they do
            return self.provider, await self._own_model()
        provider = self.registry.provider(who.provider)
        return provider, await self.model_choice(provider, who.model or await provider.default_model())

    async def _summarizer(self) -> Summarizer:
        return Summarizer(*await self._who("summary"))

    def _open(
        self,
        session_id: str,
        workspace: Workspace,
        messages: Sequence[Message],
        provider: BaseLLMProvider,
        model: ModelChoice,
        role: str = "chat",
        tools: Mapping[str, Tool] | None = None,
        own_tools: Sequence[ToolSpec] = (),
        notice: str = "",
    ) -> Session:
        return Session(
            session_id,
            store=self.store,
            provider=provider,
            model=model,
            workspace=workspace,
            settings=self._turn_settings(provider, role),
            own_system_prompt=self.settings.for_provider(provider.name).system_prompt,
            messages=messages,
            role=role,
            tools=tools,
            own_tools=own_tools,
            choose=self.choose_model,
            failover=Failover(self.settings.fallback, self._find),
            summarizer=self._summarizer,
            index=self.index,
            own_rules=self.own_rules,
            notice=notice,
            languages=self.languages,
        )

    def _turn_settings(self, provider: BaseLLMProvider, role: str = "chat") -> TurnSettings:
        settings = self.settings.for_provider(provider.name)
        return TurnSettings(
            settings.max_tokens,
            settings.temperature,
            settings.streaming,
            settings.context_pruning,
            settings.max_steps,
            settings.thinking,
            budget_limits(self.settings),
            settings.map_tokens if role == "chat" else 0,
        )

    async def _find(self, name: str) -> Chosen:
        """Who goes by this name in `fallback`; the empty one is who answers in new sessions."""
        if not name:
            return Chosen(self.provider, await self._current_model(), self._turn_settings(self.provider))
        if name not in self._stand_ins:
            who = read_assignment(self.settings, name, "fallback")
            provider = self.registry.provider(who.provider)
            model = await self.model_choice(provider, who.model or await provider.default_model())
            self._stand_ins[name] = Chosen(provider, model, self._turn_settings(provider))
        return self._stand_ins[name]

    async def _own_model(self) -> ModelChoice:
        """The model of new sessions; without a name where its server cannot say which, and others may answer for it."""
        try:
            return await self._current_model()
        except ProviderError:
            if not self.settings.fallback:
                raise
        return await self.model_choice(self.provider, "")

    async def _current_model(self) -> ModelChoice:
        if self._model is None:
            self._model = await self.model_choice(self.provider, await self.current_model_name())
        return self._model

    async def model_choice(self, provider: BaseLLMProvider, name: str) -> ModelChoice:
        """A model with all that must be known to use it, as its server, the table and the user have it."""
        served = await _look_up(provider, name)
        told = served.window_tokens if served else None
        catalogue = Catalogue(self.settings.for_provider(provider.name))
        row = catalogue.find(name)
        unknown = None if row and row.total_tokens else provider.unknown_window_tokens
        takes_images = row.takes_images if row else None
        return ModelChoice(
            name,
            catalogue.limits(name, told or unknown),
            catalogue.price(name) or (FREE if served and served.runs_here else None),
            takes_images=(served.takes_images if served and takes_images is None else takes_images) is not False,
            # Reading a tokenizer's ranks from the disk takes about a second.
            counter=await asyncio.to_thread(find_counter, name, tokenizer_folders()),
        )


def budget_limits(settings: Settings) -> Mapping[Period, float]:
    """The limits of money that the user has set."""
    limits: Mapping[Period, float | None] = {
        "session": settings.budget_session,
        "day": settings.budget_day,
        "month": settings.budget_month,
    }
    return {period: limit for period, limit in limits.items() if limit is not None}


async def _look_up(provider: BaseLLMProvider, model: str) -> ServedModel | None:
    """What the server says of the model; None also where it cannot be asked, which the first answer will tell."""
    try:
        async with asyncio.timeout(LOOK_UP_S):
            return await provider.look_up(model)
    except (ProviderError, TimeoutError) as e:
        logger.info("%s could not be asked about %s: %s", provider.name, model, e)
        return None


async def list_models(provider: BaseLLMProvider, settings: Settings) -> Sequence[Model]:
    """The models that the provider's server lists, those that Flux knows of where it has no list or cannot be asked."""
    catalogue = Catalogue(settings.for_provider(provider.name))
    try:
        served = await provider.models()
    except ProviderError as e:
        logger.info("%s could not be asked for its models: %s", provider.name, e)
        served = ()
    if served:
        return [catalogue.served(model, provider.name) for model in served]
    return _known_models(provider.name, settings)


def _known_models(provider: str, settings: Settings) -> Sequence[Model]:
    """Those that Flux knows of for a provider that does not list its own."""
    return Catalogue(settings.for_provider(provider)).models(kind_of(settings, provider))


async def usable_models(registry: Registry, settings: Settings, first: BaseLLMProvider) -> Sequence[Model]:
    """The models of a provider, then of all others that are set up, then what runs on this machine besides."""
    from flux.llm.local_servers import find_running  # it loads the providers of all of them

    async def of(name: str) -> Sequence[Model]:
        try:
            async with asyncio.timeout(LIST_S):
                return await list_models(registry.provider(name), settings.for_provider(name))
        except ConfigError as e:  # such as a key that is missing: it cannot be used now
            logger.info("%s cannot be used: %s", name, e)
            return ()
        except TimeoutError:
            logger.info("%s did not list its models within %g s", name, LIST_S)
            return _known_models(name, settings)

    names = list(dict.fromkeys((first.name, *registry.names())))
    async with asyncio.TaskGroup() as group:
        looking = group.create_task(find_running(settings))
        lists = [group.create_task(of(name)) for name in names]
    running = [server for server in looking.result() if server.endpoint.name not in names]
    here = [
        Catalogue(settings.for_provider(server.endpoint.name)).served(model, server.endpoint.name)
        for server in running
        for model in server.models
    ]
    return [*(model for listed in lists for model in listed.result()), *here]


def _left_behind(messages: Sequence[Message]) -> str:
    hidden = sum(isinstance(p, Reasoning) and not p.text.strip() for message in messages for p in message.parts)
    return f"{hidden} hidden thoughts of the earlier model can be read by it alone, and stay behind." if hidden else ""


def _pick(wanted: str, listed: Sequence[Model], providers: Sequence[str], present: str) -> tuple[str, str]:
    """(provider, model) of what the user typed; the model is empty where only a provider was named."""
    if not wanted:
        raise ConfigError("No model was named.", key="model")
    if wanted.isdigit():
        if not 1 <= int(wanted) <= len(listed):
            raise ConfigError(f"There is no model number {wanted}.", key="model", hint="`/model` lists them.")
        return listed[int(wanted) - 1].provider, listed[int(wanted) - 1].name
    if exact := [model for model in listed if model.name == wanted]:
        return exact[0].provider, wanted
    provider, _, name = wanted.partition("/")
    if provider.lower() in providers:
        return provider.lower(), name
    near = {model.name: model.provider for model in reversed(listed) if model.name.startswith(wanted)}
    if len(near) > 1:
        raise ConfigError(f"{wanted!r} could be {', '.join(sorted(near))}.", key="model")
    return next(((provider, name) for name, provider in near.items()), (present, wanted))
