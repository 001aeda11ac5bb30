"""The seam to a model: a request of neutral values in, a stream of deltas out.

`fold` makes one `Response` of the deltas. Retrying, choosing a model and counting money are not known here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, MutableMapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, Self, TypedDict, Unpack, assert_never

from flux.core.errors import ModelNotFound, StreamBroken
from flux.core.messages import Message, Part, Reasoning, Text, ToolCall, ToolSpec
from flux.core.usage import Usage
from flux.llm.exchange import Exchange
from flux.llm.plain_messages import PlainMessages, read_messages

FinishReason = Literal["stop", "length", "tool_calls", "refused"]

ThinkingKind = Literal["", "always", "adaptive", "budget", "effort"]
"""How a model is asked to think: `always` and `adaptive` decide by themselves how long (the first cannot be told not
to), `budget` needs a number of tokens, `effort` a word. Empty: it is not asked."""

EncodedMessages = MutableMapping[tuple[str, Message], bytes]
"""A message's bytes by (wire format, message): encoded once, kept by the session, sent again as they were."""


class KeptAnswers(Protocol):
    """Whole answers to earlier requests, by what stands for all of the request's bytes and where they went."""

    def get(self, key: bytes) -> bytes | None: ...
    def put(self, key: bytes, body: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """All that one request needs. `tool_choice` is `auto`, `none`, `required` or the name of a tool.

    `temperature` None leaves it to the provider. `is_streamed` false asks for one plain answer, which comes as the same
    deltas. `session_id` groups requests for the provider's prompt cache. `effort` is how long the model shall think
    (`none` to `max`, empty: as it likes), and `thinking` how it is told so, which `flux.llm.fitting` knows.
    `window_tokens` is the window that the messages were fitted into, for servers that are told how large to make it; 0
    leaves it to the provider. `cache_min_tokens`: a shorter beginning is not cached. `extra_body` are the user's own
    fields of the request, which win over Flux's. `keeps_raw` adds a RawDelta for each piece of the answer. Where
    there are `answers`, an exactly equal request is answered from there. Where there are `exchanges`, each request that
    leaves for this one, its repetitions too, is added to them as it does, by providers that speak HTTP.
    """

    model: str
    messages: tuple[Message, ...]
    system: str = ""
    tools: tuple[ToolSpec, ...] = ()
    max_output_tokens: int = 8192
    temperature: float | None = None
    tool_choice: str = "auto"
    is_streamed: bool = True
    session_id: str = ""
    effort: str = ""
    thinking: ThinkingKind = ""
    window_tokens: int = 0
    cache_min_tokens: int = 0
    extra_body: Mapping[str, object] = field(default_factory=dict[str, object])
    keeps_raw: bool = False
    encoded: EncodedMessages = field(default_factory=dict[tuple[str, Message], bytes], compare=False, repr=False)
    answers: KeptAnswers | None = field(default=None, compare=False, repr=False)
    exchanges: list[Exchange] | None = field(default=None, compare=False, repr=False)


class Abilities(Protocol):
    """What a model can do; None where nobody says."""

    @property
    def takes_tools(self) -> bool | None: ...
    @property
    def takes_images(self) -> bool | None: ...
    @property
    def executes_code(self) -> bool | None: ...
    @property
    def thinking(self) -> ThinkingKind | None: ...


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a request has where the program that asks says nothing: what the settings have.

    `abilities_of` finds a model in the table, which this module does not know; None: it is not in it.
    """

    model: str = ""
    system: str = ""
    max_output_tokens: int = 8192
    temperature: float | None = None
    is_streamed: bool = True
    effort: str = ""
    abilities_of: Callable[[str], Abilities | None] = lambda _: None


class Options(TypedDict, total=False):
    """What a program may say of one request; see ModelRequest. What is left out is as the settings have it.

    `max_tokens` is the longest answer, `keep_raw` adds the answer's own bytes to the Response.
    """

    system: str
    tools: Sequence[ToolSpec]
    tool_choice: str
    model: str
    temperature: float | None
    max_tokens: int
    effort: str
    is_streamed: bool
    session_id: str
    keep_raw: bool


@dataclass(frozen=True, slots=True)
class ToldPrice:
    """US dollars for a million tokens, as a server tells them; None where it does not say."""

    input: float
    output: float
    cache_read: float | None = None
    cache_write: float | None = None


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model as its server tells of it; None where it does not say.

    `window_tokens` is what a request by this provider gets, input and output together. `runs_here`: on the server's own
    machine, so that nobody asks money for it. `owner` is who the server says it is of: `vllm`, `llamacpp`.
    """

    name: str
    window_tokens: int | None = None
    takes_tools: bool | None = None
    takes_images: bool | None = None
    thinks: bool | None = None
    is_loaded: bool | None = None
    runs_here: bool = False
    size_bytes: int | None = None
    owner: str = ""
    max_output_tokens: int | None = None
    executes_code: bool | None = None
    price: ToldPrice | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the server does before it answers, in words for the user: a model is being downloaded."""

    text: str


FROM_CACHE = Waiting("From the cache: the same was asked before. It costs nothing.")


@dataclass(frozen=True, slots=True)
class TryingAgain:
    """The request failed for a `reason` that may pass; `attempt` is the next one, from 2, after `wait_s` seconds.

    What came before it belongs to the failed attempt.
    """

    reason: str
    wait_s: float
    attempt: int


@dataclass(frozen=True, slots=True)
class Started:
    """The provider took the request. `model` is the name it answers under."""

    model: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """More of the model's thoughts. `opaque`, if set, completes the block (see `Reasoning.opaque`)."""

    text: str = ""
    wire: str = ""
    opaque: str = ""


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """More of the tool call number `index`. The first delta of an index has its id and name."""

    index: int
    id: str = ""
    name: str = ""
    arguments_json: str = ""


@dataclass(frozen=True, slots=True)
class UsageDelta:
    """The usage of this request so far; a later one replaces it."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class Finished:
    """The protocol's own end of an answer. A stream that ends without it was broken."""

    reason: FinishReason


@dataclass(frozen=True, slots=True)
class RawDelta:
    """The next bytes of the answer as the service sent them; only where the request keeps them."""

    data: bytes


Delta = Waiting | TryingAgain | Started | TextDelta | ReasoningDelta | ToolCallDelta | UsageDelta | Finished | RawDelta


def is_of_the_answer(delta: Delta) -> bool:
    """Whether it is something that is shown of an answer: once one was, no other answer may come in its place."""
    return not isinstance(delta, Waiting | TryingAgain | Started | UsageDelta | RawDelta)


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer. `parts` are in the order in which they came; `raw` is the service's own, where kept."""

    parts: tuple[Part, ...] = ()
    model: str = ""
    request_id: str = ""
    usage: Usage = Usage()
    finish_reason: FinishReason = "stop"
    raw: bytes = field(default=b"", repr=False)

    @property
    def content(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        return tuple(part for part in self.parts if isinstance(part, ToolCall))

    @property
    def has_tool_calls(self) -> bool:
        return bool(self.tool_calls)

    @property
    def input_tokens(self) -> int:
        return self.usage.input_tokens

    @property
    def output_tokens(self) -> int:
        return self.usage.output_tokens

    @property
    def total_tokens(self) -> int:
        return self.usage.total_tokens

    @property
    def metadata(self) -> Mapping[str, object]:
        """What else is known of the answer: the service's id for it, and shares of the tokens."""
        return {
            "request_id": self.request_id,
            "cache_read_tokens": self.usage.cache_read_tokens,
            "cache_write_tokens": self.usage.cache_write_tokens,
            "reasoning_tokens": self.usage.reasoning_tokens,
        }

    def message(self) -> Message:
        """The answer as a step of the conversation."""
        return Message("assistant", self.parts)


class Folder:
    """Collects deltas into a Response. `response()` may be asked at any time, also after a fault."""

    def __init__(self) -> None:
        self._chunks: list[_Chunk] = []
        self._calls: dict[int, _Chunk] = {}
        self._started = Started()
        self._usage = Usage()
        self._finish_reason: FinishReason | None = None
        self._raw: list[bytes] = []

    @property
    def is_finished(self) -> bool:
        return self._finish_reason is not None

    def add(self, delta: Delta) -> None:
        match delta:
            case TextDelta(text):
                self._last("text").text.append(text)
            case ReasoningDelta(text, wire, opaque):
                chunk = self._last("reasoning")
                chunk.text.append(text)
                chunk.wire = wire or chunk.wire
                chunk.opaque = opaque or chunk.opaque
                chunk.is_closed = bool(opaque)
            case ToolCallDelta(index, id_, name, arguments_json):
                chunk = self._calls.get(index)
                if chunk is None:
                    chunk = self._calls[index] = self._new("call")
                chunk.id = chunk.id or id_
                chunk.name = chunk.name or name
                chunk.text.append(arguments_json)
            case UsageDelta(usage):
                self._usage = usage
            case Started():
                self._started = delta
            case Finished(reason):
                self._finish_reason = reason
            case RawDelta(data):
                self._raw.append(data)
            case TryingAgain():
                self._raw.clear()
            case Waiting():
                pass
            case _:
                assert_never(delta)

    def response(self) -> Response:
        """What came so far."""
        parts = tuple(part for chunk in self._chunks if (part := chunk.part()) is not None)
        return Response(
            parts,
            self._started.model,
            self._started.request_id,
            self._usage,
            self._finish_reason or "stop",
            b"".join(self._raw),
        )

    def _last(self, kind: str) -> _Chunk:
        if self._chunks and self._chunks[-1].kind == kind and not self._chunks[-1].is_closed:
            return self._chunks[-1]
        return self._new(kind)

    def _new(self, kind: str) -> _Chunk:
        self._chunks.append(_Chunk(kind))
        return self._chunks[-1]


@dataclass(slots=True)
class _Chunk:
    kind: str
    text: list[str] = field(default_factory=list[str])
    id: str = ""
    name: str = ""
    wire: str = ""
    opaque: str = ""
    is_closed: bool = False

    def part(self) -> Part | None:
        text = "".join(self.text)
        if self.kind == "call":
            return ToolCall(self.id, self.name, text)
        if self.kind == "reasoning":
            return Reasoning(text, self.wire, self.opaque) if text or self.opaque else None
        return Text(text) if text else None


def fold(deltas: Iterable[Delta]) -> Response:
    """The whole answer. Raises StreamBroken where the terminal event is missing."""
    folder = Folder()
    for delta in deltas:
        folder.add(delta)
    if not folder.is_finished:
        raise StreamBroken("The answer ended before it was complete.")
    return folder.response()


class BaseLLMProvider(ABC):
    """A model behind an endpoint. Safe to use for several requests at a time.

    A provider implements `deltas`; a program asks by `stream` and `complete`, which make the request of what it says.
    """

    name: str
    """The provider's name as the user chose it, e.g. `anthropic`."""

    unknown_window_tokens: int | None = None
    """The window to count on where the server could not be asked; None: as for any model that is not known."""

    summary_wire: str = ""
    """The wire of the summaries that the provider makes itself and reads; empty where it makes none, or shall not."""

    window_advice: str = ""
    """For servers that leave out the beginning of what is too long, in silence: how their window is made larger."""

    defaults: Defaults = Defaults()

    @abstractmethod
    def deltas(self, request: ModelRequest) -> AsyncGenerator[Delta]:
        """The answer as it comes; ends with Finished.

        Raises a ProviderError where it does not. Closing the generator closes the connection.
        """

    def stream(self, asked: ModelRequest | PlainMessages, **options: Unpack[Options]) -> AsyncGenerator[Delta]:
        """The answer as it comes to a request, or to messages in any form of `flux.llm.plain_messages`.

        Ends and raises as `deltas`, and as `default_model` where no model is named. Raises ValueError for what is no
        message.
        """
        request = self._request(asked, options)
        return self.deltas(request) if request.model else self._of_default_model(request)

    async def complete(self, asked: ModelRequest | PlainMessages, **options: Unpack[Options]) -> Response:
        """The whole answer. Raises as `stream`, and StreamBroken where the terminal event is missing."""
        async with aclosing(self.stream(asked, **options)) as deltas:
            return fold([delta async for delta in deltas])

    def supports_tools(self, model: str = "") -> bool | None:
        """Whether the model takes tools by itself. Of this and the next: of the default model where none is named;
        None where the table of models does not know it, of which `look_up` may ask the server."""
        known = self._abilities(model)
        return known.takes_tools if known else None

    def supports_thinking(self, model: str = "") -> bool | None:
        """Whether the model can be asked to think."""
        known = self._abilities(model)
        return None if known is None or known.thinking is None else bool(known.thinking)

    def supports_images(self, model: str = "") -> bool | None:
        """Whether the model takes pictures."""
        known = self._abilities(model)
        return known.takes_images if known else None

    def supports_code_execution(self, model: str = "") -> bool | None:
        """Whether the service can run code for the model. Known only where the provider's own list says it and was
        asked (`flux models refresh`), or the user does: no public table has it."""
        known = self._abilities(model)
        return known.executes_code if known else None

    def make_ready(self) -> None:
        """Begin to load what the first request needs, where a request is to come soon. Waits for and sends nothing."""
        return

    async def models(self) -> Sequence[ServedModel]:
        """The models that the server itself lists; none where it has no list. Raises ProviderErrors."""
        return ()

    async def look_up(self, model: str) -> ServedModel | None:
        """What the server says of one model, None where it says nothing. Raises ProviderErrors."""
        return None

    def body(self, request: ModelRequest) -> bytes:
        """The bytes in which the request would be sent; empty where that cannot be told beforehand."""
        return b""

    async def count_tokens(self, request: ModelRequest) -> int | None:
        """How many tokens the request has, None where the server cannot tell. Raises ProviderErrors."""
        return None

    async def summarized(self, request: ModelRequest) -> Response | None:
        """The provider's own Summary of the request's conversation, None where it makes none. Raises ProviderErrors."""
        return None

    async def default_model(self) -> str:
        """The model to ask for where the user has named none: the first that the server has, which is a loaded one
        where there is any. Raises ProviderErrors, ModelNotFound among them where it has none."""
        if models := await self.models():
            return models[0].name
        raise ModelNotFound(
            f"The provider {self.name} needs a model's name, and its server has no model to choose.",
            hint="Set FLUX_MODEL; with Ollama, `flux models pull NAME` downloads a model.",
        )

    async def close(self) -> None:
        """Let go of connections. May be called twice."""
        return

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _request(self, asked: ModelRequest | PlainMessages, options: Options) -> ModelRequest:
        request = asked if isinstance(asked, ModelRequest) else self._of_messages(asked)
        if options:
            renamed = {_RENAMED.get(name, name): value for name, value in options.items()}
            if "tools" in options:
                renamed["tools"] = tuple(options["tools"])
            request = replace(request, **renamed)  # pyright: ignore[reportArgumentType] -- each is of its field's type
        return request

    async def _of_default_model(self, request: ModelRequest) -> AsyncGenerator[Delta]:
        request = replace(request, model=await self.default_model())
        async with aclosing(self.deltas(request)) as deltas:
            async for delta in deltas:
                yield delta

    def _of_messages(self, given: PlainMessages) -> ModelRequest:
        defaults = self.defaults
        system, messages = read_messages(given)
        return ModelRequest(
            defaults.model,
            messages,
            system=system or defaults.system,
            max_output_tokens=defaults.max_output_tokens,
            temperature=defaults.temperature,
            is_streamed=defaults.is_streamed,
            effort=defaults.effort,
        )

    def _abilities(self, model: str) -> Abilities | None:
        return self.defaults.abilities_of(model or self.defaults.model)


_RENAMED = {"max_tokens": "max_output_tokens", "keep_raw": "keeps_raw"}
