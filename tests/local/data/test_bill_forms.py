"""Every form that a bill is exported in: its sums are those of the rows that were written, added in plain Python."""

import bz2
import csv
import gzip
import io
import json
import lzma
import zipfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from tests.local.data.bill_reading import Row, read
from tests.local.data.focus_samples import FOCUS_1_0, FOCUS_1_2, FOCUS_1_3, VERSIONS, as_csv

Cells = Mapping[str, str]
Write = Callable[[Path], "list[Path]"]
Sums = dict[tuple[str, str, str], tuple[Decimal, Decimal]]

ROWS = [
    FOCUS_1_0 | {"BilledCost": "10.50", "EffectiveCost": "9.25", "ServiceName": "Machines"},
    FOCUS_1_0 | {"BilledCost": "0.25", "EffectiveCost": "0.2", "ServiceName": "Buckets", "ListCost": "0.000000001"},
    FOCUS_1_0 | {"BilledCost": "-2.00", "EffectiveCost": "-2", "ChargeCategory": "Credit"},
    FOCUS_1_0 | {"BilledCost": "12345678901234.567891234", "EffectiveCost": "1.5E+2", "BillingCurrency": "EUR"},
    FOCUS_1_0 | {"ChargeDescription": 'two\nlines; with, marks | "and" tabs\t', "ServiceName": "Größe"},
]
PLAIN = as_csv(ROWS)
HEADER, *_ = PLAIN.splitlines(keepends=True)


def sums_of_cells(rows: Sequence[Cells]) -> Sums:
    """Add the costs up as a person with a pocket calculator would."""
    sums: defaultdict[tuple[str, str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for row in rows:
        key = row["ServiceName"], row["BillingCurrency"], row["ChargeCategory"]
        for place, column in enumerate(("BilledCost", "EffectiveCost")):
            sums[key][place] += round(Decimal(row[column]), 9)
    return {key: (billed, effective) for key, (billed, effective) in sums.items()}


def sums_of_rows(rows: Sequence[Row]) -> Sums:
    sums: Sums = {}
    for row in rows:
        key = row["ServiceName"], row["BillingCurrency"], row["ChargeCategory"]
        billed, effective = sums.get(key, (Decimal(0), Decimal(0)))
        sums[key] = billed + row["BilledCost"], effective + row["EffectiveCost"]
    return sums


def separated(separator: str, rows: Sequence[Cells] = ROWS, line_end: str = "\n", **options: int) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=separator, lineterminator=line_end, **options)  # type: ignore[arg-type]
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def file(name: str, content: bytes) -> Write:
    def write(folder: Path) -> list[Path]:
        (folder / name).write_bytes(content)
        return [folder / name]

    return write


def folder(**contents: bytes) -> Write:
    """Parts in a folder; two underscores stand for a slash."""

    def write(place: Path) -> list[Path]:
        for name, content in contents.items():
            path = place / "export" / name.replace("__", "/").replace("_dot_", ".").replace("_is_", "=")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return [place / "export"]

    return write


def zipped(**contents: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name.replace("_dot_", "."), content)
    return made.getvalue()


def json_lines(rows: Sequence[Cells]) -> bytes:
    """Costs as JSON numbers with all their digits, tags as objects, empty cells as null."""
    lines = []
    for row in rows:
        members = []
        for name, text in row.items():
            is_bare = name.endswith("Cost") or name == "Tags" or text == "NULL"
            written = text.lower() if text == "NULL" else text if is_bare else json.dumps(text)
            members.append(f"{json.dumps(name)}: {written}")
        lines.append("{" + ", ".join(members) + "}")
    return "\n".join(lines).replace("1.5E+2", "1.5e2").encode()


def json_array(rows: Sequence[Cells]) -> bytes:
    return b"[\n  " + json_lines(rows).replace(b"}\n{", b"},\n  {") + b"\n]\n"


def parquet(select: str) -> Write:
    """A Parquet file of the rows, whose columns have the types that a warehouse gives them."""

    def write(place: Path) -> list[Path]:
        source, made = place / "source.csv", place / "bill.parquet"
        source.write_bytes(PLAIN)
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(
                f"COPY (SELECT {select} FROM read_csv('{source}', all_varchar = true, nullstr = 'NULL')) "
                f"TO '{made}' (FORMAT parquet)"
            )
        source.unlink()
        return [made]

    return write


TYPED = """* REPLACE (
    CAST(BilledCost AS DECIMAL(38, 10)) AS BilledCost, CAST(EffectiveCost AS DOUBLE) AS EffectiveCost,
    CAST(ChargePeriodStart AS TIMESTAMPTZ) AS ChargePeriodStart,
    CAST(ChargePeriodEnd AS TIMESTAMP_NS) AS ChargePeriodEnd,
    CAST(BillingPeriodStart AS DATE) AS BillingPeriodStart, CAST(BillingPeriodEnd AS TIMESTAMP_S) AS BillingPeriodEnd,
    MAP {'team': 'data'} AS Tags)"""
STRUCTS = "* REPLACE ({'team': 'data', 'none': NULL} AS Tags)"
PAIRS = "* REPLACE ([{'key': 'team', 'value': 'data'}] AS Tags)"
BYTES = "* REPLACE (encode(ServiceName) AS ServiceName)"

FORMS: dict[str, Write] = {
    "csv": file("bill.csv", PLAIN),
    "a name with marks": file("it's a $bill (1) é.csv", PLAIN),
    "crlf": file("bill.csv", as_csv(ROWS, "\r\n")),
    "cr alone": file("bill.csv", separated(",", line_end="\r").encode()),
    "all quoted": file("bill.csv", separated(",", quoting=csv.QUOTE_ALL).encode()),
    "utf-8 with a mark": file("bill.csv", b"\xef\xbb\xbf" + PLAIN),
    "utf-8 with a mark, quoted": file("bill.csv", b"\xef\xbb\xbf" + separated(",", quoting=csv.QUOTE_ALL).encode()),
    "utf-16 little": file("bill.csv", b"\xff\xfe" + PLAIN.decode().encode("utf-16-le")),
    "utf-16 big": file("bill.csv", b"\xfe\xff" + PLAIN.decode().encode("utf-16-be")),
    "utf-16 little without a mark": file("bill.csv", PLAIN.decode().encode("utf-16-le")),
    "utf-16 big without a mark": file("bill.csv", PLAIN.decode().encode("utf-16-be")),
    "utf-16 with tabs": file("bill.txt", separated("\t").encode("utf-16")),
    "tabs": file("bill.tsv", separated("\t").encode()),
    "semicolons": file("bill.csv", separated(";").encode()),
    "pipes": file("bill.csv", separated("|").encode()),
    "sep= of Excel": file("bill.csv", b"sep=;\r\n" + separated(";", line_end="\r\n").encode()),
    "sep= with a mark": file("bill.csv", b"\xef\xbb\xbfsep=,\n" + PLAIN),
    "lines above the header": file("bill.csv", b"# exported by finance\n\nMonth;2024-09\n" + PLAIN),
    "blank lines at the end": file("bill.csv", PLAIN + b"\n\n\n"),
    "rows without a cell": file("bill.csv", PLAIN + b"," * (len(ROWS[0]) - 1) + b"\n"),
    "an unnamed column": file("bill.csv", b"".join(
        line.rstrip(b"\n") + b",\n" for line in as_csv(ROWS[:4]).splitlines(keepends=True)
    ) + as_csv(ROWS[4:]).split(b"\n", 1)[1].rstrip(b"\n") + b",\n"),
    "a separator at the end of rows": file("bill.csv", HEADER + b"".join(
        line.rstrip(b"\n") + b",\n" for line in as_csv(ROWS[:4]).splitlines(keepends=True)[1:]
    ) + as_csv(ROWS[4:]).split(b"\n", 1)[1]),
    "headers in lower case": file("bill.csv", HEADER.lower() + PLAIN[len(HEADER):]),
    "headers in upper case": file("bill.csv", HEADER.upper() + PLAIN[len(HEADER):]),
    "headers with spaces": file("bill.csv", HEADER.replace(b"BilledCost", b" Billed Cost ") + PLAIN[len(HEADER):]),
    "headers with underscores": file("bill.csv", HEADER.replace(b"BilledCost", b"billed_cost") + PLAIN[len(HEADER):]),
    "quotes after a backslash": file("bill.csv", PLAIN.replace(b'""', b'\\"')),
    "a quote in a field": file("bill.csv", PLAIN.replace(b"Hours of a machine", b'24" monitor')),
    "gzip": file("bill.csv.gz", gzip.compress(PLAIN)),
    "gzip, named csv": file("bill.csv", gzip.compress(PLAIN)),
    "named gz, not packed": file("bill.csv.gz", PLAIN),
    "gzip twice": file("bill.csv.gz", gzip.compress(gzip.compress(PLAIN))),
    "gzip in members with headers": file("bill.csv.gz", b"".join(gzip.compress(as_csv([row])) for row in ROWS)),
    "gzip in members with headers, without line ends": file(
        "bill.csv.gz", b"".join(gzip.compress(as_csv([row]).rstrip(b"\n")) for row in ROWS)
    ),
    "gzip in members without headers": file(
        "bill.csv.gz", gzip.compress(as_csv(ROWS[:1])) + gzip.compress(as_csv(ROWS[1:]).split(b"\n", 1)[1])
    ),
    "gzip in members cut anywhere": file("bill.csv.gz", gzip.compress(PLAIN[:777]) + gzip.compress(PLAIN[777:])),
    "gzip padded with zeros": file("bill.csv.gz", gzip.compress(PLAIN) + b"\0" * 512),
    "bzip2": file("bill.csv.bz2", bz2.compress(PLAIN[:500]) + bz2.compress(PLAIN[500:])),
    "xz": file("bill.csv.xz", lzma.compress(PLAIN)),
    "zip": file("bill.zip", zipped(bill_dot_csv=PLAIN)),
    "zip in parts with a manifest": file("bill.zip", zipped(
        a_dot_csv=as_csv(ROWS[:2]), b_dot_csv=as_csv(ROWS[2:]), manifest_dot_json=b'{"files": 2}'
    )),
    "zip of gzip": file("bill.zip", zipped(a_dot_csv=gzip.compress(PLAIN))),
    "json lines": file("bill.jsonl", json_lines(ROWS)),
    "json array": file("bill.json", json_array(ROWS)),
    "json lines, packed": file("bill.json.gz", gzip.compress(json_lines(ROWS))),
    "parquet of texts": parquet("*"),
    "parquet of types": parquet(TYPED),
    "parquet with a struct": parquet(STRUCTS),
    "parquet with pairs": parquet(PAIRS),
    "parquet with bytes": parquet(BYTES),
    "a folder in parts": folder(
        part_0_dot_csv=as_csv(ROWS[:1]), part_1_dot_csv=gzip.compress(as_csv(ROWS[1:])), _SUCCESS=b"",
        manifest_dot_json=b"{}",
    ),
    "a folder in partitions": folder(
        BILLING_PERIOD_is_2024_09__a_dot_csv=as_csv(ROWS[:3]), BILLING_PERIOD_is_2024_10__a_dot_csv=as_csv(ROWS[3:])
    ),
    "parts of several kinds": folder(
        a_dot_csv=as_csv(ROWS[:3]), b_dot_jsonl=json_lines(ROWS[3:4]), c_dot_tsv=separated("\t", ROWS[4:]).encode()
    ),
    "a part without rows": folder(a_dot_csv=PLAIN, b_dot_csv=HEADER),
    "files put one behind the other": file("bill.csv", as_csv(ROWS[:2]) + as_csv(ROWS[2:])),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_bill_of_every_form_sums_to_what_was_written(tmp_path: Path, form: str) -> None:
    summary, rows = read(FORMS[form](tmp_path))
    assert sums_of_rows(rows) == sums_of_cells(ROWS)
    assert summary.rows == len(ROWS)
    assert all(row["Tags"]["team"] == "data" for row in rows)
    assert {row["ChargePeriodStart"] for row in rows} == {datetime(2024, 9, 30, tzinfo=UTC)}
    assert {row["BillingPeriodStart"] for row in rows} == {datetime(2024, 9, 1, tzinfo=UTC)}


def test_texts_are_kept_to_the_last_character(tmp_path: Path) -> None:
    _summary, rows = read(file("bill.csv", PLAIN)(tmp_path))
    assert rows[4]["ChargeDescription"] == ROWS[4]["ChargeDescription"]
    formula = [FOCUS_1_0 | {"ServiceName": '=HYPERLINK("http://x","y")'}]
    assert read(file("bill.csv", as_csv(formula))(tmp_path))[1][0]["ServiceName"] == formula[0]["ServiceName"]


NUMBERS = {
    "a decimal comma": (";", ["10,50", "-0,000000001", "1234,5"], ["10.50", "-0.000000001", "1234.5"]),
    "a decimal comma and points": (";", ["1.234,56", "-1.234.567,8", "1.234"], ["1234.56", "-1234567.8", "1234"]),
    "a decimal comma and spaces": (";", ["1\u202f234,56", "1 234 567,8", "5"], ["1234.56", "1234567.8", "5"]),
    "commas between thousands": (",", ["1,234.56", "-1,234,567.8", "1,234"], ["1234.56", "-1234567.8", "1234"]),
    "brackets for less than nothing": (",", ["(12.34)", "(1,234.50)", "5"], ["-12.34", "-1234.50", "5"]),
    "exponents": (",", ["1.5E+2", "4.0e-7", "0E-11"], ["150", "0.0000004", "0"]),
    "many digits": (",", ["0.0000000005", "-0.0000000004", "1e-40"], ["0.000000001", "0", "0"]),
    "no digit before the point": (",", [".5", "5.", "+1"], ["0.5", "5", "1"]),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_a_bill_whose_numbers_are_written_in_one_way_sums_to_them(tmp_path: Path, kind: str) -> None:
    separator, written, meant = NUMBERS[kind]
    others = {"EffectiveCost": "1", "ContractedCost": "1", "ListCost": "1", "PricingQuantity": "1"}
    rows = [FOCUS_1_0 | others | {"BilledCost": text} for text in written]
    _summary, found = read(file("bill.csv", separated(separator, rows).encode())(tmp_path))
    assert [row["BilledCost"] for row in found] == [Decimal(text) for text in meant]


MOMENTS = {
    "2026-10-05T00:00:00Z": datetime(2026, 10, 5, tzinfo=UTC),
    "2026-10-05T00:00Z": datetime(2026, 10, 5, tzinfo=UTC),
    "2026-10-05": datetime(2026, 10, 5, tzinfo=UTC),
    "2026-10-05 00:00:00 UTC": datetime(2026, 10, 5, tzinfo=UTC),
    "2026-10-05 00:00:00.123456 UTC": datetime(2026, 10, 5, 0, 0, 0, 123456, tzinfo=UTC),
    "2026-10-05 00:00:00.123456789": datetime(2026, 10, 5, 0, 0, 0, 123456, tzinfo=UTC),
    "2026-10-05T00:00:00+05:30": datetime(2026, 10, 4, 18, 30, tzinfo=UTC),
    "2026-10-05T00:00:00+0530": datetime(2026, 10, 4, 18, 30, tzinfo=UTC),
    "2026-10-05 00:00:00+00": datetime(2026, 10, 5, tzinfo=UTC),
    "1791158400": datetime(2026, 10, 5, tzinfo=UTC),
    "1791158400000": datetime(2026, 10, 5, tzinfo=UTC),
    "1791158400000000": datetime(2026, 10, 5, tzinfo=UTC),
    "9999-12-31T23:59:59Z": datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    "0001-01-01": datetime(1, 1, 1, tzinfo=UTC),
}


def test_a_moment_is_read_in_every_way_it_is_written(tmp_path: Path) -> None:
    rows = [FOCUS_1_0 | {"ChargePeriodEnd": text} for text in MOMENTS]
    _summary, found = read(file("bill.csv", as_csv(rows))(tmp_path))
    assert [row["ChargePeriodEnd"] for row in found] == list(MOMENTS.values())


TAGS = {
    '{"env": "prod", "n": 1.5, "Straße": "Köln"}': {"env": "prod", "n": 1.5, "Straße": "Köln"},
    '{"env": null, "team": ""}': {"env": None, "team": ""},
    '[["env", "prod"]]': {"env": "prod"},
    '[{"key": "env", "value": "prod"}]': {"env": "prod"},
    '[{"Key": "env", "Value": "prod"}]': {"env": "prod"},
    '"env": "prod","team": "web"': {"env": "prod", "team": "web"},
    r'"{\"env\": \"prod\"}"': {"env": "prod"},
    '{"env": "prod", "env": "dev"}': {"env": "prod"},
    "{env=prod, team=web}": {"env": "prod", "team": "web"},
    "env:prod;team:web": {"env": "prod", "team": "web"},
    "env=prod; url=http://x": {"env": "prod", "url": "http://x"},
    "{'env': 'prod', 'none': None}": {"env": "prod", "none": None},
    "{}": {},
    "[]": {},
}


def test_tags_are_read_in_every_way_they_are_written(tmp_path: Path) -> None:
    rows = [FOCUS_1_0 | {"Tags": text} for text in TAGS]
    _summary, found = read(file("bill.csv", as_csv(rows))(tmp_path))
    assert [row["Tags"] for row in found] == list(TAGS.values())


@pytest.mark.parametrize("empty", ["", "NULL", "null", "\\N", "None", "NaN", "nan", "<NA>", "#N/A", "  "])
def test_an_empty_cell_is_empty_in_every_way_it_is_written(tmp_path: Path, empty: str) -> None:
    row = FOCUS_1_0 | {"ListCost": empty, "Tags": empty, "ChargeClass": empty, "SubAccountId": empty}
    summary, (found,) = read(file("bill.csv", as_csv([row]))(tmp_path))
    assert not {"Tags", "ChargeClass", "SubAccountId"} & found.keys()
    assert found["ListCost"] == found["ContractedCost"]
    assert summary.filled["ListCost from ContractedCost"] == 1


@pytest.mark.parametrize("version", [*VERSIONS, "1.4"])
def test_every_version_is_read_and_its_zone_is_kept(tmp_path: Path, version: str) -> None:
    newest = FOCUS_1_3 | {"InvoiceDetailId": "d-1", "CommitmentProgramEligibilityDetails": "{}"}
    row = (
        {"AvailabilityZone": "zone-a"} | newest
        if version == "1.4"
        else {"AvailabilityZone": "zone-a", **VERSIONS[version]}
    )
    summary, (found,) = read(file("bill.csv", as_csv([row]))(tmp_path))
    assert found["AvailabilityZone"] == "zone-a"
    assert found["BilledCost"] == Decimal("12.345678901")
    ignored = ("InvoiceDetailId", "CommitmentProgramEligibilityDetails") if version == "1.4" else ()
    assert summary.ignored_columns == ignored


def test_names_from_before_a_version_had_them_are_read(tmp_path: Path) -> None:
    older = {
        "x_SkuMeterName": "D4s v5",
        "x_PricingCurrency": "usd",
        "x_SkuDetails": '{"vCPUs": 4}',
        "x_InvoiceId": "G01",
    }
    summary, (found,) = read(file("bill.csv", as_csv([FOCUS_1_0 | older]))(tmp_path))
    assert (found["SkuMeter"], found["PricingCurrency"], found["InvoiceId"]) == ("D4s v5", "USD", "G01")
    assert found["SkuPriceDetails"] == {"vCPUs": 4}
    assert summary.renamed_columns["SkuMeter"] == "x_SkuMeterName"
    both, (kept,) = read(file("bill.csv", as_csv([FOCUS_1_2 | {"x_InvoiceId": "other"}]))(tmp_path))
    assert kept["InvoiceId"] == FOCUS_1_2["InvoiceId"]
    assert both.ignored_columns == ("x_InvoiceId",)
