"""A conversation in, a stream of deltas out. Knows no files, tools or editors.

For programs that use Flux as a library, the names below can be imported from here (docs/how-to/use-as-a-library.md).
What is behind a name is imported when it is first asked for: the server must not wait for what it does not need.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flux.core.messages import Image, Message, Text, ToolCall, ToolResult, ToolSpec, user_message
    from flux.core.usage import Cost, Usage
    from flux.llm.base_provider import BaseLLMProvider, Delta, Finished, ModelRequest, Response, TextDelta
    from flux.llm.catalogue import find_model
    from flux.llm.pools import close_all
    from flux.llm.provider_factory import create_provider, register_provider, supported_providers

__all__ = [
    "BaseLLMProvider",
    "Cost",
    "Delta",
    "Finished",
    "Image",
    "Message",
    "ModelRequest",
    "Response",
    "Text",
    "TextDelta",
    "ToolCall",
    "ToolResult",
    "ToolSpec",
    "Usage",
    "close_all",
    "create_provider",
    "find_model",
    "register_provider",
    "supported_providers",
    "user_message",
]

_MODULES = {
    **dict.fromkeys(
        ("Image", "Message", "Text", "ToolCall", "ToolResult", "ToolSpec", "user_message"), "core.messages"
    ),
    **dict.fromkeys(("Cost", "Usage"), "core.usage"),
    **dict.fromkeys(
        ("BaseLLMProvider", "Delta", "Finished", "ModelRequest", "Response", "TextDelta"), "llm.base_provider"
    ),
    "find_model": "llm.catalogue",
    **dict.fromkeys(("create_provider", "register_provider", "supported_providers"), "llm.provider_factory"),
    "close_all": "llm.pools",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"flux.{_MODULES[name]}"), name)
