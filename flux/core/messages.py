"""The conversation as Flux keeps it: neutral, owned by the session, the same for every provider.

Knows nothing of a wire format: `flux.llm.wire` turns these values into bytes and back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from flux.core.errors import InvalidArguments

Role = Literal["user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Text:
    """Words, of the user or of the model."""

    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What the model thought, as far as the provider shows it.

    `opaque` is the provider's own JSON for this block (signature, encrypted content), sent back unchanged to the same
    wire format `wire` and to no other.
    """

    text: str
    wire: str = ""
    opaque: str = ""


@dataclass(frozen=True, slots=True)
class Image:
    """A picture. `data` is base64 without line breaks."""

    media_type: str
    data: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model asks for a tool. `arguments_json` is kept as the model wrote it, also where it is not JSON."""

    id: str
    name: str
    arguments_json: str

    def arguments(self) -> dict[str, Any]:
        """The arguments as an object. Raises InvalidArguments where the text is not a JSON object."""
        try:
            value: object = json.loads(self.arguments_json or "{}")
        except ValueError as e:
            raise InvalidArguments(f"The arguments of {self.name} are not JSON: {e}") from e
        if not isinstance(value, dict):
            raise InvalidArguments(f"The arguments of {self.name} must be a JSON object.")
        return cast("dict[str, Any]", value)  # keys of a JSON object are strings


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool answered to the call `call_id`."""

    call_id: str
    name: str
    content: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """What a provider made of earlier turns, in their place.

    `text` is what of it can be read. `opaque` is the provider's own JSON, sent back unchanged to the same wire format
    `wire` and to no other; it has `tokens` beside the text.
    """

    text: str
    wire: str
    opaque: str
    tokens: int = 0


Part = Text | Reasoning | Image | ToolCall | ToolResult | Summary


@dataclass(frozen=True, slots=True)
class Message:
    """One step of the conversation.

    `user` holds Text, Image and Summary, `assistant` Text, Reasoning and ToolCall, `tool` ToolResult. Equal messages
    have equal bytes on a wire, so a message can stand for them in a table.
    """

    role: Role
    parts: tuple[Part, ...]

    def text(self) -> str:
        """All Text parts joined."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    def tool_calls(self) -> tuple[ToolCall, ...]:
        return tuple(part for part in self.parts if isinstance(part, ToolCall))


def user_message(text: str) -> Message:
    return Message("user", (Text(text),))


def assistant_message(*parts: Part) -> Message:
    return Message("assistant", parts)


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as the model is told of it. `parameters` is a JSON Schema object, alike for every provider."""

    name: str
    description: str
    parameters: Mapping[str, Any] = field(hash=False)
