"""Ten organisations that bring a key for one of the four providers, in the emulators' own tables."""

import itertools
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from local.data import access, operations, warehouse
from local.data.__main__ import emulated_bigquery, emulated_kms
from local.data.organizations import ACME, Organization
from tests.conftest import Cloud
from tests.fakes.wire_stub import MODELS

PROVIDERS = ("openai", "anthropic", "gemini", "deepseek")


@dataclass(frozen=True, slots=True)
class Customer:
    """An organisation, the provider it chose, and the key it brought."""

    organization: Organization
    provider: str
    key: str

    @property
    def slug(self) -> str:
        return self.organization.slug

    @property
    def headers(self) -> dict[str, str]:
        return {"X-Org-Slug": self.slug, "X-API-Key": self.organization.api_key, "X-User-Id": "u1"}


def customers(count: int = 10) -> list[Customer]:
    """So many organisations; the providers take turns."""
    made = []
    for number, provider in zip(range(count), itertools.cycle(PROVIDERS), strict=False):
        slug = f"wire_{number}"
        organization = replace(ACME, slug=slug, company_name=f"Wire {number}", api_key=f"demo-{slug}-key")
        made.append(Customer(organization, provider, f"sk-planted-{provider}-{slug}-0123456789"))
    return made


def bring_keys(cloud: Cloud, count: int = 10) -> list[Customer]:
    """Write the organisations' profiles, API keys, encrypted provider keys and settings."""
    client = emulated_bigquery(cloud.environment)
    encrypt = emulated_kms(cloud.environment)
    made = customers(count)
    warehouse.create(client, [customer.slug for customer in made])
    for customer in made:
        for table, rows in _rows(customer, encrypt).items():
            warehouse.replace_demo_rows(client, customer.slug, table, rows)
    client.close()
    return made


def _rows(customer: Customer, encrypt: access.Encrypt) -> dict[str, list[dict[str, Any]]]:
    organization = customer.organization
    own_id = access.credential_id(organization)
    ciphertext = encrypt(customer.key.encode(), f"{customer.slug}:{own_id}".encode())
    (credential,) = access.credentials(organization, encrypt)
    (settings,) = access.chat_settings(organization)
    return {
        "org_profiles": operations.profile(organization),
        "org_api_keys": access.api_keys(organization, datetime.now(UTC).date()),
        "org_integration_credentials": [
            credential | {"provider": customer.provider, "encrypted_credential": ciphertext}
        ],
        "org_chat_settings": [settings | {"provider": customer.provider, "model_id": MODELS[customer.provider]}],
    }
