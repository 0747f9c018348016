"""The services that the functions share: each is imported and built when it is first asked for."""

import asyncio
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from common.foundations import Foundations

if TYPE_CHECKING:
    from common.alerting.round import AlertRound
    from common.conversations.cancelling import Cancellations
    from common.conversations.conversations import Conversations
    from common.conversations.escalations import Escalations
    from common.conversations.feedback import Feedback
    from common.conversations.fork import Forks
    from common.conversations.lookup import ConversationLookup
    from common.conversations.messages import Messages
    from common.conversations.search import Search
    from common.conversations.store import ConversationStore
    from common.delivery.deliveries import Deliveries
    from common.delivery.sender import Sender
    from common.digests.digests import Digests
    from common.digests.round import DigestRound
    from common.knowledge.services import KnowledgeServices
    from common.metering.ceilings import CostCeilings
    from common.metering.embedding_use import EmbeddingUse
    from common.metering.statement import UsageReports
    from common.models.completion import Completion
    from common.notices.destinations import Destinations
    from common.notices.notices import Notices
    from common.organizations.access_store import AccessStore
    from common.organizations.settings_store import SettingsStore
    from common.organizations.settings_view import SettingsView
    from common.protocols.tool_calls import ToolServices
    from common.record.dead_letters import DeadLetters
    from common.record.erasure import Erasure
    from common.record.offboarding import Offboarding
    from common.record.purge import Purge
    from common.record.reader import Record
    from common.record.start import RecordStart
    from common.record.sync import Sync
    from common.record.writer import RecordWriter
    from common.skills.loading import Skills
    from common.skills.offers import Offers
    from common.telemetry.readiness import Readiness
    from common.tools.context import Resources
    from common.tools.registry import Registry
    from common.turn import TurnServices
    from common.turn.admission import Admission


@dataclass(frozen=True)
class Services(Foundations):
    """The services of an instance; tests override settings, model or clock."""

    @cached_property
    def knowledge(self) -> "KnowledgeServices":
        from common.knowledge.services import KnowledgeServices

        def meter() -> "EmbeddingUse":
            from common.metering.embedding_use import EmbeddingUse

            return EmbeddingUse(self.cost_ceilings, self.directory, self.documents, self.clock)

        stores = (self.documents, self.directory, self.provider_keys)
        return KnowledgeServices(self.settings, *stores, self.clock, meter, self.log)

    @cached_property
    def completion(self) -> "Completion":
        from common.models.completion import Providers

        return self.model or Providers({str(name): base for name, base in self.settings.model_api_bases.items()})

    @cached_property
    def settings_view(self) -> "SettingsView":
        from common.organizations.settings_view import SettingsView

        return SettingsView(self.settings, self.clock)

    @cached_property
    def settings_store(self) -> "SettingsStore":
        from common.organizations.key_check import KeyCheck
        from common.organizations.settings_store import SettingsStore

        stores = (self.directory, self.warehouse, self.provider_keys)
        return SettingsStore(self.settings, *stores, KeyCheck(self.completion), self.log, self.clock)

    @cached_property
    def access_store(self) -> "AccessStore":
        from common.organizations.access_store import AccessStore

        return AccessStore(
            settings=self.settings, directory=self.directory, warehouse=self.warehouse, secrets=self.token_secrets,
            log=self.log, clock=self.clock,
        )  # fmt: skip

    @cached_property
    def readiness(self) -> "Readiness":
        from common.delivery.measure import DeliveryMeasure
        from common.record.measures import measures_of
        from common.telemetry.readiness import Readiness

        asked = {"firestore": self.documents.ping, "bigquery": self.warehouse.ping, "kms": self.provider_keys.ping}
        probes = {**asked, **self.more_probes}
        of_record = measures_of(self.settings, self.documents, self.warehouse, self.clock)
        measures = {**of_record, "deliveries": DeliveryMeasure(self.documents, self.clock).measure}
        return Readiness(self.settings, self.log, probes, measures)

    @cached_property
    def skills(self) -> "Skills":
        from common.skills.loading import load_skills

        return load_skills(*self.more_skills)

    @cached_property
    def offers(self) -> "Offers":
        from common.skills.loading import Skills
        from common.skills.offers import Offers

        return Offers(Skills(self.skills.roster, self.registry))

    @cached_property
    def registry(self) -> "Registry":
        return self.skills.registry

    @cached_property
    def tool_resources(self) -> "Resources":
        """The services that tools may ask for, by the names of their contexts' fields."""
        from common.skills.planner.stored import StoredPlans

        plans = StoredPlans(self.documents, self.record)
        return {
            "warehouse": self.warehouse,
            "knowledge": self.knowledge.search,
            "embeddings": self.knowledge.embeddings,
            "plans": plans,
            "log": self.log,
            "destinations": self.destinations,
            "escalations": self.escalations,
        }

    @cached_property
    def store(self) -> "ConversationStore":
        from common.conversations.store import ConversationStore

        return ConversationStore(self.documents)

    @cached_property
    def record(self) -> "Record":
        from common.record.reader import Record

        return Record(self.warehouse, self.record_start)

    @cached_property
    def record_start(self) -> "RecordStart":
        from common.record.start import RecordStart

        return RecordStart(self.warehouse, self.documents, self.clock)

    @cached_property
    def lookup(self) -> "ConversationLookup":
        from common.conversations.lookup import ConversationLookup

        return ConversationLookup(self.authenticator, self.record)

    @cached_property
    def conversations(self) -> "Conversations":
        from common.conversations.conversations import Conversations

        return Conversations(self.authenticator, self.lookup, self.documents, self.record, self.store, self.clock)

    @cached_property
    def cancellations(self) -> "Cancellations":
        from common.conversations.cancelling import Cancellations

        return Cancellations(self.lookup, self.documents, self.store)

    @cached_property
    def messages(self) -> "Messages":
        from common.conversations.messages import Messages

        return Messages(self.lookup, self.documents, self.record, self.clock)

    @cached_property
    def forks(self) -> "Forks":
        from common.conversations.fork import Forks

        return Forks(self.lookup, self.messages, self.documents, self.clock)

    @cached_property
    def search(self) -> "Search":
        from common.conversations.search import Search

        return Search(self.documents, self.record)

    @cached_property
    def feedback(self) -> "Feedback":
        from common.conversations.feedback import Feedback

        return Feedback(self.lookup, self.documents, self.record, self.clock)

    @cached_property
    def record_writer(self) -> "RecordWriter":
        from common.record.writer import RecordWriter

        return RecordWriter(self.warehouse, self.directory.nobody)

    @cached_property
    def purge(self) -> "Purge":
        from common.record.purge import Purge

        return Purge(self.settings, self.documents, self.directory, self.record, self.record_writer, self.clock)

    @cached_property
    def sync(self) -> "Sync":
        from common.record.sync import Sync

        return Sync(self.documents, self.directory, self.record_writer, self.purge, self.log, self.clock)

    @cached_property
    def alert_round(self) -> "AlertRound":
        from common.alerting.round import AlertRound

        return AlertRound(self.documents, self.directory, self.warehouse, self.log, self.clock)

    @cached_property
    def destinations(self) -> "Destinations":
        from common.notices.destinations import Destinations

        return Destinations(self.settings, self.documents, self.token_secrets, self.log, self.clock)

    @cached_property
    def notices(self) -> "Notices":
        from common.notices.notices import Notices

        return Notices(self.documents, self.destinations, self.clock)

    @cached_property
    def sender(self) -> "Sender":
        from common.delivery.sender import Sender

        return Sender(self.settings, self.destinations, self.clock)

    @cached_property
    def deliveries(self) -> "Deliveries":
        from common.delivery.deliveries import Deliveries
        from common.queue import TaskQueue

        return Deliveries(self.documents, TaskQueue(self.settings), self.sender, self.log, self.clock)

    @cached_property
    def escalations(self) -> "Escalations":
        from common.conversations.escalations import Escalations

        return Escalations(self.lookup, self.documents, self.destinations, self.clock)

    @cached_property
    def digests(self) -> "Digests":
        from common.digests.digests import Digests

        return Digests(self.documents, self.warehouse, self.destinations, self.clock)

    @cached_property
    def digest_round(self) -> "DigestRound":
        from common.digests.round import DigestRound

        return DigestRound(
            self.documents, self.directory, self.warehouse, self.destinations, self.log, self.clock
        )  # fmt: skip

    @cached_property
    def erasure(self) -> "Erasure":
        from common.record.erasure import Erasure

        return Erasure(self.documents, self.record, self.record_start, self.purge)

    @cached_property
    def dead_letters(self) -> "DeadLetters":
        from common.record.dead_letters import DeadLetters

        return DeadLetters(self.documents, self.clock)

    @cached_property
    def offboarding(self) -> "Offboarding":
        from common.record.offboarding import Offboarding

        parts = (self.profiles, self.api_keys, self.settings_store, self.access_store, self.record_writer)
        return Offboarding(self.documents, self.directory, *parts, self.knowledge.files)

    @cached_property
    def admission(self) -> "Admission":
        """The places in this process, of turns and of MCP calls together: its part of those of the instance."""
        from common.turn.admission import Admission

        of_instance = (self.settings.turns_per_org, self.settings.turns_per_instance)
        return Admission(*(-(-places // self.settings.workers) for places in of_instance))

    @cached_property
    def cost_ceilings(self) -> "CostCeilings":
        from common.metering.ceilings import CostCeilings

        return CostCeilings(self.settings)

    @cached_property
    def usage(self) -> "UsageReports":
        from common.metering.statement import UsageReports

        return UsageReports(self.entrance, self.warehouse, self.cost_ceilings, self.clock)

    @cached_property
    def turns(self) -> "TurnServices":
        from common.agents.loop import AgentLoop
        from common.turn import TurnServices
        from common.turn.bursts import Bursts

        return TurnServices(
            settings=self.settings, authenticator=self.authenticator, provider_keys=self.provider_keys,
            rate_limits=self.rate_limits, cost_ceilings=self.cost_ceilings, store=self.store, documents=self.documents,
            lookup=self.lookup, cancellations=self.cancellations, record=self.record, registry=self.registry,
            tool_resources=self.tool_resources, bursts=Bursts(), admission=self.admission,
            offers=self.offers, loop=AgentLoop(self.completion), log=self.log, clock=self.clock,
        )  # fmt: skip

    @cached_property
    def mcp(self) -> "ToolServices":
        from common.conversations.confirmation import Confirmations
        from common.protocols.tool_calls import ToolServices

        return ToolServices(
            version=self.settings.service_version, offers=self.offers, tool_resources=self.tool_resources,
            documents=self.documents, admission=self.admission, confirmations=Confirmations(self.documents),
            log=self.log, clock=self.clock,
        )  # fmt: skip

    @cached_property
    def warming(self) -> "asyncio.Task[None] | None":
        """The preparation of the first turn, in the background; None over a test's model."""
        return None if self.model is not None else asyncio.create_task(self._warm())

    async def close(self) -> None:
        """Close the connections of what was used, but of no model that was handed in."""
        own = () if self.model is not None else ("completion",)
        made = ("documents", "provider_keys", "token_secrets", "knowledge", *own)
        for name in made:
            if name in self.__dict__:
                await self.__dict__[name].close()
        if "warehouse" in self.__dict__:
            self.warehouse.close()

    async def _warm(self) -> None:
        from common.turn.warming import warm

        await warm(lambda: self.turns, self.completion)
