"""The composition root: Settings to Services, built lazily, once per instance."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from common.access.authenticate import Authenticator
from common.access.directory import Directory
from common.access.provider_key import ProviderKeys
from common.agents.loop import AgentLoop
from common.agents.roster import load_roster
from common.documents import Documents
from common.models.completion import Completion, LiteLlm
from common.readiness import Readiness
from common.sessions.store import SessionStore
from common.settings import InvalidSettings, Settings, load_settings
from common.telemetry.log import Log
from common.tools.costs import COST_TOOLS
from common.tools.registry import Registry
from common.turn import Parts
from common.warehouse.client import Warehouse

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Services:
    """What the functions share. Each part is built when first asked for; tests override settings, model or clock."""

    settings: Settings
    clock: Clock = utc_now
    model: Completion | None = None

    @cached_property
    def log(self) -> Log:
        return Log(self.settings.log_level)

    @cached_property
    def documents(self) -> Documents:
        return Documents(self.settings.gcp_project_id, self.settings.firestore_database)

    @cached_property
    def warehouse(self) -> Warehouse:
        return Warehouse(self.settings)

    @cached_property
    def provider_keys(self) -> ProviderKeys:
        return ProviderKeys(self.settings)

    @cached_property
    def directory(self) -> Directory:
        return Directory(self.settings, self.documents, self.warehouse)

    @cached_property
    def authenticator(self) -> Authenticator:
        return Authenticator(self.settings, self.directory)

    @cached_property
    def completion(self) -> Completion:
        return self.model or LiteLlm()

    @cached_property
    def readiness(self) -> Readiness:
        probes = {"firestore": self.documents.ping, "bigquery": self.warehouse.ping, "kms": self.provider_keys.ping}
        return Readiness(self.settings, probes)

    @cached_property
    def registry(self) -> Registry:
        return Registry(COST_TOOLS)

    @cached_property
    def turns(self) -> Parts:
        return Parts(
            settings=self.settings,
            authenticator=self.authenticator,
            provider_keys=self.provider_keys,
            warehouse=self.warehouse,
            store=SessionStore(self.documents),
            registry=self.registry,
            loop=AgentLoop(load_roster(), self.completion),
            log=self.log,
            clock=self.clock,
        )


_services: Services | None = None


def services() -> Services:
    """The instance's Services, built from the environment on first use."""
    global _services
    if _services is None:
        _services = Services(load_settings())
    return _services


def use(override: Services | None) -> None:
    """Serve with these Services instead; None goes back to the environment's."""
    global _services
    _services = override


def check_settings() -> None:
    """Stop the process, with one sentence per problem, when the environment cannot be served with."""
    try:
        load_settings()
    except InvalidSettings as problems:
        sys.exit(f"The settings are not valid:\n{problems}")
