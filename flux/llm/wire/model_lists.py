"""What servers with OpenAI's API say of their models, each in its own words.

`/v1/models`: vLLM has `max_model_len`; llama.cpp `meta.n_ctx`, the window of one conversation, and says in `/props`
what its chat template takes (both seen on its server of 2026-10); OpenRouter `context_length` and
`supported_parameters`, `pricing`, `top_provider` (openrouter.ai/docs/api-reference/list-available-models); Groq
`context_window`, `max_completion_tokens`; Anthropic `max_input_tokens`, `max_tokens`, `capabilities` (type stubs of the
anthropic SDK 2.11.0, `types/model_info.py`). LM Studio's own list (`/api/v1/models` since 0.4.0, `/api/v0/models`
before) tells more: lmstudio.ai/docs/developer/rest, 2026-11-21. What is missing or of another type counts as not said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import cast

from flux.llm.base_provider import ServedModel, ToldPrice
from flux.llm.model_facts import is_price
from flux.llm.wire.json_values import Object, child, children, count, text

_WINDOWS = ("max_model_len", "context_length", "context_window", "max_context_length", "max_input_tokens")


def read_models(listed: Object, *, runs_here: bool) -> Sequence[ServedModel]:
    """What `/v1/models` answers. Models that only make vectors are left out where that is told."""
    return [
        _served(model, runs_here=runs_here)
        for model in children(listed, "data")
        if text(model, "id") and "embed" not in text(model, "type")
    ]


def is_llama_cpp(listed: Object) -> bool:
    """Whether the server has `/props`."""
    return any(text(model, "owned_by") == "llamacpp" for model in children(listed, "data"))


def read_props(props: Object, model: ServedModel) -> ServedModel:
    """What llama.cpp's `/props` adds."""
    caps, modalities = child(props, "chat_template_caps"), child(props, "modalities")
    window = count(child(props, "default_generation_settings"), "n_ctx") or None
    return replace(
        model,
        window_tokens=window or model.window_tokens,
        takes_tools=_truth(caps, "supports_tools"),
        takes_images=_truth(modalities, "vision"),
        is_loaded=True,
    )


def read_lm_studio(listed: Object, *, runs_here: bool) -> Sequence[ServedModel]:
    """What LM Studio's own list answers, of either version, the loaded models first.

    The window is known of a loaded model only: another one gets it when it is loaded.
    """
    models = [*_lm_studio_1(listed, runs_here=runs_here), *_lm_studio_0(listed, runs_here=runs_here)]
    return sorted(models, key=lambda model: not model.is_loaded)


def _served(model: Object, *, runs_here: bool) -> ServedModel:
    window = next((found for name in _WINDOWS if (found := count(model, name))), None)
    parameters, modalities = model.get("supported_parameters"), child(model, "architecture").get("input_modalities")
    abilities = child(model, "capabilities")
    return ServedModel(
        text(model, "id"),
        window_tokens=window or count(child(model, "meta"), "n_ctx") or None,
        takes_tools=_among("tools", parameters),
        takes_images=_first(_among("image", modalities), _supported(abilities, "image_input")),
        thinks=_first(_among("reasoning", parameters), _supported(abilities, "thinking")),
        runs_here=runs_here,
        size_bytes=count(child(model, "meta"), "size") or None,
        owner=text(model, "owned_by"),
        max_output_tokens=_max_output(model),
        executes_code=_supported(child(abilities, "server_tools"), "code_execution"),
        price=_price(child(model, "pricing")),
    )


def _max_output(model: Object) -> int | None:
    own = count(model, "max_tokens") if "max_input_tokens" in model else count(model, "max_completion_tokens")
    return own or count(child(model, "top_provider"), "max_completion_tokens") or None


def _price(pricing: Object) -> ToldPrice | None:
    """OpenRouter's, in dollars for a token, as texts; a negative one depends on which model answers."""
    plain, answer = _per_million(pricing, "prompt"), _per_million(pricing, "completion")
    if plain is None or answer is None:
        return None
    read, write = _per_million(pricing, "input_cache_read"), _per_million(pricing, "input_cache_write")
    return ToldPrice(plain, answer, read, write)


def _per_million(pricing: Object, name: str) -> float | None:
    try:
        # By decimals: a price of 0.0000003 is 0.3, and not the float beside it.
        price = float(Decimal(str(pricing.get(name))) * 1_000_000)
    except InvalidOperation:
        return None
    return price if is_price(price) else None


def _supported(abilities: Object, name: str) -> bool | None:
    """Anthropic's way to say it: {"supported": true}."""
    return _truth(child(abilities, name), "supported")


def _among(word: str, words: object) -> bool | None:
    return word in cast("list[object]", words) if isinstance(words, list) else None


def _first(one: bool | None, other: bool | None) -> bool | None:
    return other if one is None else one


def _lm_studio_1(listed: Object, *, runs_here: bool) -> Iterator[ServedModel]:
    for model in children(listed, "models"):
        if not text(model, "key") or text(model, "type") == "embedding":
            continue
        instances = children(model, "loaded_instances")
        abilities = child(model, "capabilities")
        yield ServedModel(
            text(model, "key"),
            window_tokens=count(child(instances[0], "config"), "context_length") or None if instances else None,
            takes_tools=_truth(abilities, "trained_for_tool_use"),
            takes_images=_truth(abilities, "vision"),
            is_loaded=bool(instances),
            runs_here=runs_here,
            size_bytes=count(model, "size_bytes") or None,
        )


def _lm_studio_0(listed: Object, *, runs_here: bool) -> Iterator[ServedModel]:
    for model in children(listed, "data"):
        if not text(model, "id") or text(model, "type") not in {"llm", "vlm"}:
            continue
        abilities = model.get("capabilities")
        yield ServedModel(
            text(model, "id"),
            window_tokens=count(model, "loaded_context_length") or None,
            takes_tools="tool_use" in cast("list[object]", abilities) if isinstance(abilities, list) else None,
            takes_images=text(model, "type") == "vlm",
            is_loaded=text(model, "state") == "loaded",
            runs_here=runs_here,
        )


def _truth(found: Object, name: str) -> bool | None:
    value = found.get(name)
    return value if isinstance(value, bool) else None
