"""Everything that the guard lets through is answered, refused as wrong, or said to be beyond the emulator."""

import pytest
from google.api_core import exceptions
from google.cloud import bigquery

from common.warehouse.guard.functions import FUNCTIONS
from local.emulators.bigquery import functions
from tests.warehouse.guard import corpus
from tests.warehouse.guard.test_rules import SHAPES

# A function of no table, which a shape's columns become values of.
_VALUES = "(SELECT 'a' AS a, DATE '2026-01-01' AS b, 1 AS c)"


def reason(client: bigquery.Client, sql: str) -> str:
    """BigQuery's reason for refusing a dry run; empty where it does not."""
    try:
        client.query(sql, job_config=bigquery.QueryJobConfig(dry_run=True), job_retry=None)
    except exceptions.GoogleAPICallError as error:
        return str(error.errors[0]["reason"])
    return ""


def test_every_function_that_the_guard_allows_is_run_or_known_by_name() -> None:
    assert set(FUNCTIONS) - functions.SUPPORTED - functions.KNOWN == set()
    assert not functions.SUPPORTED & functions.KNOWN


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_no_call_of_an_allowed_function_is_an_error_of_the_emulators(name: str, client: bigquery.Client) -> None:
    reasons = {reason(client, f"SELECT {shape.format(f=name)} AS v FROM {_VALUES}") for shape in SHAPES}
    assert reasons <= {"", "invalidQuery", "notImplemented"}


def test_no_honest_query_is_an_error_of_the_emulators(client: bigquery.Client) -> None:
    honest = [case for case in corpus.cases(corpus.OWN) if case.expect == "allow"]
    reasons = {case.id: reason(client, case.sql) for case in honest}
    strange = {"", "invalidQuery", "notImplemented", "notFound", "invalid", "accessDenied"}
    assert {case: found for case, found in reasons.items() if found not in strange} == {}
