"""Fixed SQL bound to a tenant: tables, parameters, and what is refused."""

import pytest

from common.tenant import OrgSlug, Tenant
from common.warehouse.query import Parameter, fixed

TENANT = Tenant(OrgSlug("acme_inc"), "a-project", "organizations")
WORD = {"word": Parameter("STRING", "x")}


def test_tables_come_from_the_tenant() -> None:
    query = fixed(TENANT, "SELECT a FROM {own.costs} JOIN {shared.rules} USING (a) WHERE org_slug = @org_slug")
    assert "`a-project.acme_inc_prod.costs`" in query.sql
    assert "`a-project.organizations.rules`" in query.sql
    assert query.parameters["org_slug"].value == "acme_inc"


def test_the_slug_is_the_tenants_whatever_a_caller_gives() -> None:
    given = {"org_slug": Parameter("STRING", "globex_inc")}
    query = fixed(TENANT, "SELECT a FROM {shared.rules} WHERE org_slug = @org_slug", given)
    assert query.parameters["org_slug"].value == "acme_inc"


def test_a_shared_table_without_a_bound_organisation_is_refused() -> None:
    with pytest.raises(ValueError, match="shared"):
        fixed(TENANT, "SELECT a FROM {shared.rules}")


@pytest.mark.parametrize(("text", "given"), [("SELECT @word", {}), ("SELECT 1", WORD), ("SELECT @other", WORD)])
def test_parameters_are_exactly_those_of_the_text(text: str, given: dict[str, Parameter]) -> None:
    with pytest.raises(ValueError, match="parameters differ"):
        fixed(TENANT, text, given)


def test_a_value_never_becomes_text() -> None:
    hostile = {"word": Parameter("STRING", "x' OR 1=1 -- {own.costs}")}
    assert fixed(TENANT, "SELECT a FROM {own.costs} WHERE b = @word", hostile).sql.endswith("WHERE b = @word")
