"""The issuer of the local cloud: it signs people of the demo organisations in, on this machine alone.

Its key is made by the first ``make run`` and kept beside the emulators' data. An organisation gets it registered, like
any other issuer, when the first of its people signs in.
"""

import json
import os
import time
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from common.app import Services
from common.organizations.issuers import NewIssuer
from common.tenant import WRITE_ACCESS, OrgSlug, Principal, Role, UserId

SIGNED_IN_SECONDS = 12 * 3_600
AUDIENCE = "local-cloud-cost-chat"
KEY_ID = "local"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may sign in at every demo organisation."""

    user_id: str
    name: str
    role: Role


PEOPLE = (
    Person("ada", "Ada", "admin"),
    Person("sam", "Sam", "supporter"),
    Person("uma", "Uma", "user"),
)


class LocalIssuer:
    """Signs with RS256. Without a ``path`` its key lasts as long as the process."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path

    @property
    def key_set(self) -> dict[str, Any]:
        """The public key, as an issuer publishes it."""
        public = json.loads(jwt.get_algorithm_by_name("RS256").to_jwk(self._key.public_key()))
        return {"keys": [public | {"kid": KEY_ID, "alg": "RS256", "use": "sig"}]}

    async def sign_in(self, services: Services, org: OrgSlug, person: Person, url: str) -> str:
        """Return a token for a person of an organisation, which has this issuer at ``url`` registered afterwards."""
        tenant = services.directory.tenant(org)
        wanted = NewIssuer(issuer=url, algorithm="RS256", audience=AUDIENCE, jwks_url=f"{url}/keys")
        organization = await services.directory.renew(tenant)
        if organization is not None and organization.access.issuers.named(url) != wanted.stored(None):
            itself = Principal(tenant, UserId("operator:make-run"), "operator", frozenset({WRITE_ACCESS}))
            await services.access_store.add_issuer(itself, wanted)
        now = int(time.time())
        claims = {"iss": url, "aud": AUDIENCE, "sub": person.user_id, "tenant_id": org, "role": person.role}
        times = {"iat": now, "exp": now + SIGNED_IN_SECONDS}
        return jwt.encode(claims | times | {"name": person.name}, self._key, "RS256", {"kid": KEY_ID})

    @cached_property
    def _key(self) -> rsa.RSAPrivateKey:
        if self._path is not None and self._path.exists():
            found = serialization.load_pem_private_key(self._path.read_bytes(), None)
            assert isinstance(found, rsa.RSAPrivateKey)
            return found
        key = rsa.generate_private_key(65537, 2048)
        if self._path is not None:
            made = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(made, "wb") as file:
                file.write(
                    key.private_bytes(
                        serialization.Encoding.PEM,
                        serialization.PrivateFormat.PKCS8,
                        serialization.NoEncryption(),
                    )
                )
        return key


def people() -> list[dict[str, Any]]:
    """Return who may sign in, for the page."""
    return [asdict(each) for each in PEOPLE]
