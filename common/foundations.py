"""The services that all others are made of: each is imported and built when it is first asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from common.settings import Settings
from common.telemetry.log import Log

if TYPE_CHECKING:
    from common.documents import Documents
    from common.identity.authenticate import Authenticator
    from common.identity.key_sets import KeySets
    from common.metering.entrance import Entrance
    from common.metering.rate_limits import RateLimits
    from common.models.completion import Completion
    from common.organizations.api_keys import ApiKeys
    from common.organizations.directory import Directory
    from common.organizations.profiles import Profiles
    from common.organizations.provider_key import ProviderKeys
    from common.telemetry.readiness import Probe
    from common.telemetry.tracing import Tracer
    from common.warehouse.client import Warehouse

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Foundations:
    """The parts of an instance that its other services are made of; tests override settings, model or clock."""

    settings: Settings
    clock: Clock = utc_now
    model: "Completion | None" = None
    more_skills: tuple[Path, ...] = ()
    more_probes: "Mapping[str, Probe]" = field(default_factory=dict)

    @cached_property
    def log(self) -> Log:
        return Log(self.settings.log_level, project_id=self.settings.gcp_project_id)

    @cached_property
    def tracer(self) -> "Tracer | None":
        """Sends spans where the settings say so; without them its SDK is not even imported."""
        if self.settings.traces_endpoint is None:
            return None
        from common.telemetry.otel import OtelTracer

        return OtelTracer(self.settings, self.log)

    @cached_property
    def documents(self) -> "Documents":
        from common.documents import Documents

        return Documents(self.settings.gcp_project_id, self.settings.firestore_database)

    @cached_property
    def warehouse(self) -> "Warehouse":
        from common.warehouse.client import Warehouse

        return Warehouse(self.settings)

    @cached_property
    def provider_keys(self) -> "ProviderKeys":
        from common.organizations.provider_key import ProviderKeys

        return ProviderKeys(self.settings)

    @cached_property
    def directory(self) -> "Directory":
        from common.organizations.directory import Directory

        return Directory(self.settings, self.documents, self.warehouse)

    @cached_property
    def authenticator(self) -> "Authenticator":
        from common.identity.authenticate import Authenticator
        from common.identity.tokens import TokenProofs

        return Authenticator(self.settings, self.directory, TokenProofs(self.key_sets, self.token_secrets))

    @cached_property
    def key_sets(self) -> "KeySets":
        """The keys of token issuers; on a laptop an issuer may be on the same machine."""
        from common.egress import get_json
        from common.identity.key_sets import KeySets

        return KeySets(partial(get_json, loopback=not self.settings.environment.is_deployed))

    @cached_property
    def token_secrets(self) -> "ProviderKeys":
        """Wraps the secrets of token issuers, with a key that every function may use."""
        from common.organizations.provider_key import ProviderKeys

        return ProviderKeys(self.settings, self.settings.kms_token_key_path)

    @cached_property
    def rate_limits(self) -> "RateLimits":
        from common.metering.rate_limits import RateLimits

        return RateLimits(self.settings)

    @cached_property
    def entrance(self) -> "Entrance":
        from common.metering.entrance import Entrance

        return Entrance(self.authenticator, self.rate_limits, self.documents, self.clock)

    @cached_property
    def profiles(self) -> "Profiles":
        from common.organizations.profiles import Profiles

        return Profiles(self.directory, self.warehouse, self.clock)

    @cached_property
    def api_keys(self) -> "ApiKeys":
        from common.organizations.api_keys import ApiKeys

        return ApiKeys(self.directory, self.warehouse, self.clock)
