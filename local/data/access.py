"""The access to the local organisations: API keys, the encrypted provider credential and the chat settings."""

import hashlib
from collections.abc import Callable
from datetime import date, timedelta

from google.cloud import kms
from google_crc32c import value as crc32c

from common.tenant import EVERY_PERMISSION
from local.data.calendar import midnight
from local.data.organizations import ACME, Organization
from local.data.rows import Row

# Encrypts (plaintext, additional authenticated data).
Encrypt = Callable[[bytes, bytes], bytes]
PROVIDER = "demo"
MODEL = "analyst-1"
SCOPES = sorted(EVERY_PERMISSION)


def kms_encrypt(client: kms.KeyManagementServiceClient, key_name: str) -> Encrypt:
    """Return a function that encrypts with a Cloud KMS key, both ways checked by crc32c."""

    def encrypt(plaintext: bytes, associated: bytes) -> bytes:
        response = client.encrypt(
            request={
                "name": key_name,
                "plaintext": plaintext,
                "plaintext_crc32c": crc32c(plaintext),
                "additional_authenticated_data": associated,
                "additional_authenticated_data_crc32c": crc32c(associated),
            }
        )
        if not response.verified_plaintext_crc32c or crc32c(response.ciphertext) != response.ciphertext_crc32c:
            raise RuntimeError("Cloud KMS received or returned damaged bytes while a credential was encrypted")
        return bytes(response.ciphertext)

    return encrypt


def api_keys(organization: Organization, today: date) -> list[Row]:
    """Return the keys of an organisation: one that works and, for acme_inc, one expired and one inactive."""
    rows = [_api_key(organization, organization.api_key)]
    if organization is ACME:
        expired = _api_key(organization, "demo-acme-expired-key")
        rows.append(expired | {"expires_at": midnight(today - timedelta(days=30))})
        rows.append(_api_key(organization, "demo-acme-inactive-key") | {"is_active": False})
    return rows


def credential_id(organization: Organization) -> str:
    """Return the id of the organisation's provider credential, part of what its ciphertext is bound to."""
    return f"demo-{organization.slug}-credential"


def provider_key(organization: Organization) -> str:
    """Return the fake provider key of an organisation; it opens nothing."""
    digest = hashlib.sha256(f"provider key of {organization.slug}".encode()).hexdigest()
    return f"sk-demo-{organization.slug.removesuffix('_inc')}-{digest[:32]}"


def credentials(organization: Organization, encrypt: Encrypt) -> list[Row]:
    """Return the organisation's one active credential, encrypted and bound to its organisation and id."""
    own_id = credential_id(organization)
    return [
        {
            "credential_id": own_id,
            "org_slug": organization.slug,
            "provider": PROVIDER,
            "credential_name": "Demo model",
            "encrypted_credential": encrypt(
                provider_key(organization).encode(), f"{organization.slug}:{own_id}".encode()
            ),
            "credential_type": "API_KEY",
            "validation_status": "VALID",
            "last_validated_at": organization.created_at + timedelta(hours=1),
            "is_active": True,
            "created_by_user_id": "demo-admin",
            "created_at": organization.created_at + timedelta(hours=1),
        }
    ]


def chat_settings(organization: Organization) -> list[Row]:
    """Return the organisation's active chat settings; they are as old as it is, so later ones win."""
    return [
        {
            "setting_id": f"demo-{organization.slug}-settings",
            "org_slug": organization.slug,
            "provider": PROVIDER,
            "credential_id": credential_id(organization),
            "model_id": MODEL,
            "model_name": "Demo Analyst 1",
            "temperature": 0.7,
            "max_tokens": 4096,
            "include_org_context": True,
            "enable_memory": True,
            "max_history_messages": 50,
            "is_active": True,
            "configured_by": "demo-admin",
            "created_at": organization.created_at + timedelta(hours=2),
        }
    ]


def _api_key(organization: Organization, key: str) -> Row:
    return {
        "org_api_key_id": f"{key}-id",
        "org_slug": organization.slug,
        "org_api_key_hash": hashlib.sha256(key.encode()).hexdigest(),
        "scopes": SCOPES,
        "is_active": True,
        "created_at": organization.created_at,
    }
