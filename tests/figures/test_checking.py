"""A figure is verified by what the turn has read, at its own precision, or by the figures beside it."""

# ruff: noqa: E501  # tables of texts

from typing import Any

import pytest

from common.figures.checking import MOST_NAMED, unverified_figures
from common.figures.sources import Sources

MONTH = {"start_date": "2026-10-01", "end_date": "2026-10-31"}
ROWS = [
    {"provider": "AWS", "billed_cost": 6234.5678, "line_items": 1240, "pct": 62.3457, "change": -312.5, "currency": "USD"},
    {"provider": "Azure", "billed_cost": 2765.4322, "line_items": 310, "pct": 27.6543, "change": 44.1, "currency": "USD"},
    {"provider": "GCP", "billed_cost": 1000.0, "line_items": 95, "pct": 10.0, "change": 0.0, "currency": "USD"},
]  # fmt: skip
RESULT = {
    "rows": ROWS,
    "row_count": 3,
    "summary": {"period": MONTH, "totals": [{"billed_cost": 10000.0, "currency": "USD"}], "notes": ["7 days of 2026-10 are missing."]},
    "sql": "SELECT 4711 FROM t LIMIT 8888",
    "parameters": {"limit": 777},
    "bytes_processed": 10_485_760,
}  # fmt: skip


def unverified(
    text: str, *results: Any, question: str = "What did we spend in October 2026, at most 40 rows?"
) -> list[str]:
    sources = Sources()
    for result in results or (RESULT,):
        sources.add(result)
    sources.say(question)
    return list(unverified_figures(text, sources))


@pytest.mark.parametrize(
    "text",
    [
        "AWS cost 6,234.57 USD.", "AWS cost 6.234,57 USD.", "AWS cost 6 234,57 USD.", "AWS cost about 6,200 USD.", "AWS cost 6.2k USD.",
        "AWS cost $6,235.", "AWS is 62.3 % of it.", "AWS is 62 percent.", "In all USD 10k.", "In all 0.01M USD.",
        "It fell by 312.50 USD.", "The change is -312.5.", "1,240 line items, 10.5 MB read, 10 MiB.", "31 days, 3 providers.",
        "In 2026 it was 10,000.00.", "At most 40 rows.", "7 days are missing.", "There is 1 with more, 1 with less.",
    ],
)  # fmt: skip
def test_a_figure_that_was_read_is_verified_at_its_own_precision(text: str) -> None:
    assert not unverified(text)


@pytest.mark.parametrize(
    ("text", "figure"),
    [
        ("AWS cost 6,234.58 USD.", "6,234.58"), ("AWS cost 6.3k USD.", "6.3k"), ("AWS is 63.4 % of it.", "63.4"),
        ("The change is +312.5.", "+312.5"), ("In all $10,500.", "$10,500"), ("There are 412 line items.", "412"),
        ("It was 4711, or 8888.", "4711"), ("It was 777 at most.", "777"), ("There are 19 providers.", "19"),
        ("In all 20 million USD.", "20"), ("`6,999.99` USD", "6,999.99"), ("\"We spent 6,999.99 USD\"", "6,999.99"),
    ],
)  # fmt: skip
def test_a_figure_that_stands_nowhere_is_named_as_it_is_written(text: str, figure: str) -> None:
    assert unverified(text)[0] == figure


@pytest.mark.parametrize(
    "text",
    [
        "AWS cost 6,234.57 and Azure 2,765.43, together 9,000.00.",
        "AWS cost 6,234.57 and Azure 2,765.43: 3,469.14 more.",
        "AWS cost 6,234.57 and Azure 2,765.43, which is 125.4 % more.",
        "AWS and Azure cost 6,234.57 and 2,765.43 of 10,000.00, 90 % of all, and others 1,000.00.",
        "AWS cost 6,234.57 in 31 days, 201.12 a day.",
        "| Provider | Cost |\n|---|---|\n| AWS | 6,234.57 |\n| Azure | 2,765.43 |\n| **Both** | **9,000.00** |",
        "- AWS: 6,234.57\n- Azure: 2,765.43\n\nThese two are 9,000.00.",
        "AWS cost 6,234.57, Azure 2,765.43: 9,000.00 in all, or 90.0 % of 10,000.00.",
    ],
)
def test_what_follows_from_shown_figures_is_verified(text: str) -> None:
    assert not unverified(text)


def test_a_column_is_data_whatever_its_name() -> None:
    result = {"rows": [{"run": "a", "duration_ms": 234_196}], "duration_ms": 512}
    assert not unverified("It took 234,196 ms.", result)
    assert unverified("It took 512 ms.", result) == ["512"]


def test_what_does_not_follow_is_not() -> None:
    assert unverified("AWS cost 6,234.57 and Azure 2,765.43, together 9,100.00.") == ["9,100.00"]
    assert unverified("AWS cost 6,234.57 and Azure 2,765.43, which is 135.4 % more.") == ["135.4"]


def test_two_currencies_are_never_added_up() -> None:
    rows = [
        {"provider": "AWS", "cost": 6234.57, "currency": "USD"},
        {"provider": "Jira", "cost": 500.25, "currency": "EUR"},
    ]
    assert unverified("USD 6,234.57 and EUR 500.25.", {"rows": rows}) == []
    assert unverified("USD 6,234.57 and EUR 500.25, so USD 6,734.82.", {"rows": rows}) == ["6,734.82"]


def test_a_short_figure_has_to_stand_in_the_row_that_its_line_names() -> None:
    table = "| Provider | Cost | Share |\n|---|---:|---:|\n| AWS | USD 6,234.57 | {}% |\n| Azure | USD 2,765.43 | 27.7% |\n| GCP | USD 1,000.00 | 10.0% |"
    assert unverified(table.format("62.3")) == []
    assert unverified(table.format("10.0")) == ["10.0%"]
    assert unverified("- **AWS**: 27.7 %") == ["27.7"]


def test_an_error_is_read_too_and_nothing_verifies_nothing() -> None:
    assert unverified("At most 500 rows are read.", {"error": {"code": "x", "message": "At most 500 rows."}}) == []
    assert unverified("You spent 12,345.67 USD.", {"error": {"code": "x", "message": "It failed."}}) == ["12,345.67"]


def test_figures_are_named_once_in_order_and_so_many() -> None:
    assert unverified("9,001 and 9,002 and 9,001") == ["9,001", "9,002"]
    assert len(unverified(" and ".join(f"{number}.77" for number in range(100_000, 100_200)))) == MOST_NAMED


def test_an_answer_without_figures_is_fine() -> None:
    assert unverified("Nothing was spent. Ask for another month.") == unverified("") == []


def test_numbers_beyond_measure_and_nesting_without_end_are_left_aside() -> None:
    deep: Any = 4711.25
    for _ in range(900):
        deep = [deep]
    rows = [{"cost": 10**400, "currency": "USD"}, {"cost": float("inf")}, {"cost": float("nan")}, {"cost": 12.5}]
    assert unverified("It is 12.50, or 4,711.25.", {"rows": rows, "deep": deep}) == ["4,711.25"]
