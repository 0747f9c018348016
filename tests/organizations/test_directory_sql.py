"""The directory's own SQL, as Google's analyzer reads it."""

import pytest

from common.organizations import directory, key_lookup
from common.tenant import OrgSlug, Tenant
from common.warehouse.query import Parameter, fixed
from tests import googlesql

TENANT = Tenant(OrgSlug("acme_inc"), "local-dev-project", "organizations")
TEXTS = {name: text for name, text in (vars(directory) | vars(key_lookup)).items() if name.endswith("_SQL")}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_lookup_is_accepted_by_googlesql(text: str) -> None:
    given = {"key_hashes": Parameter("STRING", ("0" * 64,))} if "@key_hashes" in text else {}
    query = fixed(TENANT, text, given)
    googlesql.analyze(query.sql, {name: _type(parameter) for name, parameter in query.parameters.items()})


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_lookup_reads_the_rows_of_one_organisation_or_of_the_keys_that_were_sent(text: str) -> None:
    assert "WHERE org_slug = @org_slug" in text or "WHERE org_api_key_hash IN UNNEST(@key_hashes)" in text
    assert text.rstrip().splitlines()[-1].startswith("LIMIT")


def _type(parameter: Parameter) -> str:
    return f"ARRAY<{parameter.type}>" if isinstance(parameter.value, tuple) else parameter.type
