"""Spans and metrics of requests, as OpenTelemetry's own exporter in memory gets them; and none where none is wanted."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("opentelemetry.sdk", reason="opentelemetry-sdk is not installed (the extra `test` has it)")

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from flux.core.errors import RateLimited
from flux.core.usage import Usage
from flux.llm.scripted_provider import Fault, ScriptedProvider, Step
from flux.llm.telemetry import Instruments, TracedProvider


def traced(*steps: Step) -> tuple[TracedProvider, InMemorySpanExporter, InMemoryMetricReader]:
    spans, metrics = InMemorySpanExporter(), InMemoryMetricReader()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    instruments = Instruments(tracers, MeterProvider([metrics]))
    return TracedProvider(ScriptedProvider(steps), "azure", instruments), spans, metrics


def points(metrics: InMemoryMetricReader) -> dict[str, list[tuple[dict[str, object], float]]]:
    data = metrics.get_metrics_data()
    assert data is not None
    return {
        metric.name: [(dict(point.attributes or {}), point.sum) for point in metric.data.data_points]  # type: ignore[union-attr]
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


async def test_a_request_is_a_span_and_metrics_without_a_word_of_it() -> None:
    provider, spans, metrics = traced(Step(text="The secret answer.", usage=Usage(100, 20, 80)))
    await provider.complete("The secret question.", model="gpt-x", max_tokens=500)
    (span,) = spans.get_finished_spans()
    attributes = dict(span.attributes or {})
    assert (span.name, span.kind.name) == ("chat gpt-x", "CLIENT")
    assert attributes.pop("gen_ai.response.id") is not None
    assert attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "azure.ai.openai",
        "gen_ai.request.model": "gpt-x",
        "gen_ai.request.max_tokens": 500,
        "gen_ai.response.model": attributes["gen_ai.response.model"],
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.cache_read.input_tokens": 80,
    }
    found = points(metrics)
    tokens = {str(given["gen_ai.token.type"]): total for given, total in found["gen_ai.client.token.usage"]}
    assert tokens == {"input": 100, "output": 20}
    assert (
        len(found["gen_ai.client.operation.duration"]) == len(found["gen_ai.client.operation.time_to_first_chunk"]) == 1
    )
    assert "secret" not in span.to_json() + str(found)


async def test_a_request_that_failed_says_of_what_kind() -> None:
    provider, spans, metrics = traced(Step(error=Fault("RateLimited")))
    with pytest.raises(RateLimited):
        await provider.complete("Hello?", model="gpt-x")
    (span,) = spans.get_finished_spans()
    assert (span.status.status_code.name, dict(span.attributes or {})["error.type"]) == ("ERROR", "RateLimited")
    ((given, _),) = points(metrics)["gen_ai.client.operation.duration"]
    assert given["error.type"] == "RateLimited"


def test_nothing_of_it_is_imported_where_it_is_not_wanted() -> None:
    program = (
        "import sys, flux.llm.registry, flux.core.config as c\n"
        "flux.llm.registry.Registry(c.settings_of({'provider': 'demo'})).provider('demo')\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')], sys.modules\n"
        "assert 'flux.llm.telemetry' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
