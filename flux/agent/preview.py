"""What the next request would contain: item by item, with tokens and price, and what was left out and why.

Made of the request itself, which is the one that is sent. Doors show it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

from flux.agent.next_request import NextRequest, Prepared
from flux.agent.store.fitted import Pin, Rewrite
from flux.agent.store.values import tools_to_json
from flux.context.item import read_rendered
from flux.core.messages import Image, Message, Part, Reasoning, Summary, Text, ToolCall, ToolResult
from flux.core.usage import Cost, Usage
from flux.llm.base_provider import ModelRequest

IMAGE_TOKENS = 1600


@dataclass(frozen=True, slots=True)
class PreviewItem:
    """A part of the request. `kind` is a word, `origin` says where it is from, `tokens` are estimated."""

    kind: str
    origin: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Preview:
    """The next request. `body` are its bytes, empty where they cannot be told beforehand.

    `tokens` are those of the whole, as far as the provider reported them; `cost` is what its input costs where nothing
    of it is cached. `left_out` says what pruning would take out now, `rewrites` what it and others did before.
    """

    request: ModelRequest
    body: bytes
    items: tuple[PreviewItem, ...]
    tokens: int
    limit_tokens: int
    cost: Cost
    left_out: tuple[str, ...]
    notices: tuple[str, ...]
    rewrites: tuple[Rewrite, ...]
    pins: tuple[Pin, ...]

    def lines(self) -> Iterator[str]:
        """The preview as text, a line for each item."""
        for item in self.items:
            yield f"{item.tokens:>9,}  {item.kind:12} {item.origin}".rstrip()
        share = self.tokens / self.limit_tokens if self.limit_tokens > 0 else 1.0
        takes = f"{share:.0%} of the {self.limit_tokens:,} that {self.request.model} takes"
        yield f"{self.tokens:>9,}  tokens in all, {takes}"
        yield f"{'':9}  {self.cost} for the input, where nothing of it is in the provider's cache"
        for pin in self.pins:
            yield f"pinned: {pin.kind} {pin.name}"
        for note in (*self.notices, *self.left_out):
            yield f"! {note}"
        for rewrite in self.rewrites:
            yield f"the past was rewritten: {rewrite.reason}"

    def to_json(self) -> dict[str, object]:
        """The same for programs."""
        return {
            "model": self.request.model,
            "items": [{"kind": item.kind, "origin": item.origin, "tokens": item.tokens} for item in self.items],
            "tokens": self.tokens,
            "limitTokens": self.limit_tokens,
            "cost": self.cost.usd if self.cost.is_complete else None,
            "costText": str(self.cost),
            "leftOut": list(self.left_out),
            "notices": list(self.notices),
            "rewrites": [{"at": rewrite.at, "reason": rewrite.reason} for rewrite in self.rewrites],
            "pins": [{"kind": pin.kind, "name": pin.name} for pin in self.pins],
            "body": self.body.decode("utf-8"),
            "text": "\n".join(self.lines()),
        }


def preview(
    desk: NextRequest,
    prepared: Prepared,
    notices: Sequence[str],
    rewrites: Sequence[Rewrite],
    pins: Sequence[Pin],
) -> Preview:
    """The preview of a request that was prepared and not sent."""
    request = prepared.request
    usage = Usage(input_tokens=prepared.size.tokens)
    return Preview(
        request,
        desk.provider.body(request),
        tuple(_items(desk, request)),
        prepared.size.tokens,
        desk.limit_tokens,
        Cost.of(usage, desk.model.price),
        prepared.notes,
        tuple(notices),
        tuple(rewrites),
        tuple(pins),
    )


def _items(desk: NextRequest, request: ModelRequest) -> Iterator[PreviewItem]:
    count = desk.tally.text_tokens
    yield PreviewItem("system", "Flux's instructions", count(request.system))
    if request.tools:
        names = ", ".join(tool.name for tool in request.tools)
        yield PreviewItem("tools", names, count(tools_to_json(request.tools)))
    last = request.messages[-1] if request.messages else None
    for number, message in enumerate(request.messages, 1):
        for part in message.parts:
            kind, origin, text = _described(part, message)
            where = "this message" if message is last else f"message {number}"
            tokens = IMAGE_TOKENS if isinstance(part, Image) else count(text)
            tokens += part.tokens if isinstance(part, Summary) else 0
            if tokens:
                yield PreviewItem(kind, f"{origin} ({where})" if origin else where, tokens)


def _described(part: Part, message: Message) -> tuple[str, str, str]:
    match part:
        case Text(text):
            if message.role == "user" and (item := read_rendered(part)) is not None:
                return item.kind, item.origin, text
            return (
                ("frame", "", text) if _is_frame(text) else ("words" if message.role == "user" else "answer", "", text)
            )
        case Reasoning(text):
            return "thoughts", "", text
        case Summary(text):
            return "summary", "earlier turns, by the provider", text
        case Image(media_type):
            return "image", media_type, ""
        case ToolCall(_, name, arguments):
            return "call", name, arguments
        case ToolResult(_, name, content, _):
            return "result", name, content
        case _:
            assert_never(part)


def _is_frame(text: str) -> bool:
    return text.startswith(("<context>\n", "</context>\n"))
