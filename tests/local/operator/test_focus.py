"""``python -m local focus``: a bill into the costs of an organisation that an operator has made."""

import time
from pathlib import Path

import pytest
from google.cloud import bigquery

from tests.api.test_command_line import FOCUS
from tests.local.operator.conftest import Terminal

MADE = ("--name", "Billed Inc", "--email", "finops@billed.example")


@pytest.fixture
def bill(tmp_path: Path) -> Path:
    path = tmp_path / "bill.csv"
    path.write_text(FOCUS, encoding="utf-8")
    return path


def make(terminal: Terminal, org: str) -> None:
    assert terminal.run("org", "create", "--org", org, *MADE) == 0, terminal.errors


def total(client: bigquery.Client, org: str) -> list[tuple[int, str]]:
    found = client.query_and_wait(
        f"SELECT COUNT(*) AS n, CAST(SUM(BilledCost) AS STRING) AS sum FROM {org}_prod.cost_data_standard_1_3"
    )
    return [(row.n, row.sum) for row in found]


def test_a_bill_is_loaded_once_and_its_months_are_replaced(
    terminal: Terminal, warehouse: bigquery.Client, bill: Path
) -> None:
    make(terminal, "billed_inc")
    given = ("focus", "load", str(bill), "--org", "billed_inc")
    assert terminal.run(*given) == 0, terminal.errors
    assert "bill.csv: 3 rows" in terminal.out
    assert "added: 3 rows" in terminal.out
    assert total(warehouse, "billed_inc") == [(3, "15.350000001")]
    assert terminal.run(*given) == 0
    assert "loaded already" in terminal.out
    bill.write_text(FOCUS.replace("10.10,1,USD", "20.10,1,USD"), encoding="utf-8")
    assert terminal.run(*given) == 0
    assert "replaced: 3 rows" in terminal.out
    assert total(warehouse, "billed_inc") == [(3, "25.350000001")]
    assert terminal.json("org", "show", "--org", "billed_inc")["tables"]["cost_data_standard_1_3"] == 3


def test_a_bill_of_another_currency_is_loaded_and_noted(terminal: Terminal, bill: Path) -> None:
    assert terminal.run("org", "create", "--org", "euro_inc", *MADE, "--currency", "EUR") == 0
    assert terminal.run("focus", "load", str(bill), "--org", "euro_inc") == 0
    assert "reads its costs in EUR; this bill is in USD" in terminal.errors


def test_a_load_that_was_killed_leaves_the_costs_as_they_were_and_is_given_again(
    terminal: Terminal, warehouse: bigquery.Client, bill: Path
) -> None:
    make(terminal, "killed_inc")
    given = ("focus", "load", str(bill), "--org", "killed_inc")
    assert terminal.run(*given) == 0
    head, *lines = FOCUS.splitlines()
    bill.write_text("\n".join([head, *(lines * 30_000)]), encoding="utf-8")
    with terminal.start(*given) as process:
        # Its rows are in a table of their own by now, and have not changed places.
        deadline = time.monotonic() + 240
        while process.poll() is None and not any(
            "_load_" in each.table_id for each in warehouse.list_tables("killed_inc_prod")
        ):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.kill()
    assert total(warehouse, "killed_inc")[0] in [(3, "15.350000001"), (90_000, "460500.00003")]
    assert terminal.run(*given) == 0, terminal.errors
    assert total(warehouse, "killed_inc") == [(90_000, "460500.00003")]


def test_a_bill_is_checked_without_a_project(terminal: Terminal, bill: Path) -> None:
    terminal.patch.delenv("BIGQUERY_EMULATOR_HOST")
    assert terminal.run("focus", "check", str(bill)) == 0
    assert "3 rows, 2024-09-01 to 2024-10-01, USD" in terminal.out


@pytest.mark.parametrize(("org", "code", "said"), [("nobody_inc", 1, "org create"), ("No Slug", 2, "--org")])
def test_an_organisation_that_is_not_there_takes_no_bill(
    terminal: Terminal, bill: Path, org: str, code: int, said: str
) -> None:
    assert terminal.run("focus", "load", str(bill), "--org", org) == code
    assert said in terminal.errors


def test_an_organisation_without_tables_takes_no_bill(terminal: Terminal, bill: Path) -> None:
    assert terminal.run("org", "create", "--org", "tableless_inc", *MADE, "--no-dataset") == 0
    assert terminal.run("focus", "load", str(bill), "--org", "tableless_inc") == 1
    assert "There is no table" in terminal.errors


def test_a_bill_that_cannot_be_read_is_named_by_row_and_column(
    terminal: Terminal, warehouse: bigquery.Client, bill: Path
) -> None:
    make(terminal, "unread_inc")
    bill.write_text(FOCUS.replace("5.25,1,USD", "five,1,USD"), encoding="utf-8")
    for command in (("load", str(bill), "--org", "unread_inc"), ("check", str(bill))):
        assert terminal.run("focus", *command) == 2
        assert "row 4" in terminal.errors
        assert "BilledCost" in terminal.errors
    assert total(warehouse, "unread_inc")[0][0] == 0
    assert terminal.run("focus", "load", str(bill.with_name("missing.csv")), "--org", "unread_inc") == 2
