"""Who goes on where the model of a session cannot answer: the models that the user named in `fallback`, in their order.

Another model has another window, another price and another cache, so it is the turn that changes over and makes its
request anew. What is wrong with the request, or declined, is wrong for every model and asked of no other. Knows no
wire, sends nothing and shows nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from flux.agent.next_request import ModelChoice, TurnSettings
from flux.core.errors import (
    AllProvidersFailed,
    AuthenticationFailed,
    BudgetExceeded,
    CircuitOpen,
    ContextWindowExceeded,
    FluxError,
    ModelNotFound,
    ProviderError,
    QuotaExhausted,
    RequestRejected,
    TransientProviderError,
)
from flux.llm.base_provider import BaseLLMProvider

OF_THE_PROVIDER = (TransientProviderError, CircuitOpen, QuotaExhausted, AuthenticationFailed, ModelNotFound)
"""What says nothing of the request: another provider may well take it."""
OF_A_STAND_IN = (*OF_THE_PROVIDER, ContextWindowExceeded, BudgetExceeded)
"""The same of one that was asked instead. Of the user's own choice these are for the user to decide on."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A model, where it is asked for, and the settings as they are there."""

    provider: BaseLLMProvider
    model: ModelChoice
    settings: TurnSettings

    @property
    def label(self) -> str:
        """What a person calls it, as in the setting."""
        return f"{self.provider.name}/{self.model.name}".removesuffix("/")


Find = Callable[[str], Awaitable[Chosen]]
"""From `NAME` or `NAME/MODEL` to what can be asked. Raises ConfigError and ProviderErrors."""


class Failover:
    """Of one session. Every turn begins with the session's own model, and stays with who takes over to its end."""

    def __init__(self, names: Sequence[str] = (), find: Find | None = None) -> None:
        self._names = names
        self._find = find
        self._left: list[str] = []
        self._failed: dict[str, FluxError] = {}
        self._away_from = ""

    @property
    def is_away(self) -> bool:
        """Whether another model than the session's own is asked now."""
        return bool(self._failed)

    def begin(self) -> None:
        """A turn begins."""
        self._left = list(self._names)
        self._failed.clear()

    async def next(self, failed: Chosen, error: ProviderError, *, needs_images: bool) -> Chosen:
        """Who is asked instead of one that failed before it said anything.

        Raises the error itself where nobody is, and AllProvidersFailed where all have failed.
        """
        if not self._names or not isinstance(error, OF_A_STAND_IN if self.is_away else OF_THE_PROVIDER):
            raise error
        self._failed[failed.label] = error
        while self._left:
            name = self._left.pop(0)
            try:
                found = await self._found(name, needs_images=needs_images)
            except FluxError as e:
                self._failed[name] = e
            else:
                if found.label not in self._failed:
                    return found
        if len(self._failed) == 1:  # it was named as its own fallback
            raise error
        raise AllProvidersFailed(list(self._failed.items()))

    def answered(self, by: Chosen) -> str:
        """An answer came. What the user should know of it: that the session's own model is back."""
        if self.is_away:
            self._away_from = next(iter(self._failed))
            return ""
        is_back = by.label == self._away_from
        self._away_from = ""
        return f"{by.label} answers again." if is_back else ""

    async def own(self) -> Chosen | None:
        """The session's own model, where its server can say by now which it is."""
        if self._find is None:
            return None
        try:
            return await self._find("")
        except ProviderError:
            return None  # the request will tell

    async def _found(self, name: str, *, needs_images: bool) -> Chosen:
        assert self._find is not None, "there are names to be found"
        found = await self._find(name)
        if needs_images and not found.model.takes_images:
            raise RequestRejected("it takes no pictures, and there are some in this conversation.")
        return found
