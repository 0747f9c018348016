"""The figures of a text are read with their units; dates, ordinals, list numbers, ids and code are none."""

# ruff: noqa: E501  # tables of texts

import pytest

from common.figures.reading import read_figures


def values(text: str) -> list[set[float]]:
    return [{round(value, 6) for value, _ in figure.readings} for figure in read_figures(text)]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("1,234.56", 1234.56),
        ("1.234,56", 1234.56),
        ("1 234,56", 1234.56),
        ("1\u202f234", 1234),
        ("1'234.50", 1234.5),
        ("12,34,567", 1234567),
        ("1,234,567", 1234567),
        ("1.234.567", 1234567),
        ("0.001", 0.001),
        ("1.2k", 1200),
        ("1.2 k", 1200),
        ("3.4M", 3_400_000),
        ("USD 1.2 million", 1_200_000),
        ("2 bn", 2_000_000_000),
        ("$1.5B", 1_500_000_000),
        ("€ 12", 12),
        ("US$99.90", 99.9),
        ("1,5 Mio. EUR", 1_500_000),
        ("12.5 %", 12.5),
        ("12.5 %", 0.125),
        ("12 percent", 0.12),
        ("10 GiB", 10 * 1024**3),
        ("10 GB", 10_000_000_000),
        ("1.5 s", 1500),
        ("2 hours", 7200),
        ("**1,234** USD", 1234),
        ("USD **5.00**", 5),
        ("USD -0.0000040", 0.000004),
        ("`1,234.56`", 1234.56),
    ],
)
def test_a_figure_is_read_however_it_is_written(text: str, meant: float) -> None:
    [read] = values(f"It is {text} in all.")
    assert round(meant, 6) in read


@pytest.mark.parametrize(
    "text",
    [
        "on 2026-10-31 at 12:30", "from 1 to 14 October 2026", "October 1, 2026", "1–14 Nov", "Nov 1-14, 2026", "in May 2026",
        "31.10.2026", "10/31/2026", "2026-10-01T00:00:00Z", "in Q3 2026", "FY2026", "week 45", "at 9 am", "the 3rd of them",
        "1. first\n2) second", "step 4", "#12", "gpt-4.1-mini", "m5.large", "us-east-1", "n1-standard-4", "EC2", "i-0abc123",
        "`SELECT 12 FROM t LIMIT 500`", "```sql\nSELECT 1234.5\n```", "https://example.com/a/123?x=45", "a 30-day average",
        "version 2.3.1", "10.0.0.12", "HTTP 404", "FOCUS 1.3", "ENG-202611", "\"Top 3 services\"", "twelve thousand dollars",
        "rule-817ae9d7-3b06-5117-b53f-016188872233",
        "per 1,000 requests, per 1 million tokens",
        "on 25, 24, 23, 22, 21 and 20 November",
    ],
)  # fmt: skip
def test_what_is_no_figure_is_left_out(text: str) -> None:
    assert not [figure.text for figure in read_figures(text)]


def test_a_range_is_two_figures_and_a_dash_in_it_is_no_sign() -> None:
    low, high = read_figures("between 1,000–2,500 USD")
    assert (low.sign, low.number, high.sign, high.number) == (0, "1,000", 0, "2,500")


def test_signs_are_read_where_they_are_signs() -> None:
    assert [figure.sign for figure in read_figures("it fell by -5.5 %, then +3 USD, then (−7), then 8")] == [
        -1,
        1,
        -1,
        0,
    ]


def test_a_word_beside_a_number_is_a_unit_only_if_it_is_one() -> None:
    aws, codes = read_figures("AWS 1,200.50 and CHF12")
    assert (aws.unit, codes.unit) == ("", "CHF")


@pytest.mark.parametrize(
    "piece", ["1,", "1 ", "| 1 ", "1.1.", "1/", "a_", '"', "`", "9", "-1", "Jan 1,", "1 Jan ", "USD "]
)
def test_a_hostile_text_is_read_to_its_end(piece: str) -> None:
    assert len(read_figures(piece * (200_000 // len(piece)))) >= 0
