"""A turn before it runs: the services of all turns, and what an authorised one starts from."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from common.agents.loop import AgentLoop
from common.agents.pausing import Continuation
from common.citations.citation import Offered
from common.conversations.cancelling import Cancellations
from common.conversations.kept_steps import KeptSteps
from common.conversations.lookup import ConversationLookup
from common.conversations.paused_turn import Pending
from common.conversations.store import ConversationStore
from common.documents import Data, Documents
from common.identity.authenticate import Authenticator
from common.metering.ceilings import Allotment, CostCeilings
from common.metering.rate_limits import Allowance, RateLimits
from common.metering.usage_rows import Channel, EndedTurn
from common.models.catalog import Model
from common.organizations.organization import ChatSettings, Credential, Organization
from common.organizations.provider_key import ProviderKeys
from common.organizations.serving import Served
from common.record.reader import Record
from common.settings import Settings
from common.skills.offers import Offers
from common.telemetry.log import Log
from common.tenant import Principal
from common.tools.context import Resources
from common.tools.registry import Registry
from common.transcript.conversation import Conversation
from common.transcript.ids import answer_id_for, new_id
from common.transcript.message import Message
from common.turn.admission import Admission
from common.turn.bursts import Bursts
from common.turn.cached_answer import CachedAnswer
from common.turn.client_features import NO_FEATURES, ClientFeatures, ClientReply


@dataclass(frozen=True, slots=True)
class TurnServices:
    """The services of a turn. One instance serves all organisations and keeps nothing of a turn."""

    settings: Settings
    authenticator: Authenticator
    provider_keys: ProviderKeys
    rate_limits: RateLimits
    cost_ceilings: CostCeilings
    store: ConversationStore
    documents: Documents
    lookup: ConversationLookup
    cancellations: Cancellations
    record: Record
    registry: Registry
    tool_resources: Resources
    offers: Offers
    bursts: Bursts
    admission: Admission
    loop: AgentLoop
    log: Log
    clock: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class PreparedTurn:
    """The input of an authorised turn. ``resumed`` says that the question is stored already.

    ``now`` is the moment of the whole turn, for its prompt, tools, titles and counters. ``attempt_id`` names the holder
    of the lease. ``steps`` are those that an earlier attempt at this message has finished. ``offered`` are the passages
    that the answer may cite, as they come. ``cache_path`` is where the answer may be kept for the same question, and
    ``cached`` the one that is there.
    """

    principal: Principal
    organization: Organization
    settings: ChatSettings
    credential: Credential | None
    fast_model: Model | None
    fallback: tuple[Served, ...]
    allowed: Allowance
    allotment: Allotment
    channel: Channel
    model: Model
    conversation: Conversation
    question: Message
    answer_id: str
    resumed: bool
    now: datetime
    features: ClientFeatures = NO_FEATURES
    reply: ClientReply | None = None
    pending: Pending | None = None
    steps: KeptSteps | None = None
    attempt_id: str = field(default_factory=new_id)
    offered: Offered = field(default_factory=Offered)
    cache_path: str | None = None
    cached: CachedAnswer | None = None

    @property
    def unfinished_id(self) -> str:
        """The id of what is kept of this attempt without an answer: the message itself may still be answered."""
        return answer_id_for(self.conversation.conversation_id, f"{self.question.message_id}/{self.attempt_id}")

    @property
    def history(self) -> list[Data]:
        """The messages before the question; the question too where an attempt at it left something behind."""
        conversation, question_id = self.conversation, self.question.message_id
        recent = self.features.history(conversation.unsummarised if self.summary else conversation.recent)
        after = next((i + 1 for i, entry in enumerate(recent) if entry["message_id"] == question_id), len(recent))
        left_behind = self.pending is None and after < len(recent) and recent[after]["role"] == "assistant"
        left_out = self.exchange_ids - ({question_id} if left_behind else set())
        return [entry for entry in recent if entry["message_id"] not in left_out]

    @property
    def summary(self) -> str:
        """The summary of the messages before the history; empty where there is none that this client may be shown."""
        return (self.conversation.summary or "") if self.remembered and not self.begins_elsewhere else ""

    @property
    def begins_elsewhere(self) -> bool:
        """True if its client's history does not begin with what follows the summary: it may have gone back before that.

        A client that keeps the history itself, or shows only the end of it, has one that begins elsewhere too.
        """
        features, rest = self.features, self.conversation.unsummarised
        if features.said_before or features.shown is None:
            return bool(features.said_before)
        shown = features.shown.intersection(entry["message_id"] for entry in self.conversation.recent)
        return not features.shown or (bool(shown and rest) and rest[0]["message_id"] not in shown)

    @property
    def remembered(self) -> int:
        """The number of earlier messages that the settings have the model see."""
        return self.settings.max_history_messages if self.settings.enable_memory else 0

    @property
    def goes_on_from(self) -> Continuation | None:
        """The continuation of a paused turn, for the loop."""
        if self.pending is None or self.reply is None:
            return None
        approved = frozenset(waiting_id for waiting_id, each in self.reply.decisions.items() if each.approved)
        # An answer to a question is the message itself, in the words that are stored.
        answers = dict.fromkeys(self.reply.answers, "" if self.unanswered else self.question.content)
        return Continuation(self.pending.paused, self.reply.results, approved, answers)

    @property
    def exchange_ids(self) -> set[str]:
        """The messages that are no history yet: the question, and what was answered to it before a pause."""
        before = (self.pending.question_id, *self.pending.answer_ids) if self.pending else ()
        return {self.question.message_id, *before}

    @property
    def asked(self) -> str:
        """The question that the agents answer: where the message is a reply to theirs, the one before that."""
        return self.pending.question if self.pending is not None else self.question.content

    @property
    def unanswered(self) -> bool:
        """True if the person was asked back, and gave no answer."""
        return self.reply is not None and not all(self.reply.answers.values())

    def ended(
        self, agent_name: str, finish: str, message_id: str, tool_calls: int, bytes_billed: int, at: datetime
    ) -> EndedTurn:
        """Return the turn as its usage is filed, under the message that it is stored by."""
        return EndedTurn(
            principal=self.principal,
            conversation_id=self.conversation.conversation_id,
            message_id=message_id,
            attempt_id=self.unfinished_id,
            agent_name=agent_name,
            channel=self.channel,
            finish=finish,
            tool_calls=tool_calls,
            bytes_billed=bytes_billed,
            at=at,
        )
