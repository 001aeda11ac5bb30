"""Messages, tools and pieces of answers as JSON, and the way back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

from flux.core.messages import Image, Message, Part, Reasoning, Summary, Text, ToolCall, ToolResult, ToolSpec
from flux.core.usage import Usage
from flux.llm.base_provider import (
    Delta,
    Finished,
    RawDelta,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    TryingAgain,
    UsageDelta,
    Waiting,
)

_PARTS: Mapping[str, type[Part]] = {
    "text": Text,
    "reasoning": Reasoning,
    "image": Image,
    "tool_call": ToolCall,
    "tool_result": ToolResult,
    "summary": Summary,
}
_NAMES = {kind: name for name, kind in _PARTS.items()}

_DELTAS: Mapping[str, type[Delta]] = {
    "waiting": Waiting,
    "started": Started,
    "text": TextDelta,
    "reasoning": ReasoningDelta,
    "call": ToolCallDelta,
    "finished": Finished,
}
_DELTA_NAMES = {kind: name for name, kind in _DELTAS.items()}


def message_to_json(message: Message) -> dict[str, Any]:
    """The message as a JSON object, for the store and for export."""
    return {"role": message.role, "parts": [{"type": _NAMES[type(part)], **asdict(part)} for part in message.parts]}


def message_from_json(value: dict[str, Any]) -> Message:
    """The inverse of `message_to_json`."""
    parts: list[Part] = []
    for fields in cast("list[dict[str, Any]]", value["parts"]):
        values = dict(fields)
        parts.append(_PARTS[values.pop("type")](**values))
    return Message(value["role"], tuple(parts))


def digest(message: Message) -> bytes:
    """What stands for a message beside its bytes: equal messages have the same."""
    return hashlib.sha256(json.dumps(message_to_json(message)).encode("ascii")).digest()


def said(message: Message) -> str:
    """What a person said or was told: of the user's message their own words, which come last; of others the text."""
    if message.role == "user":
        last = message.parts[-1] if message.parts else None
        return last.text if isinstance(last, Text) else ""
    return message.text()


def deltas_to_json(deltas: Iterable[Delta]) -> list[Any]:
    """Pieces of an answer as a JSON list; neighbouring texts are one."""
    pieces: list[Any] = []
    texts: list[str] = []
    for delta in deltas:
        if isinstance(delta, TextDelta):
            texts.append(delta.text)
            continue
        if texts:
            pieces.append(["text", "".join(texts)])
            texts.clear()
        if isinstance(delta, UsageDelta):
            pieces.append(["usage", asdict(delta.usage)])
        elif not isinstance(delta, RawDelta | TryingAgain):  # of the first all is in the other deltas
            pieces.append([_DELTA_NAMES[type(delta)], *asdict(delta).values()])
    if texts:
        pieces.append(["text", "".join(texts)])
    return pieces


def deltas_from_json(pieces: Sequence[Any]) -> list[Delta]:
    """The inverse of `deltas_to_json`."""
    return [UsageDelta(Usage(**fields[0])) if name == "usage" else _DELTAS[name](*fields) for name, *fields in pieces]


def tools_to_json(tools: Iterable[ToolSpec]) -> str:
    return json.dumps([[tool.name, tool.description, dict(tool.parameters)] for tool in tools])


def tools_from_json(text: str) -> tuple[ToolSpec, ...]:
    """The inverse of `tools_to_json`; the order of names is kept, so their bytes on a wire are the same."""
    return tuple(ToolSpec(*fields) for fields in json.loads(text))


def storable(text: str) -> str:
    """A name of a file may hold bytes that are no UTF-8, which SQLite does not take."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
