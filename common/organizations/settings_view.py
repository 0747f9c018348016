"""What may be told of an organisation's settings: what serves, or why nothing does; of a key nothing but its name."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from common.errors import KeyInvalid, NotFound, SetupRequired
from common.models import catalog
from common.organizations.directory import Organization
from common.organizations.serving import credential_of, settings_of
from common.settings import Settings

_CHANGEABLE = (
    "provider", "model_id", "temperature", "max_tokens", "include_org_context", "enable_memory",
    "max_history_messages", "system_prompt_extra",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SettingsView:
    """Tells what was looked up; nobody else is asked, not the provider and not KMS."""

    settings: Settings
    clock: Callable[[], datetime]

    def status(self, organization: Organization | None) -> dict[str, Any]:
        """``ready`` with what serves, or ``setup_required``, ``key_invalid``, ``key_expired``,
        ``provider_unavailable`` with a sentence."""
        try:
            chosen = settings_of(organization)
        except SetupRequired as missing:
            return _not_ready(missing.code, missing.detail)
        try:
            model = catalog.resolve(chosen.provider, chosen.model_id, deployed=self._deployed)
        except SetupRequired as unserved:
            return _not_ready("provider_unavailable", unserved.detail)
        try:
            credential = credential_of(organization, self.clock())
        except (SetupRequired, KeyInvalid) as refused:
            return _not_ready(refused.code, refused.detail)
        validated = credential.last_validated_at
        return {
            "configured": True,
            "provider": model.provider,
            "model_id": chosen.model_id,
            "credential_name": credential.credential_name,
            "last_validated_at": validated.isoformat() if validated else None,
            "calls_tools": model.tools if chosen.calls_tools is None else chosen.calls_tools,
            "status": "ready",
        }

    def whole(self, organization: Organization | None) -> dict[str, Any]:
        """The status, and the settings as they may be changed; None where there are none."""
        chosen = organization.settings if organization else None
        shown = {name: getattr(chosen, name) for name in _CHANGEABLE} if chosen else None
        return {**self.status(organization), "settings": shown}

    def models(self, organization: Organization | None, provider: str | None = None) -> dict[str, Any]:
        """The listed models of a provider; where none is named, of the organisation's own.

        Prices are US dollars for a million tokens, null where unknown. A provider accepts others beside these. Raises
        SetupRequired where the organisation has no settings, NotFound for a provider that is not served here.
        """
        deployed = self._deployed
        try:
            offers = catalog.models_of(provider or settings_of(organization).provider, deployed=deployed)
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
            "providers": list(catalog.providers_of(deployed=deployed)),
        }

    @property
    def _deployed(self) -> bool:
        return self.settings.environment.is_deployed


def _number(price: Decimal | None) -> float | None:
    return float(price) if price is not None else None


def _not_ready(code: str, message: str) -> dict[str, Any]:
    return {"configured": False, "status": code, "message": message}
