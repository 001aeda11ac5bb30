"""From settings to sessions that are ready to work: which provider, which model, which store.

Shared by all doors; a door adds its workspace and its approver.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from contextlib import suppress

from flux.agent.session import Session
from flux.agent.session_store import SessionStore
from flux.agent.turn import ModelChoice, TurnSettings
from flux.core.config import Settings, tokenizer_folders
from flux.core.errors import ConfigError, SessionHeld
from flux.core.messages import Message
from flux.llm.base_provider import BaseLLMProvider
from flux.llm.catalogue import Model, find_model, limits, models_of, price
from flux.llm.registry import Registry, assign
from flux.llm.tokens import find_counter
from flux.workspace.workspace import Workspace


class Sessions:
    """Opens sessions over one provider. `reason` says why this one, where the user did not choose it."""

    def __init__(self, settings: Settings, store: SessionStore) -> None:
        """Raises ConfigError where no provider can be used."""
        chat = assign(settings)
        self.settings = settings
        self.store = store
        self.registry = Registry(settings)
        self.provider: BaseLLMProvider = self.registry.provider(chat.provider)
        self.reason = chat.reason
        self._model_name = chat.model
        self._model: ModelChoice | None = None

    async def start(self, workspace: Workspace, role: str = "chat") -> Session:
        """A new session, with who has the role. Raises ConfigError where they cannot be used."""
        session_id = uuid.uuid4().hex[:12]
        who = assign(self.settings, role)
        if who == assign(self.settings):  # who chats may have been changed meanwhile, for all that they do
            provider, model = self.provider, await self._current_model()
        else:
            provider = self.registry.provider(who.provider)
            model = await self._model_choice(who.provider, who.model)
        self.store.create(session_id, workspace.roots[0])
        return self._open(session_id, workspace, (), provider, model)

    async def resume(self, session_id: str, workspace: Workspace) -> Session:
        """The stored session of that id, or of the only one that begins so. Raises SessionMissing.

        Where another process has it open, `held_by` of the session says so, and no message can be sent.
        """
        found = self.store.find(session_id)
        messages = self.store.live_messages(found.id)
        session = self._open(found.id, workspace, messages, self.provider, await self._current_model())
        with suppress(SessionHeld):
            await session.take_up()
        return session

    async def continue_newest(self, workspace: Workspace) -> Session:
        """The session last used in the first folder of the workspace. Raises SessionMissing."""
        return await self.resume(self.store.newest(workspace.roots[0]).id, workspace)

    async def choose_model(self, wanted: str, session: Session | None = None) -> str:
        """Go on with the model of that name, unambiguous beginning or number in `models`; new sessions too.

        A name that is not in the list is taken as it is: the table is never complete. Returns the model's name. Raises
        ConfigError for a number or a beginning that fits none or several.
        """
        self._model_name = _pick(wanted.strip(), [model.name for model in self.models()])
        self._model = None
        if session is not None:
            session.set_model(self.provider, await self._current_model())
        return self._model_name

    @property
    def model_name(self) -> str:
        return self._model_name

    def models(self) -> Sequence[Model]:
        """The models of the provider that Flux knows of."""
        return list_models(self.settings)

    async def close(self) -> None:
        await self.registry.close()
        self.store.close()

    def _open(
        self,
        session_id: str,
        workspace: Workspace,
        messages: Sequence[Message],
        provider: BaseLLMProvider,
        model: ModelChoice,
    ) -> Session:
        settings = self.settings.for_provider(provider.name)
        return Session(
            session_id,
            store=self.store,
            provider=provider,
            model=model,
            workspace=workspace,
            settings=TurnSettings(
                settings.max_tokens,
                settings.temperature,
                settings.streaming,
                settings.context_pruning,
                settings.max_steps,
                settings.thinking,
            ),
            own_system_prompt=settings.system_prompt,
            messages=messages,
        )

    async def _current_model(self) -> ModelChoice:
        if self._model is None:
            self._model = await self._model_choice(self.provider.name, self._model_name)
        return self._model

    async def _model_choice(self, provider: str, name: str) -> ModelChoice:
        return ModelChoice(
            name,
            limits(name, self.settings.for_provider(provider)),
            price(name),
            takes_images=row.takes_images if (row := find_model(name)) else True,
            # Reading a tokenizer's ranks from the disk takes about a second.
            counter=await asyncio.to_thread(find_counter, name, tokenizer_folders()),
        )


def list_models(settings: Settings) -> Sequence[Model]:
    """The models that Flux knows of for the provider of these settings. Raises ConfigError where there is none."""
    return models_of(assign(settings).provider)


def _pick(wanted: str, names: Sequence[str]) -> str:
    if wanted.isdigit():
        if not 1 <= int(wanted) <= len(names):
            raise ConfigError(f"There is no model number {wanted}.", key="model", hint="`/model` lists them.")
        return names[int(wanted) - 1]
    if wanted in names or not wanted:
        if not wanted:
            raise ConfigError("No model was named.", key="model")
        return wanted
    near = [name for name in names if name.startswith(wanted)]
    if len(near) > 1:
        raise ConfigError(f"{wanted!r} could be {', '.join(near)}.", key="model")
    return near[0] if near else wanted
