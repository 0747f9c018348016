"""A title that says what was asked, with the days and filters that it was read as."""

from datetime import date
from typing import Any

import pytest

from common import limits
from common.transcript.titles import days_in_words, title_after

QUESTION = "What did we spend per provider last month?"


def result(start: str = "2026-10-01", end: str = "2026-10-31", **filters: Any) -> dict[str, Any]:
    return {"summary": {"period": {"start_date": start, "end_date": end}, "filters": filters}}


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        ((2026, 10, 1), (2026, 10, 31), "Oct 2026"),
        ((2024, 2, 1), (2024, 2, 29), "Feb 2024"),
        ((2026, 1, 1), (2026, 12, 31), "2026"),
        ((2026, 10, 3), (2026, 10, 3), "3 Oct 2026"),
        ((2026, 10, 3), (2026, 10, 14), "3–14 Oct 2026"),
        ((2026, 7, 1), (2026, 9, 30), "1 Jul – 30 Sep 2026"),
        ((2025, 12, 30), (2026, 1, 2), "30 Dec 2025 – 2 Jan 2026"),
    ],
)
def test_days_are_said_as_shortly_as_they_can_be(start: Any, end: Any, words: str) -> None:
    assert days_in_words(date(*start), date(*end)) == words


@pytest.mark.parametrize(
    ("question", "results", "title"),
    [
        (QUESTION, [result()], f"{QUESTION} · Oct 2026"),
        (QUESTION, [result("2026-09-01", "2026-09-30"), result()], f"{QUESTION} · Oct 2026"),
        (QUESTION, [result(provider="AWS", region=["eu-west-1", "us-east-1"])],
         f"{QUESTION} · Oct 2026 · AWS · eu-west-1 · us-east-1"),
        ("And for aws in October 2026?", [result(provider="AWS")], "And for aws in October 2026?"),
        (QUESTION, [{"summary": {"current": {"start_date": "2026-10-01", "end_date": "2026-10-31"}}}],
         f"{QUESTION} · Oct 2026"),
        (QUESTION, [], QUESTION),
        (QUESTION, [{"rows": []}, {"summary": None}, {"summary": {"period": "MTD"}}], QUESTION),
        (QUESTION, [{"summary": {"period": {"start_date": "soon", "end_date": None}}}], QUESTION),
        (QUESTION, [result(limit=3, provider=None, tags={"a": "b"}, team=" ")], f"{QUESTION} · Oct 2026"),
    ],
)  # fmt: skip
def test_a_title_has_what_the_question_does_not_say(question: str, results: list[Any], title: str) -> None:
    assert title_after(question, results) == title


def test_a_title_is_never_too_long() -> None:
    title = title_after("x" * 10_000, [result(provider="y" * 500)])
    assert len(title) == limits.NEW_TITLE_CHARS
    assert "… · Oct 2026 · yy" in title
