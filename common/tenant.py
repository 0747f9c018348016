"""The caller and the tenant: the types that every domain call takes first."""

import re
from dataclasses import dataclass
from typing import Literal, NewType, get_args

from common.errors import BadSlug, ScopeMissing

OrgSlug = NewType("OrgSlug", str)
UserId = NewType("UserId", str)
Permission = Literal["chat:read", "chat:write", "alerts:write", "settings:write", "usage:read"]

READ_CHAT: Permission = "chat:read"
WRITE_CHAT: Permission = "chat:write"
WRITE_ALERTS: Permission = "alerts:write"
WRITE_SETTINGS: Permission = "settings:write"
READ_USAGE: Permission = "usage:read"
EVERY_PERMISSION: frozenset[Permission] = frozenset(get_args(Permission))
# A key that was made without any scope does what every valid key of the platform may: ask, read and set up alerts. The
# organisation's settings and the figures of other people were never every key's.
WITHOUT_SCOPES: frozenset[Permission] = frozenset({READ_CHAT, WRITE_CHAT, WRITE_ALERTS})

_SLUG = re.compile(r"[a-z0-9_]{3,50}")


def parse_org_slug(text: str) -> OrgSlug:
    """Return the slug, or raise BadSlug: the only way from text to an OrgSlug."""
    if _SLUG.fullmatch(text) is None:
        raise BadSlug
    return OrgSlug(text)


@dataclass(frozen=True, slots=True)
class Tenant:
    """One organisation and where its data lives; made from an authenticated request and from nothing else."""

    org_slug: OrgSlug
    project_id: str
    organizations_dataset: str

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


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller: a person of an organisation, or the API key itself (``key:<org_api_key_id>``)."""

    tenant: Tenant
    user_id: UserId
    org_api_key_id: str
    scopes: frozenset[str] = frozenset()

    @property
    def org_slug(self) -> OrgSlug:
        return self.tenant.org_slug

    def may(self, permission: Permission) -> bool:
        """Return true if the caller's key has the permission among its scopes."""
        return permission in self.scopes

    def require(self, permission: Permission) -> None:
        """Raise ScopeMissing unless the caller's key has the permission among its scopes."""
        if not self.may(permission):
            raise ScopeMissing(f"This API key may not do that. Use one whose scopes include {permission}.")
