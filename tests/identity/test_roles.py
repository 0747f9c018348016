"""Every route and verb, for every role and for callers that are none: what the one table of permissions says."""

from itertools import pairwise

import pytest

from common.tenant import EVERY_PERMISSION, ROLES, WITHOUT_SCOPES, Role
from common.web.routes import ROUTES
from tests.fakes.token_issuer import TokenIssuer
from tests.identity.conftest import Doors
from tests.organizations.test_callers import BODIES

GUARDED = [route for route in ROUTES if route.needs is not None]
VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def test_a_higher_role_may_all_that_a_lower_one_may() -> None:
    ordered = list(ROLES.values())
    assert ordered[0] == EVERY_PERMISSION
    assert all(lower < higher for higher, lower in pairwise(ordered))
    assert ROLES["user"] == WITHOUT_SCOPES


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_may_what_the_table_says_on_every_route(doors: Doors, keycloak: TokenIssuer, role: Role) -> None:
    await doors.register(**keycloak.registration())
    bearer = {"Authorization": f"Bearer {keycloak.token(doors.made.slug, role=role)}", "X-Org-Slug": doors.made.slug}
    for route in GUARDED:
        answer = await doors.call(route, bearer, BODIES.get((route.function, route.name)))
        told = answer.json() if answer.status_code == 403 else {}
        refused = told.get("error", told).get("code") == "scope_missing"
        assert refused is (route.needs not in ROLES[role]), (route, answer.text)


async def test_no_verb_of_any_address_answers_somebody_without_proof(doors: Doors, keycloak: TokenIssuer) -> None:
    await doors.register(**keycloak.registration())
    forged = TokenIssuer(keycloak.name)
    try:
        bad = forged.token(doors.made.slug, role="admin", header={"kid": keycloak.key_id})
    finally:
        forged.close()
    callers: tuple[dict[str, str], ...] = (
        {},
        {"Authorization": f"Bearer {bad}"},
        {"Authorization": "Bearer none"},
        {"X-User-Id": "ada"},
    )
    for route in GUARDED:
        for verb in VERBS:
            for headers in callers:
                # An address names no verb more than its routes do; what is left is 405, which tells nothing.
                path = route.path.format_map(_Any(doors.made.slug))
                answer = await doors.http.request(verb, path, headers=headers | {"X-Org-Slug": doors.made.slug})
                assert answer.status_code in (401, 405, 429), (verb, route.path, answer.text)


class _Any(dict[str, str]):
    def __init__(self, slug: str) -> None:
        super().__init__(org_slug=slug)

    def __missing__(self, key: str) -> str:
        return "c1"
