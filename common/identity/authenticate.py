"""From the headers of a request to a Principal, or a refusal."""

import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from common import limits
from common.errors import (
    BadRequest,
    BadSlug,
    FeatureOff,
    Forbidden,
    OrganizationInactive,
    PersonBlocked,
    TokenRefused,
    Unauthenticated,
)
from common.identity.tokens import BearerToken, Proven, TokenProofs, read_token
from common.organizations.agent_rules import Feature
from common.organizations.organization import hash_api_key, principal_of
from common.settings import Settings
from common.telemetry.request import belongs_to
from common.tenant import (
    EVERY_PERMISSION,
    ROLES,
    OrgSlug,
    Permission,
    Principal,
    Tenant,
    UserId,
    has_user_id_form,
    parse_org_slug,
)

if TYPE_CHECKING:
    from common.organizations.directory import Directory, Lookup

PROVEN_SECONDS = 60.0
PROVEN_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Credentials:
    """The credentials of a request, not proven yet, the permission that its route needs and the
    feature that it is a part of.

    ``user_id`` is whom the request says that it is for: by its token, or by X-User-Id where it has none. ``named`` is
    what X-User-Id says beside a token.
    """

    org_slug: OrgSlug
    api_key: str | None
    user_id: str | None
    needs: Permission | None = None
    token: BearerToken | None = None
    named: str | None = None
    feature: Feature | None = None

    @property
    def person(self) -> str:
        """A name for who calls, before that is proven: a person by the user id, whatever the key, or the key itself."""
        return f"user/{self.user_id}" if self.user_id else f"key/{hash_api_key(self.api_key or '')}"


def read_credentials(
    headers: Mapping[str, str],
    path_slug: str | None,
    needs: Permission | None = None,
    feature: Feature | None = None,
) -> Credentials:
    """Read the credentials without I/O.

    Raises BadSlug, Forbidden where path and header name two organisations, TokenRefused for a token that is none.
    """
    user_id = headers.get("x-user-id") or None
    if user_id is not None and not has_user_id_form(user_id):
        raise BadRequest(f"X-User-Id must be 1 to {limits.MAX_USER_ID_CHARS} printable ASCII characters.")
    if user_id is not None and user_id.startswith("key:"):
        raise BadRequest("X-User-Id must not start with 'key:', which names API keys.")
    api_key = headers.get("x-api-key") or None
    if api_key and len(api_key) > limits.MAX_API_KEY_CHARS:
        api_key = None
    org_slug = _organization_in(headers, path_slug)
    token = _token_in(headers, beside_key=bool(api_key))
    if token is None:
        return Credentials(org_slug, api_key, user_id, needs, feature=feature)
    return Credentials(org_slug, api_key, token.subject or None, needs, token, user_id, feature)


def _organization_in(headers: Mapping[str, str], path_slug: str | None) -> OrgSlug:
    """Return the organisation that the request names: X-Tenant-ID is another spelling of X-Org-Slug."""
    header_slug, tenant_id = headers.get("x-org-slug"), headers.get("x-tenant-id")
    if tenant_id and tenant_id != (header_slug or path_slug or tenant_id):
        raise BadRequest("X-Tenant-ID and the path or X-Org-Slug name two organisations. Name one.")
    header_slug = header_slug or tenant_id
    text = path_slug or header_slug
    if not text:
        raise BadSlug
    org_slug = parse_org_slug(text)
    if header_slug and parse_org_slug(header_slug) != org_slug:
        raise Forbidden("The path and X-Org-Slug name two organisations. Name one.")
    return org_slug


def bearer_of(headers: Mapping[str, str]) -> str:
    """Return the bearer token of the Authorization header; empty where there is none."""
    scheme, _, text = headers.get("authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""


def _token_in(headers: Mapping[str, str], *, beside_key: bool) -> BearerToken | None:
    """Read the person's token. Returns None if there is none, or beside a key the one that is for Cloud Run."""
    text = bearer_of(headers)
    if not text:
        return None
    token = read_token(text)
    return None if beside_key and token.is_of_the_platform else token


class Authenticator:
    """Proves credentials: a key, a person's token or both, each of the organisation that the request names."""

    def __init__(self, settings: Settings, directory: "Directory", tokens: TokenProofs) -> None:
        self._bypass = settings.disable_auth
        self._directory = directory
        self._tokens = tokens
        self._proven: OrderedDict[_Proof, float] = OrderedDict()

    async def recognize(self, credentials: Credentials) -> None:
        """Return for credentials that this instance has proven a moment ago, else prove them.

        It saves a read of its own before one that proves them again: it permits nothing but to go on to that.
        """
        if self._bypass or time.monotonic() < self._proven.get(_proof_of(credentials), 0.0):
            belongs_to(credentials.org_slug)
        else:
            await self.authenticate(credentials)

    def tenant(self, credentials: Credentials) -> Tenant:
        return self._directory.tenant(credentials.org_slug)

    async def organization_of(self, api_key: str) -> OrgSlug:
        """Return the organisation that a key names; the key still has to be authenticated. Raises Unauthenticated."""
        if self._bypass or len(api_key) > limits.MAX_API_KEY_CHARS:
            raise Unauthenticated
        return await self._directory.organization_of(api_key)

    async def principal(self, credentials: Credentials) -> Principal:
        """Return the caller. Raises Unauthenticated, or one of the Forbidden family."""
        return (await self.authenticate(credentials))[0]

    async def authenticate(self, credentials: Credentials, also: tuple[str, ...] = ()) -> "tuple[Principal, Lookup]":
        """Return the caller, and what the same lookup found. Raises Unauthenticated, or one of the Forbidden family."""
        tenant = self.tenant(credentials)
        if self._bypass:
            entry = await self._directory.look_up(tenant, None, also)
            belongs_to(tenant.org_slug)
            user_id = UserId(credentials.named or credentials.user_id or "local")
            return Principal(tenant, user_id, "bypass", EVERY_PERMISSION, "admin"), entry
        if credentials.api_key is None and credentials.token is None:
            raise Unauthenticated
        entry = await self._directory.look_up(tenant, credentials.api_key, also)
        if credentials.api_key is not None:
            self._check_key(tenant, entry)
        proven = await self._prove(tenant, entry, credentials)
        if entry.organization is None or not entry.organization.profile.is_active:
            raise OrganizationInactive
        belongs_to(tenant.org_slug)
        caller = _caller(tenant, entry, credentials, proven)
        if credentials.needs is not None:
            caller.require(credentials.needs)
        if credentials.feature is not None and not entry.access.agents.has(credentials.feature):
            raise FeatureOff
        self._remember(credentials, proven)
        return caller, entry

    def _check_key(self, tenant: Tenant, entry: "Lookup") -> None:
        if entry.key is None or not entry.key.serves(datetime.now(UTC)):
            raise self._directory.refusal(tenant)
        if entry.key.org_slug != tenant.org_slug:
            raise Forbidden

    async def _prove(self, tenant: Tenant, entry: "Lookup", credentials: Credentials) -> Proven | None:
        """Return whom the token proves, None where there is no token. One that fails counts as a key that failed."""
        if credentials.token is None:
            return None
        try:
            return await self._tokens.prove(tenant, entry.organization, credentials.token, credentials.named)
        except TokenRefused as refused:
            raise self._directory.refusal(tenant, refused) from None

    def _remember(self, credentials: Credentials, proven: Proven | None) -> None:
        seconds = PROVEN_SECONDS if proven is None else min(PROVEN_SECONDS, proven.expires_at - time.time())
        self._proven[_proof_of(credentials)] = time.monotonic() + seconds
        while len(self._proven) > PROVEN_REMEMBERED:
            self._proven.popitem(last=False)


_Proof = tuple[str, str, str, Permission | None]


def _proof_of(credentials: Credentials) -> _Proof:
    """The name of a proof: the hashes of the API key and of the token, the organisation and the permission."""
    token = f"{credentials.token.digest}/{credentials.named or ''}" if credentials.token else ""
    return hash_api_key(credentials.api_key or ""), token, credentials.org_slug, credentials.needs


def _caller(tenant: Tenant, entry: "Lookup", credentials: Credentials, proven: Proven | None) -> Principal:
    """The caller: of a key and a token together, who the token proves, with what both may do. Raises PersonBlocked."""
    assert entry.organization is not None
    by_key = principal_of(tenant, entry.key, credentials.user_id) if entry.key is not None else None
    user_id = proven.user_id if proven is not None else by_key.user_id if by_key is not None else UserId("")
    member = entry.organization.access.members.members.get(user_id)
    if member is not None and member.blocked:
        raise PersonBlocked
    if proven is None:
        assert by_key is not None
        return by_key
    role = member.role if member is not None and member.role is not None else proven.role
    permissions: frozenset[str] = ROLES[role]
    if by_key is None:
        return Principal(tenant, user_id, "", permissions, role, proven.name)
    return replace(by_key, user_id=user_id, scopes=permissions & by_key.scopes, role=role, name=proven.name)
