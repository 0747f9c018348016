"""The paths of destinations and deliveries: under their organisation, so that an id alone reaches nothing."""

import re

from common.tenant import Tenant

DELIVERIES_DUE = "deliveries_due"
DELIVERIES_DEAD = "deliveries_dead"
DIGESTS_DUE = "digests_due"
_ALERT_ID = re.compile(r"alert-[0-9a-f-]{36}")
_ID = re.compile(r"[0-9a-f]{32}")


def destinations_path(tenant: Tenant) -> str:
    """The path of the document with an organisation's destinations."""
    return f"orgs/{tenant.org_slug}/notices/destinations"


def deliveries_path(tenant: Tenant) -> str:
    """The collection of an organisation's deliveries."""
    return f"orgs/{tenant.org_slug}/deliveries"


def delivery_path(tenant: Tenant, delivery_id: str) -> str:
    """The path of a delivery's document."""
    return f"{deliveries_path(tenant)}/{delivery_id}"


def due_path(tenant: Tenant, delivery_id: str) -> str:
    """The path of the note that a delivery is still to be made."""
    return f"{DELIVERIES_DUE}/{tenant.org_slug}:{delivery_id}"


def dead_path(tenant: Tenant, delivery_id: str) -> str:
    """The path of the note that a delivery ended without success."""
    return f"{DELIVERIES_DEAD}/{tenant.org_slug}:{delivery_id}"


def alert_path(tenant: Tenant, alert_history_id: str) -> str:
    """The path of an alert's document: its row as it stands."""
    return f"orgs/{tenant.org_slug}/alerts/{alert_history_id}"


def is_alert_id(text: str) -> bool:
    """Return true for the form that the ids of alerts have which the product raises."""
    return _ALERT_ID.fullmatch(text) is not None


def is_id(text: str) -> bool:
    """Return true for the form that the ids of destinations and deliveries have."""
    return _ID.fullmatch(text) is not None
