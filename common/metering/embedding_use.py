"""The use of an organisation's own provider for embeddings: a row of usage, and the counters of its ceilings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from common.documents import Document, Documents, Write
from common.knowledge.embedding.space import Embedded, EmbeddingSpace
from common.metering.ceilings import Allotment, CostCeilings
from common.metering.counters import Counter
from common.metering.ledger import Ledger, ModelUse
from common.metering.usage_rows import EndedTurn, embedding_row
from common.models.call import Usage
from common.models.catalog import Model
from common.models.prices import Prices, Tier
from common.organizations.directory import Directory
from common.record.outbox import usage_entry
from common.tenant import Principal, Tenant, UserId

AGENT = "Embedding"


@dataclass(frozen=True, slots=True)
class EmbeddingUse:
    """Makes the writes that file and count it. Commit them with what was embedded."""

    ceilings: CostCeilings
    directory: Directory
    documents: Documents
    clock: Callable[[], datetime]

    async def check(self, tenant: Tenant) -> None:
        """Let passages be embedded. Raises CostCeiling where a ceiling of the organisation is reached."""
        counter = self.ceilings.counter_of(tenant, self.clock())
        found = await self.directory.look_up(tenant, None, counter.paths)
        read = {**found.documents, **await self._further(counter, found.documents)}
        chosen = found.organization.settings if found.organization else None
        self.ceilings.allotment_of(counter, read, chosen).check(Ledger())

    async def _further(self, counter: Counter, read: Mapping[str, Document | None]) -> Mapping[str, Document | None]:
        paths = counter.further_paths(read)
        return await self.documents.get_all(paths) if paths else {}

    def writes(self, tenant: Tenant, by: UserId, use_id: str, space: EmbeddingSpace, used: Embedded) -> list[Write]:
        """The writes for one use of a space that the organisation pays for; the same ``use_id`` is one row."""
        now = self.clock()
        use = ModelUse(_model(space), AGENT)
        use.add(Usage(used.tokens, 0), estimated=used.tokens_estimated)
        ended = EndedTurn(
            principal=Principal(tenant, by, ""), conversation_id=f"knowledge:{use_id}", message_id=use_id,
            attempt_id=use_id, agent_name=AGENT, channel="knowledge", finish="stop", tool_calls=0, bytes_billed=0,
            at=now,
        )  # fmt: skip
        ledger = Ledger({(space.provider, space.model_id, AGENT): use})
        counts = Allotment((), (self.ceilings.counter_of(tenant, now),), now).count(ledger)
        return [usage_entry(embedding_row(ended, use), now), *counts]


def _model(space: EmbeddingSpace) -> Model:
    """The model of a space, as far as usage is filed by it."""
    prices = None if space.price is None else Prices(Tier(input_price=space.price, output_price=space.price))
    return Model(
        provider=space.provider, model_id=space.model_id, litellm_name=space.model_id, context_window=1, max_output=1,
        max_temperature=None, output_limit="max_tokens", reasoning=False, api_base=None, prices=prices,
    )  # fmt: skip
