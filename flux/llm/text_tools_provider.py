"""A provider around another: where a model takes no tools, they are offered and called as text.

That a model takes none is known from the table of models, from its server's word, from the server's first refusal, or
from the user (setting `tools`). What a call in a text is, `flux.llm.wire.text_tools` knows.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import replace

from flux.core.errors import ProviderError
from flux.llm.base_provider import (
    BaseLLMProvider,
    Delta,
    Finished,
    FinishReason,
    ModelRequest,
    ServedModel,
    Started,
    TextDelta,
    ToolCallDelta,
    Waiting,
)
from flux.llm.catalogue import Model, find_model
from flux.llm.wire.history import taken_ids
from flux.llm.wire.text_tools import CallFinder, as_text_request
from flux.llm.wrapped_provider import WrappedProvider

# Ollama: "… does not support tools"; llama.cpp: "tools param requires --jinja flag"; vLLM: "… requires
# --enable-auto-tool-choice and --tool-call-parser to be set"; OpenRouter: "No endpoints found that support tool use";
# Groq: "`tool calling` is not supported with this model"; LiteLLM: "does not support parameters: ['tools']".
_REFUSALS = re.compile(
    r"(?:not|n't) support (?:\w+ ){0,2}(?:tools?|functions?)\b"
    r"|support tool use"
    r"|(?:tools?|tool[ _-]?(?:calls?|calling|choice|use)|function[ _-]?calling)\W{0,3}"
    r"(?:is|are) not (?:supported|enabled|available)"
    r"|tools param requires|enable-auto-tool-choice"
    r"|support parameters: \[[^\]]*'tools'",
    re.IGNORECASE,
)


class TextToolsProvider(WrappedProvider):
    """`tools` is the setting of that name: `native`, `text`, or empty for what the model takes. `find` says what is
    known of one."""

    def __init__(
        self, inner: BaseLLMProvider, tools: str = "", find: Callable[[str], Model | None] = find_model
    ) -> None:
        super().__init__(inner)
        self._tools = tools
        self._find = find
        self._without_tools: set[str] = set()

    async def deltas(self, request: ModelRequest) -> AsyncGenerator[Delta]:
        if self._is_text(request.model):
            async with aclosing(self._as_text(request)) as deltas:
                async for delta in deltas:
                    yield delta
            return
        has_begun = False
        try:
            async with aclosing(self._native(request)) as deltas:
                async for delta in deltas:
                    has_begun |= not isinstance(delta, Waiting | Started)
                    yield delta
            return
        except ProviderError as error:
            if has_begun or self._tools or not request.tools or not _REFUSALS.search(error.message):
                raise
        self._without_tools.add(request.model)
        yield Waiting(f"{request.model} takes no tools: they are offered to it as text.")
        async with aclosing(self._as_text(request)) as deltas:
            async for delta in deltas:
                yield delta

    def body(self, request: ModelRequest) -> bytes:
        return self.inner.body(self._offered(request) if self._is_text(request.model) else request)

    async def look_up(self, model: str) -> ServedModel | None:
        served = await self.inner.look_up(model)
        if served is not None and served.takes_tools is False:
            self._without_tools.add(model)
        return served

    def _is_text(self, model: str) -> bool:
        if self._tools:
            return self._tools == "text"
        row = self._find(model)
        return model in self._without_tools or (row is not None and row.takes_tools is False)

    def _native(self, request: ModelRequest) -> AsyncGenerator[Delta]:
        """The request as it is. A model that takes tools may print its call all the same; then that is all it says."""
        return self._read(request, CallFinder(request, is_whole_answer=True), taken_ids(request))

    def _as_text(self, request: ModelRequest) -> AsyncGenerator[Delta]:
        offered = request if request.tool_choice != "none" else replace(request, tools=())
        return self._read(self._offered(request), CallFinder(offered), taken_ids(request))

    def _offered(self, request: ModelRequest) -> ModelRequest:
        return as_text_request(request if request.tool_choice != "none" else replace(request, tools=()))

    async def _read(self, request: ModelRequest, finder: CallFinder, taken: set[str]) -> AsyncGenerator[Delta]:
        """The answer with the calls that stand in its text. `taken`: the ids that no new call may have."""
        try:
            async with aclosing(self.inner.stream(request)) as deltas:
                async for delta in deltas:
                    match delta:
                        case TextDelta(text):
                            for shown in _texts(finder.feed(text)):
                                yield shown
                        case ToolCallDelta():
                            for shown in _texts(finder.give_up(is_broken=False)):
                                yield shown
                            yield delta
                        case Finished(reason):
                            for last in _last(finder, taken, reason):
                                yield last
                        case _:
                            yield delta
        except ProviderError:
            for shown in _texts(finder.give_up(is_broken=True)):
                yield shown
            raise


def _texts(shown: str) -> Iterator[Delta]:
    if shown:
        yield TextDelta(shown)


def _last(finder: CallFinder, taken: set[str], reason: FinishReason) -> Iterator[Delta]:
    """The rest of the text, the calls, and the end of the answer."""
    shown, calls = finder.end(is_cut=reason == "length")
    yield from _texts(shown)
    number = 0
    for index, call in enumerate(calls):
        while (call_id := f"call_{number}") in taken:
            number += 1
        taken.add(call_id)
        yield ToolCallDelta(index, call_id, call.name, call.arguments_json)
    yield Finished("tool_calls" if calls and reason == "stop" else reason)
