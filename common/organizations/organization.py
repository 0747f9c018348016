"""An organisation as values: its keys, profile, chat settings and credentials."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from common.focus.calendar import FiscalCalendar
from common.organizations.access import Access
from common.tenant import WITHOUT_SCOPES, Principal, Tenant, UserId, role_of_scopes

_ACTIVE = "ACTIVE"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A row of org_api_keys, by the SHA-256 of the key."""

    org_api_key_id: str
    org_slug: str
    scopes: frozenset[str]
    is_active: bool
    expires_at: datetime | None

    @property
    def permissions(self) -> frozenset[str]:
        """Its scopes; where it was made without any, those that every valid key of the platform has."""
        return self.scopes or WITHOUT_SCOPES

    def serves(self, now: datetime) -> bool:
        return self.is_active and (self.expires_at is None or self.expires_at > now)


@dataclass(frozen=True, slots=True)
class Profile:
    """The profile of the organisation, as far as a prompt may use it."""

    company_name: str | None = None
    subscription_plan: str | None = None
    default_currency: str | None = None
    default_timezone: str | None = None
    fiscal_year_start_month: int | None = None
    status: str | None = None

    @property
    def is_active(self) -> bool:
        """Return true unless the platform has suspended or deleted the organisation, or says anything else of it."""
        return (self.status or "").strip().upper() == _ACTIVE

    @property
    def calendar(self) -> FiscalCalendar:
        """The fiscal calendar and the zone; the calendar year and UTC where the profile has none."""
        month = self.fiscal_year_start_month or 1
        return FiscalCalendar(month if 1 <= month <= 12 else 1, self.default_timezone or "UTC")


@dataclass(frozen=True, slots=True)
class FallbackChoice:
    """A model that answers while the chosen one does not, and the credential that pays for it."""

    provider: str
    model_id: str
    credential_id: str
    calls_tools: bool | None = None


@dataclass(frozen=True, slots=True)
class ChatSettings:
    """The organisation's active row of org_chat_settings."""

    provider: str
    credential_id: str
    model_id: str
    temperature: float
    max_tokens: int
    include_org_context: bool
    enable_memory: bool
    max_history_messages: int
    system_prompt_extra: str | None
    calls_tools: bool | None = None
    fallback: tuple[FallbackChoice, ...] = ()
    allow_external_fallback: bool = False
    daily_token_limit: int | None = None
    monthly_cost_limit_usd: Decimal | None = None
    user_daily_token_limit: int | None = None
    fast_model_id: str | None = None
    user_monthly_cost_limit_usd: Decimal | None = None
    answer_cache_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Credential:
    """The ciphertext of a provider key and whether it may serve."""

    credential_id: str
    provider: str
    ciphertext: bytes
    validation_status: str
    expires_at: datetime | None
    credential_name: str | None = None
    last_validated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Organization:
    """One organisation as a turn needs it."""

    profile: Profile
    settings: ChatSettings | None
    credential: Credential | None
    fallback_credentials: tuple[Credential, ...] = ()
    access: Access = field(default_factory=Access)


def hash_api_key(api_key: str) -> str:
    """The SHA-256 of an API key in hexadecimal, as org_api_keys stores it."""
    return hashlib.sha256(api_key.encode()).hexdigest()


def principal_of(tenant: Tenant, key: ApiKey, user_id: str | None) -> Principal:
    """The caller behind a valid key: the person it names, or the key itself."""
    caller = UserId(user_id or f"key:{key.org_api_key_id}")
    return Principal(tenant, caller, key.org_api_key_id, key.permissions, role_of_scopes(key.permissions))
