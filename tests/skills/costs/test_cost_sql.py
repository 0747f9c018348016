"""Every text that the cost tools can send: accepted by GoogleSQL's analyzer, bound, pruned, of the own table only."""

import re

import pytest

from common.focus.providers import provider_names
from common.skills.costs import sql as cost_sql
from common.tenant import OrgSlug, Tenant
from common.warehouse.query import Parameter, fixed
from tests import googlesql

TENANT = Tenant(OrgSlug("acme_inc"), "local-dev-project", "organizations")
QUERIES = {name: (text, types) for name, text, types in cost_sql.every_query()}


def bound(text: str, types: dict[str, str]) -> str:
    return fixed(TENANT, text, {name: Parameter("STRING", None) for name in types}).sql


def test_every_text_has_its_own_name() -> None:
    assert len(QUERIES) == len(list(cost_sql.every_query()))
    # 9 groupings and the availability under 8 sets of filters, 7 dimensions under 2, the changes under 2, the history.
    assert len(QUERIES) == (9 + 1) * 8 + 7 * 2 + 2 + 1


@pytest.mark.parametrize("name", QUERIES)
def test_googlesql_accepts_the_text_with_its_parameter_types(name: str) -> None:
    text, types = QUERIES[name]
    columns = {column.name: column.type for column in googlesql.analyze(bound(text, types), types)}
    assert columns.get("currency", "STRING") == "STRING"
    for money in ("billed_cost", "effective_cost", "total", "absolute_change", "currency_billed_cost", "current_cost"):
        assert columns.get(money, "NUMERIC") == "NUMERIC"


def test_googlesql_refuses_a_bound_of_the_wrong_type() -> None:
    text, types = QUERIES["history"]
    with pytest.raises(googlesql.RefusedError):
        googlesql.analyze(bound(text, types), {**types, "start": "DATE"})


@pytest.mark.parametrize("name", QUERIES)
def test_every_text_reads_one_table_of_the_tenant_and_prunes_its_partitions(name: str) -> None:
    text, types = QUERIES[name]
    sql = bound(text, types)
    assert "{" not in sql
    assert set(re.findall(r"`([^`]+)`", sql)) == {"local-dev-project.acme_inc_prod.cost_data_standard_1_3"}
    for where in re.findall(r"cost_data_standard_1_3`\n(.*\n.*\n)", sql):
        assert re.match(
            r"\s+WHERE ChargePeriodStart >= @\w*start\n\s+AND ChargePeriodStart < @\w*end_exclusive\n", where
        )
    assert ("WHERE" in sql) is not name.startswith("available")


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
