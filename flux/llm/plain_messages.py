"""A conversation as programs write it down: a text, Messages, or mappings with `role` and `content`.

Programs that come from another library have their conversations as mappings already. What is not understood is refused:
nothing that somebody wrote into a conversation may be left out in silence.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from flux.core.messages import Image, Message, Part, Text, ToolCall, ToolResult, user_message

PlainMessages = str | Sequence[Message | Mapping[str, object]]

_FIELDS = {
    "system": {"content"},
    "user": {"content"},
    "assistant": {"content", "tool_calls"},
    "tool": {"content", "tool_call_id", "name", "is_error"},
}


def read_messages(given: PlainMessages) -> tuple[str, tuple[Message, ...]]:
    """The system prompt among them, and the rest. Raises ValueError for what is no message.

    A mapping has `role` (system, user, assistant, tool) and `content`: a text, or a list of `{"type": "text", "text"}`
    and, of a user, `{"type": "image", "media_type", "data"}`. An assistant's may have `tool_calls`, each with `id`,
    `name` and `arguments` (an object or its JSON; also inside `function`). A tool's has `tool_call_id` and may have
    `name` and `is_error`.
    """
    if isinstance(given, str):
        return "", (user_message(given),)
    system: list[str] = []
    messages: list[Message] = []
    names: dict[str, str] = {}
    for one in given:
        message = one
        if not isinstance(message, Message):
            role = _role(message)
            if role == "system":
                system.append("".join(_text(part) for part in _parts(message)))
                continue
            message = _message(role, message, names)
        names |= {call.id: call.name for call in message.tool_calls()}
        if messages and messages[-1].role == message.role == "tool":
            messages[-1] = Message("tool", (*messages[-1].parts, *message.parts))  # a wire wants them together
        else:
            messages.append(message)
    return "\n\n".join(system), tuple(messages)


def _role(given: Mapping[str, object]) -> str:
    role = given.get("role")
    if role not in _FIELDS:
        raise ValueError(f"The role of a message is {' or '.join(_FIELDS)}, not {role!r}.")
    if unknown := given.keys() - _FIELDS[str(role)] - {"role"}:
        raise ValueError(f"A message of the role {role} has no {', '.join(sorted(unknown))}.")
    return str(role)


def _message(role: str, given: Mapping[str, object], names: Mapping[str, str]) -> Message:
    parts = tuple(_parts(given))
    if role == "user":
        return Message("user", parts)
    if any(isinstance(part, Image) for part in parts):
        raise ValueError(f"A message of the role {role} has no pictures.")
    if role == "assistant":
        return Message("assistant", (*parts, *(_call(call) for call in _objects(given.get("tool_calls")))))
    call_id = str(given.get("tool_call_id", ""))
    name = str(given.get("name") or names.get(call_id, ""))
    if not call_id or not name:
        raise ValueError(f"A message of the role tool needs the tool_call_id of a call before it, not {call_id!r}.")
    text = "".join(map(_text, parts))
    return Message("tool", (ToolResult(call_id, name, text, bool(given.get("is_error"))),))


def _parts(given: Mapping[str, object]) -> Iterable[Part]:
    content = given.get("content")
    if content is None or isinstance(content, str):
        return [Text(content)] if content else []
    return [_part(part) for part in _objects(content)]


def _part(given: Mapping[str, object]) -> Part:
    match given:
        case {"type": "text", "text": str(text), **rest} if not rest:
            return Text(text)
        case {"type": "image", "media_type": str(media_type), "data": str(data), **rest} if not rest:
            return Image(media_type, data)
        case _:
            raise ValueError(f"A part of a message is a text or an image, not {dict(given)!r:.200}.")


def _text(part: Part) -> str:
    if not isinstance(part, Text):
        raise ValueError("Only a user's message has pictures.")
    return part.text


def _call(given: Mapping[str, object]) -> ToolCall:
    inner = given.get("function")
    said = cast("Mapping[str, object]", inner) if isinstance(inner, Mapping) else given
    call_id, name, arguments = given.get("id"), said.get("name"), said.get("arguments", "{}")
    if not isinstance(call_id, str) or not isinstance(name, str) or not name:
        raise ValueError(f"A call needs its id and its name: {dict(given)!r:.200}.")
    return ToolCall(call_id, name, arguments if isinstance(arguments, str) else json.dumps(arguments))


def _objects(given: object) -> Sequence[Mapping[str, object]]:
    items = cast("Sequence[object]", () if given is None else given)
    if not isinstance(given, list | tuple | None) or not all(isinstance(item, Mapping) for item in items):
        raise ValueError(f"This must be a list of objects: {given!r:.200}.")
    return cast("Sequence[Mapping[str, object]]", items)
