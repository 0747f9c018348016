"""Spans of what a request does. Without a tracer a span is one shared object that does nothing."""

from contextlib import AbstractContextManager
from contextvars import ContextVar
from types import TracebackType
from typing import Protocol, Self

from common.telemetry.trace_context import TraceContext

Attribute = str | int | float | bool | None

# What a span may carry, by our name and by OpenTelemetry's. Nothing else leaves.
ATTRIBUTES = {
    "agent": "gen_ai.agent.name",
    "bytes_billed": "chat.bytes_billed",
    "bytes_processed": "chat.bytes_processed",
    "cached": "chat.cached",
    "documents": "chat.documents",
    "error_class": "error.type",
    "finish": "chat.finish",
    "function": "faas.name",
    "input_tokens": "gen_ai.usage.input_tokens",
    "method": "http.request.method",
    "model_id": "gen_ai.request.model",
    "org": "chat.org",
    "output_tokens": "gen_ai.usage.output_tokens",
    "provider": "gen_ai.provider.name",
    "request_id": "chat.request_id",
    "route": "http.route",
    "rows": "chat.rows",
    "status": "http.response.status_code",
    "tool": "gen_ai.tool.name",
}


class Span(Protocol):
    """Something that takes time, from entering to leaving it. What it raises marks it as failed, by its class only."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace_back: TracebackType | None
    ) -> None: ...

    def set(self, **attributes: Attribute) -> None:
        """Add attributes, all of them of ATTRIBUTES."""


class RequestSpan(Protocol):
    """The span of a request, which is answered in two steps: the handler, and the sending of what it made."""

    @property
    def place(self) -> TraceContext: ...

    def active(self) -> AbstractContextManager[object]:
        """While entered, new spans are its children."""

    def end(self, *, failed: bool, **attributes: Attribute) -> None: ...


class Tracer(Protocol):
    """Makes spans and sends them somewhere."""

    def request(self, name: str, parent: TraceContext | None) -> RequestSpan:
        """Begin the span of a request, below its caller's."""

    def span(self, name: str, attributes: dict[str, Attribute], *, leaf: bool) -> Span:
        """A span below the one that is active; a leaf may be left from another context, and has no children."""


class _NoSpan:
    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def set(self, **_: Attribute) -> None:
        return None


NO_SPAN = _NoSpan()

tracing: ContextVar[Tracer | None] = ContextVar("tracer", default=None)


def span(name: str, *, leaf: bool = False, **attributes: Attribute) -> Span:
    """A span of the request that is being answered; use it in a ``with``."""
    tracer = tracing.get()
    return NO_SPAN if tracer is None else tracer.span(name, attributes, leaf=leaf)


def named(attributes: dict[str, Attribute]) -> dict[str, str | int | float | bool]:
    """The attributes by OpenTelemetry's names, without those that have no value. Raises ValueError for another."""
    unknown = attributes.keys() - ATTRIBUTES.keys()
    if unknown:
        raise ValueError(f"not an allowed attribute: {sorted(unknown)}")
    return {ATTRIBUTES[name]: value for name, value in attributes.items() if value is not None}
