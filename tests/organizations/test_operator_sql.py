"""The operator's statements are what GoogleSQL's own analyzer accepts, with the types that are bound."""

import pytest

from common.organizations import api_keys, profiles
from common.record import reader, writer
from common.tenant import Tenant, parse_org_slug
from common.warehouse.query import Parameter, fixed
from common.warehouse.schema import record_tables
from local import org
from tests import googlesql
from tests.conftest import PROJECT

TENANT = Tenant(parse_org_slug("acme_inc"), PROJECT, "organizations")
TEXT = "STRING"
PROFILE = dict.fromkeys(
    (
        "company_name", "admin_email", "org_dataset_id", "subscription_plan", "default_currency", "default_country",
        "default_language", "default_timezone",
    ),
    TEXT,
)  # fmt: skip
SPAN = {"earliest": "TIMESTAMP", "latest": "TIMESTAMP"}
STATEMENTS = {
    "read a profile": (profiles.READ_SQL, {}),
    "make a profile": (profiles.CREATE_SQL, {**PROFILE, "fiscal_year_start_month": "INT64", "now": "TIMESTAMP"}),
    "change a status": (profiles.STATUS_SQL, {"status": TEXT, "now": "TIMESTAMP"}),
    "list keys": (api_keys.LIST_SQL, {}),
    "make a key": (
        api_keys.CREATE_SQL,
        {
            "org_api_key_id": TEXT, "key_hash": TEXT, "name": TEXT, "scopes": "ARRAY<STRING>",
            "expires_at": "TIMESTAMP", "now": "TIMESTAMP",
        },
    ),
    "revoke a key": (api_keys.REVOKE_SQL, {"ids": "ARRAY<STRING>"}),
    "revoke all keys": (api_keys.REVOKE_ALL_SQL, {}),
    "find a person": (reader.OF_USER_SQL, {"began": "TIMESTAMP", "user_id": TEXT, "after_id": TEXT, "most": "INT64"}),
    **{f"purge {table}": (writer.PURGE_ALL_SQL.format(table=table), SPAN) for table in record_tables()},
}  # fmt: skip


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_is_googlesql(name: str) -> None:
    text, types = STATEMENTS[name]
    query = fixed(TENANT, text, {each: Parameter("STRING", "") for each in types})
    googlesql.analyze(query.sql, {**types, "org_slug": TEXT})


def test_the_list_of_organisations_is_googlesql() -> None:
    text = org._LIST_SQL.format(table=f"{PROJECT}.organizations.org_profiles")
    googlesql.analyze(text, {"after": TEXT, "most": "INT64"})
