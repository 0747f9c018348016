"""Whether an organisation can be served: its settings, and a credential that may pay for what they choose."""

from datetime import datetime

from common.errors import KeyExpired, KeyInvalid, SetupRequired
from common.models import catalog
from common.organizations.directory import ChatSettings, Credential, Organization


def same_provider(one: str, other: str) -> bool:
    """Whether two names mean one provider, whichever of its names and whichever case was written."""
    return (catalog.canonical(one) or one) == (catalog.canonical(other) or other)


def settings_of(organization: Organization | None) -> ChatSettings:
    """The organisation's active settings. Raises SetupRequired where there are none."""
    if organization is None or organization.settings is None:
        raise SetupRequired
    return organization.settings


def credential_of(organization: Organization | None, now: datetime) -> Credential:
    """The active credential that the settings name, of their provider, VALID and unexpired.

    Raises SetupRequired where there is none, KeyExpired or KeyInvalid where it may no longer serve.
    """
    settings = settings_of(organization)
    credential = organization.credential if organization else None
    if credential is None or not same_provider(credential.provider, settings.provider):
        raise SetupRequired
    status = credential.validation_status.upper()
    if status == "EXPIRED" or (credential.expires_at is not None and credential.expires_at <= now):
        raise KeyExpired
    if status != "VALID":
        raise KeyInvalid
    return credential
