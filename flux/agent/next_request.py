"""The next request to a model: what is in it, how long it is, and what has to be left out for it to fit.

A turn sends what is made here, and a preview shows it. Nothing is changed or stored by making one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from flux.agent.session_store import Preface
from flux.agent.store.ledger import Period
from flux.agent.tally import Size, Tally
from flux.context.pruning import Kept, prune
from flux.core.errors import ContextWindowExceeded, ProviderError
from flux.core.limits import ModelLimits, TokenCounter
from flux.core.messages import Message
from flux.core.usage import Price
from flux.llm.base_provider import BaseLLMProvider, EncodedMessages, ModelRequest

logger = logging.getLogger(__name__)

NEAR_SHARE = 0.1
"""So near its limit, of what is only estimated, the provider is asked to count; where it can."""
UNSURE_SHARE = 0.02
"""Of the limit; where less than this is estimated, it need not be asked."""
COUNT_S = 3.0
"""How long counting may take before the estimate has to do."""
SHORTER_SHARE = 0.75
"""Of what the provider found too long, so much is sent again at most."""
_TRIES = 4


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model and what must be known to use it. `price` None: unknown."""

    name: str
    limits: ModelLimits
    price: Price | None
    takes_images: bool
    counter: TokenCounter


@dataclass(frozen=True, slots=True)
class TurnSettings:
    """What the user set, as far as a turn needs it."""

    max_output_tokens: int = 8192
    temperature: float | None = None
    is_streamed: bool = True
    prunes: bool = True
    max_steps: int = 40
    thinking: str = ""
    budget: Mapping[Period, float] = field(default_factory=dict["Period", float])
    """Limits of money, in US dollars."""
    map_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request that fits. `notes` tell the user what was taken out for it; empty where nothing was."""

    request: ModelRequest
    size: Size
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NextRequest:
    """How requests of a session are made, for the model of one turn."""

    session_id: str
    provider: BaseLLMProvider
    model: ModelChoice
    preface: Preface
    settings: TurnSettings
    tally: Tally
    encoded: EncodedMessages
    kept: Kept = field(default_factory=Kept)

    def __post_init__(self) -> None:
        self.tally.use(self.provider.name, self.model.name, self.model.counter)

    @property
    def output_tokens(self) -> int:
        """What is left to the answer."""
        limits = self.model.limits
        return min(self.settings.max_output_tokens, limits.max_output_tokens, max(limits.total_tokens // 4, 1))

    @property
    def limit_tokens(self) -> int:
        """What a request may have: neither the input alone nor input and answer together may be more than the model
        takes."""
        limits = self.model.limits
        return min(limits.input_tokens, limits.total_tokens - self.output_tokens)

    @property
    def room_tokens(self) -> int:
        """What is left for messages beside the system prompt and the tools."""
        return self.limit_tokens - Size(estimated=self.tally.fixed_tokens(self.preface)).at_most

    async def prepare(self, messages: Sequence[Message]) -> Prepared:
        """The request with these messages, or with what of them fits. Raises ContextWindowExceeded."""
        whole = Prepared(self._request(messages), self.tally.size(self.preface, messages))
        if not self.settings.prunes:
            return whole
        if self._is_worth_counting(whole.size) and (counted := await self._count(whole.request)) is not None:
            self.tally.anchor(messages, counted)
            whole = Prepared(whole.request, self.tally.size(self.preface, messages))
        if whole.size.at_most <= self.limit_tokens:
            return whole
        return self._pruned(messages, whole.size, self.limit_tokens)

    def shorter(self, found_long: Prepared) -> Prepared | None:
        """What can be sent in the place of a request that the provider found too long; None where nothing can."""
        if not self.settings.prunes:
            return None
        limit = min(self.limit_tokens, round(found_long.size.tokens * SHORTER_SHARE))
        try:
            return self._pruned(found_long.request.messages, found_long.size, limit)
        except ContextWindowExceeded:
            return None

    def _pruned(self, messages: Sequence[Message], size: Size, limit: int) -> Prepared:
        fixed = Size(estimated=self.tally.fixed_tokens(self.preface)).at_most
        if fixed >= self.limit_tokens:
            raise ContextWindowExceeded(
                f"Flux's own instructions and tools alone have about {fixed:,} tokens, and {self.model.name} takes "
                f"{self.limit_tokens:,} beside its answer.",
                hint="Choose a model with a larger window, or let its server give it one "
                f"(FLUX_CONTEXT_WINDOW, FLUX_MAX_TOKENS). {self.provider.window_advice}".rstrip(),
                model=self.model.name,
            )
        sizes = self.tally.sizes(messages)
        if (estimated := fixed + sum(sizes)) < size.at_most:  # what was reported knows it better
            sizes = [round(one * size.at_most / estimated) for one in sizes]
        room = limit - fixed
        for _ in range(_TRIES):
            pruned = prune(messages, sizes, room, self.kept)
            now = self.tally.size(self.preface, pruned.messages)
            if not pruned.fits:
                break
            if now.at_most <= limit:
                return Prepared(self._request(pruned.messages), now, pruned.notes)
            room = int(room * 0.8)
        raise ContextWindowExceeded(
            f"The last message alone is longer than the window of {self.model.name} allows.",
            hint="Send less at a time, or choose a model with a larger window.",
            model=self.model.name,
        )

    def _is_worth_counting(self, size: Size) -> bool:
        limit = self.limit_tokens
        is_near = abs(size.at_most - limit) < limit * NEAR_SHARE
        return is_near and self.tally.may_count and not size.is_exact and size.estimated > limit * UNSURE_SHARE

    async def _count(self, request: ModelRequest) -> int | None:
        counted = None
        try:
            async with asyncio.timeout(COUNT_S):
                counted = await self.provider.count_tokens(request)
        except (ProviderError, TimeoutError) as e:
            logger.info("%s could not count: %s", self.provider.name, e)
        self.tally.may_count = counted is not None
        return counted

    def _request(self, messages: Sequence[Message]) -> ModelRequest:
        return ModelRequest(
            model=self.model.name,
            messages=tuple(messages),
            system=self.preface.system,
            tools=self.preface.tools,
            max_output_tokens=self.output_tokens,
            temperature=self.settings.temperature,
            is_streamed=self.settings.is_streamed,
            session_id=self.session_id,
            effort=self.settings.thinking,
            window_tokens=self.model.limits.total_tokens,
            encoded=self.encoded,
        )
