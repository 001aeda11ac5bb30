"""A provider's own summary of a conversation: how it is asked for, and what comes of it.

Anthropic: the beta's field `compaction`, answered by one signed block that later requests send first (anthropic 2.11.0,
`types/beta/beta_compaction_config_param.py`). OpenAI: `/responses/compact`, answered by the user's messages and one
encrypted item, which later requests send as they are (openai 3.52.0, `types/responses/compacted_response.py`).
"""

from __future__ import annotations

import json
from dataclasses import replace

from flux.core.messages import Summary
from flux.core.usage import Usage
from flux.llm.base_provider import ModelRequest, Response
from flux.llm.wire import anthropic_messages, openai_responses
from flux.llm.wire.json_values import Object, child, children, count, parse_object, text, to_bytes

ANTHROPIC_BETA = "compact-2026-09-04"
"""What the header `anthropic-beta` says, also of requests that send such a block."""
ANTHROPIC_PATH = "/v1/messages?beta=true"
OPENAI_PATH = "/responses/compact"
_OPENAI_FIELDS = ("model", "input", "instructions", "prompt_cache_key")


def ask_anthropic(request: ModelRequest) -> bytes:
    """The request's body, made to ask for a summary of it: tools and system stay, so that it is read from the cache."""
    body = {**request.extra_body, "compaction": {"type": "summarize"}}
    return anthropic_messages.encode_request(replace(request, is_streamed=False, extra_body=body))


def ask_openai(request: ModelRequest) -> bytes:
    """The request's body, as far as `/responses/compact` takes it."""
    found = parse_object(openai_responses.encode_request(request).decode("utf-8"))
    return to_bytes({name: found[name] for name in _OPENAI_FIELDS if name in found})


def read_anthropic(answer: Object) -> Response | None:
    """The summary, None where none could be made."""
    blocks = [block for block in children(answer, "content") if text(block, "type") == "compaction"]
    if not blocks or not text(blocks[0], "content"):
        return None
    summary = Summary(text(blocks[0], "content"), anthropic_messages.WIRE, json.dumps(blocks[0]))
    usage = child(answer, "usage")
    passes = [usage, *(one for one in children(usage, "iterations") if text(one, "type") == "compaction")]
    return Response((summary,), text(answer, "model"), usage=sum(map(_anthropic_usage, passes), Usage()))


def read_openai(answer: Object) -> Response | None:
    """The summary, None where none could be made. What can be read of it is what the user said."""
    output = children(answer, "output")
    if not any(text(item, "type") == "compaction" for item in output):
        return None
    said = [text(part, "text") for item in output for part in children(item, "content")]
    usage = child(answer, "usage")
    cached = count(child(usage, "input_tokens_details"), "cached_tokens")
    used = Usage(count(usage, "input_tokens"), count(usage, "output_tokens"), cached)
    summary = Summary(
        "\n\n".join(filter(None, said)), openai_responses.WIRE, json.dumps({"output": output}), used.output_tokens
    )
    return Response((summary,), text(answer, "model"), usage=used)


def _anthropic_usage(usage: Object) -> Usage:
    read, written = count(usage, "cache_read_input_tokens"), count(usage, "cache_creation_input_tokens")
    return Usage(count(usage, "input_tokens") + read + written, count(usage, "output_tokens"), read, written)
