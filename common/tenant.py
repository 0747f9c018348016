"""The caller and the tenant: the types that every domain call takes first."""

import re
from dataclasses import dataclass
from typing import Literal, NewType

from common.errors import BadSlug, ScopeMissing

OrgSlug = NewType("OrgSlug", str)
UserId = NewType("UserId", str)
Permission = Literal["settings:write"]

WRITE_SETTINGS: Permission = "settings:write"

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

    def require(self, permission: Permission) -> None:
        """Raise ScopeMissing unless the caller's key has the permission among its scopes."""
        if permission not in self.scopes:
            raise ScopeMissing(f"This API key may not do that. Use one whose scopes include {permission}.")
