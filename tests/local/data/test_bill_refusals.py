"""A bill that cannot be read is refused by its real reason, a bad cell by row and column; bombs end at a bound."""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from local.data.__main__ import main
from local.data.focus import unpacking
from local.data.focus.files import Source
from local.data.focus.kinds import NotReadableError
from local.data.focus.loading import check
from local.data.focus.problems import ERRORS_SHOWN, FocusFileError
from local.data.focus.unpacking import MOST_LAYERS, MOST_MEMBERS, RATIO_COUNTS_FROM_BYTES, Unpacking
from tests.local.data.focus_samples import BASE, FOCUS_1_0, as_csv

PLAIN = as_csv([FOCUS_1_0])
HEADER, ROW = PLAIN.splitlines()


def zipped(*names: str, content: bytes = b"") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return made.getvalue()


def refusal(folder: Path, content: bytes, name: str = "costs.csv") -> FocusFileError:
    (folder / name).write_bytes(content)
    with pytest.raises(FocusFileError) as caught:
        check([folder / name])
    return caught.value


KINDS = {
    "nothing": (b"", "the file is empty"),
    "blank lines": (b"\n\n", "the file is empty"),
    "another table": (b"a,b,c\n1,2,3\n", "no FOCUS columns"),
    "another separator": (PLAIN.replace(b",", b"^"), "no comma, semicolon, tab or |"),
    "a header alone": (HEADER + b"\n", "a header but no rows"),
    "an Excel workbook": (zipped("[Content_Types].xml", "xl/workbook.xml"), "save the sheet as CSV or Parquet"),
    "an old Excel workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "save the sheet as CSV or Parquet"),
    "an OpenDocument sheet": (zipped("mimetype", "content.xml"), "save the sheet as CSV or Parquet"),
    "a zip without a bill": (zipped("manifest.json", "x.md5"), "without a FOCUS file"),
    "zstd": (b"\x28\xb5\x2f\xfd....", "zstd"),
    "ORC": (b"ORC....", "ORC file"),
    "Avro": (b"Obj\x01....", "Avro file"),
    "a tar archive": (b"x" * 257 + b"ustar" + b"0" * 300, "tar archive"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0", "a picture"),
    "a PDF": (b"%PDF-1.7", "a PDF"),
    "a web page": (b"<!DOCTYPE html><html>", "a web page"),
    "XML": (b"<?xml version='1.0'?><a/>", "XML"),
    "damaged gzip": (b"\x1f\x8bnot gzip at all", "damaged or ends too early"),
    "gzip that ends early": (gzip.compress(as_csv([FOCUS_1_0] * 50))[:-20], "damaged or ends too early"),
    "zip that ends early": (zipped("a.csv", content=PLAIN)[:-40], "damaged or ends too early"),
    "damaged Parquet": (b"PAR1" + b"\0" * 100 + b"PAR1", "a Parquet file that cannot be read"),
    "damaged JSON": (b'{"BilledCost": 1, \n', "not JSON"),
    "JSON without rows": (b"[]", "no rows"),
    "a quotation mark never closed": (PLAIN + b'"never closed,1,2\n3,4\n', "row 3: a quotation mark is opened here"),
    "a header that is no text": (b"Bill\xe9,b\n1,2\n", "not UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_bill_is_said_plainly(tmp_path: Path, kind: str) -> None:
    content, said = KINDS[kind]
    assert said in str(refusal(tmp_path, content))


CELLS = {
    "a number in words": ({"BilledCost": "twelve"}, "BilledCost", "not a number"),
    "a currency sign": ({"BilledCost": "$1234.56"}, "BilledCost", "currency sign"),
    "a decimal comma among points": ({"BilledCost": "1,5"}, "BilledCost", "other numbers of the file"),
    "thousands or decimals": ({"BilledCost": "1,234"}, "BilledCost", "may be a thousand or a decimal"),
    "thirty digits": ({"BilledCost": "1" * 30}, "BilledCost", "too large"),
    "a huge exponent": ({"BilledCost": "1e9999"}, "BilledCost", "too large"),
    "no billed cost": ({"BilledCost": "NULL"}, "BilledCost", "is empty"),
    "a number that is none": ({"BilledCost": "NaN"}, "BilledCost", "is empty"),
    "infinity": ({"ListCost": "Infinity"}, "ListCost", "not a number"),
    "month and day in doubt": ({"ChargePeriodStart": "10/5/2026"}, "ChargePeriodStart", "which part is the month"),
    "a German date": ({"ChargePeriodStart": "05.10.2026"}, "ChargePeriodStart", "which part is the month"),
    "a day that does not exist": ({"ChargePeriodStart": "2023-02-29"}, "ChargePeriodStart", "not a date that exists"),
    "a day of Excel": ({"ChargePeriodStart": "45536"}, "ChargePeriodStart", "not a date"),
    "a moment before all": ({"ChargePeriodStart": "0001-01-01T00:00+01:00"}, "ChargePeriodStart", "not a date"),
    "tags that are none": ({"Tags": "production"}, "Tags", "not JSON"),
    "an array of texts": ({"Tags": '["a", "b"]'}, "Tags", "not a key with its value"),
    "JSON that is no object": ({"Tags": "1"}, "Tags", "not an object"),
    "half of a character": ({"Tags": '{"a": "\\ud800"}'}, "Tags", "half of a character"),
    "NaN in JSON": ({"Tags": '{"a": NaN}'}, "Tags", "not JSON"),
    "deep JSON": ({"Tags": "[" * 10_000}, "Tags", "not JSON"),
    "no provider at all": (
        {"ProviderName": "", "PublisherName": "", "InvoiceIssuerName": ""}, "ServiceProviderName", "is empty"
    ),
    "an effective cost that nobody can tell": (
        {"EffectiveCost": "", "ChargeCategory": "Purchase"}, "EffectiveCost", "is empty"
    ),
    "a NUL byte": ({"ServiceName": "Mach\0ines"}, "ServiceName", "NUL byte"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CELLS)
def test_a_bad_cell_is_named_by_row_and_column(tmp_path: Path, kind: str) -> None:
    change, column, said = CELLS[kind]
    error = refusal(tmp_path, as_csv([FOCUS_1_0, FOCUS_1_0 | change]))
    assert (error.problems[0].row, error.problems[0].column) == (3, column)
    assert said in str(error)
    assert len(error.problems[0].message) < 250


def test_a_decimal_comma_in_one_number_is_refused_where_others_have_points(tmp_path: Path) -> None:
    rows = [FOCUS_1_0 | {"BilledCost": "10,50"}, FOCUS_1_0 | {"BilledCost": "11.25"}]
    error = refusal(tmp_path, as_csv(rows))
    assert [(problem.row, problem.column) for problem in error.problems] == [(2, "BilledCost")]


def test_a_currency_that_nobody_can_tell_is_refused(tmp_path: Path) -> None:
    rows = [FOCUS_1_0 | {"BillingCurrency": text} for text in ("USD", "EUR", "")]
    assert [(p.row, p.column) for p in refusal(tmp_path, as_csv(rows)).problems] == [(4, "BillingCurrency")]


def test_bytes_that_are_not_utf_8_are_named_by_row_and_column(tmp_path: Path) -> None:
    content = as_csv([FOCUS_1_0, FOCUS_1_0 | {"ServiceName": "Größe"}]).decode().encode("cp1252")
    error = refusal(tmp_path, content)
    assert [(problem.row, problem.column) for problem in error.problems] == [(3, "ServiceName")]


def test_rows_with_too_few_or_too_many_fields_are_named(tmp_path: Path) -> None:
    error = refusal(tmp_path, PLAIN + ROW + b",extra\nTotal,8.75\n")
    assert [(problem.row, problem.column) for problem in error.problems] == [(3, None), (4, None)]
    assert f"{len(FOCUS_1_0) + 1} fields where the header has {len(FOCUS_1_0)}" in str(error)
    assert "a line of totals" in str(error)


def test_a_row_after_a_line_end_in_quotes_is_named_as_a_spreadsheet_names_it(tmp_path: Path) -> None:
    rows = [FOCUS_1_0 | {"ChargeDescription": "a\nb\nc"}, FOCUS_1_0 | {"BilledCost": "twelve"}]
    assert "costs.csv, row 3, column BilledCost: 'twelve' is not a number" in str(refusal(tmp_path, as_csv(rows)))


def test_blank_rows_above_a_bad_cell_are_counted_as_a_spreadsheet_counts_them(tmp_path: Path) -> None:
    bad = ROW.replace(b"12.345678901234", b"lots")
    error = refusal(tmp_path, b"\n".join([HEADER, b"", ROW, b"," * (len(FOCUS_1_0) - 1), bad]))
    assert [(problem.row, problem.column) for problem in error.problems] == [(5, "BilledCost")]


def test_the_first_errors_are_shown_together_in_order_and_the_rest_counted(tmp_path: Path) -> None:
    rows = [FOCUS_1_0 | {"BilledCost": "x"}] * 617 + [FOCUS_1_0 | {"ListCost": "y"}] * 617
    error = refusal(tmp_path, as_csv(rows))
    assert [problem.row for problem in error.problems] == list(range(2, 2 + ERRORS_SHOWN))
    assert error.total == 1234
    assert str(error).splitlines()[-1] == "… and 1,224 more"


def test_every_column_that_cannot_be_filled_is_named_at_once(tmp_path: Path) -> None:
    present = ("BilledCost", "ServiceName", "ChargePeriodStart")
    error = refusal(tmp_path, as_csv([{name: BASE[name] for name in present}]))
    named = {problem.column for problem in error.problems}
    assert {"BillingCurrency", "ChargeCategory", "EffectiveCost", "ServiceProviderName"} <= named
    assert all(problem.row == 1 for problem in error.problems)


def test_a_column_twice_is_refused_only_where_the_two_differ(tmp_path: Path) -> None:
    same = HEADER + b",tags,x_Own,x_Own\n" + ROW + b',"{""team"": ""data""}",1,2\n'
    (tmp_path / "same.csv").write_bytes(same)
    assert check([tmp_path / "same.csv"]).rows == 1
    error = refusal(tmp_path, HEADER + b",billedcost\n" + ROW + b",1\n")
    assert [problem.column for problem in error.problems] == ["BilledCost"]
    assert "different values in row 2" in str(error)


def test_one_bad_part_of_a_folder_refuses_all_of_it_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(PLAIN)
    (tmp_path / "b.csv").write_bytes(PLAIN.replace(b"12.345678901234", b"lots"))
    with pytest.raises(FocusFileError, match=r"/b\.csv, row 2, column BilledCost"):
        check([tmp_path])


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zip": lambda content: zipped("a.csv", content=content),
}


@pytest.mark.parametrize("kind", PACKED)
def test_whatever_packs_it_a_bomb_is_refused_one_byte_past_its_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    content = HEADER + b"\n" + b" " * 1_000_000
    packed = PACKED[kind](content)
    monkeypatch.setattr(unpacking, "RATIO_COUNTS_FROM_BYTES", len(content))
    assert unpacked(tmp_path, packed, 10**9) == [len(content)]
    monkeypatch.setattr(unpacking, "RATIO_COUNTS_FROM_BYTES", len(content) - 1)
    with pytest.raises(NotReadableError, match="refused as a bomb"):
        unpacked(tmp_path, packed, 10**9)


def test_a_gzip_bomb_is_refused_at_its_bound(tmp_path: Path) -> None:
    bomb = gzip.compress(HEADER + b"\n" + b" " * (RATIO_COUNTS_FROM_BYTES + 1024))
    assert len(bomb) < 100_000
    assert "refused as a bomb" in str(refusal(tmp_path, bomb))


def test_a_zip_bomb_is_refused_at_its_bound(tmp_path: Path) -> None:
    bomb = zipped("a.csv", content=HEADER + b"\n" + b" " * (RATIO_COUNTS_FROM_BYTES + 1024))
    assert "refused as a bomb" in str(refusal(tmp_path, bomb))


def unpacked(folder: Path, content: bytes, most_bytes: int) -> Sequence[int]:
    path, scratch = folder / "packed", folder / "scratch"
    path.write_bytes(content)
    scratch.mkdir(exist_ok=True)
    bounds = Unpacking(scratch, most_bytes)
    sources = bounds.sources(Source(path, "packed"), lambda _bytes: None)
    return [source.path.stat().st_size for source, _kind in sources]


def test_no_more_is_unpacked_than_the_bound_of_all_files_together(tmp_path: Path) -> None:
    two = zipped("a.csv", "b.csv", content=PLAIN)
    assert unpacked(tmp_path, two, 2 * len(PLAIN)) == [len(PLAIN)] * 2
    with pytest.raises(NotReadableError, match="unpacks to more than"):
        unpacked(tmp_path, two, 2 * len(PLAIN) - 1)


def test_no_more_layers_and_files_are_unpacked_than_their_bounds(tmp_path: Path) -> None:
    content = PLAIN
    for _layer in range(MOST_LAYERS):
        content = gzip.compress(content)
    assert unpacked(tmp_path, content, 10**9) == [len(PLAIN)]
    assert "packed more than" in str(refusal(tmp_path, gzip.compress(content)))
    many = zipped(*(f"{number}.csv" for number in range(MOST_MEMBERS + 1)))
    assert f"more than {MOST_MEMBERS:,} files" in str(refusal(tmp_path, many))


def test_the_command_says_what_is_wrong_and_exits_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "costs.csv"
    path.write_bytes(as_csv([FOCUS_1_0 | {"BilledCost": "x"}]))
    assert main(["--check", "--focus", str(path)]) == 2
    assert "row 2, column BilledCost" in capsys.readouterr().err
    path.write_bytes(PLAIN)
    (tmp_path / "more.csv").write_bytes(PLAIN)
    assert main(["--check", "--focus", str(path), str(tmp_path / "more.csv"), "--team-tag", "team"]) == 0
    assert "2 files: 2 rows" in capsys.readouterr().out
    assert main(["--check", "--focus", str(tmp_path / "*.csv")]) == 0
    assert main(["--check", "--focus", f"{path} {tmp_path / 'more.csv'}"]) == 0
    assert main(["--check", "--focus", str(tmp_path / "missing.csv")]) == 2
    assert "there is no such file" in capsys.readouterr().err
