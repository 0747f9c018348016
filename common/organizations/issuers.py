"""The issuers whose tokens an organisation accepts: who signs, with which algorithm, and what its claims mean."""

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, SecretStr, model_validator

from common.bodies import Body
from common.egress import EgressRefused, check_url
from common.tenant import ROLES, Role, highest_role

MAX_ISSUERS = 10
MAX_MAPPED_ROLES = 50
CLAIM_CHARS = 200
CLAIM_DEPTH = 5
SECRET_MIN_CHARS = 32
SECRET_MAX_CHARS = 512

Algorithm = Literal["RS256", "ES256", "HS256"]
Provider = Literal["supabase", "keycloak", "oidc"]

# A person can write these claims, so they prove nothing.
_OF_THE_PERSON = ("user_metadata", "raw_user_meta_data")
_SAME_NAMES: Mapping[str, Role] = {role: role for role in ROLES}
_PRINTABLE = re.compile(r"[\x21-\x7e]+")


def _claim(path: str) -> str:
    if not _PRINTABLE.fullmatch(path) or path.split(".")[0] in _OF_THE_PERSON:
        raise ValueError("name a claim that only the issuer writes, such as app_metadata.role")
    return path


Claim = Annotated[str, Field(min_length=1, max_length=CLAIM_CHARS), AfterValidator(_claim)]


class Claims(Body):
    """The claims of a token by what they say: a name, or names of nested objects joined by dots."""

    model_config = ConfigDict(extra="forbid", strict=True)

    tenant: Claim = "tenant_id"
    user: Claim = "sub"
    role: Claim = "role"
    name: Claim = "name"


class Issuer(Body):
    """One issuer. Its keys are at ``jwks_url``, or it signs with a secret, which is stored wrapped by KMS."""

    model_config = ConfigDict(extra="forbid", strict=True)

    issuer: str = Field(min_length=1, max_length=CLAIM_CHARS, pattern=r"^[\x21-\x7e]+$")
    algorithm: Algorithm
    audience: str = Field(min_length=1, max_length=CLAIM_CHARS, pattern=r"^[\x21-\x7e]+$")
    jwks_url: str | None = Field(None, max_length=500)
    claims: Claims = Claims()
    roles: dict[str, Role] = Field(default_factory=lambda: dict(_SAME_NAMES), max_length=MAX_MAPPED_ROLES)

    @property
    def issuer_id(self) -> str:
        """A short name of the issuer, for addresses: made of its own name."""
        return hashlib.sha256(self.issuer.encode()).hexdigest()[:16]

    def role_of(self, claims: Mapping[str, Any]) -> Role:
        """Return the highest role that the claim's values map to; user where none does."""
        given = claim_of(claims, self.claims.role)
        names = [given] if isinstance(given, str) else given if isinstance(given, list) else []
        return highest_role(self.roles[name] for name in names if isinstance(name, str) and name in self.roles)


class StoredIssuer(Issuer):
    """An issuer as it is stored; ``wrapped_secret`` is base64 of what KMS made of the secret."""

    model_config = ConfigDict(extra="ignore", strict=True)

    wrapped_secret: str | None = None

    @property
    def ciphertext(self) -> bytes:
        return base64.b64decode(self.wrapped_secret or "")

    def shown(self) -> dict[str, Any]:
        """Return the issuer as an administrator reads it: never anything of the secret."""
        plain = self.model_dump(exclude={"wrapped_secret"})
        return {"issuer_id": self.issuer_id, **plain, "has_secret": self.wrapped_secret is not None}


class NewIssuer(Issuer):
    """The body that registers an issuer. ``provider`` brings the values that are usual with it, where none is named."""

    provider: Provider = "oidc"
    secret: SecretStr | None = None

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, given: Any) -> Any:
        return _with_defaults(given) if isinstance(given, dict) else given

    @model_validator(mode="after")
    def _has_what_signs(self) -> Self:
        if self.algorithm == "HS256":
            secret = self.secret.get_secret_value() if self.secret else ""
            if self.jwks_url is not None or not SECRET_MIN_CHARS <= len(secret) <= SECRET_MAX_CHARS:
                raise ValueError(
                    f"HS256 needs secret, of {SECRET_MIN_CHARS} to {SECRET_MAX_CHARS} characters, and no jwks_url"
                )
        elif self.jwks_url is None or self.secret is not None:
            raise ValueError(f"{self.algorithm} needs jwks_url, and no secret")
        return self

    def check_address(self, *, loopback: bool) -> None:
        """Raise ValueError where the keys are at an address that is never asked."""
        if self.jwks_url is not None:
            try:
                check_url(self.jwks_url, loopback=loopback)
            except EgressRefused as refused:
                raise ValueError(f"jwks_url: {refused}") from None

    def stored(self, wrapped: bytes | None) -> StoredIssuer:
        """Return the issuer as it is stored, with its wrapped secret."""
        secret = base64.b64encode(wrapped).decode() if wrapped is not None else None
        return StoredIssuer(**self.model_dump(exclude={"provider", "secret"}), wrapped_secret=secret)


def claim_of(claims: Mapping[str, Any], path: str) -> Any:
    """Return the value of a claim: of that very name, or nested along the dots. Returns None where there is none."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for part in path.split(".")[:CLAIM_DEPTH]:
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _with_defaults(given: dict[str, Any]) -> dict[str, Any]:
    """Fill in what an issuer of the named provider usually has."""
    issuer, secret = str(given.get("issuer", "")).rstrip("/"), given.get("secret") is not None
    defaults: dict[str, Any] = {}
    if given.get("provider") == "supabase":
        keys = None if secret else f"{issuer}/.well-known/jwks.json"
        defaults = {"algorithm": "HS256" if secret else "ES256", "audience": "authenticated", "jwks_url": keys}
        defaults["claims"] = {"tenant": "app_metadata.org_slug", "role": "app_metadata.role"}
    elif given.get("provider") == "keycloak":
        keys = f"{issuer}/protocol/openid-connect/certs"
        defaults = {"algorithm": "RS256", "audience": "account", "jwks_url": keys}
        defaults["claims"] = {"role": "realm_access.roles"}
    claims = given.get("claims")
    merged = defaults.get("claims", {}) | claims if isinstance(claims, dict) else claims
    named = {"claims": merged} if claims is not None else {}
    return defaults | given | named
