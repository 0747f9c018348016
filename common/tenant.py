"""The caller and the tenant: the types that every domain call takes first."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NewType, get_args

from common import limits
from common.errors import BadSlug, ScopeMissing

OrgSlug = NewType("OrgSlug", str)
UserId = NewType("UserId", str)
_USER_ID = re.compile(r"[\x21-\x7e][\x20-\x7e]*")
Permission = Literal["chat:read", "chat:write", "alerts:write", "settings:write", "usage:read", "access:write"]
Role = Literal["admin", "supporter", "user"]

READ_CHAT: Permission = "chat:read"
WRITE_CHAT: Permission = "chat:write"
WRITE_ALERTS: Permission = "alerts:write"
WRITE_SETTINGS: Permission = "settings:write"
READ_USAGE: Permission = "usage:read"
WRITE_ACCESS: Permission = "access:write"
EVERY_PERMISSION: frozenset[Permission] = frozenset(get_args(Permission))
# A key that was made without any scope does what every valid key of the platform may: ask, read and set up alerts. The
# organisation's settings and the figures of other people were never every key's.
WITHOUT_SCOPES: frozenset[Permission] = frozenset({READ_CHAT, WRITE_CHAT, WRITE_ALERTS})
# The permissions of a person's role, highest role first. The scopes of an API key are permissions of the same table.
ROLES: Mapping[Role, frozenset[Permission]] = {
    "admin": EVERY_PERMISSION,
    "supporter": WITHOUT_SCOPES | {READ_USAGE},
    "user": WITHOUT_SCOPES,
}

_SLUG = re.compile(r"[a-z0-9_]{3,50}")


def parse_org_slug(text: str) -> OrgSlug:
    """Return the slug, or raise BadSlug: the only way from text to an OrgSlug."""
    if _SLUG.fullmatch(text) is None:
        raise BadSlug
    return OrgSlug(text)


def highest_role(roles: Iterable[Role]) -> Role:
    """Return the role with the most permissions; user where there is none."""
    given = set(roles)
    return next((role for role in ROLES if role in given), "user")


def role_of_scopes(scopes: frozenset[str]) -> Role:
    """Return the role that an API key acts in: admin where it may change the settings, else user."""
    return "admin" if WRITE_SETTINGS in scopes else "user"


@dataclass(frozen=True, slots=True)
class Tenant:
    """One organisation and where its data lives; made from an authenticated request and from nothing else."""

    org_slug: OrgSlug
    project_id: str
    organizations_dataset: str
    catalog_dataset: str = "catalog"

    @property
    def dataset(self) -> str:
        """The organisation's own dataset, in the project."""
        return f"{self.org_slug}_prod"

    def own_table(self, table: str) -> str:
        """The quoted full path of a table of the organisation's own dataset."""
        return f"`{self.project_id}.{self.dataset}.{table}`"

    def shared_table(self, table: str) -> str:
        """The quoted full path of a table that all organisations share; the query must filter by org_slug."""
        return f"`{self.project_id}.{self.organizations_dataset}.{table}`"

    def catalog_table(self, table: str) -> str:
        """The quoted full path of a table of the catalogue, which holds no organisation's rows and is only read."""
        return f"`{self.project_id}.{self.catalog_dataset}.{table}`"


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller: a person of an organisation, or the API key itself (``key:<org_api_key_id>``).

    ``org_api_key_id`` is empty where a token alone proves the person; ``name`` is what the token calls the person.
    """

    tenant: Tenant
    user_id: UserId
    org_api_key_id: str
    scopes: frozenset[str] = frozenset()
    role: Role = "user"
    name: str | None = None

    @property
    def org_slug(self) -> OrgSlug:
        return self.tenant.org_slug

    def may(self, permission: Permission) -> bool:
        """Return true if the caller has the permission, by the key's scopes or the person's role."""
        return permission in self.scopes

    def require(self, permission: Permission) -> None:
        """Raise ScopeMissing unless the caller has the permission, by the key's scopes or the person's role."""
        if self.may(permission):
            return
        if self.org_api_key_id:
            raise ScopeMissing(f"This API key may not do that. Use one whose scopes include {permission}.")
        raise ScopeMissing(f"The role {self.role} may not do that: it lacks {permission}. Ask an administrator.")


def has_user_id_form(text: str) -> bool:
    """Return true for 1 to ``MAX_USER_ID_CHARS`` printable ASCII characters of which the first is no space."""
    return len(text) <= limits.MAX_USER_ID_CHARS and _USER_ID.fullmatch(text) is not None
