"""Administrators make and revoke keys, and nobody hands on what they do not have."""

from common.tenant import WITHOUT_SCOPES
from tests.fakes.token_issuer import TokenIssuer
from tests.identity.conftest import Doors


async def test_a_key_is_made_shown_once_serves_and_is_revoked(doors: Doors) -> None:
    keys = doors.path("/settings/keys")
    made = await doors.http.post(keys, json={"name": "frontend", "expires_in_days": 30}, headers=doors.owner)
    assert made.status_code == 200, made.text
    assert made.headers["cache-control"] == "no-store"
    key = made.json()["key"]
    by_key = {"X-API-Key": key}
    found = (await doors.http.get(doors.path("/settings/caller"), headers=by_key)).json()
    assert (found["role"], found["permissions"]) == ("user", sorted(WITHOUT_SCOPES))
    listed = await doors.http.get(keys, headers=doors.owner)
    (shown,) = [each for each in listed.json()["keys"] if each["name"] == "frontend"]
    assert (shown["key_id"], shown["active"]) == (made.json()["key_id"], True)
    assert key not in listed.text + doors.product.logs.getvalue()
    place = f"{keys}/{made.json()['key_id']}"
    assert (await doors.http.delete(place, headers=doors.owner)).json() == {"status": "revoked"}
    assert (await doors.http.get(doors.path("/settings/caller"), headers=by_key)).status_code == 401


async def test_nobody_makes_a_key_that_may_more_than_themselves(doors: Doors) -> None:
    doors.made.rows.add_key(doors.made.slug, "access-only", ["access:write"])
    body = {"name": "more", "scopes": ["chat:read"]}
    answer = await doors.http.post(doors.path("/settings/keys"), json=body, headers=doors.made.key("access-only"))
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    own = {"name": "same", "scopes": ["access:write"]}
    answer = await doors.http.post(doors.path("/settings/keys"), json=own, headers=doors.made.key("access-only"))
    assert answer.status_code == 200


async def test_each_change_is_audited_and_counts_a_version(doors: Doors, keycloak: TokenIssuer) -> None:
    await doors.register(**keycloak.registration())
    await doors.register(**keycloak.registration(audience="another"))
    listed = (await doors.http.get(doors.path("/settings/issuers"), headers=doors.owner)).json()
    assert (listed["version"], [each["audience"] for each in listed["issuers"]]) == (2, ["another"])
    stored = [doors.made.rows.of("org_chat_access", doors.made.slug, active=active) for active in (True, False)]
    assert [[row["version"] for row in rows] for rows in stored] == [[2], [1]]
    logged = doors.product.logged("access.changed")
    assert [(each["changed"], each["user_id"], each["version"]) for each in logged] == [
        ("issuers", "ada", "1"),
        ("issuers", "ada", "2"),
    ]


async def test_an_organisation_has_so_many_issuers(doors: Doors, keycloak: TokenIssuer) -> None:
    for number in range(10):
        await doors.register(**keycloak.registration(issuer=f"https://login-{number}.test"))
    body = keycloak.registration(issuer="https://one.more.test")
    answer = await doors.http.post(doors.path("/settings/issuers"), json=body, headers=doors.owner)
    assert answer.status_code == 400
    assert "at most 10" in answer.text
