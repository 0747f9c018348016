"""Cells of FOCUS files: what is read, how it is rounded, and what is refused."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from local.data import focus_values
from local.data.focus_values import ValueProblem


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("0", "0"),
        ("-0.000", "0"),
        ("1234.5", "1234.500000000"),
        (" 12 ", "12.000000000"),
        ("+.5", "0.500000000"),
        ("7.", "7.000000000"),
        ("1.2e-7", "0.000000120"),
        ("4.8E+3", "4800.000000000"),
        ("2.000000000000000", "2.000000000"),
        ("0.0000000005", "0.000000001"),
        ("-0.0000000005", "-0.000000001"),
        ("0.0000000025", "0.000000003"),
        ("0.00000000049999999999999", "0"),
        ("1e-9999", "0"),
        ("99999999999999999999999999999.999999999", "99999999999999999999999999999.999999999"),
    ],
)
def test_a_number_is_rounded_half_away_from_zero_to_nine_decimals(text: str, stored: str) -> None:
    assert Decimal(json.loads(focus_values.numeric(text))) == Decimal(stored)
    assert "E" not in focus_values.numeric(text)


@pytest.mark.parametrize(
    "text",
    [
        "abc", "1,234.50", "$5", "NaN", "Infinity", "1_000", "٣", "1e", "--1", "0x10", "1 2", "1e30", "1e9999",
        "1e99999",
        "99999999999999999999999999999.9999999995",
    ],
)  # fmt: skip
def test_what_is_not_a_number_or_too_large_is_refused(text: str) -> None:
    with pytest.raises(ValueProblem):
        focus_values.numeric(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-09-01", datetime(2024, 9, 1, tzinfo=UTC)),
        ("2024-09-01 22:30:15", datetime(2024, 9, 1, 22, 30, 15, tzinfo=UTC)),
        ("2024-09-01T22:30", datetime(2024, 9, 1, 22, 30, tzinfo=UTC)),
        ("2024-09-01T22:30:15Z", datetime(2024, 9, 1, 22, 30, 15, tzinfo=UTC)),
        ("2024-09-01t22:30:15z", datetime(2024, 9, 1, 22, 30, 15, tzinfo=UTC)),
        ("2024-09-01 22:30:15 UTC", datetime(2024, 9, 1, 22, 30, 15, tzinfo=UTC)),
        ("2024-09-01 22:30:15 +02:00", datetime(2024, 9, 1, 20, 30, 15, tzinfo=UTC)),
        ("2024-09-01T22:30:15-0530", datetime(2024, 9, 2, 4, 0, 15, tzinfo=UTC)),
        ("2024-09-01T22:30:15.5Z", datetime(2024, 9, 1, 22, 30, 15, 500_000, tzinfo=UTC)),
        ("2024-09-01T22:30:15.1234567Z", datetime(2024, 9, 1, 22, 30, 15, 123_456, tzinfo=UTC)),
        ("2024-09-01T22:30:15.123456789+00:00", datetime(2024, 9, 1, 22, 30, 15, 123_456, tzinfo=UTC)),
        (" 2024-02-29 ", datetime(2024, 2, 29, tzinfo=UTC)),
    ],
)
def test_a_date_is_read_in_every_iso_form_and_is_utc_where_no_zone_is_given(text: str, moment: datetime) -> None:
    assert datetime.fromisoformat(json.loads(focus_values.timestamp(text))) == moment


@pytest.mark.parametrize(
    "text",
    ["9/1/2024", "01.09.2024", "2024-13-01", "2023-02-29", "2024-09-01T25:00:00Z", "45536", "soon",
     "0001-01-01T00:00+01:00"],
)  # fmt: skip
def test_a_date_that_does_not_exist_or_is_ambiguous_is_refused(text: str) -> None:
    with pytest.raises(ValueProblem):
        focus_values.timestamp(text)


def test_json_is_kept_as_an_object_with_its_own_characters() -> None:
    assert json.loads(focus_values.json_object('{"Straße": "Köln", "n": 1.5, "a": [null]}')) == {
        "Straße": "Köln",
        "n": 1.5,
        "a": [None],
    }


@pytest.mark.parametrize(
    "text", ["team=data", "[1]", '"text"', "{'a': 1}", '{"a": NaN}', '{"a": "\\ud800"}', "[" * 10_000]
)
def test_json_that_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(ValueProblem):
        focus_values.json_object(text)


def test_a_long_cell_is_shortened_in_its_error() -> None:
    with pytest.raises(ValueProblem) as caught:
        focus_values.numeric("x" * 10_000)
    assert len(str(caught.value)) < 200
