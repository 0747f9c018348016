"""Every text that the alert and usage tools can send: accepted by GoogleSQL's analyzer, bound, of one organisation."""

import re

import pytest

from common.alerting import sql as alerting_sql
from common.skills.alerts import changes_sql, figures
from common.skills.alerts import sql as alert_sql
from common.skills.usage import sql as usage_sql
from common.tenant import OrgSlug, Tenant
from common.warehouse import schema
from common.warehouse.query import GuardedQuery, Parameter, across, fixed
from tests import googlesql

TENANT = Tenant(OrgSlug("acme_inc"), "local-dev-project", "organizations")
_ALERTS = (alert_sql.every_query, changes_sql.every_query, figures.every_query)
ALERT_QUERIES = {name: (text, types) for every in _ALERTS for name, text, types in every()}
ACROSS = {name: (text, types) for name, text, types in alerting_sql.every_query()}
USAGE_QUERIES = {name: (text, types) for name, text, types in usage_sql.every_query()}
QUERIES = {**ALERT_QUERIES, **USAGE_QUERIES}
WRITES = {"create rule", "update rule", "delete rule", "acknowledge rule", "acknowledge alert"}
MONEY = ("billed_cost", "currency_billed_cost")
COUNTS = ("requests", "input_tokens", "output_tokens", "cached_tokens", "total_tokens", "group_count", "alert_count")


def bound(text: str, types: dict[str, str]) -> GuardedQuery:
    return fixed(TENANT, text, {name: Parameter("STRING", None) for name in types})


def typed(text: str, types: dict[str, str]) -> dict[str, str]:
    """The types of all parameters, with the one that is bound by itself."""
    return {**types, "org_slug": "STRING"} if "@org_slug" in text else types


def test_every_text_has_its_own_name() -> None:
    assert len(ALERT_QUERIES) == sum(len(list(every())) for every in _ALERTS) == 16 + 6 + 10
    # 8 groupings, 4 filters in 5 ways, the availability under 3, 4 dimensions twice, quota, subscriptions, runs, and
    # the chat's own use by 5.
    assert len(USAGE_QUERIES) == len(list(usage_sql.every_query())) == 8 + 4 * 5 + 3 + 4 * 2 + 1 + 1 + 4 + 1 + 5


@pytest.mark.parametrize("name", QUERIES)
def test_googlesql_accepts_the_text_with_its_parameter_types(name: str) -> None:
    text, types = QUERIES[name]
    columns = {column.name: column.type for column in googlesql.analyze(bound(text, types).sql, typed(text, types))}
    assert all(columns.get(money, "NUMERIC") == "NUMERIC" for money in MONEY)
    assert all(columns.get(count, "INT64") == "INT64" for count in COUNTS)


@pytest.mark.parametrize(
    ("name", "parameter", "wrong"),
    [
        ("usage by model, all", "start_day", "TIMESTAMP"),
        ("history, all", "start", "DATE"),
        ("create rule", "providers", "STRING"),
        ("acknowledge alert", "created_at", "DATE"),
    ],
)
def test_googlesql_refuses_a_parameter_of_the_wrong_type(name: str, parameter: str, wrong: str) -> None:
    text, types = QUERIES[name]
    with pytest.raises(googlesql.RefusedError):
        googlesql.analyze(bound(text, types).sql, {**typed(text, types), parameter: wrong})


@pytest.mark.parametrize("name", QUERIES)
def test_every_mention_of_a_shared_table_is_held_to_the_organisation(name: str) -> None:
    text, _ = QUERIES[name]
    mentions = re.findall(r"\{shared\.\w+\}", text)
    held = re.findall(r"org_slug = @org_slug", text)
    assert len(held) == len(mentions)
    assert not re.search(r"\borg_slug\s*(!=|<>|IN|LIKE)", text)


@pytest.mark.parametrize("name", QUERIES)
def test_every_text_reads_the_tables_of_the_tenant_alone(name: str) -> None:
    query = bound(*QUERIES[name])
    own = {f"local-dev-project.acme_inc_prod.{table}" for table in schema.tables("tenant")}
    shared = {f"local-dev-project.organizations.{table}" for table in schema.tables("organizations")}
    assert "{" not in query.sql
    assert query.tables <= own | shared
    assert query.reads_shared is bool(query.tables & shared)
    assert query.reads_shared is ("@org_slug" in query.sql)


@pytest.mark.parametrize("name", QUERIES)
def test_ranges_prune_the_partitions_of_every_table_they_are_asked_of(name: str) -> None:
    text, types = QUERIES[name]
    if "start" not in types:
        return
    costs, usage = text.count("{own.cost_data_standard_1_3}"), text.count("{own.genai_usage_daily_unified}")
    assert text.count("ChargePeriodStart >= @start\n") == text.count("ChargePeriodStart < @end_exclusive") == costs
    assert text.count("usage_date >= @start_day\n") == text.count("usage_date < @end_day_exclusive") == usage
    assert costs + usage + len(re.findall(r"(created_at|start_time) >= @start\s", text)) > 0


@pytest.mark.parametrize("name", QUERIES)
def test_only_the_texts_that_change_something_write(name: str) -> None:
    assert bound(*QUERIES[name]).writes is (name in WRITES)


def test_a_rule_that_is_there_is_never_changed_by_making_it_again() -> None:
    assert "WHEN MATCHED" not in changes_sql.CREATE_RULE
    assert changes_sql.CREATE_RULE.count("WHEN NOT MATCHED") == 1


@pytest.mark.parametrize("name", ACROSS)
def test_googlesql_accepts_what_is_asked_of_all_organisations(name: str) -> None:
    text, types = ACROSS[name]
    given = {each: Parameter("STRING", None) for each in types}
    query = fixed(TENANT, text, given) if "@org_slugs" in text else across(TENANT, text, given)
    googlesql.analyze(query.sql, types)


@pytest.mark.parametrize(
    "text",
    ["SELECT 1 FROM {own.cost_data_standard_1_3}", "DELETE FROM {shared.org_profiles} WHERE TRUE", "SELECT @other"],
)
def test_only_shared_tables_are_read_across_organisations(text: str) -> None:
    with pytest.raises(ValueError, match="across organisations"):
        across(TENANT, text, {})
