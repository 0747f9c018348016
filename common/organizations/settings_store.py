"""Changes an organisation's chat settings and provider key: in BigQuery first, at once in every instance after.

The order of the statements is what makes a crash harmless: a new credential serves nobody until the settings name it,
one statement puts the new settings in place of the old, and only then is the old credential retired.
"""

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from common.errors import NotFound, PriceUnknown, SetupRequired, Unprocessable, WarehouseUnavailable
from common.models.catalog import Model
from common.organizations import settings_sql as sql
from common.organizations.directory import Directory
from common.organizations.fallback_choice import FallbackChooser, Main, Stored
from common.organizations.fast_model import choose_fast_model
from common.organizations.key_check import KeyCheck
from common.organizations.offering import Offering
from common.organizations.organization import ChatSettings, Organization
from common.organizations.provider_key import ProviderKeys
from common.organizations.serving import NO_CREDENTIAL, calls_tools, credential_for, same_provider
from common.organizations.settings_change import SettingsChange
from common.secret import Secret
from common.settings import Settings
from common.telemetry.log import Log
from common.tenant import Principal, Tenant
from common.warehouse.client import QueryRefused, QueryResult, Warehouse
from common.warehouse.query import Parameter, Scalar, fixed

_DECLARED = re.compile(r"@(\w+)")


@dataclass(frozen=True, slots=True)
class SettingsStore:
    """The only writer of org_chat_settings and of the chat's rows of org_integration_credentials."""

    settings: Settings
    directory: Directory
    warehouse: Warehouse
    provider_keys: ProviderKeys
    key_check: KeyCheck
    log: Log
    clock: Callable[[], datetime]

    async def change(self, principal: Principal, change: SettingsChange) -> Organization:
        """Apply a change and return what serves from now on.

        A key is stored only after its provider has answered to it with the chosen model. Stored keys are never opened
        here: whoever may change settings can put keys in and get none out.
        Raises Unprocessable, KeyInvalid, SetupRequired or the ModelError family; then nothing is changed.
        """
        tenant = principal.tenant
        organization = await self._organization(tenant)
        model = self._model(organization.settings, change)
        values = self._values(organization.settings, change, model) | {"user_id": principal.user_id}
        chooser = FallbackChooser(self._offering, self.provider_keys, self.key_check, self._stored_key)
        self._check_prices(values, chooser.check(organization.settings, change, model))
        credential_id, ciphertext, found = await self._credential(tenant, organization, change, model)
        name = change.credential_name or f"{model.provider} key"
        added = [] if ciphertext is None else [Stored(credential_id, model.provider, name, ciphertext)]
        main = Main(model, credential_id, calls_tools(model, found))
        fallback = await chooser.choose(tenant, organization.settings, change, main, key_replaced=bool(added))
        values |= {
            "credential_id": credential_id,
            "calls_tools": found,
            "fallback": fallback.as_json(),
            "allow_external_fallback": fallback.allows_external,
            "setting_id": str(uuid.uuid4()),
            "now": self.clock(),
        }
        async with self.directory.forgotten_on_failure(tenant):
            for credential in [*added, *fallback.added]:
                await self._run(tenant, sql.ADD_CREDENTIAL_SQL, values | credential.values())
            await self._run(tenant, sql.REPLACE_SETTINGS_SQL, values)
        self._audit("settings.changed", principal, values, ",".join(change.changed))
        served = await self.directory.renew(tenant)
        old = organization.settings
        names = {
            model.provider,
            *(choice.provider for choice in fallback.choices),
            *([old.provider.lower()] if old and same_provider(old.provider, model.provider) else ()),
        }
        await self._run(tenant, sql.RETIRE_OF_PROVIDER_SQL, {**values, "providers": tuple(names)})
        if served is None:
            raise NotFound
        return served

    async def delete(self, principal: Principal) -> None:
        """End the organisation's chat: no settings and no key of the chat are active afterwards. May be repeated."""
        tenant = principal.tenant
        values: dict[str, Scalar] = {"user_id": principal.user_id, "now": self.clock()}
        async with self.directory.forgotten_on_failure(tenant):
            await self._run(tenant, sql.END_SETTINGS_SQL, values)
        self._audit("settings.deleted", principal, values, "")
        await self.directory.renew(tenant)
        await self._run(tenant, sql.RETIRE_ALL_SQL, values)

    async def _organization(self, tenant: Tenant) -> Organization:
        organization = await self.directory.renew(tenant)
        if organization is None:
            raise NotFound("There is no such organisation.")
        return organization

    def _model(self, old: ChatSettings | None, change: SettingsChange) -> Model:
        """The model that the settings will name."""
        provider = change.provider or (old.provider if old else None)
        kept = old.model_id if old and provider and same_provider(provider, old.provider) else None
        model_id = change.model or kept
        if provider is None or model_id is None:
            raise Unprocessable("Choose a provider and one of its models: provider and model are both needed here.")
        try:
            return self._offering.resolve(provider, model_id)
        except SetupRequired:
            form = self._offering.form_of(provider)
            raise Unprocessable(
                f"model: a model of this provider is named as {form}."
                if form
                else "provider: this provider or its model is not served here. Choose another one."
            ) from None

    def _values(self, old: ChatSettings | None, change: SettingsChange, model: Model) -> dict[str, Any]:
        """The row that the settings will be: what was given, else what was there, else the default."""
        values: dict[str, Any] = {
            "temperature": self.settings.default_temperature,
            "max_tokens": self.settings.default_max_tokens,
            "include_org_context": True,
            "enable_memory": True,
            "max_history_messages": self.settings.default_max_history,
            "system_prompt_extra": None,
            "daily_token_limit": None,
            "monthly_cost_limit_usd": None,
            "user_daily_token_limit": None,
            "user_monthly_cost_limit_usd": None,
            "answer_cache_seconds": None,
        }
        for name in values:
            if name in change.model_fields_set:
                values[name] = getattr(change, name)
            elif old is not None:
                values[name] = getattr(old, name)
        fast = choose_fast_model(old, change, model, self._offering)
        return {**values, "provider": model.provider, "model_id": model.model_id, "fast_model_id": fast}

    def _check_prices(self, values: Mapping[str, Any], models: Sequence[tuple[str, str]]) -> None:
        """Raise PriceUnknown where the settings limit the cost of a model that has no known price."""
        if values["monthly_cost_limit_usd"] is None and values["user_monthly_cost_limit_usd"] is None:
            return
        fast = [(values["provider"], values["fast_model_id"])] if values["fast_model_id"] else []
        for provider, model_id in [*models, *fast]:
            if self._offering.resolve(provider, model_id).prices is None:
                raise PriceUnknown(
                    f"The price of {provider}/{model_id} is not known, so its cost cannot be limited. Set "
                    "daily_token_limit or user_daily_token_limit instead, and null for the cost limits."
                )

    async def _credential(
        self, tenant: Tenant, organization: Organization, change: SettingsChange, model: Model
    ) -> tuple[str, bytes | None, bool | None]:
        """The credential that the settings will name; with its ciphertext where it is new.

        The third is whether the model calls tools, as its check has shown; None where there was no check of it.
        """
        old = organization.settings
        if change.key is not None:
            key = Secret(change.key.get_secret_value())
            try:
                found = await self.key_check.check(model, key)
                credential_id = str(uuid.uuid4())
                return credential_id, await self.provider_keys.encrypt(tenant, credential_id, key), found
            finally:
                key.drop()
        kept = old if old is not None and same_provider(old.provider, model.provider) else None
        same_model = kept is not None and change.model in (None, kept.model_id)
        if not same_model and not self._offering.lists(model.provider, model.model_id):
            raise Unprocessable("model: it is not a listed one. Send the key with it, so that both can be checked.")
        if not model.needs_key and (kept is None or kept.credential_id == NO_CREDENTIAL):
            known = kept.calls_tools if kept is not None and same_model else None
            return NO_CREDENTIAL, None, known if same_model else await self.key_check.check(model, Secret(""))
        if kept is not None and kept.credential_id != NO_CREDENTIAL:
            if change.model is not None:
                credential_for(model, kept.provider, kept.credential_id, organization.credential, self.clock())
            return kept.credential_id, None, kept.calls_tools if same_model else None
        return await self._stored_key(tenant, model), None, None

    async def _stored_key(self, tenant: Tenant, model: Model) -> str:
        """The newest stored credential of the model's provider that could serve. Raises SetupRequired."""
        rows = (await self._run(tenant, sql.KEYS_SQL, {"now": self.clock()})).rows
        found = next((row for row in rows if same_provider(row["provider"], model.provider)), None)
        if found is None:
            raise SetupRequired("No key of this provider is stored that could serve. Send one with the settings.")
        return str(found["credential_id"])

    @property
    def _offering(self) -> Offering:
        return Offering.of(self.settings)

    async def _run(self, tenant: Tenant, text: str, values: Mapping[str, Scalar | tuple[Scalar, ...]]) -> QueryResult:
        """Run one statement with those of the values that it names."""
        names = set(_DECLARED.findall(text)) - {"org_slug"}
        query = fixed(tenant, text, {name: Parameter(sql.TYPES[name], values[name]) for name in names})
        labels = {"org": tenant.org_slug, "purpose": "settings"}
        if not query.writes:
            return await self.warehouse.look_up(query, labels=labels)
        try:
            return await self.warehouse.run(query, labels=labels, own=True)
        except QueryRefused as refused:
            raise WarehouseUnavailable from refused

    def _audit(self, event: str, principal: Principal, values: Mapping[str, Any], changed: str) -> None:
        told = {
            name: values[name] for name in ("provider", "model_id", "credential_id", "setting_id") if name in values
        }
        self.log.info(event, org=principal.org_slug, user_id=principal.user_id, changed=changed, **told)
