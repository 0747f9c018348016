"""Search by meaning in an organisation's documents."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from common import limits
from common.document_values import Vector
from common.documents import Documents, Neighbour, Where
from common.errors import EmbeddingUnavailable
from common.knowledge.embedding.space import Embeddings, Meter, SpaceName, paid_writes
from common.knowledge.passage import Passage
from common.knowledge.paths import chunks_path
from common.knowledge.record import DocumentRecord
from common.knowledge.store import KnowledgeStore
from common.tenant import Tenant, UserId

_FIELDS = ("document_id", "version", "text", "heading", "page")
# Passages of versions that no longer answer are deleted in a moment; until then they take places.
_SPARE = 3


@dataclass(frozen=True, slots=True)
class KnowledgeSearch:
    """Finds the passages that are nearest to a question, of documents that answer at this moment."""

    documents: Documents
    store: KnowledgeStore
    embeddings: Embeddings
    meter: Callable[[], Meter]

    async def search(self, tenant: Tenant, query: str, limit: int, by: UserId) -> tuple[Passage, ...]:
        """Return at most ``limit`` passages for ``by``, the best first.

        Raises EmbeddingUnavailable, DocumentsUnavailable.
        """
        spaces = await self.store.spaces(tenant)
        ranked: list[list[Passage]] = []
        failure: EmbeddingUnavailable | None = None
        for space in spaces:
            try:
                ranked.append(await self._in_space(tenant, space, query, limit, by))
            except EmbeddingUnavailable as error:
                failure = error
        if failure is not None and not any(ranked):
            raise failure
        # Distances of two spaces have no common measure, ranks have.
        merged = [found for rank in zip_longest(*ranked) for found in rank if found is not None]
        return tuple(merged[:limit])

    async def _in_space(self, tenant: Tenant, space: SpaceName, query: str, limit: int, by: UserId) -> list[Passage]:
        embedder = await self.embeddings.of(tenant, space)
        embedded = await embedder.embed([query], "query")
        if paid := paid_writes(self.meter, tenant, by, uuid.uuid4().hex, embedder.space, embedded):
            _, found = await asyncio.gather(
                self.documents.commit(paid), self._near(tenant, space, embedded.vectors[0], limit)
            )
            return found
        return await self._near(tenant, space, embedded.vectors[0], limit)

    async def _near(self, tenant: Tenant, space: SpaceName, numbers: Sequence[float], limit: int) -> list[Passage]:
        vector = Vector(numbers)
        most = limit * _SPARE
        while True:
            near = await self.documents.nearest(
                chunks_path(tenant),
                "embedding",
                vector,
                where=(Where("space", "==", space),),
                fields=_FIELDS,
                limit=most,
            )
            found = await self._answering(tenant, near)
            if len(found) >= limit or len(near) < most or most == limits.NEAREST_MOST:
                return found[:limit]
            most = min(most * 5, limits.NEAREST_MOST)

    async def _answering(self, tenant: Tenant, near: Sequence[Neighbour]) -> list[Passage]:
        """The passages of versions that answer: a deleted document is gone with its record's next word."""
        records = await self.store.read_many(tenant, {each.data["document_id"] for each in near})
        return [
            _passage(records[document_id], each.data, each.distance)
            for each in near
            if (document_id := each.data["document_id"]) in records
            and records[document_id].answers(each.data["version"])
        ]


def _passage(record: DocumentRecord, data: dict[str, Any], distance: float) -> Passage:
    score = round(1 - distance, 4)
    return Passage(record.document_id, record.name, data["page"], data["heading"], data["text"], score)
