"""The catalogue's files: what real ones get wrong is refused by name, and the command loads what is right."""

import argparse
import gzip
import shutil
from collections.abc import Iterator
from copy import deepcopy
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from google.cloud import bigquery

from common.warehouse import schema
from local import catalog as command
from local.data import warehouse
from local.data.catalog import cards, reading
from local.data.catalog.checking import SHOWN, problems, told
from local.data.catalog.reading import SMALL, TABLES, CatalogFileError, read_folder, write_folder
from local.data.rows import Row
from local.emulators.process import EmulatorProcess
from tests.skills.operations_made import client_of

PROJECT = "local-dev-project"
Catalog = dict[str, list[Row]]
MOST_BYTES = 300 * 1024


@pytest.fixture(scope="module")
def ours() -> Catalog:
    return read_folder(SMALL)


@pytest.fixture
def spoiled(ours: Catalog) -> Catalog:
    return {table: [dict(row) for row in rows] for table, rows in ours.items()}


def machine(catalog: Catalog, name: str) -> Row:
    return next(row for row in catalog["instances"] if row["instance_type"] == name)


def test_our_own_files_are_as_they_should_be(ours: Catalog) -> None:
    assert problems(ours) == []
    assert problems(ours, ours) == []
    assert {table: len(rows) for table, rows in ours.items()} == {"instances": 5892, "helm_charts": 221, "models": 2886}


def test_our_own_files_are_small_and_have_their_provenance() -> None:
    assert sum(path.stat().st_size for path in SMALL.glob("*.csv.gz")) <= MOST_BYTES
    said = (SMALL / "README.md").read_text(encoding="utf-8")
    sources = {row["source"] for row in read_folder(SMALL)["instances"]}
    assert all(source in said for source in sources)


def test_what_is_written_is_read_again_and_the_same_rows_make_the_same_bytes(ours: Catalog, tmp_path: Path) -> None:
    write_folder(tmp_path / "a", ours)
    assert read_folder(tmp_path / "a") == ours
    write_folder(tmp_path / "b", read_folder(tmp_path / "a"))
    for table in TABLES:
        name = f"{table}.csv.gz"
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


# The traps that real catalogues have: a machine, what its source says of it, and how it is refused.
TRAPS: dict[str, tuple[str, Row, str]] = {
    "the GPU is not in the price": (
        "a2-highgpu-1g", {"price_hourly": Decimal("0.739")}, "0.739 USD an hour cannot have 1 A100 in it",
    ),
    "a part of a GPU is called a whole one": (
        "Standard_NV6ads_A10_v5",
        {"gpu_count": Decimal(1), "gpu_memory_gib": Decimal(24), "gpu_memory_total_gib": Decimal(24)},
        "gets a part of one A10, not 1",
    ),
    "a part of a GPU is called none": (
        "g6f.large", {"gpu_count": Decimal(0)}, "it has L4, but no count or part of one",
    ),
    "the total is that of one": (
        "g4dn.metal", {"gpu_memory_total_gib": Decimal(16)}, "gpu_memory_total_gib 16 is not 8 times",
    ),
    "the memory is what the driver leaves": (
        "g6.xlarge",
        {"gpu_memory_gib": Decimal("22.35"), "gpu_memory_total_gib": Decimal("22.35")},
        "gpu_memory_gib 22.35 is not that of 1 L4: one has 24 GiB",
    ),
    "an old GPU is said to compute in bfloat16": (
        "g4dn.xlarge", {"bfloat16": True}, "bfloat16 must be false for T4",
    ),
    "a price of nothing": ("m5.large", {"price_hourly": Decimal(0)}, "a price of 0 says that it is not sold there"),
    "a GPU that nobody knows": ("g6.xlarge", {"gpu_name": "M60"}, "M60 is an unknown GPU"),
    "GPUs without a name": ("g6.xlarge", {"gpu_name": None}, "it has GPUs, or memory of some, without a name"),
    "a price without a currency": ("m5.large", {"currency": "$"}, "'$' is no currency"),
    "a price in another currency": ("m5.large", {"currency": "EUR"}, "its price is in EUR"),
    "a price of a month": ("m5.large", {"price_hourly": Decimal(70_080)}, "70080 is no price of an hour"),
    "a price below nothing": ("m5.large", {"price_hourly": Decimal("-0.1")}, "-0.1 is no price"),
    "a price of tomorrow": ("m5.large", {"price_date": date(2999, 1, 1)}, "price_date 2999-01-01 is ahead"),
    "a machine without CPUs": ("m5.large", {"vcpus": Decimal(0)}, "vcpus is 0"),
    "a machine without memory": ("m5.large", {"memory_gib": Decimal(-8)}, "memory_gib is -8"),
    "a processor that nobody has": ("m5.large", {"arch": "x; rm -rf /"}, "is neither amd64 nor arm64"),
    "a region that is a command": ("m5.large", {"region": "us && rm -rf /"}, "characters that no name of one has"),
}  # fmt: skip


@pytest.mark.parametrize("trap", TRAPS)
def test_a_trap_of_real_catalogues_is_refused_by_name(spoiled: Catalog, trap: str) -> None:
    name, wrong, said = TRAPS[trap]
    row = machine(spoiled, name)
    row.update(wrong)
    found = problems(spoiled)
    assert any(sentence.startswith(f"{row['provider']} {name} in ") and said in sentence for sentence in found), found


PACKED = gzip.compress(b"provider,instance_type\n")
PRICED = "{{columns}}\naws,m5.large,us-east-1,2,8,amd64,,0,0,0,,{},USD,2026-06-18,x\n"
LONG = ",".join(["x" * 200_000] * 15)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("instances.csv.gz", b"no gzip at all", "cannot be read as CSV"),
        ("instances.csv.gz", PACKED[:-12], "cannot be read as CSV"),
        ("instances.csv.gz", PACKED[:12] + bytes([PACKED[12] ^ 0xFF]) + PACKED[13:], "cannot be read as CSV"),
        ("instances.csv.gz", gzip.compress(bytes([0xFF, 0xFE, 0x41])), "cannot be read as CSV"),
        ("instances.csv", b"", "are missing"),
        ("instances.csv", b"provider,region\naws,us-east-1\n", "are missing"),
        ("instances.csv", "{columns}\n{long}\n", "it is no CSV"),
        ("instances.csv", PRICED.format("1e400"), "is no NUMERIC"),
        ("instances.csv", PRICED.format("0.00000000001"), "is no NUMERIC"),
        ("instances.csv", PRICED.format("NaN"), "is no NUMERIC"),
        ("instances.csv", PRICED.format(""), "price_hourly: it is empty"),
        ("instances.csv", "{columns}\naws,m5.large\n", "it is empty"),
        ("model_cards.csv.gz", b"no gzip at all", "cannot be read as CSV"),
        ("model_cards.csv.gz", gzip.compress(b"a,b\n"), "its columns are not"),
    ],
)  # fmt: skip
def test_a_file_that_is_broken_is_refused_by_its_name(
    tmp_path: Path, name: str, content: bytes | str, said: str
) -> None:
    for path in SMALL.glob("*.csv.gz"):
        shutil.copy(path, tmp_path)
    (tmp_path / f"{name.removesuffix('.gz')}.gz").unlink()
    if isinstance(content, str):
        columns = ",".join(field.name for field in schema.load("catalog", "instances").fields)
        content = content.format(columns=columns, long=LONG).encode()
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CatalogFileError, match=said):
        cards.read(tmp_path) if name.startswith("model_cards") else read_folder(tmp_path)


def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_BYTES", 1_000)
    for table in TABLES:
        (tmp_path / f"{table}.csv.gz").write_bytes(gzip.compress(b"x" * 1_001))
    with pytest.raises(CatalogFileError, match="more than 1,000 bytes"):
        read_folder(tmp_path)


def test_lengths_of_context_and_memory_of_others_are_no_facts_here() -> None:
    columns = {field.name for field in schema.load("catalog", "models").fields}
    assert not any("context" in name or "vram" in name for name in columns)


@pytest.mark.parametrize(
    ("table", "wrong", "said"),
    [
        ("helm_charts", {"released": True, "version": "v1.0.0-devel"}, "released is true for version 'v1.0.0-devel'"),
        ("helm_charts", {"repository_url": "https://x.example/ && rm -rf /"}, "is no address that helm reads"),
        ("helm_charts", {"version": "1.0.0; rm -rf /", "released": False}, "characters that no chart has"),
        ("models", {"model_id": "llama"}, "its name is not author/name"),
        ("models", {"parameters": 0}, "parameters is 0"),
    ],
)
def test_charts_and_models_are_held_to_rules_too(spoiled: Catalog, table: str, wrong: Row, said: str) -> None:
    spoiled[table][3].update(wrong)
    assert any(said in sentence for sentence in problems(spoiled))


def test_what_lost_half_of_its_rows_or_jumped_is_refused_beside_what_was_before(
    ours: Catalog, spoiled: Catalog
) -> None:
    spoiled["instances"] = [row for row in spoiled["instances"] if row["provider"] != "gcp"]
    machine(spoiled, "m5.large").update(price_hourly=Decimal("0.96"), price_date=date(2026, 9, 1))
    spoiled["models"] = spoiled["models"][:1400]
    found = problems(spoiled, ours)
    assert "instances of gcp: 0 rows, where 1,331 were before." in found
    assert any(sentence.startswith("models of ") for sentence in found)
    assert "aws m5.large in us-east-1: 0.96 on 2026-09-01, where it was 0.096 on 2026-07-20." in found
    assert problems(spoiled) == []


def test_a_row_that_is_there_twice_is_named(spoiled: Catalog) -> None:
    spoiled["instances"].append(deepcopy(machine(spoiled, "m5.large")))
    assert problems(spoiled) == ["instances: aws m5.large us-east-1 is there 2 times."]


def test_many_problems_are_counted() -> None:
    assert told(["x"] * (SHOWN + 5)).endswith("… and 5 more")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("2026-07-20", "", 1), "line 2, column price_date: it is empty"),
        (lambda text: text.replace("2026-07-20", "soon", 1), "line 2, column price_date: 'soon' is no DATE"),
        (lambda text: text.replace("0.204", "NaN", 1), "line 2, column price_hourly: 'NaN' is no NUMERIC"),
        (lambda text: text.replace("price_date", "day", 1), "the columns price_date are missing"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_its_line(
    ours: Catalog, tmp_path: Path, change: Any, said: str
) -> None:
    write_folder(tmp_path, {**ours, "instances": [machine(ours, "a1.2xlarge")]})
    import gzip

    text = gzip.decompress((tmp_path / "instances.csv.gz").read_bytes()).decode()
    (tmp_path / "instances.csv").write_text(change(text), encoding="utf-8")
    with pytest.raises(CatalogFileError, match=said.replace("(", r"\(")):
        read_folder(tmp_path)


def test_a_folder_without_a_file_is_said() -> None:
    with pytest.raises(CatalogFileError, match=r"has no helm_charts\.csv\.gz"):
        read_folder(SMALL.parent)


@pytest.fixture(scope="module")
def client() -> Iterator[bigquery.Client]:
    with EmulatorProcess(PROJECT, services=["bigquery"]) as emulator, pytest.MonkeyPatch.context() as patch:
        patch.setenv("BIGQUERY_EMULATOR_HOST", emulator.environment["BIGQUERY_EMULATOR_HOST"])
        opened = client_of(emulator.environment["BIGQUERY_EMULATOR_HOST"], PROJECT)
        yield opened
        opened.close()


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(arguments))


def test_the_command_loads_what_is_right_and_refuses_what_is_not(
    client: bigquery.Client, spoiled: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("load") == 2
    assert "There is no dataset catalog with its tables" in capsys.readouterr().err
    warehouse.create(client, [])
    for _ in range(2):
        assert run("load") == 0
        assert "5,892 instances" in capsys.readouterr().out
    spoiled["instances"] = [row for row in spoiled["instances"] if row["provider"] != "azure"]
    write_folder(tmp_path, spoiled)
    assert run("load", str(tmp_path), "--force") == 2
    assert "does not say where its 1,323 rows are from" in capsys.readouterr().err
    shutil.copy(SMALL / "README.md", tmp_path)
    assert run("load", str(tmp_path)) == 2
    assert "instances of azure: 0 rows, where 3,226 were before." in capsys.readouterr().err
    assert counted(client) == 5892
    assert run("load", str(tmp_path), "--force") == 0
    assert counted(client) == 5892 - 3226


def counted(client: bigquery.Client) -> int:
    (row,) = client.query_and_wait(f"SELECT COUNT(*) FROM `{PROJECT}.catalog.instances`")
    return int(row[0])
