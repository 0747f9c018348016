"""Bearer tokens (JWT): read before anything is asked, then proven against an issuer of the organisation."""

import asyncio
import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from common import limits
from common.errors import Forbidden, IssuerUnavailable, KeyInvalid, PersonMismatch, TokenRefused
from common.organizations.issuers import StoredIssuer, claim_of
from common.organizations.organization import Organization
from common.secret import Secret
from common.tenant import Role, Tenant, UserId, has_user_id_form

if TYPE_CHECKING:
    from common.identity.key_sets import KeySets
    from common.organizations.provider_key import ProviderKeys

LEEWAY_SECONDS = 30
SECRET_SECONDS = 300.0
SECRETS_REMEMBERED = 1_000

# Headers by which a token would bring its own key, or a rule of its own.
_OWN_KEYS = ("jku", "jwk", "x5u", "x5c", "crit")
_ALGORITHMS = ("RS256", "ES256", "HS256")
_KEY_ID = re.compile(r"[A-Za-z0-9_.:=+-]{1,128}")
_REQUIRED = ["exp", "iss", "aud"]
# What other issuers call the organisation, to tell a token of another one from one that is no good.
_TENANT_CLAIMS = ("tenant_id", "org_slug", "app_metadata.org_slug", "app_metadata.tenant_id", "organization")
_OF_THE_PLATFORM = ("https://accounts.google.com", "accounts.google.com")
_NAME_CHARS = 100
_OTHER = "This token does not belong to the organisation in the request."


@dataclass(frozen=True, slots=True, repr=False)
class BearerToken:
    """A token of a plausible form; nothing in it is proven."""

    secret: Secret
    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    digest: str

    @property
    def issuer(self) -> str:
        given = self.claims.get("iss")
        return given if isinstance(given, str) else ""

    @property
    def algorithm(self) -> str:
        return str(self.header["alg"])

    @property
    def key_id(self) -> str:
        return str(self.header.get("kid", ""))

    @property
    def is_of_the_platform(self) -> bool:
        """Return true for the identity token that Cloud Run asks for at its own door."""
        return self.issuer in _OF_THE_PLATFORM

    @property
    def subject(self) -> str:
        """The person that the token would prove, as far as it can be told without its issuer."""
        given = self.claims.get("sub", self.claims.get("user_id"))
        return given if isinstance(given, str) and _is_user_id(given) else ""


@dataclass(frozen=True, slots=True)
class Proven:
    """The person that a token proves, and until when (seconds since 1970)."""

    user_id: UserId
    role: Role
    name: str | None
    expires_at: float


def looks_like_token(text: str) -> bool:
    """Return true for three parts with dots between, which no API key of the product has."""
    return text.count(".") == 2 and text.startswith("ey")


def read_token(text: str) -> BearerToken:
    """Read a token without proving it, and without I/O. Raises TokenRefused for one that nobody could accept."""
    import jwt  # It takes long to import, and most callers have no token.

    if len(text) > limits.MAX_TOKEN_CHARS or not text.isascii():
        raise TokenRefused
    try:
        parts = jwt.decode_complete(text, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, RecursionError):
        raise TokenRefused from None
    header, claims = parts["header"], parts["payload"]
    key_id = header.get("kid")
    if header.get("alg") not in _ALGORITHMS or any(name in header for name in _OWN_KEYS):
        raise TokenRefused
    if key_id is not None and not (isinstance(key_id, str) and _KEY_ID.fullmatch(key_id) and ".." not in key_id):
        raise TokenRefused
    return BearerToken(Secret(text), header, claims, hashlib.sha256(text.encode()).hexdigest())


class TokenProofs:
    """Proves tokens: their issuer is looked up among those of the organisation in the request, and nowhere else."""

    def __init__(self, key_sets: "KeySets", secrets: "ProviderKeys") -> None:
        self._key_sets = key_sets
        self._secrets = secrets
        self._opened: OrderedDict[tuple[str, str, str], tuple[float, asyncio.Task[Secret]]] = OrderedDict()

    async def prove(
        self, tenant: Tenant, organization: Organization | None, token: BearerToken, named: str | None
    ) -> Proven:
        """Return the person; ``named`` is whom the request names beside the token.

        Raises TokenRefused, Forbidden, PersonMismatch or IssuerUnavailable.
        """
        issuer = organization.access.issuers.named(token.issuer) if organization else None
        if issuer is None:
            raise Forbidden(_OTHER) if _is_of_another(token.claims, tenant) else TokenRefused()
        if token.algorithm != issuer.algorithm:
            raise TokenRefused
        claims = _verified(token, await self._key(tenant, issuer, token), issuer)
        if claim_of(claims, issuer.claims.tenant) != tenant.org_slug:
            raise Forbidden(_OTHER)
        user_id = claim_of(claims, issuer.claims.user)
        if not isinstance(user_id, str) or not _is_user_id(user_id):
            raise TokenRefused
        if named is not None and named != user_id:
            raise PersonMismatch
        name = claim_of(claims, issuer.claims.name)
        shown = name[:_NAME_CHARS] if isinstance(name, str) and name.isprintable() and name else None
        return Proven(UserId(user_id), issuer.role_of(claims), shown, float(claims["exp"]))

    async def _key(self, tenant: Tenant, issuer: StoredIssuer, token: BearerToken) -> Any:
        """Return the key that proves the token. Raises TokenRefused or IssuerUnavailable."""
        if issuer.jwks_url is None:
            return (await self._secret(tenant, issuer)).reveal()
        if not token.key_id:
            raise TokenRefused
        key = await self._key_sets.find(issuer.jwks_url, token.key_id, issuer.algorithm)
        if key is None:
            raise TokenRefused
        return key.key

    async def _secret(self, tenant: Tenant, issuer: StoredIssuer) -> Secret:
        """Open the secret of an issuer, once for all who ask within ``SECRET_SECONDS``. Raises IssuerUnavailable."""
        place = (tenant.org_slug, issuer.issuer, issuer.wrapped_secret or "")
        until, opening = self._opened.get(place, (0.0, None))
        if opening is None or time.monotonic() >= until or (opening.done() and opening.exception() is not None):
            opening = asyncio.create_task(self._open(tenant, issuer))
            opening.add_done_callback(lambda task: task.cancelled() or task.exception())
            self._opened[place] = (time.monotonic() + SECRET_SECONDS, opening)
            while len(self._opened) > SECRETS_REMEMBERED:
                self._opened.popitem(last=False)
        return await asyncio.shield(opening)

    async def _open(self, tenant: Tenant, issuer: StoredIssuer) -> Secret:
        try:
            async with self._secrets.opened(tenant, f"issuer:{issuer.issuer_id}", issuer.ciphertext) as secret:
                return Secret(secret.reveal())
        except KeyInvalid:
            raise IssuerUnavailable("The issuer's secret cannot be opened. Register the issuer again.") from None


def _verified(token: BearerToken, key: Any, issuer: StoredIssuer) -> Mapping[str, Any]:
    """Check signature, issuer, audience and times. Raises TokenRefused."""
    import jwt  # It takes long to import, and most callers have no token.

    try:
        claims: Mapping[str, Any] = jwt.decode(
            token.secret.reveal(),
            key,
            algorithms=[issuer.algorithm],
            audience=issuer.audience,
            issuer=issuer.issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": _REQUIRED},
        )
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, OverflowError):
        raise TokenRefused from None
    return claims


def _is_user_id(text: str) -> bool:
    # Those of API keys and of operators are no person's.
    return has_user_id_form(text) and not text.startswith(("key:", "operator:"))


def _is_of_another(claims: Mapping[str, Any], tenant: Tenant) -> bool:
    """Return true if a token that cannot be proven here says itself that it is of another organisation."""
    said = [claim_of(claims, name) for name in _TENANT_CLAIMS]
    slugs = [each for each in said if isinstance(each, str)]
    return bool(slugs) and tenant.org_slug not in slugs
