"""`python -m tests.support.model_slice LITELLM_JSON`: cuts `flux/llm/models.json` out of public model data.

LITELLM_JSON is `litellm/model_prices_and_context_window_backup.json` of an unpacked litellm wheel (MIT; 40 MB, so it is
no dependency). What it lacks (total windows, models that are newer) comes from genai-prices (MIT). A price on which the
two disagree is left out: it is unknown. One line a model, so that a diff shows what a renewal changed. Names that only
add a date are left out: the catalogue reads those itself.
"""

from __future__ import annotations

import datetime
import itertools
import json
import re
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import genai_prices
from genai_prices import data, types

from flux.core.usage import Usage
from flux.llm.catalogue import Model, read_model

TARGET = Path(__file__).parents[2] / "flux" / "llm" / "models.json"
PROVIDERS = ("anthropic", "openai", "groq", "deepseek", "xai", "mistral")
_NOT_FOR_CODE = re.compile(
    r"audio|search|realtime|computer-use|image|guard|voxtral|-fim|research|ft:|daybreak|container"
)
_DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$|-\d{8}$|-latest$|-\d{4}$|-beta|-experimental|-gv2$")
_ONE_MILLION = 1_000_000

Row = dict[str, Any]


def main() -> int:
    source = Path(sys.argv[1])
    raw: dict[str, Row] = json.loads(source.read_text(encoding="utf-8"))
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    rows = {row["name"]: row for row in _rows(raw, today)}
    for row in _newer(rows):
        rows[row["name"]] = row
    for row in rows.values():
        if disagreement(read_model(row), today):
            row["price"] = None
    litellm = next(source.parents[1].glob("litellm-*.dist-info"), Path("litellm-unknown.dist-info")).name.split("-")[1]
    sources = f"LiteLLM {litellm.removesuffix('.dist')} (MIT), genai-prices {version('genai-prices')} (MIT)"
    lines = ",\n".join(f"  {json.dumps(rows[name], ensure_ascii=False)}" for name in sorted(rows))
    head = f'"as_of": "{today}", "sources": {json.dumps(sources)}'
    TARGET.write_text(f'{{{head}, "models": [\n{lines}\n]}}\n', encoding="utf-8", newline="\n")
    print(f"{len(rows)} models, {TARGET.stat().st_size:,} bytes")
    return 0


def disagreement(model: Model, as_of: str) -> str:
    """What genai-prices said of one request otherwise, in words; empty where it agrees or does not have the model.

    Asked about a short prompt and, within the window, a long one, with and without a cache, at noon and at night.
    """
    provider_id = {"xai": "x-ai"}.get(model.provider, model.provider)
    if model.price is None or not any(found.is_match(model.name) for found in _genai_models(provider_id)):
        return ""
    for tokens, hour in itertools.product((1_000, 290_000), (2, 14)):
        if tokens > model.total_tokens:
            continue
        at = datetime.datetime.fromisoformat(f"{as_of}T{hour:02}:00:00Z")
        for usage in (Usage(tokens, 500), Usage(tokens, 500, tokens // 2, tokens // 4)):
            own, other = model.price.cost_usd(usage), _genai_cost(provider_id, model.name, usage, at)
            if abs(own - other) > 1e-6 + own / 1000:
                return f"{model.name}: {own:.6f} $ for {usage}, and genai-prices says {other:.6f} $"
    return ""


def _genai_cost(provider_id: str, name: str, usage: Usage, at: datetime.datetime) -> float:
    named = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    found = genai_prices.calc_price(named, name, provider_id=provider_id, genai_request_timestamp=at)
    return float(found.total_price)


def _rows(raw: Mapping[str, Row], today: str) -> Iterator[Row]:
    for key, entry in raw.items():
        provider = entry.get("litellm_provider")
        name = key.removeprefix(f"{provider}/")
        if (
            provider in PROVIDERS
            and entry.get("mode") in ("chat", "responses")
            and not _NOT_FOR_CODE.search(key)
            and not _DATED.search(name)
            and entry.get("max_input_tokens")
            and entry.get("deprecation_date", "9999") > today
        ):
            yield _row(name, provider, entry)


def _row(name: str, provider: str, entry: Row) -> Row:
    window = entry["max_input_tokens"]
    total = max(window, _genai_window(provider, name))
    row: Row = {"name": name, "provider": provider, "input": window, "total": total}
    row["output"] = entry.get("max_output_tokens", 0)
    row["price"] = _price(entry)
    for field, wanted in (("tools", "supports_function_calling"), ("images", "supports_vision")):
        row[field] = bool(entry.get(wanted))
    row["thinking"] = _thinking(provider, entry)
    row["efforts"] = _efforts(provider, entry)
    # OpenAI's thinking models take no temperature but 1 unless they are told not to think, and o-series models none at
    # all (LiteLLM, llms/openai/responses/transformation.py and llms/openai/chat/o_series_transformation.py).
    is_open_ai_thinker = provider == "openai" and bool(entry.get("supports_reasoning"))
    row["sampling"] = entry.get("supports_sampling_params", not is_open_ai_thinker)
    row["forced_tools"] = entry.get("supports_forced_tool_use", True)
    row["cache_min"] = entry.get("prompt_cache_min_tokens", 0)
    row["retires"] = entry.get("deprecation_date", "")
    return {key: value for key, value in row.items() if value not in (False, 0, "", []) or key in _ALWAYS}


_ALWAYS = {"tools", "sampling", "forced_tools", "price"}


def _price(entry: Row) -> Row | None:
    if "input_cost_per_token" not in entry or "output_cost_per_token" not in entry:
        return None
    read, write = entry.get("cache_read_input_token_cost"), entry.get("cache_creation_input_token_cost")
    plain = entry["input_cost_per_token"]
    price = {
        "input": _per_million(plain),
        "output": _per_million(entry["output_cost_per_token"]),
        # Where the source has no price for the cache it is counted as plain input, which is never too little.
        "cache_read": _per_million(plain if read is None else read),
        "cache_write": _per_million(plain if write is None else write),
    }
    if tier := next(
        (found for key in entry if (found := re.fullmatch(r"input_cost_per_token_above_(\d+)k_tokens", key))), None
    ):
        above = tier[0].removeprefix("input_cost_per_token")
        price["long_prompt_tokens"] = int(tier[1]) * 1000
        price["long_input_factor"] = _ratio(entry[tier[0]], plain)
        price["long_output_factor"] = _ratio(entry[f"output_cost_per_token{above}"], entry["output_cost_per_token"])
    return price


def _per_million(cost: float) -> float:
    return float(round(Decimal(str(cost)) * _ONE_MILLION, 6))


def _ratio(long: float, short: float) -> float:
    return float(round(Decimal(str(long)) / Decimal(str(short)), 4))


def _thinking(provider: str, entry: Row) -> str:
    """How the model is asked to think: `always`, `adaptive` and `budget` are Anthropic's, `effort` the others'."""
    if provider != "anthropic":
        return "effort" if entry.get("supports_reasoning") else ""
    if entry.get("thinking_always_on"):
        return "always"
    if entry.get("supports_adaptive_thinking"):
        return "adaptive"
    return "budget" if entry.get("supports_reasoning") else ""


def _efforts(provider: str, entry: Row) -> list[str]:
    if not entry.get("supports_reasoning") or provider not in ("anthropic", "openai"):
        return list(entry.get("reasoning_effort_levels", []))
    if provider == "anthropic" and not entry.get("supports_adaptive_thinking"):
        return []
    levels = ("none", "minimal", "xhigh", "max")
    extra = [level for level in levels if entry.get(f"supports_{level}_reasoning_effort")]
    low = [level for level in extra if level in ("none", "minimal")]
    return [*low, "low", "medium", "high", *(level for level in extra if level not in low)]


def _genai_models(provider_id: str) -> Iterator[types.ModelInfo]:
    yield from next((found.models for found in data.providers if found.id == provider_id), ())


def _genai_window(provider: str, name: str) -> int:
    found = next((model for model in _genai_models(provider) if model.id == name), None)
    return (found.context_window or 0) if found else 0


def _newer(rows: Mapping[str, Row]) -> Iterator[Row]:
    """Claude models that only genai-prices has: like the newest of their line, with half of the longest answer."""
    for model in _genai_models("anthropic"):
        line = re.fullmatch(r"(claude-[a-z]+-5)-(\d+)", model.id)
        if line is None or model.id in rows or not isinstance(model.prices, types.ModelPrice):
            continue
        like = rows.get(f"{line[1]}-{int(line[2]) - 1}")
        price = model.prices
        numbers = (price.input_mtok, price.output_mtok, price.cache_read_mtok, price.cache_write_mtok)
        if like is None or not all(isinstance(number, Decimal) for number in numbers):
            continue
        named = dict(zip(("input", "output", "cache_read", "cache_write"), map(float, numbers), strict=True))  # type: ignore[arg-type]
        yield {**like, "name": model.id, "output": like["output"] // 2, "price": named}


if __name__ == "__main__":
    sys.exit(main())
