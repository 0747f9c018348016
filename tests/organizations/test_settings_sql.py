"""The statements that change settings, as Google's analyzer reads them."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from common.organizations import settings_sql
from common.tenant import OrgSlug, Tenant
from common.warehouse.query import Parameter, fixed
from tests import googlesql

TENANT = Tenant(OrgSlug("acme_inc"), "local-dev-project", "organizations")
TEXTS: dict[str, str] = {
    name: text for name, text in vars(settings_sql).items() if re.fullmatch(r"[A-Z]\w*_SQL|KEYS_SQL", name)
}


def types_of(text: str) -> dict[str, str]:
    names = set(re.findall(r"@(\w+)", text)) - {"org_slug"}
    types: dict[str, str] = {name: settings_sql.TYPES[name] for name in names}
    return {name: f"ARRAY<{kind}>" if name == "providers" else kind for name, kind in types.items()}


def test_there_are_statements() -> None:
    assert len(TEXTS) == 6


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_statement_is_accepted_by_googlesql(text: str) -> None:
    types = types_of(text)
    query = fixed(TENANT, text, {name: Parameter("STRING", None) for name in types})
    googlesql.analyze(query.sql, types | {"org_slug": "STRING"})


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_statement_touches_the_rows_of_one_organisation(text: str) -> None:
    tables = len(re.findall(r"\{shared\.\w+\}", text))
    assert len(re.findall(r"org_slug = @org_slug|\(\s*@credential_id, @org_slug", text)) >= tables


def test_bytes_travel_as_bytes() -> None:
    given: dict[str, Any] = {"ciphertext": b"\x00\xff", "now": datetime.now(UTC)}
    text = settings_sql.ADD_CREDENTIAL_SQL
    names = types_of(text)
    query = fixed(TENANT, text, {name: Parameter(settings_sql.TYPES[name], given.get(name)) for name in names})
    assert query.writes
    assert query.parameters["ciphertext"] == Parameter("BYTES", b"\x00\xff")
