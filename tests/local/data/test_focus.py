"""The FOCUS loader: every version, awkward files, and errors that name file, row and column."""

import csv
import gzip
import io
import json
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest

from common.warehouse import schema
from local.data import focus
from local.data.__main__ import main
from local.data.focus import Summary
from local.data.focus_file import ERRORS_SHOWN, FocusFileError
from tests.unit.local.data.focus_samples import BASE, FOCUS_1_0, FOCUS_1_3, VERSIONS, as_csv

TODAY = date(2026, 11, 21)
SAMPLE = Path(__file__).parents[5] / "shared" / "data" / "focus_1_0_sample.csv"
REQUIRED = [field.name for field in schema.load("tenant", "cost_data_standard_1_3").fields if field.mode == "REQUIRED"]


def read(path: Path) -> tuple[Summary, list[dict[str, Any]]]:
    out = io.BytesIO()
    summary = focus.convert(path, out, TODAY)
    return summary, [json.loads(line) for line in out.getvalue().splitlines()]


def read_bytes(folder: Path, content: bytes, name: str = "costs.csv") -> tuple[Summary, list[dict[str, Any]]]:
    path = folder / name
    path.write_bytes(content)
    return read(path)


def refusal(folder: Path, content: bytes) -> FocusFileError:
    with pytest.raises(FocusFileError) as caught:
        read_bytes(folder, content)
    return caught.value


@pytest.mark.parametrize("version", VERSIONS)
def test_a_file_of_every_version_fills_every_required_column(tmp_path: Path, version: str) -> None:
    _summary, rows = read_bytes(tmp_path, as_csv([VERSIONS[version]]))
    known = {field.name for field in schema.load("tenant", "cost_data_standard_1_3").fields}
    assert [name for name in REQUIRED if rows[0].get(name) is None] == []
    assert set(rows[0]) <= known


@pytest.mark.parametrize("version", VERSIONS)
def test_every_column_of_every_version_is_kept_as_it_was(tmp_path: Path, version: str) -> None:
    _summary, (row,) = read_bytes(tmp_path, as_csv([VERSIONS[version]]))
    types = {field.name: field.type for field in schema.load("tenant", "cost_data_standard_1_3").fields}
    for name, text in VERSIONS[version].items():
        if name not in types:
            continue
        if text == "NULL":
            assert name not in row
        elif types[name] == "NUMERIC":
            assert Decimal(row[name]) == Decimal(text).quantize(Decimal("1e-9"), ROUND_HALF_UP)
        elif types[name] == "JSON":
            assert row[name] == json.loads(text)
        elif types[name] == "TIMESTAMP":
            assert row[name] == f"{text}+00:00"
        else:
            assert row[name] == text


def test_names_that_older_versions_lack_come_from_those_they_have(tmp_path: Path) -> None:
    source = {name: value for name, value in FOCUS_1_0.items() if name != "InvoiceIssuerName"}
    summary, (row,) = read_bytes(tmp_path, as_csv([source]))
    assert (row["ServiceProviderName"], row["HostProviderName"]) == ("AWS", "AWS")
    assert row["InvoiceIssuerName"] == "Example Publisher"
    assert summary.filled == {
        "ServiceProviderName from ProviderName": 1,
        "HostProviderName from ServiceProviderName": 1,
        "InvoiceIssuerName from PublisherName": 1,
    }


def test_costs_that_are_absent_come_from_the_nearest_cost_and_those_present_stay(tmp_path: Path) -> None:
    rows = [
        FOCUS_1_0 | {"ContractedCost": "NULL", "ListCost": ""},
        FOCUS_1_0 | {"ContractedCost": "0", "ListCost": "0"},
    ]
    _summary, (filled, kept) = read_bytes(tmp_path, as_csv(rows))
    assert (Decimal(filled["ContractedCost"]), Decimal(filled["ListCost"])) == (Decimal("11.5"), Decimal("11.5"))
    assert (Decimal(kept["ContractedCost"]), Decimal(kept["ListCost"])) == (Decimal(0), Decimal(0))


@pytest.mark.parametrize(
    ("provider", "cloud", "genai"),
    [
        ("AWS", "aws", None),
        ("Amazon Web Services", "aws", None),
        ("Amazon Web Services, Inc.", "aws", None),
        ("Microsoft", "azure", None),
        ("Microsoft Azure", "azure", None),
        ("Google Cloud", "gcp", None),
        ("Google", "gcp", None),
        ("Oracle", "oci", None),
        ("OpenAI", None, "openai"),
        ("Anthropic", None, "anthropic"),
        ("Google Gemini", None, "gemini"),
        ("Awsome Hosting", None, None),
        ("GitHub", None, None),
    ],
)
def test_well_known_providers_are_told_apart(
    tmp_path: Path, provider: str, cloud: str | None, genai: str | None
) -> None:
    _summary, (row,) = read_bytes(tmp_path, as_csv([FOCUS_1_0 | {"ProviderName": provider}]))
    assert (row.get("x_cloud_provider"), row.get("x_genai_provider")) == (cloud, genai)
    assert row.get("x_cloud_account_id") == ("sub-1" if cloud else None)


def test_columns_the_table_does_not_have_are_left_out_and_named(tmp_path: Path) -> None:
    summary, (row,) = read_bytes(tmp_path, as_csv([FOCUS_1_0 | {"x_Own": "1", "x_org_slug": "other_org"}]))
    assert summary.ignored_columns == ("AvailabilityZone", "x_Own", "x_org_slug")
    assert row["x_org_slug"] == "focus_inc"
    assert "AvailabilityZone, x_Own, x_org_slug" in summary.text


def test_byte_order_mark_crlf_and_quoted_line_ends_are_read(tmp_path: Path) -> None:
    rows = [FOCUS_1_0 | {"ChargeDescription": 'two\r\nlines, "quoted"'}, FOCUS_1_0 | {"ChargeDescription": "größer"}]
    summary, read_rows = read_bytes(tmp_path, b"\xef\xbb\xbf" + as_csv(rows, "\r\n"))
    assert summary.rows == 2
    assert [row["ChargeDescription"] for row in read_rows] == ['two\r\nlines, "quoted"', "größer"]


def test_a_compressed_file_is_read_whatever_its_name(tmp_path: Path) -> None:
    _summary, rows = read_bytes(tmp_path, gzip.compress(as_csv([FOCUS_1_3])), "costs.csv.gz")
    assert rows[0]["ServiceProviderName"] == "Example SaaS"
    assert read_bytes(tmp_path, gzip.compress(as_csv([FOCUS_1_3])), "costs.csv")[1] == [
        rows[0] | {"x_source_system": "costs.csv"}
    ]


def test_blank_rows_are_skipped_but_counted_as_a_spreadsheet_counts_them(tmp_path: Path) -> None:
    header, row = as_csv([FOCUS_1_0]).splitlines()
    empty = b"," * (len(FOCUS_1_0) - 1)
    error = refusal(tmp_path, b"\n".join([header, b"", row, empty, row.replace(b"12.345678901234", b"lots")]))
    assert [(problem.row, problem.column) for problem in error.problems] == [(5, "BilledCost")]


def test_a_row_after_a_quoted_line_end_is_named_as_a_spreadsheet_names_it(tmp_path: Path) -> None:
    rows = [FOCUS_1_0 | {"ChargeDescription": "a\nb\nc"}, FOCUS_1_0 | {"BilledCost": "twelve"}]
    error = refusal(tmp_path, as_csv(rows))
    assert [(problem.row, problem.column) for problem in error.problems] == [(3, "BilledCost")]
    assert "costs.csv, row 3, column BilledCost: 'twelve' is not a number" in str(error)


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"BilledCost": "1,5"}, "BilledCost"),
        ({"ListCost": "NaN"}, "ListCost"),
        ({"ChargePeriodStart": "30/09/2024"}, "ChargePeriodStart"),
        ({"BillingPeriodEnd": "NULL"}, "BillingPeriodEnd"),
        ({"Tags": "team=data"}, "Tags"),
        ({"ServiceName": ""}, "ServiceName"),
        ({"BilledCost": "NULL"}, "BilledCost"),
        ({"ProviderName": "NULL"}, "ServiceProviderName"),
    ],
)
def test_a_cell_that_cannot_be_read_is_named_by_row_and_column(
    tmp_path: Path, change: dict[str, str], column: str
) -> None:
    error = refusal(tmp_path, as_csv([FOCUS_1_0, FOCUS_1_0 | change]))
    assert (error.problems[0].row, error.problems[0].column) == (3, column)


def test_a_row_with_too_few_or_too_many_fields_is_named(tmp_path: Path) -> None:
    content = as_csv([FOCUS_1_0])
    row = content.splitlines()[1]
    error = refusal(tmp_path, content + row + b",extra\n" + b"one,two\n")
    assert [(problem.row, problem.column) for problem in error.problems] == [(3, None), (4, None)]
    assert f"{len(FOCUS_1_0) + 1} fields where the header has {len(FOCUS_1_0)}" in str(error)


def test_the_first_errors_are_shown_together_and_the_rest_counted(tmp_path: Path) -> None:
    error = refusal(tmp_path, as_csv([FOCUS_1_0 | {"BilledCost": "x"}] * 1234))
    assert len(error.problems) == ERRORS_SHOWN
    assert [problem.row for problem in error.problems] == list(range(2, 12))
    assert error.total == 1234
    assert str(error).splitlines()[-1] == "… and 1,224 more"


def test_every_required_column_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    error = refusal(
        tmp_path, as_csv([{name: BASE[name] for name in ("BilledCost", "ServiceName", "ChargePeriodStart")}])
    )
    named = {problem.column for problem in error.problems}
    assert {"BillingAccountId", "BillingCurrency", "ChargeCategory", "EffectiveCost"} <= named
    assert all(problem.row == 1 for problem in error.problems)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"\n\n", "there is no header"),
        (b"a,b,c\n1,2,3\n", "no FOCUS columns"),
        (as_csv([FOCUS_1_0]).replace(b",", b";"), "separated by commas"),
        (as_csv([FOCUS_1_0]).decode().encode("utf-16"), "UTF-16"),
        (b"\x89PNG\r\n\x1a\n\0\0", "the header is not UTF-8"),
        (b"\x1f\x8bnot gzip at all", "cannot be read"),
        (gzip.compress(as_csv([FOCUS_1_0] * 50))[:-20], "damaged or ends too early"),
        (as_csv([FOCUS_1_0]).splitlines()[0] + b"\n", "no rows"),
        (as_csv([FOCUS_1_0]) + b'"never closed,1,2\n3,4\n', "row 3: a quotation mark is opened here and never closed"),
        (as_csv([FOCUS_1_0]).replace(b"\n", b"\r"), "CR alone"),
    ],
)
def test_what_is_not_a_focus_file_is_said_plainly(tmp_path: Path, content: bytes, said: str) -> None:
    assert said in str(refusal(tmp_path, content))


def test_a_column_twice_in_the_header_is_refused_whatever_its_case(tmp_path: Path) -> None:
    header, row = as_csv([FOCUS_1_0]).splitlines()
    error = refusal(tmp_path, header + b",billedcost\n" + row + b",1\n")
    assert [problem.column for problem in error.problems] == ["BilledCost", "billedcost"]


def test_bytes_that_are_not_utf_8_are_named_by_row_and_column(tmp_path: Path) -> None:
    content = as_csv([FOCUS_1_0, FOCUS_1_0 | {"ServiceName": "Größe"}]).decode().encode("latin-1")
    error = refusal(tmp_path, content)
    assert [(problem.row, problem.column) for problem in error.problems] == [(3, "ServiceName")]


def test_a_nul_byte_is_named_by_row_and_column(tmp_path: Path) -> None:
    error = refusal(tmp_path, as_csv([FOCUS_1_0]).replace(b"Machines", b"Mach\0ines"))
    assert [(problem.row, problem.column) for problem in error.problems] == [(2, "ServiceName")]


def test_the_summary_says_period_currencies_and_providers(tmp_path: Path) -> None:
    rows = [FOCUS_1_0, FOCUS_1_0 | {"ChargePeriodStart": "2024-09-01", "BillingCurrency": "EUR"}, FOCUS_1_0]
    summary, _rows = read_bytes(tmp_path, as_csv(rows))
    assert (summary.first_day, summary.last_day) == (date(2024, 9, 1), date(2024, 9, 30))
    assert summary.currencies == ("USD", "EUR")
    assert summary.providers == ("AWS",)
    assert "costs.csv: 3 rows, 2024-09-01 to 2024-09-30, USD, EUR, AWS" in summary.text


def test_progress_reaches_the_size_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "costs.csv"
    path.write_bytes(as_csv([FOCUS_1_0] * 500))
    positions: list[int] = []
    focus.convert(path, io.BytesIO(), TODAY, positions.append)
    assert positions == sorted(positions)
    assert positions[-1] == path.stat().st_size


def test_the_command_says_what_is_wrong_and_exits_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "costs.csv"
    path.write_bytes(as_csv([FOCUS_1_0 | {"BilledCost": "x"}]))
    assert main(["--check", "--focus", str(path)]) == 2
    assert "row 2, column BilledCost" in capsys.readouterr().err
    path.write_bytes(as_csv([FOCUS_1_0]))
    assert main(["--check", "--focus", str(path)]) == 0
    assert "1 rows" in capsys.readouterr().out
    assert main(["--check", "--focus", str(tmp_path / "missing.csv")]) == 2


@pytest.mark.skipif(not SAMPLE.exists(), reason="the sample FOCUS file is not beside this checkout")
def test_the_sample_export_is_read_to_the_last_digit() -> None:
    summary, rows = read(SAMPLE)
    with SAMPLE.open(encoding="utf-8", newline="") as file:
        source = list(csv.DictReader(file))
    step = Decimal("1e-9")
    for column in ("BilledCost", "EffectiveCost", "ListCost"):
        expected = [Decimal(row[column]).quantize(step, ROUND_HALF_UP) for row in source]
        assert [Decimal(row[column]) for row in rows] == expected
    assert summary.rows == len(source) == 448
    assert summary.ignored_columns == ("AvailabilityZone", "Id")
    assert {row["x_cloud_provider"] for row in rows} == {"aws", "azure", "oci"}
