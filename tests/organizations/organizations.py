"""Organisations made for one test, in the rows of the emulators: a profile, API keys, and what else the test wants."""

import base64
import hashlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from tests.conftest import PROJECT, Cloud

NOW = datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Made:
    """One organisation, how to call as it, and its rows."""

    slug: str
    rows: "Rows"

    def key(self, name: str) -> dict[str, str]:
        """Headers of one of its keys, by its name."""
        return {"X-Org-Slug": self.slug, "X-API-Key": f"{self.slug}-{name}-key", "X-User-Id": "ada"}

    @property
    def admin(self) -> dict[str, str]:
        """Headers of a key that may change settings."""
        return {"X-Org-Slug": self.slug, "X-API-Key": f"{self.slug}-admin-key", "X-User-Id": "ada"}

    @property
    def member(self) -> dict[str, str]:
        """Headers of a key that may not."""
        return {"X-Org-Slug": self.slug, "X-API-Key": f"{self.slug}-member-key", "X-User-Id": "ben"}

    def settings(self, *, active: bool = True) -> list[dict[str, Any]]:
        """The rows of org_chat_settings."""
        return self.rows.of("org_chat_settings", self.slug, active=active)

    def credentials(self, *, active: bool = True) -> list[dict[str, Any]]:
        """The rows of org_integration_credentials."""
        return self.rows.of("org_integration_credentials", self.slug, active=active)

    def add_settings(self, **values: Any) -> None:
        self.rows.insert(
            "org_chat_settings",
            {
                "setting_id": uuid.uuid4().hex,
                "org_slug": self.slug,
                "provider": "openai",
                "credential_id": f"{self.slug}-credential",
                "model_id": "gpt-4o",
                "temperature": 0.5,
                "max_tokens": 1000,
                "include_org_context": True,
                "enable_memory": True,
                "max_history_messages": 20,
                "is_active": True,
                "created_at": (NOW - timedelta(days=2)).isoformat(),
            }
            | values,
        )

    def add_credential(self, ciphertext: bytes = b"not a ciphertext", **values: Any) -> None:
        self.rows.insert(
            "org_integration_credentials",
            {
                "credential_id": f"{self.slug}-credential",
                "org_slug": self.slug,
                "provider": "openai",
                "credential_name": "The team's key",
                "encrypted_credential": base64.b64encode(ciphertext).decode(),
                "credential_type": "API_KEY",
                "validation_status": "VALID",
                "last_validated_at": (NOW - timedelta(days=1)).isoformat(),
                "is_active": True,
                "created_at": (NOW - timedelta(days=2)).isoformat(),
            }
            | values,
        )


class Rows:
    """The shared tables, through the real client."""

    def __init__(self, cloud: Cloud) -> None:
        self._client = bigquery.Client(
            project=PROJECT,
            credentials=AnonymousCredentials(),
            client_options={"api_endpoint": cloud.environment["BIGQUERY_EMULATOR_HOST"]},
        )

    def make(self, **profile: Any) -> Made:
        """An organisation of its own, without settings."""
        slug = f"made_{uuid.uuid4().hex[:12]}"
        made_at = (NOW - timedelta(days=30)).isoformat()
        identity = {"org_slug": slug, "company_name": "Made Ltd", "admin_email": "a@example.com"}
        self.insert(
            "org_profiles",
            identity | {"org_dataset_id": f"{slug}_prod", "status": "ACTIVE", "created_at": made_at} | profile,
        )
        chat = ["chat:read", "chat:write", "alerts:write"]
        self.add_key(slug, "admin", [*chat, "settings:write", "access:write"])
        self.add_key(slug, "member", chat)
        return Made(slug, self)

    def add_key(self, slug: str, name: str, scopes: list[str], **values: Any) -> None:
        """A key of an organisation, by its name."""
        key = f"{slug}-{name}-key"
        row = {
            "org_api_key_id": f"{key}-id",
            "org_api_key_hash": hashlib.sha256(key.encode()).hexdigest(),
            "org_slug": slug,
            "scopes": scopes,
            "is_active": True,
            "created_at": (NOW - timedelta(days=30)).isoformat(),
        }
        self.insert("org_api_keys", row | values)

    def insert(self, table: str, row: dict[str, Any]) -> None:
        problems = self._client.insert_rows_json(f"{PROJECT}.organizations.{table}", [row])
        assert not problems, problems

    def of(self, table: str, slug: str, *, active: bool) -> list[dict[str, Any]]:
        text = f"SELECT * FROM `{PROJECT}.organizations.{table}` WHERE org_slug = @slug AND is_active = @active"
        parameters = [
            bigquery.ScalarQueryParameter("slug", "STRING", slug),
            bigquery.ScalarQueryParameter("active", "BOOL", active),
        ]
        config = bigquery.QueryJobConfig(query_parameters=parameters)
        return [dict(row.items()) for row in self._client.query_and_wait(text, job_config=config)]

    def change_status(self, slug: str, status: str) -> None:
        """Suspend or reactivate an organisation, as the platform does."""
        text = f"UPDATE `{PROJECT}.organizations.org_profiles` SET status = @status WHERE org_slug = @slug"
        parameters = [
            bigquery.ScalarQueryParameter("slug", "STRING", slug),
            bigquery.ScalarQueryParameter("status", "STRING", status),
        ]
        self._client.query_and_wait(text, job_config=bigquery.QueryJobConfig(query_parameters=parameters))

    def age(self, made: Made) -> None:
        """Make an organisation's credentials two hours older."""
        text = f"""UPDATE `{PROJECT}.organizations.org_integration_credentials`
        SET created_at = TIMESTAMP_SUB(created_at, INTERVAL 2 HOUR) WHERE org_slug = @slug"""
        parameter = bigquery.ScalarQueryParameter("slug", "STRING", made.slug)
        self._client.query_and_wait(text, job_config=bigquery.QueryJobConfig(query_parameters=[parameter]))

    def everything(self, slug: str) -> str:
        """All that the shared tables hold of an organisation, as text."""
        found = []
        for table in self._client.list_tables(f"{PROJECT}.organizations"):
            path = table.full_table_id.replace(":", ".")
            text = f"SELECT * FROM `{path}` WHERE org_slug = @slug"
            parameter = bigquery.ScalarQueryParameter("slug", "STRING", slug)
            config = bigquery.QueryJobConfig(query_parameters=[parameter])
            found += [str(dict(row.items())) for row in self._client.query_and_wait(text, job_config=config)]
        assert any("encrypted_credential" in row for row in found)
        return "\n".join(found)

    def close(self) -> None:
        self._client.close()
