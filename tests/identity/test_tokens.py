"""Tokens of an organisation's issuers prove its people; every other token is refused, and leads nowhere."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from common.web.routes import ROUTES
from tests.fakes.token_issuer import AUDIENCE, SECRET, TokenIssuer
from tests.identity.conftest import Doors
from tests.organizations.organizations import Rows
from tests.organizations.test_callers import BODIES

NESTED = base64.urlsafe_b64encode(b"[" * 4_000).decode()
NOTHING: dict[str, str] = {}
ELSEWHERE = "http://127.0.0.1:9/keys"


def encoded(part: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def signed(issuer: TokenIssuer, slug: str, **header: Any) -> str:
    return issuer.token(slug, header=header)


def by_public_key(issuer: TokenIssuer, slug: str) -> str:
    """HS256 with the public key as its secret, which PyJWT itself refuses to make."""
    import hashlib
    import hmac

    text = f"{encoded({'alg': 'HS256', 'kid': issuer.key_id})}.{encoded(issuer.claims(slug))}"
    made = hmac.new(issuer.public_pem, text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(made).rstrip(b'=').decode()}"


def by_another_key(issuer: TokenIssuer, slug: str, **header: Any) -> str:
    key = rsa.generate_private_key(65537, 2048)
    return jwt.encode(issuer.claims(slug), key, "RS256", headers={"kid": issuer.key_id} | header)


def with_embedded_key(issuer: TokenIssuer, slug: str) -> str:
    key = rsa.generate_private_key(65537, 2048)
    public = json.loads(jwt.get_algorithm_by_name("RS256").to_jwk(key.public_key()))
    return jwt.encode(issuer.claims(slug), key, "RS256", headers={"kid": issuer.key_id, "jwk": public})


def by_a_curve(issuer: TokenIssuer, slug: str) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return jwt.encode(issuer.claims(slug), key, "ES256", headers={"kid": issuer.key_id})


def without_key_id(issuer: TokenIssuer, slug: str) -> str:
    return jwt.encode(issuer.claims(slug), issuer.key, "RS256")


def unsigned(issuer: TokenIssuer, slug: str, name: str = "none") -> str:
    return f"{encoded({'alg': name, 'kid': issuer.key_id})}.{encoded(issuer.claims(slug))}."


Forge = Callable[[TokenIssuer, str], str]
FORGED: dict[str, Forge] = {
    "alg none": unsigned,
    "alg None": lambda issuer, slug: unsigned(issuer, slug, "None"),
    "alg no text": lambda issuer, slug: f"{encoded({'alg': 1})}.{encoded(issuer.claims(slug))}.AA",
    "hs256 by the public key": by_public_key,
    "an embedded jwk": with_embedded_key,
    "an embedded jwk of the right key": lambda issuer, slug: signed(issuer, slug, jwk=issuer.jwk),
    "jku": lambda issuer, slug: by_another_key(issuer, slug, jku=ELSEWHERE),
    "jku beside a good signature": lambda issuer, slug: signed(issuer, slug, jku=ELSEWHERE),
    "x5u": lambda issuer, slug: by_another_key(issuer, slug, x5u=ELSEWHERE),
    "x5c": lambda issuer, slug: signed(issuer, slug, x5c=["MII"]),
    "another issuer's key": by_another_key,
    "an es256 key": by_a_curve,
    "no exp": lambda issuer, slug: issuer.token(slug, exp=None),
    "exp is over": lambda issuer, slug: issuer.token(slug, exp=int(time.time()) - 60),
    "exp is no number": lambda issuer, slug: issuer.token(slug, exp="soon"),
    "exp is endless": lambda issuer, slug: issuer.token(slug, exp=float("inf")),
    "another aud": lambda issuer, slug: issuer.token(slug, aud="another"),
    "no aud": lambda issuer, slug: issuer.token(slug, aud=None),
    "another iss": lambda issuer, slug: issuer.token(slug, iss="https://evil.test"),
    "iss with a slash more": lambda issuer, slug: issuer.token(slug, iss=f"{issuer.name}/"),
    "iss is no text": lambda issuer, slug: jwt.encode(
        {**issuer.claims(slug), "aud": AUDIENCE} | {"iss": issuer.name}, issuer.key, "RS256", headers={"kid": "key-9"}
    ),
    "no iss": lambda issuer, slug: issuer.token(slug, iss=None),
    "no sub": lambda issuer, slug: issuer.token(slug, sub=None),
    "sub names an api key": lambda issuer, slug: issuer.token(slug, sub="key:1"),
    "sub names an operator": lambda issuer, slug: issuer.token(slug, sub="operator:root"),
    "sub is too long": lambda issuer, slug: issuer.token(slug, sub="u" * 129),
    "nbf is ahead": lambda issuer, slug: issuer.token(slug, nbf=int(time.time()) + 120),
    "iat is ahead": lambda issuer, slug: issuer.token(slug, iat=int(time.time()) + 120),
    "crit": lambda issuer, slug: signed(issuer, slug, crit=["b64"], b64=False),
    "crit of nothing": lambda issuer, slug: signed(issuer, slug, crit=[]),
    "an unknown kid": lambda issuer, slug: signed(issuer, slug, kid="unknown"),
    "no kid": without_key_id,
    "kid is a path": lambda issuer, slug: signed(issuer, slug, kid="../../../etc/passwd"),
    "kid is a file": lambda issuer, slug: signed(issuer, slug, kid="/dev/null"),
    "kid is a url": lambda issuer, slug: signed(issuer, slug, kid="https://evil.test/key"),
    "kid is no text": lambda issuer, slug: f"{encoded({'alg': 'RS256', 'kid': 1})}.{encoded(issuer.claims(slug))}.AA",
    "nine kilobytes": lambda issuer, slug: issuer.token(slug, padding="x" * 9_000),
    "garbage": lambda *_: "garbage",
    "three parts of garbage": lambda *_: "eyJ.eyJ.eyJ",
    "deeply nested": lambda *_: f"{encoded({'alg': 'RS256'})}.{NESTED}.A",
    "a changed claim": lambda issuer, slug: _changed(issuer.token(slug), issuer.claims(slug, role="admin")),
    "a cut signature": lambda issuer, slug: issuer.token(slug)[:-8],
}


def _changed(token: str, claims: dict[str, Any]) -> str:
    header, _, signature = token.split(".")
    return f"{header}.{encoded(claims)}.{signature}"


@pytest.mark.parametrize("what", FORGED)
async def test_a_token_that_proves_nobody_is_refused(doors: Doors, keycloak: TokenIssuer, what: str) -> None:
    await doors.register(**keycloak.registration())
    assert (await doors.caller(keycloak.token(doors.made.slug))).status_code == 200
    forged = FORGED[what](keycloak, doors.made.slug)
    for headers in (NOTHING, {"X-API-Key": doors.owner["X-API-Key"]}):
        answer = await doors.caller(forged, headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token"), answer.text
    assert set(keycloak.asked) == {"/keys"}


async def test_a_keycloak_token_proves_a_person_and_a_role(doors: Doors, keycloak: TokenIssuer) -> None:
    await doors.register(**keycloak.registration(provider="keycloak", claims={"role": "realm_access.roles"}))
    roles = {"roles": ["offline_access", "supporter", "uma"]}
    answer = await doors.caller(keycloak.token(doors.made.slug, role=None, realm_access=roles, name="Ada L."))
    found = answer.json()
    assert (found["user_id"], found["name"], found["role"]) == ("ada", "Ada L.", "supporter")
    assert found["org_slug"] == doors.made.slug
    unknown = await doors.caller(keycloak.token(doors.made.slug, realm_access={"roles": ["root"]}))
    assert unknown.json()["role"] == "user"


async def test_both_forms_of_supabase_are_accepted(doors: Doors, supabase: TokenIssuer) -> None:
    slug = doors.made.slug
    own: dict[str, Any] = {"tenant_id": None, "role": "authenticated", "aud": "authenticated"}
    own["app_metadata"] = {"org_slug": slug, "role": "admin"}
    await doors.register(provider="supabase", issuer=supabase.name, jwks_url=supabase.jwks_url)
    found = (await doors.caller(supabase.token(slug, **own))).json()
    assert (found["user_id"], found["role"]) == ("ada", "admin")
    # The legacy form: one secret, which is stored wrapped and shown nowhere.
    legacy = "https://legacy.supabase.test/auth/v1"
    shown = await doors.register(provider="supabase", issuer=legacy, secret=SECRET)
    assert (shown["algorithm"], shown["has_secret"]) == ("HS256", True)
    token = jwt.encode(supabase.claims(slug, **own, iss=legacy), SECRET, "HS256")
    assert (await doors.caller(token)).json()["role"] == "admin"
    assert (await doors.caller(jwt.encode(supabase.claims(slug, **own, iss=legacy), SECRET[::-1]))).status_code == 401
    listed = await doors.http.get(doors.path("/settings/issuers"), headers=doors.owner)
    assert len(listed.json()["issuers"]) == 2
    assert SECRET not in listed.text + doors.product.logs.getvalue() + str(doors.product.copy(doors.made))


async def test_a_token_is_accepted_by_every_function(doors: Doors, keycloak: TokenIssuer) -> None:
    await doors.register(**keycloak.registration())
    bearer = {"Authorization": f"Bearer {keycloak.token(doors.made.slug, role='admin')}", "X-Org-Slug": doors.made.slug}
    for route in ROUTES:
        if route.needs is None:
            continue
        answer = await doors.call(route, bearer, BODIES.get((route.function, route.name)))
        assert answer.status_code not in (401, 403), (route, answer.text)


async def test_a_token_of_another_organisation_is_refused(doors: Doors, rows: Rows, keycloak: TokenIssuer) -> None:
    await doors.register(**keycloak.registration())
    other = rows.make()
    rows.add_key(other.slug, "owner", ["access:write"])
    # An issuer of both: the tenant's claim tells them apart.
    await doors.register(other, **keycloak.registration())
    stranger = keycloak.token(other.slug)
    assert (await doors.caller(stranger, made=other)).status_code == 200
    answer = await doors.caller(stranger)
    assert (answer.status_code, answer.json()["code"]) == (403, "org_forbidden")
    for claim in ([doors.made.slug], {"slug": doors.made.slug}, None, "", doors.made.slug.upper()):
        assert (await doors.caller(keycloak.token(doors.made.slug, tenant_id=claim))).status_code == 403


async def test_an_issuer_of_another_organisation_only_is_none_here(
    doors: Doors, rows: Rows, keycloak: TokenIssuer
) -> None:
    other = rows.make()
    rows.add_key(other.slug, "owner", ["access:write"])
    await doors.register(other, **keycloak.registration())
    assert (await doors.caller(keycloak.token(doors.made.slug))).status_code == 401
    answer = await doors.caller(keycloak.token(other.slug))
    assert (answer.status_code, answer.json()["code"]) == (403, "org_forbidden")
    assert keycloak.asked == []


async def test_x_user_id_may_only_repeat_whom_the_token_names(doors: Doors, keycloak: TokenIssuer) -> None:
    await doors.register(**keycloak.registration())
    token = keycloak.token(doors.made.slug)
    for headers in (NOTHING, {"X-API-Key": doors.owner["X-API-Key"]}):
        assert (await doors.caller(token, {"X-User-Id": "ada"} | headers)).status_code == 200
        answer = await doors.caller(token, {"X-User-Id": "ben"} | headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "person_mismatch")


async def test_x_tenant_id_is_another_spelling_of_x_org_slug(doors: Doors, keycloak: TokenIssuer) -> None:
    await doors.register(**keycloak.registration())
    slug, bearer = doors.made.slug, {"Authorization": f"Bearer {keycloak.token(doors.made.slug)}"}
    same = [{"X-Tenant-ID": slug}, {"X-Org-Slug": slug}, {"X-Tenant-ID": slug, "X-Org-Slug": slug}]
    for headers in same:
        assert (await doors.product.settings.get("/status", headers=bearer | headers)).status_code == 200
        assert (await doors.caller(keycloak.token(slug), headers)).status_code == 200
    other = {"X-Tenant-ID": "another_inc"}
    for headers in (other, other | {"X-Org-Slug": slug}):
        answer = await doors.caller(keycloak.token(slug), headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    # It makes nobody an organisation's: no tenant is made of it.
    answer = await doors.product.settings.get("/status", headers=bearer | {"X-Tenant-ID": "never_made_inc"})
    assert answer.status_code in (401, 403)


async def test_of_key_and_token_together_both_have_to_permit(doors: Doors, keycloak: TokenIssuer) -> None:
    await doors.register(**keycloak.registration())
    doors.made.rows.add_key(doors.made.slug, "reads", ["chat:read"])
    admin = keycloak.token(doors.made.slug, role="admin")
    found = (await doors.caller(admin, {"X-API-Key": doors.made.key("reads")["X-API-Key"]})).json()
    assert (found["user_id"], found["role"], found["permissions"]) == ("ada", "admin", ["chat:read"])
    person = keycloak.token(doors.made.slug)
    found = (await doors.caller(person, {"X-API-Key": doors.owner["X-API-Key"]})).json()
    assert found["permissions"] == ["alerts:write", "chat:read", "chat:write"]


async def test_cloud_runs_own_token_beside_a_key_is_left_to_it(doors: Doors) -> None:
    claims = {"iss": "https://accounts.google.com", "aud": "https://chat.run.app", "sub": "1", "exp": 9_999_999_999}
    text = f"{encoded({'alg': 'RS256', 'kid': 'k'})}.{encoded(claims)}.U0lHTkFUVVJF"
    answer = await doors.caller(text, {"X-API-Key": doors.owner["X-API-Key"], "X-User-Id": "ada"})
    assert (answer.status_code, answer.json()["user_id"]) == (200, "ada")
    assert (await doors.caller(text)).status_code == 401


async def test_an_issuer_that_was_removed_proves_nobody_at_once(doors: Doors, keycloak: TokenIssuer) -> None:
    shown = await doors.register(**keycloak.registration())
    token = keycloak.token(doors.made.slug)
    assert (await doors.caller(token)).status_code == 200
    gone = await doors.http.delete(doors.path(f"/settings/issuers/{shown['issuer_id']}"), headers=doors.owner)
    assert gone.status_code == 200
    assert (await doors.caller(token)).status_code == 401
    again = await doors.http.delete(doors.path(f"/settings/issuers/{shown['issuer_id']}"), headers=doors.owner)
    assert again.status_code == 404


async def test_a_member_has_the_organisations_role_or_none(doors: Doors, keycloak: TokenIssuer) -> None:
    await doors.register(**keycloak.registration())
    token, place = keycloak.token(doors.made.slug, sub="ben"), doors.path("/settings/members/ben")
    assert (await doors.http.put(place, json={"role": "supporter"}, headers=doors.owner)).status_code == 200
    assert (await doors.caller(token)).json()["role"] == "supporter"
    assert (await doors.http.put(place, json={"blocked": True}, headers=doors.owner)).status_code == 200
    assert (await doors.caller(token)).json()["code"] == "person_blocked"
    by_key = await doors.http.get(doors.path("/settings/caller"), headers=doors.made.member)
    assert by_key.json()["code"] == "person_blocked"
    assert (await doors.http.delete(place, headers=doors.owner)).status_code == 200
    assert (await doors.caller(token)).json()["role"] == "user"


async def test_nobody_changes_their_own_role(doors: Doors, keycloak: TokenIssuer) -> None:
    await doors.register(**keycloak.registration())
    bearer = {"Authorization": f"Bearer {keycloak.token(doors.made.slug, role='admin')}"}
    answer = await doors.http.put(doors.path("/settings/members/ada"), json={"blocked": True}, headers=bearer)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "url",
    [
        "http://login.example.com/keys",
        "https://127.0.0.1/keys",
        "https://[::1]/keys",
        "https://2130706433/keys",
        "https://0x7f.1/keys",
        "https://169.254.169.254/computeMetadata/v1/",
        "https://metadata.google.internal/",
        "https://localhost/keys",
        "https://user:password@login.example.com/keys",
        "https://login.example.com:8443/keys",
        "ftp://login.example.com/keys",
        "file:///etc/passwd",
        "https://login.example.com/keys#x",
        "https://login.example.com\\@127.0.0.1/keys",
        "not a url",
    ],
)
async def test_an_issuer_whose_keys_are_nowhere_public_is_not_registered(doors: Doors, url: str) -> None:
    body = {"issuer": "https://login.example.com", "algorithm": "RS256", "audience": "a", "jwks_url": url}
    answer = await doors.http.post(doors.path("/settings/issuers"), json=body, headers=doors.owner)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_body"), answer.text


@pytest.mark.parametrize(
    "change",
    [
        {"algorithm": "none"},
        {"algorithm": "HS256"},
        {"algorithm": "HS256", "jwks_url": None, "secret": "short"},
        {"secret": SECRET},
        {"claims": {"role": "user_metadata.role"}},
        {"claims": {"tenant": "user_metadata"}},
        {"roles": {"boss": "root"}},
        {"audience": ""},
    ],
)
async def test_what_makes_no_issuer_is_refused(doors: Doors, keycloak: TokenIssuer, change: dict[str, Any]) -> None:
    body = keycloak.registration(**change)
    answer = await doors.http.post(doors.path("/settings/issuers"), json=body, headers=doors.owner)
    assert answer.status_code == 422, answer.text
