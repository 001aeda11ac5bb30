"""How many tokens the next request has: what the provider reported of the last one, and an estimate of what is new.

What a message has is counted once. Each report corrects the estimates of its model, for later sessions too. Knows no
provider and no window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import is_

from flux.agent.session_store import Preface
from flux.agent.store.fitted import Fitted
from flux.agent.store.values import tools_to_json
from flux.core.limits import TokenCounter, TokenKinds
from flux.core.messages import Image, Message, Reasoning, Summary, Text, ToolCall, ToolResult
from flux.core.usage import Usage

MESSAGE_OVERHEAD_TOKENS = 4
"""What the frame of a message costs, about, on every wire."""

IMAGE_TOKENS = 1600
"""What a picture costs at most where it is scaled to fit (Anthropic's vision guide, 2026: width x height / 750)."""

MARGIN = 0.07
"""So much more an estimate is taken for, where it must not be too low."""

RATE = 0.4
"""How much of an estimate's error is corrected by one report, where much was new."""
FEW_TOKENS = 400
"""Of so few new tokens half of that: their frames weigh more than their words."""
_LEAST, _MOST = 0.5, 6.0
ALIKE = TokenKinds(1.0, 1.0, 1.0)

CUT_SHARE = 0.5
"""A report of less than this share of what was sent is of a request that the server cut."""
CERTAIN_TOKENS = 2_000
"""Smaller requests are not judged."""


@dataclass(frozen=True, slots=True)
class Size:
    """Tokens of a request: those that were reported, and those that are estimated."""

    reported: int = 0
    estimated: float = 0.0
    is_exact: bool = False

    @property
    def tokens(self) -> int:
        return self.reported + round(self.estimated)

    @property
    def at_most(self) -> int:
        """More than it really has, as far as can be told."""
        return self.tokens if self.is_exact else self.reported + round(self.estimated * (1 + MARGIN))


@dataclass(frozen=True, slots=True)
class Cut:
    """The server counted fewer tokens than it was sent: it left out the beginning of the conversation, in silence."""

    sent_tokens: int
    reported_tokens: int


@dataclass(frozen=True, slots=True)
class _Weight:
    """What a message has: text by kind, and what does not depend on how text is counted."""

    kinds: TokenKinds
    flat: int


@dataclass(frozen=True, slots=True)
class _Anchor:
    """These messages, the very same, had so many tokens, of which `input_tokens` were reported."""

    messages: tuple[Message, ...]
    tokens: int
    input_tokens: int


class Tally:
    """Of one session. One model at a time: with another one all that was reported is of no use."""

    def __init__(self, fitted: Fitted, session_id: str) -> None:
        self._fitted = fitted
        self._session_id = session_id
        self._counter: TokenCounter | None = None
        self._model = ""
        self._factors = ALIKE
        self._is_calibrated = False
        self._weighed: list[tuple[Message, _Weight]] = []
        self._fixed: tuple[Preface, _Weight] | None = None
        self._anchor: _Anchor | None = None
        self.may_count = True
        """Whether the provider is believed to count where it is asked; a gateway may not."""

    def use(self, provider: str, model: str, counter: TokenCounter) -> None:
        """Count for this model from now on."""
        name = f"{provider}/{model}"
        if (self._model, self._counter) == (name, counter):
            return
        if counter != self._counter:
            self._weighed.clear()
            self._fixed = None
        self._model, self._counter, self._anchor, self.may_count = name, counter, None, True
        stored = None if counter.is_exact else self._fitted.calibration(name)
        self._factors, self._is_calibrated = stored or ALIKE, stored is not None

    def size(self, preface: Preface, messages: Sequence[Message]) -> Size:
        """Of a request with these messages. Costs in proportion to what was not asked about before."""
        reported, news = self._news(preface, messages)
        return Size(reported, sum(map(self._tokens, news)), self._is_exact)

    def sizes(self, messages: Sequence[Message]) -> list[int]:
        """Of each message, estimated so that it is not too low."""
        margin = 1.0 if self._is_exact else 1 + MARGIN
        return [round(self._tokens(weight) * margin) for weight in self._weights(messages)]

    def fixed_tokens(self, preface: Preface) -> int:
        """Of what stands before every conversation."""
        return round(self._tokens(self._weight_of_preface(preface)))

    def text_tokens(self, text: str) -> int:
        """Of a text, by what is known of the model."""
        return round(self._used_counter.kinds(text).weighed(self._factors))

    def report(self, preface: Preface, messages: Sequence[Message], usage: Usage, answer: Message) -> Cut | None:
        """Learn from what a request with these messages was reported to have; whether the server has cut it.

        `answer` is what stands behind them from now on.
        """
        if not usage.input_tokens or not messages:
            return None
        if (cut := self._cut(preface, messages, usage)) is not None:
            self._anchor = None
            return cut
        self._learn(preface, messages, usage)
        if not answer.parts:
            self.anchor(messages, usage.input_tokens)
            return None
        thoughts = any(isinstance(part, Reasoning) and part.opaque for part in answer.parts)
        said = usage.output_tokens - (0 if thoughts else usage.reasoning_tokens)
        self._anchor = _Anchor((*messages, answer), usage.input_tokens + max(said, 0), usage.input_tokens)
        return None

    def anchor(self, messages: Sequence[Message], tokens: int) -> None:
        """A request with these messages has so many tokens: the provider has counted them."""
        self._anchor = _Anchor(tuple(messages), tokens, tokens)

    def _cut(self, preface: Preface, messages: Sequence[Message], usage: Usage) -> Cut | None:
        sent = self.size(preface, messages).tokens
        anchor = self._anchor_of(messages)
        # What was sent before was sent again: it cannot have become less.
        is_less = anchor is not None and usage.input_tokens < anchor.input_tokens * 0.95
        # By the plain estimate too: what was learnt of one odd text must not make every later report a cut.
        reported, news = self._news(preface, messages)
        plain = reported + sum(weight.flat + weight.kinds.weighed(ALIKE) for weight in news)
        is_far_less = usage.input_tokens < min(sent, plain) * CUT_SHARE
        return Cut(sent, usage.input_tokens) if sent >= CERTAIN_TOKENS and (is_less or is_far_less) else None

    def _learn(self, preface: Preface, messages: Sequence[Message], usage: Usage) -> None:
        """Correct the factors by the error of the estimate, those most of whose kind there was most (NLMS)."""
        reported, news = self._news(preface, messages)
        if self._is_exact or (not reported and self._is_calibrated):
            return
        kinds = sum((weight.kinds for weight in news), TokenKinds())
        actual = usage.input_tokens - reported - sum(weight.flat for weight in news)
        length = kinds.words**2 + kinds.dense**2 + kinds.other**2
        if actual <= 0 or not length:
            return
        total = kinds.weighed(self._factors)
        step = RATE * (actual - total) / length * total / (total + FEW_TOKENS)
        by = self._factors
        self._factors = TokenKinds(
            _within(by.words + step * kinds.words),
            _within(by.dense + step * kinds.dense),
            _within(by.other + step * kinds.other),
        )
        self._is_calibrated = True
        self._fitted.calibrate(self._session_id, self._model, self._factors)

    @property
    def _used_counter(self) -> TokenCounter:
        assert self._counter is not None, "set by `use`, before anything is counted"
        return self._counter

    @property
    def _is_exact(self) -> bool:
        return self._used_counter.is_exact

    def _anchor_of(self, messages: Sequence[Message]) -> _Anchor | None:
        anchor = self._anchor
        if anchor is None or len(anchor.messages) > len(messages):
            return None
        return anchor if all(map(is_, anchor.messages, messages)) else None

    def _news(self, preface: Preface, messages: Sequence[Message]) -> tuple[int, list[_Weight]]:
        """The tokens that were reported of the beginning, and what each part behind it has."""
        weights = self._weights(messages)
        anchor = self._anchor_of(messages)
        if anchor is None:
            return 0, [self._weight_of_preface(preface), *weights]
        return anchor.tokens, weights[len(anchor.messages) :]

    def _tokens(self, weight: _Weight) -> float:
        return weight.flat + weight.kinds.weighed(self._factors)

    def _weights(self, messages: Sequence[Message]) -> list[_Weight]:
        known = self._weighed
        same = 0
        for message, (weighed, _) in zip(messages, known, strict=False):
            if message is not weighed:
                break
            same += 1
        if same < len(messages):
            there = {id(message): weight for message, weight in known[same:]}  # pruned: some are left, further on
            news = [(message, there.get(id(message)) or self._weight(message)) for message in messages[same:]]
            known[same:] = news
        return [weight for _, weight in known[: len(messages)]]

    def _weight(self, message: Message) -> _Weight:
        counter = self._used_counter
        kinds = sum((counter.kinds(text) for text in _texts(message)), TokenKinds())
        pictures = sum(isinstance(part, Image) for part in message.parts)
        summarized = sum(part.tokens for part in message.parts if isinstance(part, Summary))
        return _Weight(kinds, MESSAGE_OVERHEAD_TOKENS + IMAGE_TOKENS * pictures + summarized)

    def _weight_of_preface(self, preface: Preface) -> _Weight:
        if self._fixed is None or self._fixed[0] != preface:
            counter = self._used_counter
            self._fixed = (
                preface,
                _Weight(counter.kinds(preface.system) + counter.kinds(tools_to_json(preface.tools)), 0),
            )
        return self._fixed[1]


def _within(factor: float) -> float:
    return min(max(factor, _LEAST), _MOST)


def _texts(message: Message) -> list[str]:
    texts: list[str] = []
    for part in message.parts:
        match part:
            case ToolCall():
                texts += (part.name, part.arguments_json)
            case ToolResult():
                texts.append(part.content)
            case Text() | Reasoning() | Summary():
                texts.append(part.text)
            case Image():
                pass
    return texts
