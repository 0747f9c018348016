"""A caller's place in a trace is believed only when a header says it exactly as its format does."""

import pytest

from common.telemetry.trace_context import TraceContext, read

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


@pytest.mark.parametrize(("flags", "sampled"), [("01", True), ("00", False), ("03", True), ("02", False)])
def test_a_traceparent_is_read(flags: str, sampled: bool) -> None:
    assert read({"traceparent": f"00-{TRACE}-{SPAN}-{flags}"}) == TraceContext(TRACE, SPAN, sampled)


def test_a_later_version_may_say_more_than_this_one() -> None:
    assert read({"traceparent": f"01-{TRACE}-{SPAN}-01-more"}) == TraceContext(TRACE, SPAN, sampled=True)
    assert read({"traceparent": f"cc-{TRACE}-{SPAN}-01"}) == TraceContext(TRACE, SPAN, sampled=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01\n",
        f" 00-{TRACE}-{SPAN}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-zz",
        "00-sk-planted-secret-0123456789abcdef-00f067aa0ba902b7-01",
        f'00-{TRACE}-{SPAN}-01", "severity": "ERROR',
    ],
)
def test_any_other_traceparent_is_none(text: str) -> None:
    assert read({"traceparent": text}) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{TRACE}/67667974448284343;o=1", TraceContext(TRACE, SPAN, sampled=True)),
        (f"{TRACE.upper()}/67667974448284343;o=0", TraceContext(TRACE, SPAN, sampled=False)),
        (f"{TRACE}/67667974448284343", TraceContext(TRACE, SPAN, sampled=False)),
        (f"{TRACE};o=1", TraceContext(TRACE, None, sampled=True)),
        (TRACE, TraceContext(TRACE, None, sampled=False)),
        (f"{TRACE}/{2**64 - 1}", TraceContext(TRACE, "f" * 16, sampled=False)),
        (f"{TRACE}/{2**64}", TraceContext(TRACE, None, sampled=False)),
        (f"{TRACE}/0", TraceContext(TRACE, None, sampled=False)),
    ],
)
def test_googles_header_is_read(text: str, expected: TraceContext) -> None:
    assert read({"x-cloud-trace-context": text}) == expected


@pytest.mark.parametrize(
    "text", ["", "0" * 32, f"{TRACE}/", f"{TRACE}/span", f"{TRACE};o=9", f"{TRACE}/1;o=1;x", f"{TRACE}/1\n", TRACE[1:]]
)
def test_anything_else_in_googles_header_is_none(text: str) -> None:
    assert read({"x-cloud-trace-context": text}) is None


def test_w3c_goes_before_google_and_a_broken_one_does_not_hide_the_other() -> None:
    google = f"{'a' * 32}/1;o=0"
    assert read({"traceparent": f"00-{TRACE}-{SPAN}-01", "x-cloud-trace-context": google}) == TraceContext(
        TRACE, SPAN, sampled=True
    )
    assert read({"traceparent": "broken", "x-cloud-trace-context": google}) == TraceContext(
        "a" * 32, "0" * 15 + "1", sampled=False
    )
