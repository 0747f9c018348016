"""An organisation: its keys, profile, settings and credential. Firestore first, BigQuery on a miss."""

import asyncio
import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from common import limits
from common.documents import Create, Data, Delete, Document, DocumentConflict, Documents, Patch, Write
from common.errors import ServiceError
from common.focus.calendar import FiscalCalendar
from common.organizations.access import Access, access_of
from common.organizations.key_lookup import KEYS_SQL, KeyLookup
from common.organizations.organization import (
    ApiKey,
    ChatSettings,
    Credential,
    FallbackChoice,
    Organization,
    Profile,
    hash_api_key,
)
from common.settings import Settings
from common.tenant import OrgSlug, Tenant, parse_org_slug
from common.warehouse.client import Warehouse
from common.warehouse.query import Parameter, fixed

CACHE_RETENTION_DAYS = 7
NAMED_KEYS_REMEMBERED = 10_000

PROFILE_SQL = """
SELECT company_name, subscription_plan, default_currency, default_timezone, fiscal_year_start_month, status
FROM {shared.org_profiles}
WHERE org_slug = @org_slug
ORDER BY created_at DESC
LIMIT 1
"""
SETTINGS_SQL = """
SELECT setting_id, provider, credential_id, model_id, temperature, max_tokens, include_org_context, enable_memory,
  max_history_messages, system_prompt_extra, calls_tools, TO_JSON_STRING(fallback) AS fallback,
  allow_external_fallback, daily_token_limit, CAST(monthly_cost_limit_usd AS STRING) AS monthly_cost_limit_usd,
  fast_model_id, answer_cache_seconds,
  user_daily_token_limit, CAST(user_monthly_cost_limit_usd AS STRING) AS user_monthly_cost_limit_usd
FROM {shared.org_chat_settings}
WHERE org_slug = @org_slug AND is_active
ORDER BY COALESCE(updated_at, created_at) DESC
LIMIT 1
"""
CREDENTIALS_SQL = """
SELECT credential_id, provider, credential_name, encrypted_credential, validation_status, last_validated_at, is_active,
  expires_at
FROM {shared.org_integration_credentials}
WHERE org_slug = @org_slug AND is_active
ORDER BY COALESCE(updated_at, created_at) DESC
LIMIT 50
"""
ACCESS_SQL = """
SELECT kind, version, body
FROM {shared.org_chat_access}
WHERE org_slug = @org_slug AND is_active
QUALIFY ROW_NUMBER() OVER (PARTITION BY kind ORDER BY version DESC, created_at DESC) = 1
LIMIT 50
"""


# As text: a document's numbers are no decimals.
_DOLLARS = ("monthly_cost_limit_usd", "user_monthly_cost_limit_usd")


@dataclass(frozen=True, slots=True)
class Lookup:
    """The result of one lookup: key and organisation, None where there is none, and the other documents asked for."""

    key: ApiKey | None
    organization: Organization | None
    documents: Mapping[str, Document | None]

    @property
    def access(self) -> Access:
        """The organisation's rules of access; none where there is no organisation."""
        return self.organization.access if self.organization else Access()

    @property
    def calendar(self) -> FiscalCalendar:
        """The organisation's calendar; the calendar year in UTC where there is no organisation."""
        return self.organization.profile.calendar if self.organization else FiscalCalendar()


class Directory:
    """Looks organisations up. A Firestore copy serves for CACHE_TTL_SECONDS; older ones are read anew from BigQuery.

    ``nobody`` stands for no organisation where a statement concerns several, or one that is not known yet.
    """

    def __init__(self, settings: Settings, documents: Documents, warehouse: Warehouse) -> None:
        self._settings = settings
        self._documents = documents
        self._warehouse = warehouse
        self.nobody = self.tenant(OrgSlug("nobody"))
        self._named: OrderedDict[str, OrgSlug] = OrderedDict()
        self._keys = KeyLookup(self._read_keys, settings.org_failed_keys_per_minute)

    def tenant(self, org_slug: OrgSlug) -> Tenant:
        """The tenant of a slug. It identifies; only a Principal authorises."""
        settings = self._settings
        return Tenant(org_slug, settings.gcp_project_id, settings.organizations_dataset, settings.catalog_dataset)

    def refusal(self, tenant: Tenant, error: ServiceError | None = None) -> ServiceError:
        """Count a key or token that failed at the organisation, and return the error that its caller gets."""
        return self._keys.refusal(tenant.org_slug, error)

    async def look_up(self, tenant: Tenant, api_key: str | None, also: tuple[str, ...] = ()) -> Lookup:
        """Read key, organisation and the documents at ``also`` in one request; BigQuery is asked for what is missing.

        Raises the refusal of a key that was unknown a moment ago at once.
        """
        key_hash = hash_api_key(api_key) if api_key is not None else None
        if key_hash is not None:
            self._keys.check(tenant.org_slug, key_hash)
        own_path = key_path(key_hash) if key_hash else None
        org_path = organization_path(tenant)
        found = await self._documents.get_all([path for path in (own_path, org_path, *also) if path])
        now = datetime.now(UTC)
        key_data = self._fresh(found.get(own_path), now) if own_path else None
        org_data = self._fresh(found.get(org_path), now)
        missing_key = key_hash if key_data is None else None
        # A key of another organisation is refused anyway; it must not make BigQuery look up slugs.
        refused = key_data is not None and key_data["org_slug"] != tenant.org_slug
        if missing_key or (org_data is None and not refused):
            read_key, read_org = await self._read_missing(
                tenant,
                missing_key,
                read_organization=org_data is None and not refused,
                never_seen=found[own_path or org_path] is None,
            )
            # An unknown organisation is not cached: anyone could fill the store with made-up slugs.
            kept = read_org if read_org and read_org["profile"] else None
            await self._keep(found, {own_path: read_key, org_path: kept}, now)
            key_data, org_data = key_data or read_key, org_data or read_org
        return Lookup(
            key=_api_key(key_data) if key_data else None,
            organization=self._organization(org_data) if org_data else None,
            documents={path: found[path] for path in also},
        )

    async def organization_of(self, api_key: str) -> OrgSlug:
        """Return the organisation whose key this is or was. Raises the refusal of an unknown key.

        A key never changes its organisation, so what one was found to be of is kept, and a copy of any age tells it.
        """
        key_hash = hash_api_key(api_key)
        known = self._named.get(key_hash)
        if known is not None:
            self._named.move_to_end(key_hash)
            return known
        self._keys.check(self.nobody.org_slug, key_hash)
        path = key_path(key_hash)
        document = (await self._documents.get_all([path]))[path]
        found = document.data if document else None
        if found is None:
            # No organisation is named yet: the shared table of keys is read by the hash alone.
            found = await self._keys.read(self.nobody, key_hash)
        if found is None:
            raise self.refusal(self.nobody)
        slug = parse_org_slug(found["org_slug"])
        self._named[key_hash] = slug
        while len(self._named) > NAMED_KEYS_REMEMBERED:
            self._named.popitem(last=False)
        return slug

    async def _read_missing(
        self, tenant: Tenant, key_hash: str | None, *, read_organization: bool, never_seen: bool
    ) -> tuple[Data | None, Data | None]:
        """Read the key and the organisation from BigQuery, as far as they are missing; at once, but for a guess.

        ``never_seen`` is of the key, and of the organisation for a caller who shows none.
        """
        if key_hash is None:
            return None, await self._read_organization_of(tenant, never_seen=never_seen)
        if never_seen and not self._keys.claim(tenant.org_slug):
            read_key = await self._keys.read_together(tenant, key_hash)
            wanted = read_organization and read_key is not None
            return read_key, await self._read_organization(tenant, wanted=wanted)
        return await asyncio.gather(
            self._keys.read_alone(tenant, key_hash, claimed=never_seen),
            self._read_organization(tenant, wanted=read_organization),
        )

    async def _read_organization_of(self, tenant: Tenant, *, never_seen: bool) -> Data | None:
        """Read the organisation for a caller without a key. Raises RateLimited while guesses are many."""
        if not never_seen:
            return await self._read_organization(tenant, wanted=True)
        self._keys.claim_organization(tenant.org_slug)
        there_is_none = False
        try:
            data = await self._read_organization(tenant, wanted=True)
            there_is_none = data is None or data["profile"] is None
        finally:
            if not there_is_none:
                self._keys.give_back()
        if there_is_none:
            self._keys.remember_no_organization(tenant.org_slug)
        return data

    async def _keep(
        self, found: Mapping[str, Document | None], read: Mapping[str | None, Data | None], now: datetime
    ) -> None:
        """Write to Firestore what BigQuery answered, by the paths of the copies; ``found`` are the copies before it."""
        stamped = {path: self._stamped(data, now) for path, data in read.items() if path and data}
        writes = [_copy(path, data, found[path]) for path, data in stamped.items()]
        if writes:
            # What happened to a copy meanwhile is newer than what was read here: settings were changed, a key revoked.
            with suppress(DocumentConflict):
                await self._documents.commit(writes)

    async def renew(self, tenant: Tenant) -> Organization | None:
        """Read the organisation from BigQuery and put its copy in place of any older one, for every instance."""
        path = organization_path(tenant)
        while True:
            old = (await self._documents.get_all([path]))[path]
            data = await self._read_organization(tenant, wanted=True)
            if data is None or data["profile"] is None:
                await self.forget(tenant)
                return None
            # What another change put there while BigQuery was read may be newer: then it is read again.
            with suppress(DocumentConflict):
                await self._documents.commit([_copy(path, self._stamped(data, datetime.now(UTC)), old)])
                return self._organization(data)

    async def forget(self, tenant: Tenant) -> None:
        """Drop the organisation's copy, so that the next reader asks BigQuery."""
        await self._documents.commit([Delete(organization_path(tenant))])

    @asynccontextmanager
    async def forgotten_on_failure(self, tenant: Tenant) -> AsyncIterator[None]:
        """Drop the organisation's copy if a statement fails, because it may have taken effect."""
        try:
            yield
        except BaseException:
            with suppress(ServiceError):
                await self.forget(tenant)
            raise

    async def forget_keys(self, key_hashes: Sequence[str]) -> None:
        """Drop the copies of keys, so that the next caller with one of them is looked up in BigQuery."""
        for first in range(0, len(key_hashes), limits.MAX_WRITES_PER_COMMIT):
            part = key_hashes[first : first + limits.MAX_WRITES_PER_COMMIT]
            await self._documents.commit([Delete(key_path(key_hash)) for key_hash in part])

    async def kept_credential(self, tenant: Tenant, provider: str) -> Credential | None:
        """Return the newest active key of a provider, also where settings name it no longer; None where there is none.

        Raises WarehouseUnavailable: it is read from the record each time.
        """
        rows = await self._lookup(tenant, CREDENTIALS_SQL)
        return next((_credential(row) for row in rows if row["provider"].strip().lower() == provider), None)

    async def _read_keys(self, tenant: Tenant, hashes: tuple[str, ...]) -> dict[str, Data]:
        rows = await self._lookup(tenant, KEYS_SQL, {"key_hashes": Parameter("STRING", hashes)})
        return {row.pop("org_api_key_hash"): row for row in map(dict, rows)}

    async def _read_organization(self, tenant: Tenant, *, wanted: bool) -> Data | None:
        if not wanted:
            return None
        profile, settings, credentials, access = await asyncio.gather(
            self._lookup(tenant, PROFILE_SQL),
            self._lookup(tenant, SETTINGS_SQL),
            self._lookup(tenant, CREDENTIALS_SQL),
            self._lookup(tenant, ACCESS_SQL),
        )
        chosen = settings[0] if settings else None
        by_id = {row["credential_id"]: row for row in reversed(credentials)}
        credential = by_id.get(chosen["credential_id"]) if chosen else None
        named = {choice.credential_id for choice in fallback_in(chosen.get("fallback"))} if chosen else set()
        return {
            "profile": profile[0] if profile else None,
            "settings": chosen,
            "credential": credential,
            "fallback_credentials": [row for credential_id, row in by_id.items() if credential_id in named],
            "access": {row["kind"]: {"version": row["version"], "body": row["body"]} for row in access},
        }

    async def _lookup(
        self, tenant: Tenant, text: str, parameters: Mapping[str, Parameter] | None = None
    ) -> tuple[dict[str, Any], ...]:
        query = fixed(tenant, text, parameters)
        labels = {"org": tenant.org_slug, "purpose": "directory"}
        return (await self._warehouse.look_up(query, labels=labels)).rows

    def _organization(self, data: Data) -> Organization | None:
        if data["profile"] is None:
            return None
        profile = {name: data["profile"].get(name) for name in Profile.__dataclass_fields__}
        return Organization(
            profile=Profile(**profile),
            settings=self._chat_settings(data["settings"]) if data["settings"] else None,
            credential=_credential(data["credential"]) if data["credential"] else None,
            fallback_credentials=tuple(map(_credential, data.get("fallback_credentials") or ())),
            access=access_of(data.get("access")),
        )

    def _chat_settings(self, data: Data) -> ChatSettings:
        """The settings of a row; what the row leaves open is as the environment has it."""
        given = {name: data[name] for name in ChatSettings.__dataclass_fields__ if data.get(name) is not None}
        defaults = {
            "temperature": self._settings.default_temperature,
            "max_tokens": self._settings.default_max_tokens,
            "max_history_messages": self._settings.default_max_history,
            "include_org_context": True,
            "enable_memory": True,
            "system_prompt_extra": None,
        }
        dollars = {name: Decimal(given[name]) for name in _DOLLARS if name in given}
        return ChatSettings(**{**defaults, **given, **dollars, "fallback": fallback_in(data.get("fallback"))})

    def _fresh(self, document: Document | None, now: datetime) -> Data | None:
        if document is None:
            return None
        age = now - document.data["cached_at"]
        return document.data if age <= timedelta(seconds=self._settings.cache_ttl_seconds) else None

    def _stamped(self, data: Data, now: datetime) -> Data:
        return {**data, "cached_at": now, "expire_at": now + timedelta(days=CACHE_RETENTION_DAYS)}


def key_path(key_hash: str) -> str:
    """The path of the Firestore copy of a key."""
    return f"api_keys/{key_hash}"


def organization_path(tenant: Tenant) -> str:
    """The path of the Firestore copy of an organisation."""
    return f"orgs/{tenant.org_slug}"


def fallback_in(text: str | None) -> tuple[FallbackChoice, ...]:
    """The choices in the JSON text of a settings row; what is not of its shape, which others may write, is none."""
    try:
        choices = [_choice(entry) for entry in json.loads(text or "[]") or ()]
    except (ValueError, TypeError, KeyError):
        return ()
    return tuple(choices[: limits.MAX_FALLBACKS])


def _choice(entry: Mapping[str, Any]) -> FallbackChoice:
    choice = FallbackChoice(entry["provider"], entry["model_id"], entry["credential_id"], entry.get("calls_tools"))
    names = (choice.provider, choice.model_id, choice.credential_id)
    if not all(isinstance(name, str) for name in names) or not isinstance(choice.calls_tools, bool | None):
        raise TypeError
    return choice


def _api_key(data: Data) -> ApiKey:
    return ApiKey(
        org_api_key_id=data["org_api_key_id"],
        org_slug=data["org_slug"],
        scopes=frozenset(data["scopes"] or ()),
        is_active=data["is_active"],
        expires_at=data["expires_at"],
    )


def _copy(path: str, data: Data, old: Document | None) -> Write:
    """Write what was read, unless the copy that was found changed meanwhile."""
    return Create(path, data) if old is None else Patch(path, data, old.updated_at)


def _credential(data: Data) -> Credential:
    return Credential(
        credential_id=data["credential_id"],
        provider=data["provider"],
        ciphertext=bytes(data["encrypted_credential"]),
        validation_status=data["validation_status"],
        expires_at=data["expires_at"],
        credential_name=data.get("credential_name"),
        last_validated_at=data.get("last_validated_at"),
    )
