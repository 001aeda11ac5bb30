"""Spans and metrics of requests by OpenTelemetry's conventions for generative AI; only where the user wants them.

Nothing of OpenTelemetry is imported otherwise. No word of a request or an answer is in them: models, tokens, times and
kinds of errors alone. Where they go, OpenTelemetry's own variables say (`OTEL_EXPORTER_OTLP_ENDPOINT`). Names are those
of opentelemetry.io/docs/specs/semconv/gen-ai (opentelemetry-semantic-conventions of API 1.45.2, 2026-11-21).
"""

from __future__ import annotations

import pkgutil
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from functools import cache
from typing import TYPE_CHECKING, Any

from flux.core.errors import ConfigError, ProviderError
from flux.llm.base_provider import BaseLLMProvider, Delta, Folder, ModelRequest, Response, is_of_the_answer
from flux.llm.wrapped_provider import WrappedProvider

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider

EXPORT_S = 2.0
"""How long the end of a program may wait for a collector that does not answer."""
_WELL_KNOWN = {"azure": "azure.ai.openai"}
"""Providers that the conventions call otherwise than Flux does."""
_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)


class Instruments:
    """What is measured, made of a program's own providers."""

    def __init__(self, tracers: TracerProvider, meters: MeterProvider) -> None:
        meter = meters.get_meter("flux")
        self.tracer = tracers.get_tracer("flux")
        self.duration = meter.create_histogram(
            "gen_ai.client.operation.duration", "s", explicit_bucket_boundaries_advisory=_SECONDS
        )
        self.first_chunk = meter.create_histogram(
            "gen_ai.client.operation.time_to_first_chunk", "s", explicit_bucket_boundaries_advisory=_SECONDS
        )
        self.tokens = meter.create_histogram(
            "gen_ai.client.token.usage", "{token}", explicit_bucket_boundaries_advisory=_TOKENS
        )


@cache
def exporting() -> Instruments:
    """Instruments that send to the collector of OpenTelemetry's variables, made once. Raises ConfigError."""
    try:
        tracers = _made("opentelemetry.sdk.trace:TracerProvider")
        span_exporter = _made(
            "opentelemetry.exporter.otlp.proto.http.trace_exporter:OTLPSpanExporter", timeout=EXPORT_S
        )
        tracers.add_span_processor(_made("opentelemetry.sdk.trace.export:BatchSpanProcessor", span_exporter))
        exporter = _made("opentelemetry.exporter.otlp.proto.http.metric_exporter:OTLPMetricExporter", timeout=EXPORT_S)
        reader = _made("opentelemetry.sdk.metrics.export:PeriodicExportingMetricReader", exporter)
        return Instruments(tracers, _made("opentelemetry.sdk.metrics:MeterProvider", [reader]))
    except ImportError as e:
        raise ConfigError(
            f"telemetry is set, and a package for it is missing: {e.name}.",
            key="telemetry",
            hint="pip install 'flux-lsp[otel]'",
        ) from e


def _made(path: str, *arguments: object, **named: object) -> Any:  # of packages that need not be installed
    return pkgutil.resolve_name(path)(*arguments, **named)


class TracedProvider(WrappedProvider):
    """A provider around another: a span and the metrics of each request. `kind` is what the provider is like."""

    def __init__(self, inner: BaseLLMProvider, kind: str, instruments: Instruments) -> None:
        super().__init__(inner)
        self._kind = _WELL_KNOWN.get(kind, kind)
        self._instruments = instruments

    async def deltas(self, request: ModelRequest) -> AsyncGenerator[Delta]:
        from opentelemetry.trace import SpanKind

        common = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": self._kind,
            "gen_ai.request.model": request.model,
        }
        attributes = {**common, "gen_ai.request.max_tokens": request.max_output_tokens}
        span = self._instruments.tracer.start_span(f"chat {request.model}", kind=SpanKind.CLIENT, attributes=attributes)
        began, folder, has_begun, failed = time.perf_counter(), Folder(), False, ""
        try:
            async with aclosing(self.inner.stream(request)) as deltas:
                async for delta in deltas:
                    if not has_begun and is_of_the_answer(delta):
                        has_begun = True
                        self._instruments.first_chunk.record(time.perf_counter() - began, common)
                    folder.add(delta)
                    yield delta
        except ProviderError as e:
            failed = type(e).__name__
            raise
        finally:
            self._end(span, common, folder.response(), time.perf_counter() - began, failed)

    def _end(self, span: Span, common: Mapping[str, str], response: Response, took_s: float, failed: str) -> None:
        from opentelemetry.trace import Status, StatusCode

        usage = response.usage
        if failed:
            span.set_attribute("error.type", failed)
            span.set_status(Status(StatusCode.ERROR))
            common = {**common, "error.type": failed}
        else:
            span.set_attribute("gen_ai.response.finish_reasons", [response.finish_reason])
        span.set_attribute("gen_ai.response.model", response.model)
        span.set_attribute("gen_ai.response.id", response.request_id)
        span.set_attribute("gen_ai.usage.input_tokens", usage.input_tokens)
        span.set_attribute("gen_ai.usage.output_tokens", usage.output_tokens)
        span.set_attribute("gen_ai.usage.cache_read.input_tokens", usage.cache_read_tokens)
        span.end()
        self._instruments.duration.record(took_s, common)
        for kind, count in (("input", usage.input_tokens), ("output", usage.output_tokens)):
            if count:
                self._instruments.tokens.record(count, {**common, "gen_ai.token.type": kind})
