"""From the headers of a request to a Principal, or a refusal."""

import re
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from common import limits
from common.errors import BadRequest, BadSlug, Forbidden, OrganizationInactive, Unauthenticated
from common.organizations.directory import Directory, Lookup, hash_api_key, principal_of
from common.settings import Settings
from common.telemetry.request import belongs_to
from common.tenant import EVERY_PERMISSION, OrgSlug, Permission, Principal, Tenant, UserId, parse_org_slug

PROVEN_SECONDS = 60.0
PROVEN_REMEMBERED = 10_000

_USER_ID = re.compile(r"[\x21-\x7e][\x20-\x7e]*")


@dataclass(frozen=True, slots=True)
class Credentials:
    """The credentials of a request, not proven yet, and the permission that its route needs."""

    org_slug: OrgSlug
    api_key: str | None
    user_id: str | None
    needs: Permission | None = None

    @property
    def person(self) -> str:
        """A name for who calls, before that is proven: a person by the user id, whatever the key, or the key itself."""
        return f"user/{self.user_id}" if self.user_id else f"key/{hash_api_key(self.api_key or '')}"


def read_credentials(headers: Mapping[str, str], path_slug: str | None, needs: Permission | None = None) -> Credentials:
    """Read the credentials without I/O. Raises BadSlug, or Forbidden where path and header name two organisations."""
    header_slug = headers.get("x-org-slug")
    text = path_slug or header_slug
    if not text:
        raise BadSlug
    org_slug = parse_org_slug(text)
    if header_slug and parse_org_slug(header_slug) != org_slug:
        raise Forbidden("The path and X-Org-Slug name two organisations. Name one.")
    user_id = headers.get("x-user-id") or None
    if user_id is not None and (len(user_id) > limits.MAX_USER_ID_CHARS or not _USER_ID.fullmatch(user_id)):
        raise BadRequest(f"X-User-Id must be 1 to {limits.MAX_USER_ID_CHARS} printable ASCII characters.")
    if user_id is not None and user_id.startswith("key:"):
        raise BadRequest("X-User-Id must not start with 'key:', which names API keys.")
    api_key = headers.get("x-api-key") or None
    if api_key and len(api_key) > limits.MAX_API_KEY_CHARS:
        api_key = None
    return Credentials(org_slug, api_key, user_id, needs)


class Authenticator:
    """Proves a credentials: the key is known, active, unexpired and of the organisation that the request names."""

    def __init__(self, settings: Settings, directory: Directory) -> None:
        self._bypass = settings.disable_auth
        self._directory = directory
        self._proven: OrderedDict[tuple[str, str, Permission | None], float] = OrderedDict()

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

    async def authenticate(self, credentials: Credentials, also: tuple[str, ...] = ()) -> tuple[Principal, Lookup]:
        """Return the caller, and what the same lookup found. Raises Unauthenticated, or one of the Forbidden family."""
        tenant = self.tenant(credentials)
        if self._bypass:
            entry = await self._directory.look_up(tenant, None, also)
            belongs_to(tenant.org_slug)
            return Principal(tenant, UserId(credentials.user_id or "local"), "bypass", EVERY_PERMISSION), entry
        if credentials.api_key is None:
            raise Unauthenticated
        entry = await self._directory.look_up(tenant, credentials.api_key, also)
        if entry.key is None or not entry.key.serves(datetime.now(UTC)):
            raise self._directory.refusal(tenant)
        if entry.key.org_slug != tenant.org_slug:
            raise Forbidden
        if entry.organization is None or not entry.organization.profile.is_active:
            raise OrganizationInactive
        belongs_to(tenant.org_slug)
        caller = principal_of(tenant, entry.key, credentials.user_id)
        if credentials.needs is not None:
            caller.require(credentials.needs)
        self._remember(credentials)
        return caller, entry

    def _remember(self, credentials: Credentials) -> None:
        self._proven[_proof_of(credentials)] = time.monotonic() + PROVEN_SECONDS
        while len(self._proven) > PROVEN_REMEMBERED:
            self._proven.popitem(last=False)


def _proof_of(credentials: Credentials) -> tuple[str, str, Permission | None]:
    """The name of a proof: the hash of the API key, the organisation and the permission."""
    return hash_api_key(credentials.api_key or ""), credentials.org_slug, credentials.needs
