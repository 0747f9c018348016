"""Decides whether an organisation can be served: by its settings, and by credentials that may pay for them."""

from dataclasses import dataclass
from datetime import datetime

from common.errors import KeyExpired, KeyInvalid, SetupRequired
from common.models import catalog
from common.models.catalog import Model
from common.organizations.directory import ChatSettings, Credential, Organization
from common.organizations.offering import LOCAL, Offering

# What settings name in place of a credential where the operator's server takes calls without a key.
NO_CREDENTIAL = "none"


@dataclass(frozen=True, slots=True)
class Served:
    """A model that may be asked, and the credential that pays for it; None for a server that needs none."""

    model: Model
    credential: Credential | None


def same_provider(one: str, other: str) -> bool:
    """Return true if two names mean one provider, in any spelling."""
    return _canonical(one) == _canonical(other)


def _canonical(provider: str) -> str:
    return catalog.canonical(provider) or provider.strip().lower()


def calls_tools(model: Model, checked: bool | None) -> bool:
    """Tell whether a model calls tools: as its check has shown, or else as is known of it."""
    return model.tools if checked is None else checked


def settings_of(organization: Organization | None) -> ChatSettings:
    """The organisation's active settings. Raises SetupRequired where there are none."""
    if organization is None or organization.settings is None:
        raise SetupRequired
    return organization.settings


def served_by(organization: Organization | None, offering: Offering, now: datetime) -> Served:
    """The model that the settings choose, with the credential they name, of their provider, VALID and unexpired.

    Raises SetupRequired where there is none, KeyExpired or KeyInvalid where it may no longer serve.
    """
    settings = settings_of(organization)
    model = offering.resolve(settings.provider, settings.model_id)
    credential = organization.credential if organization else None
    return Served(model, credential_for(model, settings.provider, settings.credential_id, credential, now))


def fallback_of(
    organization: Organization, offering: Offering, now: datetime, *, needs_tools: bool
) -> tuple[Served, ...]:
    """The further models that may answer; those that cannot be served at the moment are left out.

    What goes to the operator's own server goes to another provider only where the settings allow it.
    """
    settings = settings_of(organization)
    at_home = same_provider(settings.provider, LOCAL) and not settings.allow_external_fallback
    given = [*organization.fallback_credentials, *([organization.credential] if organization.credential else [])]
    by_id = {credential.credential_id: credential for credential in given}
    served: list[Served] = []
    for choice in settings.fallback:
        if at_home and not same_provider(choice.provider, LOCAL):
            continue
        try:
            model = offering.resolve(choice.provider, choice.model_id)
            found = by_id.get(choice.credential_id)
            credential = credential_for(model, choice.provider, choice.credential_id, found, now)
        except (SetupRequired, KeyInvalid):
            continue
        # It would make up what the other one looks up.
        if needs_tools and not calls_tools(model, choice.calls_tools):
            continue
        served.append(Served(model, credential))
    return tuple(served)


def credential_for(
    model: Model, provider: str, credential_id: str, credential: Credential | None, now: datetime
) -> Credential | None:
    """The credential, if it may pay for the model; None where the model's server needs none and none is named.

    Raises SetupRequired where it is missing or another provider's, KeyExpired or KeyInvalid where it may not serve.
    """
    if credential_id == NO_CREDENTIAL and not model.needs_key:
        return None
    if credential is None or not same_provider(credential.provider, provider):
        raise SetupRequired
    status = credential.validation_status.upper()
    if status == "EXPIRED" or (credential.expires_at is not None and credential.expires_at <= now):
        raise KeyExpired
    if status != "VALID":
        raise KeyInvalid
    return credential
