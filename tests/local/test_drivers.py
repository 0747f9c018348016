"""An organisation's own counts, loaded by the command into the warehouse of a running ``make run``."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.cloud import bigquery

from local import drivers
from local.data.__main__ import emulated_bigquery
from local.running import announced
from tests.conftest import Cloud

ORG = "acme_inc"
COUNTED = "parcels of a test"


@pytest.fixture
def client(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[bigquery.Client]:
    """The emulator's warehouse, which this shell's environment does not name."""
    warehouse = emulated_bigquery(cloud.environment)
    monkeypatch.delenv("BIGQUERY_EMULATOR_HOST")
    yield warehouse
    warehouse.query_and_wait(f"DELETE FROM {table(warehouse)} WHERE driver_name = '{COUNTED}'")


def table(client: bigquery.Client) -> str:
    return f"`{client.project}.{ORG}_prod.business_drivers_daily`"


def loaded(client: bigquery.Client) -> list[tuple[str, int, str]]:
    query = f"SELECT driver_date, quantity, aggregation FROM {table(client)} WHERE driver_name = '{COUNTED}' ORDER BY 1"
    return [(str(row[0]), int(row[1]), row[2]) for row in client.query_and_wait(query)]


def command(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    drivers.add_arguments(parser)
    return drivers.run(parser.parse_args([*arguments, "--org", ORG]))


def written(folder: Path, *lines: str) -> str:
    file = folder / "counts.csv"
    file.write_text("\n".join(("date,driver,quantity", *lines)), encoding="utf-8")
    return str(file)


def test_counts_are_loaded_and_loading_a_day_again_replaces_it(
    client: bigquery.Client, cloud: Cloud, tmp_path: Path
) -> None:
    with announced(tmp_path, cloud.environment):
        assert (
            command(written(tmp_path, f"2026-03-01,{COUNTED},5", f"2026-03-02,{COUNTED},7"), "--state", str(tmp_path))
            == 0
        )
        assert loaded(client) == [("2026-03-01", 5, "sum"), ("2026-03-02", 7, "sum")]
        assert command(written(tmp_path, f"2026-03-02,{COUNTED},8"), "--state", str(tmp_path)) == 0
    assert loaded(client) == [("2026-03-01", 5, "sum"), ("2026-03-02", 8, "sum")]


def test_a_file_is_only_read_where_that_is_asked_for(
    client: bigquery.Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(written(tmp_path, f"2026-03-01,{COUNTED},5"), "--check") == 0
    assert capsys.readouterr().out == f"1 counts of {COUNTED} read.\n"
    assert loaded(client) == []


def test_without_a_running_product_it_says_what_to_do(
    client: bigquery.Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(written(tmp_path, f"2026-03-01,{COUNTED},5"), "--state", str(tmp_path)) == 1
    assert "Start it with make run" in capsys.readouterr().err


def test_a_file_that_does_not_fit_is_refused_by_line(
    client: bigquery.Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(written(tmp_path, f"2026-03-01,{COUNTED},5", f"yesterday,{COUNTED},5")) == 1
    assert "line 3" in capsys.readouterr().err
