"""Texts that the cost tools can send: accepted by GoogleSQL's analyzer, bound, pruned, of the own table only."""

import re

import pytest

from common.cost_query.filters import Filters
from common.focus.providers import provider_names
from common.focus.services import aliases_of, service_names
from common.tenant import OrgSlug, Tenant
from common.warehouse.query import Parameter, fixed
from tests import googlesql
from tests.skills import cost_texts

TENANT = Tenant(OrgSlug("acme_inc"), "local-dev-project", "organizations")
# Each by itself, and several together: a batch is one test, for there are hundreds.
TEXTS = [*cost_texts.every_single(), *cost_texts.sample(60)]
BATCHES = [TEXTS[start : start + 50] for start in range(0, len(TEXTS), 50)]
_PRUNED = re.compile(
    r"\s+WHERE (ChargePeriodStart >= @\w+\s+AND ChargePeriodStart < @\w+|"
    r"\(ChargePeriodStart >= @current_start AND ChargePeriodStart < @current_end_exclusive\)\s+OR \()"
)
OWN = "local-dev-project.acme_inc_prod.cost_data_standard_1_3"


def bound(text: str, types: dict[str, str]) -> str:
    return fixed(TENANT, text, {name: Parameter("STRING", None) for name in types}).sql


def test_every_text_has_its_own_name() -> None:
    names = [name for name, _, _ in cost_texts.every_single()]
    assert len(set(names)) == len(names) > 300


@pytest.mark.parametrize("number", range(len(BATCHES)))
def test_googlesql_accepts_the_text_with_its_parameter_types(number: int) -> None:
    for name, text, types in BATCHES[number]:
        columns = {column.name: column.type for column in googlesql.analyze(bound(text, types), types)}
        assert columns.get("currency", "STRING") == "STRING", name
        for money in ("billed_cost", "effective_cost", "total", "absolute_change", "currency_billed_cost"):
            assert columns.get(money, "NUMERIC") == "NUMERIC", name


def test_googlesql_refuses_a_bound_of_the_wrong_type() -> None:
    _, text, types = cost_texts.costs_text((), ("BilledCost",), Filters(), "charge")
    with pytest.raises(googlesql.RefusedError):
        googlesql.analyze(bound(text, types), {**types, "start": "DATE"})


@pytest.mark.parametrize("number", range(len(BATCHES)))
def test_every_text_reads_one_table_of_the_tenant_and_prunes_its_partitions(number: int) -> None:
    for name, text, types in BATCHES[number]:
        sql = bound(text, types)
        assert "{" not in sql
        assert set(re.findall(r"`([^`]+)`", sql)) == {OWN}
        scans = re.findall(r"cost_data_standard_1_3`\n(?:.*JOIN.*\n)?(.*\n.*)", sql)
        pruned = [where for where in scans if _PRUNED.match(where)]
        if name.startswith("available"):
            assert "WHERE" not in sql.split("FROM")[-1]
        elif name == "status":
            assert all(re.match(r"\s+WHERE ChargePeriodStart < @end_exclusive", where) for where in scans)
        elif " on billing, " in name:
            # A billing period holds charges of any day; only how far data reaches is looked up in some days.
            assert len(scans) == len(pruned) + 1 == 2
        else:
            assert scans == pruned != [], name


@pytest.mark.parametrize(
    "value", ["' OR 1=1 --", "{own.x}", "@start", "`x`", "a\\", "%", "*/ DROP TABLE x; /*", "\x00"]
)
def test_no_value_reaches_a_text(value: str) -> None:
    for name in (*cost_texts.NAMES, "entity"):
        for op in ("in", "not_in", "contains"):
            hostile = Filters.parse([{"dimension": name, "op": op, "values": [value]}])
            plain = Filters.parse([{"dimension": name, "op": op, "values": ["plain"]}])
            assert hostile.where() == plain.where()


def test_no_tag_key_reaches_a_text() -> None:
    made = (cost_texts.costs_text((f"tag:{key}",), ("BilledCost",), Filters(), "charge") for key in ("a", "x') OR ('"))
    assert len({text for _, text, _ in made}) == 1


@pytest.mark.parametrize(
    ("asked", "service"),
    [
        ("S3", "Amazon Simple Storage Service"),
        ("ec2", "Amazon Elastic Compute Cloud"),
        ("GKE", "Google Kubernetes Engine"),
        ("k8s", "Google Kubernetes Engine"),
        ("Kubernetes", "Azure Kubernetes Service"),
        ("RDS", "Amazon Relational Database Service"),
        ("Lambda", "AWS Lambda"),
        ("big query", "BigQuery"),
    ],
)
def test_a_service_is_found_by_the_names_that_people_use(asked: str, service: str) -> None:
    assert service.lower() in service_names(asked)
    assert asked.lower() in {*aliases_of(service), *service_names(service)}


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("AWS", {"aws", "amazon", "amazon aws", "amazon web services", "amazon web services, inc."}),
        ("  Google   Cloud ", {"google cloud", "gcp", "google", "google cloud platform", "  google   cloud "}),
        ("Vercel", {"vercel"}),
        ("", {""}),
    ],
)
def test_a_provider_stands_for_its_common_names_and_itself(asked: str, names: set[str]) -> None:
    assert names <= set(provider_names(asked))
    assert len(set(provider_names(asked))) == len(provider_names(asked))


def test_no_name_means_two_providers() -> None:
    for name in ("google", "gemini", "microsoft", "claude", "oci", "openai"):
        assert not {"google cloud", "google gemini"} <= set(provider_names(name))
