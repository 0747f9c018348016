"""Spans over OpenTelemetry, sent as OTLP to Cloud Trace or to a collector: the only importer of its SDK."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Self

from google.auth import default as default_credentials
from google.auth.transport.requests import AuthorizedSession
from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from common.errors import ServiceError
from common.settings import CLOUD_TRACE, Settings
from common.telemetry import tracing
from common.telemetry.log import Log
from common.telemetry.trace_context import TraceContext
from common.telemetry.tracing import Attribute

TRACE_EXPORT_SECONDS = 5.0
TRACE_PAUSE_SECONDS = 1.0

_SCOPE = "https://www.googleapis.com/auth/trace.append"


class OtelTracer:
    """The tracer of an instance. Spans wait in memory and leave from a thread of their own."""

    def __init__(self, settings: Settings, log: Log) -> None:
        # What the SDK writes about a failed export is the receiver's answer; the exporter below says that it failed.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)
        resource = {
            "service.name": "cloudcost-chat",
            "service.version": settings.service_version,
            "deployment.environment.name": settings.environment.value,
            "gcp.project_id": settings.gcp_project_id,
        }
        # A provider of our own, and not the process's: libraries that trace by themselves would send what they like.
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(settings.trace_sample_ratio)), resource=Resource.create(resource)
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(
                _Sender(settings, log),
                schedule_delay_millis=TRACE_PAUSE_SECONDS * 1000,
                export_timeout_millis=TRACE_EXPORT_SECONDS * 1000,
            )
        )
        self._tracer = self._provider.get_tracer("cloudcost-chat")

    def request(self, name: str, parent: TraceContext | None) -> "_RequestSpan":
        """Begin the span of a request, below its caller's."""
        above = context.Context()
        if parent is not None and parent.span_id is not None:
            place = trace.SpanContext(
                int(parent.trace_id, 16),
                int(parent.span_id, 16),
                is_remote=True,
                trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED if parent.sampled else trace.TraceFlags.DEFAULT),
            )
            above = trace.set_span_in_context(trace.NonRecordingSpan(place), above)
        return _RequestSpan(self._tracer.start_span(name, above, trace.SpanKind.SERVER))

    def span(self, name: str, attributes: dict[str, Attribute], *, leaf: bool) -> "_Span":
        """A span below the one that is active; a leaf may be left from another context, and has no children."""
        named = tracing.named(attributes)
        return _Span(lambda: self._tracer.start_span(name, kind=trace.SpanKind.CLIENT, attributes=named), leaf=leaf)

    def flush(self) -> None:
        """Send what waits."""
        self._provider.force_flush()

    def close(self) -> None:
        """Send what waits, and stop; the instance is not used afterwards."""
        self._provider.shutdown()


class _Span:
    """A span from entering to leaving it."""

    def __init__(self, start: Callable[[], trace.Span], *, leaf: bool) -> None:
        self._start = start
        self._leaf = leaf
        self._span: trace.Span = trace.INVALID_SPAN
        self._active: AbstractContextManager[trace.Span] | None = None

    def __enter__(self) -> Self:
        self._span = self._start()
        if not self._leaf:
            self._active = _active(self._span)
            self._active.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace_back: TracebackType | None
    ) -> None:
        if self._active is not None:
            self._active.__exit__(None, None, None)
        # Being cancelled is no failure; nor is being left half-way.
        if isinstance(error, Exception):
            # Its class, or the stable code; an exception's text may hold anything.
            self.set(error_class=error.code if isinstance(error, ServiceError) else type(error).__name__)
            self._span.set_status(trace.StatusCode.ERROR)
        self._span.end()

    def set(self, **attributes: Attribute) -> None:
        """Add attributes."""
        self._span.set_attributes(tracing.named(attributes))


class _RequestSpan:
    """The span of a request."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    @property
    def place(self) -> TraceContext:
        found = self._span.get_span_context()
        return TraceContext(f"{found.trace_id:032x}", f"{found.span_id:016x}", found.trace_flags.sampled)

    def active(self) -> AbstractContextManager[object]:
        """While entered, new spans are its children."""
        return _active(self._span)

    def end(self, *, failed: bool, **attributes: Attribute) -> None:
        self._span.set_attributes(tracing.named(attributes))
        if attributes.get("route"):
            self._span.update_name(f"{attributes['method']} {attributes['route']}")
        if failed:
            self._span.set_status(trace.StatusCode.ERROR)
        self._span.end()


class _Sender(SpanExporter):
    """Sends batches from the SDK's thread. Says once that spans cannot be sent, and once that they can again."""

    def __init__(self, settings: Settings, log: Log) -> None:
        self._settings = settings
        self._log = log
        self._exporter: SpanExporter | None = None
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        error_class = None
        try:
            # Not before: to look for credentials takes time, and without any only the spans are lost.
            self._exporter = self._exporter or _exporter(self._settings)
            result = self._exporter.export(spans)
        except Exception as error:
            result, error_class = SpanExportResult.FAILURE, type(error).__name__
        failed = result is not SpanExportResult.SUCCESS
        if failed and not self._failing:
            self._log.warning("tracing.failed", error_class=error_class)
        if self._failing and not failed:
            self._log.info("tracing.recovered")
        self._failing = failed
        return result

    def shutdown(self) -> None:
        if self._exporter is not None:
            self._exporter.shutdown()


@contextmanager
def _active(span: trace.Span) -> Iterator[trace.Span]:
    with trace.use_span(span, end_on_exit=False, record_exception=False, set_status_on_exception=False):
        yield span


def _exporter(settings: Settings) -> SpanExporter:
    endpoint = settings.traces_endpoint
    assert endpoint is not None
    session = None
    if endpoint == CLOUD_TRACE:
        credentials, _ = default_credentials(scopes=[_SCOPE])
        session = AuthorizedSession(credentials)  # type: ignore[no-untyped-call]  # google-auth is typed in part
    return OTLPSpanExporter(endpoint, timeout=TRACE_EXPORT_SECONDS, session=session)
