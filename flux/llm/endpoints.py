"""Services that speak a wire: where they are, which settings address them. Knows no key and makes no request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A row of the table. `default_base_url` and `default_model` are empty where only the user can know them.

    `base_url_setting` and `key_setting` are names of settings that belong to this service alone. The last two are
    quirks of Chat Completions: newer OpenAI models take only `max_completion_tokens`, some servers no `stream_options`.
    """

    name: str
    display_name: str
    default_base_url: str = ""
    default_model: str = ""
    base_url_setting: str = ""
    key_setting: str = ""
    needs_key: bool = True
    max_tokens_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    takes_stream_options: bool = True


ANTHROPIC = Endpoint(
    name="anthropic",
    display_name="Anthropic",
    default_base_url="https://api.anthropic.com",
    default_model="claude-sonnet-5-5",
    base_url_setting="anthropic_base_url",
    key_setting="anthropic_api_key",
)
OPENAI = Endpoint(
    name="openai",
    display_name="OpenAI",
    default_base_url="https://api.openai.com/v1",
    default_model="gpt-6.1-sol",
    base_url_setting="openai_base_url",
    key_setting="openai_api_key",
)
COMPATIBLE = Endpoint(name="compatible", display_name="a service with OpenAI's Chat Completions", needs_key=False)

ENDPOINTS: tuple[Endpoint, ...] = (ANTHROPIC, OPENAI, COMPATIBLE)
"""In the order in which a provider is chosen where several keys are found."""
