"""Slugs and tenants."""

import pytest

from common.errors import BadSlug
from common.tenant import Tenant, parse_org_slug


@pytest.mark.parametrize("slug", ["abc", "acme_inc", "0" * 50, "___", "a1_"])
def test_a_slug_of_three_to_fifty_lower_case_characters_is_accepted(slug: str) -> None:
    assert parse_org_slug(slug) == slug


@pytest.mark.parametrize(
    "slug",
    [
        "",
        "ab",
        "a" * 51,
        "Acme",
        "acme-inc",
        "acme inc",
        "acme.inc",
        "acme\n",
        "acme`",
        "acme/../globex",
        "ácme",
        "acme٣",
    ],
)
def test_anything_else_is_refused(slug: str) -> None:
    with pytest.raises(BadSlug):
        parse_org_slug(slug)


def test_tables_are_whole_quoted_paths() -> None:
    tenant = Tenant(parse_org_slug("acme_inc"), "a-project", "organizations")
    assert tenant.own_table("t") == "`a-project.acme_inc_prod.t`"
    assert tenant.shared_table("org_profiles") == "`a-project.organizations.org_profiles`"
