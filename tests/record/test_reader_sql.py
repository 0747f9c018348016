"""The SQL of the record, as Google's own analyzer reads it."""

import re

import pytest

from common.record import reader as record
from common.record import start, usage_sql
from common.record.writer import PURGE_ALL_SQL, PURGE_SQL, SPAN_OF_SQL, SPAN_SQL, merge_sql
from common.tenant import OrgSlug, Tenant
from common.warehouse.query import Parameter, fixed
from common.warehouse.schema import purged_tables, record_tables
from tests.googlesql import analyze

TENANT = Tenant(OrgSlug("acme_inc"), "local-dev-project", "organizations")
TYPES = {
    "user_id": "STRING", "conversation_id": "STRING", "before": "TIMESTAMP", "before_id": "STRING",
    "after": "TIMESTAMP", "after_id": "STRING", "most": "INT64", "skipped": "INT64", "text": "STRING", "first": "INT64",
    "tool_name": "STRING",
}  # fmt: skip
LISTS = {"message_ids", "conversation_ids", "org_slugs", "rows"}
READS = {name: value for name, value in vars(record).items() if name.endswith("_SQL") and isinstance(value, str)}


def checked(text: str) -> None:
    names = {word for word in re.findall(r"@(\w+)", text) if word != "org_slug"}
    given = {
        name: Parameter("STRING", ()) if name in LISTS else Parameter(TYPES.get(name, "TIMESTAMP"), None)  # type: ignore[arg-type]
        for name in names
    }
    query = fixed(TENANT, text, given)
    types = {
        name: f"ARRAY<{parameter.type}>" if isinstance(parameter.value, tuple) else parameter.type
        for name, parameter in query.parameters.items()
    }
    analyze(query.sql, types)


def test_there_are_reads_to_check() -> None:
    assert len(READS) >= 7


@pytest.mark.parametrize("name", READS)
def test_what_is_read_of_the_record_is_googlesql(name: str) -> None:
    checked(READS[name])


@pytest.mark.parametrize("text", [usage_sql.statement(), *map(usage_sql.usage, usage_sql.BYS), usage_sql.BILL])
def test_what_is_summed_of_usage_is_googlesql(text: str) -> None:
    checked(text)


@pytest.mark.parametrize("table", record_tables())
def test_what_is_merged_into_the_record_is_googlesql(table: str) -> None:
    checked(merge_sql(table))


@pytest.mark.parametrize("table", record_tables())
def test_what_is_purged_from_the_record_is_googlesql(table: str) -> None:
    of_conversations = (SPAN_OF_SQL, PURGE_SQL) if table in purged_tables() else ()
    for text in (SPAN_SQL, PURGE_ALL_SQL, start.START_SQL, *of_conversations):
        checked(text.format(table=table))
