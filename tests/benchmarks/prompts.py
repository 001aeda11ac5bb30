"""What Flux says to a model before the user has said anything."""

from __future__ import annotations

import json
from pathlib import Path

from flux.agent.session import system_prompt
from flux.tools.registry import builtin_tools
from tests.benchmarks.figures import Bound, Effort, Figure
from tests.support.tokenizer import HOW, real_counter

BYTES_PER_TOKEN = 3.0
"""Without a tokenizer on disk: English and JSON have more bytes in a token (4.2 in o200k_base), so this counts high."""


def tokens(effort: Effort, folder: Path) -> list[Figure]:
    """Of the tools as Anthropic's format has them, the longest of the three, and the system prompt."""
    specs = [
        {"name": spec.name, "description": spec.description, "input_schema": dict(spec.parameters)}
        for spec in (tool.spec for tool in builtin_tools().values())
    ]
    text = system_prompt() + json.dumps(specs, separators=(",", ":"))
    counter = real_counter()
    bytes_ = len(text.encode("utf-8"))
    count = counter.count(text) if counter else bytes_ / BYTES_PER_TOKEN
    how = "o200k_base" if counter else f"{bytes_} bytes / {BYTES_PER_TOKEN:g}, no tokenizer being on disk: {HOW}"
    return [
        Figure("tools and system prompt", "tokens", count, bound=Bound("measured", "<=", 3200), note=f"tokens: {how}")
    ]
