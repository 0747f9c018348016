"""The settings as the API shows them. Keys are never included, only their names."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from common.errors import KeyInvalid, NotFound, SetupRequired
from common.organizations.offering import Offering
from common.organizations.organization import Organization
from common.organizations.serving import calls_tools, served_by, settings_of
from common.settings import Settings

_CHANGEABLE = (
    "provider", "model_id", "temperature", "max_tokens", "include_org_context", "enable_memory",
    "max_history_messages", "system_prompt_extra", "allow_external_fallback", "daily_token_limit",
    "user_daily_token_limit", "fast_model_id", "answer_cache_seconds",
)  # fmt: skip


class Status(TypedDict):
    """The state of the setup: what serves where a model is set up, and a sentence where none is."""

    configured: bool
    status: str
    message: NotRequired[str]
    provider: NotRequired[str]
    model_id: NotRequired[str]
    credential_name: NotRequired[str | None]
    last_validated_at: NotRequired[str | None]
    calls_tools: NotRequired[bool | None]
    fast_model_id: NotRequired[str | None]


class Whole(Status):
    """The status, and the settings as they may be changed."""

    settings: dict[str, Any] | None


class ShownModel(TypedDict):
    """A model that can be chosen; prices are US dollars for a million tokens."""

    model_id: str
    context_window: int
    max_output: int
    input_price: float | None
    output_price: float | None


class Models(TypedDict):
    """The models of a provider, and the providers that there are."""

    provider: str | None
    models: list[ShownModel]
    providers: list[str]


class SettingsDeleted(TypedDict):
    """The answer to a deletion of the settings."""

    status: Literal["deleted"]


@dataclass(frozen=True, slots=True)
class SettingsView:
    """Shows settings from the lookup, without asking the provider or KMS."""

    settings: Settings
    clock: Callable[[], datetime]

    def status(self, organization: Organization | None) -> Status:
        """``ready`` with what serves, or ``setup_required``, ``key_invalid``, ``key_expired``,
        ``provider_unavailable`` with a sentence."""
        try:
            chosen = settings_of(organization)
        except SetupRequired as missing:
            return _not_ready(missing.code, missing.detail)
        try:
            model = self._offering.resolve(chosen.provider, chosen.model_id)
        except SetupRequired as unserved:
            return _not_ready("provider_unavailable", unserved.detail)
        try:
            credential = served_by(organization, self._offering, self.clock()).credential
        except (SetupRequired, KeyInvalid) as refused:
            return _not_ready(refused.code, refused.detail)
        validated = credential.last_validated_at if credential else None
        return {
            "configured": True,
            "provider": model.provider,
            "model_id": chosen.model_id,
            "credential_name": credential.credential_name if credential else None,
            "last_validated_at": validated.isoformat() if validated else None,
            "calls_tools": calls_tools(model, chosen.calls_tools),
            "fast_model_id": chosen.fast_model_id,
            "status": "ready",
        }

    def whole(self, organization: Organization | None) -> Whole:
        """The status, and the settings as they may be changed; None where there are none."""
        chosen = organization.settings if organization else None
        if chosen is None:
            return {**self.status(organization), "settings": None}
        shown = {name: getattr(chosen, name) for name in _CHANGEABLE}
        for name in ("monthly_cost_limit_usd", "user_monthly_cost_limit_usd"):
            shown[name] = _number(getattr(chosen, name))
        shown["fallback"] = [{"provider": each.provider, "model_id": each.model_id} for each in chosen.fallback]
        return {**self.status(organization), "settings": shown}

    def models(self, organization: Organization | None, provider: str | None = None) -> Models:
        """The listed models of a provider; where none is named, of the organisation's own.

        Prices are US dollars for a million tokens, null where unknown. A provider accepts others beside these. Raises
        SetupRequired where the organisation has no settings, NotFound for a provider that is not served here.
        """
        try:
            offers = self._offering.models_of(provider or settings_of(organization).provider)
        except SetupRequired:
            if provider is None:
                raise
            raise NotFound("There is no such provider here.") from None
        return {
            "provider": offers[0].provider if offers else provider,
            "models": [
                {
                    "model_id": offer.model_id,
                    "context_window": offer.context_window,
                    "max_output": offer.max_output,
                    "input_price": _number(offer.input_price),
                    "output_price": _number(offer.output_price),
                }
                for offer in offers
            ],
            "providers": list(self._offering.providers()),
        }

    @property
    def _offering(self) -> Offering:
        return Offering.of(self.settings)


def _number(price: Decimal | None) -> float | None:
    return float(price) if price is not None else None


def _not_ready(code: str, message: str) -> Status:
    return {"configured": False, "status": code, "message": message}
