"""Which trace a request belongs to, as its headers say: W3C ``traceparent``, or Google's ``X-Cloud-Trace-Context``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

# Later versions may append fields behind the same four (W3C Trace Context, section 4.3); ff is never a version.
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_CLOUD = re.compile(r"([0-9a-fA-F]{32})(?:/([0-9]{1,20}))?(?:;o=([0-3]))?")
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A place in a trace: ids in lower-case hexadecimal (32 and 16 digits), ``span_id`` None where it is unknown."""

    trace_id: str
    span_id: str | None
    sampled: bool


def read(headers: Mapping[str, str]) -> TraceContext | None:
    """The caller's place in a trace; None where no header says one exactly as its format does."""
    return _w3c(headers.get("traceparent", "")) or _cloud(headers.get("x-cloud-trace-context", ""))


def _w3c(text: str) -> TraceContext | None:
    found = _TRACEPARENT.fullmatch(text)
    if found is None or found[1] == _NO_TRACE or found[2] == _NO_SPAN or (text.startswith("00") and found[4]):
        return None
    return TraceContext(found[1], found[2], bool(int(found[3], 16) & 1))


def _cloud(text: str) -> TraceContext | None:
    found = _CLOUD.fullmatch(text)
    if found is None or found[1] == _NO_TRACE:
        return None
    # The span is a decimal number of 64 bits here, and hexadecimal everywhere else.
    number = int(found[2] or 0)
    span_id = f"{number:016x}" if 0 < number < 2**64 else None
    return TraceContext(found[1].lower(), span_id, bool(int(found[3] or 0) & 1))
