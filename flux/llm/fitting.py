"""A request as its model takes it: what the table of models says it refuses is left out or said in another way.

A model of which nothing is known is believed to take everything, since only its provider can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from flux.core.messages import Image, Message, Part, Text
from flux.llm.base_provider import ModelRequest, ThinkingKind
from flux.llm.catalogue import Model, find_model, unknown

NO_IMAGE = Text("(An image was here. This model takes none.)")

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def fit(request: ModelRequest, find: Callable[[str], Model | None] = find_model) -> ModelRequest:
    """The request without what its model is known to refuse. `find` says what is known of it."""
    row = find(request.model) or unknown(request.model, "")
    effort = request.effort if row.thinking is None else _nearest(request.effort, row)
    thinking: ThinkingKind = ("effort" if row.thinking is None else row.thinking) if effort else ""
    # Claude takes neither a temperature nor a forced call while it thinks (anthropic 2.11.0, message_create_params).
    thinks_aloud = thinking in {"always", "adaptive", "budget"} and effort != "none"
    takes_choice = row.takes_forced_tools and not thinks_aloud
    return replace(
        request,
        effort=effort,
        thinking=thinking,
        temperature=request.temperature if row.sampling_allowed and not thinks_aloud else None,
        tool_choice=request.tool_choice if takes_choice or request.tool_choice == "none" else "auto",
        max_output_tokens=min(request.max_output_tokens, row.max_output_tokens or request.max_output_tokens),
        cache_min_tokens=row.cache_min_tokens or 0,
        messages=request.messages if row.takes_images is not False else tuple(map(without_images, request.messages)),
    )


def _nearest(effort: str, row: Model) -> str:
    """The model's own level that comes nearest, the lower of two; empty where it cannot be told."""
    levels: Sequence[str] = row.efforts or (("none", "low", "medium", "high") if row.thinking == "budget" else ())
    if row.thinking == "adaptive":
        levels = ("none", *levels)
    if not effort or not levels or (effort == "none" and row.thinking == "always"):
        return ""
    wanted = EFFORTS.index(effort)
    return min(levels, key=lambda level: (abs(EFFORTS.index(level) - wanted), EFFORTS.index(level)))


def without_images(message: Message) -> Message:
    """The message with a word in the place of each image."""
    if not any(isinstance(part, Image) for part in message.parts):
        return message
    parts: tuple[Part, ...] = tuple(NO_IMAGE if isinstance(part, Image) else part for part in message.parts)
    return replace(message, parts=parts)
