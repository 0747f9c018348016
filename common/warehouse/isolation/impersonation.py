"""A service account per organisation, where WAREHOUSE_IMPERSONATION names one: what IAM lets it read is all it reads.

Defence in depth, below the guard and the dry run: with an account that may read its own dataset and its own authorised
views only, a query that got past both still finds nothing of another organisation.
"""

import hashlib
import re

from google.auth import default, impersonated_credentials
from google.auth.credentials import Credentials

from common.errors import WarehouseUnavailable
from common.tenant import Tenant

_SCOPES = ("https://www.googleapis.com/auth/bigquery",)
_SOURCE_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_LIFETIME_SECONDS = 3600
_ACCOUNT_ID = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")


def account_of(pattern: str, tenant: Tenant) -> str:
    """The service account of a tenant: ``{org_slug}`` with hyphens for underscores, ``{org_hash}`` as 12 hex digits.

    Raises WarehouseUnavailable where no such account can exist, so that nothing is read as somebody else.
    """
    digest = hashlib.sha256(tenant.org_slug.encode()).hexdigest()[:12]
    account = pattern.replace("{org_slug}", tenant.org_slug.replace("_", "-")).replace("{org_hash}", digest)
    if _ACCOUNT_ID.fullmatch(account.partition("@")[0]) is None:
        raise WarehouseUnavailable
    return account


def credentials_for(account: str, source: Credentials | None = None) -> Credentials:
    """Make short-lived credentials of the account from the function's own. The first use sends the first request."""
    if source is None:
        source, _ = default(scopes=_SOURCE_SCOPES)
    made: Credentials = impersonated_credentials.Credentials(  # type: ignore[no-untyped-call]
        source, account, list(_SCOPES), lifetime=_LIFETIME_SECONDS
    )
    return made
